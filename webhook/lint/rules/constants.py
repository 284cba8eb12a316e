"""GW204 and GW205: conditions that are true, or false, for every request. GW212: variables that nothing uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.cel import Program
from webhook.cel.tree.ast import Const, Expr, variables_in
from webhook.documents.reader import Document
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.outcomes import Known
from webhook.lint.subject import AnyPolicy, Subject, operations_of, variables_of
from webhook.paths import Path

ALWAYS: Final = "GW204"
NEVER: Final = "GW205"
UNUSED: Final = "GW212"

RULES: Final = (
    Rule(ALWAYS, "always-true", "warning", "a condition is true for every request"),
    Rule(NEVER, "never-true", "warning", "a condition is true for no request"),
    Rule(UNUSED, "unused-variable", "warning", "no expression uses a variable"),
)

_CONDITIONS: Final = {"validations": "validation", "matchConditions": "matchCondition"}


def check(subject: Subject) -> Iterator[Alarm]:
    for policy, document in subject.in_cel():
        programs = dict(policy.evaluator.programs())
        whole: set[Path] = set()
        for path, program in programs.items():
            what = _CONDITIONS.get(str(path[1]))
            if what is not None and path[-1] == "expression":
                for alarm in _whole(subject, policy, document, path, program, what):
                    whole.add(path)
                    yield alarm
        yield from _parts(subject, policy, document, programs, whole)
        yield from _unused(subject, policy, document, programs)


def _whole(
    subject: Subject, policy: AnyPolicy, document: Document, path: Path, program: Program, what: str
) -> Iterator[Alarm]:
    """The alarm about a condition that has one value for all operations that the rules name."""
    outcomes = [
        subject.outcomes(policy, Known(operation)).of(program, path) for operation in operations_of(policy)
    ] or [subject.outcomes(policy, Known()).of(program, path)]
    if all(outcome.always for outcome in outcomes):
        consequence = "it denies nothing" if what == "validation" else "it excludes nothing"
        message = f"this {what} is true for every request for which it can be evaluated: {consequence}"
        yield subject.in_expression(ALWAYS, document, path, program, program.tree, message)
    elif all(outcome.never for outcome in outcomes) and any(outcome.false for outcome in outcomes):
        if isinstance(program.tree, Const) and what == "validation":
            return  # a validation `false` is meant to deny everything that the rules and conditions match
        consequence = "it denies everything" if what == "validation" else "the policy never runs"
        message = f"this {what} is true for no request: {consequence}"
        yield subject.in_expression(NEVER, document, path, program, program.tree, message)


def _parts(
    subject: Subject, policy: AnyPolicy, document: Document, programs: dict[Path, Program], whole: set[Path]
) -> Iterator[Alarm]:
    """The alarms about parts of expressions that have one value on all operations."""
    outcomes = subject.outcomes(policy, Known())
    for path, program in programs.items():
        name: str | Path = path
        if path[1] == "variables":
            name = next((each for each, known in variables_of(policy).items() if known is program), path)
        if name not in outcomes.settled:
            outcomes.of(program, name)
        if path in whole:
            continue
        for node, value in outcomes.settled[name]:
            if _literal(node):
                continue
            rule, words = (ALWAYS, "always true") if value else (NEVER, "never true")
            yield subject.in_expression(rule, document, path, program, node, f"this part of the expression is {words}")


def _literal(node: Expr) -> bool:
    return isinstance(node, Const)


def _unused(subject: Subject, policy: AnyPolicy, document: Document, programs: dict[Path, Program]) -> Iterator[Alarm]:
    variables = variables_of(policy)
    used: set[str] = set()
    pending = [program for path, program in programs.items() if path[1] != "variables"]
    while pending:
        found = variables_in(pending.pop().tree) - used
        used |= found
        pending += [variables[name] for name in found if name in variables]
    for path, program in programs.items():
        if path[1] == "variables" and not any(variables.get(name) is program for name in used):
            name = next((each for each, known in variables.items() if known is program), "")
            message = f"no expression uses {name or 'this variable'}"
            yield subject.alarm(UNUSED, document, path[:-1], message)
