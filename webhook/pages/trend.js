
// ------------------------------------------------------------------------------------------------------ the trend
// What the last audits came to, the oldest first: {at, deny, warn, audit, objects, policies, score, complete}.

const drawn = (tag, properties, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const nice = (most) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= most) || 1;
};
const minute = (time) => `${time.slice(0, 16).replace("T", " ")} UTC`;

const TREND = [["deny", "denied"], ["warn", "warned"], ["audit", "noted"]];

// The lines that both charts have: a scale from 0 to most, and the days of some audits.
const scaleOf = (audits, most, { width, height, left, bottom }, slot) => {
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const at = height - bottom - (height - bottom - 8) * share;
    parts.push(drawn("line", { x1: left, x2: width, y1: at, y2: at, class: "grid" }));
    if (most * share === Math.round(most * share)) {
      parts.push(drawn("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, number(most * share)));
    }
  }
  let free = width; // what is left of it has room for more names of days
  for (let at = audits.length - 1; at >= 0; at -= 1) { // the last one is always named
    const x = Math.min(left + at * slot + slot / 2, width - 34);
    if (x + 34 > free || (x - 34 < left && at !== audits.length - 1)) continue;
    parts.push(drawn("text", { x, y: height - 6, "text-anchor": "middle" }, audits[at].at.slice(0, 10)));
    free = x - 42;
  }
  return parts;
};

const findingsTrend = (audits, width) => {
  const box = { width, height: 150, left: 48, bottom: 22 };
  const slot = (width - box.left) / audits.length;
  const most = nice(Math.max(0, ...audits.map((each) => TREND.reduce((sum, [level]) => sum + each[level], 0))));
  const bars = audits.map((each, at) => {
    let from = box.height - box.bottom;
    const counts = TREND.filter(([level]) => each[level]);
    const wide = Math.min(slot * 0.7, 40);
    return drawn("g", {}, drawn("title", {}, `${minute(each.at)}: ${counts.map(([level, word]) =>
      `${number(each[level])} ${word}`).join(", ") || "nothing found"}${each.complete ? "" : "; not everything was read"}`),
    ...counts.map(([level]) => {
      const tall = Math.max(1.5, (box.height - box.bottom - 8) * (each[level] / most));
      from -= tall;
      return drawn("rect", { x: box.left + at * slot + (slot - wide) / 2, y: from, width: wide, height: tall, class: `f-${level}` });
    }));
  });
  const [first, last] = [audits[0], audits[audits.length - 1]];
  const said = TREND.map(([level, word]) => `${number(first[level])} and then ${number(last[level])} ${word}`).join(", ");
  return drawn("svg", { viewBox: `0 0 ${width} ${box.height}`, role: "img",
    "aria-label": `Findings of the last ${audits.length} audits: ${said}` }, ...scaleOf(audits, most, box, slot), ...bars);
};

const scoreTrend = (audits, width) => {
  const scored = audits.filter((each) => each.score !== null);
  if (scored.length < 2) return null;
  const box = { width, height: 130, left: 48, bottom: 22 };
  const slot = (width - box.left) / audits.length;
  const points = audits.map((each, at) => [box.left + at * slot + slot / 2,
    box.height - box.bottom - (box.height - box.bottom - 8) * ((each.score || 0) / 100), each]).filter(([, , each]) => each.score !== null);
  return drawn("svg", { viewBox: `0 0 ${width} ${box.height}`, role: "img",
    "aria-label": `Score of the last ${scored.length} audits: ${scored[0].score.toFixed(1)} and then ${
      scored[scored.length - 1].score.toFixed(1)} of 100` },
  ...scaleOf(audits, 100, box, slot),
  drawn("polyline", { class: "line", points: points.map(([x, y]) => `${x},${y}`).join(" ") }),
  ...points.map(([x, y, each]) => drawn("circle", { cx: x, cy: y, r: audits.length > 40 ? 2 : 3, class: "point" },
    drawn("title", {}, `${minute(each.at)}: ${each.score.toFixed(1)} of 100`))));
};

const trendTable = (audits) => make("details", {}, make("summary", {}, "As a table"),
  make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table of audits" }, make("table", {},
    make("thead", {}, make("tr", {}, ...["Audit", "Score", "Denied", "Warned", "Noted", "Objects", "Policies", ""].map((word) =>
      make(word ? "th" : "td", word ? { scope: "col" } : {}, word)))),
    make("tbody", {}, ...[...audits].reverse().map((each) => make("tr", {}, make("th", { scope: "row" }, minute(each.at)),
      make("td", {}, each.score === null ? "" : each.score.toFixed(1)), ...TREND.map(([level]) => make("td", {}, number(each[level]))),
      make("td", {}, number(each.objects)), make("td", {}, number(each.policies)),
      make("td", {}, each.complete ? "" : "not everything was read")))))));

// A card with the charts, which are drawn again when its width changes, and the same numbers as a table.
const trendOf = (audits) => {
  const charts = make("div");
  let width = 0;
  const draw = () => {
    const now = Math.max(240, Math.min(1200, Math.floor(charts.clientWidth)));
    if (!charts.clientWidth || now === width) return;
    width = now;
    const score = scoreTrend(audits, width);
    charts.replaceChildren(...(score ? [make("h3", {}, "Score"), score] : []),
      make("h3", {}, "Findings"), findingsTrend(audits, width),
      make("p", { class: "legend" }, ...TREND.map(([level, word]) => make("span", {}, make("span", { class: `dot i-${level}` }), word))));
  };
  new ResizeObserver(draw).observe(charts);
  return make("section", { class: "card chart trend", "aria-label": "Trend" }, make("h2", {}, `The last ${number(audits.length)} audits`),
    charts, trendTable(audits));
};
