"""Validates objects against the Python client's types of Kubernetes, or against a CustomResourceDefinition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubernetes import client

_SCALARS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
    "datetime": str,
    "object": object,
}


def problems(value: Any) -> list[str]:
    """The errors in an object of a built-in kind: unknown fields, missing fields, values of a wrong type."""
    group, _, version = value["apiVersion"].rpartition("/")
    model = f"{version.capitalize()}{value['kind']}"
    if not hasattr(client, model):
        return [f"{group}/{version} has no {value['kind']}"]
    return list(_model(value, model, value["kind"]))


def _model(value: Any, name: str, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected a mapping, found {value!r}"
        return
    model = getattr(client, name)
    fields = {key: attribute for attribute, key in model.attribute_map.items()}
    for key, each in value.items():
        if key not in fields:
            yield f"{path}.{key}: unknown field"
        elif each is None:
            yield f"{path}.{key}: null"
        else:
            yield from _typed(each, model.openapi_types[fields[key]], f"{path}.{key}")
    try:  # the constructor raises ValueError for missing fields
        model(**{fields[key]: each for key, each in value.items() if key in fields})
    except ValueError as error:
        yield f"{path}: {error}"


def _typed(value: Any, kind: str, path: str) -> Iterator[str]:
    if inner := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{path}: expected a list, found {value!r}"
            return
        for index, each in enumerate(value):
            yield from _typed(each, inner[1], f"{path}[{index}]")
    elif inner := re.fullmatch(r"[Dd]ict[\[(]str, (.+)[\])]", kind):
        if not isinstance(value, dict):
            yield f"{path}: expected a mapping, found {value!r}"
            return
        for key, each in value.items():
            yield from _typed(each, inner[1], f"{path}.{key}")
    elif kind in _SCALARS:
        if not isinstance(value, _SCALARS[kind]) or (isinstance(value, bool) and kind not in ("bool", "object")):
            yield f"{path}: expected {kind}, found {value!r}"
    else:
        yield from _model(value, kind, path)


def custom_problems(value: Any, definition: dict[str, Any]) -> list[str]:
    """The errors in an object of the CustomResourceDefinition's kind."""
    version = value["apiVersion"].rpartition("/")[2]
    for each in definition["spec"]["versions"]:
        if each["name"] == version and each["served"]:
            schema = each["schema"]["openAPIV3Schema"]
            schema["properties"]["metadata"]["x-kubernetes-preserve-unknown-fields"] = True
            return list(_schema(value, schema, value["kind"]))
    return [f"{value['apiVersion']} is not served"]


def _schema(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        yield f"{path}: expected {schema['type']}, found {value!r}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: expected one of {schema['enum']}, found {value!r}"
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _schema(each, schema["items"], f"{path}[{index}]")
    elif isinstance(value, dict):
        for key in schema.get("required", ()):
            if key not in value:
                yield f"{path}: {key} is missing"
        properties = schema.get("properties", {})
        for key, each in value.items():
            if key in properties:
                yield from _schema(each, properties[key], f"{path}.{key}")
            elif "additionalProperties" in schema:
                yield from _schema(each, schema["additionalProperties"], f"{path}.{key}")
            elif not schema.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{path}.{key}: unknown field"
