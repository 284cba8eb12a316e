import json

import pytest

from webhook.visible import encodable, visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 🎉", "plain é 日本 🎉"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x9b\x7f", "\\x9b\\x7f"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\udce9", "\\udce9"),
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
