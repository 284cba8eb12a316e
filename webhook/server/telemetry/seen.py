"""The recent findings of policies, for the page of the plain port: a bounded number.

Equal findings are one, which is counted: a controller that tries again for hours is one line. Of a namespace only the
last ones are kept, so that one tenant does not displace the findings of others.

Nothing of an object is kept, as in the log: what identifies the request, and the messages that the log may have; and
the owner, if the operator has named the label that says it.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from webhook.cluster.view import NotCached, UnknownKind
from webhook.owners import named
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.policy.request import Request

MOST: Final = 2000
"""Findings that are kept."""

OF_A_NAMESPACE: Final = 200
"""Findings that are kept of one namespace."""

OF_A_REVIEW: Final = 20
"""Findings that are taken of one review."""

WAITING: Final = 500
"""Findings of a worker that wait to be reported."""

_MAX_NAME = 253
_MAX_MESSAGE = 500


class Found(Struct):
    """A finding. `at`: when it was found last, in seconds since the epoch. `result`: deny, warn, audit or error.

    `message` is empty where it may come from a Secret. `count`: how many reviews had it. `owner`: whose the object is;
    "" where nobody is named but its namespace.
    """

    at: float
    path: str
    operation: str
    resource: str
    namespace: str
    name: str
    user: str
    policy: str
    binding: str
    result: str
    message: str = ""
    count: int = 1
    owner: str = ""


def owner_of(request: Request, label: str, cluster: ClusterView) -> str:
    """Whose the object of a request is, by the key of a label or annotation: what the object has there, else what its
    Namespace has, if the server knows it; "" if neither has it, or without a key."""
    if not label:
        return ""
    own = named(request.object if request.object is not None else request.old_object, label)
    if own or not request.namespace:
        return own[:_MAX_NAME]
    try:
        return named(cluster.namespace(request.namespace).value, label)[:_MAX_NAME]
    except (NotCached, UnknownKind):
        return ""


def _of(path: str, request: Request, findings: Iterable[dict[str, Any]], owner: str = "") -> Iterator[Found]:
    group, _, resource = request.resource
    what = f"{resource}.{group}" if group else resource
    if request.subresource:
        what += f"/{request.subresource}"
    metadata = (request.object or {}).get("metadata")
    generated = metadata.get("generateName") if not request.name and isinstance(metadata, dict) else ""
    name = request.name or (f"{generated}…" if isinstance(generated, str) and generated else "")
    now = time.time()
    for number, finding in enumerate(findings):
        if number == OF_A_REVIEW:
            return
        yield Found(
            now,
            path,
            request.operation,
            what[:_MAX_NAME],
            request.namespace[:_MAX_NAME],
            name[:_MAX_NAME],
            request.user.username[:_MAX_NAME],
            finding["policy"],
            finding["binding"],
            finding["result"],
            finding.get("message", "")[:_MAX_MESSAGE],
            owner=owner,
        )


class Seen:
    """The recent findings, of all processes."""

    def __init__(self) -> None:
        # By namespace, that used longest ago first; within it by key, the oldest first.
        self._of: OrderedDict[str, OrderedDict[tuple[str, ...], Found]] = OrderedDict()
        self._size = 0

    def take(self, path: str, request: Request, findings: Iterable[dict[str, Any]], owner: str = "") -> None:
        """Take the findings of a review, as its log line has them. owner: of its object, see Found."""
        for each in _of(path, request, findings, owner):
            self.add(each)

    def add(self, found: Found) -> None:
        """Keep a finding, or count it with its equals."""
        key = (found.policy, found.binding, found.result, found.operation, found.resource, found.name)
        own = self._of.get(found.namespace)
        if own is None:
            own = self._of[found.namespace] = OrderedDict()
        self._of.move_to_end(found.namespace)
        before = own.pop(key, None)
        own[key] = found
        if before is not None:
            found.count += before.count
            return
        self._size += 1
        if len(own) > OF_A_NAMESPACE:
            own.popitem(last=False)
            self._size -= 1
        elif self._size > MOST:
            oldest, its = next(iter(self._of.items()))
            its.popitem(last=False)
            self._size -= 1
            if not its:
                del self._of[oldest]

    def also(self, reported: Iterable[dict[str, Any]]) -> None:
        """Keep what a worker has reported."""
        for each in reported:
            self.add(msgspec.convert(each, Found))

    def listed(self) -> list[dict[str, Any]]:
        """The findings as JSON values, the last first."""
        every = [found for own in self._of.values() for found in own.values()]
        every.sort(key=lambda each: each.at, reverse=True)
        return [shown(each) for each in every]


class Outbox:
    """The findings of a worker, until they are reported. What does not fit in is dropped, the oldest first."""

    def __init__(self) -> None:
        self._waiting: deque[Found] = deque(maxlen=WAITING)

    def take(self, path: str, request: Request, findings: Iterable[dict[str, Any]], owner: str = "") -> None:
        """See Seen."""
        self._waiting.extend(_of(path, request, findings, owner))

    def add(self, found: Found) -> None:
        """Take a finding that no review of this server has made."""
        self._waiting.append(found)

    def emptied(self) -> list[dict[str, Any]]:
        """What has been taken since the last call, as JSON values."""
        found = [shown(each) for each in self._waiting]
        self._waiting.clear()
        return found


def shown(found: Found) -> dict[str, Any]:
    """A finding as a JSON value, without control characters."""
    fields = msgspec.structs.asdict(found)
    return {name: visible(value) if isinstance(value, str) else value for name, value in fields.items()}
