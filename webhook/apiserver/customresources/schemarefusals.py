"""Schemas that the API server refuses in a definition (k8s.io/apiextensions-apiserver,
pkg/apis/apiextensions/validation): what a schema may say, its defaults, and its rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from webhook.apiserver.customresources import openapi, rules, structurality
from webhook.apiserver.customresources.coercing import META_FIELDS, coerce_embedded, copied, prune
from webhook.apiserver.customresources.correlation import Correlated, same
from webhook.apiserver.customresources.embedded import embedded_refusals
from webhook.apiserver.customresources.estimating import CRD_LIMIT, RULE_LIMIT, estimated, exceeded
from webhook.apiserver.customresources.fieldpaths import FieldPathError, parsed
from webhook.apiserver.customresources.rules import Compiled
from webhook.apiserver.customresources.ruletypes import REQUEST, Declared, declared, escaped
from webhook.apiserver.customresources.structural import SUPPORTED_TYPES, Rule, Schema
from webhook.apiserver.fielderrors import (
    OMITTED,
    FieldError,
    forbidden,
    invalid,
    named,
    not_supported,
    required,
)
from webhook.cel.cost.estimates import product
from webhook.paths import Path
from webhook.versions import Version


def refusals(schema: Schema, version: Version) -> list[FieldError]:
    """The refusals of a definition's schema."""
    unsupported = structurality.unsupported(schema)
    found: list[FieldError] = []
    sound = False
    if not unsupported:
        found = structurality.refusals(schema)
        if not found:
            found = list(_defaults(schema, version))
            sound = not found
    checking = _Checking(version)
    checked = checking.schema(schema, _Place(root=True), _Types(schema, 1) if sound else None)
    found = [*found, *checked.schema, *checked.rules]
    if not found and unsupported:
        found = [invalid(schema.path, "", unsupported)]
    return [*found, *checking.total(schema)]


# --------------------------------------------------------------------------------------------------------- defaults


def _defaults(schema: Schema, version: Version) -> Iterator[FieldError]:
    yield from _defaults_below(schema, version, schema, (), resource=True, inside_meta=False)


def _defaults_below(
    schema: Schema, version: Version, root: Schema, steps: Path, *, resource: bool, inside_meta: bool
) -> Iterator[FieldError]:
    if schema.embedded:
        inside_meta, root, steps = False, schema, ()
    if schema.default is not None:
        yield from _default(schema, version, root, steps, inside_meta=inside_meta)
    if schema.items is not None:
        yield from _defaults_below(schema.items, version, root, (*steps, 0), resource=False, inside_meta=inside_meta)
    for name, each in schema.properties.items():
        within = inside_meta or ((resource or schema.embedded) and name in META_FIELDS)
        yield from _defaults_below(each, version, root, (*steps, name), resource=False, inside_meta=within)


def _default(schema: Schema, version: Version, root: Schema, steps: Path, *, inside_meta: bool) -> Iterator[FieldError]:
    path = (*schema.path, "default")
    value = schema.default
    if inside_meta:
        whole = copied(value)
        for step in reversed(steps):
            whole = [whole] if isinstance(step, int) else {step: whole}
        whole = {"kind": "Validation", "apiVersion": "validation/v1", **whole}
        error, _ = coerce_embedded(whole, root, root=True)
        errors = [error] if error is not None else embedded_refusals(whole, root, root=True)
        if errors:
            words = ", ".join(each.text for each in errors)
            words = f"[{words}]" if len(errors) > 1 else words
            yield invalid(path, value, f"must result in valid metadata: {words}")
            return
    else:
        pruned = copied(value)
        prune(pruned, schema, root=False)
        if not same(pruned, value):
            yield invalid(path, value, "must not have unknown fields")
        error, _ = coerce_embedded(copied(value), schema)
        errors = [error] if error is not None else embedded_refusals(value, schema)
        if errors:
            yield from (_below(path, each) for each in errors)
            return
    errors = openapi.validate(value, schema, version)
    node = None
    if not errors:
        node = rules.compiled(schema, version, root=schema is root)
    if node is not None:
        errors = rules.validate(node, value, Correlated(value, value, schema)) or rules.validate(node, value)
    yield from (_below(path, each) for each in errors)


