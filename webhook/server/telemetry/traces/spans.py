"""What the span of a review holds, in the form in which it goes to the exporter's process.

It identifies the request, and names the policies that were evaluated. Nothing of the object's content is in it, and no
message of a policy, which may quote the object. Every text is cut.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

MAX_TEXT: Final = 256
"""The most characters of a text in a span."""

MAX_PARTS: Final = 64
"""The most spans of policies and lookups in one review."""

Record = tuple[Any, ...]
"""A ReviewSpan as a tuple: making it takes less time, which a review pays for."""

Result = str
"""The outcome of a policy: passed, skipped (a matchCondition is false), deny, warn, audit, error, changed,
unchanged."""


class PolicySpan(Struct, frozen=True, array_like=True):
    """The evaluation of one policy, under one binding. Times are in seconds since the review came."""

    name: str
    kind: str
    language: str
    binding: str
    result: Result
    began: float
    ended: float


class LookupSpan(Struct, frozen=True, array_like=True):
    """What a review waited for, in seconds since it came. what: `namespace`, `access` (the API server's authorizer), or
    `policy`, whose result came from a process of its own. name: of the Namespace, the policy. error: why there was no
    answer."""

    what: str
    name: str
    error: str
    began: float
    ended: float


class RequestNames(Struct, frozen=True, array_like=True):
    """What identifies the request under review."""

    uid: str = ""
    operation: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    dry_run: bool = False
    user: str = ""


class ReviewSpan(Struct, frozen=True, array_like=True):
    """The span of a review. The server sends a tuple of the same fields.

    state: of the header `tracestate`. ended: in nanoseconds since the epoch. error: the kind of the error, if the
    status is one. request: None if the body is not a review. code: of a denial. evaluated: the names of the policies
    that were evaluated, one for each evaluation. parts: those that decided or took long. excepted: policies and
    bindings whose findings an exception covers.
    """

    trace_id: str
    span_id: str
    parent: str
    state: str
    ended: int
    seconds: float
    path: str
    client: str
    status: int
    error: str
    verdict: str
    code: int
    revision: str
    request: RequestNames | None
    evaluated: tuple[str, ...]
    parts: tuple[PolicySpan, ...]
    lookups: tuple[LookupSpan, ...]
    excepted: tuple[tuple[str, str], ...]
