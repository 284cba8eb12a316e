"""The figures of `bench` for people: a line for each policy, and the changes since they were saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from webhook.cli.report.style import BOLD, DIM, ERROR, PASSED, Style
from webhook.counts import counted
from webhook.offline.measured import Change
from webhook.offline.measuring import BUDGET, Figures, Took
from webhook.visible import visible

_HEADERS = ("POLICY", "EVALUATIONS", "P50", "P95", "WORST", "COST", "OF BUDGET")


def report(figures: Sequence[Figures], changes: Sequence[Change] | None, objects: int, style: Style) -> str:
    """The table of the policies, the worst objects, the changes if there was something to compare with, the counts."""
    measured = [each for each in figures if each.took]
    rows = [_HEADERS, *map(_row, measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    lines: list[str] = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(style(BOLD, "  ".join(cells)) if not number else "  ".join(cells))
        if number:
            lines += [style(DIM, f"    {text}") for text in _worst(measured[number - 1])]
    without = [each.policy.name for each in figures if not each.took]
    if without:
        some = f"{', '.join(map(visible, without[:5]))}{' and others' if without[5:] else ''}"
        lines += ["", style(DIM, f"{len(without)} not measured, as they match none of these objects: {some}")]
    if changes is not None:
        lines += ["", *_changed(changes, style)]
    lines += [
        "",
        f"{counted(len(measured), 'policy', 'policies')} on {counted(objects, 'object', 'objects')}; times are"
        f" processor time here, costs the API server's, of {BUDGET:,} units",
    ]
    return "\n".join(lines) + "\n"


def _row(each: Figures) -> tuple[str, ...]:
    dearest = each.dearest
    return (
        visible(each.policy.name),
        f"{len(each.took):,}",
        _micros(each.micros(0.5)),
        _micros(each.micros(0.95)),
        _micros(each.micros(1)),
        "-" if dearest is None else f"{dearest.cost:,}",
        "-" if dearest is None else f"{dearest.share:.3%}",
    )


def _worst(each: Figures) -> Iterator[str]:
    slowest, dearest = each.slowest, each.dearest
    if dearest is not None and dearest.place != slowest.place:
        yield f"slowest: {_at(slowest)}"
        yield f"dearest: {_at(dearest)}"
    else:
        yield f"worst: {_at(slowest)}"


def _at(took: Took) -> str:
    at = f"{took.place.file}:{took.place.line}" if took.place.line is not None else took.place.file
    return visible(f"{at}  {took.place.name}")


def _micros(value: float) -> str:
    return f"{value:,.1f} µs" if value < 1000 else f"{value / 1000:,.1f} ms"


def _changed(changes: Sequence[Change], style: Style) -> Iterator[str]:
    for each in changes:
        risen = f"{(each.after / each.before - 1) * 100:+,.1f} %" if each.before else "new"
        unit = " µs" if each.what == "p50" else ""
        text = f"{visible(each.name)}: {each.what} {each.before:,.10g}{unit} -> {each.after:,.10g}{unit} ({risen})"
        yield style(ERROR, f"over  {text}") if each.over else f"      {text}"
    if not changes:
        yield style(PASSED, "no cost has changed")
