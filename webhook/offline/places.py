"""Locates a finding in the object: at the place that its message names, or at the place that decided it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from msgspec import Struct

from webhook.lazypatterns import lazily
from webhook.paths import Path, lookup, parse

MAX_VALUES: Final = 20_000
"""The most values of an object that are searched for named elements."""

_OF_EXPRESSIONS: Final = ("failed expression: ", "expression '", "[expression '")
"""The prefixes of the API server's own messages: of a validation without a message, and of errors."""

_MISSING: Final = object()


class Elements:
    """The elements of the lists in an object, found once for all messages about it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @cached_property
    def all(self) -> tuple[tuple[Path, Any], ...]:
        """Each with its path; outer ones before inner ones."""
        return tuple(_elements(self.value))

    @cached_property
    def named(self) -> dict[str, list[Path]]:
        """The paths of the elements that have a name, by name."""
        known: dict[str, list[Path]] = {}
        for path, element in self.all:
            name = element.get("name") if isinstance(element, dict) else None
            if isinstance(name, str) and name:
                known.setdefault(name, []).append(path)
        return known


def place_of(
    message: str, value: dict[str, Any] | None, decided: Sequence[Path], elements: Elements | None = None
) -> Path | None:
    """The place in the object that a finding is about; None if it is unknown.

    value: the object. elements: its elements, if they are known. decided: the places that decided the policy's
    expression, the best first; they may be absent from the object. The result exists in the object: for a missing field
    it is the deepest existing parent. It is the best of `decided`, unless the message names another place: a path at
    its start, or an element of a list by its index (`containers[2]`) or its name (`container 'app'`).
    """
    if value is None:
        return None
    places = [path for path in (existing(path, value) for path in decided) if path]
    if message.startswith(_OF_EXPRESSIONS):
        return next(iter(places), None)  # the message quotes the expression, and its literals do not name places
    named = named_path(message, value)
    if named is not None:
        named = existing(named, value)
        return next((path for path in places if path[: len(named)] == named), named) or None
    elements = elements or Elements(value)
    mentions = [*_indexed(message, elements), *_named(message, elements)]
    for mention in mentions:
        for path in places:
            if path[: len(mention.path)] == mention.path:
                return path
    if not places:
        return next((mention.path for mention in mentions if mention.sure), None) or _path_within(message, value)
    best = places[0]
    for mention in mentions:
        if mention.speaks_of(best):
            return mention.path
    return best


def existing(path: Path, value: Any) -> Path:
    """The longest prefix of a path that exists in the object."""
    while path and lookup(value, path, _MISSING) is _MISSING:
        path = path[:-1]
    return path


_PATH = r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[[0-9]{1,9}\]|\['[^']*'\]|\[\"[^\"]*\"\])+"
_LEADING_PATH = lazily(_PATH)
_ANY_PATH = lazily(rf"(?<![\w.\]/-]){_PATH}")


def named_path(message: str, value: dict[str, Any] | None) -> Path | None:
    """The path at the start of a message, of two steps or more, as in messages of the API server.

    `spec.replicas is 50; …` names spec.replicas. None if the message starts with anything else, or if the first step is
    not a field of the object.
    """
    match = _LEADING_PATH.match(message)
    return None if match is None or value is None else _from_root(match[0], value)


def _from_root(text: str, value: dict[str, Any]) -> Path | None:
    try:
        path = parse(text)
    except ValueError:
        return None
    return path if path[0] in value else None


def _path_within(message: str, value: dict[str, Any]) -> Path | None:
    """A path anywhere in a message."""
    for match in _ANY_PATH.finditer(message):
        path = _from_root(match[0], value)
        if path is not None and lookup(value, path, _MISSING) is not _MISSING:
            return path
    return None


class _Mention(Struct, frozen=True):
    """A list element, or a part of one, that a message mentions. sure: the mention is unambiguous."""

    path: Path
    sure: bool

    def speaks_of(self, place: Path) -> bool:
        """Whether the mention is more precise than a place: within it, or another element of the same list."""
        element = next(size for size in range(len(self.path), 0, -1) if isinstance(self.path[size - 1], int))
        holder = self.path[: element - 1]
        return place == holder or (self.sure and (self.path[: len(place)] == place or place[: len(holder)] == holder))


_INDEXED = lazily(r"(?<![\w.-])((?:[A-Za-z_][\w-]*\.)*)([A-Za-z_][\w-]*)\[([0-9]{1,9})\]([\w.\[\]-]*)")


def _indexed(message: str, elements: Elements) -> Iterator[_Mention]:
    """Elements that a message names by list and index: `containers[2]`, `template.spec.containers[2].image`."""
    for match in _INDEXED.finditer(message):
        before = tuple(match[1].split(".")[:-1])
        ending: Path = (*before, match[2], int(match[3]))
        try:
            rest = parse(match[4].lstrip(".").rstrip(".-[")) if match[4].startswith((".", "[")) else ()
        except ValueError:
            rest = ()
        for path, _ in elements.all:
            if path[-len(ending) :] == ending:
                yield _Mention(existing((*path, *rest), elements.value), sure=True)


_WORD = lazily(r"[^\s'\"`\[\](){}<>,;:=]+")
_QUOTES: Final = "'\"`"


def _named(message: str, elements: Elements) -> Iterator[_Mention]:
    """Elements that a message refers to by name, in the order of the message.

    A name is sure in quotes, or after the kind of its element: `container app`. Any other word may equal a name by
    chance. It counts at the start of the message, in an enumeration, and if it is not a plain word.
    """
    known = elements.named
    if not any(word in known or word.rstrip(".!?") in known for word in _WORD.findall(message)):
        return
    before = ""
    for match in _WORD.finditer(message):
        word = match[0].rstrip(".!?")
        if paths := known.get(word):
            kinds = [path for path in paths if len(before) > 2 and before in str(path[-2]).lower()]
            around = message[: match.start()].rstrip(" ")
            quoted = match.start() > 0 and message[match.start() - 1] in _QUOTES
            listed = not around or around[-1] in ":,([" or not word.isalpha()
            if kinds or quoted or listed:
                sure = bool(kinds) or (quoted and len(paths) == 1)
                yield from (_Mention(path, sure) for path in kinds or paths)
        before = word.lower().removesuffix("s")


def _elements(value: Any) -> Iterable[tuple[Path, Any]]:
    """The elements of all lists in an object, each with its path; outer ones before inner ones."""
    found: list[tuple[Path, Any]] = []
    ahead: list[tuple[Path, Any]] = [((), value)]
    looked_at = 0
    while ahead and looked_at < MAX_VALUES:
        following: list[tuple[Path, Any]] = []
        for path, each in ahead:
            looked_at += 1
            if isinstance(each, dict):
                following += [((*path, key), inner) for key, inner in each.items() if isinstance(inner, dict | list)]
            elif isinstance(each, list):
                items = [((*path, index), item) for index, item in enumerate(each)]
                found += items
                following += items
        ahead = following
    return found
