
// --------------------------------------------------------------------------------------- policies and exceptions

const RESULTS = ["deny", "warn", "audit", "error"];
const levelTag = (level, text) => make("span", { class: `level l-${level}` }, text || level);
const plural = (count, word, words = `${word}s`) => `${number(count)} ${count === 1 ? word : words}`;
const day = 86400;

// What is not in order of a policy, as [level, text].
const troublesOf = (policy) => [
  ...(policy.notSent ? [["error", `not asked about: ${policy.notSent}`]] : []),
  ...(policy.isolation?.setAsideUntil ? [["error", `set aside until ${policy.isolation.setAsideUntil}`]] : []),
  ...(policy.bindings.some((each) => each.counted.error) ? [["error", `failed ${plural(
    policy.bindings.reduce((sum, each) => sum + each.counted.error, 0), "time")} to be evaluated`]] : []),
  ...(policy.bindings.length ? [] : [["none", "no binding: it never runs"]]),
];
const actionsOf = (policy) => [...new Set(policy.bindings.flatMap((each) => each.actions))];

const policyRow = (policy) => {
  const row = make("li", { class: "row" });
  const sum = (what) => policy.bindings.reduce((total, each) => total + each.counted[what], 0);
  const modes = policy.kind === "MutatingAdmissionPolicy" && policy.bindings.length ? ["mutates"] : actionsOf(policy);
  const troubles = troublesOf(policy);
  const toggle = () => {
    const open = head.getAttribute("aria-expanded") === "true";
    head.setAttribute("aria-expanded", String(!open));
    if (open) row.querySelector(".more").remove();
    else row.append(policyDetails(policy, troubles));
  };
  const head = make("button", { type: "button", class: "head policy", "aria-expanded": "false", onclick: toggle },
    make("span", { class: "what" }, make("span", { class: "object" }, policy.name), " ",
      make("span", { class: "path" }, policy.language === "python" ? "Python" : "CEL"),
      policy.severity ? make("span", { class: "path" }, ` ${policy.severity}`) : null),
    make("span", { class: "modes" }, ...(modes.length ? modes.map((mode) => levelTag(mode.toLowerCase(), mode)) : [levelTag("none", "unbound")]),
      troubles.some(([level]) => level === "error") ? levelTag("error", "look") : null),
    make("span", { class: "place" }, `${plural(sum("evaluations"), "evaluation")}, ${
      policy.kind === "MutatingAdmissionPolicy" ? `${number(policy.mutations)} changed`
        : `${number(sum("deny"))} denied, ${number(sum("warn") + sum("audit"))} warned or noted`}`),
    make("span", { class: "message" }, policy.title || policy.description));
  row.append(head);
  return row;
};

const policyDetails = (policy, troubles) => {
  const list = make("dl");
  const add = (name, value) => value && list.append(make("dt", {}, name), make("dd", {}, value));
  for (const [level, text] of troubles) add("state", make("span", {}, levelTag(level === "none" ? "none" : "error", level === "none" ? "idle" : "look"), ` ${text}`));
  add("ensures", policy.description);
  add("kind", policy.kind);
  add("file", `${policy.file}:${policy.line}`);
  add("failurePolicy", policy.failurePolicy);
  add("category", policy.category);
  add("controls", policy.controls.join(", "));
  if (policy.isolation) add("runs", `${policy.isolation.runs}${policy.isolation.why ? `: ${policy.isolation.why}` : ""}`);
  const table = policy.bindings.length ? make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `Bindings of ${policy.name}` },
    make("table", {}, make("thead", {}, make("tr", {}, ...["Binding", "Actions", "Evaluations", ...RESULTS].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, ...policy.bindings.map((each) => make("tr", {}, make("th", { scope: "row" }, each.name),
        make("td", {}, each.actions.join(", ") || "mutates"), make("td", {}, number(each.counted.evaluations)),
        ...RESULTS.map((result) => make("td", {}, number(each.counted[result])))))))) : null;
  return make("div", { class: "more" }, table, list);
};

// An exception's state, as [level, word].
const exceptionState = (each, now) => {
  if (!each.inForce) return ["deny", "expired"];
  const left = (Date.parse(each.expires) - now) / 1000;
  if (left < 30 * day) return ["warn", left < day ? "expires today" : `${plural(Math.floor(left / day), "day")} left`];
  return ["pass", "in force"];
};

const exceptionsTable = (exceptions, now) => make("div", { class: "wide card", tabindex: "0", role: "region", "aria-label": "Table of exceptions" },
  make("table", { class: "exceptions" }, make("thead", {}, make("tr", {},
    ...["Exception", "State", "Expires", "Used", "Policies", "Reason", "Approved by"].map((word) => make("th", { scope: "col" }, word)))),
  make("tbody", {}, ...exceptions.map((each) => {
    const [level, word] = exceptionState(each, now);
    return make("tr", {}, make("th", { scope: "row" }, each.name, make("span", { class: "place" }, `${each.file}:${each.line}`)),
      make("td", {}, levelTag(level, word)), make("td", {}, (each.expires || "").slice(0, 10)),
      make("td", {}, each.used ? plural(each.used, "time") : levelTag("none", "unused")),
      make("td", {}, each.policies.join(", ")), make("td", {}, each.reason), make("td", {}, each.approvedBy));
  }))));
