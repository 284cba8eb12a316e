"""Puts a changed policy tree in force while the server runs.

The files are looked at every second. Once they have not changed for two seconds, they are read into memory, loaded in a
process of their own (webhook.server.policies.rehearsal), and then put in force whole. A tree with an error leaves the
policies in force as they are; the log, the metrics and /policies say what is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge

from webhook.documents.reader import Problem
from webhook.policy.load.treefiles import Stamp, Tree
from webhook.policy.policyset import PolicySet
from webhook.server.policies.installing import NotInstalled
from webhook.server.policies.rehearsal import rehearse
from webhook.server.policies.sources import Sources
from webhook.server.state import Refused, State, counts
from webhook.server.telemetry.logs import Log, cut, failure
from webhook.versions import Version
from webhook.visible import visible

Result = TypeVar("Result")

INTERVAL = 1.0
"""Seconds between two looks at the files."""

SETTLED = 2.0
"""Seconds without a change after which the files are read: they may be copied one by one."""

_RETRY = 30.0  # seconds until a tree is tried again that failed for another reason than its content
_READINGS = 5  # of files that change while they are read, on request
_SHOWN = 20  # problems in a log line


class Outcome(Struct, frozen=True):
    """The result of a reload. `changed`: whether another revision is in force now. `problems`: why it is not."""

    revision: str
    changed: bool
    problems: tuple[Problem, ...] = ()


class ReloadMetrics:
    """The metrics of reloads, in the registry of the process that looks at the files."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reloads = Counter(
            "gatewright_policy_reloads", "Changed policy trees that were put in force.", registry=registry
        )
        self._failures = Counter(
            "gatewright_policy_reload_failures",
            "Changed policy trees that could not be put in force; the previous policies stay in force.",
            registry=registry,
        )
        self._good = Gauge(
            "gatewright_policy_last_reload_successful",
            "1 while the policies in force are those of the files.",
            registry=registry,
        )
        self._at = Gauge(
            "gatewright_policy_last_reload_timestamp_seconds",
            "When the policies in force were last found to be those of the files after a change, in seconds since the"
            " epoch.",
            registry=registry,
        )
        self.in_step()

    def in_step(self) -> None:
        """The policies in force are those of the files."""
        self._good.set(1)
        self._at.set(time.time())

    def reloaded(self) -> None:
        """Count a tree that was put in force."""
        self._reloads.inc()
        self.in_step()

    def failed(self) -> None:
        """Count a tree that could not be put in force."""
        self._failures.inc()
        self._good.set(0)


