"""Results of policy tests → cases of the report's model (webhook.cli.report.model)."""

from __future__ import annotations

from typing import Any

from webhook.cli.report.model import UNTESTED, Case, Exempted, Finding, Place, Unmatched
from webhook.offline.background import Background
from webhook.offline.cases.runs import Result
from webhook.policy.policyset import Policy


def lacking(policy: Policy[Any]) -> Finding:
    """The finding about a policy that has no tests, though it must."""
    place = Place(policy.file, policy.line)
    return Finding(
        rule=policy.name, level="error", message="it has no tests", place=place, kind=UNTESTED, policy=policy.name
    )


def case(result: Result, background: Background | None, verbose: bool) -> Case:
    """The case of a result. background: None for no notes. verbose: with tracebacks of policies in Python."""
    planned = result.planned
    return Case(
        policy=planned.policy,
        name=planned.case.name,
        place=Place(planned.file, planned.line),
        expect=planned.case.expect or "",
        verdict=result.verdict,
        failures=result.failures,
        texts=result.texts,
        excepted_by=planned.case.excepted_by or "",
        excepted=tuple(Exempted(each.exception.name, each.exception.until, each.text) for each in result.excepted),
        unmatched=tuple(Unmatched(each.kind, each.binding, each.why) for each in result.unmatched),
        refused=result.refused,
        notes=tuple(_beside(result, background, verbose)) if background is not None else (),
    )


def _beside(result: Result, background: Background, verbose: bool) -> list[str]:
    """Details of a case's findings: the params that were looked for, and tracebacks if asked for."""
    lines: list[str] = []
    for finding in result.findings:
        lookup = background.lookup(finding, result.planned.request.namespace)
        lines += [lookup] if lookup else []
        lines += background.traceback(finding) if verbose else ()
    return lines
