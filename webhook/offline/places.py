"""Which place in the object a finding belongs to: that which its message names, or that which decided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from webhook.paths import Path, parse


def place_of(message: str, value: dict[str, Any] | None, decided: Sequence[Path]) -> Path | None:
    """The place that a message names, or the part of it that decided; None where neither is known.

    value: the object. decided: the places in it that the policy's expression turned on, the best first.
    """
    named = named_path(message, value)
    first = next(iter(decided), None)
    if named and (first is None or first[: len(named)] != named):
        return named
    return first


_LEADING_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[[0-9]{1,9}\]|\['[^']*'\]|\[\"[^\"]*\"\])+")


def named_path(message: str, value: dict[str, Any] | None) -> Path | None:
    """The place that a message names: the path, of two steps or more, that it begins with, as the API server's own do.

    `spec.replicas is 50; …` is about spec.replicas. None where the message begins otherwise, or the first step is no
    field of the object.
    """
    match = _LEADING_PATH.match(message)
    if match is None or value is None:
        return None
    try:
        path = parse(match[0])
    except ValueError:
        return None
    return path if path[0] in value else None
