"""Finds the known name that is most similar to an unknown name, for `did you mean` in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LONGEST_NAME: Final = 80
"""The most characters of a name. For a longer one there is no suggestion."""

ALIKE: Final = 0.6
"""The least similarity of two names, from 0 to 1; see difflib."""

_MANY = 500  # most known names; only hostile input has more, to take long


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """The known name that is most similar to `name`, ignoring case; None if none is similar enough."""
    from difflib import get_close_matches  # imported only for an error

    candidates = sorted(known)
    if len(name) > LONGEST_NAME or len(candidates) > _MANY:
        return None
    lower: dict[str, str] = {}
    for each in candidates:
        lower.setdefault(each.lower(), each)
    close = get_close_matches(name.lower(), lower, n=1, cutoff=alike)
    return lower[close[0]] if close else None
