"""Generated mutations with an object each: merges into a custom kind that has every sort of field, and JSON patches.

The same seed gives the same cases.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

GROUP, VERSION, KIND, PLURAL = "example.com", "v1", "Widget", "widgets"

_TEXT: dict[str, Any] = {"type": "string"}
_ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "port": {"type": "integer"},
        "protocol": {"type": "string", "default": "TCP"},
        "value": _TEXT,
        "tags": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
        "args": {"type": "array", "items": _TEXT},
    },
}
_FIELDS: dict[str, Any] = {
    "text": _TEXT,
    "date": {"type": "string", "format": "date-time"},
    "count": {"type": "integer", "format": "int32"},
    "ratio": {"type": "number"},
    "on": {"type": "boolean"},
    "either": {"x-kubernetes-int-or-string": True},
    "set": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
    "numbers": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-list-type": "set"},
    "named": {
        "type": "array",
        "items": _ITEM,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "ports": {
        "type": "array",
        "items": _ITEM,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
    },
    "whole": {"type": "array", "items": _TEXT},
    "labels": {"type": "object", "additionalProperties": _TEXT},
    "wholeMap": {"type": "object", "additionalProperties": _TEXT, "x-kubernetes-map-type": "atomic"},
    "wholeStruct": {"type": "object", "properties": {"text": _TEXT}, "x-kubernetes-map-type": "atomic"},
    "byName": {"type": "object", "additionalProperties": _ITEM},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "half": {
        "type": "object",
        "properties": {"text": _TEXT, "inner": {"type": "object", "properties": {"text": _TEXT}}},
        "x-kubernetes-preserve-unknown-fields": True,
    },
    "anything": {"x-kubernetes-preserve-unknown-fields": True},
}
_STRUCT: dict[str, Any] = {
    "type": "object",
    "properties": {**_FIELDS, "deep": {"type": "object", "properties": _FIELDS}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "spec": _STRUCT},
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": KIND, "plural": PLURAL},
        "versions": [{"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}

_WORDS = ("a", "b", "c", "d", "e")


@dataclass(frozen=True, slots=True)
class Case:
    """A mutation's patchType and expression, and the object that it is run on."""

    patch_type: str
    expression: str
    object: dict[str, Any]


