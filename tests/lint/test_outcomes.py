"""What expressions may come to, held against evaluating them."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation, EvaluationError, Program
from webhook.lint.abstractvalues import Outcome
from webhook.lint.outcomes import Known, Outcomes
from webhook.policy.cel.declared import base_environment
from webhook.policy.request import CONNECT, CREATE, DELETE, OPERATIONS, UPDATE

ENVIRONMENT = base_environment(with_params=True)


def outcome(source: str, known: Known = Known(), **variables: str) -> Outcome:  # noqa: B008 - immutable
    environment, programs = ENVIRONMENT, dict[str, Program]()
    for name, text in variables.items():
        programs[f"variables.{name}"] = environment.compile(text)
        environment = environment.extend({f"variables.{name}": programs[f"variables.{name}"].type})
    return Outcomes(programs, known).of(environment.compile(source), ("it",))


ALWAYS = [
    "1 < 2",
    "'a' in ['a', 'b']",
    "object.x == object.x",
    "object.x != 'a' || object.x != 'b'",
    "object.x <= 5 || object.x > 3",
    "object.spec.ok || !object.spec.ok",
    "has(object.x) || !has(object.x)",
    "size(object.x) >= 0",
    "object.x.size() > -1",
    "0 <= size(object.x)",
    "[].all(x, x == 1)",
    "object.xs.all(x, x == x)",
    "!(object.x in [])",
    "true || object.x == 1",
    "object.x == 1 ? true : size(object.y) >= 0",
    "!(object.x == 'a' && object.x == 'b')",
    "object.x == 1 || object.x in [2] || object.x != 1",
    "size([1, 2]) == 2 && size('abc') == 3",
    "'a' + 'b' == 'ab'",
    "optional.none().orValue(1) == 1",
    "!optional.none().hasValue()",
    "object.xs.exists(x, true) || !object.xs.exists(x, true)",
]
NEVER = [
    "2 < 1",
    "object.x == 'a' && object.x == 'b'",
    "object.x > 5 && object.x < 3",
    "size(object.x) < 0",
    "size(object.x) == -1",
    "object.x in []",
    "[].exists(x, true)",
    "object.a && !object.a",
    "object.x in ['a'] && object.x in ['b']",
    "false && object.x == 1",
    "object.x != object.x",
]
OPEN = [
    "object.x == 1",
    "object.x == 'a' || object.x == 'b'",
    "object.x != 'a' && object.x != 'b'",
    "object.x > 3 && object.x < 5",
    "object.x == object.y",
    "object.a || !object.b",
    "size(object.x) >= 1",
    "object.xs.all(x, x == 1)",
    "object.xs.exists(x, true)",
    "object.xs.all(x, false)",
    "object.?x.orValue(1) == 1",
    "request.operation == 'CREATE'",
    "object == null",
    "object.x.matches('a') || object.y",
    "object.xs.exists_one(x, x == 1)",
    "object.xs.filter(x, x == 1).size() == 1",
    "{'a': 1} == object.x",
    "object[?'a'].hasValue()",
]


@pytest.mark.parametrize("source", ALWAYS)
def test_what_is_always_true(source: str) -> None:
    found = outcome(source)
    assert found.always, found


@pytest.mark.parametrize("source", NEVER)
def test_what_is_never_true(source: str) -> None:
    found = outcome(source)
    assert found.never, found
    assert found.false


@pytest.mark.parametrize("source", OPEN)
def test_what_may_be_either(source: str) -> None:
    found = outcome(source)
    assert found.true
    assert found.false


OBJECTS: list[Any] = [
    {"x": 1, "y": 1, "a": True, "b": False, "xs": [1], "spec": {"ok": True}},
    {"x": 4, "y": 2, "a": False, "b": True, "xs": [], "spec": {"ok": False}},
    {"x": "a", "y": "b", "a": True, "b": True, "xs": [1, 2], "spec": {}},
    {"x": "b", "y": True, "xs": [2]},
    {"x": [], "y": None, "a": 1, "xs": {"k": 1}},
    {},
]
NULLS = {CREATE: ("oldObject",), DELETE: ("object",), CONNECT: ("oldObject",), UPDATE: ()}
GUARDED = [
    "object == null || object.x == 1",
    "object != null && object.x == 1",
    "request.operation == 'DELETE' || object.x == 1",
    "object.x == 1 || request.operation == 'DELETE'",
    "request.operation != 'DELETE' && object.x == 1",
    "request.operation == 'DELETE' ? true : object.x == 1",
    "request.operation in ['CREATE', 'UPDATE'] && object.x == oldObject.x",
    "has(object.x)",
    "!has(object.x)",
    "has(object.x.y)",
    "object.?x.orValue(1) == 1",
    "object[?'x'].hasValue()",
    "oldObject == null || oldObject.x == object.x",
    "object.x == oldObject.x",
    "object['x'] == 1",
    "'x' in object",
    "object.all(x, true)",
    "size(object) == 0",
    "dyn(object) == null",
    "object.xs.all(x, x == oldObject.x)",
    "string(object.x) == 'a'",
    "object.x.startsWith('a') && true",
    "type(object) == null_type",
    "[object.x].exists(x, x == 1)",
]


@pytest.mark.parametrize("source", [*ALWAYS, *NEVER, *OPEN, *GUARDED])
def test_no_evaluation_has_a_value_that_was_not_foreseen(source: str) -> None:
    program = ENVIRONMENT.compile(source)
    for operation in OPERATIONS:
        foreseen = Outcomes({}, Known(operation)).of(program, ("it",))
        anyhow = Outcomes({}, Known()).of(program, ("it",))
        for new in OBJECTS:
            for old in OBJECTS:
                values = {"object": new, "oldObject": old}
                values |= dict.fromkeys(NULLS[operation], None)
                bindings = {**values, "request": {"operation": operation}, "params": None}
                try:
                    value = program.evaluate(Activation(bindings))
                except EvaluationError:
                    assert foreseen.fails, (operation, values)
                    continue
                for each in (foreseen, anyhow):
                    assert {True: each.true, False: each.false}[value], (operation, values, each)


@pytest.mark.parametrize(
    ("source", "operation", "variables"),
    [
        ("object.x == 1", DELETE, ["object"]),
        ("oldObject.x == object.x", CREATE, ["oldObject"]),
        ("oldObject.x == object.x", DELETE, ["object"]),
        ("object.x == 1 || oldObject.x == 1", CREATE, ["oldObject"]),
        ("'x' in oldObject", CREATE, ["oldObject"]),
        ("oldObject['x'] == 1", CREATE, ["oldObject"]),
        ("oldObject.all(x, true)", CREATE, ["oldObject"]),
        ("oldObject == null || oldObject.x == 1", CREATE, []),
        ("oldObject.x == 1 && request.operation == 'UPDATE'", CREATE, []),
        ("has(oldObject.x)", CREATE, []),
        ("oldObject.?x.orValue(1) == 1", CREATE, []),
        ("object.x == 1", UPDATE, []),
    ],
)
def test_reads_of_null(source: str, operation: str, variables: list[str]) -> None:
    assert [each.variable for each in outcome(source, Known(operation)).nulls] == variables


def test_reads_of_null_in_a_variable_are_known_where_it_is_used() -> None:
    known = Known(CREATE)
    assert [each.expression for each in outcome("variables.v == 1", known, v="oldObject.x").nulls] == ["variables.v"]
    assert [each.variable for each in outcome("variables.o.x == 1", known, o="oldObject").nulls] == ["oldObject"]
    assert not outcome("oldObject == null || variables.v == 1", known, v="oldObject.x").nulls


@pytest.mark.parametrize(
    ("source", "filled", "fails"),
    [
        ("'text'", True, False),
        ("'a' + object.x", True, True),
        ("''", False, False),
        ("'a' + 'b'", True, False),
        ("object.x ? 'a' : 'b'", True, True),
        ("object.x ? 'a' : ''", False, True),
        ("string(object.x)", False, True),
    ],
)
def test_texts(source: str, filled: bool, fails: bool) -> None:
    found = outcome(source)
    assert (found.filled, found.fails) == (filled, fails)


def test_parts_that_have_one_value_are_remembered_from_outside() -> None:
    program = ENVIRONMENT.compile("has(object.x) && (object.x != 'a' || object.x != 'b' || 1 == 2)")
    outcomes = Outcomes({}, Known())
    assert not outcomes.of(program, ("it",)).always
    ((node, value),) = outcomes.settled[("it",)]
    assert value
    assert node.function == "_||_"  # type: ignore[union-attr]


def test_work_grows_with_the_expression_and_not_faster() -> None:
    """A condition that is nested a hundred times, and one of many terms, are done at once."""
    for source in ("!(" * 60 + "object.x == 1" + ")" * 60, " || ".join(f"object.x == {n}" for n in range(1500))):
        assert outcome(source).true
