"""Values as the rules of a definition see them: by the types, formats and lists of their schema."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.customresources import structural
from webhook.apiserver.customresources.rulevalues import HIDDEN, MapList, SetList, Unreadable, converted, unreadable
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.times import Duration, parse_timestamp

TEXT = {"type": "string"}
SET = {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"}
MAP = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT, "size": {"type": "integer"}}},
}


def seen(value: Any, schema: dict[str, Any], **options: bool) -> Any:
    return converted(value, structural.read(schema, ()), **options)


@pytest.mark.parametrize(
    ("value", "schema", "found"),
    [
        (None, TEXT, None),
        (1, {"type": "number"}, 1.0),
        (1, {"type": "integer"}, 1),
        ("a", {"x-kubernetes-int-or-string": True}, "a"),
        (["a"], {"type": "array"}, ["a"]),
        ("1h", {"type": "string", "format": "duration"}, Duration(3600 * 10**9)),
        ("2026-01-02", {"type": "string", "format": "date"}, parse_timestamp("2026-01-02T00:00:00Z")),
        ("2026-01-02T03:04:05Z", {"type": "string", "format": "date-time"}, parse_timestamp("2026-01-02T03:04:05Z")),
        ("YWI=", {"type": "string", "format": "byte"}, b"ab"),
        (
            {"a-b": 1, "u": 2},
            {"type": "object", "properties": {"a-b": {"type": "integer"}}},
            {"a__dash__b": 1, HIDDEN + "u": 2},
        ),
        ({"a-b": 1}, {"type": "object", "additionalProperties": {"type": "number"}}, {"a-b": 1.0}),
    ],
)  # fmt: skip
def test_a_value_has_the_type_of_its_schema(value: Any, schema: dict[str, Any], found: Any) -> None:
    assert seen(value, schema) == found
    assert type(seen(value, schema)) is type(found)


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        (1, TEXT, "invalid data, expected string, got int64"),
        (True, {"type": "integer"}, "invalid data, expected int, got bool"),
        ("x", {"type": "boolean"}, "invalid data, expected bool, got string"),
        ([], {"type": "object"}, "invalid data, expected a map for the provided schema with type=object"),
        ({}, {"type": "array"}, "invalid data, expected an array for the provided schema with type=array"),
        (1.5, {"x-kubernetes-int-or-string": True},
         "invalid data, expected XIntOrString value to be either a string or integer"),
        ("1x", {"type": "string", "format": "duration"}, "Invalid duration 1x"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_unreadable_wherever_it_stands(
    value: Any, schema: dict[str, Any], said: str
) -> None:
    found = seen(value, schema)
    assert type(found) is Unreadable
    assert unreadable(found) == said
    with pytest.raises(EvaluationError) as caught:
        assert found == 1
    assert str(caught.value) == said
    for holder in ({"properties": {"a": schema}}, {"additionalProperties": schema}):
        held = seen({"a": value}, {"type": "object", **holder})
        assert unreadable([held]) == said
        with pytest.raises(EvaluationError):
            held["a"]
    assert unreadable(seen([value], {"type": "array", "items": schema})) == said


def test_what_can_be_read_of_an_object_is_read() -> None:
    found = seen({"a": 1, "b": "x"}, {"type": "object", "properties": {"a": TEXT, "b": TEXT}})
    assert found["b"] == "x"
    assert unreadable({"b": found["b"]}) == ""


def test_a_set_is_equal_in_any_order_and_its_sum_is_the_union() -> None:
    one, other = seen(["a", "b"], SET), seen(["b", "a"], SET)
    assert type(one) is SetList
    assert one == other
    assert one == ["b", "a"]
    assert one != ["a"]
    assert one != ["a", "c"]
    assert one != "ab"
    made = one.cel_plus(["c", "a"])
    assert type(made) is SetList
    assert list(made) == ["a", "b", "c"]


def test_a_map_is_equal_in_any_order_and_its_sum_replaces_by_key() -> None:
    a, b, changed = {"name": "a", "size": 1}, {"name": "b", "size": 2}, {"name": "a", "size": 3}
    one = seen([a, b], MAP)
    assert type(one) is MapList
    assert one == seen([b, a], MAP)
    assert one != [a]
    assert one != [changed, b]
    assert one != [a, {"name": "c", "size": 2}]
    assert one != "ab"
    made = one.cel_plus([changed, {"name": "c", "size": 4}, 7])
    assert type(made) is MapList
    assert list(made) == [changed, b, {"name": "c", "size": 4}, 7]


def test_lists_are_plain_where_nothing_compares_them() -> None:
    assert type(seen(["a"], SET, compared=False)) is list
