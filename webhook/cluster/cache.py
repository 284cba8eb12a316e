"""A cache of the objects of one kind, filled by a list and kept up to date by a watch, in its own thread.

A watch that ends is resumed from the last resourceVersion. If the server no longer has that version (410 Gone), the
cache lists again (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
Lookups read an immutable snapshot, which the thread replaces as a whole: neither side waits for the other.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field

from webhook.cluster.connection import APIError, Connection, Query, Unreachable
from webhook.cluster.discovery import collection, discover
from webhook.cluster.lookups import Target
from webhook.cluster.snapshot import EMPTY, Key, Object, key_of
from webhook.schema import Kinds, Resource

PAGE = 250
"""Objects in one page of a list. Parsing a page takes a few milliseconds, and reviews may wait that long."""

SILENCE = 90.0
"""Seconds without a byte after which a watch counts as dead. API servers send a bookmark about every minute."""

_WATCH_SECONDS = (240, 480)  # timeoutSeconds of a watch, at random, so that not all watches restart at once
_RECHECK = 10.0  # seconds, about, between two discoveries of a kind that is not served
_RESUMES = 3  # error responses in a row after which the cache lists again instead of resuming the watch
_STEADY = 5.0  # seconds after which a watch that ended counts as healthy


class State(StrEnum):
    """The state of a cache. Only `waiting` keeps a server from being ready."""

    WAITING = "waiting"
    """The first list and watch have not succeeded yet."""
    SYNCED = "synced"
    """The watch is open, and the cache follows the cluster."""
    INTERRUPTED = "interrupted"
    """The list or watch fails at present; lookups get the last snapshot."""
    NOT_SERVED = "not served"
    """The cluster does not serve this kind."""


class Backoff(Struct, frozen=True):
    """Exponential backoff with jitter: doubles with each failure, then waits a random share from half to all of it.

    `first` and `longest`: seconds.
    """

    first: float = 0.5
    longest: float = 15.0

    def seconds(self, failures: int) -> float:
        ceiling = min(self.longest, self.first * 2.0 ** min(failures - 1, 16))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy


BACKOFF: Final = Backoff()


class Counts(Struct):
    """Counters since the start."""

    lists: int = 0
    restarts: int = 0  # watches that ended or could not be opened
    events: int = 0  # without bookmarks
    errors: Counter[str] = field(default_factory=Counter)  # by reason: see `reason_of`


class _Gone(Exception):
    """410 Gone: the server no longer has the resourceVersion that the watch would resume from."""


class Cache:
    """Caches the objects of a target.

    `changed` is called from the cache's thread whenever the state, or the reason for it, changes.
    """

    def __init__(
        self,
        target: Target,
        changed: Callable[[Cache], None],
        *,
        backoff: Backoff = BACKOFF,
        page: int = PAGE,
        silence: float = SILENCE,
    ) -> None:
        self.target = target
        self.resource = Kinds.builtin().for_kind(target.api_version, target.kind)
        """None until discovered, for a kind that is not built into Kubernetes."""
        self.state = State.WAITING
        self.problem = ""  # why it is not synced; "" if it is, or if the first list is still running
        self.counts = Counts()
        self.snapshot = EMPTY
        self.heard: float | None = None  # monotonic time at which the snapshot was last known to be current
        self.listed_at: float | None = None  # seconds since the epoch
        self.changed = changed
        self._backoff = backoff
        self._page = page
        self._silence = silence
        self._version = ""
        self._stop = threading.Event()
        self._failures = 0
        self._synced = False  # whether it has ever been synced
        self._reported = State.WAITING, ""  # the state that `changed` last saw, and the reason of its problem

    @property
    def age(self) -> float:
        """Seconds since the server last sent data: how stale the snapshot may be. 0.0 before the first list."""
        return 0.0 if self.heard is None else time.monotonic() - self.heard

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stop.set()

    def run(self, connection: Connection) -> None:
        """List and watch until stopped. Never raises."""
        while not self._stop.is_set():
            try:
                self._round(connection)
            except Exception:  # a bug here or in `changed` must not end the thread
                self._count("error")
                self._failures += 1
                self._pause()

    def _round(self, connection: Connection) -> None:
        """List once and watch until a new list is needed. Counts the failure and waits before it returns."""
        try:
            resource = self._resource(connection)
            if resource is not None:
                self._list(connection, resource)
                self._follow(connection, resource)
        except _Gone:
            self._count("gone")
            self._failures += 1
            if self._failures > 1:  # a single one is normal: after a quiet time, the version has been compacted
                self._pause()
        except APIError as error:
            if error.status == 404:
                self._not_served()
            else:
                self._failed(error)
        except Unreachable as error:
            self._failed(error)
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # a malformed response
            self._failed(APIError(200, f"malformed response ({type(error).__name__})"))

    def _resource(self, connection: Connection) -> Resource | None:
        """The resource of the kind. None, after a wait, if the cluster does not serve it."""
        if self.resource is None:
            self.resource = discover(connection, self.target.api_version, self.target.kind)
        if self.resource is None:
            self._not_served()
        return self.resource

    def _not_served(self) -> None:
        """Enter NOT_SERVED, and wait before the next discovery: the CustomResourceDefinition may still be created."""
        self.resource = Kinds.builtin().for_kind(self.target.api_version, self.target.kind)
        self.snapshot = EMPTY
        self.heard = time.monotonic()
        self._synced = True
        self._failures = 0
        self._enter(State.NOT_SERVED, "the cluster does not serve this kind")
        self._stop.wait(min(_RECHECK, self._backoff.longest) * random.uniform(0.5, 1.0))  # noqa: S311

    def _list(self, connection: Connection, resource: Resource) -> None:
        began = time.monotonic()
        path = collection(resource, self.target.namespace)
        try:
            objects, version = self._pages(connection, path, resource, self._page)
        except APIError as error:
            if error.status != 410:
                raise
            # The continue token expired before the last page. A list without a limit cannot expire.
            objects, version = self._pages(connection, path, resource, 0)
        self.snapshot = self.snapshot.replaced(objects)
        self._version = version
        self.heard, self.listed_at = began, time.time()
        self.counts.lists += 1

    def _pages(self, connection: Connection, path: str, resource: Resource, limit: int) -> tuple[list[Object], str]:
        objects: list[Object] = []
        query = self._selected()
        if limit:
            query.append(("limit", str(limit)))
        next_query = query
        while True:
            answer = connection.get(path, next_query)
            metadata = answer["metadata"]
            for item in answer.get("items") or ():
                # Items of a typed list carry no apiVersion and kind of their own.
                value = {"apiVersion": resource.api_version, "kind": resource.kind, **_needed(item)}
                key_of(value)
                objects.append(value)
            token = metadata.get("continue")
            if not token:
                return objects, metadata["resourceVersion"]
            next_query = [*query, ("continue", token)]
            if self._stop.is_set():
                raise Unreachable("shutting down")

    def _follow(self, connection: Connection, resource: Resource) -> None:
        """Watch from the list's resourceVersion, and resume when the watch ends.

        Raises _Gone, or APIError, when a new list is needed.
        """
        path = collection(resource, self.target.namespace)
        refused = 0
        while not self._stop.is_set():
            query = [
                *self._selected(),
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("resourceVersion", self._version),
                ("timeoutSeconds", str(random.randint(*_WATCH_SECONDS))),  # noqa: S311
            ]
            began = time.monotonic()
            established = False
            try:
                watch = connection.watch(path, query, self._silence)
                established = self._synced = True
                try:
                    self._enter(State.SYNCED)
                    for events in watch.events():
                        self._apply(events)
                        refused = self._failures = 0
                finally:
                    connection.ended(watch)
            except APIError as error:
                refused += 1
                if error.status == 410:
                    raise _Gone from None
                if error.status == 404 or refused >= _RESUMES:
                    raise
                self._failed(error)
            except Unreachable as error:
                if self._stop.is_set():
                    return
                if established:  # connections break now and then; the state changes only if the next attempt fails
                    self._count(reason_of(error))
                    self._failures += 1
                    self._pause()
                else:
                    self._failed(error)
            else:
                if time.monotonic() - began >= _STEADY:
                    refused = self._failures = 0
                else:
                    self._failures += 1
                    self._pause()
            finally:
                self.counts.restarts += 1

    def _apply(self, events: list[Object]) -> None:
        """Apply events to the snapshot, all in one change. Raises APIError on an ERROR event."""
        changes: dict[Key, Object | None] = {}
        try:
            for event in events:
                kind, value = event["type"], event["object"]
                if kind == "ERROR":
                    raise APIError(int(value.get("code") or 500), str(value.get("message", ""))[:500])
                self._version = value["metadata"]["resourceVersion"]
                if kind == "BOOKMARK":
                    continue
                changes[key_of(value)] = None if kind == "DELETED" else _needed(value)
                self.counts.events += 1
        finally:  # the events before an ERROR count
            if changes:
                self.snapshot = self.snapshot.changed(changes)
        self.heard = time.monotonic()

    def _selected(self) -> Query:
        return [("fieldSelector", f"metadata.name={self.target.name}")] if self.target.name else []

    def _failed(self, error: APIError | Unreachable) -> None:
        """Count the failure, report the state, and wait."""
        reason = reason_of(error)
        self._count(reason)
        self._failures += 1
        self._enter(State.INTERRUPTED if self._synced else State.WAITING, str(error), reason)
        self._pause()

    def _pause(self) -> None:
        self._stop.wait(self._backoff.seconds(self._failures))

    def _count(self, reason: str) -> None:
        self.counts.errors[reason] += 1

    def _enter(self, state: State, problem: str = "", reason: str = "") -> None:
        self.state, self.problem = state, problem
        if (state, reason) != self._reported and not self._stop.is_set():
            self._reported = state, reason
            self.changed(self)


def reason_of(error: APIError | Unreachable) -> str:
    """A metric label: unreachable, unauthorized, forbidden, throttled, or error (any other response)."""
    if isinstance(error, Unreachable):
        return "unreachable"
    return _REASONS.get(error.status, "error")


_REASONS: Final = {401: "unauthorized", 403: "forbidden", 429: "throttled"}
REASONS: Final = ("unreachable", *_REASONS.values(), "gone", "error")


def _needed(value: Any) -> Object:
    """The object without metadata.managedFields, which is half the size of many objects and of no use to policies."""
    metadata = value["metadata"]
    if "managedFields" in metadata:
        del metadata["managedFields"]
    return value  # type: ignore[no-any-return]
