"""The log line of a review of which there is nothing to say but that it was allowed: nearly every line of the log.

It is put together of texts, which costs a third of encoding a dict. Names that need escaping are left to the encoder.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from time import time_ns
from typing import Any, Final

import orjson

from webhook.policy.request import GroupVersionResource, Request

_LONGEST: Final = 1024  # characters of all names together: no name is cut then
_THREE: Final = tuple(f"{number:03d}" for number in range(1000))


class ReviewLines:
    """Makes the lines. fields: those that each line of this process ends with, of ASCII."""

    __slots__ = ("_begin", "_last", "_second")

    def __init__(self, fields: dict[str, Any]) -> None:
        self._last = f",{orjson.dumps(fields).decode()[1:]}\n" if fields else "}\n"
        self._second = 0
        self._begin = ""  # of a line that is written in this second

    def line(self, path: str, request: Request, revision: str, seconds: float) -> str:
        """The line, of ASCII, which ends with a newline; "" if something in it has to be escaped or cut.

        path: one of the server's own.
        """
        uid, user, namespace, name = request.uid, request.user.username, request.namespace, request.name
        names = f"{uid}{user}{namespace}{name}"
        of_type, end = _of_type(request.operation, request.resource, request.subresource), _end(revision)
        if (
            len(names) > _LONGEST
            or not (of_type and end and names.isascii() and names.isprintable())
            or '"' in names
            or "\\" in names
        ):
            return ""
        second, rest = divmod(time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._begin = second, f'{{"time":"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}'
        micros = int(seconds * 1_000_000)
        return (
            f"{self._begin}.{_THREE[rest // 1_000_000]}{_THREE[rest // 1000 % 1000]}Z"
            f'","level":"info","event":"review","path":"{path}","uid":"{uid}","user":"{user}",{of_type},'
            f'"namespace":"{namespace}","name":"{name}",{end},'
            f'"duration_ms":{micros // 1000}.{_THREE[micros % 1000]}{self._last}'
        )


@lru_cache(maxsize=1024)  # a cluster has some hundred types
def _of_type(operation: str, resource: GroupVersionResource, subresource: str) -> str:
    return _plain({"operation": operation, "resource": resource_text(*resource), "subresource": subresource})


@lru_cache(maxsize=4)
def _end(revision: str) -> str:
    return _plain({"verdict": "allow", "revision": revision, "policies": ()})


def _plain(fields: dict[str, Any]) -> str:
    """The fields as JSON, without braces; "" if a character of them has to be escaped."""
    try:
        text = orjson.dumps(fields).decode()[1:-1]
    except TypeError:  # half a surrogate pair
        return ""
    return text if text.isascii() and text.isprintable() else ""


def resource_text(group: str, version: str, resource: str) -> str:
    """The resource of a request as log lines have it: `apps/v1/deployments`, `v1/pods`."""
    return f"{group}/{version}/{resource}" if group else f"{version}/{resource}"
