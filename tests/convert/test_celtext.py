"""CEL that is put together of hostile texts: it says what was meant, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation, types
from webhook.convert import celtext
from webhook.convert.model import Unsupported
from webhook.policy.cel.declared import base_environment


def evaluated(expression: str, **values: Any) -> Any:
    """The value of an expression about `object`."""
    program = base_environment(with_params=False, with_authorizer=False).compile(expression, (types.BOOL,))
    return program.evaluate(Activation({"object": values, "oldObject": None, "request": {}, "namespaceObject": None}))


@pytest.mark.parametrize("text", ["it's", "a\\", "\n\r\t", "' || true || '", "\u202e\x00\x07", "é🎈", "\\'"])
def test_a_text_is_the_same_text(text: str) -> None:
    assert evaluated(f"object.x == {celtext.text(text)}", x=text) is True


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", [1, "a", None], {"a": [{"b": 1}], "c": "d"}, [], {}])
def test_a_value_is_the_same_value(value: Any) -> None:
    assert evaluated(f"object.x == {celtext.literal(value)}", x=value) is True


def test_a_deep_value_is_refused() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(Unsupported, match="levels"):
        celtext.literal(value)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("a*", ["a", "ab", "a\nb"], ["ba", ""]),
        ("*a", ["a", "ba"], ["ab"]),
        ("*a*", ["bab"], ["b"]),
        ("?*", ["a"], [""]),
        ("?", ["a", "é"], ["", "ab"]),
        ("a?c", ["abc", "a\nc"], ["ac", "abbc"]),
        ("*", ["", "x"], []),
        ("a.b", ["a.b"], ["axb"]),
        ("*.b[1](x)|$^+*", ["q.b[1](x)|$^+q"], ["qxb[1](x)|$^+q", "b1"]),
        ("a*b*c", ["abc", "aXbYc"], ["acb"]),
    ],
)
def test_wildcards(pattern: str, matching: list[str], others: list[str]) -> None:
    expression = celtext.like("object.x", pattern)
    assert [evaluated(expression, x=each) for each in matching] == [True] * len(matching)
    assert [evaluated(expression, x=each) for each in others] == [False] * len(others)


def test_terms_are_enclosed_where_they_must_be() -> None:
    assert celtext.conjunction(["a || b", "c == 'x || y'"]) == "(a || b) && c == 'x || y'"
    assert celtext.disjunction(["a && b", "c ? d : e"]) == "a && b || (c ? d : e)"
    assert celtext.conjunction([]) == "true"
    assert celtext.disjunction(["false"]) == "false"
    assert celtext.negation("!(a && b)") == "a && b"
    assert celtext.negation("!a") == "a"
    assert celtext.negation("(a) && (b)") == "!((a) && (b))"
    assert celtext.negation("!(a) && (b)") == "!(!(a) && (b))"
    assert celtext.implies("true", "a") == "a"
    assert celtext.implies("a", "b") == "!a || b"
