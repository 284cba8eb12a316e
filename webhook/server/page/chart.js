
// ------------------------------------------------------------------------------------------------------ verdicts

const SERIES = [["allow", "allowed", "pass"], ["deny", "denied", "deny"], ["error", "failed", "warn"]];
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });

// Bars of equal times from steps: {from, to, allow, deny, error}, the oldest first. Those before the start are empty.
const barsOf = (course, span) => {
  const { steps, every } = span === "hour" ? course.fine : course.coarse;
  const [width, count] = span === "hour" ? [60, 60] : [900, 96];
  const last = steps.length ? steps[steps.length - 1][0] : Math.floor(Date.now() / 1000);
  const bars = Array.from({ length: count }, (_, at) => {
    const to = last - (count - 1 - at) * width;
    return { from: to - width, to, allow: 0, deny: 0, error: 0 };
  });
  for (const [ended, ...counted] of steps) {
    const bar = bars[count - 1 - Math.floor((last - ended) / width)];
    if (bar) course.verdicts.forEach((verdict, at) => { bar[verdict] += counted[at]; });
  }
  return { bars, every: width };
};

// The chart, with the same numbers as a table.
const chartOf = (course, span, hidden, width) => {
  const { bars } = barsOf(course, span);
  const series = SERIES.filter(([key]) => !hidden.has(key));
  const most = nice(Math.max(0, ...bars.map((bar) => series.reduce((sum, [key]) => sum + bar[key], 0))));
  const [height, left, bottom] = [180, 40, 22];
  const labels = width < 500 ? 3 : 6;
  const slot = (width - left) / bars.length;
  const up = (count) => (height - bottom - 8) * (count / most);
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const at = height - bottom - up(most * share);
    parts.push(drawn("line", { x1: left, x2: width, y1: at, y2: at, class: "grid" }));
    if (most * share === Math.round(most * share)) {
      parts.push(drawn("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, number(most * share)));
    }
  }
  bars.forEach((bar, at) => {
    let from = height - bottom;
    const x = left + at * slot + slot * 0.12;
    const shown = series.filter(([key]) => bar[key]);
    if (shown.length) {
      const group = drawn("g", {}, drawn("title", {}, `${clock(bar.from)} to ${clock(bar.to)}: ${
        shown.map(([key, word]) => `${number(bar[key])} ${word}`).join(", ")}`));
      for (const [key, , colour] of shown) {
        const tall = Math.max(1.5, up(bar[key]));
        from -= tall;
        group.append(drawn("rect", { x, y: from, width: slot * 0.76, height: tall, class: `f-${colour}` }));
      }
      parts.push(group);
    }
    if (at % (bars.length / labels) === 0) {
      parts.push(drawn("text", { x: left + at * slot, y: height - 6 }, clock(bar.from)));
    }
  });
  const sums = SERIES.map(([key, word]) => `${number(bars.reduce((sum, bar) => sum + bar[key], 0))} ${word}`);
  const counted = bars.filter((bar) => bar.allow || bar.deny || bar.error).reverse();
  return [
    drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `Reviews in the last ${span}: ${sums.join(", ")}` }, ...parts),
    make("details", {}, make("summary", {}, "As a table"), make("div", { class: "wide", tabindex: "0", role: "region",
      "aria-label": "Table of reviews" }, make("table", {},
      make("thead", {}, make("tr", {}, ...["Time", ...SERIES.map(([, word]) => word)].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, ...(counted.length ? counted.map((bar) => make("tr", {},
        make("th", { scope: "row" }, `${clock(bar.from)} to ${clock(bar.to)}`),
        ...SERIES.map(([key]) => make("td", {}, number(bar[key]))))) : [make("tr", {}, make("td", { colspan: "4" }, "no reviews"))]))))),
  ];
};
