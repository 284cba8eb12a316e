"""`--audit-webhook`: takes what the API server's audit webhook sends to /audit, batches of events of its audit log.

What policies have noted in them becomes metrics; what the API server's own policies have, also findings of the page.
Gatewright's own are on it already, by their reviews. Nothing else of an event is read or kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypedDict

import msgspec
import orjson
from msgspec import Raw, Struct
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.auditlog.notes import LEFT_OUT, Note, Noted, noted
from webhook.documents.undecodable import UNDECODABLE
from webhook.library.metadata import SEVERITIES, SEVERITY
from webhook.server.memory import SMALL, fits
from webhook.server.port.exchange import Answer, Client, Head, Later
from webhook.server.reviews.answering import Reviews, is_json
from webhook.server.state import State
from webhook.server.telemetry.counting import counter
from webhook.server.telemetry.logs import Log, cut
from webhook.server.telemetry.seen import OF_A_REVIEW, Found
from webhook.visible import visible

PATH: Final = "/audit"

MOST: Final = 2000
"""Series of findings; further ones are counted under OTHER."""

MOST_WEBHOOKS: Final = 100
"""Webhooks that are named; further ones are counted under OTHER."""

OTHER: Final = "_other"
"""A namespace, policy or webhook that cannot exist."""

_SHARE: Final = 2  # a batch may take this part of the memory of a review
_AT_ONCE: Final = 32  # events that are read before others have their turn
_MAX_NAME: Final = 253
_MAX_MESSAGE: Final = 500
_KINDS: Final = ("audit.k8s.io/v1", "EventList")


class _Batch(Struct):
    """An EventList."""

    kind: str = ""
    api_version: str = msgspec.field(name="apiVersion", default="")
    items: list[Raw] = []


class _User(TypedDict, total=False):
    username: str


class _Status(TypedDict, total=False):
    code: int
    message: str


class _Event(TypedDict, total=False):
    """The fields of an event that notes are in. Others, such as the objects of the request, are passed over."""

    stage: str
    verb: str
    user: _User | None
    objectRef: dict[str, str] | None
    responseStatus: _Status | None
    annotations: dict[str, str] | None
    requestReceivedTimestamp: str


class EventMetrics(Collector):
    """What was read of the audit webhook's events. The number of series is bounded."""

    def __init__(self) -> None:
        self._events: Counter[str] = Counter(read=0, unreadable=0)
        self._findings: Counter[tuple[str, str, str, str]] = Counter()
        self._failed_open: Counter[str] = Counter()

    def event(self, result: str) -> None:
        """Count an event: `read` or `unreadable`."""
        self._events[result] += 1

    def finding(self, policy: str, namespace: str, severity: str, result: str) -> None:
        """Count a finding: `deny`, `warn`, `audit`, or `exception` if one covers it."""
        key = (_label(policy), _label(namespace), severity, result)
        if key not in self._findings and len(self._findings) >= MOST:
            key = (key[0], OTHER, severity, result)
            if key not in self._findings and len(self._findings) >= 2 * MOST:
                key = (OTHER, OTHER, "", result)
        self._findings[key] += 1

    def failed_open(self, webhook: str) -> None:
        """Count a request that passed because a webhook did not answer."""
        name = _label(webhook)
        known = name in self._failed_open or len(self._failed_open) < MOST_WEBHOOKS
        self._failed_open[name if known else OTHER] += 1

    def collect(self) -> Iterator[Metric]:
        yield counter(
            "gatewright_audit_webhook_events",
            "Events of the API server's audit webhook.",
            ("result",),
            (((result,), count) for result, count in self._events.items()),
        )
        yield counter(
            "gatewright_audit_webhook_findings",
            "What policies of the API server and webhooks found, by the events of its audit webhook.",
            ("policy", "namespace", "severity", "result"),
            self._findings.items(),
        )
        yield counter(
            "gatewright_audit_webhook_failed_open",
            "Requests that passed because a webhook did not answer, by the events of the audit webhook.",
            ("webhook",),
            (((name,), count) for name, count in self._failed_open.items()),
        )

    def describe(self) -> Iterable[Metric]:
        return []


