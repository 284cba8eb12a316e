
// --------------------------------------------------------------------------------------- policies and exceptions
// As webhook.library.listing makes them. An audit counts no evaluations and no mutations: these are missing there.

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

// Whether evaluations were counted.
const counts = (policy) => policy.mutations !== undefined;

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
    make("span", { class: "place" }, [counts(policy) ? plural(sum("evaluations"), "evaluation") : "",
      policy.kind !== "MutatingAdmissionPolicy" ? `${number(sum("deny"))} denied, ${number(sum("warn") + sum("audit"))} warned or noted`
        : counts(policy) ? `${number(policy.mutations)} changed` : ""].filter(Boolean).join(", ")),
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
    make("table", {}, make("thead", {}, make("tr", {}, ...["Binding", "Actions", ...(counts(policy) ? ["Evaluations"] : []), ...RESULTS].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, ...policy.bindings.map((each) => make("tr", {}, make("th", { scope: "row" }, each.name),
        make("td", {}, each.actions.join(", ") || "mutates"), counts(policy) ? make("td", {}, number(each.counted.evaluations)) : null,
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

// what: what `used` counts. `unknown` is there of an audit: why it does not tell.
const exceptionsTable = (exceptions, now, what) => make("div", { class: "wide card", tabindex: "0", role: "region", "aria-label": "Table of exceptions" },
  make("table", { class: "exceptions" }, make("thead", {}, make("tr", {},
    ...["Exception", "State", "Expires", "Used", "Policies", "Reason", "Approved by"].map((word) => make("th", { scope: "col" }, word)))),
  make("tbody", {}, ...exceptions.map((each) => {
    const [level, word] = exceptionState(each, now);
    return make("tr", {}, make("th", { scope: "row" }, each.name, make("span", { class: "place" }, `${each.file}:${each.line}`)),
      make("td", {}, levelTag(level, word)), make("td", {}, (each.expires || "").slice(0, 10)),
      make("td", {}, each.used ? plural(each.used, what) : levelTag("none", each.unknown ? "unknown" : "unused")),
      make("td", {}, each.policies.join(", ")), make("td", {}, each.reason), make("td", {}, each.approvedBy));
  }))));

// A card that is closed: its content is made when it is opened.
const closed = (name, said, content) => {
  const card = make("details", { class: "card standing", ontoggle: () => {
    if (card.open && card.children.length === 1) card.append(...content());
  } }, make("summary", {}, name, make("span", { class: "said" }, said)));
  return card;
};

// What an audit judged by: its policies with their state, and the exceptions, those that end first at the top.
const standingCards = ({ policies, exceptions, notShown, revisions, at }) => {
  const STEP = 100;
  const rowsOf = () => {
    const rows = make("ul", { class: "rows" });
    const more = make("button", { type: "button", class: "rest", onclick: () => {
      const from = rows.children.length;
      extend();
      rows.children[from].firstChild.focus();
    } });
    const extend = () => {
      rows.append(...policies.slice(rows.children.length, rows.children.length + STEP).map(policyRow));
      const left = policies.length - rows.children.length;
      more.textContent = `Show ${number(Math.min(left, STEP))} more${left > STEP ? ` of ${number(left)}` : ""}`;
      if (!left) more.remove();
    };
    const parts = [make("p", {}, [revisions.length ? `Revision ${revisions.join(", ")}.` : "",
      notShown ? `${plural(notShown, "more policy or exception", "more policies or exceptions")} not shown.` : ""].filter(Boolean).join(" ")),
    rows, more];
    extend();
    return parts.filter((each) => each !== more || policies.length > STEP);
  };
  const having = (holds) => policies.filter(holds).length;
  const states = [["deny", "Deny"], ["warn", "Warn"], ["audit", "Audit"]].map(([word, action]) =>
    [having((each) => actionsOf(each).includes(action)), word]);
  const said = [...states, [having((each) => each.kind === "MutatingAdmissionPolicy" && each.bindings.length), "mutate"],
    [having((each) => !each.bindings.length), "unbound"],
    [having((each) => troublesOf(each).some(([level]) => level === "error")), "failed to be evaluated"]]
    .filter(([count]) => count).map(([count, word]) => `${number(count)} ${word}`).join(", ");
  const sorted = [...exceptions].sort((one, other) => Date.parse(one.expires) - Date.parse(other.expires));
  const idle = sorted.filter((each) => each.inForce && !each.used);
  const whys = [...new Set(idle.map((each) => each.unknown).filter(Boolean))];
  const unknown = idle.filter((each) => each.unknown).length;
  const uses = [[sorted.filter((each) => !each.inForce).length, "expired"], [idle.length - unknown, "covered nothing"],
    [unknown, "unknown whether used"]].filter(([count]) => count).map(([count, word]) => `${number(count)} ${word}`);
  return [
    policies.length ? closed(plural(policies.length, "policy", "policies"), said, rowsOf) : null,
    sorted.length ? closed(plural(sorted.length, "exception"), uses.join(", ") || "all in use", () => [
      ...whys.map((why) => make("p", {}, `Unknown whether ${
        plural(idle.filter((each) => each.unknown === why).length, "exception is", "exceptions are")} used: ${why}`)),
      exceptionsTable(sorted, Date.parse(at), "object")]) : null,
  ];
};
