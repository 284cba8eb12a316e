"""A line with a caret: under the place, whatever stands before it."""

from __future__ import annotations

import pytest

from webhook.excerpts import Excerpt, lines, marked


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


def test_a_long_line_is_cut_around_the_place() -> None:
    line, caret = marked(Excerpt("a" * 1000 + "nope" + "b" * 1000, 1001))
    assert len(line) < 200
    assert line[len(caret) - 1 :].startswith("nope")
    assert (line[0], line[-1]) == ("…", "…")


def test_the_line_has_its_number() -> None:
    assert lines(Excerpt("  nope", 3, 7)) == ["   7 |   nope", "     |   ^"]
    assert lines(Excerpt("nope", 1, 12345)) == ["  12345 | nope", "        | ^"]
    assert lines(Excerpt("nope", 1)) == ["     | nope", "     | ^"]