def _below(path: Path, error: FieldError) -> FieldError:
    """A refusal within a default, at its place in the definition."""
    name = named((*path, *error.path)) if error.field is None else named(path)
    return replace(error, path=(*path, *error.path), field=name)


# ---------------------------------------------------------------------------------------------------------- schemas


class _Place(Struct, frozen=True):
    """Where a schema stands. uncorrelated: the first schema above whose values have no old value beside them."""

    root: bool = False
    inside_meta: bool = False
    no_defaults: str | None = None
    uncorrelated: Path | None = None

    def below(self, schema: Schema, *, correlated: bool) -> _Place:
        where = self.uncorrelated if correlated or self.uncorrelated is not None else schema.path
        return replace(self, root=False, uncorrelated=where)


class _Types:
    """The type of a schema, if a rule is on it or above; and how often its values may be in an object."""

    def __init__(self, schema: Schema, cardinality: int | None, within: bool = False) -> None:
        self.schema = schema
        self.cardinality = cardinality
        self.within = within or bool(schema.rules)
        self.root = True
        self._from_parent: Declared | None = None
        self._declared: Declared | None = None

    def below(self, schema: Schema, known: str) -> _Types:
        made = _Types(schema, self._times(), self.within)
        made.root = schema.embedded
        if self.within:
            own = self.declared()
            if own is not None and known == "element":
                made._from_parent = own.element
            elif own is not None and own.fields is not None:
                made._from_parent = own.fields.get(escaped(known) or "")
        return made

    def declared(self) -> Declared | None:
        if self._declared is None:
            self._declared = self._from_parent or declared(self.schema, root=self.root)
        return self._declared

    def _times(self) -> int | None:
        schema = self.schema
        if schema.type == "object":
            most = 1 if schema.additional is None else schema.max_properties
        else:
            most = schema.max_items if schema.type == "array" else 1
        if self.cardinality is None or most is None:
            return None
        return product(self.cardinality, max(most, 0))


class _Found(Struct):
    schema: list[FieldError] = field(default_factory=list)
    rules: list[FieldError] = field(default_factory=list)

    def add(self, other: _Found) -> None:
        self.schema += other.schema
        self.rules += other.rules


