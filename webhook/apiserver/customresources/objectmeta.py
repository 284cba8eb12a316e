"""The metadata of a custom resource, or of a resource within one, as Go's ObjectMeta holds it.

Values of wrong types are refused, unknown fields and empty values go, null in a map of strings is "".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.values import NANO, Timestamp, parse_timestamp


class MetadataError(Exception):
    """The API server's text for metadata that it cannot decode."""


@dataclass(slots=True)
class _Decoding:
    """unknown: the paths of unknown fields below `metadata`."""

    unknown: list[str]


Decode = Callable[[_Decoding, Any, str, str], Any]
"""Decodes a value. Further arguments: the name of the field in errors, and its path below `metadata`."""


def decoded(value: Any) -> tuple[dict[str, Any], list[str]]:
    """The metadata without what goes, and the paths of its unknown fields, such as `ownerReferences[0].x`.

    Raises MetadataError.
    """
    if value is None:
        return {}, []
    decoding = _Decoding([])
    return _struct(decoding, value, _OBJECT_META, "ObjectMeta", "", ""), decoding.unknown


def _struct(
    decoding: _Decoding, value: Any, fields: dict[str, Decode], name: str, field: str, path: str
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, field, f"v1.{name}")
    made: dict[str, Any] = {}
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        decode = fields.get(key)
        if decode is None:
            decoding.unknown.append(below)
        elif item is not None:
            found = decode(decoding, item, f"{field or name}.{key}", below)
            if found is not None:
                made[key] = found
    return made


def _mismatch(value: Any, field: str, expected: str) -> MetadataError:
    kind = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    if kind == "number" and expected == "int64":
        kind = f"number {value}"
    place = f"Go struct field {field} of type {expected}" if field else f"Go value of type {expected}"
    return MetadataError(f"json: cannot unmarshal {kind} into {place}")


def _text(_: _Decoding, value: Any, field: str, path: str) -> str | None:
    if not isinstance(value, str):
        raise _mismatch(value, field, "types.UID" if field.endswith(".uid") else "string")
    return value or None


def _always_text(_: _Decoding, value: Any, field: str, path: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, field, "types.UID" if field.endswith(".uid") else "string")
    return value


def _integer(_: _Decoding, value: Any, field: str, path: str) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(value, field, "int64")
    return value or None


def _pointed_integer(_: _Decoding, value: Any, field: str, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(value, field, "int64")
    return value


def _pointed_bool(_: _Decoding, value: Any, field: str, path: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, field, "bool")
    return value


def _texts_by_key(_: _Decoding, value: Any, field: str, path: str) -> dict[str, str] | None:
    if not isinstance(value, dict):
        raise _mismatch(value, field, "map[string]string")
    for item in value.values():
        if item is not None and not isinstance(item, str):
            raise _mismatch(item, field, "string")
    return {key: "" if item is None else item for key, item in value.items()} or None


def _texts(_: _Decoding, value: Any, field: str, path: str) -> list[str] | None:
    if not isinstance(value, list):
        raise _mismatch(value, field, "[]string")
    for item in value:
        if item is not None and not isinstance(item, str):
            raise _mismatch(item, field, "string")
    return ["" if item is None else item for item in value] or None


_WHOLE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}([.,]\d+)?([Zz]|[+-]\d{2}:\d{2})")


def _time(_: _Decoding, value: Any, field: str, path: str) -> str | None:
    if not isinstance(value, str):
        raise _mismatch(value, "", "string")
    if not value:
        raise MetadataError('parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"')
    if value == "0001-01-01T00:00:00Z":
        return None
    try:
        moment = parse_timestamp(value)
    except EvaluationError as error:
        raise MetadataError(str(error)) from None
    return str(Timestamp(moment.ns // NANO * NANO))


def _structs(fields: dict[str, Decode], name: str, always: dict[str, Any]) -> Decode:
    def decode(decoding: _Decoding, value: Any, field: str, path: str) -> list[Any] | None:
        if not isinstance(value, list):
            raise _mismatch(value, field, f"[]v1.{name}")
        made: list[Any] = []
        for place, item in enumerate(value):
            known = {} if item is None else _struct(decoding, item, fields, name, field, f"{path}[{place}]")
            made.append({**always, **known})
        return made or None

    return decode


def _any(_: _Decoding, value: Any, field: str, path: str) -> Any:
    return value


_OWNER: Final[dict[str, Decode]] = {
    "apiVersion": _always_text,
    "kind": _always_text,
    "name": _always_text,
    "uid": _always_text,
    "controller": _pointed_bool,
    "blockOwnerDeletion": _pointed_bool,
}
_MANAGED: Final[dict[str, Decode]] = {
    **dict.fromkeys(("manager", "operation", "apiVersion", "fieldsType", "subresource"), _text),
    "time": _time,
    "fieldsV1": _any,
}
_OBJECT_META: Final[dict[str, Decode]] = {
    **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), _text),
    "generation": _integer,
    "creationTimestamp": _time,
    "deletionTimestamp": _time,
    "deletionGracePeriodSeconds": _pointed_integer,
    "labels": _texts_by_key,
    "annotations": _texts_by_key,
    "ownerReferences": _structs(_OWNER, "OwnerReference", dict.fromkeys(("apiVersion", "kind", "name", "uid"), "")),
    "finalizers": _texts,
    "managedFields": _structs(_MANAGED, "ManagedFieldsEntry", {}),
}
