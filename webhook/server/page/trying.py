"""The playground of the page: evaluates what a user writes, in a process of its own that does not delay reviews.

One at a time, at the lowest priority, with bounded bytes, memory and time: the program that evaluates limits itself.
Policies in CEL are taken, those in Python only where the settings say so, and nothing is kept.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal

import msgspec
import orjson
from msgspec import Struct

from webhook.documents.undecodable import UNDECODABLE
from webhook.server.page.running import TooLong, answered

PATIENCE: Final = 30.0
"""Seconds that an evaluation may take, of which few are its own: at the lowest priority, reviews come first."""

SECONDS: Final = 5
"""Seconds of processor time that it may take."""

MOST_ANSWERED: Final = 2 << 20
"""Bytes of an answer."""

_LOOK = 0.2
"""Seconds between two looks at whether the server is stopping."""


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be evaluated. `policy`: YAML or JSON, or the text of a Python file, as `language` says. `object` and
    `old` are YAML or JSON. `old`: an update if it is not empty."""

    policy: str
    object: str
    old: str = ""
    operation: Literal["CREATE", "UPDATE", "DELETE"] = "CREATE"
    namespace: str = ""
    user: str = ""
    groups: list[str] = []
    language: Literal["cel", "python"] = "cel"


class CannotTry(Exception):
    """It cannot be evaluated; the text says why. status: of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Trying:
    """Evaluates for one client at a time.

    program: the module that evaluates. It is started with the seconds of processor time, reads what is asked as JSON
    from stdin, and writes the answer to stdout. version: the Kubernetes version of the server's policies. stopping:
    whether the server stops: then an evaluation is ended. python: what policies in Python may import besides what all
    may; None if they are refused.
    """

    def __init__(
        self,
        program: str,
        version: str,
        patience: float = PATIENCE,
        seconds: int = SECONDS,
        stopping: Callable[[], bool] = lambda: False,
        python: Sequence[str] | None = None,
    ) -> None:
        self.python = python
        self._program = program
        self._version = version
        self._stopping = stopping
        self._seconds = seconds
        self._patience = patience
        self._lock = asyncio.Lock()

    async def evaluated(self, body: bytes) -> bytes:
        """The answer as JSON. Raises CannotTry."""
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except UNDECODABLE as error:
            raise CannotTry(400, f"not what the playground sends: {error}") from None
        if asked.language == "python" and self.python is None:
            raise CannotTry(403, "policies in Python are evaluated only by a server with --playground-python")
        if self._lock.locked():
            raise CannotTry(429, "another evaluation is running; there is one at a time")
        async with self._lock:
            return await self._unless_stopping(
                self._run(
                    orjson.dumps(
                        {
                            **msgspec.to_builtins(asked),
                            "version": self._version,
                            "imports": list(self.python or ()),
                        }
                    )
                )
            )

    async def _unless_stopping(self, run: Coroutine[Any, Any, bytes]) -> bytes:
        work = asyncio.create_task(run)
        try:
            while not (await asyncio.wait({work}, timeout=_LOOK))[0]:
                if self._stopping():
                    raise CannotTry(503, "the server is stopping")
            return work.result()
        finally:
            work.cancel()  # ends its process
            await asyncio.wait({work})

    async def _run(self, asked: bytes) -> bytes:
        try:
            code, answer = await answered(
                self._program, str(self._seconds), given=asked, most=MOST_ANSWERED, patience=self._patience
            )
        except TimeoutError:  # an OSError, too
            raise CannotTry(422, f"it took longer than {self._patience:g} s") from None
        except OSError as error:  # no process, memory or file to be had
            raise CannotTry(503, f"no process can be started for it: {error.strerror}") from None
        except TooLong:
            raise CannotTry(422, "its explanation is too long; evaluate fewer policies, or a smaller object") from None
        if code == 0:
            return answer
        if -code in (signal.SIGXCPU, signal.SIGKILL):
            raise CannotTry(422, f"it took more than {self._seconds} s of processor time")
        raise CannotTry(422, "it took more memory than the playground allows, or ended the process")