class _Checking:
    def __init__(self, version: Version) -> None:
        self.version = version
        self.cost = 0
        self.expensive: list[tuple[int, Path]] = []

    def schema(self, schema: Schema, place: _Place, known: _Types | None) -> _Found:
        found = _Found(list(_keywords(schema, place)))
        path = schema.path
        if schema.additional is not None and schema.properties and schema.additional is not True:
            words = "additionalProperties and properties are mutual exclusive"
            found.schema.append(forbidden((*path, "additionalProperties"), words))
        if schema.values is not None:
            below = place.below(schema, correlated=True)
            if place.inside_meta:
                below = replace(below, no_defaults="inside additionalProperties applying to object metadata")
            found.add(self.schema(schema.values, below, known and known.below(schema.values, "element")))
        for name, each in schema.properties.items():
            below = place.below(schema, correlated=schema.map_type in (None, "granular", "atomic"))
            if (place.root or schema.embedded) and name in META_FIELDS:
                below = replace(below, inside_meta=True)
                if place.root:
                    below = replace(below, no_defaults=f"in top-level {name}")
            found.add(self.schema(each, below, known and known.below(each, name)))
        for _, each in schema.quantified:
            found.add(self.schema(each, place.below(schema, correlated=True), None))
        if schema.items is not None:
            below = place.below(schema, correlated=schema.list_type == "map")
            found.add(self.schema(schema.items, below, known and known.below(schema.items, "element")))
        found.schema += _extensions(schema)
        found.schema += (error for rule in schema.rules for error in _rule(rule, schema))
        if schema.rules and not found.schema and known is not None:
            found.rules += self.rules(schema, known, place)
        return found

    def rules(self, schema: Schema, known: _Types, place: _Place) -> Iterator[FieldError]:
        type_ = known.declared()
        if type_ is None:
            return
        times = known.cardinality
        if times is None:
            times = REQUEST // (type_.size + 1)
        for rule in rules.compile_rules(schema, type_, self.version):
            here = (*rule.rule.path, "rule")
            yield from self.cost_of(rule, type_, times, here)
            if rule.error:
                yield invalid(here, rule.rule.rule, rule.error)
            if rule.message_error:
                there = (*rule.rule.path, "messageExpression")
                yield invalid(there, rule.rule.message_expression, rule.message_error)
            if rule.uses_old:
                if place.uncorrelated is not None:
                    where = named(place.uncorrelated)
                    words = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {where}"
                    yield invalid(here, rule.rule.rule, words)
            elif rule.rule.optional_old_self is not None:
                words = "may not be set if oldSelf is not used in rule"
                yield invalid((*rule.rule.path, "optionalOldSelf"), rule.rule.optional_old_self, words)

    def cost_of(self, rule: Compiled, type_: Declared, times: int, here: Path) -> Iterator[FieldError]:
        if rule.program is not None:
            cost = product(rule.program.followed(partial(estimated, rule.program.tree, type_)), times)
            if cost > RULE_LIMIT:
                yield forbidden(here, exceeded("estimated rule cost", cost, RULE_LIMIT))
            self.observe(cost, here)
        if rule.message is not None:
            there = (*rule.rule.path, "messageExpression")
            cost = rule.message.followed(partial(estimated, rule.message.tree, type_))
            if cost > RULE_LIMIT:
                yield forbidden(there, exceeded("estimated messageExpression cost", cost, RULE_LIMIT))
            self.observe(cost, there)

    def observe(self, cost: int, path: Path) -> None:
        self.cost += cost
        if cost >= CRD_LIMIT // 100:
            self.expensive.append((cost, path))

    def total(self, schema: Schema) -> Iterator[FieldError]:
        """The refusals of rules that together cost too much."""
        if self.cost <= CRD_LIMIT:
            return
        worst = sorted(self.expensive, key=lambda each: -each[0])[:4]
        for _, path in worst:
            words = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield forbidden(path, words)
        name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield forbidden(schema.path, exceeded(name, self.cost, CRD_LIMIT))


_NOT_SUPPORTED: Final = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


