"""Texts of others, escaped for terminals, JSON and runners of CI."""

import json

import pytest

from webhook.visible import encodable, no_commands, no_commands_in_json, visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 🎉", "plain é 日本 🎉"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x9b\x7f", "\\x9b\\x7f"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\udce9", "\\udce9"),
        ("##[group]a ##vso[b] ##teamcity[c ### [d] ##", "#\\x23[group]a #\\x23vso[b] #\\x23teamcity[c ### [d] ##"),
    ],
)
def test_what_would_not_show_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_half_characters_can_be_written() -> None:
    assert encodable("a\udce9b").encode() == b"a\\udce9b"


def test_json_stays_the_same_value() -> None:
    value = {"é\x7f": "日本 🎉\x9b\u202e\u2028\ufeff"}
    text = visible_json(json.dumps(value, ensure_ascii=False, indent=2).encode())
    assert json.loads(text) == value
    assert text.decode() == '{\n  "é\\u007f": "日本 🎉\\u009b\\u202e\\u2028\\ufeff"\n}'


def test_no_line_of_a_text_is_a_command_for_a_runner() -> None:
    given = "::error::a\n  ::b\n\x1b[31m::c\n d ::e\n##[f]##vso[g]\n"
    shown = "\\x3a:error::a\n  \\x3a:b\n\x1b[31m\\x3a:c\n d ::e\n#\\x23[f]#\\x23vso[g]\n"
    assert no_commands(given) == shown


def test_no_text_in_json_is_a_command_for_a_runner() -> None:
    value = {"##[a]": "b ##vso[c] ::d"}
    text = no_commands_in_json(json.dumps(value))
    assert text == '{"#\\u0023[a]": "b #\\u0023vso[c] ::d"}'
    assert json.loads(text) == value
