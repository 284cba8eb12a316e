"""Messages of protocol buffers' well-known types: `google.protobuf.Int32Value{value: 1}`, `google.protobuf.Struct{…}`.

The API server declares them for every expression. None of them stays a message: a wrapper becomes its value, a
Timestamp or Duration CEL's own, a Struct, ListValue or Value what JSON has for it. Conversions and errors are cel-go's
(ConvertToNative in common/types).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from webhook.cel.tree import types
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.types import Type, Wrapper
from webhook.cel.value.messages import EMPTY_NAME, Message, set_fields
from webhook.cel.value.numbers import UInt
from webhook.cel.value.texts import text
from webhook.cel.value.times import NANO, Duration, Timestamp
from webhook.cel.value.values import NONE, Key, KeyedMap, Optional

PREFIX: Final = "google.protobuf."
NULL_VALUE: Final = f"{PREFIX}NullValue.NULL_VALUE"
"""The one value of the enum NullValue: the int 0."""

_WRAPPED: Final[Mapping[str, tuple[Type, str]]] = {
    "BoolValue": (types.BOOL, "bool"),
    "BytesValue": (types.BYTES, "[]uint8"),
    "DoubleValue": (types.DOUBLE, "float64"),
    "FloatValue": (types.DOUBLE, "float32"),
    "Int32Value": (types.INT, "int32"),
    "Int64Value": (types.INT, "int64"),
    "StringValue": (types.STRING, "string"),
    "UInt32Value": (types.UINT, "uint32"),
    "UInt64Value": (types.UINT, "uint64"),
}
_JSON: Final = "*structpb.Value"
_OBJECT, _LIST = types.map_of(types.STRING, types.DYN), types.list_of(types.DYN)
_TIME: Final = {"seconds": (types.INT, "int64"), "nanos": (types.INT, "int32")}
_OTHERS: Final[Mapping[str, tuple[Type, Mapping[str, tuple[Type, str]]]]] = {
    "Any": (Type("any"), {"type_url": (types.STRING, "string"), "value": (types.BYTES, "[]uint8")}),
    "Duration": (types.DURATION, _TIME),
    "Empty": (Type(EMPTY_NAME), {}),
    "ListValue": (_LIST, {"values": (_LIST, f"[]{_JSON}")}),
    "Struct": (_OBJECT, {"fields": (_OBJECT, f"map[string]{_JSON}")}),
    "Timestamp": (types.TIMESTAMP, _TIME),
    "Value": (
        types.DYN,
        {
            "null_value": (types.INT, "protoreflect.EnumNumber"),
            "number_value": (types.DOUBLE, "float64"),
            "string_value": (types.STRING, "string"),
            "bool_value": (types.BOOL, "bool"),
            "struct_value": (_OBJECT, "*structpb.Struct"),
            "list_value": (_LIST, "*structpb.ListValue"),
        },
    ),
}
_MESSAGES: Final[Mapping[str, tuple[Type, Mapping[str, tuple[Type, str]]]]] = {
    PREFIX + name: described
    for name, described in (
        *((name, (Wrapper(held.name), {"value": (held, native)})) for name, (held, native) in _WRAPPED.items()),
        *_OTHERS.items(),
    )
}
"""Name -> type of a literal, and of its fields the type and the Go type."""

TYPES: Final[Mapping[str, Type]] = {name: declared for name, (declared, _) in _MESSAGES.items()}
"""The name of each message -> the type of its literals."""

FIELDS: Final[Mapping[str, Mapping[str, Type]]] = {
    name: {field: declared for field, (declared, _) in fields.items()} for name, (_, fields) in _MESSAGES.items()
}
"""The name of each message -> its fields and their types."""


def constructor(name: str) -> Callable[[Iterable[tuple[int, str, Any]]], Any]:
    """The function that makes the value of a literal from (whether it is optional, field, value)."""
    fields = _MESSAGES[name][1]
    finish = _FINISH.get(name, _wrapped)

    def construct(entries: Iterable[tuple[int, str, Any]]) -> Any:
        found: dict[str, Any] = {}
        for field, value in set_fields(entries).items():
            try:
                found[field] = _field(f"{name}.{field}", fields[field][1], value)
            except _Unfit as error:
                problem = f"field type conversion error for {name}.{field} value type: {error}"
                raise EvaluationError(problem) from None
        return finish(name, found)

    return construct


class _Unfit(Exception):
    """A value that cannot be converted; the API server's text."""


