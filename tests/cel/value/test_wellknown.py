"""Literals of protocol buffers' well-known types: checked, evaluated and charged as in a kube-apiserver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.cel.apiserver import BOUND
from tests.cel.check.checked import asked, outcome, theirs
from tests.cel.evaluating import ENVIRONMENT, evaluate
from tests.cel.exactly import Outcome, agree, forms, of_answer
from tests.cel.generated import X
from webhook.cel import CompileError, EvaluationError
from webhook.cel.value import wellknown
from webhook.cel.value.numbers import UInt

VALUES = (
    *("null", "true", "7", "9223372036854775807", "9007199254740991", "9007199254740992", "-9007199254740992"),
    *("7u", "18446744073709551615u", "1.5", "1e300", "-1e300", "0.0 / 0.0", "'a'", "b'a'", "duration('1h1.5s')"),
    *(
        "timestamp('2020-01-01T00:00:00.5Z')",
        "[1]",
        "[1u, 2u]",
        "[300u]",
        "[]",
        "{'a': 1}",
        "{}",
        "{1: 1}",
        "{true: 1}",
    ),
    *("{1u: 1}", "{null: 1}", "int", "optional.of(1)", "optional.none()", "url('http://a/b')", "ip('1.2.3.4')"),
    *("cidr('1.0.0.0/8')", "semver('1.2.3')", "format.dns1123Label()", "authorizer", "authorizer.path('/x')"),
    *("google.protobuf.Empty{}", "google.protobuf.Int64Value{}", "x.mixed", "[dyn(null), dyn(ip('1.2.3.4'))]"),
    *("{'a': dyn(int)}", "{'a': optional.of(2)}", "{'a': optional.none()}", "[duration('1s')]", "[b'a']"),
)
FIELDS = [
    (name, field)
    for name, fields in wellknown.FIELDS.items()
    for field in fields
    if name != "google.protobuf.Any"  # its error shows its fields in Go's form, which is not stable
]
LITERALS = [
    *(f"{name}{{{field}: dyn({value})}}" for name, field in FIELDS for value in VALUES),
    *(f"google.protobuf.Struct{{fields: {{'k': dyn({value})}}}}" for value in VALUES),
    *(f"google.protobuf.ListValue{{values: [dyn({value})]}}" for value in VALUES),
    *(f"{name}{{{field}: {value}}}" for name, field in FIELDS for value in VALUES),
    *(f"{name}{{}}" for name in wellknown.TYPES),
]
ZERO = "google.protobuf.BoolValue{}"
USES = [
    *("google.protobuf.Int32Value{?value: optional.of(1)}", "google.protobuf.Int32Value{?value: optional.none()}"),
    *("google.protobuf.Int32Value{value: 1, ?value: optional.none()}", "google.protobuf.Int32Value{?value: 1}"),
    *("google.protobuf.Int32Value{value: 1, value: 2}", "google.protobuf.Int32Value{nope: 1}"),
    *("google.protobuf.Int32Value{value: 1}.value", "google.protobuf.Timestamp{seconds: 1}.seconds"),
    *("google.protobuf.Int32Value{value: 1} + 1", "google.protobuf.Int32Value{value: 1} == 1u"),
    *("google.protobuf.Int32Value{value: 1} == null", "google.protobuf.Int32Value{value: 1} == dyn(1u)"),
    *("[google.protobuf.Int32Value{value: 1}, 1]", "[1, google.protobuf.Int32Value{value: 1}]", f"[{ZERO}, null]"),
    *("{google.protobuf.StringValue{value: 'k'}: 1}", "{'k': google.protobuf.StringValue{value: 'k'}, 'l': 'm'}"),
    *(f"(x.i == 2 ? {ZERO} : null) || {other}" for other in ("true", "false")),
    *(f"(x.i == 2 ? {ZERO} : null) ? 1 : 2", f"!(x.i == 2 ? {ZERO} : null)", f"true ? {ZERO} : null"),
    *("(x.i == 2 ? google.protobuf.Int32Value{} : null) + 1", "-(x.i == 2 ? google.protobuf.Int32Value{} : null)"),
    *("(x.i == 2 ? google.protobuf.StringValue{} : null) == null", "[google.protobuf.StringValue{value: 'a'}].join()"),
    *("(x.i == 2 ? google.protobuf.StringValue{} : null).size()", "type(google.protobuf.Int32Value{})"),
    *("(x.i == 2 ? google.protobuf.Int32Value{} : null) < 1", "google.protobuf.Int64Value{value: 3} in [1, 2, 3]"),
    *(
        "google.protobuf.Timestamp{seconds: 1, nanos: -5} < timestamp('1970-01-01T00:00:01Z')",
        "type(google.protobuf.Any{})",
    ),
    *("google.protobuf.Duration{seconds: 61}.getMinutes()", "google.protobuf.Duration{seconds: -9223372036854775807}"),
    *(
        "google.protobuf.NullValue.NULL_VALUE == 0",
        "[google.protobuf.NullValue.NULL_VALUE, 1]",
        "google.protobuf.NullValue",
    ),
    *("google.protobuf.NullValue.NULL_VALUE.x", "google.protobuf.NullValue{}", "google.protobuf.FieldMask{}"),
    *("google.protobuf.Value{list_value: ['a']}[0]", "google.protobuf.ListValue{values: [1]}.map(e, e + 1.0)"),
    *("google.protobuf.Struct{fields: {'a': 'b'}}.a", "google.protobuf.Struct{fields: {'a': 'b'}}.b"),
    *("google.protobuf.Any{} || true", "google.protobuf.Any{}.map(a, a)", "[google.protobuf.Any{}, 1]"),
    *("google.protobuf.Any{} + 1", "google.protobuf.Any{}.size()", "google.protobuf.Any{a: 1}"),
    *(
        "google.protobuf.Empty{} == google.protobuf.Empty{}",
        "google.protobuf.Empty{}.a",
        "google.protobuf.Empty == type(1)",
    ),
    *("dyn(google.protobuf.Empty{}).a", "has(dyn(google.protobuf.Empty{}).a)", "dyn(google.protobuf.Empty{})[0]"),
    *("string(dyn(google.protobuf.Empty{}))", "optional.of(google.protobuf.Int32Value{value: 1}).orValue(2)"),
    *("google.protobuf.Int32Value", "google.protobuf.Struct", "google.protobuf.Empty", "dyn(google.protobuf.Empty)"),
    *("list{}", "list{values: [1]}", "null_type{}", "null_type{a: 1}", "int{}", "map{}", "x{}", "net.IP{}"),
    *("x.l.map(google, google.protobuf.Int32Value{value: 1})", ".google.protobuf.Int32Value{}"),
]


def test_literals_give_what_they_give_in_kubernetes(kubernetes: Path) -> None:
    expressions = LITERALS + USES
    answers = goprograms.answers(kubernetes, [{"expression": each, "bindings": {"x": X}} for each in expressions])
    differing: list[tuple[str, object, object]] = []
    for expression, answer in zip(expressions, answers, strict=True):
        other = of_answer(answer)
        try:
            program = ENVIRONMENT.compile(expression)
        except CompileError:
            if other.kind != "compile":
                differing.append((expression, Outcome("compile", ""), other))
            continue
        found = forms(program, BOUND)
        plain, (_, cost) = found["plain"][0], found["counted"]
        if any(each != plain for each, _ in found.values()):
            differing.append((expression, "the forms differ", found))
        elif not agree(plain, other):
            differing.append((expression, plain, other))
        elif other.kind == "value" and str(cost) != answer["cost"]:
            differing.append((expression, cost, answer["cost"]))
    # Timestamps beyond the year 9999 are an error here.
    assert [each for each in differing if getattr(each[1], "content", "") != "timestamp overflow"] == []


def test_literals_are_checked_as_in_kubernetes(kubernetes: Path) -> None:
    for expression, answer in zip(LITERALS + USES, asked(kubernetes, LITERALS + USES), strict=True):
        mine, other = outcome(expression), theirs(answer)
        texts = str(mine.get("errors", ""))
        if "program instantiation failed" not in texts and "expected type" not in texts:
            assert mine == other, expression


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("google.protobuf.UInt32Value{value: 1u}", UInt(1)),
        ("google.protobuf.FloatValue{value: 1.1}", 1.100000023841858),
        ("google.protobuf.FloatValue{value: 1e300}", float("inf")),
        ("google.protobuf.BytesValue{value: dyn([1u, 2u])}", b"\1\2"),
        ("google.protobuf.StringValue{}", ""),
        ("google.protobuf.Value{}", None),
        ("google.protobuf.Value{number_value: 2.5}", 2.5),
        ("google.protobuf.Struct{fields: {'a': 1, 'b': 2}}", {"a": 1.0, "b": 2.0}),
        ("google.protobuf.ListValue{values: [dyn(b'a'), dyn(9007199254740992)]}", ["YQ==", "9007199254740992"]),
        ("google.protobuf.Timestamp{seconds: 1} == timestamp('1970-01-01T00:00:01Z')", True),
        ("google.protobuf.Duration{seconds: 1, nanos: -5} == duration('999999995ns')", True),
        ("google.protobuf.Value{null_value: google.protobuf.NullValue.NULL_VALUE}", None),
    ],
)
def test_a_literal_is_the_value_that_it_wraps(source: str, expected: Any) -> None:
    found = evaluate(source)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("google.protobuf.Int32Value{value: 2147483648}", "Int32Value.value value type: integer overflow"),
        ("google.protobuf.UInt32Value{value: 4294967296u}", "UInt32Value.value value type: unsigned integer overflow"),
        ("google.protobuf.Int32Value{value: dyn('a')}", "unsupported native conversion from string to 'int32'"),
        (
            "google.protobuf.ListValue{values: dyn(1)}",
            "unsupported field type for google.protobuf.ListValue.values: int",
        ),
        ("google.protobuf.ListValue{values: [int]}", "type conversion not supported for 'type'"),
        ("google.protobuf.Any{}", r"unsupported conversion to ref.Val: \(\*dynamicpb.Message\)"),
        ("dyn(google.protobuf.Empty{}).a", "no such field 'a'"),
        ("google.protobuf.Timestamp{seconds: 253402300800}", "timestamp overflow"),
    ],
)
def test_what_a_field_cannot_hold_is_an_error(source: str, problem: str) -> None:
    with pytest.raises(EvaluationError, match=problem):
        evaluate(source)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "google.protobuf.Int32Value{value: 'a'}",
            "expected type of field 'value' is 'int' but provided type is 'string'",
        ),
        ("google.protobuf.Int32Value{a: 1}", "undefined field 'a'"),
        ("google.protobuf.Int32Value{value: 1} == 1u", r"applied to '\(wrapper\(int\), uint\)'"),
        ("google.protobuf.Int32Value", "reference to undefined type: google.protobuf.Int32Value"),
        ("list{}", "unknown type: list"),
        ("int{}", "'int' is not a message type"),
    ],
)
def test_what_is_refused_when_a_policy_is_loaded(source: str, problem: str) -> None:
    with pytest.raises(CompileError, match=problem):
        ENVIRONMENT.compile(source)
