"""Parses JSON text into plain JSON values, as kubectl does, with their positions in the text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from webhook.documents.syntax import longvalues, scalars
from webhook.documents.syntax.common import MAX_DEPTH, DuplicateKey, Places, Root, SyntaxProblem
from webhook.lazypatterns import lazily

_TOKEN = lazily(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_BLANK = lazily(r"[ \t\r\n]*")
_SURROGATE = lazily(r"\\u[dD][89a-fA-F]")


class _Pairs:
    """Makes objects of their pairs, and notes whether one of them has a key twice: the last counts, as for kubectl."""

    def __init__(self) -> None:
        self.repeated = False

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            self.repeated = True
        return mapping


def _integer(text: str) -> int | float:
    if len(text) < 19 or -(2**63) <= int(text[: scalars.LONGEST_NUMBER]) < 2**63:
        return int(text)
    return _float(text)


def _float(text: str) -> int | float:
    value = float(text)
    if value - value != 0.0:
        raise ValueError("a number is too large")
    return scalars.whole_number(value)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON value")


def read_json(text: str, *, with_places: bool = False) -> list[Root]:
    """The values of JSON text: one, or several in sequence. Raises SyntaxProblem."""
    if len(text) > longvalues.LONGEST:
        longvalues.refuse_long_json(text)
    roots: list[Root] = []
    at = _skip_blank(text, 0)
    try:
        while at < len(text):
            root, at = _root(text, at, with_places)
            roots.append(root)
    except SyntaxProblem as problem:
        problem.read_to = at if roots else 0
        raise
    return roots


def _root(text: str, at: int, with_places: bool) -> tuple[Root, int]:
    """The value at an offset, and the offset of what follows it."""
    pairs = _Pairs()
    decoder = json.JSONDecoder(
        object_pairs_hook=pairs, parse_float=_float, parse_int=_integer, parse_constant=_constant
    )
    try:
        value, end = decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise SyntaxProblem(f"not JSON: {error.msg}", error.pos, grammar=True) from None
    except RecursionError:
        raise SyntaxProblem(f"nested more than {MAX_DEPTH} levels deep", at) from None
    except ValueError as error:
        raise SyntaxProblem(f"not JSON: {error}", at) from None
    if _too_deep(value):
        raise SyntaxProblem(f"nested more than {MAX_DEPTH} levels deep", at)
    if _SURROGATE.search(text, at, end):
        value = _without_lone_surrogates(value)
    places: Places = {}
    repeated: list[DuplicateKey] = []
    if with_places or pairs.repeated:
        placed = next(_walk(text, at, places, repeated))
        if with_places:
            value = placed
        else:
            places = {}
    return Root(value, at, places, repeated=repeated), _skip_blank(text, end)


def _skip_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for holder in level
            for item in (holder.values() if type(holder) is dict else holder if type(holder) is list else ())
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return False
    return True


def _without_lone_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which JSON can escape, by U+FFFD, as Go does: Python cannot encode them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    return value


def _walk(text: str, start: int, places: Places, repeated: list[DuplicateKey]) -> Iterator[Any]:
    """Fill `places` and `repeated` for the JSON value at `start`, then yield the value, with None for its scalars.

    The text must be valid JSON.
    """
    root: list[Any] = []
    replaced: list[Any] = []  # kept alive, so that their ids in `places` are not used again
    container: Any = root
    key: str | None = None
    stack: list[tuple[Any, str | None]] = []
    for token in _TOKEN.finditer(text, start):
        at, mark = token.start(), text[token.start()]
        if mark in ",:":
            continue
        if mark in "}]":
            container, key = stack.pop()
            key = None
        elif type(container) is dict and key is None:
            key = json.loads(token[0])
            if (id(container), key) in places:
                first = text.count("\n", 0, places[id(container), key]) + 1
                repeated.append(DuplicateKey(key, first, at))
                replaced.append(container[key])
            places[id(container), key] = at
            continue
        else:
            value: Any = {} if mark == "{" else [] if mark == "[" else None
            if type(container) is dict:
                container[key] = value
            else:
                places[id(container), len(container)] = at
                container.append(value)
            if value is None:
                key = None
            else:
                stack.append((container, key))
                container, key = value, None
        if not stack and root:
            yield root[0]
            return
