"""What server, host and runners say to each other.

A frame is four bytes of length, then JSON. The server believes nothing of a runner's frames: it runs policy code.
"""

from __future__ import annotations

import json
import socket
from typing import Any, Final

import orjson

from webhook.paths import Path
from webhook.policy.evaluation import Evaluation, Failure, MutationFault, MutationResult
from webhook.policy.request import GroupVersionKind, GroupVersionResource, JSONObject, Request, User

HEAD: Final = 4
"""The bytes of a frame's length."""

MAX_FRAME: Final = 64 << 20
"""The most bytes of a frame from a runner: a mutated object, or the answer to a lookup."""

MAX_MESSAGE: Final = 64 << 10
"""The most characters of a violation's message."""


class BadFrame(ValueError):
    """A frame that no runner sends whose code is ours alone."""


def framed(value: Any) -> bytes:
    """A frame of a JSON value."""
    try:
        text = orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        text = json.dumps(value).encode()
    return len(text).to_bytes(HEAD, "big") + text


def read(text: bytes | bytearray | memoryview) -> Any:
    """The value of a frame's text. Raises BadFrame."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(bytes(text))
    except (ValueError, RecursionError):
        raise BadFrame("not JSON") from None


def received(connection: socket.socket) -> Any:
    """The next frame of a blocking connection. Raises EOFError when it is closed."""
    length = int.from_bytes(_exactly(connection, HEAD), "big")
    return read(_exactly(connection, length))


def _exactly(connection: socket.socket, length: int) -> bytearray:
    found = bytearray(length)
    view, filled = memoryview(found), 0
    while filled < length:
        count = connection.recv_into(view[filled:])
        if not count:
            raise EOFError
        filled += count
    return found


def request_of(request: Request) -> dict[str, Any]:
    """A request as JSON."""
    user = request.user
    return {
        "operation": request.operation,
        "resource": request.resource,
        "kind": request.kind,
        "subresource": request.subresource,
        "name": request.name,
        "namespace": request.namespace,
        "object": request.object,
        "old_object": request.old_object,
        "options": request.options,
        "user": [user.username, user.uid, user.groups, user.extra],
        "uid": request.uid,
        "dry_run": request.dry_run,
        "request_resource": request.request_resource,
        "request_kind": request.request_kind,
        "request_subresource": request.request_subresource,
    }


def request_from(value: dict[str, Any]) -> Request:
    """The request that `request_of` made JSON of."""
    username, uid, groups, extra = value["user"]
    return Request(
        **{
            **value,
            "resource": GroupVersionResource(*value["resource"]),
            "kind": GroupVersionKind(*value["kind"]),
            "request_resource": GroupVersionResource(*value["request_resource"]),
            "request_kind": GroupVersionKind(*value["request_kind"]),
            "user": User(username, uid, tuple(groups), extra),
        }
    )


def evaluation_of(evaluation: Evaluation) -> list[Any]:
    """The result of a validating policy as JSON."""
    return [
        [failure.message[:MAX_MESSAGE], failure.reason, failure.error, failure.path] for failure in evaluation.failures
    ]


_REASONS: Final = frozenset(
    {"Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"}
)  # of webhook.admission.decision, which stands above


def evaluation_from(value: Any) -> list[Failure]:
    """The failures that `evaluation_of` made JSON of. Raises BadFrame."""
    if not isinstance(value, list):
        raise BadFrame("expected a list of failures")
    found = []
    for index, each in enumerate(value):
        match each:
            case [str(message), str(reason), bool(error), list() | None as path] if reason in _REASONS:
                found.append(Failure(message, reason, error, _path(path), index))
            case _:
                raise BadFrame("expected message, reason, error and path")
    return found


def _path(value: list[Any] | None) -> Path | None:
    if value is None:
        return None
    if not all(type(step) in (str, int) for step in value):
        raise BadFrame("expected a path")
    return tuple(value)


def edited_of(edited: MutationResult | JSONObject) -> dict[str, Any]:
    """The result of a mutating policy as JSON, before it is completed."""
    if isinstance(edited, MutationResult):
        return {"faults": [fault.message[:MAX_MESSAGE] for fault in edited.faults]}
    return {"object": edited}


def edited_from(value: Any) -> MutationResult | JSONObject:
    """The result that `edited_of` made JSON of. Raises BadFrame."""
    match value:
        case {"object": dict() as changed}:
            return changed
        case {"faults": list() as faults} if all(isinstance(each, str) for each in faults):
            return MutationResult(faults=[MutationFault(each) for each in faults])
    raise BadFrame("expected an object or faults")
