"""Formats values as Go's package fmt does, for the API server's error texts."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct


class Opaque(Struct, frozen=True):
    """A Go value that JSON does not have: its type (%T), and how %v and %#v format it."""

    type: str
    text: str
    syntax: str


def type_name(value: Any) -> str:
    """The format %T."""
    match value:
        case None:
            return "<nil>"
        case Opaque():
            return value.type
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"


def text(value: Any) -> str:
    """The format %v."""
    match value:
        case None:
            return "<nil>"
        case Opaque():
            return value.text
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{' '.join(map(text, value))}]"
        case dict():
            return f"map[{' '.join(f'{key}:{text(value[key])}' for key in sorted(value))}]"
        case _:
            return str(value)


def syntax(value: Any) -> str:
    """The format %#v."""
    match value:
        case None:
            return "interface {}(nil)"
        case Opaque():
            return value.syntax
        case str():
            return quoted(value)
        case list():
            return f"[]interface {{}}{{{', '.join(map(syntax, value))}}}"
        case dict():
            entries = ", ".join(f"{quoted(key)}:{syntax(value[key])}" for key in sorted(value))
            return f"map[string]interface {{}}{{{entries}}}"
        case _:
            return text(value)


def quoted(value: str) -> str:
    """The format %q."""
    return json.dumps(value, ensure_ascii=False)