class Mutations:
    """Cases from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def case(self) -> Case:
        """One more."""
        live = self.live()
        if self.random.random() < 0.5:
            return Case("ApplyConfiguration", self.configuration(), live)
        return Case("JSONPatch", self.patch(live), live)

    def live(self) -> dict[str, Any]:
        """A valid Widget, but for items that stand twice."""
        spec = self.value(_STRUCT, wrong=0.0)
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {"name": "w", "namespace": "default"},
            **({"spec": spec} if self.random.random() < 0.95 else {}),
        }

    # Values

    def value(self, schema: dict[str, Any], wrong: float, depth: int = 0) -> Any:
        chance = self.random.random()
        if chance < wrong:
            return self.any_value(depth)
        match schema.get("type"):
            case "string":
                return self.random.choice(_WORDS)
            case "integer":
                return self.random.randrange(4)
            case "number":
                return self.random.choice([0.5, 1.5, 2.0, 3])
            case "boolean":
                return self.random.random() < 0.5
            case "array":
                return self.items(schema, wrong, depth)
            case "object" if "properties" in schema:
                return self.struct(schema, wrong, depth)
            case "object":
                inner = schema.get("additionalProperties")
                names = self.random.sample(_WORDS, self.random.randrange(4))
                return {name: self.value(inner, wrong, depth + 1) if inner else self.any_value(depth) for name in names}
            case _:
                return self.any_value(depth)

    def struct(self, schema: dict[str, Any], wrong: float, depth: int) -> dict[str, Any]:
        properties = schema["properties"]
        names = self.random.sample(sorted(properties), min(len(properties), self.random.randrange(1, 6)))
        made = {name: self.value(properties[name], wrong, depth + 1) for name in names}
        if self.random.random() < wrong:
            made["nope"] = 1
        return made

    def items(self, schema: dict[str, Any], wrong: float, depth: int) -> list[Any]:
        keys = schema.get("x-kubernetes-list-map-keys", [])
        made: list[Any] = []
        seen: set[str] = set()
        for _ in range(self.random.randrange(5)):
            item = self.value(schema["items"], wrong, depth + 1)
            if isinstance(item, dict):
                for key in keys:
                    if key != "protocol" or self.random.random() < 0.3:
                        item[key] = self.value(schema["items"]["properties"][key], 0.0)
            told = json.dumps([item.get(key) for key in keys] if keys and isinstance(item, dict) else item)
            is_set = keys or schema.get("x-kubernetes-list-type") == "set"
            if is_set and told in seen and self.random.random() > (wrong or 0.02):
                continue
            seen.add(told)
            made.append(item)
        return made

    def any_value(self, depth: int) -> Any:
        choice = self.random.randrange(6 if depth > 3 else 8)
        if choice < 6:
            return self.random.choice(["x", 1, True, 2.5, "a", 7])
        if choice == 6:
            return {name: self.any_value(depth + 2) for name in self.random.sample(_WORDS, self.random.randrange(3))}
        return [self.random.choice(_WORDS) for _ in range(self.random.randrange(3))]

    # ApplyConfiguration

    def configuration(self) -> str:
        # Most touch nothing that is atomic, else that is all that anybody would hear of.
        wrong = self.random.choice([0.0, 0.0, 0.0, 0.03, 0.1])
        spec = self.value(_STRUCT, wrong)
        if self.random.random() < 0.9:
            spec = _granular(spec)
        return f"Object{{spec: {self.written(spec, 'Object.spec')}}}"

    def written(self, value: Any, path: str) -> str:
        """The value in CEL, with objects as such of the type of their path; now and then of another."""
        if isinstance(value, dict):
            if self.random.random() < 0.01:
                path += ".wrong"
            fields = ", ".join(f"{name}: {self.written(item, f'{path}.{name}')}" for name, item in value.items())
            texts = all(isinstance(item, str) for item in value.values())
            if texts and value and self.random.random() < 0.5:
                return json.dumps(value)
            return f"{path}{{{fields}}}"
        if isinstance(value, list):
            types = {type(item) for item in value}
            text = "[" + ", ".join(self.written(item, path) for item in value) + "]"
            return text if len(types) < 2 else "['mixed']"
        return json.dumps(value)

    # JSONPatch

    def patch(self, live: dict[str, Any]) -> str:
        operations = [self.operation(live) for _ in range(self.random.randrange(1, 4))]
        return f"[{', '.join(operations)}]"

    def operation(self, live: dict[str, Any]) -> str:
        op = self.random.choice(["add", "add", "replace", "replace", "remove", "test", "test", "move", "copy"])
        path = self.pointer(live)
        fields = [f"op: '{op}'", f"path: '{path}'"]
        if op in ("move", "copy"):
            fields.append(f"from: '{self.pointer(live)}'")
        if op in ("add", "replace", "test") and self.random.random() < 0.95:
            value = self.at(live, path) if op == "test" and self.random.random() < 0.7 else self.any_value(0)
            fields.append(
                f"value: {json.dumps(value) if not isinstance(value, list | dict) else f'dyn({_cel(value)})'}"
            )
        return f"JSONPatch{{{', '.join(fields)}}}"

    def pointer(self, live: dict[str, Any]) -> str:
        """A path that mostly leads somewhere."""
        steps: list[str] = ["spec"]
        value = live.get("spec")
        while isinstance(value, dict | list) and self.random.random() < 0.75:
            if isinstance(value, list):
                step = self.random.choice([*map(str, range(len(value))), "-", "-1", "9", "+0", "x"])
                value = value[int(step)] if step.isdigit() and int(step) < len(value) else None
            else:
                step = self.random.choice([*value, "new"])
                value = value.get(step)
            steps.append(step)
        return "/" + "/".join(steps)

    def at(self, live: Any, path: str) -> Any:
        for step in path.split("/")[1:]:
            if isinstance(live, dict):
                live = live.get(step)
            elif isinstance(live, list) and step.isdigit() and int(step) < len(live):
                live = live[int(step)]
            else:
                return None
        return live


_WHOLE = frozenset({"whole", "wholeMap", "wholeStruct", "args", "anything", "either"})


def _granular(value: Any) -> Any:
    """The value without fields that are atomic."""
    if isinstance(value, dict):
        return {name: _granular(item) for name, item in value.items() if name not in _WHOLE}
    return [_granular(item) for item in value] if isinstance(value, list) else value


def _cel(value: Any) -> str:
    """A JSON value in CEL, whose lists and maps are of one type each."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: dyn({_cel(item)})' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(f'dyn({_cel(item)})' for item in value)}]"
    return json.dumps(value)
