"""Requests for the subresources of objects: `kubectl scale` sends a Scale, an eviction is an Eviction.

Sources: the storage of each resource in kube-apiserver (pkg/registry), and the custom resources' own subresources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.apiserver.problems import FieldProblem
from webhook.offline.requests import PlannedRequest
from webhook.paths import Path, lookup
from webhook.policy.request import CREATE, UPDATE, GroupVersionKind

_AnyObject = dict[str, Any]
_SCALED: Final = frozenset(
    {("", "replicationcontrollers"), ("apps", "deployments"), ("apps", "replicasets"), ("apps", "statefulsets")}
)
_REPLICAS: Final[Path] = ("spec", "replicas")


class Subresource(Struct, frozen=True):
    """A subresource that clients write.

    `of`: (group, plural) of the resources that have it; None for most resources. `kind`: of the object that is sent;
    None for the resource's own. `made`: that object, from the resource's. `own`: the path of what only this subresource
    may write, which a creation loses.
    """

    operation: str
    of: frozenset[tuple[str, str]] | None
    kind: GroupVersionKind | None = None
    made: Callable[[_AnyObject], _AnyObject] = lambda value: value
    own: Path = ()


def _named(api_version: str, kind: str) -> Callable[[_AnyObject], _AnyObject]:
    def made(value: _AnyObject) -> _AnyObject:
        metadata = {key: value["metadata"][key] for key in ("name", "namespace") if key in value["metadata"]}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}

    return made


def _scale(value: _AnyObject) -> _AnyObject:
    """The Scale of a workload. Its selector is in text form there; labels alone have one here."""
    scale = _named("autoscaling/v1", "Scale")(value)
    replicas = lookup(value, _REPLICAS)
    scale["spec"] = {} if replicas is None else {"replicas": replicas}
    selector = lookup(value, ("spec", "selector"))
    labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else {}
    status: _AnyObject = {"replicas": lookup(value, ("status", "replicas")) or 0}
    if isinstance(labels, dict) and labels:
        status["selector"] = ",".join(f"{key}={each}" for key, each in sorted(labels.items()))
    return scale | {"status": status}


SUBRESOURCES: Final[dict[str, Subresource]] = {
    "approval": Subresource(UPDATE, frozenset({("certificates.k8s.io", "certificatesigningrequests")})),
    "ephemeralcontainers": Subresource(UPDATE, frozenset({("", "pods")}), own=("spec", "ephemeralContainers")),
    "eviction": Subresource(
        CREATE,
        frozenset({("", "pods")}),
        GroupVersionKind("policy", "v1", "Eviction"),
        _named("policy/v1", "Eviction"),
    ),
    "finalize": Subresource(UPDATE, frozenset({("", "namespaces")})),
    "resize": Subresource(UPDATE, frozenset({("", "pods")})),
    "scale": Subresource(UPDATE, _SCALED, GroupVersionKind("autoscaling", "v1", "Scale"), _scale),
    "status": Subresource(UPDATE, None, own=("status",)),
    "token": Subresource(
        CREATE,
        frozenset({("", "serviceaccounts")}),
        GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"),
        _named("authentication.k8s.io/v1", "TokenRequest"),
    ),
}


def of_subresource(
    requests: Iterable[PlannedRequest], name: str, crds: Iterable[_AnyObject]
) -> tuple[list[PlannedRequest], list[str]]:
    """The requests for a subresource in place of those for the objects, and the objects without it (`KIND NAME`).

    name: one of SUBRESOURCES. crds: objects whose CustomResourceDefinitions say which custom resources have it.
    Controllers create no Pods for it. Deletions and recorded requests are left out.
    """
    subresource = SUBRESOURCES[name]
    custom = _custom(crds, name)
    made: list[PlannedRequest] = []
    without: list[str] = []
    for planned in requests:
        request = planned.request
        new, old = request.object, request.old_object
        if planned.of_template or planned.prefix or new is None:
            continue
        resource = (request.resource.group, request.resource.resource)
        if subresource.of is None or resource in subresource.of or resource in custom:
            sent = replace(
                request,
                subresource=name,
                request_subresource=name,
                kind=subresource.kind or request.kind,
                request_kind=subresource.kind or request.request_kind,
                object=subresource.made(_with(new, subresource.own, planned.document.value)),
                old_object=None if old is None else subresource.made(dict(old)),
            )
            made.append(replace(planned, request=sent, problems=_problems(planned), server=None))  # it is complete
        else:
            without.append(f"{planned.identity.kind} {planned.identity.name}")
    return made, without


def _problems(planned: PlannedRequest) -> Sequence[FieldProblem]:
    """What is refused of the object itself, which must be there before anything is sent to its subresource.

    Of two objects (`--old`) nothing is compared: most of what differs is no matter of the subresource.
    """
    request = planned.request
    if planned.problems or (request.old_object is not None and request.old_object is not request.object):
        return planned.problems
    return planned.completed(request)[1]


def _with(value: _AnyObject, own: Path, written: Any) -> _AnyObject:
    """The object with what the manifest says of a part that only the subresource may write."""
    part = lookup(written, own) if own else None
    if part is None:
        return value
    head, rest = str(own[0]), own[1:]
    return {**value, head: _with(value.get(head) or {}, rest, lookup(written, own[:1])) if rest else part}


def _custom(crds: Iterable[_AnyObject], name: str) -> set[tuple[str, str]]:
    """The custom resources, as (group, plural), of which some version has a subresource."""
    found: set[tuple[str, str]] = set()
    for value in crds:
        if value.get("kind") != "CustomResourceDefinition":
            continue
        spec = value.get("spec")
        versions = spec.get("versions") if isinstance(spec, dict) else None
        if any(
            lookup(each, ("subresources", name)) is not None
            for each in (versions if isinstance(versions, list) else ())
        ):
            found.add((lookup(value, ("spec", "group"), ""), lookup(value, ("spec", "names", "plural"), "")))
    return found
