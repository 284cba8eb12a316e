"""What the API server does to a custom resource when it decodes it: pruning, nulls, metadata of embedded resources,
defaults (k8s.io/apiextensions-apiserver, pkg/apiserver/schema).

The functions change the object in place: callers pass their own copy. The objects of manifests are nested within
bounds that recursion can follow.
"""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.customresources import objectmeta
from webhook.apiserver.customresources.objectmeta import MetadataError
from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import FieldError, invalid
from webhook.paths import Path

META_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})


_HOLDERS: Final = (dict, list)
"""What holds other values. A list of 40,000 numbers takes no call for each of them."""


def prune(value: Any, schema: Schema, *, root: bool) -> list[Path]:
    """Remove the fields that the schema does not have. Returns their paths.

    root: `value` is a resource, whose apiVersion, kind and metadata stay.
    """
    unknown: list[Path] = []
    if root and isinstance(value, dict) and not schema.embedded:
        _prune_object(value, schema, (), unknown, embedded=True, preserving=bool(schema.preserve))
    else:
        _prune(value, schema, (), unknown)
    return unknown


def _prune(value: Any, schema: Schema | None, path: Path, unknown: list[Path]) -> None:
    if isinstance(value, dict):
        if schema is None:
            unknown.extend((*path, key) for key in value)
            value.clear()
        else:
            _prune_object(value, schema, path, unknown, embedded=schema.embedded, preserving=bool(schema.preserve))
    elif isinstance(value, list):
        preserving = schema is not None and bool(schema.preserve)
        items = schema.items if schema is not None else None
        for place, item in enumerate(value):
            if not isinstance(item, _HOLDERS):
                continue
            if preserving:
                _preserve(item, items, (*path, place), unknown)
            else:
                _prune(item, items, (*path, place), unknown)


def _prune_object(
    value: dict[str, Any], schema: Schema, path: Path, unknown: list[Path], *, embedded: bool, preserving: bool
) -> None:
    properties, additional = schema.properties, schema.additional
    for key in list(value):
        if embedded and key in META_FIELDS:
            continue
        property_schema = properties.get(key)
        if property_schema is not None:
            _prune(value[key], property_schema, (*path, key), unknown)
        elif additional is not None:
            _prune(value[key], schema.values, (*path, key), unknown)
        elif not preserving:
            unknown.append((*path, key))
            del value[key]


def _preserve(value: Any, schema: Schema | None, path: Path, unknown: list[Path]) -> None:
    """Prune what the schema specifies below a list whose unknown fields are preserved."""
    if schema is None:
        return
    if isinstance(value, dict):
        _prune_object(value, schema, path, unknown, embedded=schema.embedded, preserving=True)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _preserve(item, schema.items, (*path, place), unknown)


def remove_nulls(value: Any, schema: Schema | None) -> None:
    """Remove nulls from fields that are neither nullable nor have a default."""
    if isinstance(value, dict):
        for key in list(value):
            field = _field(key, schema)
            if value[key] is None and field is not None and not field.nullable and field.default is None:
                del value[key]
            else:
                remove_nulls(value[key], field)
    elif isinstance(value, list):
        items = schema.items if schema is not None else None
        for item in value:
            if isinstance(item, _HOLDERS):
                remove_nulls(item, items)


def _field(key: str, schema: Schema | None) -> Schema | None:
    if schema is None:
        return None
    return schema.properties.get(key) or schema.values


def copied(value: Any) -> Any:
    """A copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) if isinstance(item, _HOLDERS) else item for item in value]
    return value


def set_defaults(value: Any, schema: Schema | None) -> None:
    """Set the defaults of absent fields, and of nulls in fields that are not nullable."""
    if schema is None:
        return
    if isinstance(value, dict):
        properties, values = schema.properties, schema.values
        for key, field in properties.items():
            if field.default is not None and (key not in value or (value[key] is None and not field.nullable)):
                value[key] = copied(field.default)
        for key in value:
            field_ = properties.get(key)
            if field_ is not None:
                set_defaults(value[key], field_)
            elif values is not None:
                if value[key] is None and not values.nullable:
                    value[key] = copied(values.default)
                set_defaults(value[key], values)
    elif isinstance(value, list) and schema.items is not None:
        for place, item in enumerate(value):
            if item is None and not schema.items.nullable:
                value[place] = copied(schema.items.default)
            if isinstance(value[place], _HOLDERS):
                set_defaults(value[place], schema.items)


def coerce_embedded(
    value: Any, schema: Schema | None, path: Path = (), *, root: bool = False
) -> tuple[FieldError | None, list[Path]]:
    """Decode the metadata of embedded resources, and check their apiVersion and kind.

    root: `value` is one itself. Returns what the API server refuses to decode, and the unknown fields of metadata.
    """
    unknown: list[Path] = []
    return _coerce(value, schema, path, unknown, embedded=root), unknown


def _coerce(
    value: Any, schema: Schema | None, path: Path, unknown: list[Path], *, embedded: bool = False
) -> FieldError | None:
    if schema is None:
        return None
    if isinstance(value, dict):
        if schema.embedded or embedded:
            error = _coerce_resource(value, path, unknown)
            if error is not None:
                return error
        for key, item in value.items():
            field = schema.properties.get(key)
            error = _coerce(item, field if field is not None else schema.values, (*path, key), unknown)
            if error is not None:
                return error
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if isinstance(item, _HOLDERS):
                error = _coerce(item, schema.items, (*path, place), unknown)
                if error is not None:
                    return error
    return None


def _coerce_resource(value: dict[str, Any], path: Path, unknown: list[Path]) -> FieldError | None:
    for key in ("apiVersion", "kind"):
        if key in value and not isinstance(value[key], str):
            return invalid((*path, key), value[key], "must be a string")
    if "metadata" in value:
        try:
            value["metadata"], fields = objectmeta.decoded(value["metadata"])
        except MetadataError as error:
            return invalid((*path, "metadata"), value["metadata"], str(error))
        unknown.extend((*path, "metadata", *field) for field in fields)
    return None
