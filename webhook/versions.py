"""Kubernetes versions, as (1, 30): by them functions and other features of CEL came."""

from __future__ import annotations

import re

Version = tuple[int, int]

OLDEST: Version = (1, 26)
"""The version that brought CEL policies."""

NEWEST: Version = (1, 37)
"""The newest version whose functions are known here."""

CROSS_TYPE_COMPARISON: Version = (1, 28)
"""Since when numbers of different types are compared: `1 < 1.5`."""

_FORM = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:[.+-].*)?")


def parse_version(text: str) -> Version:
    """The version that a text such as 1.30, v1.30 or v1.30.4-gke.1 names. Raises ValueError."""
    match = _FORM.fullmatch(text.strip())
    version = (int(match[1]), int(match[2])) if match else None
    if version is None or not OLDEST <= version <= NEWEST:
        expected = f"{shown(OLDEST)} to {shown(NEWEST)}"
        raise ValueError(f"expected a version of Kubernetes from {expected}, such as 1.30")
    return version


def shown(version: Version) -> str:
    """As people write it: 1.30."""
    return f"{version[0]}.{version[1]}"


NEWEST_TEXT = shown(NEWEST)
