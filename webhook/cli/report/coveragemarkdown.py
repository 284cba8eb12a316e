"""The coverage of policies as Markdown, for a comment on a pull request: the figures, and the gaps. All text of
policies stands in code spans, which have no markup, link, mention or HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.cli.report.coveragetext import parts, percent
from webhook.cli.report.markdown import code
from webhook.coverage.model import Coverage, Covered, Figure, Gap
from webhook.visible import visible

MOST: Final = 200
"""Gaps that are shown, of all policies. A comment on GitHub takes 65,536 characters."""

_LONGEST: Final = 200  # characters of a code span


def report(coverage: Coverage, least: float | None = None) -> str:
    """The report. least: the percentage that is asked for."""
    return "".join(f"{line}\n" for line in _lines(coverage, least))


def _lines(coverage: Coverage, least: float | None) -> Iterator[str]:
    total = coverage.figure
    low = least is not None and total.below(least)
    asked = f", below {least:g} %" if low else ""
    yield f"### {_mark(total, low)} Coverage of the policies: {percent(total)}{asked}"
    yield ""
    yield "| policy | coverage | sides | MC/DC | cases |"
    yield "|---|---:|---:|---:|---:|"
    for each in coverage.policies:
        decided = parts(each.terms) if each.terms.total else ""
        sides = parts(each.figure, each.explained)
        yield f"| {_cell(each.name)} | {percent(each.figure)} | {sides} | {decided} | {each.cases or 'none'} |"
    yield ""
    left = MOST
    for each in coverage.policies:
        gaps = list(each.gaps())[:left]
        left -= len(gaps)
        yield from _gaps(each, gaps)
    more = sum(1 for each in coverage.policies for _ in each.gaps()) - MOST
    if more > 0:
        yield f"… and {more:,} more"
        yield ""


def _gaps(covered: Covered, gaps: list[Gap]) -> Iterator[str]:
    if not gaps:
        return
    yield f"<details><summary>{len(gaps)} gaps in <code>{_html(covered.name)}</code></summary>"
    yield ""
    for gap in gaps:
        place = f"{covered.file}:{gap.start[0]}:{gap.start[1]}"
        yield f"- {code(place, _LONGEST)} {code(gap.message, _LONGEST)}"
    yield ""
    yield "</details>"
    yield ""


def _mark(figure: Figure, low: bool) -> str:
    return "❌" if low else "✅" if figure.covered == figure.total else "⚠️"


def _cell(text: str) -> str:
    return code(text, _LONGEST).replace("|", "\\|")  # which ends a cell within code, too


def _html(text: str) -> str:
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
