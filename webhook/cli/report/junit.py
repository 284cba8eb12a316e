"""The report as JUnit's XML, which CI systems show as tests: of `test` its cases, of other commands the rules.

A rule is a suite. Each violation that denies is a case that failed, each evaluation error that denies a case with an
error, each lesser finding a case that passed and says so, each that counts for nothing a case that was skipped. A rule
without findings is one case that passed. Inputs that cannot be read are errors of a suite of their own. The form is
that of Jenkins' xUnit plugin, `junit-4.xsd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from webhook.cli.report.model import OF_CASES, Case, Finding, Report, merged
from webhook.cli.report.plain import EVALUATION_ERROR, about, lines_of, place_of, problems_of, said, why_suppressed
from webhook.cli.report.xmltext import attribute, xml


class _Suite(Struct):
    name: str
    cases: list[str]
    failures: int = 0
    errors: int = 0
    skipped: int = 0


def text(report: Report) -> Iterator[str]:
    """The report in pieces: a suite is written before the next one is made."""
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={attribute(f"gatewright {report.command}")}>\n'
    for suite in _suites(report):
        yield (
            f'  <testsuite name={attribute(suite.name)} tests="{len(suite.cases)}" failures="{suite.failures}" '
            f'errors="{suite.errors}" skipped="{suite.skipped}">\n'
        )
        yield from suite.cases
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def _suites(report: Report) -> Iterator[_Suite]:
    found: dict[str, list[Finding]] = {}
    if report.command != "test":
        found = {name: [] for name in report.rules}
    for _, each in merged(report.findings):
        if report.command != "test" or each.kind not in OF_CASES[:1]:
            found.setdefault(each.rule, []).append(each)
    covered: dict[str, list[Finding]] = {}
    for _, each in merged(report.suppressed):
        if each.kind not in OF_CASES[:1]:  # which stand for cases
            covered.setdefault(each.rule, []).append(each)
    cases: dict[str, list[Case]] = {}
    for case in report.cases:
        cases.setdefault(case.policy, []).append(case)
    for name in dict.fromkeys((*found, *covered, *cases)):
        suite = _Suite(name, [])
        for each in found.get(name, ()):
            _finding(suite, each)
        for each in covered.get(name, ()):
            _skipped(suite, each)
        for case in cases.get(name, ()):
            _case(suite, case)
        if not suite.cases:
            suite.cases.append(_written(name, "nothing found", ""))
        yield suite
    if report.problems:
        problems = _Suite("inputs", [])
        for level, file, line, _, message in problems_of(report):
            if level == "error":
                at = f"{file}:{line}" if line else file
                problems.cases.append(_written("inputs", at, f"<error message={attribute(message)}/>"))
                problems.errors += 1
        yield problems


def _finding(suite: _Suite, finding: Finding) -> None:
    name = about(finding) or place_of(finding)
    whole = f"{place_of(finding)}: {finding.level}: {said(finding)}"
    if finding.severity == "error":
        first = lines_of(finding.message.strip()).partition("\n")[0] or (EVALUATION_ERROR if finding.error else "")
        inner = _failing(suite, first, whole, finding.level, error=finding.error)
    else:
        inner = f"<system-out>{xml(whole)}</system-out>"
    suite.cases.append(_written(suite.name, name, inner))


def _skipped(suite: _Suite, finding: Finding) -> None:
    suite.skipped += 1
    why = why_suppressed(finding.suppression) if finding.suppression is not None else ""
    inner = f"<skipped>{xml(why)}</skipped><system-out>{xml(f'{place_of(finding)}: {said(finding)}')}</system-out>"
    suite.cases.append(_written(suite.name, about(finding) or place_of(finding), inner))


def _case(suite: _Suite, case: Case) -> None:
    if case.passed:
        suite.cases.append(_written(suite.name, case.name, ""))
        return
    more: Sequence[str] = [
        str(case.place),
        *case.failures,
        *(f"found: {each}" for each in case.texts),
        *(f"not matched: {each.why}" for each in case.unmatched),
        *case.notes,
    ]
    if case.known:
        suite.skipped += 1
        inner = f"<skipped>known</skipped><system-out>{xml(chr(10).join(more))}</system-out>"
    else:
        inner = _failing(suite, case.failures[0], "\n".join(more), error=case.verdict == "error")
    suite.cases.append(_written(suite.name, case.name, inner))


def _failing(suite: _Suite, message: str, whole: str, level: str = "", *, error: bool) -> str:
    """The element of a case that does not pass, which is counted: <error> if the policy could not be evaluated."""
    if error:
        suite.errors += 1
    else:
        suite.failures += 1
    tag = "error" if error else "failure"
    return f"<{tag}{f' type={attribute(level)}' if level else ''} message={attribute(message)}>{xml(whole)}</{tag}>"


def _written(suite: str, name: str, inner: str) -> str:
    head = f"    <testcase classname={attribute(suite)} name={attribute(name)}"
    return f"{head}>{inner}</testcase>\n" if inner else f"{head}/>\n"
