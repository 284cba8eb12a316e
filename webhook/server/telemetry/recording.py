"""`--record`: hands reviews, and what policies looked up, to the process that writes them.

A review costs the server a copy of its bytes into a queue, and new objects that policies looked up their JSON, at most
some 4 MiB of it; redacting, compressing and writing is up to the process (webhook.recordings.writing). What the queue
has no room for is dropped and counted, and no review waits for the process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import random
from time import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from msgspec import Struct, field
from prometheus_client.metrics_core import Metric

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.admission.decision import Decision, Mutation
from webhook.cluster.view import Answer, ClusterView
from webhook.policy.evaluation import Failure
from webhook.recordings.records import Defined, Looked, Said, Served, Unread, Writing
from webhook.schema import Kinds
from webhook.server.telemetry.counting import counter
from webhook.server.telemetry.feeding import Feeding
from webhook.server.telemetry.logs import Log

if TYPE_CHECKING:
    from webhook.policy.request import Request

MAX_BYTES: Final = 16 << 20
"""Bytes of the reviews that wait."""

MAX_OBJECTS: Final = 4096
"""The most objects that the process is to remember, and that one review may look up."""

MAX_OBJECT_BYTES: Final = 16 << 20
"""Bytes of these objects, as JSON."""

MAX_DEFINED: Final = 4 << 20
"""Bytes of new objects that are sent with a review. A list of more is left out."""

MAX_KEPT: Final = 64
"""Reviews that wait to become records."""

_MAX_LISTS: Final = 64  # that are remembered
_ERROR: Final = AccessUnknown.__name__
_BUILTIN: Final = Kinds.builtin()


Answers = dict[tuple[Any, ...], Answer | AccessDecision | LookupError]
"""What was looked up, by the method and its arguments."""


class Lookups(Struct):
    """The ClusterView of a review that is recorded: `view`, which may be replaced, and its answers so far."""

    view: ClusterView
    answers: Answers = field(default_factory=dict)

    @property
    def kinds(self) -> Kinds:
        """See ClusterView."""
        return self.view.kinds

    def namespace(self, name: str) -> Answer:
        """See ClusterView."""
        try:
            answer = self.view.namespace(name)
        except LookupError as error:
            self.answers["namespace", name] = error
            raise
        self.answers["namespace", name] = answer
        return answer

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        try:
            answer = self.view.get(api_version, kind, name, namespace)
        except LookupError as error:
            self.answers["get", api_version, kind, name, namespace] = error
            raise
        self.answers["get", api_version, kind, name, namespace] = answer
        return answer

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        try:
            answer = self.view.list(api_version, kind, namespace)
        except LookupError as error:
            self.answers["list", api_version, kind, namespace] = error
            raise
        self.answers["list", api_version, kind, namespace] = answer
        return answer

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        try:
            decision = self.view.authorize(access)
        except AccessUnknown as error:
            self.answers["access", access] = error
            raise
        self.answers["access", access] = decision
        return decision


_Kept = tuple[float, str, str, bytes, bytes, list[Said], tuple[str, ...], Unread | None, Lookups, str]
"""A review that is no record yet: the fields of Seen before `lookups`, the view, and the request's namespace."""


