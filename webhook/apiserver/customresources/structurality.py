"""Whether a schema is structural (k8s.io/apiextensions-apiserver, pkg/apiserver/schema: validation.go, complete.go).

Every field has a type outside of allOf, anyOf, oneOf and not, and these only restrict what is specified outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import FieldError, Key, forbidden, invalid, named, required
from webhook.cel.library.re2 import compiled
from webhook.cel.tree.errors import EvaluationError
from webhook.paths import Path

_UNSUPPORTED: Final = (
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
)


def unsupported(schema: Schema) -> str:
    """Why the API server cannot read the schema as structural: the first unsupported keyword; "" if there is none."""
    for keyword, name in _UNSUPPORTED:
        value = schema.written.get(keyword)
        if value is not None and (value or keyword == "additionalItems"):
            return f"OpenAPIV3Schema '{name}' is not supported"
    if schema.preserve is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    if isinstance(schema.written.get("items"), list) and schema.written["items"]:
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    parts = [*(each for _, each in schema.quantified), *schema.properties.values()]
    parts += [each for each in (schema.items, schema.values) if each is not None]
    return next((found for found in map(unsupported, parts) if found), "")


def refusals(schema: Schema) -> list[FieldError]:
    """Why the schema is not structural, in the API server's order."""
    found = [*_invariants(schema, "root"), *_incomplete(schema, schema, schema.path, schema.path)]
    return sorted(found, key=lambda error: error.text)


_EMPTY_TYPES: Final = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def _invariants(schema: Schema, level: str) -> Iterator[FieldError]:
    path = schema.path
    if schema.type == "array" and schema.items is None:
        yield required((*path, "items"), "must be specified")
    if schema.items is not None:
        yield from _invariants(schema.items, "item")
    for each in schema.properties.values():
        yield from _invariants(each, "field")
    if schema.additional is not None:
        if level == "root":
            yield forbidden((*path, "additionalProperties"), "must not be used at the root")
        if schema.values is not None:
            yield from _invariants(schema.values, "field")
    if schema.int_or_string and schema.preserve:
        here = (*path, "x-kubernetes-preserve-unknown-fields")
        yield invalid(here, True, "must be false if x-kubernetes-int-or-string is true")
    if schema.int_or_string and schema.embedded:
        here = (*path, "x-kubernetes-embedded-resource")
        yield invalid(here, True, "must be false if x-kubernetes-int-or-string is true")
    first = schema.all_of[0] if schema.all_of else None
    first_is_pattern = first is not None and _is_pattern(first)
    yield from _restrictions(schema, skip_any_of=_is_pattern(schema), skip_first=first_is_pattern)
    yield from _types(schema, level)


def _types(schema: Schema, level: str) -> Iterator[FieldError]:
    path, kind = schema.path, schema.type
    words = "must be object if x-kubernetes-embedded-resource is true"
    if schema.embedded and kind != "object":
        yield invalid((*path, "type"), kind, words) if kind else required((*path, "type"), words)
    elif not kind and not schema.int_or_string and not schema.preserve:
        yield required((*path, "type"), _EMPTY_TYPES[level])
    if schema.embedded and schema.additional is not None:
        words = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden((*path, "additionalProperties"), words)
    if level == "root" and kind and kind != "object":
        yield invalid((*path, "type"), kind, "must be object at the root")
    resource = level == "root" or schema.embedded
    for name in ("kind", "apiVersion"):
        known = schema.properties.get(name)
        if known is not None and resource and known.type != "string":
            yield invalid((*known.path, "type"), known.type, "must be string")
    metadata = schema.properties.get("metadata")
    if metadata is not None:
        if resource and metadata.type != "object":
            yield invalid((*metadata.path, "type"), metadata.type, "must be object")
        if level == "root" and not _only_restricts_names(metadata):
            words = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield forbidden(metadata.path, words)
    if schema.embedded and not schema.preserve and not schema.properties:
        words = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        yield required((*path, "properties"), words)


def _only_restricts_names(metadata: Schema) -> bool:
    names = set(metadata.properties)
    if names and not names <= {"name", "generateName"}:
        return False
    written = {name for name, value in metadata.written.items() if value not in (False, "", [], {})}
    return not written - {"type", "properties", "default"} and metadata.additional is None


def _is_pattern(schema: Schema) -> bool:
    """Whether an anyOf says that a value is an integer or a string, as int-or-string may."""
    if len(schema.any_of) != 2:
        return False
    return [each.written for each in schema.any_of] == [{"type": "integer"}, {"type": "string"}]


def _restrictions(schema: Schema, *, skip_any_of: bool, skip_first: bool) -> Iterator[FieldError]:
    path = schema.path
    if not skip_any_of:
        for each in schema.any_of:
            yield from _nested(each)
    for place, each in enumerate(schema.all_of):
        yield from _nested(each, skip_any_of=skip_first and place == 0)
    for each in schema.one_of:
        yield from _nested(each)
    if schema.not_ is not None:
        yield from _nested(schema.not_)
    if schema.pattern:
        try:
            compiled(schema.pattern)
        except EvaluationError as error:
            words = f"must be a valid regular expression, but isn't: {error}"
            yield invalid((*path, "pattern"), schema.pattern, words)


_FORBIDDEN: Final = (
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)
_POINTERS = frozenset({"default", "x-kubernetes-list-type", "x-kubernetes-map-type"})


def _nested(schema: Schema, *, skip_any_of: bool = False) -> Iterator[FieldError]:
    """The refusals of a schema below allOf, anyOf, oneOf or not."""
    path = schema.path
    yield from _restrictions(schema, skip_any_of=skip_any_of, skip_first=False)
    if schema.items is not None:
        yield from _nested(schema.items)
    for each in schema.properties.values():
        yield from _nested(each)
    if schema.type:
        yield forbidden((*path, "type"), "must be empty to be structural")
    if schema.values is not None or schema.additional is True:
        yield forbidden((*path, "additionalProperties"), "must be undefined to be structural")
    for keyword, words in _FORBIDDEN:
        value = schema.written.get(keyword)
        if value is not None and (value or keyword in _POINTERS):
            yield forbidden((*path, keyword), words)
    if "metadata" in schema.properties:
        yield forbidden((*path, "properties", Key("metadata")), "must not be specified in a nested context")


def _incomplete(nested: Schema, schema: Schema | None, path: Path, nested_path: Path) -> Iterator[FieldError]:
    """What a nested schema restricts, and the schema outside does not specify."""
    for step, each in nested.quantified:
        yield from _incomplete_nested(each, schema, path, (*nested_path, *step))


def _incomplete_nested(nested: Schema, schema: Schema | None, path: Path, nested_path: Path) -> Iterator[FieldError]:
    if schema is None:
        yield required(path, f"because it is defined in {named(nested_path)}")
        return
    yield from _incomplete(nested, schema, path, nested_path)
    if nested.items is not None:
        yield from _incomplete_nested(nested.items, schema.items, (*path, "items"), (*nested_path, "items"))
    for name, each in nested.properties.items():
        step = ("properties", Key(name))
        if name in schema.properties:
            yield from _incomplete_nested(each, schema.properties[name], (*path, *step), (*nested_path, *step))
        else:
            yield required((*path, *step), f"because it is defined in {named((*nested_path, *step))}")
