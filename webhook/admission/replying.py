"""The reply to an AdmissionReview: Decision or Mutation → bytes.

The fields of the reply, and the API server's rules for them, are those of `AdmissionResponse`:
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from webhook.admission import excepting, patch
from webhook.admission.decision import Decision, Finding, Mutation, denial_text, shown_warnings
from webhook.admission.review import API_VERSION, KIND
from webhook.paths import render
from webhook.policy.request import Request
from webhook.visible import encodable

REVISION = "policy_revision"
"""The key of the audit annotation with the revision of the policies. Those of policies have a dot in their keys."""

UNREAD = "unread"
"""The key of the audit annotation that says why the objects of a review could not be read."""


def respond(request: Request, decision: Decision, revision: str = "", unread: str = "") -> bytes:
    """The AdmissionReview that answers a validating call. For the audit log, `revision`: of the policies, and `unread`:
    why the objects could not be read."""
    if not unread and decision.allowed and not decision.warnings and not decision.audit_annotations:
        return _plain_allow(request.uid, revision)
    response: dict[str, Any] = {"uid": request.uid, "allowed": decision.allowed}
    if not decision.allowed:
        denials = [finding for finding in decision.findings if finding.action == "Deny"]
        response["status"] = _status(request, decision, denials)
    if decision.warnings:
        response["warnings"] = list(decision.warnings)
    annotations = decision.audit_annotations
    if unread:
        annotations = {**annotations, UNREAD: unread}
    if revision:
        response["auditAnnotations"] = {**annotations, REVISION: revision} if annotations else {REVISION: revision}
    elif annotations:
        response["auditAnnotations"] = annotations
    return _dump(response)


def respond_mutation(request: Request, mutation: Mutation, revision: str = "", unread: str = "") -> bytes:
    """The AdmissionReview that answers a mutating call. It has a patch only if the object changed. `revision` and
    `unread`: as for `respond`."""
    if not (unread or mutation.findings or mutation.changed or mutation.excepted):
        return _plain_allow(request.uid, revision)
    response: dict[str, Any] = {"uid": request.uid, "allowed": mutation.allowed}
    if not mutation.allowed:
        response["status"] = _status(request, mutation, mutation.findings)
    elif mutation.changed and request.object is not None and mutation.object is not None:
        operations = patch.diff(request.object, mutation.object)
        if operations:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(orjson.dumps(operations)).decode("ascii")
    annotations: dict[str, str] = {REVISION: revision} if revision else {}
    if unread:
        annotations[UNREAD] = unread
    if mutation.excepted:
        annotations[excepting.ANNOTATION] = excepting.annotation(mutation.excepted)
        warnings = shown_warnings(excepting.warnings(mutation.excepted))
        if warnings:
            response["warnings"] = list(warnings)
    if annotations:
        response["auditAnnotations"] = annotations
    return _dump(response)


def _plain_allow(uid: str, revision: str) -> bytes:
    """The reply to nearly every review: it is allowed, and there is nothing more to say.

    It is put together of texts, as encoding it costs ten times as much.
    """
    begin, end = _around_uid(revision)
    return begin + orjson.dumps(uid) + end


@lru_cache(maxsize=4)
def _around_uid(revision: str) -> tuple[bytes, bytes]:
    """What stands before and after the uid in `_plain_allow`."""
    response: dict[str, Any] = {"uid": "", "allowed": True}
    if revision:
        response["auditAnnotations"] = {REVISION: revision}
    begin, _, end = _dump(response).partition(b'""')
    return begin, end


def _status(request: Request, outcome: Decision | Mutation, denials: Sequence[Finding]) -> dict[str, Any]:
    """A Status with the details that the API server's own denials have. kubectl names the object from them.

    Its message names every policy that denies.
    """
    texts = outcome.causes
    causes = []
    for text, denial in zip(texts, denials, strict=True):
        cause = {"reason": denial.reason, "message": text}
        if denial.path:
            cause["field"] = render(denial.path)
        causes.append(cause)
    return {
        "status": "Failure",
        "code": outcome.code,
        "reason": outcome.reason,
        "message": denial_text(texts, denials) or outcome.message,
        "details": {
            "name": _object_name(request),
            "group": request.request_resource.group,
            "kind": request.request_resource.resource,
            "causes": causes,
        },
    }


def _object_name(request: Request) -> str:
    """The object's name as in k8s.io/apiserver's admission.NewForbidden: generateName if there is no name yet."""
    metadata = request.object.get("metadata") if request.object else None
    if not isinstance(metadata, dict):
        metadata = {}
    for name in (request.name, metadata.get("name"), metadata.get("generateName")):
        if name and isinstance(name, str):
            return name
    return "Unknown"


def _dump(response: dict[str, Any]) -> bytes:
    review = {"apiVersion": API_VERSION, "kind": KIND, "response": response}
    try:
        return orjson.dumps(review)
    except TypeError:  # a policy's message may hold surrogates, which UTF-8 cannot encode
        return orjson.dumps(encodable(review))
