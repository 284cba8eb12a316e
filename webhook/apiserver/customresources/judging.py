"""What the API server makes of an object of a custom kind: the object that it stores, or why it refuses it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from webhook.apiserver import decoding
from webhook.apiserver.customresources import coercing, objectmeta, openapi, rules
from webhook.apiserver.customresources.coercing import copied
from webhook.apiserver.customresources.correlation import Correlated
from webhook.apiserver.customresources.definitions import Kind
from webhook.apiserver.customresources.embedded import embedded_refusals
from webhook.apiserver.customresources.listtypes import duplicates
from webhook.apiserver.customresources.objectmeta import MetadataError
from webhook.apiserver.customresources.rules import Node
from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import REQUIRED, TOO_LONG, TOO_MANY, UNSUPPORTED, FieldError, invalid
from webhook.apiserver.gotypes import OBJECT_META
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.names import dns_subdomain
from webhook.paths import Path


class Decoded(Struct):
    """An object after decoding: pruned, without nulls that mean absence, with defaults.

    unknown: the paths of fields that were pruned, or that metadata does not have. failed: the API server's text if it
    cannot decode the object; `value` is then the object as far as it came. failed_path: where.
    """

    value: dict[str, Any]
    unknown: list[Path] = field(default_factory=list)
    failed: str = ""
    failed_path: Path = ()


def decoded(kind: Kind, value: dict[str, Any]) -> Decoded:
    """Decode an object of the kind. `value` is not changed."""
    made = copied(value)
    result = Decoded(made)
    meta: dict[str, Any] | None = None
    if "metadata" in made:
        try:
            meta, fields = objectmeta.decoded(made["metadata"])
        except MetadataError as error:
            result.failed, result.failed_path = str(error), ("metadata", *error.path)
            return result
        result.unknown += (("metadata", *field) for field in fields)
    result.unknown += coercing.prune(made, kind.schema, root=True)
    coercing.remove_nulls(made, kind.schema)
    failed, fields_ = coercing.coerce_embedded(made, kind.schema)
    if failed is not None:
        result.failed, result.failed_path = failed.text, failed.path
        return result
    result.unknown += fields_
    if meta is not None:
        made["metadata"] = meta
    coercing.set_defaults(made, kind.schema)
    return result


def known_fields(kind: Kind, path: Path) -> tuple[str, ...]:
    """The names that the schema has for the fields of the object at a path."""
    if path[:1] == ("metadata",):
        return decoding.fields(OBJECT_META) if len(path) == 1 else ()
    schema: Schema | None = kind.schema
    for step in path:
        if schema is None:
            return ()
        schema = schema.items if isinstance(step, int) else schema.properties.get(step, schema.values)
    return tuple(schema.properties) if schema is not None else ()


def defaulted(kind: Kind, value: dict[str, Any]) -> dict[str, Any]:
    """An object with the defaults of its kind, as after each mutation. `value` is not changed."""
    made: dict[str, Any] = copied(value)
    coercing.set_defaults(made, kind.schema)
    return made


def prepared(kind: Kind, value: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    """The decoded object as it will be stored: the status of a create or update is dropped where it is a subresource.

    `value` is not changed, but what it holds is shared.
    """
    made = dict(value)
    if kind.status:
        made.pop("status", None)
        if old is not None and "status" in old:
            made["status"] = old["status"]
    return made


def refusals(kind: Kind, value: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
    """Why the API server refuses an object of the kind. Both objects are decoded and prepared."""
    found = list(_type_meta(kind, value))
    if found:
        found += _after_schema(kind, value, old)
        return _with_rules(kind, value, old, found)
    meta = value.get("metadata") or {}
    if old is None:
        found += metadata.of_created(meta, dns_subdomain, namespaced=kind.namespaced, named=False)
        found += openapi.validate(value, kind.schema, kind.target)
    else:
        found += metadata.of_updated(meta, old.get("metadata") or {})
        found += openapi.validate_update(Correlated(value, old, kind.schema), kind.target)
    found += _scale(kind, value)
    found += _after_schema(kind, value, old)
    return _with_rules(kind, value, old, found)


def _after_schema(kind: Kind, value: dict[str, Any], old: dict[str, Any] | None) -> list[FieldError]:
    found = embedded_refusals(value, kind.schema)
    if old is None or not any(True for _ in duplicates(old, kind.schema)):
        found += duplicates(value, kind.schema)
    return found


_BLOCKING: Final = frozenset({UNSUPPORTED, REQUIRED, TOO_LONG, TOO_MANY})
_BLOCKED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)


def _with_rules(
    kind: Kind, value: dict[str, Any], old: dict[str, Any] | None, found: list[FieldError]
) -> list[FieldError]:
    node = _rules(kind)
    if node is None:
        return found
    if any(error.kind in _BLOCKING or error.wrong_type for error in found):
        return [*found, invalid((), None, _BLOCKED)]
    return [*found, *rules.validate(node, value, None if old is None else Correlated(value, old, kind.schema))]


@lru_cache(maxsize=256)
def _rules(kind: Kind) -> Node | None:
    return rules.compiled(kind.schema, kind.target)


def _type_meta(kind: Kind, value: dict[str, Any]) -> list[FieldError]:
    found: list[FieldError] = []
    if value.get("kind") != kind.kind:
        found.append(invalid(("kind",), value.get("kind"), f"must be {kind.kind}"))
    if value.get("apiVersion") != kind.api_version:
        found.append(invalid(("apiVersion",), value.get("apiVersion"), f"must be {kind.api_version}"))
    return found


_MAX_REPLICAS: Final = 2**31 - 1
_GO_TYPES: Final = {
    str: "string",
    bool: "bool",
    float: "float64",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


def _scale(kind: Kind, value: dict[str, Any]) -> list[FieldError]:
    if kind.scale is None:
        return []
    found: list[FieldError] = []
    for name in ("specReplicasPath", "statusReplicasPath"):
        text = kind.scale.get(name) or ""
        path: Path = tuple(text.removeprefix(".").split("."))
        replicas, wrong = _number_at(value, path)
        if wrong:
            found.append(replace(invalid(path, 0, wrong), field=text))
        elif replicas < 0:
            found.append(replace(invalid(path, replicas, "should be a non-negative integer"), field=text))
        elif replicas > _MAX_REPLICAS:
            words = f"should be less than or equal to {_MAX_REPLICAS}"
            found.append(replace(invalid(path, replicas, words), field=text))
    return found


def _number_at(value: Any, path: Path) -> tuple[int, str]:
    """The number at a path, 0 if there is none; and the API server's text if it is of another type."""
    for place, step in enumerate(path):
        if not isinstance(value, dict):
            shown = "".join(f".{each}" for each in path[:place])
            kind = _GO_TYPES.get(type(value), "int64" if type(value) is int else "<nil>")
            return 0, f"{shown} accessor error: {value} is of the type {kind}, expected map[string]interface{{}}"
        if step not in value:
            return 0, ""
        value = value[step]
    if type(value) is not int:
        shown = "".join(f".{each}" for each in path)
        kind = _GO_TYPES.get(type(value), "<nil>")
        return 0, f"{shown} accessor error: {value} is of the type {kind}, expected int64"
    return value, ""
