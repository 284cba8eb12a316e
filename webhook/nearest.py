"""What somebody may have meant: of the names that there are, the one most like a name that is not among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LONGEST_NAME: Final = 80
"""Characters of a name; to one that is longer none is nearest."""

ALIKE: Final = 0.6
"""How alike two names must be, from 0 to 1."""

_MANY = 500  # names among which the nearest is looked for; more has only what somebody made to take long


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """The known name that is most like `name`, whatever their case; None if none is."""
    from difflib import get_close_matches  # only where something is wrong

    candidates = sorted(known)
    if len(name) > LONGEST_NAME or len(candidates) > _MANY:
        return None
    lower: dict[str, str] = {}
    for each in candidates:
        lower.setdefault(each.lower(), each)
    close = get_close_matches(name.lower(), lower, n=1, cutoff=alike)
    return lower[close[0]] if close else None
