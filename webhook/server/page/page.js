
// ------------------------------------------------------------------------------------------------------ the page

(() => {
  const main = document.getElementById("main");
  const title = document.getElementById("title");
  const said = document.getElementById("said");
  const EVERY = 10000; // milliseconds between two looks
  let state = null;
  let span = "hour";
  const hidden = new Set();

  const ask = async (path) => {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error || `the server answered ${answer.status}`);
    return body;
  };
  document.querySelector("header").append(themeButton());

  // ---------------------------------------------------------------------------------------------------- the tabs

  const tabs = make("div", { role: "tablist", "aria-label": "Parts of the page", class: "tabs" });
  const panels = new Map();
  const select = (name, focus = false) => {
    for (const [each, { tab, panel }] of panels) {
      tab.setAttribute("aria-selected", String(each === name));
      tab.tabIndex = each === name ? 0 : -1;
      panel.hidden = each !== name;
    }
    panels.get(name).tab.scrollIntoView({ block: "nearest", inline: "center" });
    if (focus) panels.get(name).tab.focus();
    if (location.hash.split("=")[0] !== `#${name}`) history.replaceState(null, "", `#${name}`);
    panels.get(name).begin?.();
    if (name === "overview") drawChart();
  };
  const addTab = (name, word, begin, before) => {
    const panel = make("section", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, tabindex: "0" });
    const count = make("span", { class: "count" });
    const tab = make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, tabindex: "-1",
      onclick: () => select(name) }, word, " ", count);
    tabs.insertBefore(tab, before ? panels.get(before).tab : null);
    panels.set(name, { tab, panel, count, begin });
    return { panel, count };
  };
  tabs.addEventListener("keydown", (event) => {
    const names = [...tabs.children].map((tab) => tab.id.slice("tab-".length));
    const at = names.findIndex((name) => panels.get(name).tab === document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined || at < 0) return;
    event.preventDefault();
    select(names[(next + names.length) % names.length], true);
  });

  // ---------------------------------------------------------------------------------------------------- overview

  const overview = addTab("overview", "Overview");
  const chart = make("div", { class: "chart" });
  const pressed = (button, on) => button.setAttribute("aria-pressed", String(on));
  const spans = ["hour", "day"].map((each) => make("button", { type: "button", class: "chip", "aria-pressed": String(each === span),
    onclick: () => {
      span = each;
      spans.forEach((other, at) => pressed(other, ["hour", "day"][at] === span));
      drawChart();
    } }, `Last ${each}`));
  const legend = SERIES.map(([key, word, colour]) => {
    const button = make("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => {
      if (!hidden.delete(key)) hidden.add(key);
      pressed(button, !hidden.has(key));
      drawChart();
    } }, make("span", { class: `dot i-${colour}` }), word);
    return button;
  });
  const drawChart = () => {
    const open = chart.querySelector("details")?.open;
    chart.replaceChildren(...chartOf(state.course, span, hidden, Math.max(240, Math.min(1200, chart.clientWidth || 720))));
    chart.querySelector("details").open = Boolean(open);
  };
  addEventListener("resize", () => state && drawChart());
  const facts = make("dl", { class: "facts" });
  const troubles = make("div");
  overview.panel.append(troubles, make("section", { class: "card", "aria-label": "Reviews" }, make("h2", {}, "Reviews"),
    make("div", { class: "chips", role: "group", "aria-label": "What the chart shows" }, ...spans, ...legend), chart),
  make("section", { class: "card", "aria-label": "The server" }, make("h2", {}, "The server"), facts));

  const showOverview = () => {
    drawChart();
    const reviews = Object.values(state.verdicts).reduce((sum, each) => sum + each, 0);
    const since = new Date(state.course.since * 1000).toISOString().slice(0, 16).replace("T", " ");
    const rows = [["revision", state.revision], ["policies", number(state.policies.length)],
      ["reviews", `${number(reviews)} since ${since} UTC: ${SERIES.map(([key, word]) => `${number(state.verdicts[key] || 0)} ${word}`).join(", ")}`],
      ...(state.audit?.version ? [["last audit", `${ageOf(state.audit.at, Date.parse(state.at)) || "at an unknown time"}: ${
        state.audit.score === null ? "" : `score ${state.audit.score.toFixed(1)} of 100, `}${plural(state.audit.found, "finding")}`]] : []),
      ["ready", state.notReady ? `no: ${state.notReady}` : "yes"]];
    facts.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    const found = [
      ...(state.notReady ? [["error", `The server is not ready: ${state.notReady}`]] : []),
      ...(state.refused ? [["error", `Revision ${state.refused.revision} could not be put in force at ${state.refused.at}:`],
        ...state.refused.problems.map((each) => ["error", `${each.file}${each.line ? `:${each.line}` : ""}: ${each.message}`])] : []),
      ...(state.notice ? [["warning", state.notice]] : []),
      ...(state.audit?.problem ? [["warning", `The file of the last audit cannot be used: ${state.audit.problem}`]] : []),
      ...state.policies.flatMap((policy) => troublesOf(policy).filter(([level]) => level === "error")
        .map(([level, text]) => [level, `${policy.name}: ${text}`])),
      ...state.warnings.map((text) => ["warning", text]),
    ];
    troubles.replaceChildren(...(found.length ? [make("section", { class: "card", "aria-label": "What to look at" },
      make("h2", {}, "What to look at"), make("ul", { class: "inputs" }, ...found.slice(0, 200).map(([level, text]) =>
        make("li", {}, levelTag(level), ` ${text}`))))] : []));
  };

  // ---------------------------------------------------------------------------------------------------- policies

  const policies = addTab("policies", "Policies");
  const policySearch = make("input", { type: "search", placeholder: "Search policies", "aria-label": "Search policies",
    autocomplete: "off", spellcheck: "false", oninput: () => showPolicies() });
  const policyStatus = make("p", { role: "status" });
  const policyRows = make("ul", { class: "rows" });
  policies.panel.append(make("div", { class: "tools" }, policySearch), make("div", { class: "status" }, policyStatus),
    make("section", { class: "group", "aria-label": "Policies" }, policyRows));
  const showPolicies = () => {
    const words = policySearch.value.trim().toLowerCase().split(/\s+/);
    const found = state.policies.filter((policy) => {
      const text = [policy.name, policy.title, policy.description, policy.severity, policy.category, ...policy.controls, policy.language,
        ...actionsOf(policy), ...(policy.bindings.length ? [] : ["unbound"]), ...policy.bindings.map((each) => each.name)].join("\n").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const open = new Set([...policyRows.querySelectorAll(".head[aria-expanded=true] .object")].map((each) => each.textContent));
    const focused = policyRows.contains(document.activeElement) ? document.activeElement.querySelector(".object")?.textContent : null;
    policyRows.replaceChildren(...found.map(policyRow));
    for (const head of policyRows.querySelectorAll(".head")) {
      const name = head.querySelector(".object").textContent;
      if (open.has(name)) head.click();
      if (name === focused) head.focus();
    }
    policyStatus.textContent = found.length === state.policies.length ? `${number(found.length)} shown`
      : `${number(found.length)} of ${number(state.policies.length)} shown`;
  };

  // ---------------------------------------------------------------------------------------------------- findings

  let shown = null;
  const findings = addTab("findings", "Findings", () => loadFindings());
  const list = make("div");
  const again = make("button", { type: "button", class: "chip", onclick: () => loadFindings() }, "Refresh");
  const about = make("p", {}, "What policies found in requests of late, the last of each.");
  findings.panel.append(make("div", { class: "status" }, about, again), list);
  const rowOf = (each) => ({
    rule: each.policy, levels: [each.result], place: `${new Date(each.at * 1000).toISOString().slice(11, 19)} UTC${each.count > 1 ? ` ×${number(each.count)}` : ""}`,
    message: each.message, namespace: each.namespace, owner: each.owner || each.namespace,
    object: `${each.resource} ${each.namespace ? `${each.namespace}/` : ""}${each.name || "without a name"}`,
    operation: each.operation, binding: each.binding === each.policy ? "" : each.binding,
    asides: [`at ${each.path}, asked by ${each.user}`, ...(each.count > 1 ? [`${number(each.count)} requests`] : []),
      ...(each.message ? [] : ["the message may quote a Secret, and is not kept"])],
  });
  const loadFindings = async () => {
    let found;
    try {
      found = (await ask("/page/findings")).findings;
    } catch (error) {
      list.replaceChildren(make("p", { class: "empty" }, `The findings cannot be loaded: ${error.message}`));
      return;
    }
    const rules = Object.fromEntries((state?.policies || []).map((each) => [each.name,
      { title: each.title || each.description, name: "", kind: each.kind, url: "",
        severity: each.severity, controls: each.controls }]));
    shown?.end();
    shown = showFindings({ command: "serve", rules, problems: [], notes: [], diffs: [] }, found.map(rowOf), list, shown?.state);
  };

  // -------------------------------------------------------------------------------------------------- exceptions

  const exceptions = addTab("exceptions", "Exceptions");
  const showExceptions = () => {
    const sorted = [...state.exceptions].sort((one, other) => Date.parse(one.expires) - Date.parse(other.expires));
    const unused = sorted.filter((each) => each.inForce && !each.used).length;
    exceptions.panel.replaceChildren(...(sorted.length ? [
      make("p", {}, `${plural(sorted.length, "exception")}, ${number(sorted.filter((each) => !each.inForce).length)} expired, ${
        number(unused)} not used since the server started.`), exceptionsTable(sorted, Date.parse(state.at), "time")]
      : [make("p", { class: "empty" }, "There are no exceptions.")]));
  };

  // ------------------------------------------------------------------------------------------------- the audit

  let audit = null;
  const isShown = (name) => panels.has(name) && !panels.get(name).panel.hidden;
  const showAudit = () => {
    if (!state.audit) return;
    if (!audit) {
      const added = addTab("audit", "Audit", () => audit.look(state, true), "exceptions");
      added.panel.hidden = true;
      main.append(added.panel);
      audit = auditPart(added.panel, ask);
    }
    panels.get("audit").count.textContent = state.audit.found === undefined ? "" : number(state.audit.found);
    audit.look(state, isShown("audit"));
  };

  // ------------------------------------------------------------------------------------------------- playground

  const addPlayground = () => {
    if (panels.has("playground")) return;
    const added = addTab("playground", "Playground");
    main.append(added.panel);
    added.panel.append(playground(state.python));
  };

  // ------------------------------------------------------------------------------------------------- the newest

  const look = async () => {
    try {
      state = await ask("/page/state");
    } catch (error) {
      said.textContent = `The server does not answer: ${error.message}`;
      said.className = "trouble";
      return;
    }
    const denied = state.policies.filter((each) => actionsOf(each).includes("Deny")).length;
    title.textContent = `${plural(state.policies.length, "policy", "policies")}, ${number(denied)} of them deny`;
    said.textContent = `Revision ${state.revision}, ${state.at.slice(11, 19)} UTC${state.notShown ? `; ${number(state.notShown)} more policies or exceptions are not shown` : ""}`;
    said.className = "";
    if (state.playground) addPlayground();
    panels.get("policies").count.textContent = number(state.policies.length);
    panels.get("exceptions").count.textContent = number(state.exceptions.length);
    showOverview();
    showPolicies();
    showExceptions();
    showAudit();
  };
  const keep = async () => {
    if (!document.hidden) await look();
    setTimeout(keep, EVERY);
  };

  main.replaceChildren(tabs, ...[...panels.values()].map(({ panel }) => panel));
  (async () => {
    await look();
    const named = location.hash.slice(1).split("=")[0];
    select(panels.has(named) ? named : "overview");
    setTimeout(keep, EVERY);
  })();
  addEventListener("hashchange", () => {
    const named = location.hash.slice(1).split("=")[0];
    if (panels.has(named)) select(named);
  });
})();
