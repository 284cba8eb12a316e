"""Where the characters of a value stand in the text, for every way that YAML has to write one."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.amounts import amount
from webhook.documents.syntax.valuespans import Scalars, places_in_json

_BLANK = " \t\r\n"


def places_in_yaml(text: str, at: int, is_item: bool, value: str) -> list[int] | None:
    return Scalars(text).places(at, is_item, value)


def spelled(text: str) -> tuple[str, list[int]]:
    """The value of the first key of a text, and the places of its characters."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert root is not None
    key, value = root.value[0]
    places = places_in_yaml(text, key.start_mark.index, False, value.value)
    assert places is not None, text
    assert len(places) == len(value.value) + 1
    return value.value, places


@pytest.mark.parametrize(
    "text",
    [
        "a: x.y == 'z'\n",
        "a: x\n  y\n\n  z\n",
        "a: 'it''s\n\n   so'\n",
        'a: "x\\ty\\u00e9\\n\\x41 z \\\n   w  \n  v"\n',
        "a: |\n  x\n   y\n\n  z\n\n\n",
        "a: |+\n  x\n\n\n",
        "a: >-\n  x\n  y\n\n  z\n    deeper\n  w\n",
        "a: >+1\n   x\n \n y\n\n\n",
        "a: |2-\n    x\n   y\nb: 1\n",
        "a: &anchor !!str |  # why\n  x\n",
        "a: >\n\n  x\n  😀 y\n",
        "{a: 'x', b: 2}",
        "a: |\r\n  x\r\n  y\r\n",
        "a:\n  >\n  x # no comment\n  y\n",
        "? a\n: |\n x\n",
    ],
)
def test_each_character_of_a_value_has_its_place(text: str) -> None:
    value, places = spelled(text)
    for character, place in zip(value, places, strict=False):
        written = text[place]
        assert written == character or (character in _BLANK and written in "\\\r\n") or written == "\\"


def test_an_alias_stands_where_its_anchor_does() -> None:
    text = "a: &x y == 1\nb: *x\n"
    assert places_in_yaml(text, text.index("b:"), False, "y == 1") == places_in_yaml(text, 0, False, "y == 1")


def test_an_item_of_a_list_is_its_own_value() -> None:
    assert places_in_yaml("- a\n- 'b''c'\n", 6, True, "b'c") == [7, 8, 10, 11]


def test_what_is_another_value_has_no_places() -> None:
    assert places_in_yaml("a: x\n", 0, False, "y") is None
    assert places_in_yaml("a: [x]\n", 0, False, "x") is None
    assert places_in_yaml("a: x\n  b: [\n", 0, False, "x\n") is None
    assert places_in_json('{"a": 5}', 1, False, "5") is None


def test_json_texts() -> None:
    text = '{"a": "x\\n\\ud83d\\ude00\\"y"}'
    value = json.loads(text)["a"]
    places = places_in_json(text, 1, False, value)
    assert places is not None
    assert [text[place] for place in places] == ["x", "\\", "\\", "\\", "y", '"']


LINES = st.lists(st.text(alphabet=" \tab:é😀'\"#-", max_size=6), min_size=1, max_size=6)


@given(st.sampled_from("|>"), st.sampled_from(["", "-", "+"]), st.sampled_from(["", "1", "2", "3"]), LINES)
@settings(max_examples=amount(600, 200), deadline=None)
def test_blocks_of_any_lines(style: str, chomping: str, indent: str, lines: list[str]) -> None:
    _check_any(f"a: {style}{indent}{chomping}\n" + "".join(f"  {line}\n" for line in lines))


@given(st.sampled_from(["", "'", '"']), LINES)
@settings(max_examples=amount(600, 200), deadline=None)
def test_flow_scalars_of_any_lines(quote: str, lines: list[str]) -> None:
    _check_any(f"a: {quote}" + "\n  ".join(lines) + f"{quote}\n")


def _check_any(text: str) -> None:
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return
    if not isinstance(node, yaml.MappingNode) or not isinstance(node.value[0][1], yaml.ScalarNode):
        return
    value, places = spelled(text)
    for character, place in zip(value, places, strict=False):
        assert text[place] == character or character in "\n "
