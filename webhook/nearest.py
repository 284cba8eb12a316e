"""Suggestions for misspelt names: the most similar known name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LONGEST_NAME: Final = 80
"""The most characters of a name for which a suggestion is made."""

ALIKE: Final = 0.6
"""The least similarity of a suggestion, from 0 to 1."""

_MANY = 500  # the most known names to search: only hostile input has more, in order to take long


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """The known name that is most similar to `name`, regardless of case; None if none is similar enough."""
    from difflib import get_close_matches  # imported here because it is needed only for errors

    candidates = sorted(known)
    if len(name) > LONGEST_NAME or len(candidates) > _MANY:
        return None
    lower: dict[str, str] = {}
    for each in candidates:
        lower.setdefault(each.lower(), each)
    close = get_close_matches(name.lower(), lower, n=1, cutoff=alike)
    return lower[close[0]] if close else None
