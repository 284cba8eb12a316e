"""GW202: `object` read on DELETE, where it is null. GW203: `oldObject` read on CREATE, where it is null."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from webhook.cel import Program
from webhook.documents.reader import Document
from webhook.lint.abstractvalues import Null, Outcome
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.outcomes import Known
from webhook.lint.subject import AnyPolicy, Subject, operations_of, variables_of
from webhook.paths import Path
from webhook.policy.request import CREATE, DELETE

RULES: Final = (
    Rule("GW202", "object-on-delete", "error", "an expression reads object on DELETE, where it is null"),
    Rule("GW203", "old-object-on-create", "error", "an expression reads oldObject on CREATE, where it is null"),
)

_CASES: Final[tuple[tuple[str, str, Literal["object", "oldObject"]], ...]] = (
    ("GW202", DELETE, "object"),
    ("GW203", CREATE, "oldObject"),
)


def check(subject: Subject) -> Iterator[Alarm]:
    for policy, document in subject.in_cel():
        for rule, operation, variable in _CASES:
            if operation in operations_of(policy):
                yield from _of(subject, policy, document, rule, operation, variable)


def _of(
    subject: Subject, policy: AnyPolicy, document: Document, rule: str, operation: str, variable: str
) -> Iterator[Alarm]:
    known = Known(operation)
    outcomes = {
        path: subject.outcomes(policy, known).of(program, path) for path, program in policy.evaluator.programs()
    }
    conditions = {path: outcome for path, outcome in outcomes.items() if path[1] == "matchConditions"}
    if any(not outcome.true and not outcome.fails for outcome in conditions.values()):
        return  # the policy does not run on this operation
    reported: set[Null] = set()
    programs = dict(policy.evaluator.programs())
    places = _places(policy, programs)
    runs = not any(outcome.never for outcome in conditions.values())
    for path, outcome in outcomes.items():
        if path not in conditions and not runs:
            continue
        if path[1] == "variables" or not _evaluated(path, outcomes):
            continue
        for null in sorted(outcome.nulls, key=lambda each: (str(each.expression), each.offset)):
            if null.variable != variable or null in reported:
                continue
            reported.add(null)
            at = places.get(null.expression)
            if at is not None:
                message = (
                    f"{variable} is null on {operation}, which the policy's rules name: this is an error then. Test it "
                    f"first ({variable} == null || …), or leave {operation} out of the rules"
                )
                yield subject.in_expression(rule, document, *at, null.offset, message)
        if path[-1] == "expression" and path[1] == "validations" and outcome.never and not outcome.nulls:
            otherwise = subject.outcomes(policy, Known(operation, nulls=False)).of(programs[path], path)
            if not otherwise.never:
                message = f"this is never true on {operation}, where {variable} is null: every {operation} is denied"
                yield subject.in_expression(rule, document, path, programs[path], programs[path].tree, message)


def _evaluated(path: Path, outcomes: dict[Path, Outcome]) -> bool:
    """Whether an expression is ever evaluated: a messageExpression only if its validation may be false."""
    if path[-1] != "messageExpression":
        return True
    of = outcomes.get((*path[:-1], "expression"))
    return of is None or of.false


def _places(policy: AnyPolicy, programs: dict[Path, Program]) -> dict[str | Path, tuple[Path, Program]]:
    """The path and program of each expression, by its path and by the name of its variable."""
    found: dict[str | Path, tuple[Path, Program]] = {path: (path, program) for path, program in programs.items()}
    for name, program in variables_of(policy).items():
        for path, each in programs.items():
            if each is program:
                found[name] = (path, program)
    return found
