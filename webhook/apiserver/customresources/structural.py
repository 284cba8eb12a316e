"""The schemas of CustomResourceDefinitions (JSONSchemaProps of apiextensions.k8s.io/v1) as Python objects.

A schema is untrusted: its depth and size are bounded here, and a field of a wrong type is an error at its path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

from webhook.apiserver.fielderrors import Key
from webhook.paths import Path

MAX_DEPTH: Final = 100
"""Levels of schemas within schemas. The recursion of everything that walks a schema is bounded by it."""

MAX_NODES: Final = 100_000
"""Schemas in one definition."""

SUPPORTED_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")


class SchemaError(Exception):
    """A part of a schema that the API server cannot decode. `path`: of the part."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


class Rule(Struct, frozen=True):
    """One of `x-kubernetes-validations`. path: of the rule in the definition."""

    path: Path
    rule: str
    message: str
    message_expression: str
    reason: str | None
    field_path: str
    optional_old_self: bool | None


class Schema(Struct, eq=False):
    """A schema, with Go's zero values for what is absent. A schema only equals itself; nothing changes it after it is
    read. `written`: the keywords that are not zero; see JSONSchemaProps for the others. path: in the definition.
    """

    path: Path
    written: dict[str, Any]
    type: str = ""
    nullable: bool = False
    default: Any = None
    embedded: bool = False
    int_or_string: bool = False
    preserve: bool | None = None
    list_type: str | None = None
    map_keys: tuple[str, ...] = ()
    map_type: str | None = None
    rules: tuple[Rule, ...] = ()
    properties: dict[str, Schema] = field(default_factory=dict)
    items: Schema | None = None
    additional: Schema | bool | None = None
    """The schema of additionalProperties, or its bool."""
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    not_: Schema | None = None
    format: str = ""
    pattern: str = ""
    maximum: float | None = None
    exclusive_maximum: bool = False
    minimum: float | None = None
    exclusive_minimum: bool = False
    multiple_of: float | None = None
    max_length: int | None = None
    min_length: int | None = None
    max_items: int | None = None
    min_items: int | None = None
    max_properties: int | None = None
    min_properties: int | None = None
    unique_items: bool = False
    enum: tuple[Any, ...] = ()
    required: tuple[str, ...] = ()

    @property
    def values(self) -> Schema | None:
        """The schema of additionalProperties, if it is one."""
        return self.additional if isinstance(self.additional, Schema) else None

    @property
    def quantified(self) -> Iterator[tuple[tuple[str | int, ...], Schema]]:
        """The schemas below not, allOf, anyOf and oneOf, each with its path from here."""
        if self.not_ is not None:
            yield ("not",), self.not_
        for name, schemas in (("allOf", self.all_of), ("anyOf", self.any_of), ("oneOf", self.one_of)):
            for place, schema in enumerate(schemas):
                yield (name, place), schema


def read(value: Any, path: Path) -> Schema:
    """The schema of a JSON value at `path` of a definition. Raises SchemaError."""
    return _Reader().schema(value, path, 0)


_STRINGS = {"type": "type", "format": "format", "pattern": "pattern"}
_OTHER_STRINGS = ("id", "$schema", "description", "title")
_BOOLS = {
    "nullable": "nullable",
    "x-kubernetes-embedded-resource": "embedded",
    "x-kubernetes-int-or-string": "int_or_string",
    "exclusiveMaximum": "exclusive_maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "uniqueItems": "unique_items",
}
_NUMBERS = {"maximum": "maximum", "minimum": "minimum", "multipleOf": "multiple_of"}
_INTEGERS = {
    "maxLength": "max_length",
    "minLength": "min_length",
    "maxItems": "max_items",
    "minItems": "min_items",
    "maxProperties": "max_properties",
    "minProperties": "min_properties",
}
_TEXTS = {"required": "required", "x-kubernetes-list-map-keys": "map_keys"}
_POINTERS = {"x-kubernetes-list-type": "list_type", "x-kubernetes-map-type": "map_type"}
_LISTS = {"allOf": "all_of", "anyOf": "any_of", "oneOf": "one_of"}
_MAPS = ("patternProperties", "definitions")
INT64: Final = range(-(2**63), 2**63)


