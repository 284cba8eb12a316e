"""The cases of policy tests as text: a line for each policy, and the cases that failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from webhook.cli.report.model import Case, Exempted
from webhook.cli.report.style import BOLD, DIM, ERROR, GREEN, Style
from webhook.counts import counted
from webhook.visible import visible


def lines(cases: Sequence[Case], style: Style, verbose: bool) -> Iterator[str]:
    """A line a policy, and the cases that failed."""
    ok, failed = style(GREEN, "pass"), style(ERROR, "FAIL")
    for policy, group in groupby(sorted(cases, key=lambda case: case.policy), key=lambda case: case.policy):
        found = list(group)
        passed = sum(case.passed for case in found)
        fails, known = sum(case.fails for case in found), sum(case.known for case in found)
        of_all = counted(len(found), "case")
        said = f"{ok} {style(BOLD, visible(policy))}: {passed} of {of_all}"
        if fails:
            said = f"{failed} {style(BOLD, visible(policy))}: {fails} of {of_all} failed"
        yield f"{said}, {known} known to fail" if known else said
        if outside := [case for case in found if case.refused]:
            yield f"  {style(DIM, 'note:')} {_refused(outside, verbose)}"
        for case in found:
            if case.excepted and not case.excepted_by:
                yield f"  {style(DIM, 'note:')} {_named(case)}: {_lets_pass(case)}"
            if case.fails or verbose:
                yield from (f"  {line}" for line in case_lines(case, style))


def case_lines(case: Case, style: Style) -> Iterator[str]:
    """The lines about one case: whether it passed, and why not."""
    mark = style(GREEN, "pass") if case.passed else style(DIM, "known") if case.known else style(ERROR, "FAIL")
    yield f"{mark} {_named(case)}"
    if not case.passed:
        yield from (f"     {visible(failure)}" for failure in case.failures)
        yield from (f"     found: {visible(text)}" for text in case.texts)
    yield from (f"     {each}" for each in _unmatched(case))
    if case.excepted_by:
        yield from (f"     {_by(each)}: {visible(each.text)}" for each in case.excepted)
    if case.refused:
        yield f"     the API server refuses the object, whatever policies say: {_first(case)}"
    yield from (f"     {style(DIM, visible(line))}" for line in case.notes)


def _named(case: Case) -> str:
    return f"{visible(str(case.place))}: {visible(case.name)}"


def _unmatched(case: Case) -> Iterator[str]:
    """Why the policy was not evaluated, one line a binding; of two policies of one name, with their kind."""
    several = len({each.kind for each in case.unmatched}) > 1
    for each in case.unmatched:
        kind = f"{each.kind}: " if several else ""
        binding = f"binding {visible(each.binding)}: " if each.binding else ""
        yield f"not matched: {kind}{binding}{visible(each.why)}"


def _by(exempted: Exempted) -> str:
    return f"excepted by {visible(exempted.exception)} until {visible(exempted.until)}"


def _lets_pass(case: Case) -> str:
    """The note on a case that an exception covers and that names none."""
    names = sorted({each.exception for each in case.excepted})
    several = "exceptions" if len(names) > 1 else "exception"
    return (
        f"in the cluster the {several} {visible(', '.join(names))} would let this pass; tests leave exceptions out, "
        "unless exceptedBy names one"
    )


def _refused(cases: Sequence[Case], verbose: bool) -> str:
    """The note on cases with objects that the API server refuses before policies."""
    one = len(cases) == 1
    words = (
        f"the API server refuses the object{'' if one else 's'} of {counted(len(cases), 'case')} before policies are "
        f"asked: {visible(str(cases[0].place))}: {_first(cases[0])}"
    )
    return words if one or verbose else f"{words}; --verbose names all"


def _first(case: Case) -> str:
    more = len(case.refused) - 1
    return visible(case.refused[0]) + (f" (and {more} more)" if more else "")
