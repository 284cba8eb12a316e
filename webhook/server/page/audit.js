
// ------------------------------------------------------------------------------------------------------ the audit

const ago = (seconds) => {
  if (seconds < 90) return "just now";
  if (seconds < 90 * 60) return `${plural(Math.round(seconds / 60), "minute")} ago`;
  if (seconds < 2 * day) return `${plural(Math.round(seconds / 3600), "hour")} ago`;
  return `${plural(Math.floor(seconds / day), "day")} ago`;
};
// How long ago an audit ended, as text; "" if it does not say.
const ageOf = (at, now) => {
  const seconds = (now - Date.parse(at)) / 1000;
  return Number.isNaN(seconds) ? "" : ago(Math.max(0, seconds));
};

// The part that shows the last audit. ask: asks the server. What is returned is told of each state of the server.
const auditPart = (panel, ask) => {
  const said = make("p", { class: "said" });
  const trouble = make("p", { role: "status" });
  const list = make("div");
  let shown = null;
  let version = 0; // of what is shown
  let loading = false;
  panel.append(said, trouble, list);
  const tell = (state) => {
    const { problem } = state.audit;
    const old = version && (Date.parse(state.at) - Date.parse(state.audit.at)) / 1000 > 2 * day;
    const text = problem ? `The file of the audit cannot be used: ${problem}.${version ? " What it held before is shown." : ""}`
      : old ? "The last audit is older than two days." : "";
    if (trouble.dataset.text === text) return; // so that it is not read aloud again
    trouble.dataset.text = text;
    trouble.replaceChildren(...(text ? [levelTag(problem ? "error" : "warn", problem ? "look" : "old"), ` ${text}`] : []));
  };
  const age = (state, audit) => {
    const { objects, policies, deny = 0, warn = 0, audit: noted = 0, excepted } = audit.summary;
    const when = ageOf(audit.at, Date.parse(state.at));
    said.textContent = [`${when ? `Audited ${when}, ${minute(audit.at)}` : "Audited"}: ${[
      objects === undefined ? "" : plural(objects, "object"), policies === undefined ? "" : plural(policies, "policy", "policies")]
      .filter(Boolean).join(", ")}; ${number(deny)} denied, ${number(warn)} warned, ${number(noted)} noted${
      excepted ? `, ${number(excepted)} covered by exceptions` : ""}.`,
    audit.left ? `${number(audit.findings.length)} findings are shown, the gravest of ${number(audit.findings.length + audit.left)}; charts and groups count these.` : "",
    audit.scoresLeft ? `Scores are shown of the worst namespaces; ${number(audit.scoresLeft)} more have better ones.` : "",
    audit.complete ? "" : "Not everything could be read."].filter(Boolean).join(" ");
  };
  let audit = null;
  const look = async (state, visible) => {
    if (!state.audit) return;
    if (visible && state.audit.version !== version && !loading) {
      loading = true;
      try {
        audit = await ask("/page/audit");
        version = audit && state.audit.version;
        shown?.end();
        shown = showFindings(audit, audit.findings, list, shown?.state);
      } catch (error) {
        list.replaceChildren(make("p", { class: "empty" }, `The audit cannot be loaded: ${error.message}`));
      }
      loading = false;
    }
    if (audit) age(state, audit);
    else if (!state.audit.problem) said.textContent = "The audit is being read…";
    else said.textContent = "";
    tell(state);
  };
  return { look };
};
