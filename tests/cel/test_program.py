"""Values and errors of the core language. The error texts are a kube-apiserver's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate
from webhook.cel import Activation, CostError, EvaluationError, Program
from webhook.cel.tree.types import Type
from webhook.cel.value.values import Duration, Timestamp

VALUES: list[tuple[str, dict[str, Any], Any]] = [
    # selection and presence
    ("has(x.y)", {"x": None}, False),
    ("has(x.y)", {"x": "text"}, False),
    ("has(x.y)", {"x": {"y": None}}, True),
    ("x.y == null", {"x": {"y": None}}, True),
    ("x.?y.hasValue()", {"x": None}, False),
    ("x.?y.z.orValue(3)", {"x": {"y": None}}, 3),
    ("x.?y[?1].orValue('none')", {"x": {"y": ["a", "b"]}}, "b"),
    ("x[?'a'].?b.orValue(0)", {"x": {"a": {"b": 2}}}, 2),
    ("{?'a': x.?y, 'b': dyn(1)}.size()", {"x": {}}, 1),
    ("[?x.?y, dyn(1)]", {"x": {"y": 5}}, [5, 1]),
    ("x['a.b/c']", {"x": {"a.b/c": 1}}, 1),
    ("x.nope in []", {"x": {}}, False),
    # equality knows booleans from numbers
    ("x == 1", {"x": True}, False),
    ("x == 0", {"x": False}, False),
    ("x == 1", {"x": 1.0}, True),
    ("x == true", {"x": 1}, False),
    ("x == y", {"x": True, "y": 1}, False),
    ("x == y", {"x": [True], "y": [1]}, False),
    ("x == y", {"x": {"a": [1, 2.0]}, "y": {"a": [1.0, 2]}}, True),
    ("x == 'a'", {"x": 5}, False),
    ("x != null", {"x": 0}, True),
    ("x in [1, 2]", {"x": True}, False),
    ("1 in x", {"x": [True]}, False),
    ("'a' in x", {"x": {"a": 1}}, True),
    ("{true: 'b', false: 'c'}[x]", {"x": True}, "b"),
    ("x in {1: 1}", {"x": True}, False),
    ("{1: 'a'}[x]", {"x": 1.0}, "a"),
    ("[0.0 / 0.0] == [0.0 / 0.0]", {}, False),
    ("dyn(9007199254740993) == 9007199254740992.0", {}, True),
    # order across number types
    ("1 < 1.5", {}, True),
    ("-1 < 1u", {}, True),
    ("x < 1.5", {"x": 1}, True),
    ("9223372036854775807 < 9223372036854775808.0", {}, False),
    # arithmetic
    ("7 / -2", {}, -3),
    ("-7 % 2", {}, -1),
    ("x / 0.0", {"x": 1.5}, float("inf")),
    ("'a' + x", {"x": "b"}, "ab"),
    ("[1] + x", {"x": [2]}, [1, 2]),
    ("duration('1h') + duration('30m')", {}, Duration(5_400_000_000_000)),
    ("timestamp('2020-01-01T00:00:00Z') + duration('1s')", {}, Timestamp(1_577_836_801_000_000_000)),
    # absorption of errors, in either order
    ("x.nope == 1 || true", {"x": {}}, True),
    ("true || x.nope == 1", {"x": {}}, True),
    ("x.nope == 1 && false", {"x": {}}, False),
    ("1 / 0 == 1 || x.nope == 1 || true", {"x": {}}, True),
    ("x.all(e, e.a)", {"x": [{"b": 1}, {"a": False}]}, False),
    ("x.exists(e, e.a)", {"x": [{"b": 1}, {"a": True}]}, True),
    ("x.exists(i, e, 10 / e > 3)", {"x": [0, 2]}, True),
    # macros, one and two variables
    ("x.all(k, k != 'z')", {"x": {"a": 1}}, True),
    ("x.map(e, e > 1, e * 2)", {"x": [1, 2, 3]}, [4, 6]),
    ("x.map(k, k)", {"x": {"a": 1}}, ["a"]),
    ("x.filter(e, e > 1)", {"x": [1, 2]}, [2]),
    ("x.exists_one(e, e == 1)", {"x": [1, 2, 1]}, False),
    ("x.exists_one(k, v, v == 1)", {"x": {"a": 1}}, True),
    ("x.existsOne(i, v, v == i)", {"x": [1, 1]}, True),
    ("x.transformList(i, v, i + v)", {"x": [1, 2]}, [1, 3]),
    ("x.transformMap(k, v, v > 1, v * 2)", {"x": {"a": 1, "b": 2}}, {"b": 4}),
    ("x.transformMapEntry(k, v, {v: k})", {"x": {"a": "b"}}, {"b": "a"}),
    ("x.map(e, y.map(e, e + 1))", {"x": [1], "y": [5]}, [[6]]),
    ("optional.of(x).optMap(v, v + 1).orValue(0)", {"x": 1}, 2),
    ("x.?y.optFlatMap(v, v.?z).hasValue()", {"x": {"y": {}}}, False),
    ("optional.unwrap([optional.of(1), optional.none()])", {}, [1]),
    # conversions and types
    ("int('42') + int(3.9) + int(2u)", {}, 47),
    ("string(1e6) + ' ' + string(123456789.0) + ' ' + string(1.0)", {}, "1e+06 1.23456789e+08 1"),
    ("type(x) == map", {"x": {}}, True),
    ("type(x)", {"x": 1}, Type("int")),
    ("string(timestamp('2020-01-01T00:00:00.120Z'))", {}, "2020-01-01T00:00:00.12Z"),
    ("timestamp('2020-02-29T23:59:59Z').getDayOfYear('-02:30')", {}, 59),
    ("x ? 'yes' : 'no'", {"x": True}, "yes"),
    ("size('é😀')", {}, 2),
]


@pytest.mark.parametrize(("expression", "bindings", "value"), VALUES)
def test_value(expression: str, bindings: dict[str, Any], value: Any) -> None:
    result = evaluate(expression, **bindings)
    assert type(result) is type(value)
    assert result == value


ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("x.nope", {"x": {}}, "no such key: nope"),
    ("x.nope.foo", {"x": {}}, "no such key: nope"),
    ("x.y", {"x": None}, "no such key: y"),
    ("x.y", {"x": "a"}, "no such key: y"),
    ("x.y", {"x": [1]}, "unsupported index type 'string' in list"),
    ("has(x.y)", {"x": [1]}, "unsupported index type 'string' in list"),
    ("x[0]", {"x": "a"}, "no such key: 0"),
    ("x[0]", {"x": {"a": 1}}, "no such key: 0"),
    ("x[9]", {"x": [1]}, "index out of bounds: 9"),
    ("x[-1]", {"x": [1]}, "index out of bounds: -1"),
    ("x[1.5]", {"x": [1]}, "unsupported index value 1.5 in list"),
    ("x[y]", {"x": {}, "y": None}, "invalid qualifier type: <nil>"),
    ("x + 1", {"x": "a"}, "no such overload"),
    ("-x", {"x": "a"}, "no such overload"),
    ("!x", {"x": "a"}, "no such overload"),
    ("x < 'a'", {"x": 1}, "no such overload"),
    ("1 in x", {"x": "abc"}, "no such overload"),
    ("x && true", {"x": "a"}, "no such overload"),
    ("x ? 1 : 2", {"x": "a"}, "no such overload"),
    ("x.size()", {"x": 5}, "no such overload: size"),
    ("x.startsWith('a')", {"x": 5}, "no such overload"),
    ("x.indexOf('a')", {"x": 5}, "no such overload: indexOf(int, string)"),
    ("string(x)", {"x": [1]}, "no such overload: string(list)"),
    ("1 / 0 == 1", {}, "division by zero"),
    ("x % 0", {"x": 1}, "modulus by zero"),
    ("9223372036854775807 + x", {"x": 1}, "integer overflow"),
    ("-x", {"x": -(2**63)}, "integer overflow"),
    ("uint(x)", {"x": -1}, "unsigned integer overflow"),
    ("0.0 / 0.0 < 1.0", {}, "NaN values cannot be ordered"),
    ("int(x)", {"x": "abc"}, "type conversion error from 'string' to 'int'"),
    ("timestamp(x)", {"x": "abc"}, "type conversion error from 'string' to 'google.protobuf.Timestamp'"),
    ("x.getHours()", {"x": 5}, "no such overload: getHours(int)"),
    ("timestamp('2020-01-01T00:00:00Z').getHours(x)", {"x": "../etc/passwd"}, "unknown time zone ../etc/passwd"),
    ("optional.none().value()", {}, "optional.none() dereference"),
    ("x.all(e, e)", {"x": "abc"}, "got 'types.String', expected iterable type"),
    ("x.all(e, e)", {"x": [1]}, "no such overload"),
    ("x.a || y.b", {"x": {}, "y": {}}, "no such key: a"),
    ("x.a && y.b", {"x": {}, "y": {}}, "no such key: a"),
    ("x.all(e, e.a || e.b)", {"x": [{}, {"z": 1}]}, "no such key: a"),
    ("x.exists_one(e, 1 / e > 0)", {"x": [1, 0]}, "division by zero"),
    ("x.transformMapEntry(k, v, {'a': v})", {"x": {"a": 1, "b": 2}}, "insert failed: key a already exists"),
    ("x.matches(y)", {"x": 1, "y": "a"}, "no such overload: matches"),
    ("x.matches('a')", {"x": 1}, "no such overload"),
    ("x - 1", {"x": None}, "no such overload: _-_"),
    ("x < 1", {"x": []}, "no such overload: _<_"),
    ("x.all(i, e, true)", {"x": None}, "unsupported comprehension range type: types.Null"),
    ("x.matches(y)", {"x": "b", "y": "a("}, "error parsing regexp: missing closing ): `a(`"),
]


@pytest.mark.parametrize(("expression", "bindings", "text"), ERRORS)
def test_error(expression: str, bindings: dict[str, Any], text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, **bindings)
    assert str(caught.value) == text


def with_variables(expression: str, **sources: str) -> tuple[Program, dict[str, Program]]:
    environment, programs = ENVIRONMENT, {}
    for name, source in sources.items():
        programs[f"variables.{name}"] = environment.compile(source)
        environment = environment.extend({f"variables.{name}": programs[f"variables.{name}"].type})
    return environment.compile(expression), programs


def test_a_composited_variable_is_evaluated_at_its_first_use_and_once() -> None:
    reads = 0

    def read() -> int:
        nonlocal reads
        reads += 1
        return 7

    program, variables = with_variables("variables.a + variables.a == 14 && variables.a > 0", a="int(object)")
    activation = Activation({}, lazy={"object": read}, variables=variables)
    assert program.evaluate(activation) is True
    assert reads == 1


def test_an_error_in_a_composited_variable_surfaces_where_it_is_used_only() -> None:
    unused, variables = with_variables("true || variables.bad == 1", bad="object.nope")
    assert unused.evaluate(Activation({"object": {}}, variables=variables)) is True
    used, variables = with_variables("variables.bad == 1", bad="object.nope")
    with pytest.raises(EvaluationError) as caught:
        used.evaluate(Activation({"object": {}}, variables=variables))
    assert str(caught.value) == 'composited variable "bad" fails to evaluate: no such key: nope'


def test_a_composited_variable_may_be_an_optional() -> None:
    sources = {"spec": "object.?spec", "names": "[variables.spec.?name, optional.of(dyn('b'))].map(n, n)"}
    program, variables = with_variables("variables.spec.?name.orValue('') + variables.names[1].value()", **sources)
    assert program.evaluate(Activation({"object": {"spec": {"name": "a"}}}, variables=variables)) == "ab"


def test_an_exhausted_budget_ends_the_evaluation_and_nothing_absorbs_it() -> None:
    numbers = list(range(2000))
    program = ENVIRONMENT.compile("x.all(a, x.all(b, x.all(c, a + b + c >= 0))) || true")
    with pytest.raises(CostError, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate(Activation({"x": numbers}))


@pytest.mark.parametrize(
    "expression",
    [
        "x.all(a, x.map(b, b + 1).size() > 0)",
        "x.all(a, string(x.map(b, string(b)).join(',').size() + a).size() > 0)",
        "x.map(a, string(a)).join(',').size() > 0 && x.all(a, sets.contains(x, x))",
        "sets.equivalent(x + x + x + x, x + x + x + x)",
    ],
)
def test_work_hidden_in_functions_is_charged_too(expression: str) -> None:
    with pytest.raises(CostError):
        ENVIRONMENT.compile(expression).evaluate(Activation({"x": list(range(3000))}))


def test_doubling_a_text_again_and_again_ends_in_the_budget_of_a_variable() -> None:
    sources = {"v0": "string(object)"} | {f"v{n}": f"variables.v{n - 1} + variables.v{n - 1}" for n in range(1, 30)}
    program, variables = with_variables("variables.v29.size() > 0", **sources)
    with pytest.raises(EvaluationError, match='variable "v21" fails to evaluate: operation cancelled: actual cost'):
        program.evaluate(Activation({"object": "0123456789"}, variables=variables))


def test_evaluation_leaves_the_object_as_it_was() -> None:
    value = {"a": [1, 2, {"b": 3}]}
    evaluate("(x.a + [4]).map(e, e) == x.a && x.transformMap(k, v, v) == x", x=value)
    assert value == {"a": [1, 2, {"b": 3}]}
