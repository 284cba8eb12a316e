"""The notes of policies in an event of the audit log: failures, exceptions, denials, webhooks that failed.

| where | what |
|---|---|
| annotation `validation.policy.admission.k8s.io/validation_failure` | failures under Audit of the server's policies |
| annotation `WEBHOOK/validation_failure` | the same, of Gatewright's webhook |
| annotation `WEBHOOK/policy_exception` | what exceptions covered |
| annotation `failed-open.validating.webhook.admission.k8s.io/…` | a webhook that did not answer, and was done without |
| the message of a response that refuses the request | the policy that denied it |

A binding with Warn alone leaves nothing in the log, whether the API server or a webhook evaluates it. The log is
written by the API server, but its texts come from policies and requests: they are data, whatever is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import orjson
from msgspec import Struct

from webhook.lazypatterns import lazily

Level = Literal["deny", "warn", "audit"]

NATIVE: Final = "validation.policy.admission.k8s.io"
FAILED_OPEN: Final = "failed-open.validating.webhook.admission.k8s.io/"
_FAILURES: Final = "/validation_failure"
_EXCEPTIONS: Final = "/policy_exception"
_STAGE: Final = "ResponseComplete"
_REFERENCE: Final = ("apiGroup", "apiVersion", "resource", "subresource", "namespace", "name")
_OPERATIONS: Final = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
_DENIED: Final = lazily(r"ValidatingAdmissionPolicy '([^']*)' with binding '([^']*)' denied request: ([^\n]*)")
MOST: Final = 1 << 20
"""Characters of an annotation that is read: thousands of findings on one request. It is JSON once more, which takes
twenty times its size."""

LEFT_OUT: Final = "(what the policy says of a Secret is left out)"


class Target(Struct, frozen=True):
    """The object of a request, as the log names it. `name`: "" where the server makes it up."""

    group: str
    version: str
    resource: str
    subresource: str
    namespace: str
    name: str


class Note(Struct, frozen=True):
    """A note of a policy on a request. `by`: the webhook; "" for the API server. `exception`: the exception that covers
    it, or ""."""

    policy: str
    binding: str
    level: Level
    message: str
    by: str = ""
    exception: str = ""


class Noted(Struct, frozen=True):
    """The notes of one event. `failed_open`: the webhooks that did not answer. `time`: when it was received."""

    target: Target
    operation: str
    user: str
    time: str
    notes: tuple[Note, ...]
    failed_open: tuple[str, ...]


def noted(event: Mapping[str, Any]) -> Noted | None:
    """The notes of an event; None if there are none. Of the stages of a request, the last one counts."""
    if event.get("stage") != _STAGE:
        return None
    given = _mapping(event.get("annotations"))
    annotations = {key: value for key, value in given.items() if isinstance(value, str)}
    reference = _mapping(event.get("objectRef"))
    target = Target(*(_text(reference.get(key)) for key in _REFERENCE))
    found = dict.fromkeys((*_annotated(annotations), *_denials(_mapping(event.get("responseStatus")), annotations)))
    notes = tuple(_hidden(each) if target.resource == "secrets" else each for each in found)
    failed_open = tuple(sorted({value for key, value in annotations.items() if key.startswith(FAILED_OPEN)}))
    if not notes and not failed_open:
        return None
    verb = _text(event.get("verb"))
    return Noted(
        target,
        _OPERATIONS.get(verb, verb.upper()),
        _text(_mapping(event.get("user")).get("username")),
        _text(event.get("requestReceivedTimestamp")),
        notes,
        failed_open,
    )


def _annotated(annotations: Mapping[str, str]) -> Iterator[Note]:
    for key, value in annotations.items():
        if key.endswith(_FAILURES):
            webhook = key.removesuffix(_FAILURES)
            for each in _list(value):
                actions = each.get("validationActions")
                yield Note(
                    _text(each.get("policy")),
                    _text(each.get("binding")),
                    _level(actions if isinstance(actions, list) else []),
                    _text(each.get("message")),
                    "" if webhook == NATIVE else webhook,
                )
        elif key.endswith(_EXCEPTIONS):
            for each in _list(value):
                policy, binding = _text(each.get("policy")), _text(each.get("binding"))
                exception = _text(each.get("exception"))
                yield Note(
                    policy, binding, "audit", _text(each.get("message")), key.removesuffix(_EXCEPTIONS), exception
                )


def _denials(status: Mapping[str, Any], annotations: Mapping[str, str]) -> Iterator[Note]:
    """The denials of a response that a policy refused; those that an annotation repeats are reported once."""
    code = status.get("code")
    if not isinstance(code, int) or code < 400:
        return
    noted_too = {(each.policy, each.binding, each.message) for each in _annotated(annotations)}
    message = _text(status.get("message"))
    by = message.partition('admission webhook "')[2].partition('"')[0]
    for found in _DENIED.finditer(message):
        policy, binding, text = found.groups()
        if (policy, binding, text) not in noted_too:
            yield Note(policy, binding, "deny", text, by)


def _level(actions: list[Any]) -> Level:
    return "deny" if "Deny" in actions else "warn" if "Warn" in actions else "audit"


def _hidden(note: Note) -> Note:
    return Note(note.policy, note.binding, note.level, LEFT_OUT, note.by, note.exception)


def _list(value: str) -> list[Mapping[str, Any]]:
    """The JSON list of objects that an annotation holds; empty if it is not such a list, as others may use the same
    key."""
    if len(value) > MOST:
        return []
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
