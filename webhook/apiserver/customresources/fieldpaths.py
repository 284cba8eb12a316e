"""The fieldPath of a rule: `.spec.x`, `.labels['a.b/c']`. It must name fields and keys that the schema has."""

from __future__ import annotations

import re
from typing import Final

from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import Key
from webhook.paths import Path

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]']+(?:[^.\[\]]*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(Exception):
    """The API server's text for a path that is not valid."""


def parsed(text: str, schema: Schema, *, subscripts: bool = True) -> tuple[Path, Schema | None]:
    """The steps of a path, and the schema of the field; None where the schema does not describe it.

    subscripts: whether `['name']` is allowed. Raises FieldPathError.
    """
    tokens = [match[0] for match in _TOKEN.finditer(text)]
    path: Path = ()
    here: Schema | None = schema
    at = 0
    while at < len(tokens):
        mark = tokens[at]
        if mark == "[":
            if not subscripts:
                raise FieldPathError("array notation is not allowed")
            name = _unquoted(_next(tokens, at + 1))
            at += 2
            path, here = _step(path, here, name)
            if _next(tokens, at) != "]":
                raise FieldPathError(f"expected ] but got {tokens[at]}")
            at += 1
        elif mark == ".":
            path, here = _step(path, here, _next(tokens, at + 1))
            at += 2
        else:
            raise FieldPathError(f"expected [ or . but got: {mark}")
    return path, here


def _next(tokens: list[str], at: int) -> str:
    if at >= len(tokens):
        raise FieldPathError("unexpected end of JSON path")
    return tokens[at]


def _unquoted(token: str) -> str:
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise FieldPathError(f"expected single quoted string but got {token}")

    def character(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise FieldPathError(f"invalid string literal: invalid escape char {match[0]}")
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(character, token[1:-1])


def _step(path: Path, schema: Schema | None, name: str) -> tuple[Path, Schema | None]:
    if schema is not None and schema.properties:
        if name not in schema.properties:
            raise FieldPathError("does not refer to a valid field")
        return (*path, name), schema.properties[name]
    if schema is not None and schema.additional is not None:
        return (*path, Key(name)), schema.values
    raise FieldPathError("does not refer to a valid field")
