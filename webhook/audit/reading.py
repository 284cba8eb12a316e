"""Sends GET requests to one API server at a limited rate, with retries while it is busy or unreachable. Counts them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from webhook.cluster.connection import APIError, Unreachable
from webhook.cluster.discovery import collection
from webhook.cluster.pacing import Pace

if TYPE_CHECKING:
    from webhook.cluster.connection import Connection, Query
    from webhook.cluster.lookups import Target
    from webhook.schema import Resource

ATTEMPTS: Final = 8
"""The most attempts for a page. The waits between them add up to 45 seconds, in which an API server restarts."""

LARGEST: Final = 500
"""The most objects of one page."""

PAGE: Final = 4 << 20
"""The intended bytes of a page. Its number of objects is computed from the sizes of earlier pages."""

RESTARTS: Final = 3
"""The most restarts of a list after its continue token has expired."""

_FIRST_PAGE: Final = 50  # objects; nothing is known of their size
_LONGEST_WAIT: Final = 15.0  # seconds
_TIMEOUT: Final = 60.0  # seconds that the API server may take for a page
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_GONE: Final = 410

Object = dict[str, Any]


class NotListed(Exception):
    """A list that could not be read to its end; the text says why. `unreachable`: the cluster did not answer."""

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class Reader:
    """Reads one API server. qps: requests in a second, 0 for any number.

    `calls`, `repeated`, `bytes`: requests, those of them that were repeated, and what came of lists. `left`: how many
    objects the list of the last page has behind it; infinity if the API server does not say.
    """

    def __init__(
        self,
        connection: Connection,
        qps: float = 0.0,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = connection.server
        self.calls = self.repeated = self.bytes = 0
        self.left = 0.0
        self._connection = connection
        self._sleep = sleep
        self._pace = Pace(qps, sleep=sleep, clock=clock)
        self._answered = False

    def get(self, path: str) -> Object:
        """What a GET returns, such as a list of resources. Asked once. Raises APIError, Unreachable."""
        self._call()
        answer = self._connection.get(path)
        self._answered = True
        return answer

    def pages(self, resource: Resource, target: Target | None = None, largest: int = LARGEST) -> Iterator[list[Object]]:
        """The objects of a resource, each once, a page at a time. They have an apiVersion and a kind.

        target: narrows them. largest: the most objects of a page. If the token for the next page has expired, the list
        goes on behind the last object. Raises NotListed.
        """
        path = collection(resource, target.namespace if target is not None else "")
        fixed: Query = [("fieldSelector", f"metadata.name={target.name}")] if target is not None and target.name else []
        token, limit = "", min(_FIRST_PAGE, largest)
        behind = _Behind()
        while True:
            query = [("limit", str(limit)), *fixed, *([("continue", token)] if token else [])]
            try:
                answer, size = self._patiently(path, query)
            except APIError as error:
                if error.status != _GONE or not token or behind.restarts >= RESTARTS:
                    raise NotListed(str(error)) from None
                behind.again(from_start=not error.token)
                token = error.token
                continue
            except Unreachable as error:
                raise NotListed(str(error), unreachable=True) from None
            self.bytes += size
            items = answer.get("items") or ()
            kept = behind.new(items)
            metadata = answer.get("metadata") or {}
            token = metadata.get("continue") or ""
            self.left = float(metadata.get("remainingItemCount", "inf")) if token else 0.0
            yield [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in kept]
            if behind.disordered:
                raise NotListed("410: the continue token has expired, and the list is in no order to go on in")
            if not token:
                return
            if items:
                limit = max(1, min(largest, limit * 4, PAGE * len(items) // max(size, 1)))

    def _patiently(self, path: str, query: Query) -> tuple[Object, int]:
        """A page, with retries while the server is busy or unreachable. The very first request has no retries."""
        for attempt in range(ATTEMPTS):
            self._call()
            try:
                answer = self._connection.sized(path, query, _TIMEOUT)
            except (APIError, Unreachable) as error:
                last = attempt == ATTEMPTS - 1 or not self._answered
                if last or (isinstance(error, APIError) and error.status not in _BUSY):
                    raise
                wait = min(_LONGEST_WAIT, 0.5 * 2**attempt)
                if isinstance(error, APIError):
                    wait = max(wait, min(error.retry_after, 2 * _LONGEST_WAIT))
                self.repeated += 1
                self._sleep(wait)
                continue
            self._answered = True
            return answer
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    def _call(self) -> None:
        self.calls += 1
        self._pace.wait()


class _Behind:
    """The position of a list, so that no object comes twice when the list begins anew.

    API servers list by namespace and name. `disordered`: the list that began anew cannot be gone on with, as what came
    before was in another order. `restarts`: how often a token had expired.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.disordered = False
        self._last = ""
        self._in_order = True
        self._skip = ""

    def again(self, *, from_start: bool) -> None:
        """The token has expired. from_start: the list begins at its first object."""
        self.restarts += 1
        self._skip = self._last if from_start else ""

    def new(self, items: Any) -> list[Object]:
        """The items that earlier pages did not have."""
        found: list[Object] = []
        for item in items:
            metadata = item.get("metadata") or {}
            key = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
            if self._skip:
                if not self._in_order:
                    self.disordered = True
                    return found
                if key <= self._skip:
                    continue
                self._skip = ""
            if key < self._last:
                self._in_order = False
            self._last = key
            found.append(item)
        return found
