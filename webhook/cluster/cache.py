"""A cache of the objects of one kind: listed once, then watched, in a thread of its own.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes. A watch that ends is taken
up again where it was; one whose beginning the server has forgotten (410 Gone) begins anew with a list. Whoever looks up
sees an immutable snapshot, which the thread replaces as a whole: neither waits for the other.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from webhook.cluster.connection import APIError, Connection, Query, Unreachable
from webhook.cluster.discovery import collection, discover
from webhook.cluster.lookups import Target
from webhook.cluster.snapshot import EMPTY, Key, Object, key_of
from webhook.schema import Kinds, Resource

PAGE = 250
"""Objects that are listed at once: a page is parsed in some milliseconds, which is how long reviews may wait for it."""

SILENCE = 90.0
"""Seconds without a byte after which a watch is dead. Servers send a bookmark about every minute."""

_WATCH_SECONDS = (240, 480)  # that a watch is asked to last: at random, so that servers are not asked all at once
_RECHECK = 10.0  # seconds, about, until it is looked anew whether a kind is served that was not
_RESUMES = 3  # answers with an error in a row after which a watch is not taken up but begun anew with a list
_STEADY = 5.0  # seconds that a watch has to last to count as one that works


class State(StrEnum):
    """What a cache is in. Only `waiting` keeps a server from being ready."""

    WAITING = "waiting"
    """It has not been listed and watched yet."""
    SYNCED = "synced"
    """It follows the cluster."""
    INTERRUPTED = "interrupted"
    """It does not at the moment: it answers by what it knew last."""
    NOT_SERVED = "not served"
    """The cluster has no such kind."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait after failures in a row: doubled each time, and at random between half and all of that."""

    first: float = 0.5
    longest: float = 15.0

    def seconds(self, failures: int) -> float:
        ceiling = min(self.longest, self.first * 2.0 ** min(failures - 1, 16))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - nobody need be kept from guessing it


@dataclass(slots=True)
class Counts:
    """What has happened since the start."""

    lists: int = 0
    restarts: int = 0  # of the watch: how often one ended, or could not begin
    events: int = 0  # bookmarks left out
    errors: Counter[str] = field(default_factory=Counter)  # by reason: see `reason_of`


class _Gone(Exception):
    """The server has forgotten where the watch was."""


class Cache:
    """Keeps a target at hand. `changed` is called from its thread at every change of state, and of the reason why."""

    def __init__(
        self,
        target: Target,
        changed: Callable[[Cache], None],
        *,
        backoff: Backoff = Backoff(),
        page: int = PAGE,
        silence: float = SILENCE,
    ) -> None:
        self.target = target
        self.resource = Kinds.builtin().for_kind(target.api_version, target.kind)
        """Known once discovered, where it is none of Kubernetes' own."""
        self.state = State.WAITING
        self.problem = ""  # why it is not synced, as far as that is known
        self.counts = Counts()
        self.snapshot = EMPTY
        self.heard: float | None = None  # the monotonic time as of which the snapshot is true
        self.listed_at: float | None = None  # seconds since the epoch
        self._changed = changed
        self._backoff = backoff
        self._page = page
        self._silence = silence
        self._version = ""
        self._stop = threading.Event()
        self._failures = 0
        self._synced = False  # it was, once
        self._told = State.WAITING, ""  # the state that was told last, and the reason of its problem

    @property
    def age(self) -> float:
        """Seconds since the server last told anything: how stale the snapshot may be. 0.0 before the first list."""
        return 0.0 if self.heard is None else time.monotonic() - self.heard

    def stop(self) -> None:
        """Return from `run` soon."""
        self._stop.set()

    def run(self, connection: Connection) -> None:
        """List and watch until stopped. Never raises."""
        while not self._stop.is_set():
            try:
                self._round(connection)
            except Exception:  # a defect of ours, or of who is told of changes, must not be the end of it
                self._count("error")
                self._failures += 1
                self._pause()

    def _round(self, connection: Connection) -> None:
        """List and watch until that has to begin anew; then it has been noted and waited."""
        try:
            resource = self._resource(connection)
            if resource is not None:
                self._list(connection, resource)
                self._follow(connection, resource)
        except _Gone:
            self._count("gone")
            self._failures += 1
            if self._failures > 1:  # once is nothing: nobody changed anything for long
                self._pause()
        except APIError as error:
            if error.status == 404:
                self._not_served()
            else:
                self._failed(error)
        except Unreachable as error:
            self._failed(error)
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # it is not what an API server sends
            self._failed(APIError(200, f"{type(error).__name__} over what the server sent"))

    def _resource(self, connection: Connection) -> Resource | None:
        """The resource of the kind; None, after a while, where it is not served."""
        if self.resource is None:
            self.resource = discover(connection, self.target.api_version, self.target.kind)
        if self.resource is None:
            self._not_served()
        return self.resource

    def _not_served(self) -> None:
        """Looked at again after a while: somebody may yet create the definition."""
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
            # It took so long that the server has forgotten where the list began: all in one piece, then.
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
        following = query
        while True:
            answer = connection.get(path, following)
            metadata = answer["metadata"]
            for item in answer.get("items") or ():
                # The items of a list are told their type by the list alone.
                value = {"apiVersion": resource.api_version, "kind": resource.kind, **_needed(item)}
                key_of(value)
                objects.append(value)
            token = metadata.get("continue")
            if not token:
                return objects, metadata["resourceVersion"]
            following = [*query, ("continue", token)]
            if self._stop.is_set():
                raise Unreachable("shutting down")

    def _follow(self, connection: Connection, resource: Resource) -> None:
        """Watch on from the list, over and over. Raises _Gone where that needs a new list."""
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
                if established:  # connections do break; nothing is amiss if the next one works
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
        """Take over all that came at once. Raises APIError."""
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
        finally:  # what came before an error counts
            if changes:
                self.snapshot = self.snapshot.changed(changes)
        self.heard = time.monotonic()

    def _selected(self) -> Query:
        return [("fieldSelector", f"metadata.name={self.target.name}")] if self.target.name else []

    def _failed(self, error: APIError | Unreachable) -> None:
        """Note it, and wait."""
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
        if (state, reason) != self._told and not self._stop.is_set():
            self._told = state, reason
            self._changed(self)


def reason_of(error: APIError | Unreachable) -> str:
    """One of a few words, for a label: unreachable, unauthorized, forbidden, throttled, or error (any other answer)."""
    if isinstance(error, Unreachable):
        return "unreachable"
    return _REASONS.get(error.status, "error")


_REASONS: Final = {401: "unauthorized", 403: "forbidden", 429: "throttled"}
REASONS: Final = ("unreachable", *_REASONS.values(), "gone", "error")


def _needed(value: Any) -> Object:
    """The object without who manages which field of it: half of many objects, and of no use to a policy."""
    metadata = value["metadata"]
    if "managedFields" in metadata:
        del metadata["managedFields"]
    return value  # type: ignore[no-any-return]
