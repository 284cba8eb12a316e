"""AdmissionReview v1: the API server's bytes → Request. webhook.admission.replying encodes the reply.

Decoding is strict about every field that Gatewright reads and ignores the others, as new Kubernetes versions add
fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson
from msgspec import Struct, ValidationError, convert

from webhook.policy.request import OPERATIONS, GroupVersionKind, GroupVersionResource, Request, User

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

MAX_DEPTH = 250
"""The most levels of nesting in a review: as many as the API server's CEL allows, and safe for recursive code."""

_TOO_DEEP = f"the review is nested deeper than {MAX_DEPTH} levels"
_DEPTH_EXCEEDED = "depth limit exceeded"  # how orjson's error begins past 1,024 levels
_MAX_TYPE_NAME = 253  # characters of a group, version, kind, resource or subresource: those of a DNS subdomain
_MAX_SHOWN = 64
_TYPE_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class BadReview(ValueError):
    """The body is not a valid AdmissionReview v1; the text says which field is wrong and how."""


class TooDeep(BadReview):
    """It may be one, but is nested deeper than MAX_DEPTH levels."""


def parse(body: bytes) -> Request:
    """The request in the JSON text of an AdmissionReview. Raises BadReview.

    `object`, `oldObject` and `options` are passed through. Only their `metadata.labels` are validated, which selectors
    read.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if str(error).startswith(_DEPTH_EXCEEDED):
            raise TooDeep(_TOO_DEEP) from None
        raise BadReview(f"the body is not JSON: {error}" if body else "the body is empty") from None
    if type(document) is not dict:
        raise BadReview(f"expected an AdmissionReview, got {_TYPE_NAMES[type(document)]}")
    if _brackets(body, MAX_DEPTH + 1) > MAX_DEPTH and _deeper(document, MAX_DEPTH):
        raise TooDeep(_TOO_DEEP)
    if document.get("apiVersion") != API_VERSION or document.get("kind") != KIND:
        field, expected = ("kind", KIND) if document.get("apiVersion") == API_VERSION else ("apiVersion", API_VERSION)
        raise BadReview(f"{field}: expected {expected!r}, got {_shown(document, field)}")
    request = document.get("request")
    if type(request) is not dict:
        raise _unexpected("request", "an object", document, "request")
    return _quickly_read(request) or _carefully_read(request)


class _Sent(Struct, rename="camel"):
    """The fields of an AdmissionRequest whose types one call checks. Those of which it knows less are Any."""

    uid: str
    operation: str
    kind: Any
    resource: Any
    sub_resource: str = ""
    request_kind: Any = None
    request_resource: Any = None
    request_sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: User | None = None
    object: Any = None
    old_object: Any = None
    options: Any = None
    dry_run: bool | None = None


def _quickly_read(request: dict[str, Any]) -> Request | None:
    """What `_carefully_read` returns, of a request as API servers send it. None for any other, whether it is valid or
    not."""
    try:
        sent = convert(request, _Sent)
        value = sent.kind
        kind = request_kind = _known_kind(value["group"], value["version"], value["kind"])
        value = sent.resource
        resource = request_resource = _known_resource(value["group"], value["version"], value["resource"])
        subresource = request_subresource = sent.sub_resource
        value = sent.request_kind  # nearly always the same as `kind`, which is quicker to see
        if value is not None and value != sent.kind:
            request_kind = _known_kind(value["group"], value["version"], value["kind"])
        value = sent.request_resource
        if value is not None:
            if value != sent.resource:
                request_resource = _known_resource(value["group"], value["version"], value["resource"])
            request_subresource = sent.request_sub_resource
    except (ValidationError, KeyError, TypeError):
        return None
    options = sent.options
    if (
        not sent.uid
        or sent.operation not in OPERATIONS
        or len(subresource) + len(request_subresource) > _MAX_TYPE_NAME
        or not (options is None or type(options) is dict)
        or not (sent.object is None or _has_readable_labels(sent.object))
        or not (sent.old_object is None or _has_readable_labels(sent.old_object))
    ):
        return None
    return Request(
        uid=sent.uid,
        operation=sent.operation,
        kind=kind,
        resource=resource,
        subresource=subresource,
        request_kind=request_kind,
        request_resource=request_resource,
        request_subresource=request_subresource,
        name=sent.name,
        namespace=sent.namespace,
        user=sent.user_info or User(),
        object=sent.object,
        old_object=sent.old_object,
        options=options,
        dry_run=sent.dry_run is True,
    )


def _has_readable_labels(value: Any) -> bool:
    """Whether a value is an object whose labels are all strings, if it has some."""
    if type(value) is not dict:
        return False
    metadata = value.get("metadata")
    if type(metadata) is not dict:
        return metadata is None
    labels = metadata.get("labels")
    if type(labels) is not dict:
        return labels is None
    return _all_strings(labels.values())


def _carefully_read(request: dict[str, Any]) -> Request:
    """The Request of an AdmissionRequest. Raises BadReview, which says which field is wrong."""
    uid = request.get("uid")
    if type(uid) is not str or not uid:
        raise _unexpected("request.uid", "a string that is not empty", request, "uid")
    operation = request.get("operation")
    if type(operation) is not str or operation not in OPERATIONS:
        got = _shown(request, "operation")
        raise BadReview(f"request.operation: expected CREATE, UPDATE, DELETE or CONNECT, got {got}")
    kind = _kind(request, "kind")
    resource = _resource(request, "resource")
    subresource = request.get("subResource", "")
    if subresource != "":
        subresource = _type_name(request, "request", "subResource")
    # Nearly all values have the right type, so the call that reports the wrong one is made only if a check fails.
    name = request.get("name", "")
    if type(name) is not str:
        name = _text(request, "request", "name")
    namespace = request.get("namespace", "")
    if type(namespace) is not str:
        namespace = _text(request, "request", "namespace")
    dry_run = request.get("dryRun")
    if dry_run is not None and type(dry_run) is not bool:
        raise _unexpected("request.dryRun", "a boolean", request, "dryRun")
    # The kind and resource that the client sent; they default to those of the request.
    request_kind, request_resource, request_subresource = kind, resource, subresource
    if request.get("requestKind") is not None:
        request_kind = _kind(request, "requestKind")
    if request.get("requestResource") is not None:
        request_resource = _resource(request, "requestResource")
        request_subresource = request.get("requestSubResource", "")
        if request_subresource != "":
            request_subresource = _type_name(request, "request", "requestSubResource")
    return Request(
        uid=uid,
        operation=operation,
        kind=kind,
        resource=resource,
        subresource=subresource,
        request_kind=request_kind,
        request_resource=request_resource,
        request_subresource=request_subresource,
        name=name,
        namespace=namespace,
        user=_user(request),
        object=_object(request, "object"),
        old_object=_object(request, "oldObject"),
        options=_mapping(request, "options"),
        dry_run=dry_run is True,
    )


def _kind(request: dict[str, Any], field: str) -> GroupVersionKind:
    try:
        value = request[field]
        return _known_kind(value["group"], value["version"], value["kind"])
    except (KeyError, TypeError):  # something is missing or of the wrong type
        return GroupVersionKind(*_names(request, field, "kind"))


def _resource(request: dict[str, Any], field: str) -> GroupVersionResource:
    try:
        value = request[field]
        return _known_resource(value["group"], value["version"], value["resource"])
    except (KeyError, TypeError):
        return GroupVersionResource(*_names(request, field, "resource"))


# A cluster has some hundred types, and every review names two to four of them. The cache checks each once.
@lru_cache(maxsize=2048)
def _known_kind(group: str, version: str, kind: str) -> GroupVersionKind:
    return GroupVersionKind(*_checked(group, version, kind))


@lru_cache(maxsize=2048)
def _known_resource(group: str, version: str, resource: str) -> GroupVersionResource:
    return GroupVersionResource(*_checked(group, version, resource))


def _checked(*names: str) -> tuple[str, ...]:
    """The names, if all are valid. Raises TypeError for any fault; `_names` then reports which one."""
    if not (names[1] and names[2] and all(type(name) is str and len(name) <= _MAX_TYPE_NAME for name in names)):
        raise TypeError
    return names


def _names(request: dict[str, Any], field: str, last: str) -> tuple[str, str, str]:
    """Group, version and kind (or resource) of a field such as `request.kind`. Raises BadReview."""
    value = request.get(field)
    if type(value) is not dict:
        raise _unexpected(f"request.{field}", "an object", request, field)
    where = f"request.{field}"
    names = _type_name(value, where, "group"), _type_name(value, where, "version"), _type_name(value, where, last)
    for name, text in (("version", names[1]), (last, names[2])):
        if not text:
            raise _unexpected(f"{where}.{name}", "a string that is not empty", value, name)
    return names


def _type_name(holder: dict[str, Any], where: str, field: str) -> str:
    text = _text(holder, where, field)
    if len(text) > _MAX_TYPE_NAME:
        raise BadReview(f"{where}.{field}: expected at most {_MAX_TYPE_NAME} characters, got {len(text)}")
    return text


def _text(holder: dict[str, Any], where: str, field: str) -> str:
    value = holder.get(field)
    if value is None:
        return ""
    if type(value) is not str:
        raise _unexpected(f"{where}.{field}", "a string", holder, field)
    return value


def _mapping(request: dict[str, Any], field: str) -> dict[str, Any] | None:
    value = request.get(field)
    if value is not None and type(value) is not dict:
        raise _unexpected(f"request.{field}", "an object or null", request, field)
    return value


def _object(request: dict[str, Any], field: str) -> dict[str, Any] | None:
    value = _mapping(request, field)
    if not value:
        return value
    metadata = value.get("metadata")
    if metadata is None:
        return value
    if type(metadata) is not dict:
        raise _unexpected(f"request.{field}.metadata", "an object", value, "metadata")
    labels = metadata.get("labels")
    if labels is not None:
        if type(labels) is not dict:
            raise _unexpected(f"request.{field}.metadata.labels", "an object", metadata, "labels")
        # A server-side apply of a custom object may have null for a label; the API server passes it on.
        key = next((key for key, label in labels.items() if type(label) is not str and label is not None), None)
        if key is not None:
            raise _unexpected(f"request.{field}.metadata.labels[{_cut(key)!r}]", "a string", labels, key)
    return value


def _all_strings(values: Iterable[Any]) -> bool:
    try:
        "".join(values)  # one call in C, and it takes nothing else
    except TypeError:
        return False
    return True


def _user(request: dict[str, Any]) -> User:
    value = request.get("userInfo")
    if type(value) is dict and len(value) == 3:
        # The common case: username, uid and groups are present and have the right types.
        username, uid, groups = value.get("username"), value.get("uid"), value.get("groups")
        if type(username) is str and type(uid) is str and type(groups) is list and _all_strings(groups):
            return User(username, uid, tuple(groups))
    if value is None:
        return User()
    if type(value) is not dict:
        raise _unexpected("request.userInfo", "an object", request, "userInfo")
    where = "request.userInfo"
    username = value.get("username", "")
    if type(username) is not str:
        username = _text(value, where, "username")
    uid = value.get("uid", "")
    if type(uid) is not str:
        uid = _text(value, where, "uid")
    extra = value.get("extra")
    if extra is None:
        extra = {}
    elif type(extra) is not dict:
        raise _unexpected("request.userInfo.extra", "an object", value, "extra")
    return User(
        username=username,
        uid=uid,
        groups=tuple(_texts(value, where, "groups")),
        extra={key: _texts(extra, "request.userInfo.extra", key) for key in extra} if extra else extra,
    )


def _texts(holder: dict[str, Any], where: str, field: str) -> list[str]:
    value = holder.get(field)
    if value is None:
        return []
    if type(value) is not list:
        raise _unexpected(f"{where}.{_cut(field)}", "a list of strings", holder, field)
    if not _all_strings(value):
        index, entry = next((index, entry) for index, entry in enumerate(value) if type(entry) is not str)
        raise BadReview(f"{where}.{_cut(field)}[{index}]: expected a string, got {_TYPE_NAMES[type(entry)]}")
    return value


def _brackets(body: bytes, most: int) -> int:
    """The opening brackets of a JSON text, of each kind at most `most`. It is not nested deeper than their number.

    Removing them takes half of the time that counting takes, and a text with many of them takes no longer.
    """
    return 2 * len(body) - len(body.replace(b"{", b"", most)) - len(body.replace(b"[", b"", most))


def _deeper(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def _unexpected(where: str, expected: str, holder: dict[str, Any], field: str) -> BadReview:
    return BadReview(f"{where}: expected {expected}, got {_shown(holder, field)}")


def _shown(holder: dict[str, Any], field: str) -> str:
    """The value of a field for an error text: the text of a field that names a type, else only the value's type."""
    if field not in holder:
        return "nothing"
    value = holder[field]
    if value and type(value) is str and field in ("apiVersion", "kind", "operation"):
        return repr(_cut(value))
    return "an empty string" if value == "" else _TYPE_NAMES[type(value)]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
