"use strict";
// A finding: rule, levels (those under which it stands; "pass" of a case that passed), error (whether the policy could
// not be evaluated), place, file, message, object, path, namespace, owner, operation, binding, change, excerpt [line, text, column, end], asides, diff, fix, suppressed.
// Fields that are empty are missing. Everything is shown as text: nothing here makes markup of it.

const make = (tag, properties = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
const FORMAT = new Intl.NumberFormat("en"); // toLocaleString makes one each time
const number = (count) => FORMAT.format(count);

// The button that changes between light and dark colours.
const themeButton = () => {
  const dark = () => (document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches);
  const button = make("button", { type: "button", class: "chip theme", onclick: () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    name();
  } });
  const name = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Light colours" : "Dark colours");
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
  return button;
};

// Shows findings in an element. before: what was chosen when they were shown last; see what is returned: `state`, and
// `end`, which ends listening to the keyboard.
const showFindings = (report, findings, main, before = {}) => {
  const PAGE = 50;
  const GROUPS = 50;
  const AT_ONCE = 100; // rows that are made when what is shown changes: a browser lays all of them out
  const ORDER = ["deny", "error", "warn", "warning", "audit", "note", "pass", "none"];
  const ERROR = "evaluation error";
  const WORDS = { pass: "passed", none: "suppressed" };
  const state = { text: "", level: "", rule: "", namespace: "", owner: "", severity: "", control: "", by: "rule", shown: {},
    ...before };

  const levelOf = (each) => (each.suppressed ? "none" : each.levels.reduce(
    (one, other) => (ORDER.indexOf(other) < ORDER.indexOf(one) ? other : one)));
  // Objects of one name in several clusters are several objects.
  const fleet = report.command === "audit" && new Set(findings.map((each) => each.file)).size > 1;
  const FIELDS = {
    rule: (each) => each.rule,
    namespace: (each) => each.namespace || "",
    owner: (each) => each.owner || "",
    level: levelOf,
    file: (each) => each.file,
    object: (each) => (each.object && fleet ? `${each.object} in ${each.file}` : each.object || ""),
    change: (each) => each.change || "",
    severity: (each) => report.rules[each.rule]?.severity || "",
    control: (each) => controlsOf(each.rule), // a list: what a policy is about may be in several catalogues
  };
  const NO_CONTROL = [""];
  const controlsOf = (rule) => (report.rules[rule]?.controls?.length ? report.rules[rule].controls : NO_CONTROL);
  const valuesOf = (each, field) => (field === "control" ? each.of.control : [each.of[field]]);
  const isOf = (each, field, value) => each.of[field] === value || (field === "control" && each.of.control.includes(value));
  const NOTHING = { namespace: "cluster-scoped", object: "no object", owner: "no owner", change: "unchanged", severity: "no severity", control: "no control" };
  const named = (field, value) => value || NOTHING[field] || "none";

  for (const each of findings) {
    each.level = levelOf(each);
    each.of = Object.fromEntries(Object.entries(FIELDS).map(([field, value]) => [field, value(each)]));
    each.words = [each.rule, each.level, each.place, each.message, each.object, each.path, each.namespace, each.owner,
      each.binding, each.change, each.suppressed, each.error && ERROR, ...each.of.control].filter(Boolean).join("\n").toLowerCase();
  }

  // ------------------------------------------------------------------------------------------------- what is shown

  const CHOSEN = ["level", "rule", "namespace", "owner", "severity", "control"];

  // What matches, and by field the groups of what would match without the choice in this field: all in one pass.
  const matched = () => {
    const words = state.text.split(/\s+/).filter(Boolean);
    const chosen = CHOSEN.filter((field) => state[field] !== "")
      .map((field) => [field, field === "level" ? state.level : state[field].slice(1)]);
    const found = [];
    const groups = Object.fromEntries(CHOSEN.map((field) => [field, new Map()]));
    for (const each of findings) {
      if (!words.every((word) => each.words.includes(word))) continue;
      let against = null;
      let more = false;
      for (const [field, value] of chosen) {
        if (isOf(each, field, value)) continue;
        more = against !== null;
        against = field;
        if (more) break;
      }
      if (more) continue;
      if (against === null) found.push(each);
      for (const field of against === null ? CHOSEN : [against]) countEach(groups, field, each);
    }
    groups.control = byControl(groups.control);
    return { found, groups };
  };
  const count = (groups, key, level) => {
    let group = groups.get(key);
    if (!group) groups.set(key, group = { total: 0, levels: {} });
    group.total += 1;
    group.levels[level] = (group.levels[level] || 0) + 1;
  };

  // Controls are counted by rule first: there are few rules, and each has several controls.
  const countEach = (groups, field, each) => count(groups[field], each.of[field === "control" ? "rule" : field], each.level);
  const byControl = (ofRules) => {
    const groups = new Map();
    for (const [rule, { total, levels }] of ofRules) {
      for (const control of controlsOf(rule)) {
        let group = groups.get(control);
        if (!group) groups.set(control, group = { total: 0, levels: {} });
        group.total += total;
        for (const level of Object.keys(levels)) group.levels[level] = (group.levels[level] || 0) + levels[level];
      }
    }
    return groups;
  };

  const whole = Object.fromEntries(CHOSEN.map((field) => [field, new Map()]));
  for (const each of findings) for (const field of CHOSEN) countEach(whole, field, each);
  whole.control = byControl(whole.control);

  const pick = (field, value) => {
    state[field] = state[field] === value ? "" : value;
    state.shown = {};
    show();
  };

  // --------------------------------------------------------------------------------------------------- the charts

  const TITLES = { rule: report.command === "lint" ? "By rule" : "By policy", namespace: "By namespace", owner: "By owner",
    severity: "By severity", control: "By control" };
  const charts = ["rule", "namespace", "owner", "severity", "control"].filter((field) => {
    const values = whole[field];
    if (field === "rule") return values.size > 0;
    if (field === "owner" && findings.every((each) => (each.owner || "") === (each.namespace || ""))) return false;
    if (field === "control") return values.size > (values.has("") ? 1 : 0);
    return values.size > 1 || (values.size === 1 && !values.has(""));
  }).map((field) => {
    const list = make("ul", { class: "bars" });
    return { field, list, card: make("section", { class: "card", "aria-label": TITLES[field] },
      make("h2", {}, TITLES[field]), list) };
  });

  const BARS = 60; // of a chart that scrolls and shows eight
  const drawChart = ({ field, list }, groups) => {
    const all = whole[field];
    const most = Math.max(1, ...[...groups.values()].map((group) => group.total));
    const keys = [...all.keys()].sort((one, other) =>
      (groups.get(other)?.total || 0) - (groups.get(one)?.total || 0) || all.get(other).total - all.get(one).total);
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    list.replaceChildren(...keys.slice(0, BARS).map((key) => {
      const group = groups.get(key) || { total: 0, levels: {} };
      const bar = make("span", { class: "bar", "aria-hidden": "true" });
      for (const level of ORDER) {
        if (!group.levels[level]) continue;
        const part = make("i", { class: `i-${level}` });
        part.style.width = `${(100 * group.levels[level]) / most}%`;
        bar.append(part);
      }
      const title = field === "rule" && report.rules[key] ? report.rules[key].title : "";
      return make("li", {}, make("button", {
        type: "button", "aria-pressed": state[field] === `=${key}`, "data-key": key, title: title || null,
        onclick: () => pick(field, `=${key}`),
      }, make("span", { class: "name" }, named(field, key)), make("span", { class: "number" }, number(group.total)), bar));
    }));
    if (keys.length > BARS) list.append(make("li", { class: "number" }, `${number(keys.length - BARS)} more: search for them`));
    if (focused !== null) [...list.querySelectorAll("button")].find((each) => each.dataset.key === focused)?.focus();
  };

  // ------------------------------------------------------------------------------------------------------ the list

  const excerptOf = ([line, text, column, end]) => {
    const characters = [...text];
    const gutter = line === null ? "" : `${line} │ `;
    return make("pre", {}, make("span", { class: "no" }, gutter), characters.slice(0, column - 1).join(""),
      make("mark", {}, characters.slice(column - 1, end - 1).join("")), characters.slice(end - 1).join(""));
  };
  const diffOf = (lines) => make("pre", {}, ...lines.flatMap((line) => [
    make("span", { class: { "+": "add", "-": "del" }[line[0]] || "" }, line), "\n"]));

  const detailsOf = (each) => {
    const list = make("dl");
    const rule = report.rules[each.rule];
    const add = (name, value) => value && list.append(make("dt", {}, name), make("dd", {}, value));
    const more = rule && (rule.kind === "lint" ? rule.name : rule.kind);
    add(rule && rule.kind === "lint" ? "rule" : "policy", more ? `${each.rule} (${more})` : each.rule);
    add("severity", rule && rule.severity);
    add("controls", each.of.control.join(", "));
    add("binding", each.binding);
    add("request", each.operation);
    add("field", each.path);
    add("namespace", each.namespace);
    if (each.owner !== each.namespace) add("owner", each.owner);
    add("levels", each.levels.length > 1 ? each.levels.join(", ") : "");
    add("why it counts for nothing", each.suppressed);
    add("fix", each.fix);
    for (const line of each.asides || []) add("", line);
    if (rule && rule.url) list.append(make("dt", {}, "more"), make("dd", {},
      make("a", { href: rule.url, rel: "noreferrer" }, rule.url)));
    return make("div", { class: "more" }, each.excerpt ? excerptOf(each.excerpt) : null,
      each.diff ? diffOf(each.diff) : null, each.why ? make("pre", {}, each.why.join("\n")) : null, list);
  };

  const rowOf = (each) => {
    const row = make("li", { class: "row" });
    const toggle = () => {
      const open = head.getAttribute("aria-expanded") === "true";
      head.setAttribute("aria-expanded", String(!open));
      if (open) row.querySelector(".more").remove();
      else row.append(detailsOf(each));
    };
    const head = make("button", { type: "button", class: "head", "aria-expanded": "false", onclick: toggle },
      make("span", { class: `level l-${each.level}` }, WORDS[each.level] || each.level),
      make("span", { class: "what" },
        each.error ? make("span", { class: "level l-error" }, ERROR) : null, each.error ? " " : null,
        make("span", { class: "object" }, (state.by !== "object" && each.object) || (state.by === "rule" ? each.file : each.rule)), " ",
        state.by === "rule" || state.by === "object" || !each.object ? null : make("span", {}, `${each.rule} `),
        each.path && !(each.message || "").startsWith(each.path) ? make("span", { class: "path" }, each.path) : null),
      make("span", { class: "place" }, each.place),
      each.message ? make("span", { class: "message" }, each.message) : null);
    row.append(head);
    return row;
  };

  const groupOf = (key, found, room) => {
    const id = `${state.by}=${key}`;
    const rows = make("ul", { class: "rows" });
    const section = make("section", { class: "group", "aria-label": named(state.by, key) },
      make("h3", {}, make("span", { class: "name" }, named(state.by, key)),
        make("span", { class: "count" }, number(found.length))));
    const title = state.by === "rule" && report.rules[key] ? report.rules[key].title : "";
    if (title) section.append(make("p", {}, title));
    section.append(rows);
    let written = 0;
    const extend = () => {
      const upto = Math.min(found.length, state.shown[id] || Math.min(PAGE, room));
      const first = written;
      for (; written < upto; written += 1) rows.append(rowOf(found[written]));
      section.querySelector(".rest")?.remove();
      if (written < found.length) {
        const left = found.length - written;
        const step = written ? 4 * PAGE : PAGE;
        section.append(make("button", { type: "button", class: "rest", onclick: () => {
          state.shown[id] = written + step;
          extend();
        } }, `Show ${number(Math.min(left, step))}${written ? " more" : ""}${left > step ? ` of ${number(left)}` : ""}`));
      }
      if (section.isConnected) rows.children[first]?.firstChild.focus();
    };
    extend();
    return [section, written];
  };

  // ------------------------------------------------------------------------------------------------------ the page

  const search = make("input", { type: "search", placeholder: "Search findings", "aria-label": "Search findings",
    "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false" });
  const chips = make("div", { role: "group", "aria-label": "Levels", class: "chips" });
  const by = make("div", { role: "group", "aria-label": "Group by", class: "by" },
    make("span", { "aria-hidden": "true" }, "Group by"));
  const status = make("p", { role: "status", "aria-live": "polite" });
  const reset = make("button", { type: "button", class: "link", onclick: () => clear() }, "show all");
  const list = make("div", { class: "list" });
  const ways = [["rule", report.command === "lint" ? "rule" : "policy"], 
    ...(findings.some((each) => each.file) ? [["file", "file"]] : []),
    ...(["check", "audit", "serve"].includes(report.command) && findings.some((each) => each.object) ? [["object", "object"]] : []),
    ...(findings.some((each) => each.namespace) ? [["namespace", "namespace"]] : []),
    ...(findings.some((each) => each.change) ? [["change", "change"]] : []),
    ...(charts.some((each) => each.field === "owner") ? [["owner", "owner"]] : []),
    ...(charts.some((each) => each.field === "severity") ? [["severity", "severity"]] : []),
    ...(charts.some((each) => each.field === "control") ? [["control", "control"]] : [])];
  if (!before.by && findings.some((each) => each.change)) state.by = "change";
  search.value = state.text;

  const clear = () => {
    Object.assign(state, { text: "", level: "", rule: "", namespace: "", owner: "", severity: "", control: "", shown: {} });
    search.value = "";
    show();
  };

  const show = () => {
    const { found, groups: chosen } = matched();
    charts.forEach((chart) => drawChart(chart, chosen[chart.field]));
    const levels = chosen.level;
    const all = whole.level;
    const focused = chips.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    chips.replaceChildren(...ORDER.filter((level) => all.has(level)).map((level) => make("button", {
      type: "button", class: "chip", "aria-pressed": state.level === level, "data-key": level,
      onclick: () => pick("level", level),
    }, make("span", { class: `dot i-${level}` }), `${WORDS[level] || level} `,
      make("b", {}, number(levels.get(level)?.total || 0)))));
    if (focused !== null) [...chips.children].find((each) => each.dataset.key === focused)?.focus();
    for (const each of by.querySelectorAll("button")) each.setAttribute("aria-pressed", state.by === each.dataset.key);
    const every = found.length === findings.length;
    status.textContent = every ? `${number(found.length)} shown` : `${number(found.length)} of ${number(findings.length)} shown`;
    reset.hidden = every && !state.text && !state.level;
    const groups = new Map();
    for (const each of found) {
      for (const key of valuesOf(each, state.by)) {
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(each);
      }
    }
    const gravest = (those) => Math.min(...those.map((each) => ORDER.indexOf(each.level)).slice(0, 1000));
    const sorted = [...groups].map(([key, those]) => [key, those, gravest(those)]).sort((one, other) =>
      one[2] - other[2] || other[1].length - one[1].length);
    for (const [, those] of sorted) those.sort((one, other) => ORDER.indexOf(one.level) - ORDER.indexOf(other.level));
    let room = AT_ONCE;
    list.replaceChildren(...sorted.slice(0, GROUPS).map(([key, those]) => {
      const [section, written] = groupOf(key, those, room);
      room = Math.max(0, room - written);
      return section;
    }));
    if (sorted.length > GROUPS) list.append(make("p", { class: "empty" },
      `${number(sorted.length - GROUPS)} more groups: search, or choose in the charts.`));
    if (!found.length) list.append(make("p", { class: "empty" },
      findings.length ? "Nothing matches. Press Escape to show all." : "Nothing was found."));
  };

  const inputs = report.problems.length || report.notes.length ? make("details", { class: "card" },
    make("summary", {}, [
      [report.problems.filter((each) => each.level === "error").length, "error"],
      [report.problems.filter((each) => each.level !== "error").length, "warning"],
      [report.notes.length, "note"],
    ].filter(([count]) => count).map(([count, word]) => `${number(count)} ${word}${count === 1 ? "" : "s"}`).join(", ")
      + " about the inputs"),
    make("ul", { class: "inputs" },
      ...report.problems.map((each) => make("li", {},
        make("span", { class: `level l-${each.level}` }, each.level), ` ${each.place}: ${each.message}`)),
      ...report.notes.map((note) => make("li", {}, note)))) : null;
  if (inputs && report.problems.some((each) => each.level === "error")) inputs.open = true;

  // The whole comes first, then the namespaces, the worst first; a score that fails says why, where a phone
  // shows it, too.
  const scoreRow = (each) => make("tr", { class: each.whys.length ? "fails" : null },
    make("th", { scope: "row" }, each.name || "cluster-scoped"),
    make("td", {}, ...(each.value === null ? ["none"]
      : [make("meter", { min: 0, max: 100, value: each.value, "aria-hidden": "true" }), ` ${each.value.toFixed(1)}`])),
    make("td", {}, !each.whys.length && (!each.demanded || each.value === null) ? null
      : make("span", { class: `level l-${each.whys.length ? "deny" : "pass"}` }, each.whys.length ? "fails" : "passes"),
    ` ${each.whys.join("; ")}`),
    make("td", {}, each.least === null ? "" : number(each.least)),
    make("td", {}, number(each.objects)), make("td", {}, number(each.violating)), make("td", {}, number(each.errors)));
  const scored = report.scores ? (() => {
    const body = make("tbody");
    const more = make("button", { type: "button", class: "rest", onclick: () => extend(PAGE) });
    const extend = (count) => {
      body.append(...report.scores.slice(body.children.length, body.children.length + count).map(scoreRow));
      const left = report.scores.length - body.children.length;
      more.textContent = `Show ${number(Math.min(left, PAGE))} more${left > PAGE ? ` of ${number(left)}` : ""}`;
      if (!left) more.remove();
    };
    const table = make("section", { class: "card scores", "aria-label": "Scores" }, make("h2", {}, "Scores"),
      make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table of scores" },
        make("table", {}, make("thead", {}, make("tr", {}, ...["Namespace", "Score", "Verdict", "Least", "Objects",
          "Violating", "Errors"].map((word) => make("th", { scope: "col" }, word)))), body)), more);
    extend(11);
    return table;
  })() : null;

  const trend = report.history?.length > 1 ? trendOf(report.history) : null;

  const mutated = report.diffs.length ? make("details", { class: "card" },
    make("summary", {}, "What mutation changes"), ...report.diffs.map(diffOf)) : null;

  by.append(...ways.map(([key, word]) => make("button", { type: "button", class: "chip", "data-key": key,
    "aria-label": `Group by ${word}`, onclick: () => { state.by = key; state.shown = {}; show(); } }, word)));
  search.addEventListener("input", () => {
    state.text = search.value.trim().toLowerCase();
    state.shown = {};
    show();
  });
  const keys = make("p", { class: "keys" }, make("kbd", {}, "/"), " search  ", make("kbd", {}, "j"), " ",
    make("kbd", {}, "k"), " next, previous  ", make("kbd", {}, "Enter"), " details  ", make("kbd", {}, "Esc"), " show all");
  main.replaceChildren(...[inputs, scored, trend, ...(report.standing ? standingCards(report.standing) : []), mutated,
    findings.length ? make("div", { class: "cards" }, ...charts.map((each) => each.card)) : null,
    findings.length ? make("div", { class: "tools" }, search, chips, by) : null,
    findings.length ? make("div", { class: "status" }, make("p", {}, status, " ", reset), keys) : null,
    list].filter(Boolean));

  // ---------------------------------------------------------------------------------------------------- the keyboard

  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !findings.length || !main.checkVisibility()) return;
    const typing = event.target === search;
    if (!typing && event.target.closest?.("input, textarea, select")) return;
    if (event.key === "Escape") {
      clear();
      search.blur();
    } else if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if ((["j", "k"].includes(event.key) && !typing) || (event.key === "ArrowDown" && typing)) {
      event.preventDefault();
      const heads = [...list.querySelectorAll(".head")];
      const at = heads.indexOf(document.activeElement);
      const next = heads[event.key === "k" ? Math.max(at - 1, 0) : Math.min(at + 1, heads.length - 1)];
      next?.focus();
    }
  };
  document.addEventListener("keydown", onKey);
  show();
  return { state, end: () => document.removeEventListener("keydown", onKey) };
};
