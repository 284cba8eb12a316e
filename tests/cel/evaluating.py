"""Evaluating an expression in a test, in every form of the generated code."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from webhook.access import Access, AccessDecision, AccessRule, declared
from webhook.cel import Activation, CompileError, Environment, EvaluationError, types
from webhook.cel.code.recording import Rounds, recordable
from webhook.cel.library.authorizer import AUTHORIZER, Authorizer
from webhook.cel.program import Outlining, Program, Recording
from webhook.cel.tree.ast import Const, nodes
from webhook.cel.tree.errors import BudgetExceeded

VARIABLES = {"object": types.DYN, "x": types.DYN, "y": types.DYN, "authorizer": types.parse(AUTHORIZER)}
ENVIRONMENT = Environment(VARIABLES)

ALLOWED = AccessDecision(True, "declared")
# What the user of the tests may do: look at /healthz and get the Pods of one namespace, and nothing else.
RULES = (
    AccessRule(ALLOWED, user="ann", path="/healthz", verb="get"),
    AccessRule(ALLOWED, user="ann", group="", resource="pods", subresource="", namespace="default", verb="get"),
    AccessRule(AccessDecision(False)),
)
BINDINGS: dict[str, Any] = {
    "object": None,
    "x": None,
    "y": None,
    "authorizer": Authorizer(Access("ann", "", groups=("staff",)), partial(declared, rules=RULES)),
}


def outcome(program: Program, form: str, bindings: dict[str, Any]) -> tuple[str, Any]:
    try:
        if form == "recording":
            return "value", program.evaluate_recording(Recording(bindings))
        if form == "exact":
            return "value", program.evaluate_exactly(Activation(bindings))
        return "value", program.evaluate(Activation(bindings))
    except EvaluationError as error:
        return "error", str(error)


def evaluate(expression: str, **bindings: Any) -> Any:
    """The value of an expression, which all forms must agree on. Raises EvaluationError."""
    program = ENVIRONMENT.compile(expression)
    bindings = {**BINDINGS, **bindings}
    outcomes = [outcome(program, form, bindings) for form in ("plain", "exact", "recording")]
    assert repr(outcomes[0]) == repr(outcomes[1]) == repr(outcomes[2])
    kind, result = outcomes[0]
    assert_the_outline_is_that_of_the_record(program, bindings)
    if kind == "error":
        raise EvaluationError(result)
    return result


def assert_the_outline_is_that_of_the_record(program: Program, bindings: dict[str, Any]) -> None:
    """The outline form records the same values, whichever are wanted, or raises."""
    whole, activation = Recording(bindings), Outlining({}, bindings)
    try:
        value = program.evaluate_recording(whole)
    except EvaluationError:
        return
    constants = {id(node) for node in nodes(program.tree) if isinstance(node, Const)}  # no search asks for them
    keys = recordable(program.tree, whole.record.keys() - constants)
    for wanted in (keys, set(sorted(keys, key=repr)[::3])):
        outline = program.outlined(wanted)
        if outline is None:
            assert sum(1 for _ in nodes(program.tree)) > 1_000, program.source
            return
        activation.record.clear()
        try:
            assert repr(outline(activation)) == repr(value)
        except (EvaluationError, TypeError, AttributeError, LookupError, BudgetExceeded):
            return
        for key in wanted:
            one, other = activation.record[key], whole.record[key]
            assert _told(one, wanted) == _told(other, wanted), program.source


def _told(value: Any, wanted: set[Any], depth: int = 3) -> str:
    """A recorded value, with what is wanted of the rounds of a loop. depth: of loops within it."""
    if not isinstance(value, Rounds):
        return repr(value)
    kept = [
        (at, [(key, _told(record[key], wanted, depth - 1)) for key in sorted(wanted & record.keys(), key=repr)])
        for at, record in value.records.items()
        if depth
    ]
    return f"{value.place} {len(value.records)} {kept}"


def with_variables(expression: str, **sources: str) -> tuple[Program, dict[str, Program]]:
    environment, programs = ENVIRONMENT, {}
    for name, source in sources.items():
        programs[f"variables.{name}"] = environment.compile(source)
        environment = environment.extend({f"variables.{name}": programs[f"variables.{name}"].type})
    return environment.compile(expression), programs


def unchecked(source: str, environment: Environment = ENVIRONMENT) -> Program:
    """The program of an expression whose types nobody checks: everything is decided when it is evaluated."""
    return Program(source, environment._checker().parse(source))


def has_value(expression: str, value: Any) -> None:
    """The expression has this value, of this type."""
    result = evaluate(expression)
    assert type(result) is type(value)
    assert result == value


def has_error(expression: str, text: str) -> None:
    """The evaluation ends in this error."""
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert str(caught.value) == text


def is_refused(expression: str, text: str) -> None:
    """The expression does not compile, and the error has this text in it."""
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression)
    assert text in str(caught.value)


def issues(expression: str, **options: Any) -> list[str]:
    """The issues of an expression that does not compile, each with its place; options: of Environment.compile."""
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression, **options)
    return [str(issue) for issue in caught.value.issues]