def _keywords(schema: Schema, place: _Place) -> Iterator[FieldError]:
    path = schema.path
    if schema.type and schema.type not in SUPPORTED_TYPES:
        yield not_supported((*path, "type"), schema.type, SUPPORTED_TYPES)
    if schema.default is not None and place.no_defaults is not None:
        yield forbidden((*path, "default"), f"must not be set {place.no_defaults}")
    for keyword in _NOT_SUPPORTED:
        value = schema.written.get(keyword)
        if value is not None and (value or keyword in ("additionalItems", "dependencies", "$ref")):
            yield forbidden((*path, keyword), f"{keyword} is not supported")
    if schema.type == "null":
        yield forbidden((*path, "type"), "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.written.get("items"), list) and schema.written["items"]:
        yield forbidden((*path, "items"), "items must be a schema object and not an array")
    if place.inside_meta and schema.embedded:
        yield forbidden((*path, "x-kubernetes-embedded-resource"), "must not be used inside of resource meta")
    if schema.unique_items:
        words = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden((*path, "uniqueItems"), words)


def _typed(schema: Schema, kind: str, keyword: str) -> Iterator[FieldError]:
    words = f"must be {kind} if {keyword} is specified"
    here = (*schema.path, "type")
    if schema.type != kind:
        yield invalid(here, schema.type, words) if schema.type else required(here, words)


def _extensions(schema: Schema) -> Iterator[FieldError]:
    path, list_type, items = schema.path, schema.list_type, schema.items
    if schema.preserve is False:
        yield invalid((*path, "x-kubernetes-preserve-unknown-fields"), False, "must be true or undefined")
    if schema.map_type is not None:
        yield from _typed(schema, "object", "x-kubernetes-map-type")
        if schema.map_type not in ("atomic", "granular"):
            yield not_supported((*path, "x-kubernetes-map-type"), schema.map_type, ("atomic", "granular"))
    if list_type is not None:
        wrong = list(_typed(schema, "array", "x-kubernetes-list-type"))
        yield from wrong
        if not wrong and list_type == "set" and items is not None:
            yield from _set_items(items)
        if list_type not in ("atomic", "set", "map"):
            yield not_supported((*path, "x-kubernetes-list-type"), list_type, ("atomic", "set", "map"))
    if schema.map_keys and list_type != "map":
        here, words = (*path, "x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty"
        yield required(here, words) if list_type is None else invalid(here, list_type, words)
    if list_type == "map":
        yield from _map_items(schema)
    if items is not None and list_type in ("set", "map"):
        if items.nullable:
            words = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
            yield forbidden((*path, "items", "nullable"), words)
        if list_type == "map":
            yield from _map_keys(schema, items)


def _set_items(items: Schema) -> Iterator[FieldError]:
    words = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.type == "array" and items.list_type not in (None, "atomic"):
        yield invalid((*items.path, "x-kubernetes-list-type"), items.list_type, words)
    if items.type == "object" and items.map_type != "atomic":
        yield invalid((*items.path, "x-kubernetes-map-type"), items.list_type, words)


def _map_items(schema: Schema) -> Iterator[FieldError]:
    path, items = schema.path, schema.items
    here = (*path, "x-kubernetes-list-map-keys")
    if not schema.map_keys:
        yield required(here, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        if "items" not in schema.written:
            yield required((*path, "items"), "must have a schema if x-kubernetes-list-type is map")
        else:
            words = "must only have a single schema if x-kubernetes-list-type is map"
            yield invalid((*path, "items"), OMITTED, words)
        return
    if items.type != "object":
        words = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid((*items.path, "type"), items.type, words)
        return
    seen: set[str] = set()
    for name in schema.map_keys:
        key = items.properties.get(name)
        if key is None:
            yield invalid(here, list(schema.map_keys), "entries must all be names of item properties")
        elif key.type in ("array", "object"):
            words = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid((*key.path, "type"), items.type, words)
        if name in seen:
            yield invalid(here, list(schema.map_keys), "must not contain duplicate entries")
        seen.add(name)


def _map_keys(schema: Schema, items: Schema) -> Iterator[FieldError]:
    for name in schema.map_keys:
        key = items.properties.get(name)
        if key is None:
            continue
        words = "this property is in x-kubernetes-list-map-keys, so it"
        if name not in items.required and key.default is None:
            yield required((*key.path, "default"), f"{words} must have a default or be a required property")
        if key.nullable:
            yield forbidden((*key.path, "nullable"), f"{words} cannot be nullable")


_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_BREAK = re.compile("[\n\r]")


def _rule(rule: Rule, schema: Schema) -> Iterator[FieldError]:
    path = rule.path
    text, message = rule.rule.strip(), rule.message.strip()
    if not text:
        yield required((*path, "rule"), "rule is not specified")
    elif rule.message and not message:
        yield invalid((*path, "message"), rule.message, "must be non-empty if specified")
    elif _BREAK.search(message):
        yield invalid((*path, "message"), rule.message, "must not contain line breaks")
    elif _BREAK.search(text) and not message:
        yield required((*path, "message"), "message must be specified if rule contains line breaks")
    if rule.message_expression and not rule.message_expression.strip():
        yield required((*path, "messageExpression"), "messageExpression must be non-empty if specified")
    if rule.reason is not None and rule.reason not in _REASONS:
        yield not_supported((*path, "reason"), rule.reason, _REASONS)
    if rule.field_path and not rule.field_path.strip():
        yield invalid((*path, "fieldPath"), rule.field_path, "must be non-empty if specified")
    if _BREAK.search(rule.field_path):
        yield invalid((*path, "fieldPath"), rule.field_path, "must not contain line breaks")
    if rule.field_path:
        try:
            parsed(rule.field_path, schema)
        except FieldPathError:
            yield invalid((*path, "fieldPath"), rule.field_path, "must be a valid path")
