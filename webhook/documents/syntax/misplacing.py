"""Explains where the structure of YAML breaks: an indentation that fits nothing above, a bracket without its end.

libyaml names the token that it did not expect, which often stands lines below the mistake, and no column that would
have been right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.counts import counted
from webhook.lazypatterns import lazily

_LINES: Final = 500  # most lines above that are looked at
_LONGEST: Final = 300  # most characters of a line that are looked at

_LINE: Final = lazily(r"(?P<spaces> *)(?P<dashes>(?:- +)*)(?P<rest>[^\s#].*|)")


def structure_error(text: str, offset: int, began: int | None, problem: str) -> tuple[str, int] | None:
    """What breaks the structure, as a message, and the offset at which it is to be mended; None if that is not known.

    offset: of the token that was not expected. began: of what it stands in. problem: libyaml's words.
    """
    if began is not None:
        if "unexpected end of stream" in problem and "quoted scalar" in problem:
            return f"the text that {text[began]} opens here has no {text[began]} at its end", began
        if "did not find expected ','" in problem:
            opening, end = text[began], "]" if text[began] == "[" else "}"
            if "\n" in text[began:offset]:
                return f"the {opening} that opens here is not closed by {end}", began
            column = began - text.rfind("\n", 0, began)
            return f"expected a comma or {end}: the {opening} in column {column} is not closed yet", offset
        if "could not find expected ':'" in problem:
            return "expected a colon and a value after this; or indent it, if it belongs to the text above", began
    if "did not find expected key" in problem or "did not find expected '-'" in problem or "mapping values" in problem:
        start = text.rfind("\n", 0, offset) + 1
        stop = text.find("\n", start)
        line = _LINE.match(text[start : len(text) if stop < 0 else stop][:_LONGEST])
        first = start + len(line["spaces"]) if line else -1
        # What is not allowed is the line's first token, or the colon after its first key.
        between = text[first:offset] if first >= 0 else ""
        colon = "mapping values" in problem and not set(between) & set(" \"'{[")
        if line and line["rest"] and (colon or not between):
            message = _indentation(text, start, len(line["spaces"]), bool(line["dashes"]))
            return (message, first) if message else None
    return None


def _indentation(text: str, start: int, spaces: int, item: bool) -> str:
    """Why the indentation of a line is wrong; "" if that is not known.

    start: its offset. item: whether a list item begins on it.
    """
    above = list(_columns(text, start))
    same = next((each for each in above if each[0] == spaces), None)
    if same is not None:
        _, line, dash = same
        if dash == item:
            return ""
        what, other = ("a list item", "a key") if item else ("a key", "a list item")
        return f"{what} cannot begin in this column, as {other} does in line {line}; check the indentation"
    deeper = min((each for each in above if each[0] > spaces), default=None)
    less = max((each for each in above if each[0] < spaces), default=None)
    fits = [f"line {line} has {column}" for column, line, _ in (each for each in (less, deeper) if each is not None)]
    if less is not None and deeper is not None and less[1] == deeper[1]:
        fits = [f"line {less[1]} has {less[0]} before its dash and {deeper[0]} after it"]
    return f"indented by {counted(spaces, 'space')}, which fits no line above: {', '.join(fits)}" if fits else ""


def _columns(text: str, end: int) -> Iterator[tuple[int, int, bool]]:
    """Where the keys and items begin that a line may continue: column from 0, line, and whether a dash stands there.

    end: the offset of the line's start.
    """
    number = text.count("\n", 0, end)
    least = 1 << 30
    for _ in range(_LINES):
        if end <= 0 or least == 0:
            return
        begin = text.rfind("\n", 0, end - 1) + 1
        line = _LINE.match(text[begin : min(end - 1, begin + _LONGEST)])
        if line and (line["dashes"] or ":" in line["rest"]):
            columns = [(len(line["spaces"]) + at, True) for at, each in enumerate(line["dashes"]) if each == "-"]
            if ":" in line["rest"]:
                columns.append((line.start("rest"), False))
            for column, dash in reversed(columns):
                # Items may stand in the column of the key whose list they are.
                if column < least or (column == least and not dash):
                    yield column, number, dash
            least = min(least, columns[0][0])
        end, number = begin, number - 1
