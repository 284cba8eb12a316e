"""Converts the objects that a mutation's expression constructs to JSON.

The API server converts in two ways (k8s.io/apiserver, pkg/cel/mutation and plugin/policy/mutating/patch): the object of
an ApplyConfiguration to Go values, some of which JSON does not have; the values of a JSON patch to protobuf's Value,
whose numbers are doubles.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.cel.tree.types import Type
from webhook.cel.value.messages import JSON_PATCH_NAME, Message, Raw
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UInt
from webhook.cel.value.operators import type_of
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import NONE, Key, Optional, go_type
from webhook.policy.cel import golang
from webhook.policy.cel.golang import Opaque

MAX_EXACT: Final = 2**53 - 1
"""The largest integer that is exact as a double. protobuf's Value holds larger ones as text."""


class UnfitValue(ValueError):
    """A value that cannot be converted; str(error) is the API server's text."""


class UnfitNumber(ValueError):
    """A double that JSON does not have, in an object to be serialized; str(error) is the text of Go's encoding/json."""


def mismatch(root: Message) -> str:
    """The API server's error if names of types do not match the paths of their fields; "" if they all do."""
    found = dict.fromkeys(_mismatches(root, root.cel_type))
    return "\n".join(
        f'unexpected type name "{name}", expected "{expected}", which matches field name path from root Object type'
        for name, expected in found
    )


def _mismatches(value: Any, expected: str) -> Iterator[tuple[str, str]]:
    match value:
        case Message() if not _is_object(value):
            return  # fails when it is converted
        case Message():
            if value.cel_type != expected:
                yield value.cel_type, expected
            for name, item in value.fields.items():
                yield from _mismatches(item, f"{expected}.{name}")
        case list():
            for item in value:
                yield from _mismatches(item, expected)
        case dict():
            for item in value.values():
                yield from _mismatches(item, expected)


def _is_object(value: Message) -> bool:
    return value.cel_type.partition(".")[0] == "Object"


# ------------------------------------------------------------------------------------------------ ApplyConfiguration


def configuration(root: Message) -> dict[str, Any]:
    """The object of an ApplyConfiguration, as JSON; golang.Opaque for Go values that JSON does not have.

    Raises UnfitValue if a map directly in the object has keys that are not strings.
    """
    return {name: _go_value(name, value) for name, value in root.fields.items()}


class _EmptyList(list[Any]):
    """An empty list. The API server converts it to a nil slice, which is serialized as null."""


