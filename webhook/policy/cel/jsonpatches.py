"""Applies JSON patches (RFC 6902) as the API server does, that is, as gopkg.in/evanphx/json-patch.v4.

That library differs from the RFC, and so does this module:

- `replace` of an absent key adds it;
- array indexes may have a sign and leading zeros; negative ones count from the end;
- an operation without `value` has the value null;
- in a `test`, `value: null` equals an empty list or object, but neither an absent field nor a null in the object:
  those only equal a `test` without `value`.

The error texts are the library's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import orjson
from msgspec import Struct

from webhook.policy.cel.golang import quoted
from webhook.policy.json_values import copy_json


class PatchError(ValueError):
    """An operation that cannot be applied; str(error) is the API server's text."""


class FailedTest(PatchError):
    """A `test` operation failed: the patch as a whole is not applied, which is no error."""


MAX_COPIED: Final = 3 * 1024 * 1024
"""The API server's limit on what the `copy` operations of one patch may add, in bytes of JSON."""

NO_VALUE: Final = object()
"""The `value` of an operation without that field."""


class Operation(Struct, frozen=True):
    """One operation of a JSON patch. `source`: its field `from`; "" is none."""

    op: str
    path: str = ""
    source: str = ""
    value: Any = NO_VALUE


class _ExplicitNull:
    """A null from the `value` of an operation. `test` treats it differently from a null that was in the object before.

    It is replaced by None once the patch is done.
    """


_NULL: Final = _ExplicitNull()


def apply(target: dict[str, Any], operations: Iterable[Operation]) -> Any:
    """The object after all operations. `target` and the values of the operations are not changed; the result shares
    parts with them. Raises PatchError."""
    patched = _Patched(target)
    for operation in operations:
        patched.apply(operation)
    return _cleared(patched.root) if patched.has_nulls else patched.root


