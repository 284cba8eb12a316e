"""The last audit, as the page shows it: a file of `gatewright audit -o json`, or a folder with the parts of its shards,
which is read again when it has changed.

It is condensed in a process of its own, at the lowest priority, so that reviews do not notice a
report of 100 MB; this process keeps the result, of a bounded size. A file that cannot be used, such as one that is
half written, leaves the earlier audit in place; the page shows what is wrong with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.server.page.running import TooLong, answered

EVERY: Final = 10.0
"""Seconds between two looks at the file."""

AGAIN: Final = 6
"""Looks after which a file is read again that could not be read, though it has not changed."""

SECONDS: Final = 60
"""Seconds of processor time that a report may take: ten times what the largest one does."""

PATIENCE: Final = 600.0
"""Seconds in all: at the lowest priority reviews come first."""

MOST_SHOWN: Final = 24 << 20
"""Bytes that are kept of an audit; 8 MiB of these are for metrics with hostile names."""

MOST_FILES: Final = 2000
"""The most files of a folder that are read."""

_Stamp = tuple[tuple[str, int, int, int], ...]


class _Series(Struct):
    name: str
    said: str
    samples: list[tuple[list[tuple[str, str]], float]]


class LastAudit(Collector):
    """What is shown of the audit in a file or folder, and its metrics. `whole`: the JSON that the page asks for; None
    before the first.

    program: the module that condenses the file. It is started with the path and the seconds of processor time, and
    writes a line of JSON, which is shown at once, a line with the series of metrics, and `whole`.
    """

    def __init__(self, program: str, file: Path, patience: float = PATIENCE, seconds: int = SECONDS) -> None:
        self._program = program
        self._file = file
        self._patience = patience
        self._seconds = seconds
        self._read: _Stamp | None = None  # of the file when it was read last
        self._waits = 0
        self._brief: dict[str, Any] | None = None
        self._series: list[_Series] = []
        self._version = 0
        self._problem = ""
        self.whole: bytes | None = None

    async def keep(self) -> None:
        """Look at the file until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Read the file if it has changed."""
        try:
            stamp = await asyncio.to_thread(self._stamp)
        except OSError as error:
            self._read, self._problem = None, f"it cannot be read: {error.strerror}"
            return
        if stamp == self._read:
            if not self._problem:
                return
            self._waits += 1
            if self._waits < AGAIN:
                return
        self._read, self._waits = stamp, 0
        self._problem = await self._condensed()

    def _stamp(self) -> _Stamp:
        files = [self._file]
        if self._file.is_dir():  # what begins with a dot is the kubelet's, whose links lead there
            files += sorted(each for each in self._file.iterdir() if not each.name.startswith("."))[:MOST_FILES]
        found = [(each.name, each.stat()) for each in files]
        return tuple((name, of.st_mtime_ns, of.st_size, of.st_ino) for name, of in found)

    async def _condensed(self) -> str:
        """Condense the file. Returns why it cannot be shown, or ""."""
        arguments = (str(self._file.absolute()), str(self._seconds))
        try:
            code, answer = await answered(self._program, *arguments, most=MOST_SHOWN, patience=self._patience)
        except TimeoutError:  # an OSError, too
            return f"it took longer than {self._patience:g} s to read"
        except OSError as error:
            return f"no process can be started to read it: {error.strerror}"
        except TooLong:
            return f"what is to be shown of it has more than {MOST_SHOWN >> 20} MiB"
        if code != 0:
            return "it could not be read as a whole: it was cut off in the meantime, or takes too much memory or time"
        first, _, rest = answer.partition(b"\n")
        brief = orjson.loads(first)
        if "problem" in brief:
            return str(brief["problem"])
        series, _, whole = rest.partition(b"\n")
        self._series = msgspec.json.decode(series, type=list[_Series])
        self._brief, self.whole = brief, whole
        self._version += 1
        return ""

    def shown(self) -> dict[str, Any]:
        """In short, as a JSON value: its version, which counts up, its result, and the problem with the file."""
        return {"version": self._version, "problem": self._problem, **(self._brief or {})}

    def collect(self) -> Iterator[Metric]:
        """The metrics of the audit that is shown; none before the first."""
        for each in self._series:
            metric = Metric(f"gatewright_audit_{each.name}", each.said, "gauge")
            for labels, value in each.samples:
                metric.add_sample(metric.name, dict(labels), value)
            yield metric

    def describe(self) -> Iterable[Metric]:
        """No metric, so that registering asks for none."""
        return []
