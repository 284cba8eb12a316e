"""How often a client of the plain port is answered: nobody needs it often, and each answer takes time of reviews."""

from __future__ import annotations

from time import monotonic
from typing import Final

from msgspec import Struct

A_SECOND: Final = 50
"""Requests a second that a client has answered, in the long run."""

AT_ONCE: Final = 200
"""Requests that it has answered at once."""

_MAX_CLIENTS: Final = 256  # that are remembered


class _Left(Struct, eq=False):
    requests: float
    at: float


class Ration:
    """Counts the requests of clients, which are told apart by name."""

    def __init__(self) -> None:
        self._left: dict[str, _Left] = {}

    def allows(self, client: str, now: float | None = None) -> bool:
        """Count a request. Returns whether it is to be answered. now: of time.monotonic()."""
        now = monotonic() if now is None else now
        left = self._left.get(client)
        if left is None:
            if len(self._left) >= _MAX_CLIENTS:
                self._forget(now)
            left = self._left[client] = _Left(AT_ONCE, now)
        left.requests = min(AT_ONCE, left.requests + (now - left.at) * A_SECOND)
        left.at = now
        if left.requests < 1:
            return False
        left.requests -= 1
        return True

    def _forget(self, now: float) -> None:
        """Forget who has all of its ration again; if that is nobody, whoever asked first."""
        whole = AT_ONCE / A_SECOND
        kept = {name: left for name, left in self._left.items() if now - left.at < whole}
        if len(kept) >= _MAX_CLIENTS:
            del kept[next(iter(kept))]
        self._left = kept