class Recorder(Feeding):
    """Records the reviews of a process: a `share` of them, from 0 to 1."""

    def __init__(self, log: Log, writing: Writing, share: float = 1.0, command: tuple[str, ...] = ()) -> None:
        command = command or (sys.executable, "-P", "-m", "webhook.recordings.writing")
        configuration = msgspec.json.encode(writing).decode()
        super().__init__(log, (*command, configuration), MAX_BYTES, "writer of the recording", "reviews not recorded")
        self._share = share
        self._encode = msgspec.msgpack.Encoder().encode
        self._numbers: dict[int, tuple[Any, int]] = {}  # by identity of an object, which is kept: its number
        self._lists: dict[int, tuple[Any, list[int] | bool]] = {}  # by identity of a list of objects, which is kept
        self._plain: dict[tuple[Any, ...], tuple[Any, Any, list[Any]]] = {}  # by lookup: value, what is sent, arguments
        self._last = 0
        self._bytes = 0
        self._new: list[Defined] = []  # objects that the next review with lookups takes along
        self._new_bytes = 0
        self._forget = False
        self._kept: list[_Kept] = []
        self._kept_bytes = 0

    def begin(self, view: ClusterView) -> Lookups | None:
        """The view for a review, if it is to be recorded."""
        return Lookups(view) if self._share >= 1.0 or random() < self._share else None  # noqa: S311

    def started(self) -> None:
        """Send the new process everything again."""
        self._numbers.clear()
        self._lists.clear()
        self._plain.clear()
        self._bytes = 0
        self._new = []
        self._new_bytes = 0
        self._forget = True

    def put(
        self,
        path: str,
        request: Request,
        body: bytes,
        outcome: Decision | Mutation,
        response: bytes,
        revision: str,
        lookups: Lookups,
        unread: Failure | None = None,
    ) -> None:
        """Record a review with its outcome, or drop it. It is made a record a moment later, see Feeding.gather.

        unread: why its objects could not be read; `body` is then the review without them.
        """
        size = self._kept_bytes + len(body) + len(response)
        if self._size + size + self._new_bytes > self._most:
            self.drop()
            return
        self._kept_bytes = size
        findings: list[Said] = []
        if outcome.findings:  # not the outcome itself, which holds all that was evaluated
            findings = [(each.policy, each.binding, each.action, each.message, each.error) for each in outcome.findings]
        changed = outcome.policies if type(outcome) is Mutation else ()
        kept = self._kept
        why = None if unread is None else (unread.message, unread.reason)
        kept.append((time(), path, revision, body, response, findings, changed, why, lookups, request.namespace))
        number = len(kept)
        if number == 1:
            self.send_soon()
        elif number >= MAX_KEPT:
            self.gather()
            self.send_now()

    def gather(self) -> None:
        """See Feeding."""
        kept, self._kept = self._kept, []
        self._kept_bytes = 0
        view: ClusterView | None = None
        own: dict[str, Looked | None] = {}  # the Namespaces of requests, as this view has them
        plain, encode = self._plain, self._encode
        for at, path, revision, body, response, findings, changed, why, lookups, namespace in kept:
            answers = lookups.answers
            if lookups.view is not view:
                view = lookups.view
                own = {}
            if len(self._numbers) > MAX_OBJECTS or self._bytes > MAX_OBJECT_BYTES:
                self.started()
                own = {}
            served: list[Served] = []
            found: list[Looked] = []
            for key, answer in answers.items():
                known = plain.get(key)
                if known is not None and type(answer) is Answer and answer[0] is known[0]:
                    found.append((key[0], known[2], answer[1], known[1]))
                else:
                    found.append(self._looked(key, answer, view.kinds, served))
            if namespace and ("namespace", namespace) not in answers:
                if namespace in own:
                    looked = own[namespace]
                else:
                    looked = self._own(view, namespace)
                    if looked is None or looked[3] is not False:  # for which the next review may have room
                        own[namespace] = looked
                if looked is not None:
                    found.append(looked)
            try:
                new, forget = self._new, self._forget
                record = encode(
                    (at, path, revision, body, response, findings, changed, why, found, new, served, forget)
                )
            except UnicodeEncodeError:  # a text with half a surrogate pair
                self.dropped += 1
                if self._new:  # it may be in one of these
                    self.started()
                    own = {}
                continue
            if self.put_record(record) and (self._new or self._forget):
                self._forget = False
                self._new, self._new_bytes = [], 0

    def _own(self, view: ClusterView, name: str) -> Looked | None:
        """The Namespace of a request, if that takes no waiting, so that other policies can be tried on the review."""
        try:
            answer = view.get("v1", "Namespace", name)
        except LookupError:
            return None
        key = ("namespace", name)
        known = self._plain.get(key)
        if known is not None and answer[0] is known[0]:
            return "namespace", known[2], answer[1], known[1]
        return self._looked(key, answer, view.kinds, []) if answer.value is not None else None

    def _looked(self, key: tuple[Any, ...], answer: Any, kinds: Kinds, served: list[Served]) -> Looked:
        """A lookup as it is sent. Objects that are new are added to `_new`, kinds that are not built in to `served`."""
        what, *arguments = key
        defined = self._new
        if what == "access":
            failed = isinstance(answer, AccessUnknown)
            return what, tuple(arguments[0]), 0.0, (_ERROR, str(answer)) if failed else tuple(answer)
        kind = _served(kinds, *arguments[:2]) if what != "namespace" else None
        if kind is not None and kind not in served:
            served.append(kind)
        if isinstance(answer, LookupError):
            return what, arguments, 0.0, (type(answer).__name__, str(answer))
        value = answer.value
        found: Any
        if value is None:
            found = None
        elif what != "list":
            found = self._new_bytes <= MAX_DEFINED and self._number(value, defined)
        elif len(value) > MAX_OBJECTS:
            found = False
        else:
            found = self._numbers_of(value, defined)
        if value is not None and kind is None and found is not False:
            if len(self._plain) >= MAX_OBJECTS:
                self._plain.clear()
            self._plain[key] = value, found, arguments
        return what, arguments, answer.age, found

    def _numbers_of(self, value: list[Any], defined: list[Defined]) -> list[int] | bool:
        """The numbers of the objects in a list; False if there are too many bytes of them to send."""
        listed = self._lists.get(id(value))
        if listed is None:
            if len(self._lists) >= _MAX_LISTS:
                self._lists.clear()
                self._plain.clear()
            numbers = self._numbered(value, defined)
            if numbers is None and self._new_bytes:  # the next review may have room for it
                return False
            listed = self._lists[id(value)] = value, False if numbers is None else numbers
        return listed[1]

    def _numbered(self, value: list[Any], defined: list[Defined]) -> list[int] | None:
        """The numbers of the objects in a list. None if that is too much to send; then none of them is sent."""
        first, known, before = self._last, len(defined), self._new_bytes
        numbers: list[int] = []
        for each in value:
            numbers.append(self._number(each, defined))
            if self._new_bytes > MAX_DEFINED and numbers[-1] > first:
                for one in value[: len(numbers)]:
                    if self._numbers.get(id(one), (None, 0))[1] > first:
                        del self._numbers[id(one)]
                del defined[known:]
                self._bytes -= self._new_bytes - before
                self._new_bytes = before
                return None
        return numbers

    def _number(self, value: dict[str, Any], defined: list[Defined]) -> int:
        """The number of an object. Those of a cache stay the same Python objects until they change."""
        known = self._numbers.get(id(value))
        if known is not None:
            return known[1]
        self._last += 1
        text = orjson.dumps(value)
        self._numbers[id(value)] = value, self._last
        self._bytes += len(text)
        self._new_bytes += len(text)
        defined.append((self._last, str(value.get("kind") or ""), text))
        return self._last

    def collect(self) -> Iterator[Metric]:
        yield counter(
            "gatewright_recorded_reviews",
            "Reviews to be recorded, by result: written; failed, if the disk did not take them or they could not be"
            " redacted; dropped, as the queue was full.",
            ("result",),
            ((("written",), self.done), (("failed",), self.failed), (("dropped",), self.dropped)),
        )


def _served(kinds: Kinds, api_version: str, kind: str) -> Served | None:
    """A kind that is not built into Kubernetes; None if it is, or is not known."""
    found = kinds.for_kind(api_version, kind)
    if found is None or found == _BUILTIN.for_kind(api_version, kind):
        return None
    return found.group, found.version, found.kind, found.plural, found.namespaced
