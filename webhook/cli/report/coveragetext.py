"""The coverage of policies as text: what no test shows, each with its line and a caret, and the figures."""

from __future__ import annotations

from collections.abc import Iterator

from webhook import excerpts
from webhook.cli.report.style import BOLD, GREEN, RED, YELLOW, Style
from webhook.coverage.model import Coverage, Covered, Figure
from webhook.excerpts import Excerpt
from webhook.visible import visible

_LANGUAGES = {"cel": "CEL", "python": "Python"}


def report(coverage: Coverage, style: Style, width: int | None = None, least: float | None = None) -> str:
    """The report. width: the columns of the terminal; None without one. least: the percentage that is asked for."""
    lines = [line for each in coverage.policies for line in _gaps(each, coverage, style, width)]
    rows = [(each.figure, f"{each.name} ({_LANGUAGES[each.language]})", each.file) for each in coverage.policies]
    rows.append((coverage.figure, "all policies", ""))
    names, figures = max(len(row[1]) for row in rows), max(len(_parts(row[0])) for row in rows)
    lines.append(style(BOLD, "coverage of the policies:"))
    for figure, name, file in rows:
        text = (
            f"  {percent(figure):>7}  {visible(name):<{names}}  {_parts(figure):<{figures}}  {visible(file)}".rstrip()
        )
        lines.append(style(_color(figure, least), text))
    if coverage.terms.total:
        lines.append(f"  {_parts(coverage.terms)} terms of && and || decided both ways (MC/DC)")
    if least is not None and coverage.figure.below(least):
        lines.append(style(RED, f"coverage is {percent(coverage.figure)}, below {least:g} % (--fail-under)"))
    return "".join(f"{line}\n" for line in lines)


def percent(figure: Figure) -> str:
    """`91.5 %`, rounded down."""
    return f"{figure.percent:.1f} %"


def _parts(figure: Figure) -> str:
    return f"{figure.covered} of {figure.total}"


def _color(figure: Figure, least: float | None) -> str:
    if figure.covered == figure.total:
        return GREEN
    return RED if least is not None and figure.below(least) else YELLOW


def _gaps(covered: Covered, coverage: Coverage, style: Style, width: int | None) -> Iterator[str]:
    source = coverage.sources[covered.file]
    for gap in covered.gaps():
        line, column = gap.start
        yield style(BOLD, visible(f"{covered.file}:{line}:{column}:")) + visible(f" {gap.message}")
        text = source[line - 1] if line <= len(source) else ""
        yield from excerpts.lines(Excerpt(text, column, line), width)
