"""The coverage of policies as one HTML page that needs nothing else: the figures, and the sources with their marks.

Everything of a policy is escaped: the page holds no script, and its policy (CSP) lets none run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Final

from webhook.cli.report.coveragetext import parts, percent
from webhook.coverage.model import Coverage, Covered, Figure, Mark
from webhook.visible import visible

_LONGEST: Final = 1_000
"""The most characters of a line that are shown."""


def report(coverage: Coverage, title: str) -> str:
    """The page. title: what was measured, such as the names of the policy trees."""
    rows = "".join(_row(each, number) for number, each in enumerate(coverage.policies))
    body = "".join(_policy(each, number, coverage.sources[each.file]) for number, each in enumerate(coverage.policies))
    terms = coverage.terms
    about = f"<p>{terms.covered} of {terms.total} terms of &amp;&amp; and || decided both ways (MC/DC).</p>"
    return (
        _HEAD.format(title=_text(f"Coverage of {title}"), style=_STYLE)
        + f"<h1>Coverage of {_text(title)}</h1>"
        + f'<p class="total"><b>{percent(coverage.figure)}</b> {_bar(coverage.figure)} '
        + f"{parts(coverage.figure, coverage.explained)} sides shown by tests</p>"
        + (about if terms.total else "")
        + '<table><thead><tr><th scope="col">policy</th><th scope="col">coverage</th><th scope="col">sides</th>'
        + '<th scope="col">MC/DC</th><th scope="col">cases</th><th scope="col">file</th></tr></thead>'
        + f"<tbody>{rows}</tbody></table>{_LEGEND}{body}</main></body></html>\n"
    )


def _row(covered: Covered, number: int) -> str:
    figure, terms = covered.figure, covered.terms
    return (
        f'<tr><th scope="row"><a href="#policy-{number}">{_text(covered.name)}</a></th>'
        f"<td>{_bar(figure)} {percent(figure)}</td><td>{parts(figure, covered.explained)}</td>"
        f"<td>{parts(terms) if terms.total else ''}</td>"
        f"<td>{covered.cases or 'none'}</td><td>{_text(covered.file)}</td></tr>"
    )


def _bar(figure: Figure) -> str:
    level = "ok" if figure.covered == figure.total else "part" if figure.percent >= 50 else "miss"
    return f'<span class="bar" aria-hidden="true"><i class="{level}" style="width:{figure.percent:.1f}%"></i></span>'


def _policy(covered: Covered, number: int, source: Sequence[str]) -> str:
    figure = covered.figure
    opened = " open" if figure.covered < figure.total else ""
    return (
        f'<details id="policy-{number}"{opened}><summary><b>{_text(covered.name)}</b> {percent(figure)} '
        f'<span class="file">{_text(covered.file)}</span></summary>'
        f'<div class="source" tabindex="0" role="region" aria-label="{_text(covered.file)}">'
        f"{''.join(_lines(covered, source))}</div></details>"
    )


def _lines(covered: Covered, source: Sequence[str]) -> Iterator[str]:
    """The lines from the first mark to the last one, each with what is missing of it below."""
    if not covered.marks:
        return
    notes: dict[int, list[tuple[str, str]]] = {}
    for gap in covered.gaps():
        notes.setdefault(gap.start[0], []).append(("note", gap.message))
    for mark in covered.marks:
        for side, reason in mark.explained:
            text = f"{mark.within}: `{mark.shown}` never {side} is explained: {reason}"
            notes.setdefault(mark.start[0], []).append(("note explained", text))
    painted = _painted(covered.marks, source)
    first = min(covered.line, *(mark.start[0] for mark in covered.marks))
    last = max(mark.end[0] for mark in covered.marks)
    for number in range(first, min(last, len(source)) + 1):
        shown = _segments(source[number - 1][:_LONGEST], painted.get(number, {}))
        yield f'<div class="line"><span class="number">{number}</span><code>{shown}</code></div>'
        for kind, note in notes.get(number, ()):
            yield f'<div class="{kind}"><span class="number"></span><span>{_text(note)}</span></div>'


def _painted(marks: Sequence[Mark], source: Sequence[str]) -> Mapping[int, dict[int, str]]:
    """Line -> column -> level. Marks within others are painted over them, as their order is that of the source."""
    painted: dict[int, dict[int, str]] = {}
    for mark in marks:
        level = "ok" if not mark.missing else "part" if mark.ran else "miss"
        for number in range(mark.start[0], min(mark.end[0], len(source)) + 1):
            text = source[number - 1]
            begin = mark.start[1] if number == mark.start[0] else len(text) - len(text.lstrip()) + 1
            end = mark.end[1] if number == mark.end[0] else len(text)
            columns = painted.setdefault(number, {})
            columns.update(dict.fromkeys(range(begin, min(end, _LONGEST) + 1), level))
    return painted


def _segments(text: str, levels: Mapping[int, str]) -> str:
    parts: list[str] = []
    for level, columns in groupby(range(1, len(text) + 1), key=lambda column: levels.get(column, "")):
        part = escape("".join(_shown(text[column - 1]) for column in columns))
        parts.append(f'<span class="{level}">{part}</span>' if level else part)
    return "".join(parts)


def _shown(character: str) -> str:
    return "    " if character == "\t" else visible(character)


def _text(text: str) -> str:
    return escape(visible(text))


_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="color-scheme" content="light dark"><title>{title}</title><style>{style}</style></head><body><main>'
)
_LEGEND: Final = (
    '<p class="legend"><code><span class="ok">all sides shown</span></code> '
    '<code><span class="part">a side is missing</span></code> '
    '<code><span class="miss">never evaluated</span></code></p>'
)
_STYLE: Final = """
:root{--text:#1f2328;--back:#fff;--soft:#59636e;--line:#d1d9e0;--panel:#f6f8fa;--ok:#dafbe1;--part:#fff1b8;--miss:#ffd3d0;
--ok-bar:#2da44e;--part-bar:#bf8700;--miss-bar:#cf222e;--note:#9a3412;--link:#0757ba}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--soft:#9198a1;--line:#3d444d;--panel:#151b23;
--ok:#12361f;--part:#4a3a08;--miss:#5c1d1d;--ok-bar:#3fb950;--part-bar:#d29922;--miss-bar:#f85149;--note:#ffa657;
--link:#6cb0ff}}
body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:1200px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0 0 8px}a{color:var(--link)}
.total b{font-size:20px}
table{border-collapse:collapse;width:100%;font-size:14px;margin:16px 0}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
thead th{color:var(--soft);font-weight:500}tbody th{font-weight:600}
.bar{display:inline-block;width:96px;height:8px;border-radius:4px;background:var(--line);overflow:hidden;
vertical-align:middle}
.bar i{display:block;height:100%}i.ok{background:var(--ok-bar)}
i.part{background:var(--part-bar)}i.miss{background:var(--miss-bar)}
details{border:1px solid var(--line);border-radius:6px;margin:16px 0}
summary{padding:8px 12px;background:var(--panel);cursor:pointer;border-radius:6px}
.file{color:var(--soft);margin-left:8px}
.source{overflow-x:auto;padding:8px 0;font:13px/1.6 ui-monospace,monospace}
.line,.note{display:flex;white-space:pre}code{font:inherit}
.number{flex:none;width:48px;padding-right:16px;text-align:right;color:var(--soft);user-select:none}
.note{color:var(--note);white-space:normal;padding-bottom:2px;font-family:system-ui,sans-serif}
.explained{color:var(--soft)}
span.ok{background:var(--ok)}span.part{background:var(--part);text-decoration:underline wavy var(--part-bar) 1px}
span.miss{background:var(--miss);text-decoration:underline var(--miss-bar)}
.legend code{margin-right:12px;font-size:13px}
"""
