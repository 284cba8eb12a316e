"""Kubernetes versions, such as (1, 30).

They decide which functions and features of CEL are available, and what the API server makes of an object.
"""

from __future__ import annotations

import re

Version = tuple[int, int]

OLDEST: Version = (1, 26)
"""The first version with CEL policies."""

NEWEST: Version = (1, 37)
"""The newest version whose functions and types are implemented."""

CROSS_TYPE_COMPARISON: Version = (1, 28)
"""The first version that compares numbers of different types: `1 < 1.5`."""

OPTIONAL_TYPES: Version = (1, 28)
"""The first version with optional types: `a.?b`."""

QUOTED_FIELDS: Version = (1, 37)
"""The first version with names of fields in back quotes: `` a.`b-c` ``."""

_FORM = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:[.+-].*)?")


def parse_version(text: str) -> Version:
    """The version in a text such as 1.30, v1.30 or v1.30.4-gke.1. Raises ValueError."""
    match = _FORM.fullmatch(text.strip())
    version = (int(match[1]), int(match[2])) if match else None
    if version is None or not OLDEST <= version <= NEWEST:
        expected = f"{shown(OLDEST)} to {shown(NEWEST)}"
        raise ValueError(f"expected a version of Kubernetes from {expected}, such as 1.30")
    return version


def shown(version: Version) -> str:
    """The text form, such as 1.30."""
    return f"{version[0]}.{version[1]}"


NEWEST_TEXT = shown(NEWEST)