class _Patched:
    """An object that is patched. What an operation changes is copied before, and so is what holds it."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copies: dict[int, Any] = {}  # by id(), which they keep in use
        self.has_nulls = False
        self.copied = 0

    def apply(self, operation: Operation) -> None:
        op = operation.op
        if op not in _KNOWN:
            raise PatchError(f"Unexpected kind: {op if _is_quotable(op) else 'unknown'}")
        if op in ("move", "copy") and not operation.source:
            raise PatchError(f"{op} operation failed to decode from: operation, missing from field: missing value")
        if not (_is_quotable(operation.path) and _is_quotable(operation.source)):
            raise PatchError(f"{op} operation failed to decode path: missing value")
        match op:
            case "add":
                self.add(operation)
            case "remove":
                self.remove(operation)
            case "replace":
                self.replace(operation)
            case "test":
                self.test(operation)
            case _:
                self.transfer(operation)

    def value(self, operation: Operation) -> Any:
        if operation.value is NO_VALUE:
            return None
        if operation.value is None:
            self.has_nulls = True
            return _NULL
        return operation.value

    def add(self, operation: Operation) -> None:
        holder, key = self.changeable(operation.path)
        if holder is None:
            raise PatchError(f'add operation does not apply: doc is missing path: "{operation.path}": missing value')
        try:
            _add(holder, key, self.value(operation))
        except PatchError as error:
            raise PatchError(f"error in add for path: '{operation.path}': {error}") from None

    def remove(self, operation: Operation) -> None:
        holder, key = self.changeable(operation.path)
        if holder is None:
            raise PatchError(f'remove operation does not apply: doc is missing path: "{operation.path}": missing value')
        try:
            _remove(holder, key)
        except PatchError as error:
            raise PatchError(f"error in remove for path: '{operation.path}': {error}") from None

    def replace(self, operation: Operation) -> None:
        path = operation.path
        if path == "":
            value = self.value(operation)
            if not isinstance(value, dict | list | _ExplicitNull):
                raise PatchError("replace operation value must be object or array: %!w(<nil>)")
            self.root = None if value is _NULL else value
            return
        holder, key = self.changeable(path)
        if holder is None:
            raise PatchError(f"replace operation does not apply: doc is missing path: {path}: missing value")
        if isinstance(holder, dict):
            holder[key] = self.value(operation)
            return
        try:
            holder[_place(holder, key)] = self.value(operation)
        except PatchError:
            raise PatchError(f"replace operation does not apply: doc is missing key: {path}: missing value") from None

    def test(self, operation: Operation) -> None:
        path, wanted = operation.path, operation.value
        if path == "":
            value = self.root
        else:
            holder, key = self.found(path)
            if holder is None:
                raise PatchError(f"test operation does not apply: is missing path: {path}: missing value")
            try:
                value = _get(holder, key)
            except PatchError as error:
                raise PatchError(f"error in test for path: '{path}': {error}") from None
        if wanted is NO_VALUE:
            equal = value is None
        else:
            equal = value is not None and _equal(value, _NULL if wanted is None else wanted)
        if not equal:
            raise FailedTest(f"testing value {path} failed: test failed")

    def transfer(self, operation: Operation) -> None:
        """Apply a move or a copy."""
        op, source = operation.op, operation.source
        holder, key = self.changeable(source) if op == "move" else self.found(source)
        if holder is None:
            raise PatchError(f"{op} operation does not apply: doc is missing from path: {source}: missing value")
        try:
            value = _get(holder, key)
            if op == "move":
                _remove(holder, key)
        except PatchError as error:
            where = f"for path: '{key}'" if op == "move" else f"for from: '{source}'"
            raise PatchError(f"error in {op} {where}: {error}") from None
        holder, key = self.changeable(operation.path)
        if holder is None:
            raise PatchError(
                f"{op} operation does not apply: doc is missing destination path: {operation.path}: missing value"
            )
        if op == "copy":
            self.copied += len(orjson.dumps(_cleared(value))) if value is not None else 0
            if self.copied > MAX_COPIED:
                raise PatchError(
                    f"Unable to complete the copy, the accumulated size increase of copy is {self.copied}, "
                    f"exceeding the limit {MAX_COPIED}"
                )
        try:
            _add(holder, key, copy_json(value) if op == "copy" else value)
        except PatchError as error:
            if op == "copy":
                raise PatchError(f"error while adding value during copy: {error}") from None
            raise PatchError(f"error in move for path: '{operation.path}': {error}") from None

    def found(self, path: str) -> tuple[dict[str, Any] | list[Any] | None, str]:
        """The list or object that holds the value at a path, and its key there; None if there is no such parent."""
        first, *steps = path.split("/")
        if not steps:
            return None, first
        holder = self.root
        for step in steps[:-1]:
            if not isinstance(holder, dict | list):
                return None, ""
            try:
                holder = _get(holder, _decoded(step))
            except PatchError:
                return None, ""
        return (holder if isinstance(holder, dict | list) else None), _decoded(steps[-1])

    def changeable(self, path: str) -> tuple[dict[str, Any] | list[Any] | None, str]:
        """The same, of which the list or object may be changed."""
        holder, key = self.found(path)
        if holder is None or id(holder) in self._copies:
            return holder, key
        holder = self.root = self._own(self.root)
        for step in map(_decoded, path.split("/")[1:-1]):
            below = self._own(_get(holder, step))
            if isinstance(holder, dict):
                holder[step] = below
            else:
                holder[_place(holder, step)] = below
            holder = below
        return holder, key

    def _own(self, value: Any) -> Any:
        if id(value) in self._copies:
            return value
        copied = value.copy()
        self._copies[id(copied)] = copied
        return copied


_KNOWN: Final = frozenset({"add", "remove", "replace", "test", "move", "copy"})
_UNQUOTABLE: Final = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f]")  # Go quotes these as escapes that are not JSON


def _is_quotable(text: str) -> bool:
    return _UNQUOTABLE.search(text) is None


def _decoded(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


_INDEX: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)


def _index(key: str) -> int:
    if not _INDEX.fullmatch(key):
        raise PatchError(f"strconv.Atoi: parsing {quoted(key)}: invalid syntax")
    if len(key) > 18 and not -(2**63) <= int(key[:100]) < 2**63:
        raise PatchError(f"strconv.Atoi: parsing {quoted(key)}: value out of range")
    return int(key[:100])


def _within(index: int, size: int) -> int:
    place = index + size if index < 0 else index
    if not 0 <= place < size:
        raise PatchError(f"Unable to access invalid index: {index}: invalid index referenced")
    return place


def _place(holder: list[Any], key: str) -> int:
    return _within(_index(key), len(holder))


def _get(holder: dict[str, Any] | list[Any], key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else holder[_place(holder, key)]


def _add(holder: dict[str, Any] | list[Any], key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    elif key == "-":
        holder.append(value)
    else:
        try:
            index = _index(key)
        except PatchError as error:
            raise PatchError(f"value was not a proper array index: '{key}': {error}") from None
        holder.insert(_within(index, len(holder) + 1), value)


def _remove(holder: dict[str, Any] | list[Any], key: str) -> None:
    if isinstance(holder, list):
        del holder[_place(holder, key)]
    elif key not in holder:
        raise PatchError(f"Unable to remove nonexistent key: {key}: missing value")
    else:
        del holder[key]


def _equal(value: Any, wanted: Any) -> bool:
    """Whether a value of the object equals one of a `test`. Neither is None: an explicit null is _NULL."""
    if isinstance(value, dict) or value is _NULL:
        held: Any = {} if value is _NULL else value
        asked: Any = {} if wanted is _NULL else wanted
        same_keys = isinstance(asked, dict) and held.keys() == asked.keys()
        return same_keys and _all_equal(held.values(), map(asked.get, held))
    if isinstance(value, list):
        items = [] if wanted is _NULL else wanted
        return isinstance(items, list) and len(value) == len(items) and _all_equal(value, items)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, int | float):
        return isinstance(wanted, int | float) and value == wanted
    return isinstance(wanted, str) and bool(value == wanted)


def _all_equal(values: Iterable[Any], wanted: Iterable[Any]) -> bool:
    return all(
        (a is None and b is None) or (a is not None and b is not None and _equal(a, b))
        for a, b in zip(values, wanted, strict=True)
    )


def _cleared(value: Any) -> Any:
    """The value with None in place of each explicit null. Parts without any stay the same."""
    if isinstance(value, dict):
        changed = {key: after for key, item in value.items() if (after := _cleared(item)) is not item}
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        items = [_cleared(item) for item in value]
        return items if any(after is not item for after, item in zip(items, value, strict=True)) else value
    return None if value is _NULL else value
