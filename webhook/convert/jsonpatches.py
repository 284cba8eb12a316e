"""JSON patches of foreign policies -> the expression of a JSONPatch mutation.

Beyond RFC 6902, as in these engines, `add` creates missing parents, and `remove` ignores a path that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.convert import celtext
from webhook.convert.model import JSONObject, Unsupported
from webhook.paths import Path

_OPERATIONS: Final = ("add", "replace", "remove", "test", "copy", "move")
INDEX: Final = "{{elementIndex}}"
"""The step of a path that is the index of a foreach."""


MOST_STEPS: Final = 24
"""Steps of a path: what makes its missing parents names each of them from the root on."""


class Operation(Struct, frozen=True):
    """An operation of a JSON patch in CEL. condition: whether it is made at all."""

    cel: str
    condition: str = "true"


def pointer(path: Sequence[str]) -> str:
    """The JSON pointer of a path."""
    return "".join("/" + each.replace("~", "~0").replace("/", "~1") for each in path)


def steps(path: str) -> tuple[str, ...]:
    """The steps of a JSON pointer."""
    return tuple(each.replace("~1", "/").replace("~0", "~") for each in path[1:].split("/"))


def expression(operations: Sequence[JSONObject], write: Callable[[Any], str], at: Path) -> str:
    """The list of the operations. write: what makes an expression of a value. Raises Unsupported."""
    terms = []
    for each in written(operations, write, at):
        one = f"[{each.cel}]"
        terms.append(one if each.condition == "true" else f"({each.condition} ? {one} : [])")
    return " +\n".join(terms)


def written(
    operations: Sequence[JSONObject], write: Callable[[Any], str], at: Path, index: str = ""
) -> list[Operation]:
    """The operations, and those that make the parents of what they add. index: of the element of a foreach, in CEL:
    the value of steps that are INDEX. Raises Unsupported."""
    made: set[tuple[str, ...]] = set()
    found = []
    for operation in operations:
        op, path = operation.get("op"), operation.get("path")
        if op not in _OPERATIONS or not _is_path(path, index):
            raise Unsupported(f"a JSON patch with the operation {str(op)[:40]!r} and the path {str(path)[:80]!r}", at)
        way = steps(str(path))
        text = f"op: {celtext.text(op)}, "
        if op in ("copy", "move"):
            origin = operation.get("from")
            if not _is_path(origin, index):
                raise Unsupported(f"a JSON patch that is to {op} from the path {str(origin)[:80]!r}", at)
            text += f"from: {_pointer(steps(str(origin)), index)}, "
        text += f"path: {_pointer(way, index)}"
        if op in ("add", "replace", "test"):
            text += f", value: {write(operation.get('value'))}"
        if op == "add":
            found += _parents(way, made, index)
        found.append(Operation(f"JSONPatch{{{text}}}", _there(way, index) if op == "remove" else "true"))
    return found


def _is_path(path: Any, index: str) -> bool:
    if not isinstance(path, str) or not path.startswith("/") or path.count("/") > MOST_STEPS:
        return False
    return not any("{{" in each and not (index and each == INDEX) for each in steps(path))


def _pointer(way: Sequence[str], index: str) -> str:
    """A path as an expression."""
    terms, piece = [], ""
    for each in way:
        if each == INDEX:
            terms += [celtext.text(f"{piece}/"), f"string({index})"]
            piece = ""
        else:
            piece += pointer([each])
    return " + ".join([*terms, *([celtext.text(piece)] if piece else [])])


def _parents(way: tuple[str, ...], made: set[tuple[str, ...]], index: str) -> list[Operation]:
    """What makes the parents of a path that are missing: a list where an item is added to it, else a map."""
    found = []
    for length in range(1, len(way)):
        parent, following = way[:length], way[length]
        if (
            parent in made
            or parent in (("metadata",), ("spec",))
            or following.isdigit()
            or INDEX in (following, parent[-1])
            or any(each.isdigit() for each in parent)
        ):
            continue
        made.add(parent)
        empty = "[]" if following == "-" else "{}"
        missing = celtext.negation(_there(parent, index))
        found.append(Operation(f"JSONPatch{{op: 'add', path: {_pointer(parent, index)}, value: {empty}}}", missing))
    return found


def _there(way: Sequence[str], index: str) -> str:
    chain = "object"
    for each in way:
        if each == INDEX:
            chain += f"[?{index}]"
        else:
            chain += f"[?{each}]" if each.isdigit() else celtext.optional("", each)
    return f"{chain}.hasValue()"