def _field(place: str, native: str, value: Any) -> Any:
    """A value in the form of a field. Fields that are lists or maps take nothing else."""
    for start, kind in (("[]*", list), ("map[", dict)):
        if native.startswith(start):
            if not isinstance(value, kind):
                from webhook.cel.value.operators import type_of  # an import at the top would be circular

                declared = type_of(value)
                shown = _PARAMETERS.get(declared.name, declared.name)
                raise EvaluationError(f"unsupported field type for {place}: {shown}")
            return _json(value)
    return _converted(value, native)


_PARAMETERS: Final = {"list": "list(dyn)", "map": "map(dyn, dyn)", "optional_type": "optional_type(dyn)"}
_KINDS: Final[Mapping[str, type[Any]]] = {
    "bool": bool,
    "[]uint8": bytes,
    "float64": float,
    "float32": float,
    "int32": int,
    "int64": int,
    "protoreflect.EnumNumber": int,
    "string": str,
    "uint32": UInt,
    "uint64": UInt,
    "*structpb.Struct": dict,
    "*structpb.ListValue": list,
}
_HIGHEST_SAFE: Final = 2**53 - 1
"""The highest whole number that JSON holds as a number."""


def _converted(value: Any, native: str) -> Any:
    """The value in the form of a Go type. Raises _Unfit."""
    if type(value) is Optional:
        if value is NONE:
            raise _Unfit("optional.none() dereference")
        return _converted(value.value, native)
    kind = _KINDS[native]
    if kind is dict and isinstance(value, dict):
        return _json(value)
    if kind is list and isinstance(value, list):
        return _json(value)
    if kind is list and isinstance(value, dict):
        for key in value:
            field = "null" if key == Key(None) else text(key.value if isinstance(key, Key) else key)
            field = field[:1].upper() + field[1:]
            raise _Unfit(f"type conversion error, no such field '{field}' in type 'structpb.ListValue'")
        return []
    if kind is bytes and isinstance(value, list):
        return bytes([_octet(each) for each in value])
    if kind is str and getattr(value, "cel_type", "") in _TEXTS:
        return str(value)
    number: Any = value
    if type(value) is not kind:
        raise _Unfit(_mismatch(value, native))
    if native in ("int32", "protoreflect.EnumNumber") and not -(2**31) <= number < 2**31:
        raise _Unfit("integer overflow")
    if native == "uint32" and number >= 2**32:
        raise _Unfit("unsigned integer overflow")
    return _single(number) if native == "float32" else value


def _octet(value: Any) -> int:
    if type(value) is not UInt:
        raise _Unfit(_mismatch(value, "uint8"))
    if value > 255:
        raise _Unfit("unsigned integer overflow")
    return int(value)


