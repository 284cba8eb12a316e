"""Converts JSON patches of foreign policies to the expression of a JSONPatch mutation.

As in these engines, and beyond RFC 6902, `add` creates missing parents, and `remove` ignores a missing path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from webhook.convert import celtext
from webhook.convert.model import JSONObject, Unsupported
from webhook.paths import Path

_OPERATIONS: Final = ("add", "replace", "remove", "test", "copy", "move")

MOST_STEPS: Final = 24
"""The most steps of a path: the expression that creates missing parents repeats the path for each of them."""


class Computed(Struct, frozen=True):
    """A step of a path that an expression computes. cel: an expression for an index (int), or for a key as a text with
    the escapes of a pointer."""

    cel: str
    index: bool = False


Step = str | Computed
"""A step of a path: a key, or an index in digits, without the escapes of a pointer; or an expression for one."""


class Loop(Struct):
    """A loop over a list, for operations on its elements. base: the list. number, element: the variables. conditions:
    those that select the elements."""

    base: str
    number: str
    element: str
    conditions: list[str] = field(default_factory=list)


class Operation(Struct, frozen=True):
    """An operation of a JSON patch in CEL. condition: if it is false, the operation is left out. loops: the loops
    that it runs in, the outermost first."""

    cel: str
    condition: str = "true"
    loops: tuple[Loop, ...] = ()


def pointer(path: Sequence[str]) -> str:
    """The JSON pointer of a path."""
    return "".join("/" + each.replace("~", "~0").replace("/", "~1") for each in path)


def steps(path: str) -> tuple[str, ...]:
    """The steps of a JSON pointer."""
    return tuple(each.replace("~1", "/").replace("~0", "~") for each in path[1:].split("/"))


def expression(operations: Sequence[JSONObject], write: Callable[[Any], str], at: Path) -> str:
    """The expression of a JSON patch. write: writes a value as an expression. Raises Unsupported."""
    return listed(written(operations, write, at))


def listed(operations: Iterable[Operation]) -> str:
    """The expression of a list of operations."""
    return " +\n".join(map(_listed, operations))


def _listed(operation: Operation) -> str:
    if not operation.loops:
        one = f"[{operation.cel}]"
        return one if operation.condition == "true" else f"({operation.condition} ? {one} : [])"
    *outer, last = operation.loops
    text = _through(last, [*last.conditions, operation.condition], operation.cel)
    for each in reversed(outer):
        text = f"{_through(each, each.conditions, text)}.flatten()"
    return text


def _through(loop: Loop, conditions: Sequence[str], value: str) -> str:
    met = celtext.conjunction(conditions)
    only = f"{met}, " if met != "true" else ""
    return f"{loop.base}.transformList({loop.number}, {loop.element}, {only}{value})"


def written(
    operations: Sequence[JSONObject],
    write: Callable[[Any], str],
    at: Path,
    path_of: Callable[[str], tuple[Step, ...]] = steps,
    loops: tuple[Loop, ...] = (),
) -> list[Operation]:
    """The operations, and those that create missing parents. path_of: parses a path into steps. loops: the loops that
    they run in. Raises Unsupported."""
    made: set[tuple[Step, ...]] = set()
    added: list[tuple[Step, ...]] = []
    found = []
    for given in operations:
        op, path = given.get("op"), given.get("path")
        if op not in _OPERATIONS or not _is_path(path):
            raise Unsupported(f"a JSON patch with the operation {str(op)[:40]!r} and the path {str(path)[:80]!r}", at)
        way = path_of(str(path))
        origin: tuple[Step, ...] = ()
        if op in ("copy", "move"):
            if not _is_path(given.get("from")):
                raise Unsupported(f"a JSON patch that is to {op} from the path {str(given.get('from'))[:80]!r}", at)
            origin = path_of(str(given["from"]))
        value = write(given.get("value")) if op in ("add", "replace", "test") else None
        if op == "add":
            found += [replace(each, loops=loops) for each in parents(way, made)]
        condition = there(way) if op == "remove" else "true"
        if op == "replace" and not any(way[: len(each)] == each for each in added):
            condition = _held(way)
        if op in ("add", "copy", "move"):
            added.append(way)
        found.append(operation(str(op), way, value, origin=origin, condition=condition, loops=loops))
    return found


def operation(
    op: str,
    way: tuple[Step, ...],
    value: str | None = None,
    *,
    origin: tuple[Step, ...] = (),
    condition: str = "true",
    loops: tuple[Loop, ...] = (),
) -> Operation:
    """An operation. value: an expression. origin: the path of `from`."""
    text = f"op: {celtext.text(op)}, "
    if origin:
        text += f"from: {_pointer(origin)}, "
    text += f"path: {_pointer(way)}"
    if value is not None:
        text += f", value: {value}"
    return Operation(f"JSONPatch{{{text}}}", condition, loops)


def _is_path(path: Any) -> bool:
    return isinstance(path, str) and path.startswith("/") and path.count("/") <= MOST_STEPS


def _pointer(way: Sequence[Step]) -> str:
    """A path as an expression."""
    terms, piece = [], ""
    for each in way:
        if isinstance(each, Computed):
            terms += [celtext.text(f"{piece}/"), f"string({each.cel})" if each.index else each.cel]
            piece = ""
        else:
            piece += pointer([each])
    return " + ".join([*terms, *([celtext.text(piece)] if piece else [])])


def parents(way: tuple[Step, ...], made: set[tuple[Step, ...]]) -> list[Operation]:
    """The operations that create missing parents of a path: a list if an item is added to it, else a map. They
    create no elements of lists, and nothing that `made` already has."""
    found = []
    for length in range(1, len(way)):
        parent, following = way[:length], way[length]
        if parent in made or parent in (("metadata",), ("spec",)) or _is_index(following) or _is_index(parent[-1]):
            continue
        made.add(parent)
        empty = "[]" if following == "-" else "{}"
        found.append(operation("add", parent, empty, condition=celtext.negation(there(parent))))
    return found


def _is_index(step: Step) -> bool:
    return step.index if isinstance(step, Computed) else step.isdigit()


def _held(way: Sequence[Step]) -> str:
    """An expression that is true if a path exists, and an error that names the missing part otherwise."""
    chain = there(way).removesuffix(".hasValue()").replace(".?", ".").replace("[?", "[")
    return f"size([{chain}]) == 1"


def there(way: Sequence[Step]) -> str:
    """An expression that says whether a path exists."""
    chain = "object"
    for each in way:
        if isinstance(each, Computed):
            # A key has the escapes of a pointer, if whoever wrote it put them there.
            chain += f"[?{each.cel}]" if each.index else f"[?({each.cel}).replace('~1', '/').replace('~0', '~')]"
        else:
            chain += f"[?{each}]" if each.isdigit() else celtext.optional("", each)
    return f"{chain}.hasValue()"
