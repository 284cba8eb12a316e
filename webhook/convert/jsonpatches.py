"""JSON patches of foreign policies -> the expression of a JSONPatch mutation.

What these engines do beyond RFC 6902 is kept: `add` makes the parents that are missing, `remove` passes over what is
not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from webhook.convert import celtext
from webhook.convert.model import JSONObject, Unsupported
from webhook.paths import Path

_OPERATIONS: Final = ("add", "replace", "remove", "test", "copy", "move")


def pointer(path: Sequence[str]) -> str:
    """The JSON pointer of a path."""
    return "".join("/" + each.replace("~", "~0").replace("/", "~1") for each in path)


def expression(operations: Sequence[JSONObject], write: Callable[[Any], str], at: Path) -> str:
    """The list of the operations. write: what makes an expression of a value. Raises Unsupported."""
    made: set[tuple[str, ...]] = set()
    terms = []
    for operation in operations:
        op, path = operation.get("op"), operation.get("path")
        if op not in _OPERATIONS or not isinstance(path, str) or not path.startswith("/") or "{{" in path:
            raise Unsupported(f"a JSON patch with the operation {str(op)[:40]!r} and the path {str(path)[:80]!r}", at)
        steps = tuple(each.replace("~1", "/").replace("~0", "~") for each in path[1:].split("/"))
        written = f"op: {celtext.text(op)}, path: {celtext.text(path)}"
        if op in ("copy", "move"):
            written = (
                f"op: {celtext.text(op)}, from: {celtext.text(str(operation.get('from')))}, path: {celtext.text(path)}"
            )
        elif op != "remove":
            written += f", value: {write(operation.get('value'))}"
        one = f"[JSONPatch{{{written}}}]"
        if op == "add":
            terms += _parents(steps, made)
        elif op == "remove":
            one = f"({_there(steps)} ? {one} : [])"
        terms.append(one)
    return " +\n".join(terms)


def _parents(steps: tuple[str, ...], made: set[tuple[str, ...]]) -> list[str]:
    """What makes the parents of a path that are missing: a list where an item is added to it, else a map."""
    terms = []
    for length in range(1, len(steps)):
        parent, following = steps[:length], steps[length]
        if (
            parent in made
            or parent in (("metadata",), ("spec",))
            or following.isdigit()
            or any(each.isdigit() for each in parent)
        ):
            continue
        made.add(parent)
        empty = "[]" if following == "-" else "{}"
        path = celtext.text(pointer(parent))
        terms.append(f"({_there(parent)} ? [] : [JSONPatch{{op: 'add', path: {path}, value: {empty}}}])")
    return terms


def _there(steps: Sequence[str]) -> str:
    chain = "object"
    for each in steps:
        chain += f"[?{each}]" if each.isdigit() else celtext.optional("", each)
    return f"{chain}.hasValue()"
