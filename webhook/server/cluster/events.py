"""Denials as Kubernetes Events, for users who can see a namespace and not the server's log: `kubectl events`.

A denial of what a controller creates is an Event of its owner, such as the ReplicaSet, so `kubectl describe` of that
shows why no Pod comes. Any other is an Event of the object itself.

A tenant can have requests denied as fast as it can send them, and each Event is a write to etcd. So equal denials are
one Event, which is counted and updated at most once in UPDATE_AFTER seconds, as the recorder of Kubernetes' own
components does it; a namespace, and the whole process, have a rate; and what does not fit into the queue is dropped. A
thread writes: no review waits for it. Dry runs leave nothing behind, and denials of Events would breed further ones, so
neither is recorded.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.cluster.connection import APIError, Unreachable
from webhook.server.telemetry.counting import counter
from webhook.server.telemetry.logs import Log, cut
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.admission.decision import Finding
    from webhook.policy.request import Request

UPDATE_AFTER: Final = 60.0
"""Seconds between two updates of one Event."""

FORGET_AFTER: Final = 600.0
"""Seconds after which an equal denial is a new Event."""

BURST, EVERY = 10, 6.0
"""Of one namespace: so many Events at once, then one in so many seconds."""

MOST_BURST, MOST_EVERY = 50, 0.2
"""Of this process, over all namespaces."""

WAITING: Final = 200
"""The most writes that wait."""

_KNOWN = 1000  # Events that are remembered
_NAMESPACES = 1000  # of which the rate is known
_MAX_NOTE = 1024  # bytes, as the API server allows
_MAX_NAME = 253
_TIMEOUT = 10.0  # seconds of one write
_COMPLAIN = 60.0  # seconds between two log lines
_CONTROLLER = "gatewright.dev/webhook"
_RESULTS = ("created", "updated", "merged", "limited", "dropped", "failed")

Object = dict[str, Any]


class API(Protocol):
    """What is needed of webhook.cluster.connection.Connection."""

    def post(self, path: str, body: Object, timeout: float) -> Object: ...

    def patch(self, path: str, body: Object, timeout: float) -> Object: ...


class Bucket(Struct):
    """A rate: `burst` at once, then one in `every` seconds."""

    burst: int
    every: float
    left: float
    since: float

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        self.left = min(self.burst, self.left + (now - self.since) / self.every)
        self.since = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class _Known(Struct):
    """An Event that was written, or is about to be."""

    name: str
    namespace: str
    first: float
    written: float
    count: int = 1


class _Write(Struct, frozen=True):
    """One write. event: to create; None to update the known Event."""

    known: _Known
    event: Object | None
    count: int


class Events(Collector):
    """Records denials. connect: makes the connection, in the thread that writes. clock: time.monotonic."""

    def __init__(
        self, log: Log, connect: Callable[[], API], clock: Callable[[], float] = time.monotonic, instance: str = ""
    ) -> None:
        self._log = log
        self._connect = connect
        self._clock = clock
        self._instance = (instance or socket.gethostname())[:128]
        self._known: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._whole = Bucket(MOST_BURST, MOST_EVERY, MOST_BURST, clock())
        self._queue: queue.Queue[_Write | None] = queue.Queue(WAITING)
        self._complained = -_COMPLAIN
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop writing, and drop the Events that wait."""
        while self._queue.full():
            self._take()
        self._queue.put_nowait(None)

    def denied(self, request: Request, findings: Iterable[Finding], confidential: Callable[[Finding], bool]) -> None:
        """Record a denial. confidential: whether the message of a finding is not for all who see the namespace."""
        if request.dry_run or request.resource.resource == "events":
            return
        denials = [finding for finding in findings if finding.action == "Deny"]
        if not denials:
            return
        regarding = _regarding(request)
        names = {finding.policy: None for finding in denials}
        now = self._clock()
        key = (*regarding.values(), request.operation, *list(names)[:10])
        known = self._known.get(key)
        if known is not None and now - known.first < FORGET_AFTER:
            self._again(known, now)
            return
        namespace = regarding["namespace"] or "default"
        if not self._may(namespace, now):
            self.counts["limited"] += 1
            return
        event = self._event(request, regarding, namespace, denials, confidential)
        known = _Known(event["metadata"]["name"], namespace, now, now)
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        self._put(_Write(known, event, 1))

    def _again(self, known: _Known, now: float) -> None:
        known.count += 1
        if now - known.written >= UPDATE_AFTER and self._may(known.namespace, now):
            known.written = now
            self._put(_Write(known, None, known.count))
        else:
            self.counts["merged"] += 1

    def _may(self, namespace: str, now: float) -> bool:
        """Whether the rates of the namespace and of the process allow another write."""
        bucket = self._buckets.get(namespace)
        if bucket is None:
            bucket = self._buckets[namespace] = Bucket(BURST, EVERY, BURST, now)
            if len(self._buckets) > _NAMESPACES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(namespace)
        return bucket.take(now) and self._whole.take(now)

    def _event(
        self,
        request: Request,
        regarding: Object,
        namespace: str,
        denials: list[Finding],
        confidential: Callable[[Finding], bool],
    ) -> Object:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        group, _, resource = request.resource
        what = f"{request.operation} of {resource}{f'.{group}' if group else ''} {request.name or 'without a name'}"
        texts = dict.fromkeys(
            f"policy '{denial.policy}'" + ("" if confidential(denial) else f": {denial.message}") for denial in denials
        )
        # The name begins as the object's, as Kubernetes' own recorder has it. It is known to be a name only if the API
        # server has taken the object before, so it may not be one.
        start = "".join(char for char in str(regarding["name"])[:200] if char in _NAME).strip("-.")
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{start or 'gatewright'}.{token_hex(8)}", "namespace": namespace},
            "eventTime": now,
            "reportingController": _CONTROLLER,
            "reportingInstance": self._instance,
            "action": request.operation.capitalize(),
            "reason": "PolicyDenied",
            "type": "Warning",
            "regarding": {key: value for key, value in regarding.items() if value},
            "note": _note(visible(f"{what} denied by {'; '.join(texts)}")),
        }

    def _put(self, write: _Write) -> None:
        try:
            self._queue.put_nowait(write)
        except queue.Full:
            self.counts["dropped"] += 1

    def _take(self) -> None:
        try:
            self._queue.get_nowait()
            self.counts["dropped"] += 1
        except queue.Empty:
            pass

    def _run(self) -> None:
        api: API | None = None
        while (write := self._queue.get()) is not None:
            try:
                api = api or self._connect()
                self._write(api, write)
            except (APIError, Unreachable) as error:
                self.counts["failed"] += 1
                self._complain(str(error))

    def _write(self, api: API, write: _Write) -> None:
        known = write.known
        path = f"/apis/events.k8s.io/v1/namespaces/{known.namespace}/events"
        if write.event is not None:
            api.post(path, write.event, _TIMEOUT)
            self.counts["created"] += 1
            return
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        series = {"series": {"count": write.count, "lastObservedTime": now}}
        api.patch(f"{path}/{known.name}", series, _TIMEOUT)
        self.counts["updated"] += 1

    def _complain(self, text: str) -> None:
        now = self._clock()
        if now - self._complained >= _COMPLAIN:
            self._complained = now
            self._log.write("warning", "events not recorded", {"message": cut(visible(text))})

    def collect(self) -> Iterator[Metric]:
        yield counter(
            "gatewright_kubernetes_events",
            "Denials, by what became of them as Kubernetes Events: created, updated, merged into one, limited by the"
            " rate, dropped as the queue was full, failed.",
            ("result",),
            (((result,), self.counts[result]) for result in _RESULTS),
        )

    def describe(self) -> Iterable[Metric]:
        return []


