"""The connection from the API server to the replicas, as kube-proxy makes it: a new connection goes to one of the
endpoints.

A connection stays with its endpoint until one side closes it, also after the endpoint was taken out. What endpoints
send, and that they close, can be held back, as if the network were slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading

from tests.timing import HANGING


class Balancer:
    """Listens on a port of loopback from `start` to `stop`, in a thread of its own."""

    def __init__(self, seed: int = 0) -> None:
        self.port = 0
        self.connections = 0  # that were led to an endpoint
        self.refused = 0  # that an endpoint did not take
        self.asked = 0  # pieces of requests that came
        self._endpoints: tuple[int, ...] = ()  # ports
        self._open: set[asyncio.WriteTransport] = set()
        self._random = random.Random(seed)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._answering: asyncio.Event | None = None  # not set while answers are held back

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(HANGING)

    def stop(self) -> None:
        assert self._loop is not None
        assert self._ended is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(HANGING)

    def hold(self) -> None:
        """Pass nothing on from the endpoints until `release`."""
        assert self._loop is not None
        assert self._answering is not None
        self._loop.call_soon_threadsafe(self._answering.clear)

    def release(self) -> None:
        assert self._loop is not None
        assert self._answering is not None
        self._loop.call_soon_threadsafe(self._answering.set)

    def add(self, port: int) -> None:
        self._endpoints = (*self._endpoints, port)

    def remove(self, port: int) -> None:
        self._endpoints = tuple(each for each in self._endpoints if each != port)

    async def _serve(self) -> None:
        self._loop, self._ended, self._answering = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._answering.set()
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        self._answering.set()
        server.close()
        for transport in self._open:
            transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        await asyncio.sleep(0)  # until the transports are closed

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._random.choice(self._endpoints))
        except OSError:
            self.refused += 1
            writer.transport.abort()
            return
        self.connections += 1
        transports = {writer.transport, to_writer.transport}
        self._open |= transports
        assert self._ended is not None
        if not self._ended.is_set():
            await asyncio.gather(self._ask(reader, to_writer), self._answer(to_reader, writer))
        for transport in transports:
            transport.abort()
        self._open -= transports

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                self.asked += 1
                writer.write(piece)
                await writer.drain()
        _end(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._answering is not None
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                await self._answering.wait()
                writer.write(piece)
                await writer.drain()
        await self._answering.wait()
        _end(writer)


def _end(writer: asyncio.StreamWriter) -> None:
    """Pass on that nothing more comes."""
    with contextlib.suppress(OSError):
        writer.write_eof()
