"""Requests as an API server sends them: recorded ones, variants of those, and constructed ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
