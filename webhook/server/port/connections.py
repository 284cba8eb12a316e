"""The connections of one port: what they share, and the bounds on what they hold together."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from msgspec import Struct, field

from webhook.server.port.exchange import Application, Limits
from webhook.server.port.knownheads import Known


class Connected(Protocol):
    """A connection of a port, as the port sees it."""

    def finish(self) -> None:
        """Close once the requests in flight are answered."""

    def cut(self) -> None:
        """Close now."""

    def make_way(self) -> None:
        """Close for another connection."""

    def give_way(self) -> None:
        """End the request or response that is under way, so that what it holds is free."""


class Port(Struct, eq=False):
    """The connections of one port, and the state that they share."""

    application: Application
    limits: Limits
    open: set[Connected] = field(default_factory=set)
    waiting: dict[Connected, None] = field(default_factory=dict)  # for data of the client, longest first
    making_way: int = 0  # of the open ones: those that close as there are too many
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    known: list[Known] = field(default_factory=list)  # heads of recent requests
    closing: bool = False  # each connection ends with its next answer
    held: int = 0  # bytes that connections hold
    holding: dict[Connected, None] = field(default_factory=dict)  # those that can give way, oldest request first
    # All connections share one buffer: data is copied out of it before another connection reads.
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_READ)))

    def finish(self) -> None:
        """Close every connection once its requests in flight are answered."""
        for connection in list(self.open):
            connection.finish()

    def make_room(self) -> None:
        """While connections hold too much, end the one whose request or response has been under way longest.

        A client that sends slowly, or does not read, is older than the requests of an API server.
        """
        while self.held > self.limits.held and self.holding:
            next(iter(self.holding)).give_way()

    def cut(self) -> None:
        """Close every connection now, and cancel the requests in flight."""
        for connection in list(self.open):
            connection.cut()
        for task in self.tasks:
            task.cancel()


_READ: Final = 64 << 10  # most bytes of one read
