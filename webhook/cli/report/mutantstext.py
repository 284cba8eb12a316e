"""The report of `test --mutate` for people: a line a policy, the changes that no test notices, and a line that sums it
up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from webhook.cli.report.style import BOLD, DIFF, DIM, ERROR, GREEN, Style
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.mutants.mutant import Outcome
    from webhook.mutants.running import Mutated


def lines(mutated: Mutated, style: Style, verbose: bool) -> Iterator[str]:
    """The lines about one policy."""
    mark = style(DIM, "known") if mutated.known else style(GREEN, "pass") if mutated.passed else style(ERROR, "FAIL")
    name = f"{mark} {style(BOLD, visible(mutated.name))}"
    if mutated.failing:
        yield f"{name}: its tests fail without any change; it was not mutated"
        return
    if untested := mutated.of("untested"):
        yield f"{name}: it has no tests, so {_mutants(len(untested))} would survive"
        return
    others = [f", {len(of)} {status}" for status in ("known", "explained") if (of := mutated.of(status))]
    survived = len(mutated.of("survived"))
    counts = f"{len(mutated.of('killed'))} killed, {survived} survived{''.join(others)}"
    yield f"{name}: {_mutants(len(mutated.outcomes))}: {counts}"
    for status in ("survived", "known", "explained") if verbose else ("survived",):
        for outcome in mutated.of(status):
            yield from _shown(outcome, style)
    for outcome in mutated.of("killed") if verbose else ():
        shown = outcome.mutant.show()
        yield style(DIM, f"  {_head(outcome)}{visible(shown.file)}:{shown.line}: killed by {visible(outcome.by)}")
    for id in mutated.stale:
        yield f"  {style(DIM, 'note:')} mutant {visible(id)} is explained, but does not survive or does not exist"


def _shown(outcome: Outcome, style: Style) -> Iterator[str]:
    """A mutant as a diff of its policy."""
    shown = outcome.mutant.show()
    yield f"  {_head(outcome)}{visible(shown.file)}:{shown.line}:{shown.column}"
    yield from (f"    {style(DIFF['-'], f'- {visible(line)}')}" for line in shown.before)
    yield from (f"    {style(DIFF['+'], f'+ {visible(line)}')}" for line in shown.after)
    if outcome.reason:
        yield f"    {style(DIM, f'explained: {visible(outcome.reason)}')}"


def _head(outcome: Outcome) -> str:
    words = outcome.status if outcome.status in ("killed", "known", "explained") else "survived"
    return f"{words} {outcome.mutant.id} ({outcome.mutant.change}) "


def total(mutated: Sequence[Mutated]) -> str:
    """The line that sums it up."""
    statuses = ("killed", "survived", "known", "explained", "untested")
    killed, survived, known, explained, untested = (
        sum(len(each.of(status)) for each in mutated) for status in statuses
    )
    refused = sum(each.refused for each in mutated)
    more = f"; {refused} more do not load" if refused else ""
    all_of_them = _mutants(killed + survived + known + explained + untested)
    by_baseline = f"{known} known, " if known else ""
    counts = f"{killed} killed, {survived + untested} survived, {by_baseline}{explained} explained"
    return f"{all_of_them}: {counts}{more}"


def _mutants(number: int) -> str:
    return f"{number} mutant{'' if number == 1 else 's'}"
