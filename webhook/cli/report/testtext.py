"""The report of `test` for people: a line a policy, the cases that failed, and a line that sums it up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from webhook.cli.report.style import BOLD, DIM, ERROR, GREEN, Style
from webhook.offline.background import Background
from webhook.offline.caseruns import Exempted, Result
from webhook.visible import visible


def untested(names: Sequence[str], style: Style) -> str:
    """The lines about policies without tests where each must have some."""
    return "".join(f"{style(ERROR, 'FAIL')} {style(BOLD, visible(name))}: it has no tests\n" for name in names)


def report(results: Sequence[Result], style: Style, verbose: bool, background: Background) -> str:
    """A line a policy, the cases that failed, and a line that sums it up."""
    lines: list[str] = []
    ok, failed = style(GREEN, "pass"), style(ERROR, "FAIL")
    for policy, group in groupby(sorted(results, key=_policy), key=_policy):
        found = list(group)
        passed = sum(result.passed for result in found)
        mark = ok if passed == len(found) else failed
        lines.append(f"{mark} {style(BOLD, visible(policy))}: {passed} of {_count(len(found), 'case')}")
        if outside := [result for result in found if result.refused]:
            lines.append(f"  {style(DIM, 'note:')} {_refused(outside, verbose)}")
        for result in found:
            if result.excepted and not result.planned.case.excepted_by:
                lines.append(f"  {style(DIM, 'note:')} {_place(result)}: {_lets_pass(result)}")
            if not result.passed or verbose:
                lines += [f"  {line}" for line in case_lines(result, style, verbose, background)]
    total, wrong = len(results), sum(not result.passed for result in results)
    lines.append(f"{_count(total, 'case')}: {total - wrong} passed, {wrong} failed")
    return "\n".join(lines) + "\n"


def case_lines(result: Result, style: Style, verbose: bool, background: Background | None) -> list[str]:
    """The lines about one case: whether it passed, and why not."""
    mark = style(GREEN, "pass") if result.passed else style(ERROR, "FAIL")
    lines = [f"{mark} {_place(result)}"]
    if not result.passed:
        lines += [f"     {visible(failure)}" for failure in result.failures]
        lines += [f"     found: {visible(text)}" for text in result.texts]
    lines += [f"     {each}" for each in _unmatched(result)]
    if result.planned.case.excepted_by:
        lines += [f"     {_by(each)}: {visible(each.text)}" for each in result.excepted]
    if result.refused:
        lines.append(f"     the API server refuses the object, whatever policies say: {_first(result)}")
    if background is not None:
        lines += [f"     {style(DIM, visible(line))}" for line in beside(result, background, verbose)]
    return lines


def _place(result: Result) -> str:
    planned = result.planned
    return f"{visible(planned.file)}:{planned.line}: {visible(planned.case.name)}"


def _unmatched(result: Result) -> list[str]:
    """Why the policy was not evaluated, one line a binding; of two policies of one name, with their kind."""
    several = len({each.kind for each in result.unmatched}) > 1
    return [
        "not matched: "
        + (f"{each.kind}: " if several else "")
        + (f"binding {visible(each.binding)}: " if each.binding else "")
        + visible(each.why)
        for each in result.unmatched
    ]


def _by(exempted: Exempted) -> str:
    return f"excepted by {visible(exempted.exception.name)} until {visible(exempted.exception.until)}"


def _lets_pass(result: Result) -> str:
    """What is said of a case that says nothing of the exceptions that cover it."""
    names = sorted({each.exception.name for each in result.excepted})
    several = "exceptions" if len(names) > 1 else "exception"
    return (
        f"in the cluster the {several} {visible(', '.join(names))} would let this pass; tests leave exceptions out, "
        "unless exceptedBy names one"
    )


def _refused(results: Sequence[Result], verbose: bool) -> str:
    """What is said of the cases whose objects never come to the policy."""
    one = len(results) == 1
    first = results[0].planned
    words = (
        f"the API server refuses the object{'' if one else 's'} of {_count(len(results), 'case')} before policies are "
        f"asked: {visible(first.file)}:{first.line}: {_first(results[0])}"
    )
    return words if one or verbose else f"{words}; --verbose names all"


def _first(result: Result) -> str:
    more = len(result.refused) - 1
    return visible(result.refused[0]) + (f" (and {more} more)" if more else "")


def beside(result: Result, background: Background, verbose: bool) -> list[str]:
    """What is known of a case's findings besides: what params were looked for, and tracebacks where they are wanted."""
    lines: list[str] = []
    for finding in result.findings:
        looked_for = background.looked_for(finding, result.planned.request.namespace)
        lines += [str(looked_for)] if looked_for else []
        lines += background.traceback(finding) if verbose else ()
    return lines


def _policy(result: Result) -> str:
    return result.planned.policy


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
