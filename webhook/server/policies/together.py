"""`--workers N`: all workers put a changed policy tree in force at the same time.

The process of the plain port looks at the files, and sends a changed tree to all workers, as bytes. Each loads it while
it answers reviews, and reports when it is ready. Once all are ready, all get the order to put it in force: two workers
differ for no longer than one review takes. If one cannot load the tree, all keep the old one.

The tree in force is kept in memory that all processes share (`Kept`). So a process that starts later, after another
ended, begins with it; a worker answers no reviews before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
from hashlib import sha256
from typing import Literal

import msgspec
import orjson

from webhook.documents.reader import Problem
from webhook.policy.load.treefiles import Tree
from webhook.policy.policyset import PolicySet
from webhook.server.doors import Listener, open_line
from webhook.server.policies.installing import Candidate, Installer, NotInstalled
from webhook.server.telemetry.logs import Log, cut
from webhook.visible import encodable, visible

_RETRY_AFTER = 0.2  # seconds before a worker tries again to open its line
_WELCOME = 5.0  # seconds that a new worker waits for the process of the plain port, which may be starting too
_ANOTHER_TRY = 1.0  # seconds until a process that starts tries again to load the tree in force
_ACKNOWLEDGED = 5.0  # seconds that a reload waits until all workers have swapped
_LENGTH = 8  # bytes of the length at the beginning of a frame
_LONGEST_REPLY = 16 << 20  # bytes
_DIGEST = 32  # bytes


class Order(msgspec.Struct, frozen=True):
    """A message to a worker. Trees are numbered in the order in which they came in force, from 1; the tree that the
    server started with has the number 0."""

    what: Literal["welcome", "prepare", "commit", "abandon"]
    number: int
    tree: Tree | None = None


class _Reply(msgspec.Struct, frozen=True):
    """A message from a worker: it has prepared, or put in force, the tree of this number. `problems`: why it cannot."""

    number: int
    problems: list[Problem]
    lasting: bool = True


class Kept:
    """The tree in force, in memory that outlives each of the processes. Create it before they are forked.

    One process writes. It writes to the slot that is not in use, and then changes the slot in use, which is one byte:
    a process that is killed while writing leaves what was kept before.
    """

    def __init__(self) -> None:
        self._current = os.memfd_create("gatewright-current")
        self._slots = (os.memfd_create("gatewright-policies"), os.memfd_create("gatewright-policies"))

    def write(self, number: int, tree: Tree) -> None:
        """Keep a tree in place of the one before."""
        content = pickle.dumps((number, tree))
        content = sha256(content).digest() + content
        free = 1 - self._in_use()
        os.ftruncate(self._slots[free], 0)
        os.pwrite(self._slots[free], content, 0)
        os.pwrite(self._current, bytes((free + 1,)), 0)

    def read(self) -> tuple[int, Tree] | None:
        """The number and the tree; None while nothing was written."""
        while os.pread(self._current, 1, 0):
            slot = self._slots[self._in_use()]
            content = os.pread(slot, os.fstat(slot).st_size, 0)
            if sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                kept: tuple[int, Tree] = pickle.loads(content[_DIGEST:])  # noqa: S301 - of this server
                return kept
            # The writer has begun to write to this slot: by now, the other one is in use.
        return None

    def _in_use(self) -> int:
        found = os.pread(self._current, 1, 0)
        return found[0] - 1 if found else 1


class Member:
    """The tree in force in this process, by its number."""

    def __init__(self, installer: Installer, kept: Kept, log: Log) -> None:
        self._installer = installer
        self._kept = kept
        self._log = log
        self._one = asyncio.Lock()
        self._catching: asyncio.Task[None] | None = None
        self.number = 0

    async def catch_up(self) -> None:
        """Put the tree that is kept in force here. Returns once it is."""
        if self._catching is None or self._catching.done():
            self._catching = asyncio.create_task(self._catch_up())
        await asyncio.shield(self._catching)

    async def _catch_up(self) -> None:
        while (kept := self._kept.read()) is not None and kept[0] > self.number:
            try:
                await self.install(*kept)
            except NotInstalled as error:
                fields = {"revision": kept[1].revision, "message": cut(visible(str(error)))}
                self._log.write("error", "reload", fields)
                await asyncio.sleep(_ANOTHER_TRY)

    async def install(self, number: int, tree: Tree) -> None:
        """Put a tree in force, unless a later one is. Raises NotInstalled."""
        self.commit(number, await self.prepare(tree))

    async def prepare(self, tree: Tree) -> Candidate:
        """Load a tree. Raises NotInstalled."""
        async with self._one:
            return await self._installer.prepare(tree)

    def commit(self, number: int, candidate: Candidate) -> None:
        """Put a candidate in force, unless a later tree is."""
        if number > self.number:
            self._installer.commit(candidate)
            self.number = number
        else:
            self._installer.abandon(candidate)

    def abandon(self, candidate: Candidate) -> None:
        """Drop a candidate that is not put in force."""
        self._installer.abandon(candidate)


class Follower:
    """A worker's end: opens a line to the process of the plain port, and obeys its orders."""

    def __init__(self, door: socket.socket, member: Member) -> None:
        self._door = door
        self._member = member
        self._candidates: dict[int, Candidate] = {}
        self._welcomed = asyncio.Event()
        self._catching: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait until this process has the tree in force that the others have."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._welcomed.wait(), _WELCOME)
        await self._member.catch_up()

    async def keep(self) -> None:
        """Obey until cancelled. When the process of the plain port restarts, open a line to the new one."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._obey()
            for candidate in self._candidates.values():
                self._member.abandon(candidate)
            self._candidates.clear()
            await asyncio.sleep(_RETRY_AFTER)

    async def _obey(self) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=open_line(self._door, b"tree"))
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
                order: Order = pickle.loads(await reader.readexactly(length))  # noqa: S301 - of this server
                reply = await self._done(order)
                if reply is not None:
                    text = encodable(msgspec.to_builtins(reply))
                    writer.write(orjson.dumps(text, option=orjson.OPT_APPEND_NEWLINE))
                    await writer.drain()
        finally:
            writer.close()

    async def _done(self, order: Order) -> _Reply | None:
        if order.what == "welcome":
            self._welcomed.set()
            # Beside further orders: if this tree cannot be loaded now, the next one may be.
            self._catching = asyncio.create_task(self._member.catch_up())
            return None
        if order.tree is not None:  # prepare
            try:
                self._candidates[order.number] = await self._member.prepare(order.tree)
            except NotInstalled as error:
                return _Reply(order.number, list(error.problems), error.lasting)
            return _Reply(order.number, [])
        candidate = self._candidates.pop(order.number, None)
        if candidate is None:
            return None
        if order.what == "abandon":
            self._member.abandon(candidate)
            return None
        self._member.commit(order.number, candidate)
        return _Reply(order.number, [])


class _Line(msgspec.Struct, eq=False):
    """The coordinator's end of a worker's line. `replies`: None at the end, when the worker has ended."""

    writer: asyncio.StreamWriter
    replies: asyncio.Queue[_Reply | None] = msgspec.field(default_factory=asyncio.Queue)

    async def send(self, order: Order) -> None:
        content = pickle.dumps(order)
        self.writer.write(len(content).to_bytes(_LENGTH, "big") + content)
        await self.writer.drain()

    async def reply(self, number: int) -> _Reply | None:
        """The next reply about the tree of this number; None if the worker has ended."""
        while (reply := await self.replies.get()) is not None and reply.number != number:
            pass  # late, about an earlier tree
        if reply is None:
            self.replies.put_nowait(None)
        return reply


class Coordinator:
    """The end of the process that looks at the files. `seconds`: the time for loading a tree."""

    def __init__(self, door: socket.socket, member: Member, kept: Kept, seconds: float) -> None:
        self._member = member
        self._kept = kept
        self._seconds = seconds
        self._last = 0  # the number of the last tree that workers were sent
        self._lines: set[_Line] = set()
        self._listener = Listener(door, self._listen)

    async def install(self, tree: Tree) -> PolicySet:
        """Put a tree in force in all workers and in this process. Raises NotInstalled if one of them cannot load it."""
        self._last = number = max(self._last, self._member.number) + 1
        own = await self._member.prepare(tree)
        asked: set[_Line] = set()
        failures: list[NotInstalled] = []
        while not failures and (missing := self._lines - asked):  # workers may start meanwhile
            asked |= missing
            came = await asyncio.gather(*(self._prepared(line, number, tree) for line in missing))
            failures = [failure for failure in came if failure is not None]
        if failures:
            self._member.abandon(own)
            await self._send(asked, Order("abandon", number))
            raise failures[0]
        # From here until the orders are sent, nothing else runs: a worker that starts later finds what is kept.
        self._kept.write(number, tree)
        self._member.commit(number, own)
        workers = asked & self._lines
        await self._send(workers, Order("commit", number))
        with contextlib.suppress(TimeoutError):  # a worker that hangs swaps after the review that it is answering
            async with asyncio.timeout(_ACKNOWLEDGED):
                await asyncio.gather(*(line.reply(number) for line in workers))
        return own.in_force.policies

    async def _prepared(self, line: _Line, number: int, tree: Tree) -> NotInstalled | None:
        """Have a worker load the tree. Returns why it cannot; None also if it ends meanwhile."""
        try:
            async with asyncio.timeout(2 * self._seconds):
                await line.send(Order("prepare", number, tree))
                reply = await line.reply(number)
        except TimeoutError:
            text = "a worker did not load the tree in time; it may hang"
            return NotInstalled((Problem(tree.names[0], None, None, text),), lasting=False)
        except OSError:
            return None
        if reply is None or not reply.problems:
            return None
        return NotInstalled(tuple(reply.problems), lasting=reply.lasting)

    async def _send(self, lines: set[_Line], order: Order) -> None:
        for line in lines:
            with contextlib.suppress(OSError):
                await line.send(order)

    async def _listen(self, _hello: bytes, line: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=line, limit=_LONGEST_REPLY)
        opened = _Line(writer)
        self._lines.add(opened)
        try:
            await opened.send(Order("welcome", self._member.number))
            while text := await reader.readline():
                opened.replies.put_nowait(msgspec.json.decode(text, type=_Reply))
        except (OSError, ValueError):  # the last line of a worker that was killed may be incomplete
            pass
        finally:
            self._lines.discard(opened)
            opened.replies.put_nowait(None)
            writer.close()
