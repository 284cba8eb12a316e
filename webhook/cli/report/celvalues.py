"""CEL values as reports show them: on one line, shortened, escaped, and without private parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import UInt
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import NONE, Key, Optional
from webhook.cel.why.privacy import CLEAN, PRIVATE, Private
from webhook.offline.secrets import hidden
from webhook.visible import visible

CUT: Final = "…"


def shown(value: Any, level: int, private: Private, limit: int) -> str:
    """The value on one line of at most `limit` characters, in the form of CEL's literals.

    level: its privacy, by webhook.cel.why.privacy. Of a private value only type and length are shown.
    """
    if level == PRIVATE and private.level(value) != PRIVATE:
        return hidden(value)  # made by the expression, its keys too
    pieces: list[str] = []
    length = 0
    for piece in _pieces(value, private if level != CLEAN else private.by_content(), limit):
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            break
    return cut(visible("".join(pieces)), limit)


def cut(text: str, limit: int) -> str:
    """The text, with an ellipsis at its end where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + CUT


def one_line(text: str) -> str:
    """Source text on one line, fit for a terminal."""
    return visible(" ".join(text.split()))


def type_name(value: Any) -> str:
    """The CEL type of a value, as `type(x)` has it; parameters aside."""
    from webhook.cel.value.operators import type_of

    return str(type_of(value))


def _hidden_pieces(value: Any, private: Private) -> Iterator[str]:
    """A private part as it stands in its object: the keys of data are no secret."""
    while isinstance(value, Optional):
        value = value.value
    if not isinstance(value, dict):
        yield hidden(value)
        return
    yield "{"
    for place, (key, item) in enumerate(value.items()):
        yield f"{', ' if place else ''}{json.dumps(private.text(key), ensure_ascii=False)}: {hidden(item)}"
    yield "}"


def _pieces(value: Any, private: Private, limit: int) -> Iterator[str]:
    """The text of a value in pieces, so that a reader may stop early."""
    if private and private.level(value) == PRIVATE:
        yield from _hidden_pieces(value, private)
        return
    match value:
        case None | True | False:
            yield json.dumps(value)
        case str():
            yield json.dumps(value[: limit + 1], ensure_ascii=False)
        case bytes():
            yield repr(value[: limit + 1])
        case UInt():
            yield f"{int(value)}u"
        case int():
            yield str(value)
        case float():
            yield repr(value).replace("inf", "Infinity").replace("nan", "NaN")
        case list():
            yield "["
            for place, item in enumerate(value):
                if place:
                    yield ", "
                yield from _pieces(item, private, limit)
            yield "]"
        case dict():
            yield "{"
            for place, (key, item) in enumerate(value.items()):
                yield ", " if place else ""
                yield from _pieces(key.value if isinstance(key, Key) else key, private, limit)
                yield ": "
                yield from _pieces(item, private, limit)
            yield "}"
        case Optional():
            if value is NONE:
                yield "optional.none()"
                return
            yield "optional.of("
            yield from _pieces(value.value, private, limit)
            yield ")"
        case Duration() | Timestamp():
            yield f'{type(value).__name__.lower()}("{value}")'
        case Type():
            yield str(value)
        case _:
            yield str(value)[: limit + 1]
