
// --------------------------------------------------------------------------------------------------- playground

// What is shared stands in the fragment of the address, which browsers send to nobody: #playground=BASE64URL of JSON.
const shared = {
  read: () => {
    const [name, text] = [location.hash.slice(1).split("=")[0], location.hash.slice(location.hash.indexOf("=") + 1)];
    if (name !== "playground" || !location.hash.includes("=")) return null;
    try {
      const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
      const value = JSON.parse(new TextDecoder().decode(bytes));
      return value && typeof value === "object" ? value : null;
    } catch {
      return null;
    }
  },
  written: (value) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    let text = "";
    for (const each of bytes) text += String.fromCharCode(each);
    return `#playground=${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
  },
};

const EXAMPLE = {
  policy: `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: no-latest
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [pods]
  validations:
  - expression: object.spec.containers.all(c, !c.image.endsWith(':latest'))
    message: images name a version, never latest
`,
  object: `apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: web
    image: nginx:latest
`,
};

// A step of an expression with the steps below it; `left` bounds how many there are.
const stepOf = (step, left) => {
  if (left.steps <= 0) return null;
  left.steps -= 1;
  const result = step.outcome === "value" ? ` = ${step.value}` : step.outcome === "error" ? ` fails: ${step.error}` : " is not evaluated";
  const head = [make("code", {}, step.text), make("span", { class: step.outcome === "error" ? "failed" : "value" }, result),
    step.path ? make("span", { class: "path" }, ` ${step.path}`) : null];
  const below = [...(step.variable ? [step.variable] : []), ...(step.children || [])];
  const rounds = step.rounds || [];
  if (!below.length && !rounds.length) return make("li", { class: step.decides ? "decides" : null }, ...head);
  const inner = make("ul");
  const fill = () => {
    if (inner.childElementCount) return;
    inner.append(...below.map((each) => stepOf(each, left)).filter(Boolean));
    for (const round of rounds) {
      const list = make("ul", {}, ...(round.children || []).map((each) => stepOf(each, left)).filter(Boolean));
      inner.append(make("li", { class: round.decides ? "decides" : null }, make("span", { class: "value" },
        `with ${round.items.map((each) => `${each.name} = ${each.value}`).join(", ")}`), round.path ? make("span", { class: "path" }, ` ${round.path}`) : null, list));
    }
    const more = (step.total || 0) - rounds.length;
    if (more > 0) inner.append(make("li", { class: "value" }, `${number(more)} more`));
    if (left.steps <= 0) inner.append(make("li", { class: "value" }, "more steps are not shown"));
  };
  const details = make("details", { ontoggle: () => fill() }, make("summary", {}, ...head.filter(Boolean)), inner);
  return make("li", { class: step.decides ? "decides" : null }, details);
};

const expressionOf = (each) => {
  const named = each.name ? ` ${each.name}` : "";
  const tree = stepOf(each.tree, { steps: 2000 });
  const details = tree.querySelector("details");
  if (details) details.open = true;
  return make("section", { class: "expression" },
    make("h4", {}, `${each.field}[${each.index ?? each.key}]${named}`), make("ul", { class: "tree" }, tree));
};

const objectOf = (policy, object, costs) => {
  const denies = object.findings.some((each) => each.action === "Deny") || object.refused.length > 0;
  const [level, word] = object.refused.length ? ["error", "refused by the API server"] : !object.matched ? ["none", "not matched"]
    : denies ? ["deny", "denied"] : object.findings.length ? ["warn", "allowed, with findings"] : ["pass", "allowed"];
  const named = `${object.object.kind} ${object.object.namespace ? `${object.object.namespace}/` : ""}${object.object.name}`;
  const list = make("ul", { class: "inputs" });
  for (const each of [...object.refused, ...object.findings]) {
    list.append(make("li", {}, levelTag((each.action || "error").toLowerCase(), each.action || "refused"), ` ${each.message}`,
      make("span", { class: "place" }, ` object, line ${each.line}${each.path ? `, ${each.path}` : ""}`)));
  }
  const cost = costs.length && policy.language !== "python" ? make("p", { class: "cost" }, `Cost: ${costs.map((each) => `${number(each.cost || 0)} units, ${
    (100 * each.share).toLocaleString("en", { maximumSignificantDigits: 2 })} % of the API server's budget`).join("; ")}`) : null;
  const evaluations = object.bindings.flatMap((binding) => binding.evaluations.flatMap((each) =>
    [...each.matchConditions, ...each.validations, ...each.auditAnnotations]));
  return make("section", { class: "group", "aria-label": `${policy.policy} on ${named}` },
    make("h3", {}, make("span", { class: "name" }, `${policy.policy}: ${object.operation} ${named}${object.template ? " (its Pod)" : ""}`), levelTag(level, word)),
    make("div", { class: "result" }, object.reason ? make("p", {}, object.reason) : null, list.childElementCount ? list : null, cost,
      ...(object.diffs || []).map((diff) => make("pre", {}, diff)), ...evaluations.map(expressionOf)));
};

const PYTHON = {
  language: "python",
  policy: `from gatewright import Request, Violation, validate


@validate(resources=["v1/pods"], operations=["CREATE", "UPDATE"])
def no_latest(request: Request):
    """Images name a version."""
    for number, each in enumerate(request.object["spec"]["containers"]):
        if each["image"].endswith(":latest"):
            yield Violation("images name a version, never latest", path=f"spec.containers[{number}].image")
`,
  object: EXAMPLE.object,
};

// python: whether the server evaluates policies in Python, too.
const playground = (python) => {
  const area = (name, label, rows) => make("textarea", { id: `try-${name}`, rows, spellcheck: "false", autocomplete: "off",
    autocapitalize: "off", "aria-label": label });
  const fields = {
    policy: area("policy", "Policy", 16), object: area("object", "Object", 16), old: area("old", "Old object", 8),
    operation: make("select", { id: "try-operation" }, ...["CREATE", "UPDATE", "DELETE"].map((each) => make("option", {}, each))),
    namespace: make("input", { id: "try-namespace", placeholder: "default", autocomplete: "off" }),
    user: make("input", { id: "try-user", placeholder: "nobody in particular", autocomplete: "off" }),
    groups: make("input", { id: "try-groups", placeholder: "separated by commas", autocomplete: "off" }),
  };
  if (python) {
    fields.language = make("select", { id: "try-language" }, make("option", { value: "cel" }, "CEL"), make("option", { value: "python" }, "Python"));
  }
  const labelled = (name, word) => make("div", { class: "field" }, make("label", { for: `try-${name}` }, word), fields[name]);
  const status = make("p", { role: "status" });
  const results = make("div", { class: "results" });
  const taken = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
  const put = (value) => {
    for (const [name, field] of Object.entries(fields)) {
      if (name === "language") field.value = value[name] === "python" ? "python" : "cel";
      else if (name === "operation") field.value = ["UPDATE", "DELETE"].includes(value[name]) ? value[name] : "CREATE";
      else field.value = typeof value[name] === "string" ? value[name] : "";
    }
    older.open = Boolean(fields.old.value);
    if (value.language === "python" && !python) status.textContent = "This server evaluates no policies in Python.";
  };
  const evaluate = async () => {
    if (run.disabled) return;
    run.disabled = true;
    status.textContent = "Evaluating…";
    results.replaceChildren();
    try {
      const asked = taken();
      asked.groups = asked.groups.split(",").map((each) => each.trim()).filter(Boolean);
      const answer = await fetch("/page/evaluate", { method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify(asked) });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error || `the server answered ${answer.status}`);
      show(found);
    } catch (error) {
      status.textContent = `Not evaluated: ${error.message}`;
    }
    run.disabled = false;
  };
  const show = (found) => {
    if (found.problems.length) {
      status.textContent = `Not evaluated: ${plural(found.problems.length, "problem")}`;
      results.replaceChildren(make("section", { class: "card", "aria-label": "Problems" }, make("ul", { class: "inputs" },
        ...found.problems.map((each) => make("li", {}, levelTag("error", each.where),
          `${each.line ? ` line ${each.line}, column ${each.column || 1}` : ""}: ${each.message}`)))));
      const [first] = found.problems;
      const field = fields[first.where];
      if (field && first.line) {
        const lines = field.value.split("\n");
        const start = lines.slice(0, first.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
        if (first.where === "old") older.open = true;
        field.focus();
        field.setSelectionRange(start, start + (lines[first.line - 1] || "").length);
      }
      return;
    }
    status.textContent = found.denied ? "Denied" : "Allowed";
    results.replaceChildren(
      ...(found.notes.length ? [make("ul", { class: "inputs notes" }, ...found.notes.map((each) => make("li", {}, each)))] : []),
      ...found.policies.flatMap((policy) => policy.objects.map((object) => {
        const { apiVersion, kind, namespace, name } = object.object;
        const named = `${object.operation} ${apiVersion}/${kind} ${namespace ? `${namespace}/` : ""}${name}${object.template ? " (its Pod)" : ""}`;
        return objectOf(policy, object, found.costs.filter((each) => each.policy === policy.policy && each.object === named));
      })));
  };
  const run = make("button", { type: "button", class: "primary", "aria-keyshortcuts": "Control+Enter", onclick: evaluate }, "Evaluate");
  const share = make("button", { type: "button", class: "chip", onclick: async () => {
    const hash = shared.written(taken());
    history.replaceState(null, "", hash);
    try {
      await navigator.clipboard.writeText(location.href);
      status.textContent = "The link is copied. It holds everything above.";
    } catch {
      status.textContent = "The link is in the address bar. It holds everything above.";
    }
  } }, "Share as a link");
  const example = make("button", { type: "button", class: "chip", onclick: () => put(fields.language?.value === "python" ? PYTHON : EXAMPLE) }, "Example");
  const older = make("details", {}, make("summary", {}, "Old object, for an update"), fields.old);
  const whole = make("div", { class: "playground" },
    make("p", { class: "hint" }, `A policy in CEL, with its binding and params if it has some${
      python ? ", or in Python" : ""}, and an object. Nothing is stored.`),
    make("div", { class: "sides" }, make("div", {}, make("label", { for: "try-policy" }, "Policy"), fields.policy),
      make("div", {}, make("label", { for: "try-object" }, "Object"), fields.object, older)),
    make("div", { class: "request" }, python ? labelled("language", "Language") : null, labelled("operation", "Operation"), labelled("namespace", "Namespace"), labelled("user", "User"),
      labelled("groups", "Groups")),
    make("div", { class: "chips" }, run, share, example), status, results);
  whole.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      evaluate();
    }
  });
  const given = () => {
    const value = shared.read();
    if (value) put(value);
    return Boolean(value);
  };
  addEventListener("hashchange", given);
  if (!given()) put(EXAMPLE);
  return whole;
};