_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


def _note(text: str) -> str:
    """At most as many bytes as a note may have."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= _MAX_NOTE else encoded[: _MAX_NOTE - 3].decode("utf-8", "ignore") + "…"


def _regarding(request: Request) -> dict[str, str]:
    """What the Event is about: the controller of a new object, if it has one, else the object."""
    metadata = (request.object or {}).get("metadata") or {}
    owner = _controller(metadata) if request.operation == "CREATE" else None
    if owner is not None:
        return owner | {"namespace": request.namespace}
    known = ((request.old_object or {}).get("metadata") or {}) if request.operation != "CREATE" else {}
    group, version, kind = request.kind
    name = request.name or metadata.get("generateName") or ""
    is_namespace = kind == "Namespace" and not group
    return {
        "apiVersion": f"{group}/{version}" if group else version,
        "kind": kind,
        "name": _text(name),
        "uid": _text(known.get("uid")),
        "namespace": "" if is_namespace else request.namespace,  # of a Namespace, the request's is itself
    }


def _controller(metadata: Object) -> dict[str, str] | None:
    owners = metadata.get("ownerReferences")
    for owner in owners[:20] if isinstance(owners, list) else ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            fields = {key: _text(owner.get(key)) for key in ("apiVersion", "kind", "name", "uid")}
            return fields if all(fields.values()) else None
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _MAX_NAME else ""
