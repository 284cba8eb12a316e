"""The coverage of policies as text: the gaps, each with its line and carets below it, and the figures."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from webhook import excerpts
from webhook.cli.report.style import BOLD, DIM, GREEN, RED, YELLOW, Style
from webhook.coverage.model import Coverage, Covered, Figure, Gap
from webhook.excerpts import Excerpt
from webhook.visible import visible

_LANGUAGES = {"cel": "CEL", "python": "Python"}


class Shape(Struct, frozen=True):
    """The options of the text. width: the columns of the terminal; None without one. least: the least percentage.
    verbose: also show terms that never decide, and explained sides."""

    width: int | None = None
    least: float | None = None
    verbose: bool = False


def report(coverage: Coverage, style: Style, shape: Shape) -> str:
    """The report, of some lines; the figures are the last ones."""
    lines = [line for each in coverage.policies for line in _found(each, coverage, style, shape)]
    lines += (
        f"{style(DIM, 'note:')} {visible(each)} is explained, but tests show it, or it does not exist"
        for each in coverage.stale
    )
    lines += _figures(coverage, style, shape)
    if shape.least is not None and coverage.figure.below(shape.least):
        text = f"coverage is {percent(coverage.figure)}, below {shape.least:g} % (--fail-under)"
        lines.append(style(RED, text))
    return "".join(f"{line}\n" for line in lines)


def percent(figure: Figure) -> str:
    """`91.5 %`, rounded down."""
    return f"{figure.percent:.1f} %"


def parts(figure: Figure, explained: int = 0) -> str:
    """`43 of 47`, and how many more are explained."""
    return f"{figure.covered} of {figure.total}" + (f" ({explained} explained)" if explained else "")


def _figures(coverage: Coverage, style: Style, shape: Shape) -> Iterator[str]:
    rows = [
        (each.figure, f"{each.name} ({_LANGUAGES[each.language]})", parts(each.figure, each.explained), each.file)
        for each in coverage.policies
    ]
    rows.append((coverage.figure, "all policies", parts(coverage.figure, coverage.explained), ""))
    names, figures = max(len(row[1]) for row in rows), max(len(row[2]) for row in rows)
    yield style(BOLD, "coverage of the policies:")
    for figure, name, counts, file in rows:
        text = f"  {percent(figure):>7}  {visible(name):<{names}}  {counts:<{figures}}  {visible(file)}".rstrip()
        yield style(_color(figure, shape.least), text)
    if coverage.terms.total:
        more = sum(1 for each in coverage.policies for _ in each.undecided_gaps())
        hint = "" if shape.verbose or not more else "; --verbose names the others"
        yield f"  {parts(coverage.terms)} terms of && and || decided the outcome both ways (MC/DC){hint}"


def _color(figure: Figure, least: float | None) -> str:
    if figure.covered == figure.total:
        return GREEN
    return RED if least is not None and figure.below(least) else YELLOW


def _found(covered: Covered, coverage: Coverage, style: Style, shape: Shape) -> Iterator[str]:
    source = coverage.sources[covered.file]
    found = list(covered.gaps())
    if shape.verbose:
        found += covered.undecided_gaps()
    for gap in sorted(found, key=lambda each: each.start):
        yield from _shown(gap, covered, source, style, shape)
    for mark in covered.marks if shape.verbose else ():
        for side, reason in mark.explained:
            at = f"{covered.file}:{mark.start[0]}:{mark.start[1]}:"
            yield style(DIM, visible(f"{at} {mark.within}: `{mark.shown}` never {side} is explained: {reason}"))


def _shown(gap: Gap, covered: Covered, source: tuple[str, ...], style: Style, shape: Shape) -> Iterator[str]:
    line, column = gap.start
    yield style(BOLD, visible(f"{covered.file}:{line}:{column}:")) + visible(f" {gap.message}")
    text = source[line - 1] if line <= len(source) else ""
    end = gap.end[1] + 1 if gap.end[0] == line else len(text) + 1  # a span of several lines: to the end of its first
    yield from excerpts.lines(Excerpt(text, column, line, max(end, column + 1)), shape.width)