def is_json(value: Any) -> bool:
    """Whether a configuration is serialized as it is: so is what it is merged into, which was JSON before."""
    if isinstance(value, dict):
        return all(map(is_json, value.values()))
    if isinstance(value, list):
        return type(value) is not _EmptyList and all(map(is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


def written(value: Any) -> Any:
    """The result of a merge as the API server serializes it. Unchanged parts are the same objects.

    Raises UnfitNumber for a double that JSON does not have.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise UnfitNumber(f"json: unsupported value: {golang.text(value)}")
    if isinstance(value, dict):
        changed = {name: after for name, item in value.items() if (after := written(item)) is not item}
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        if type(value) is _EmptyList:
            return None
        items = [written(item) for item in value]
        return items if any(after is not item for after, item in zip(items, value, strict=True)) else value
    return value


def _go_value(name: str, value: Any) -> Any:
    match value:
        case None:
            return Opaque("structpb.NullValue", "NULL_VALUE", "0")
        case bool() | str():
            return value
        case UInt():
            return Opaque("uint64", str(int(value)), hex(value))
        case int():
            return value
        case float():  # Go serializes a whole double without a fraction
            return int(value) if value.is_integer() and INT_MIN <= value <= INT_MAX else value
        case bytes():
            digits = ", ".join(hex(byte) for byte in value)
            return Opaque("[]uint8", f"[{' '.join(map(str, value))}]", f"[]uint8{{{digits}}}")
        case Duration():
            return Opaque("time.Duration", golang.duration(value.ns), str(value.ns))
        case Timestamp():
            return Opaque("time.Time", *golang.time(str(value)))
        case Optional():
            return None if value is NONE else _go_value(name, value.value)
        case Type():
            return str(value)
        case Message() if value.cel_type == JSON_PATCH_NAME:
            return Opaque("*mutation.JSONPatchVal", "JSONPatch", "JSONPatch")  # Go shows an address
        case Message() if not _is_object(value):
            return Opaque("*dynamicpb.Message", "", "")
        case Message():
            try:
                return configuration(value)
            except UnfitValue as error:  # as in the API server, the error takes the value's place
                return Opaque("*types.Err", str(error), str(error))
        case Raw():
            return _raw(value.value)
        case list():
            return _EmptyList() if not value else [_go_value(name, item) for item in value]
        case dict():
            for key in value:
                if not isinstance(key, str):
                    raise _bad_key(name, key)
            return {key: _go_value(key, item) for key, item in value.items()}
        case _:
            name = str(type_of(value))
            shown = str(value) if name in _SHOWN else name
            return Opaque(name, shown, shown)


_SHOWN: Final = frozenset(("kubernetes.URL", "kubernetes.Semver", "net.IP", "net.CIDR"))
"""The types of Kubernetes whose values are shown as texts."""


def _raw(value: Any) -> Opaque:
    plain = _plain(value)
    if isinstance(plain, list):
        return Opaque("[]ref.Val", golang.text(plain), f"[]ref.Val{{{', '.join(map(golang.syntax, plain))}}}")
    entries = ", ".join(f"{golang.quoted(key)}:{golang.syntax(item)}" for key, item in sorted(plain.items()))
    return Opaque("map[ref.Val]ref.Val", golang.text(plain), f"map[ref.Val]ref.Val{{{entries}}}")


def _plain(value: Any) -> Any:
    """The value as JSON, for display in an error only."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Message):
        return _plain(value.fields)
    return value if isinstance(value, bool | int | float | str) else str(value)


def _bad_key(name: str, key: Any) -> UnfitValue:
    value = key.value if isinstance(key, Key) else key
    kind = go_type(value)
    # Go formats integers as characters. It cannot format the others as texts, and then says their type.
    shown = golang.character(value) if kind in ("types.Int", "types.Uint") else f"%!q({kind}={golang.text(value)})"
    return UnfitValue(f"fail to convert field {golang.quoted(name)}: map key {shown} is of type {kind}, not string")


# ---------------------------------------------------------------------------------------------------------- JSONPatch


class Typed:
    """The lists and maps in `request` and `namespaceObject`, which are Go's own in the API server, and have no JSON."""

    __slots__ = ("_held", "_names")

    def __init__(self, request: Any, namespace: Any) -> None:
        self._held = (request, namespace)
        self._names: dict[int, str] | None = None

    def refuse(self, value: Any) -> None:
        """Raises UnfitValue for one of them."""
        if self._names is None:
            self._names = {}
            for held, struct in zip(self._held, ("v1.AdmissionRequest", "v1.Namespace"), strict=True):
                self._names.update(_named(held, f"struct type {struct}"))
        name = self._names.get(id(value))
        if name is not None:
            into = "*structpb.Value" if name.startswith("struct") else "'*structpb.Value'"
            raise UnfitValue(f"type conversion error from {name} to {into}")


def _named(value: Any, name: str) -> Iterator[tuple[int, str]]:
    """The identity of each list and map in a Go value, with its type in errors."""
    if isinstance(value, dict | list):
        yield id(value), name
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            field = _STRUCTS.get(key) if name.startswith("struct") else None
            other = "'list(dyn)'" if isinstance(item, list) else "'map(dyn, dyn)'"
            yield from _named(item, f"struct type {field}" if field else other)


_STRUCTS: Final[Mapping[Any, str]] = {
    **dict.fromkeys(("kind", "requestKind"), "v1.GroupVersionKind"),
    **dict.fromkeys(("resource", "requestResource"), "v1.GroupVersionResource"),
    "userInfo": "v1.UserInfo",
    "metadata": "v1.ObjectMeta",
    "spec": "v1.NamespaceSpec",
    "status": "v1.NamespaceStatus",
}
NOTHING_TYPED: Final = Typed(None, None)


def patch_value(value: Any, typed: Typed = NOTHING_TYPED) -> Any:
    """The `value` of a JSON patch's operation, as JSON. Raises UnfitValue."""
    if isinstance(value, Message) and _is_object(value):
        wrong = mismatch(value)
        if wrong:
            raise UnfitValue(f"type mismatch: {wrong}")
    try:
        return _json(value, typed)
    except UnfitValue as error:
        raise UnfitValue(
            f"JSONPath valueExpression evaluated to a type that could not marshal to JSON: {error}"
        ) from None


def _json(value: Any, typed: Typed) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value) if abs(value) <= MAX_EXACT else str(int(value))
        case float():
            return _double(value)
        case bytes():
            return b64encode(value).decode()
        case Duration() | Timestamp():
            return str(value)
        case Optional():
            if value is NONE:
                raise UnfitValue("optional.none() dereference")
            return _json(value.value, typed)
        case list():
            typed.refuse(value)
            return [_json(item, typed) for item in value]
        case dict():
            typed.refuse(value)
            return {_json_key(key): _json(item, typed) for key, item in value.items()}
        case Type():
            raise UnfitValue("type conversion not supported for 'type'")
        case Message() if value.cel_type == JSON_PATCH_NAME:
            raise UnfitValue("cannot convert to native type: *structpb.Value")
        case Message() if not _is_object(value):
            return {}
        case Message():
            return _through_protobuf(configuration(value))
        case _:
            name = str(type_of(value))
            short = name if ".authorization." in name else name.rpartition(".")[2].removeprefix("Named")
            raise UnfitValue(f"type conversion error from '{short}' to '*structpb.Value'")


def _json_key(key: Any) -> str:
    if isinstance(key, str):
        return key
    value = key.value if isinstance(key, Key) else key
    if isinstance(value, bool):
        raise UnfitValue("type conversion error from bool to 'string'")
    if isinstance(value, int):
        raise UnfitValue(f"unsupported type conversion from '{'uint' if isinstance(value, UInt) else 'int'}' to string")
    raise UnfitValue(f"type conversion error from {type_of(value)} to 'string'")


def _through_protobuf(value: Any) -> Any:
    """The Go values of `configuration` after a conversion to protobuf's Value, where all numbers are doubles."""
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return _double(float(value))
        case list():
            return [_through_protobuf(item) for item in value]
        case dict():
            return {key: _through_protobuf(item) for key, item in value.items()}
        case Opaque(type="uint64"):
            return _double(float(value.text))
        case Opaque(type="[]uint8"):
            return b64encode(bytes(map(int, value.text.strip("[]").split()))).decode()
        case _:
            raise UnfitValue(f"proto: invalid type: {value.type}")


def _double(value: float) -> int | float:
    """A double after serialization to JSON: a whole one has no fraction, so it is read as an integer if it fits."""
    if not math.isfinite(value):
        raise UnfitValue(
            "json: error calling MarshalJSON for type *structpb.Value: "
            f"proto: google.protobuf.Value.number_value: invalid {golang.text(value)} value"
        )
    return int(value) if value.is_integer() and INT_MIN <= value <= INT_MAX else value
