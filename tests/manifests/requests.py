"""Requests as an API server sends them: recorded ones, variants of those, and constructed ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webhook.admission import review
from webhook.policy.request import Request

Raw = dict[str, Any]  # `request` of an AdmissionReview

REVIEWS = Path(__file__).parents[1] / "fixtures" / "reviews"
KEPT = {"gatewright.dev/keep-finalizer": "true"}
FINALIZER = "gatewright.dev/cleanup"


def recorded() -> dict[str, Raw]:
    """The recorded requests for validation, by file name. Those for mutation are the same requests, unmutated."""
    return {file.name: json.loads(file.read_bytes())["request"] for file in sorted(REVIEWS.glob("0*-validate-*.json"))}


def variants() -> Iterator[tuple[str, Raw]]:
    """Each recorded request with every change of labels and finalizers, also as a Bucket and as a Namespace.

    Yields (description, request).
    """
    for name, request in recorded().items():
        for kind in (None, ("example.com", "v1", "Bucket", "buckets"), ("", "v1", "Namespace", "namespaces")):
            for what, changed in _changes(request):
                if kind is None:
                    yield f"{name}, {what}", changed
                else:
                    yield f"{name}, {what}, as {kind[3]}", _as(changed, *kind)


def _changes(request: Raw) -> Iterator[tuple[str, Raw]]:
    yield "unchanged", request
    states: dict[str, Raw] = {
        "plain": {},
        "labelled": {"labels": KEPT},
        "kept": {"labels": KEPT, "finalizers": [FINALIZER]},
        "finalizer alone": {"finalizers": [FINALIZER]},
        "another": {"labels": {"app": "web"}, "finalizers": ["example.com/other"]},
        "domainless": {"finalizers": ["cleanup"]},
        "empty": {"labels": {}, "finalizers": []},
    }
    updates = request["operation"] == "UPDATE"
    before: dict[str, Raw | None] = {**states} if updates else {"nothing": None}
    subresources = ("", "status") if updates else (request.get("subResource", ""),)
    for new, new_state in states.items():
        for old, old_state in before.items():
            for subresource in subresources:
                changed = copy.deepcopy(request)
                for field, state in (("object", new_state), ("oldObject", old_state)):
                    if not isinstance(changed.get(field), dict) or state is None:
                        continue
                    metadata = changed[field].setdefault("metadata", {})
                    metadata.pop("labels", None)
                    metadata.pop("finalizers", None)
                    metadata |= copy.deepcopy(state)
                if subresource:
                    changed["subResource"] = changed["requestSubResource"] = subresource
                yield f"{old} to {new}{f', {subresource}' if subresource else ''}", changed


def _as(request: Raw, group: str, version: str, kind: str, plural: str) -> Raw:
    changed = copy.deepcopy(request)
    for field in ("kind", "requestKind"):
        changed[field] = {"group": group, "version": version, "kind": kind}
    for field in ("resource", "requestResource"):
        changed[field] = {"group": group, "version": version, "resource": plural}
    for field in ("object", "oldObject"):
        if isinstance(changed.get(field), dict):
            changed[field] |= {"apiVersion": f"{group}/{version}".lstrip("/"), "kind": kind}
    return changed


def made(resource: str, kind: str, operation: str, subresource: str = "", namespace: str = "", **metadata: Any) -> Raw:
    """A request for `resource`, group/version/plural, and `kind`, group/version/kind, on an object with that metadata.

    In an UPDATE, oldObject equals object.
    """
    group, version, plural = resource.split("/")
    kind_group, kind_version, kind_name = kind.split("/")
    obj = {
        "apiVersion": f"{kind_group}/{kind_version}".lstrip("/"),
        "kind": kind_name,
        "metadata": {"name": "x", **({"namespace": namespace} if namespace else {}), **metadata},
    }
    request: Raw = {
        "uid": "1",
        "kind": {"group": kind_group, "version": kind_version, "kind": kind_name},
        "resource": {"group": group, "version": version, "resource": plural},
        "name": "x",
        "operation": operation,
        "userInfo": {"username": "jane"},
        "object": obj,
        "oldObject": copy.deepcopy(obj) if operation == "UPDATE" else None,
        "dryRun": False,
    }
    if namespace:
        request["namespace"] = namespace
    if subresource:
        request["subResource"] = subresource
    return request


# Each with what it would be asked about, were it not left out: a finalizer.
NEVER: dict[str, Raw] = {
    "TokenReview": made(
        "authentication.k8s.io/v1/tokenreviews", "authentication.k8s.io/v1/TokenReview", "CREATE", finalizers=["x"]
    ),
    "SelfSubjectReview": made(
        "authentication.k8s.io/v1/selfsubjectreviews",
        "authentication.k8s.io/v1/SelfSubjectReview",
        "CREATE",
        labels=KEPT,
    ),
    "SubjectAccessReview": made(
        "authorization.k8s.io/v1/subjectaccessreviews",
        "authorization.k8s.io/v1/SubjectAccessReview",
        "CREATE",
        labels=KEPT,
    ),
    "LocalSubjectAccessReview": made(
        "authorization.k8s.io/v1/localsubjectaccessreviews",
        "authorization.k8s.io/v1/LocalSubjectAccessReview",
        "CREATE",
        namespace="shop",
        labels=KEPT,
    ),
    "token of a service account": made(
        "/v1/serviceaccounts",
        "authentication.k8s.io/v1/TokenRequest",
        "CREATE",
        subresource="token",
        namespace="shop",
        finalizers=["x"],
    ),
    "heartbeat of a node": made(
        "coordination.k8s.io/v1/leases", "coordination.k8s.io/v1/Lease", "UPDATE", namespace="kube-node-lease"
    ),
    "lease of a controller": made(
        "coordination.k8s.io/v1/leases", "coordination.k8s.io/v1/Lease", "UPDATE", namespace="shop"
    ),
    "status of a node": made("/v1/nodes", "/v1/Node", "UPDATE", subresource="status"),
    "a new node": made("/v1/nodes", "/v1/Node", "CREATE"),
    "its certificate": made(
        "certificates.k8s.io/v1/certificatesigningrequests",
        "certificates.k8s.io/v1/CertificateSigningRequest",
        "CREATE",
    ),
    "status of a Pod": made("/v1/pods", "/v1/Pod", "UPDATE", subresource="status", namespace="shop"),
    "status of a Pod with a finalizer": made(
        "/v1/pods", "/v1/Pod", "UPDATE", subresource="status", namespace="shop", finalizers=[FINALIZER]
    ),
    "event": made("events.k8s.io/v1/events", "events.k8s.io/v1/Event", "CREATE", namespace="shop"),
    "endpoints": made(
        "discovery.k8s.io/v1/endpointslices", "discovery.k8s.io/v1/EndpointSlice", "UPDATE", namespace="shop"
    ),
    "eviction": made("/v1/pods", "policy/v1/Eviction", "CREATE", subresource="eviction", namespace="shop"),
    "binding of a Pod to a node": made("/v1/pods", "/v1/Binding", "CREATE", subresource="binding", namespace="shop"),
}


def request(raw: Raw) -> Request:
    """The request, read as the webhook reads it."""
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": raw}
    return review.parse(json.dumps(document).encode())
