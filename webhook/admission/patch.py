"""JSON patches (RFC 6902) from one object to another, in the form that the API server applies."""

from __future__ import annotations

from typing import Any

import orjson

MAX_COMPARED = 4000
"""Most commas in the JSON of two lists whose elements are compared; of larger ones the patch has the whole new list.

An operation for each element takes far more memory and time than the list, whose size is up to the tenant.
"""

Operation = dict[str, Any]
"""One operation of a patch: `op`, `path` (RFC 6901), and `value` or `from` where the operation has one."""


def diff(before: dict[str, Any], after: dict[str, Any]) -> list[Operation]:
    """The operations that turn `before` into `after`; none if both are the same JSON value.

    Neither is modified. Values are compared as JSON texts: 1, 1.0 and true are three values. This module compares
    objects and leaves only lists that differ to jsonpatch, which takes ten times as long over a whole object.
    """
    operations: list[Operation] = []
    _objects(before, after, "", operations)
    return operations


def _objects(before: dict[str, Any], after: dict[str, Any], pointer: str, operations: list[Operation]) -> None:
    for key in before:
        if key not in after:
            operations.append({"op": "remove", "path": _join(pointer, key)})
    for key, new in after.items():
        path = _join(pointer, key)
        if key not in before:
            operations.append({"op": "add", "path": path, "value": new})
            continue
        old = before[key]
        if old is new:  # a mutation copies the object, but seldom every part of it
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            _objects(old, new, path, operations)
        elif (text := orjson.dumps(old)) == (new_text := orjson.dumps(new)):
            continue
        elif (
            isinstance(old, list) and isinstance(new, list) and text.count(b",") + new_text.count(b",") <= MAX_COMPARED
        ):
            import jsonpatch  # where lists differ in a mutation that somebody asks a patch of

            operations.extend(_below(path, operation) for operation in jsonpatch.make_patch(old, new).patch)
        else:
            operations.append({"op": "replace", "path": path, "value": new})


def _below(pointer: str, operation: Operation) -> Operation:
    moved = {**operation, "path": pointer + operation["path"]}
    if "from" in operation:
        moved["from"] = pointer + operation["from"]
    return moved


def _join(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
