"""Events of both groups. The API server names the fields of both as the core group does."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.fielderrors import FieldError, invalid, required
from webhook.apiserver.validation.fields import Object, Refusals, at
from webhook.apiserver.validation.names import qualified_name

_LONGEST: Final = 128
_LONGEST_NOTE: Final = 1024
_TYPES: Final = ("Normal", "Warning")


def event(value: Object) -> Refusals:
    """An Event of the core group."""
    yield from _event(value, "involvedObject", "reportingComponent", "message")


def new_event(value: Object) -> Refusals:
    """An Event of events.k8s.io, which must have all that one of the core group may have."""
    for error in _event(value, "regarding", "reportingController", "note"):
        name = _OF_CORE.get(str(error.path[0]))
        field = None if name is None else ".".join((name, *map(str, error.path[1:])))
        yield FieldError(error.path, error.kind, error.body, field)
    if value.get("eventTime") is None:
        yield required(("eventTime",))
    kind = value.get("type") or ""
    if kind not in _TYPES:
        yield invalid(("type",), "", f"has invalid value: {kind}")
    for name, of_core in _DEPRECATED.items():
        if value.get(name):
            error = invalid((name,), "", "needs to be unset")
            yield FieldError(error.path, error.kind, error.body, of_core)


_OF_CORE: Final = {"regarding": "involvedObject", "note": "message"}
_DEPRECATED: Final = {
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "deprecatedSource": "source",
}


def _event(value: Object, involved: str, controller: str, note: str) -> Refusals:
    """What both have in common, with the names of their fields."""
    timed = value.get("eventTime") is not None
    of_object, own = at(value, involved, "namespace") or "", at(value, "metadata", "namespace") or ""
    free = ("default", "kube-system") if timed else ("default",)
    if (not of_object and own not in free) or (not timed and of_object and own != of_object):
        yield invalid((involved, "namespace"), of_object, "does not match event.namespace")
    if not timed:
        return
    reporter = value.get(controller) or ""
    if not reporter:
        yield required((controller,))
    for fault in qualified_name(reporter):
        yield invalid((controller,), reporter, fault)
    for name in ("reportingInstance", "action", "reason"):
        text = value.get(name) or ""
        if not text:
            yield required((name,))
        if len(text.encode()) > _LONGEST:
            yield invalid((name,), "", f"can have at most {_LONGEST} characters")
    if len((value.get(note) or "").encode()) > _LONGEST_NOTE:
        yield invalid((note,), "", f"can have at most {_LONGEST_NOTE} characters")