class Reload:
    """Checks the sources of the policy tree, and puts a changed tree in force by `install`.

    `install` raises NotInstalled. `since`: the stamp of the sources before the policies in force were read from them;
    None if that is not known. `seconds`: the time for loading.
    """

    def __init__(
        self,
        sources: Sources,
        version: Version,
        seconds: float,
        install: Callable[[Tree], Awaitable[PolicySet]],
        state: State,
        metrics: ReloadMetrics,
        log: Log,
        since: Stamp | None = None,
    ) -> None:
        self._sources = sources
        self._version = version
        self._seconds = seconds
        self._install = install
        self._state = state
        self._metrics = metrics
        self._log = log
        self._done = since  # the stamp of the files that were tried last
        self._seen: Stamp | None = None  # that of a change that is not known to be complete
        self._seen_at = 0.0
        self._retry_at = float("inf")
        self._not_pulled = False
        self._one = asyncio.Lock()
        self._requested: asyncio.Task[Outcome] | None = None

    async def watch(self) -> None:
        """Look at the files until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                async with self._one:
                    await self._look()
            except Exception as error:  # a bug of ours must not end all reloads
                self._log.write("error", "reload", failure(error))

    async def now(self) -> Outcome:
        """Read the files now, and put them in force if they have changed, without waiting for further changes.

        Requests that come before the files are read share one reload.
        """
        if self._requested is None:
            self._requested = asyncio.create_task(self._reload_now())
        return await asyncio.shield(self._requested)

    async def _look(self) -> None:
        if self._sources.due() and (problems := await self._pull()):
            self._refuse("", problems)
        found = await asyncio.to_thread(self._sources.stamp)
        now = asyncio.get_running_loop().time()
        if found == self._done:
            self._seen = None
            if now < self._retry_at:
                return
        elif found != self._seen:
            self._seen, self._seen_at = found, now
            return
        elif now - self._seen_at < SETTLED:
            return
        tree = await self._read(found)
        if tree is not None:
            await self._take(tree)

    async def _reload_now(self) -> Outcome:
        async with self._one:
            self._requested = None
            if problems := await self._pull():
                return self._refuse("", problems)
            for _ in range(_READINGS):
                tree = await self._read(await asyncio.to_thread(self._sources.stamp))
                if tree is not None:
                    return await self._take(tree, requested=True)
            problem = Problem(self._sources.names[0], None, None, "the files changed each time that they were read")
            return self._refuse("", (problem,))

    async def _pull(self) -> tuple[Problem, ...]:
        """Ask the registries for changed bundles. Returns why some could not be pulled."""
        problems = await _aside(self._sources.pull)
        if self._not_pulled and not problems:  # what is here may be in force all the time: find out
            self._retry_at = 0.0
        self._not_pulled = bool(problems)
        return problems

    async def _read(self, before: Stamp) -> Tree | None:
        """The tree; None if the files changed since `before`, so that it may be neither their old nor their new
        state."""
        tree = await asyncio.to_thread(self._sources.read)
        after = await asyncio.to_thread(self._sources.stamp)
        if after != before:
            return None
        self._done, self._seen, self._retry_at = before, None, float("inf")
        return tree

    async def _take(self, tree: Tree, *, requested: bool = False) -> Outcome:
        before = self._state.in_force.policies.revision
        if tree.revision == before and not tree.problems:
            if self._state.refused is not None or requested:
                self._log.write("info", "reload", {"revision": before, "message": "this revision is in force"})
            self._state.refused = None
            self._state.bundles = await asyncio.to_thread(self._sources.in_force, tree)
            self._metrics.in_step()
            return Outcome(before, changed=False)
        began = time.monotonic()
        problems = tree.problems or await rehearse(tree, self._version, self._seconds)
        if problems:
            return self._refuse(tree.revision, problems)
        try:
            policies = await self._install(tree)
        except NotInstalled as error:
            if not error.lasting:
                self._retry_at = asyncio.get_running_loop().time() + _RETRY
            return self._refuse(tree.revision, error.problems)
        self._state.refused = None
        self._state.bundles = await asyncio.to_thread(self._sources.in_force, tree)
        self._metrics.reloaded()
        fields = {"revision": tree.revision, "before": before, **counts(policies)}
        self._log.write("info", "reload", {**fields, "seconds": round(time.monotonic() - began, 3)})
        for message in map(str, (*policies.notes, *policies.warnings)):
            self._log.write("warning", "policies", {"message": message})
        return Outcome(tree.revision, changed=True)

    def _refuse(self, revision: str, problems: tuple[Problem, ...]) -> Outcome:
        stays = self._state.in_force.policies.revision
        repeated = self._state.refused is not None and self._state.refused.problems == problems
        self._state.refused = Refused(revision, time.time(), problems)
        self._metrics.failed()
        if not repeated:
            fields = {"refused": revision, "revision": stays, "message": f"revision {stays} stays in force"}
            shown = [cut(visible(str(problem))) for problem in problems[:_SHOWN]]
            self._log.write("error", "reload", {**fields, "problems": shown, "more": len(problems) - len(shown)})
        return Outcome(stays, changed=False, problems=problems)


async def _aside(work: Callable[[], Result]) -> Result:
    """The result of `work`, which may take a minute, from a thread that nobody waits for when the server ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def tell(result: Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("Result", result))

    def run() -> None:
        result: Result | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, daemon=True, name="pull").start()
    return await done


async def on_request(asked: asyncio.Event, reload: Reload) -> None:
    """Reload each time that `asked` is set (by SIGHUP), until cancelled."""
    while True:
        await asked.wait()
        asked.clear()
        with contextlib.suppress(Exception):  # reported by the reload itself
            await reload.now()