def _single(value: float) -> float:
    """The nearest number of single precision."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


_UNFIT: Final[Mapping[type, str]] = {
    type(None): "type conversion error from 'null_type' to '{}'",
    bool: "type conversion error from bool to '{}'",
    int: "unsupported type conversion from 'int' to {}",
    UInt: "unsupported type conversion from 'uint' to {}",
    float: "type conversion error from Double to '{}'",
    str: "unsupported native conversion from string to '{}'",
    bytes: "type conversion error from Bytes to '{}'",
    list: "type conversion error from list to '{}'",
    dict: "type conversion error from map to '{}'",
    KeyedMap: "type conversion error from map to '{}'",
    Duration: "type conversion error from 'Duration' to '{}'",
    Timestamp: "type conversion error from 'Timestamp' to '{}'",
    Type: "type conversion not supported for 'type'",
}


def _mismatch(value: Any, native: str) -> str:
    """The error of a value that a Go type cannot hold."""
    if type(value) is Message:
        other = {"*structpb.Struct": "Struct", "*structpb.ListValue": "ListValue"}.get(native)
        if other is None:
            return f"type conversion error from '*dynamicpb.Message' to '{native}'"
        merged = f"{PREFIX}{other}, {value.cel_type}"
        return f"type conversion error: pb.Merge() arguments must be the same type. got: {merged}"
    found = _UNFIT.get(type(value))
    if found is None and isinstance(value, list | dict):
        found = _UNFIT[list if isinstance(value, list) else dict]
    if found is not None:
        return found.format(native)
    name = str(getattr(value, "cel_type", ""))
    shown = "Format" if name == "kubernetes.NamedFormat" else _TEXTS.get(name, name)
    return f"type conversion error from '{shown}' to '{native}'"


_TEXTS: Final[Mapping[str, str]] = {
    "kubernetes.Quantity": "Quantity",
    "kubernetes.URL": "URL",
    "kubernetes.Semver": "Semver",
    "net.IP": "IP",
    "net.CIDR": "CIDR",
}
"""The types of Kubernetes whose values a string may hold -> their names in errors."""


def _json(value: Any) -> Any:
    """The value that JSON has for a value; numbers are doubles. Raises _Unfit."""
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is str:
        return value
    if kind is int or kind is UInt:
        return float(value) if -_HIGHEST_SAFE <= value <= _HIGHEST_SAFE else str(int(value))
    if kind is bytes:
        return base64.b64encode(value).decode()
    if kind is Duration or kind is Timestamp:
        return str(value)
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, dict):
        keys = value.keys_as_values() if isinstance(value, KeyedMap) else value
        return {_key(key): _json(held) for key, held in zip(keys, value.values(), strict=True)}
    if kind is Optional:
        if value is NONE:
            raise _Unfit("optional.none() dereference")
        return _json(value.value)
    if kind is Message and value.cel_type in TYPES:
        return {}
    raise _Unfit(_mismatch(value, _JSON))


def _key(key: Any) -> str:
    return str(_converted(key, "string"))


_ZEROS: Final = {
    types.BOOL: False,
    types.BYTES: b"",
    types.DOUBLE: 0.0,
    types.INT: 0,
    types.STRING: "",
    types.UINT: UInt(0),
}


def _wrapped(name: str, fields: Mapping[str, Any]) -> Any:
    return fields["value"] if fields else _ZEROS[FIELDS[name]["value"]]


def _value(_: str, fields: Mapping[str, Any]) -> Any:
    """The field that was set last, as these fields exclude each other."""
    for field, value in reversed(list(fields.items())):
        return None if field == "null_value" else value
    return None


def _any(*_: Any) -> Any:
    raise EvaluationError("unsupported conversion to ref.Val: (*dynamicpb.Message)")


def _nanoseconds(fields: Mapping[str, Any]) -> int:
    return int(fields.get("seconds", 0)) * NANO + int(fields.get("nanos", 0))


def _duration(_: str, fields: Mapping[str, Any]) -> Duration:
    return Duration(max(-(2**63), min(_nanoseconds(fields), 2**63 - 1)))


_FINISH: Final[Mapping[str, Callable[[str, Mapping[str, Any]], Any]]] = {
    f"{PREFIX}Any": _any,
    f"{PREFIX}Duration": _duration,
    EMPTY_NAME: lambda name, _: Message(name, {}),
    f"{PREFIX}ListValue": lambda _, fields: fields.get("values", []),
    f"{PREFIX}Struct": lambda _, fields: fields.get("fields", {}),
    f"{PREFIX}Timestamp": lambda _, fields: Timestamp(_nanoseconds(fields)),
    f"{PREFIX}Value": _value,
}
