"""Numbers of things in texts for people."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """`1 file`, `3,000 files`. many: the plural, if it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
