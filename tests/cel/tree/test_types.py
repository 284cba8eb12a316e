"""The names of CEL's types, and back."""

from __future__ import annotations

import pytest

from webhook.cel.tree import types
from webhook.cel.tree.types import Type, list_of, map_of, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", types.INT),
        ("list(string)", list_of(types.STRING)),
        ("map(string, list(dyn))", map_of(types.STRING, list_of(types.DYN))),
        ("optional_type(int)", Type("optional_type", (types.INT,))),
        ("kubernetes.Quantity", Type("kubernetes.Quantity")),
    ],
)
def test_a_text_is_the_type_again(text: str, expected: Type) -> None:
    assert parse(text) == expected
    assert str(expected) == text
    assert parse(f" {text.replace('(', ' ( ')} ") == expected


def test_a_single_capital_is_a_parameter_of_an_overload() -> None:
    assert parse("list(T)") == list_of(Type("T", is_param=True))
    assert parse("T") != Type("T")


@pytest.mark.parametrize(
    "text", ["", "()", "list(", "list()", "list(int", "list(int,)", "int)", "int string", "a-b", "list[int]"]
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a type: "):
        parse(text)
