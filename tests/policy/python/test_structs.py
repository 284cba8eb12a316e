"""Params that are msgspec structs or dataclasses: what fits, and what is said of what does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from webhook.policy.python.structs import Fault, InvalidParams, is_struct, read, unusable


class Rule(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    some_name: str
    operator: Literal["In", "NotIn"] = "In"
    values: Annotated[tuple[str, ...], Meta(min_length=1)] = ("a",)
    number: Annotated[int, Meta(ge=3)] | None = None
    code: Annotated[str, Meta(pattern="^a+$")] = "a"
    pair: tuple[int, str] = (1, "")
    lists: dict[str, list[int]] = {}
    either: int | str = 0
    anything: Any = None
    share: float = 0.5
    on: bool = True

    def __post_init__(self) -> None:
        if self.some_name == "odd":
            raise ValueError("someName: must not be odd: it is")
        if self.some_name == "worse":
            raise ValueError("the rule: is wrong")


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    name: str


class Pets(Struct):
    pets: list[Cat | Dog]


class Rules(Struct):
    rules: list[Rule]
    name: str = ""


@dataclass(frozen=True)
class Plain:
    minimum: int
    names: list[str] = field(default_factory=list)
    made: str = field(default="x", init=False)

    def __post_init__(self) -> None:
        if self.minimum < 0:
            raise ValueError("minimum: must not be negative")


def faults(model: type, value: Any) -> list[str]:
    with pytest.raises(InvalidParams) as raised:
        read(model, value)
    return [f"{'.'.join(map(str, each.path))}: {each.message}" for each in raised.value.faults]


def test_what_fits_is_the_model() -> None:
    value = {
        "rules": [{"someName": "n", "values": ["a", "b"], "lists": {"x": [1]}, "anything": {"x": [1]}, "number": 3}]
    }
    expected = Rule(some_name="n", values=("a", "b"), lists={"x": [1]}, anything={"x": [1]}, number=3)
    assert read(Rules, value) == Rules(rules=[expected])
    assert read(Plain, {"minimum": 2, "names": ["a"]}) == Plain(2, ["a"])


QUOTE = "expected text, found the number 1; quote it"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"some_name": "n"}, ["someName: required: text", "some_name: unknown field; did you mean someName?"]),
        ({"someName": 1}, [f"someName: {QUOTE}"]),
        ({"someName": True}, ["someName: expected text, found true; quote it"]),
        ({"someName": ["a"]}, ["someName: expected text, found a list"]),
        ({"operator": "Is"}, ["operator: expected 'In' or 'NotIn', found 'Is'"]),
        ({"values": []}, ["values: expected a list of length >= 1"]),
        ({"values": "a"}, ["values: expected a list, found 'a'"]),
        ({"values": ["a", 1, None]}, [f"values.1: {QUOTE}", "values.2: expected text, found null"]),
        ({"number": 1}, ["number: expected a whole number >= 3"]),
        ({"number": True}, ["number: expected a whole number, found true"]),
        ({"code": "b"}, ["code: expected text matching regex '^a+$'"]),
        ({"pair": [1]}, ["pair: expected a list of length 2, got 1"]),
        ({"pair": ["x", 1]}, ["pair.0: expected a whole number, found 'x'", f"pair.1: {QUOTE}"]),
        ({"lists": {"x": ["y"]}}, ["lists.x.0: expected a whole number, found 'y'"]),
        ({"lists": {"z": 1}}, ["lists.z: expected a list, found the number 1"]),
        ({"lists": []}, ["lists: expected a mapping, found a list"]),
        ({"either": []}, ["either: expected `int | str`, got a list"]),
        ({"share": "x"}, ["share: expected a number, found 'x'"]),
        ({"on": 1}, ["on: expected true or false, found the number 1"]),
        ({"valuess": 1}, ["valuess: unknown field; did you mean values?"]),
        ({"someName": "odd"}, ["someName: must not be odd: it is"]),
        ({"someName": 1, "number": 1}, [f"someName: {QUOTE}", "number: expected a whole number >= 3"]),
    ],
)
def test_every_error_has_its_field_and_says_what_was_expected(value: dict[str, Any], expected: list[str]) -> None:
    rule = value if "some_name" in value else {"someName": "n", **value}
    assert faults(Rules, {"rules": [rule]}) == [f"rules.0.{each}" for each in expected]


def test_errors_of_a_whole_struct() -> None:
    assert faults(Rules, {"rules": [None, {"someName": "worse"}]}) == [
        "rules.0: expected a mapping, found null",
        "rules.1: the rule: is wrong",
    ]
    [unknown] = faults(Rule, {"someName": "n", "foo": 1})
    assert unknown.startswith("foo: unknown field; expected one of anything, code, either, lists, ")


def test_errors_of_a_dataclass() -> None:
    assert faults(Plain, {"names": ["a", 1]}) == [
        "minimum: required: a whole number",
        "names.1: expected text, found the number 1; quote it",
    ]
    assert faults(Plain, {"minimum": -1}) == ["minimum: must not be negative"]


def test_a_missing_field_is_marked_as_missing() -> None:
    with pytest.raises(InvalidParams) as raised:
        read(Rules, {"name": 5})
    assert raised.value.faults == [
        Fault(("rules",), "required: a list", missing=True),
        Fault(("name",), "expected text, found the number 5; quote it"),
    ]


def test_what_msgspec_finds_alone_keeps_its_place() -> None:
    assert read(Pets, {"pets": [{"type": "Cat", "lives": 9}]}) == Pets([Cat(9)])
    assert faults(Pets, {"pets": [{"type": "Cat", "lives": "x"}]}) == [
        "pets.0.lives: expected a whole number, got text"
    ]


def test_what_can_be_a_model() -> None:
    class Untagged(Struct):
        pets: Rule | Rules

    class Unknown(Struct):
        other: NoSuchName  # type: ignore[name-defined]  # noqa: F821

    assert is_struct(Rule)
    assert is_struct(Plain)
    assert not any(is_struct(each) for each in (dict, Rule("n"), dict[str, int], None))
    assert unusable(Rules) is unusable(Plain) is None
    assert "must be tagged" in (unusable(Untagged) or "")
    assert unusable(Unknown) == "name 'NoSuchName' is not defined"
