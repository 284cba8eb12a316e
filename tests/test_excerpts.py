"""A line with a caret: under the place, whatever stands before it."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from webhook.excerpts import PIPED_WIDTH, Excerpt, lines, marked


@pytest.mark.parametrize(
    ("text", "column", "line", "caret"),
    [
        ("true && nope", 9, "true && nope", "        ^"),
        ("", 1, "", "^"),
        ("x", 9, "x", " ^"),
        ("\ta\tnope", 4, "    a    nope", "         ^"),
        ("'日本' + nope", 8, "'日本' + nope", "         ^"),
        ("'😀' + nope", 7, "'😀' + nope", "       ^"),
        ("'e\u0301' + nope", 8, "'e\u0301' + nope", "      ^"),
        ("'\x1b[31m\u202e' + nope", 12, "'\\x1b[31m\\u202e' + nope", " " * 19 + "^"),
    ],
)
def test_the_caret_stands_below_the_place(text: str, column: int, line: str, caret: str) -> None:
    assert marked(Excerpt(text, column)) == (line, caret)


LONG = {
    "narrow characters": "a && " * 40 + "nope" + " || b" * 40,
    "wide characters": "'日本' + " * 30 + "nope" + " + '日本'" * 30,
    "accents": "'e\u0301' + " * 30 + "nope" + " + 'e\u0301'" * 30,
    "escapes": "'\x1b[1m' + " * 30 + "nope" + " + '\x1b[1m'" * 30,
    "tabs": "\t" * 30 + "nope" + "\t." * 30,
    "at its begin": "nope" + " || b" * 40,
    "at its end": "a && " * 40 + "nope",
}


@pytest.mark.parametrize("width", [40, 80, 120, None])
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_line_is_cut_around_the_place(text: str, width: int | None) -> None:
    columns = width or PIPED_WIDTH + len("  12 | ")
    line, caret = lines(Excerpt(text, text.index("nope") + 1, 12), width)
    assert columns - 9 <= cell_len(line) <= columns  # a tab or an escape that does not fit is up to 8 columns
    at = len(caret) - 1
    before = next(place for place in range(len(line) + 1) if cell_len(line[:place]) == at)
    assert line[before:].lstrip("\u0301").startswith("nope")
    shown = line.removeprefix("  12 | ")
    assert shown.startswith("…") == (not text.startswith("nope"))
    assert shown.endswith("…") == (not text.endswith("nope"))
    assert not shown.startswith("…\u0301")


def test_a_line_that_fits_is_shown_whole() -> None:
    text = "x" * 33
    assert lines(Excerpt(text, 33, 1), 40) == [f"   1 | {text}", "     | " + " " * 32 + "^"]
    assert lines(Excerpt(text + "y", 33, 1), 40) == [f"   1 | …{text[2:]}y", "     | " + " " * 31 + "^"]
    whole = "a" * PIPED_WIDTH
    assert marked(Excerpt(whole, 3))[0] == whole


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_caret_behind_the_line_s_end_stays_on_the_terminal(width: int) -> None:
    text = "a" * 500
    line, caret = lines(Excerpt(text, 501, 1), width)
    assert len(caret) <= width
    assert line.endswith("a")


def test_the_line_has_its_number() -> None:
    assert lines(Excerpt("  nope", 3, 7)) == ["   7 |   nope", "     |   ^"]
    assert lines(Excerpt("nope", 1, 12345)) == ["  12345 | nope", "        | ^"]
    assert lines(Excerpt("nope", 1)) == ["     | nope", "     | ^"]
