"""What decoders find wrong with a value: where it stands, and what the API server says of it, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from webhook.apiserver import gotext
from webhook.apiserver.gotypes import lifetime
from webhook.apiserver.problems import FieldProblem, in_other_versions
from webhook.paths import Path
from webhook.versions import Version

MAX_PROBLEMS: Final = 1000
"""The most unknown fields of an object, and the most values of wrong types. The API server names 100 and one."""


Place: TypeAlias = "tuple[Place | None, str | int, Known | None]"
"""Where a value stands: below another place; under a key or index; and of which struct it is a field, if of one.

A plain tuple, because one is made for each value.
"""


Decoder = Callable[[Any, "Place | None", "Found"], Any]


class Known(NamedTuple):
    """A field of a struct. `plain`: the Python type of values that need no decoder; `kept`: its zero value is kept."""

    plain: type | None
    kept: bool
    decode: Decoder
    struct: str
    name: str  # in messages


class Found:
    """The problems of an object.

    target: the Kubernetes version in which fields are unknown. `unknown`: of each value with such fields its place, the
    names of these fields, those of the fields that its struct has, and the struct. `wrong`: of each other problem its
    path, its text, and whether it ends decoding in the API server. Of an object with many, most are never shown: texts
    are made of those that are.
    """

    __slots__ = ("target", "unknown", "wrong")

    def __init__(self, target: Version) -> None:
        self.target = target
        self.unknown: list[tuple[Place | None, list[str], list[str], str]] = []
        self.wrong: list[tuple[Path, str | Mistyped, bool]] = []

    def mistyped(self, value: Any, go: str, place: Place | None) -> None:
        """A value of a JSON type that its Go type cannot hold."""
        self.wrong.append((path_of(place), Mistyped((value, go, place)), False))

    def unreadable(self, text: str, place: Place | None, *, fatal: bool) -> None:
        """A value that is not in the form of its type."""
        self.wrong.append((path_of(place), text, fatal))

    def problems(self) -> tuple[FieldProblem, ...]:
        """The problems in the order in which the API server meets them: the first is the one that it names."""
        self.wrong.sort(key=lambda found: (not found[2], _order(found[0])))
        found = [
            FieldProblem(path, mismatch(*text) if isinstance(text, Mistyped) else text)
            for path, text, _ in self.wrong[:MAX_PROBLEMS]
        ]
        for path, known, struct in islice(self._unknown_in_order(), MAX_PROBLEMS):
            message = f"unknown field {gotext.quote(_strict_path(path))}"
            versions = in_other_versions(lifetime(struct, str(path[-1]), self.target), self.target)
            found.append(FieldProblem(path, message, known=tuple(known), strict=True, versions=versions))
        return tuple(found)

    def _unknown_in_order(self) -> Iterator[tuple[Path, list[str], str]]:
        """The first MAX_PROBLEMS unknown fields, and some more: path, the fields that there are, the struct."""
        ordered = []
        for place, names, known, struct in self.unknown:
            holder = path_of(place)
            before = _order(holder)
            names.sort(key=_bytes)
            ordered += [([*before, (_bytes(name), 0)], (*holder, name), known, struct) for name in names[:MAX_PROBLEMS]]
        ordered.sort(key=itemgetter(0))
        return (each[1:] for each in ordered)


class Mistyped(tuple[Any, str, "Place | None"]):
    """A value that its Go type cannot hold, that type's name, and its place: the arguments of mismatch."""

    __slots__ = ()


def path_of(place: Place | None) -> Path:
    steps: list[str | int] = []
    while place is not None:
        steps.append(place[1])
        place = place[0]
    return tuple(reversed(steps))


def _order(path: Path) -> list[tuple[bytes, int]]:
    """kubectl sends the keys of objects sorted, so the API server meets them in this order."""
    return [(_bytes(step), 0) if isinstance(step, str) else (b"", step) for step in path]


def _bytes(step: str) -> bytes:
    return step.encode(errors="surrogatepass")


def mismatch(value: Any, go: str, place: Place | None) -> str:
    """The text of json.UnmarshalTypeError. value: what was found, or a text that says it."""
    what = gotext.what(value) if not isinstance(value, Described) else value.text
    names: list[str] = []
    struct = ""
    at = place
    while at is not None:
        field = at[2]
        if field is not None:
            names.append(field.name)
            struct = struct or field.struct
        at = at[0]
    if not names:
        return f"json: cannot unmarshal {what} into Go value of type {go}"
    names.reverse()
    return f"json: cannot unmarshal {what} into Go struct field {struct}.{'.'.join(names)} of type {go}"


class Described(NamedTuple):
    """The words of a message for a value, in place of the value."""

    text: str


def _strict_path(path: Path) -> str:
    """A field in messages of strict decoding: keys of maps are not quoted."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