class _Reader:
    def __init__(self) -> None:
        self.nodes = 0

    def schema(self, value: Any, path: Path, depth: int) -> Schema:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise SchemaError(path, f"the schema is nested too deeply: Gatewright reads {MAX_DEPTH} levels")
        if self.nodes > MAX_NODES:
            raise SchemaError(path, f"the schema is too large: Gatewright reads {MAX_NODES:,} schemas in a definition")
        if not isinstance(value, dict):
            raise _wrong(path, value, "an object")
        written = {name: item for name, item in value.items() if item is not None}
        made = Schema(path, written)
        for name in _OTHER_STRINGS:
            self.typed(written, name, path, str, "a string")
        for name, attribute in _STRINGS.items():
            setattr(made, attribute, self.typed(written, name, path, str, "a string") or "")
        for name, attribute in _BOOLS.items():
            setattr(made, attribute, bool(self.typed(written, name, path, bool, "a boolean")))
        made.preserve = self.typed(written, "x-kubernetes-preserve-unknown-fields", path, bool, "a boolean")
        for name, attribute in _POINTERS.items():
            setattr(made, attribute, self.typed(written, name, path, str, "a string"))
        for name, attribute in _NUMBERS.items():
            number = self.typed(written, name, path, int | float, "a number")
            setattr(made, attribute, None if number is None else float(number))
        for name, attribute in _INTEGERS.items():
            setattr(made, attribute, self.integer(written, name, path))
        for name, attribute in _TEXTS.items():
            texts = self.typed(written, name, path, list, "a list of strings") or []
            for place, text in enumerate(texts):
                if not isinstance(text, str):
                    raise _wrong((*path, name, place), text, "a string")
            setattr(made, attribute, tuple(texts))
        made.default = written.get("default")
        made.enum = tuple(self.typed(written, "enum", path, list, "a list") or ())
        made.rules = self.rules(written, path)
        self.below(made, written, path, depth + 1)
        return made

    def below(self, made: Schema, written: dict[str, Any], path: Path, depth: int) -> None:
        properties = self.typed(written, "properties", path, dict, "an object") or {}
        made.properties = {
            name: self.schema(item, (*path, "properties", Key(name)), depth) for name, item in properties.items()
        }
        items = written.get("items")
        if isinstance(items, dict):
            made.items = self.schema(items, (*path, "items"), depth)
        elif items is not None and not isinstance(items, list):
            raise _wrong((*path, "items"), items, "a schema")
        additional = written.get("additionalProperties")
        if isinstance(additional, bool) or additional is None:
            made.additional = additional
        else:
            made.additional = self.schema(additional, (*path, "additionalProperties"), depth)
        for name, attribute in _LISTS.items():
            listed = self.typed(written, name, path, list, "a list of schemas") or []
            schemas = (self.schema(item, (*path, name, place), depth) for place, item in enumerate(listed))
            setattr(made, attribute, tuple(schemas))
        if "not" in written:
            made.not_ = self.schema(written["not"], (*path, "not"), depth)

    def rules(self, written: dict[str, Any], path: Path) -> tuple[Rule, ...]:
        name = "x-kubernetes-validations"
        found: list[Rule] = []
        for place, item in enumerate(self.typed(written, name, path, list, "a list of rules") or []):
            here = (*path, name, place)
            if not isinstance(item, dict):
                raise _wrong(here, item, "an object")
            text, message, expression = (
                self.typed(item, each, here, str, "a string") or "" for each in ("rule", "message", "messageExpression")
            )
            found.append(
                Rule(
                    here,
                    text,
                    message,
                    expression,
                    self.typed(item, "reason", here, str, "a string"),
                    self.typed(item, "fieldPath", here, str, "a string") or "",
                    self.typed(item, "optionalOldSelf", here, bool, "a boolean"),
                )
            )
        return tuple(found)

    def typed(self, holder: dict[str, Any], name: str, path: Path, kind: Any, words: str) -> Any:
        value = holder.get(name)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _wrong((*path, name), value, words)
        return value

    def integer(self, holder: dict[str, Any], name: str, path: Path) -> int | None:
        value = holder.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value not in INT64:
            raise _wrong((*path, name), value, "an integer")
        return value


_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def _wrong(path: Path, value: Any, words: str) -> SchemaError:
    return SchemaError(path, f"expected {words}, found {_NAMES.get(type(value), 'null')}")
