"""Definitions of ours, and objects of them, that tests put to Gatewright and to the API server's own packages."""

from __future__ import annotations

import copy
import random
from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "integer"}


def definition(schema: dict[str, Any], **version: Any) -> dict[str, Any]:
    """A definition of widgets.example.com, of one version with the schema. version: further fields of the version."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
            ],
        },
    }


def of_spec(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The schema of an object with this spec."""
    return {"type": "object", "properties": {"spec": spec}, **more}


def struct(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    """The schema of an object with properties."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {}), **more}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def ruled(schema: dict[str, Any], *rules: str | dict[str, Any]) -> dict[str, Any]:
    """The schema with rules."""
    written = [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
    return {**schema, "x-kubernetes-validations": written}


def widget(spec: Any = None, **more: Any) -> dict[str, Any]:
    """An object."""
    made: dict[str, Any] = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": "default", "resourceVersion": "1"},
    }
    if spec is not None:
        made["spec"] = spec
    return {**made, **more}


PORT = struct(
    {"name": TEXT, "port": {**NUMBER, "minimum": 1, "maximum": 65535}, "protocol": {**TEXT, "default": "TCP"}}, "port"
)
BASE = struct({"replicas": {**NUMBER, "minimum": 1, "default": 1}, "name": {**TEXT, "maxLength": 5}})
FORMATS = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "k8s-short-name",
    "k8s-long-name",
    "unknown",
]

SOUND: dict[str, dict[str, Any]] = {
    "plain": of_spec(BASE),
    "bounds": of_spec(
        struct(
            {
                "low": {**NUMBER, "minimum": 2, "exclusiveMinimum": True},
                "high": {**NUMBER, "maximum": 9, "exclusiveMaximum": True},
                "real": {"type": "number", "minimum": 0.5, "maximum": 2.5},
                "even": {**NUMBER, "multipleOf": 2},
                "fine": {"type": "number", "multipleOf": 0.01},
                "small": {**NUMBER, "format": "int32"},
                "large": {**NUMBER, "format": "int64", "maximum": 1e18},
                "half": {"type": "number", "format": "float"},
            }
        )
    ),
    "texts": of_spec(
        struct(
            {
                "short": {**TEXT, "maxLength": 3},
                "long": {**TEXT, "minLength": 3},
                "form": {**TEXT, "pattern": "^[a-z]+(-[a-z]+)*$"},
                "one": {**TEXT, "enum": ["a", "b", ""]},
                "number": {**NUMBER, "enum": [1, 2, 3]},
                "mixed": {"x-kubernetes-int-or-string": True, "enum": ["a", 1]},
                "none": {**TEXT, "nullable": True, "enum": ["a"]},
            },
            "short",
        )
    ),
    "formats": of_spec(struct({name: {**TEXT, "format": name} for name in FORMATS})),
    "lists": of_spec(
        struct(
            {
                "few": array(TEXT, minItems=1, maxItems=2),
                "set": array(TEXT, **{"x-kubernetes-list-type": "set"}),
                "numbers": array({"type": "number"}, **{"x-kubernetes-list-type": "set"}),
                "ports": array(
                    {**PORT, "required": ["port"]},
                    **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"]},
                ),
                "pairs": array(
                    PORT, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}
                ),
                "deep": array(array(NUMBER)),
            }
        )
    ),
    "maps": of_spec(
        struct(
            {
                "labels": {"type": "object", "additionalProperties": TEXT, "maxProperties": 2},
                "ports": {"type": "object", "additionalProperties": PORT, "minProperties": 1},
                "lists": {"type": "object", "additionalProperties": array(NUMBER)},
                "any": {"type": "object", "additionalProperties": True},
                "none": {"type": "object"},
            }
        )
    ),
    "preserving": of_spec(
        {**struct({"known": BASE, "inner": {"type": "object"}}), "x-kubernetes-preserve-unknown-fields": True}
    ),
    "preserving root": {**struct({"spec": BASE}), "x-kubernetes-preserve-unknown-fields": True},
    "preserving list": of_spec(
        struct(
            {
                "items": {**array(struct({"a": NUMBER})), "x-kubernetes-preserve-unknown-fields": True},
                "anything": {"x-kubernetes-preserve-unknown-fields": True},
            }
        )
    ),
    "embedded": of_spec(
        struct(
            {
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "typed": {**struct({"spec": BASE}), "x-kubernetes-embedded-resource": True},
                "many": array({**struct({"spec": BASE}), "x-kubernetes-embedded-resource": True}),
            }
        )
    ),
    "int or string": of_spec(
        struct(
            {
                "a": {"x-kubernetes-int-or-string": True},
                "b": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "c": {
                    "x-kubernetes-int-or-string": True,
                    "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "^[0-9]+%?$"}],
                },
                "d": {"x-kubernetes-int-or-string": True, "pattern": "^[0-9]+%$", "maximum": 5},
            }
        )
    ),
    "nullable": of_spec(
        struct(
            {
                "plain": TEXT,
                "nullable": {**TEXT, "nullable": True},
                "both": {**TEXT, "nullable": True, "default": "x"},
                "default": {**TEXT, "default": "x"},
                "object": {**BASE, "nullable": True},
                "list": array({**TEXT, "nullable": True}),
                "strict": array(TEXT),
                "map": {"type": "object", "additionalProperties": {**NUMBER, "nullable": True}},
                "defaults": {"type": "object", "additionalProperties": {**NUMBER, "default": 7}},
                "items": array({**NUMBER, "default": 3}),
            }
        )
    ),
    "defaults": of_spec(
        struct(
            {
                "a": {**BASE, "default": {"name": "x"}},
                "b": {**struct({"c": {**BASE, "default": {}}}), "default": {}},
                "list": {**array(BASE), "default": [{"name": "y"}, {}]},
                "flag": {"type": "boolean", "default": True},
                "real": {"type": "number", "default": 1.5},
                "map": {"type": "object", "additionalProperties": BASE, "default": {"k": {}}},
            },
            default={},
        )
    ),
    "quantified": of_spec(
        struct(
            {"a": TEXT, "b": TEXT, "c": NUMBER, "list": array(BASE)},
            oneOf=[{"required": ["a"]}, {"required": ["b"]}],
            allOf=[{"properties": {"c": {"minimum": 1}}}, {"properties": {"c": {"multipleOf": 5}}}],
        )
    ),
    "any of": of_spec(
        struct(
            {"a": TEXT, "c": NUMBER, "d": NUMBER},
            anyOf=[{"required": ["a"], "properties": {"a": {"minLength": 2}}}, {"required": ["c", "d"]}],
        )
    ),
    "not": of_spec(struct({"a": TEXT, "c": NUMBER}, **{"not": {"required": ["a", "c"]}})),
    "nested quantified": of_spec(
        struct(
            {"items": array(struct({"kind": TEXT, "size": NUMBER}), allOf=[{"items": {"required": ["kind"]}}])},
            oneOf=[
                {"properties": {"items": {"maxItems": 1}}},
                {"properties": {"items": {"minItems": 1, "items": {"anyOf": [{"required": ["size"]}]}}}},
            ],
        )
    ),
    "rules": of_spec(
        ruled(
            struct({"low": NUMBER, "high": NUMBER, "name": TEXT, "real": {"type": "number"}}),
            "!has(self.low) || !has(self.high) || self.low <= self.high",
            {
                "rule": "!has(self.name) || self.name.startsWith('x')",
                "message": "name begins with x",
                "fieldPath": ".name",
            },
            {
                "rule": "!has(self.low) || self.low != 3",
                "messageExpression": "'low is ' + (self.low > 2 ? 'high' : 'low')",
                "reason": "FieldValueForbidden",
                "fieldPath": ".low",
            },
            {"rule": "!has(self.real) || self.real < 3.5 || self.real == 7.0", "reason": "FieldValueRequired"},
            {"rule": "!has(self.high) || 100 / self.high > 1", "message": " spaces "},
        )
    ),
    "scalar rules": of_spec(
        struct(
            {
                "name": ruled(TEXT, {"rule": "self.size() < 4", "reason": "FieldValueDuplicate"}),
                "count": ruled(
                    NUMBER, "self % 2 == 0", {"rule": "self > 0", "messageExpression": "'%d'.format([self])"}
                ),
                "list": ruled(array(TEXT, maxItems=10), "self.all(x, x != 'bad')"),
                "port": ruled(
                    {"x-kubernetes-int-or-string": True}, "type(self) == int ? self < 5 : self.endsWith('%')"
                ),
                "mixed": ruled({"x-kubernetes-int-or-string": True}, "self < 5"),
            }
        )
    ),
    "transitions": of_spec(
        ruled(
            struct(
                {
                    "fixed": ruled(TEXT, {"rule": "self == oldSelf", "message": "fixed"}),
                    "growing": ruled(NUMBER, "self >= oldSelf"),
                    "once": ruled(
                        TEXT,
                        {
                            "rule": "oldSelf.hasValue() ? self == oldSelf.value() : self == 'new'",
                            "optionalOldSelf": True,
                        },
                    ),
                    "ports": array(
                        {
                            **ruled(struct({"name": TEXT, "port": NUMBER}, "name"), "self.port >= oldSelf.port"),
                        },
                        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
                    ),
                    "map": {"type": "object", "additionalProperties": ruled(NUMBER, "self != oldSelf + 1")},
                }
            ),
            "has(self.fixed) == has(oldSelf.fixed)",
        )
    ),
    "ratcheted": of_spec(
        struct(
            {
                "name": ruled({**TEXT, "maxLength": 3}, "self != 'no'"),
                "set": array({**TEXT, "maxLength": 2}, **{"x-kubernetes-list-type": "set"}),
                "ports": array(
                    ruled(struct({"name": TEXT, "port": {**NUMBER, "maximum": 10}}, "name"), "self.port != 5"),
                    **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
                ),
                "map": {"type": "object", "additionalProperties": {**NUMBER, "minimum": 3}},
                "one": struct({"a": TEXT, "b": TEXT}, oneOf=[{"required": ["a"]}, {"required": ["b"]}]),
            }
        )
    ),
    "escaped": of_spec(
        ruled(
            struct({"namespace": TEXT, "a-b": NUMBER, "x.y/z": TEXT, "a__b": TEXT, "0bad": NUMBER, "if": NUMBER}),
            "!has(self.__namespace__) || self.__namespace__ == 'n'",
            "!has(self.a__dash__b) || self.a__dash__b > 1",
            "!has(self.x__dot__y__slash__z) || self.x__dot__y__slash__z != ''",
            "!has(self.a__underscores__b) || self.a__underscores__b != ''",
            "!has(self.__if__) || self.__if__ == 2",
        )
    ),
    "compared": of_spec(
        ruled(
            struct(
                {
                    "set": array({**TEXT, "maxLength": 5}, maxItems=10, **{"x-kubernetes-list-type": "set"}),
                    "list": array({**TEXT, "maxLength": 5}, maxItems=10),
                    "ports": array(
                        struct({"name": {**TEXT, "maxLength": 5}, "port": NUMBER}, "name"),
                        maxItems=10,
                        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
                    ),
                    "other": struct({"n": NUMBER, "s": {**TEXT, "maxLength": 3}}),
                }
            ),
            "!has(self.set) || self.set == ['a', 'b']",
            "!has(self.list) || self.list == ['a', 'b']",
            "!has(self.set) || (self.set + ['a']).size() == self.set.size()",
            "!has(self.set) || !has(self.list) || self.set == self.list",
            "!has(self.ports) || (self.ports + self.ports) == self.ports",
            "!has(self.ports) || self.ports.all(p, self.ports.exists_one(q, q.name == p.name))",
            "!has(self.set) || 'a' in self.set",
            "!has(self.set) || self.set.filter(s, s != 'c').size() > 0",
        )
    ),
    "compared on update": of_spec(
        struct(
            {
                "whole": ruled(
                    struct({"a": NUMBER, "set": array(TEXT, maxItems=5, **{"x-kubernetes-list-type": "set"})}),
                    "self == oldSelf",
                ),
                "loose": ruled(
                    {**struct({"a": NUMBER}), "x-kubernetes-preserve-unknown-fields": True}, "self == oldSelf"
                ),
                "map": ruled({"type": "object", "maxProperties": 5, "additionalProperties": TEXT}, "self == oldSelf"),
            }
        )
    ),
    "typed formats": of_spec(
        ruled(
            struct(
                {
                    "wait": {**TEXT, "format": "duration"},
                    "at": {**TEXT, "format": "date-time"},
                    "day": {**TEXT, "format": "date"},
                    "blob": {**TEXT, "format": "byte"},
                }
            ),
            "!has(self.wait) || self.wait > duration('1m')",
            "!has(self.at) || self.at > timestamp('2020-01-01T00:00:00Z')",
            "!has(self.day) || self.day.getFullYear() == 2024",
            "!has(self.blob) || size(self.blob) == 3",
        )
    ),
    "root rules": ruled(
        struct({"spec": BASE, "status": struct({"ready": {"type": "boolean"}})}),
        "self.metadata.name.size() < 4",
        "!has(self.spec) || !has(self.spec.name) || self.spec.name == self.metadata.name",
        {"rule": "self.kind == 'Widget'", "message": "kind"},
    ),
    "embedded rules": of_spec(
        struct(
            {
                "template": ruled(
                    {
                        **struct({"spec": BASE}),
                        "x-kubernetes-embedded-resource": True,
                        "x-kubernetes-preserve-unknown-fields": True,
                    },
                    "self.apiVersion == 'v1' && self.metadata.name != 'bad'",
                )
            }
        )
    ),
    "libraries": of_spec(
        ruled(
            struct(
                {
                    "cpu": {**TEXT, "maxLength": 20},
                    "ip": {**TEXT, "maxLength": 50},
                    "url": {**TEXT, "maxLength": 50},
                    "name": {**TEXT, "maxLength": 70},
                }
            ),
            "!has(self.cpu) || quantity(self.cpu).isLessThan(quantity('2'))",
            "!has(self.ip) || isIP(self.ip) && ip(self.ip).family() == 4",
            "!has(self.url) || isURL(self.url) && url(self.url).getScheme() == 'https'",
            {
                "rule": "!has(self.name) || !format.dns1123Label().validate(self.name).hasValue()",
                "messageExpression": "format.dns1123Label().validate(self.name).value()[0]",
            },
            "!has(self.name) || self.name.matches('^[a-z]')",
        )
    ),
    "metadata": struct({"metadata": struct({"name": {**TEXT, "pattern": "^o"}}), "spec": BASE}),
    "deep": of_spec(
        struct(
            {"a": struct({"b": struct({"c": array(struct({"d": {"type": "object", "additionalProperties": BASE}}))})})}
        )
    ),
    "messages": of_spec(
        ruled(
            struct({"a": TEXT}),
            {"rule": "self.a != 'newline'", "messageExpression": "'a\\nb'", "message": "kept"},
            {"rule": "self.a != 'empty'", "messageExpression": "'  '"},
            {"rule": "self.a != 'fails'", "messageExpression": "string(1 / 0 + self.a.size())", "message": "kept too"},
            {"rule": "self.a != 'long'\n && self.a != 'longer'", "message": "two lines"},
            {"rule": "self.a != 'x'", "message": "x"},
        )
    ),
    "expensive": of_spec(
        ruled(
            struct({"names": array({**TEXT, "maxLength": 10}, maxItems=200)}),
            "!has(self.names) || self.names.all(a, self.names.all(b, a != 'stop' || b != 'stop'))",
            "!has(self.names) || self.names.all(a, self.names.exists_one(b, a == b))",
        )
    ),
}


def bad_definitions() -> dict[str, dict[str, Any]]:
    """Definitions that the API server refuses, by what is wrong with them."""
    found: dict[str, dict[str, Any]] = {}

    def schema(name: str, spec: dict[str, Any], **more: Any) -> None:
        found[name] = definition(of_spec(spec, **more))

    def changed(name: str, *path: Any, value: Any) -> None:
        made = definition(of_spec(BASE))
        here: Any = made
        for step in path[:-1]:
            here = here.setdefault(step, {}) if isinstance(here, dict) else here[step]
        if value is None:
            del here[path[-1]]
        else:
            here[path[-1]] = value
        found[name] = made

    schema("no type", {"properties": {"a": TEXT}})
    schema("field without type", struct({"a": {}}))
    schema("items without type", struct({"a": array({})}))
    schema("array without items", struct({"a": {"type": "array"}}))
    schema("unknown type", struct({"a": {"type": "text"}}))
    schema("null type", struct({"a": {"type": "null"}}))
    schema("bad pattern", struct({"a": {**TEXT, "pattern": "(a"}}))
    schema("type in allOf", struct({"a": TEXT}, allOf=[{"type": "object"}]))
    schema("default in anyOf", struct({"a": TEXT}, anyOf=[{"properties": {"a": {"default": "x"}}}]))
    schema("incomplete", BASE, oneOf=[{"properties": {"b": {"minLength": 1}}}, {"required": ["b"]}])
    schema(
        "nested metadata", struct({"a": TEXT, "metadata": {"type": "object"}}, allOf=[{"properties": {"metadata": {}}}])
    )
    schema("both properties", struct({"a": TEXT}, additionalProperties=TEXT))
    schema("unique items", struct({"a": array(TEXT, uniqueItems=True)}))
    schema("embedded without type", struct({"a": {"x-kubernetes-embedded-resource": True}}))
    schema("embedded empty", struct({"a": {"type": "object", "x-kubernetes-embedded-resource": True}}))
    schema("preserve false", struct({"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": False}}))
    schema(
        "int or string preserving",
        struct({"a": {"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}}),
    )
    schema("list type on object", struct({"a": {"type": "object", "x-kubernetes-list-type": "set"}}))
    schema("unknown list type", struct({"a": array(TEXT, **{"x-kubernetes-list-type": "bag"})}))
    schema("unknown map type", struct({"a": {"type": "object", "x-kubernetes-map-type": "bag"}}))
    schema("map type on text", struct({"a": {**TEXT, "x-kubernetes-map-type": "atomic"}}))
    schema("set of objects", struct({"a": array(BASE, **{"x-kubernetes-list-type": "set"})}))
    schema("map without keys", struct({"a": array(BASE, **{"x-kubernetes-list-type": "map"})}))
    schema(
        "map of texts",
        struct({"a": array(TEXT, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["x"]})}),
    )
    schema(
        "unknown key",
        struct({"a": array(BASE, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["x", "x"]})}),
    )
    schema(
        "optional key",
        struct({"a": array(BASE, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})}),
    )
    schema(
        "keys of a set",
        struct({"a": array(TEXT, **{"x-kubernetes-list-type": "set", "x-kubernetes-list-map-keys": ["x"]})}),
    )
    schema("nullable items", struct({"a": array({**TEXT, "nullable": True}, **{"x-kubernetes-list-type": "set"})}))
    schema("wrong default", struct({"a": {**NUMBER, "default": "x"}}))
    schema("default out of range", struct({"a": {**BASE, "default": {"replicas": 0}}}))
    schema("default with unknown field", struct({"a": {**BASE, "default": {"other": 1}}}))
    schema("default against a rule", struct({"a": ruled({**NUMBER, "default": 1}, "self > 1")}))
    schema(
        "default in metadata",
        BASE,
        **{"properties": {"spec": BASE, "metadata": struct({"name": {**TEXT, "default": "x"}})}},
    )
    schema(
        "metadata restricted",
        BASE,
        **{"properties": {"spec": BASE, "metadata": struct({"labels": {"type": "object"}})}},
    )
    schema("kind is a number", BASE, **{"properties": {"spec": BASE, "kind": NUMBER}})
    schema("ref", struct({"a": {"$ref": "#/definitions/x", "type": "string"}}))
    schema("definitions", struct({"a": {**TEXT, "definitions": {"x": TEXT}}}))
    schema("pattern properties", struct({"a": {"type": "object", "patternProperties": {"x": TEXT}}}))
    schema("dependencies", struct({"a": {"type": "object", "dependencies": {"x": ["y"]}}}))
    schema("items as a list", struct({"a": {"type": "array", "items": [TEXT]}}))
    schema("empty rule", ruled(BASE, " "))
    schema("rule of lines", ruled(BASE, "self.replicas > 0\n&& true"))
    schema("blank message", ruled(BASE, {"rule": "true", "message": " "}))
    schema("message of lines", ruled(BASE, {"rule": "true", "message": "a\nb"}))
    schema("blank expression", ruled(BASE, {"rule": "true", "messageExpression": " "}))
    schema("unknown reason", ruled(BASE, {"rule": "true", "reason": "Because"}))
    schema("unknown field path", ruled(BASE, {"rule": "true", "fieldPath": ".nothing"}))
    schema("undefined field", ruled(BASE, "self.nothing == 1"))
    schema("wrong types", ruled(BASE, "self.replicas == 'x'"))
    schema("no bool", ruled(BASE, "self.replicas"))
    schema("syntax", ruled(BASE, "self.replicas =="))
    schema("message of a number", ruled(BASE, {"rule": "true", "messageExpression": "self.replicas"}))
    schema("wrong message", ruled(BASE, {"rule": "true", "messageExpression": "self.nothing"}))
    schema("uncorrelated", struct({"a": array(ruled(BASE, "self == oldSelf"))}))
    schema("optional without old", ruled(BASE, {"rule": "self.replicas > 0", "optionalOldSelf": True}))
    schema("optional, and no rule", ruled(BASE, {"rule": "self.replicas", "optionalOldSelf": True}))
    schema("instantiation", ruled(BASE, {"rule": "oldSelf.hasValue() && bool('x')", "optionalOldSelf": True}))
    message_of_bytes = {"rule": "self.replicas > 0", "messageExpression": "string(b'\\xff')"}
    schema("instantiation of a message", ruled(BASE, message_of_bytes))
    schema("too expensive", struct({"a": array(ruled(TEXT, "self.contains('abc')"))}))
    schema("quadratic", ruled(struct({"a": array(TEXT)}), "self.a.all(x, self.a.all(y, x == y))"))
    schema(
        "expensive together",
        struct(
            {
                f"f{number}": ruled(
                    array({**TEXT, "maxLength": 1000}, maxItems=20000), "self.all(x, x.contains('abcdefghij'))"
                )
                for number in range(15)
            }
        ),
    )
    schema(
        "rule in allOf",
        struct({"a": TEXT}, allOf=[{"properties": {"a": {"x-kubernetes-validations": [{"rule": "true"}]}}}]),
    )
    schema("unknown library", ruled(BASE, "math.greatest(self.replicas, 1) == 1"))
    found["root is a list"] = definition(array(TEXT))
    found["root nullable"] = definition(of_spec(BASE, nullable=True))
    found["root additional"] = definition(of_spec(BASE, additionalProperties=TEXT))
    found["beside status"] = definition(of_spec(BASE, minProperties=1), subresources={"status": {}})
    found["scale"] = definition(
        of_spec(BASE), subresources={"scale": {"specReplicasPath": "spec.replicas", "statusReplicasPath": ".spec.x"}}
    )
    found["columns"] = definition(
        of_spec(BASE), additionalPrinterColumns=[{"name": "", "type": "text", "jsonPath": "spec"}]
    )
    found["selectable"] = definition(
        of_spec(BASE),
        selectableFields=[
            {"jsonPath": ".spec"},
            {"jsonPath": ".spec.x"},
            {"jsonPath": ".spec.name"},
            {"jsonPath": ".spec.name"},
        ],
    )
    found["deprecated"] = definition(of_spec(BASE), deprecationWarning="x")
    found["bad version"] = definition(of_spec(BASE), name="V1")
    changed("no schema", "spec", "versions", 0, "schema", value=None)
    changed("no group", "spec", "group", value=None)
    changed("bad group", "spec", "group", value="Example")
    changed("short group", "spec", "group", value="example")
    changed("protected group", "spec", "group", value="example.k8s.io")
    changed("no scope", "spec", "scope", value=None)
    changed("bad scope", "spec", "scope", value="Everywhere")
    changed("no kind", "spec", "names", "kind", value=None)
    changed("bad plural", "spec", "names", "plural", value="Widgets")
    changed("kind is list", "spec", "names", "listKind", value="Widget")
    changed("short names", "spec", "names", "shortNames", value=["W"])
    changed("preserving", "spec", "preserveUnknownFields", value=True)
    changed("conversion", "spec", "conversion", value={"strategy": "Webhook"})
    changed(
        "conversion of none",
        "spec",
        "conversion",
        value={"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}},
    )
    changed("not stored", "spec", "versions", 0, "storage", value=False)
    changed("wrong name", "metadata", "name", value="gadgets.example.com")
    return found


SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, 4, 5, 7, 10, -1, 65536, 2**31, 2**40, 0.5, 1.5, 2.0, 2.55, 3.5,
    "", "a", "b", "c", "x", "xy", "abc", "abcd", "a-b", "A", "new", "no", "bad", "stop", "50%", "n", "é€", "TCP",
    [], {}, ["a"], ["b", "a"], {"a": 1}, [None],
)  # fmt: skip
LABELLED = {
    "duration": ("1h", "22 ns", "3 days", "x", "", "1m30s", "99999999999999999999 s"),
    "date-time": (
        "2024-01-02T03:04:05Z",
        "2014-12-15T19:30:20.000Z",
        "2024-01-02",
        "2024-13-01T00:00:00Z",
        "2019-01-02T03:04:05+01:00",
    ),
    "datetime": ("2024-01-02T03:04:05Z", "2024-01-02"),
    "date": ("2024-02-29", "2023-02-29", "2024-1-2"),
    "byte": ("aGVs", "aGVsbG8=", "a", "", "ab-_"),
    "ipv4": ("1.2.3.4", "01.2.3.4", "1.2.3", "1.2.3.256", "::ffff:1.2.3.4"),
    "ipv6": ("::1", "1.2.3.4", "::ffff:1.2.3.4", "fe80::1%eth0", "g::"),
    "cidr": ("10.0.0.0/8", "10.0.0.0/33", "::/0", "10.0.0.0", "010.0.0.0/8"),
    "mac": ("01:23:45:67:89:ab", "0123.4567.89ab", "01-23-45-67-89-ab-cd-ef", "01:23", "01:23-45:67:89:ab"),
    "uri": ("http://a/b", "/a", "a", "", "http://[::1"),
    "email": ("a@b.c", "A B <a@b.c>", "a", "@b", "a@", "<a@b>", "a b@c"),
    "hostname": ("a.example.com", "-a", "a_b", "a." + "b" * 64 + ".com", "localhost"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", "x"),
    "uuid3": ("123e4567-e89b-32d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    "uuid4": ("123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-c456-426614174000"),
    "uuid5": ("123e4567-e89b-52d3-a456-426614174000", "x"),
    "isbn": ("0321751043", "978-0321751041", "978-0321751040"),
    "isbn10": ("0321751043", "0321751044", "032175104X"),
    "isbn13": ("978-0321751041", "9780321751040"),
    "creditcard": ("4111 1111 1111 1111", "4111111111111112", "x"),
    "ssn": ("123-45-6789", "123 45 6789", "123456789"),
    "hexcolor": ("#FFF", "#ffff", "abcdef"),
    "rgbcolor": ("rgb(0,100,255)", "rgb(0, 100, 256)"),
    "bsonobjectid": ("507f1f77bcf86cd799439011", "507f"),
    "k8s-short-name": ("abc", "a.b", "Abc", "a" * 64),
    "k8s-long-name": ("abc", "a.b", "A", "a..b"),
    "password": ("", "x"),
    "unknown": ("", "x"),
}


class Objects:
    """Random objects for a schema, most of them near to what it allows."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        chance = self.random.random()
        if chance < 0.08 or depth > 6:
            return copy.deepcopy(self.random.choice(SCALARS))
        kind = schema.get("type")
        if schema.get("x-kubernetes-int-or-string"):
            return self.random.choice([1, 3, 9, "50%", "5", "x", 1.5])
        if kind == "object":
            return self.object(schema, depth)
        if kind == "array":
            items = schema.get("items", TEXT)
            return [self.value(items, depth + 1) for _ in range(self.random.choice([0, 1, 2, 2, 3]))]
        if kind == "integer":
            return self.random.choice([0, 1, 2, 3, 4, 5, 6, 8, 10, 70000, -1, 2**31, 2**62])
        if kind == "number":
            return self.random.choice([0, 1, 2.5, 0.01, 0.07, 3.0, -1.5, 1e30, 7])
        if kind == "boolean":
            return self.random.random() < 0.5
        texts = LABELLED.get(schema.get("format", ""))
        if texts:
            return self.random.choice(texts)
        enum = schema.get("enum")
        if enum and chance < 0.7:
            return self.random.choice(enum)
        return self.random.choice([text for text in SCALARS if isinstance(text, str)])

    def object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if schema.get("x-kubernetes-embedded-resource"):
            made = self.resource()
        for name, item in schema.get("properties", {}).items():
            if self.random.random() < 0.6 and name not in made:
                made[name] = self.value(item, depth + 1)
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            for name in self.random.sample(["a", "b", "k", "x.y/z"], self.random.choice([0, 1, 2, 3])):
                made[name] = self.value(values, depth + 1)
        if self.random.random() < 0.15:
            made[self.random.choice(["unknown", "metadata", "kind", "a.b"])] = copy.deepcopy(
                self.random.choice(SCALARS)
            )
        return made

    def resource(self) -> dict[str, Any]:
        made = {
            "apiVersion": self.random.choice(["v1", "apps/v1", "a/b/c", "", 1]),
            "kind": self.random.choice(["Pod", "pod", "A_B", "", 1]),
            "metadata": self.random.choice(
                [
                    {},
                    {"name": "x"},
                    {"name": "bad", "labels": {"a": "b"}},
                    {"name": "a/b"},
                    {"generateName": "x-", "labels": {"-a": "b"}, "annotations": {"x": ""}},
                    {"labels": {"a": None}, "creationTimestamp": None, "unknown": 1},
                    {"labels": {"a": 1}},
                    {"namespace": "N", "finalizers": ["a b"]},
                    {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]},
                    "x",
                    None,
                ]
            ),
        }
        return {key: value for key, value in made.items() if self.random.random() < 0.85}

    def widget(self, schema: dict[str, Any]) -> dict[str, Any]:
        made = self.object(schema, 0)
        for name in ("unknown", "a.b"):
            if name in made and self.random.random() < 0.5:
                del made[name]
        metadata: dict[str, Any] = {"name": self.random.choice(["one", "two", "three"]), "namespace": "default"}
        metadata["resourceVersion"] = "1"
        if self.random.random() < 0.1:
            metadata["labels"] = self.random.choice([{"a": "b"}, {"-": "b"}, {"a": "b c"}, {"a": None}])
        if self.random.random() < 0.03:
            metadata["stray"] = 1
        return {**made, "apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata}

    def changed(self, value: Any) -> Any:
        """A copy with some parts changed, for updates."""
        made = copy.deepcopy(value)
        self._change(made)
        return made

    def _change(self, value: Any) -> None:
        items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for key, item in items:
            if key in ("apiVersion", "kind", "metadata") and isinstance(key, str):
                continue
            chance = self.random.random()
            if chance < 0.08:
                value[key] = copy.deepcopy(self.random.choice(SCALARS))
            elif chance < 0.15 and isinstance(value, dict):
                del value[key]
            elif isinstance(item, dict | list):
                self._change(item)
            elif type(item) is int and chance < 0.3:
                value[key] = item + 1
        if isinstance(value, list) and self.random.random() < 0.2:
            self.random.shuffle(value)
