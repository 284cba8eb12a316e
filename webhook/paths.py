"""Paths into JSON values. Violations, locations in reports, and patches all use this type.

A Path is a tuple of keys (str) and list indexes (int), from the root of an object: ("spec", "containers", 0, "image").
Its text form is spec.containers[0].image; other keys are quoted: metadata.labels['app.io/name'].
"""

from __future__ import annotations

import re
from typing import Any

Path = tuple[str | int, ...]

ROOT: Path = ()

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STEP = re.compile(
    r"""\.?(?P<key>[A-Za-z_][A-Za-z0-9_-]*)"""
    r"""|\[(?P<index>[0-9]{1,9})\]"""
    r"""|\[(?P<quote>['"])(?P<quoted>(?:[^\\]|\\.)*?)(?P=quote)\]"""
)
_MISSING = object()


def render(path: Path) -> str:
    """The text form of a path: `spec.containers[0]`. Keys that are no identifiers are quoted: `labels['a.b/c']`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _IDENTIFIER.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            escaped = step.replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{escaped}']")
    return "".join(parts)


def parse(text: str) -> Path:
    """The path of a text form such as `spec.containers[0].image` or `metadata.labels['a.b/c']`.

    Raises ValueError, with the offset of the error.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (match["key"] is not None and (at > 0) != text.startswith(".", at)):
            raise ValueError(f"not a path, at offset {at}: {text!r}; expected a form such as spec.containers[0].image")
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", match["quoted"]))
        else:
            steps.append(match["key"])
        at = match.end()
    return tuple(steps)


def lookup(value: Any, path: Path, default: Any = None) -> Any:
    """The value at `path` in a JSON value, or `default` if there is none."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return default
            value = value[step]
        else:
            value = value.get(step, _MISSING) if isinstance(value, dict) else _MISSING
            if value is _MISSING:
                return default
    return value