class WithEvents:
    """The application of the HTTPS port where the setting is on: that of reviews, and /audit beside it.

    A batch may take `memory` bytes. Batches are read one after the other, a few events at a time, so that reviews do
    not wait for them.
    """

    def __init__(self, reviews: Reviews, state: State, metrics: EventMetrics, log: Log, memory: int) -> None:
        self._reviews = reviews
        self._state = state
        self._metrics = metrics
        self._log = log
        self._memory = memory // _SHARE
        self._batches = msgspec.json.Decoder(_Batch)
        self._events = msgspec.json.Decoder(_Event)
        self._turn = asyncio.Lock()
        self._announced = False
        self.admit = reviews.admit
        self.refused = reviews.refused

    @property
    def unsolicited(self) -> Answer | None:
        """See Reviews."""
        return self._reviews.unsolicited

    def refuse(self, head: Head, client: Client) -> Answer | None:
        """As Reviews does, with /audit beside its paths."""
        if head.path != PATH:
            return self._reviews.refuse(head, client)
        if head.method != "POST":
            message = f"the API server's audit webhook sends with POST, not {head.method}"
            return self._refusal(405, message, head, client, (b"allow", b"POST"))
        if not is_json(head.content_type):
            got = repr(cut(head.content_type.decode("latin-1"))) if head.content_type else "none"
            return self._refusal(415, f"content-type: expected application/json, got {got}", head, client)
        return None

    def too_large(self, head: Head, begin: bytes, client: Client) -> Answer | None:
        """As Reviews does; a batch is refused."""
        return None if head.path == PATH else self._reviews.too_large(head, begin, client)

    def answer(self, head: Head, body: bytes, client: Client) -> Answer | Later | Awaitable[Answer]:
        """As Reviews does; to a batch of events, once all are read."""
        if head.path != PATH:
            return self._reviews.answer(head, body, client)
        return self._taken(head, body, client)

    async def _taken(self, head: Head, body: bytes, client: Client) -> Answer:
        if len(body) > SMALL and not fits(body, "validate", self._memory):
            message = f"the events would take more than {self._memory >> 20} MiB of memory; expected smaller batches"
            return self._refusal(413, message, head, client)
        async with self._turn:
            try:
                batch = self._batches.decode(body)
            except UNDECODABLE as error:
                return self._refusal(400, f"not a batch of audit events: {error}"[:_MAX_MESSAGE], head, client)
            if (batch.api_version, batch.kind) != _KINDS:
                got = cut(f"{batch.kind} of {batch.api_version}")
                message = f"expected an {_KINDS[1]} of {_KINDS[0]}, got {got!r}"
                return self._refusal(400, message, head, client)
            if not self._announced:
                self._announced = True
                self._log.write("info", "audit webhook", {"message": "the API server sends events of its audit log"})
            severities: Mapping[str, str] | None = None
            for number, raw in enumerate(batch.items):
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
                try:
                    found = noted(self._events.decode(raw))
                except UNDECODABLE:
                    self._metrics.event("unreadable")
                    continue
                self._metrics.event("read")
                if found is not None:
                    if severities is None:
                        severities = self._severities()
                    self._take(found, severities)
        return Answer(200, b"{}")

    def _take(self, found: Noted, severities: Mapping[str, str]) -> None:
        for webhook in found.failed_open:
            self._metrics.failed_open(webhook)
        seen = self._state.seen
        room = OF_A_REVIEW
        for note in found.notes:
            result = "exception" if note.exception else note.level
            self._metrics.finding(note.policy, found.target.namespace, severities.get(note.policy, ""), result)
            if seen is not None and not note.by and room:
                room -= 1
                seen.add(_found(found, note))

    def _severities(self) -> Mapping[str, str]:
        """The severity of each policy in force that has one: the API server may run the same ones."""
        policies = self._state.in_force.policies.policies
        given = ((each.name, dict(each.annotations).get(SEVERITY)) for each in policies)
        return {name: severity for name, severity in given if severity in SEVERITIES}

    def _refusal(self, status: int, message: str, head: Head, client: Client, *headers: tuple[bytes, bytes]) -> Answer:
        self.refused(status, message, head, client)
        return Answer(status, orjson.dumps({"error": message}), headers=headers)


def _found(of: Noted, note: Note) -> Found:
    """A note as a finding of the page."""
    target = of.target
    what = f"{target.resource}.{target.group}" if target.group else target.resource
    what += f"/{target.subresource}" if target.subresource else ""
    return Found(
        at=_seconds(of.time),
        path=PATH,
        operation=of.operation[:_MAX_NAME],
        resource=what[:_MAX_NAME],
        namespace=target.namespace[:_MAX_NAME],
        name=target.name[:_MAX_NAME],
        user=of.user[:_MAX_NAME],
        policy=note.policy[:_MAX_NAME],
        binding=note.binding[:_MAX_NAME],
        result=note.level,
        message="" if note.message == LEFT_OUT else note.message[:_MAX_MESSAGE],
    )


def _seconds(text: str) -> float:
    """The time of an event in seconds since the epoch; now, if it has none that has passed."""
    now = time.time()
    try:
        return min(now, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        return now


def _label(text: str) -> str:
    return visible(text[:_MAX_NAME])
