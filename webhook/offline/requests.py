"""Manifests → the admission requests that applying them would send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

import orjson

from webhook.admission import review
from webhook.documents.reader import Document, Problem, objects
from webhook.offline.mutated import Mutated
from webhook.offline.podtemplates import SUFFIX, ControlledPod, pod_of
from webhook.paths import ROOT, Path
from webhook.policy.request import CREATE, DELETE, UPDATE, GroupVersionKind, GroupVersionResource, Request, User, made
from webhook.schema import Kinds, Resource

DEFAULT_NAMESPACE: Final = "default"

_OPTIONS: Final = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}

# Groups of objects that client-side tools read; they are never applied to a cluster.
_LOCAL_GROUPS: Final = frozenset({"gatewright.dev", "kustomize.config.k8s.io"})

# Groups of objects that are never stored, such as SubjectAccessReview; they need no name.
_NAMELESS_GROUPS: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


@dataclass(frozen=True, slots=True)
class Identity:
    """The name of an object in reports."""

    api_version: str
    kind: str
    namespace: str  # "" for cluster-scoped objects
    name: str


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request that applying a document would cause.

    `identity`: the object in the file; for the Pod of a workload, the workload. `prefix`: the path of the request's
    object in the document: () for the object itself, spec.template for the Pod of a Deployment. `mutated`: the object,
    if it was mutated; `workload`: the workload, if the request is for the Pod of a mutated one.
    """

    request: Request
    document: Document
    identity: Identity
    prefix: Path = ROOT
    of_template: bool = False
    mutated: Mutated | None = None
    workload: Mutated | None = None

    def place(self, path: Path) -> Path:
        """Translates a path in the request's object, as validation saw it, to the path in the document."""
        found = self._in_document(self.mutated.origin(path) if self.mutated is not None else path)
        return self.workload.origin(found) if self.workload is not None else found

    def _in_document(self, path: Path) -> Path:
        if not self.of_template or path[:1] == ("spec",):
            return self.prefix + path
        if path[:1] == ("metadata",) and path[1:2] in (("labels",), ("annotations",), ("finalizers",)):
            return self.prefix + path
        return self.prefix  # the controller adds this value; the file does not contain it


@dataclass(frozen=True, slots=True)
class Options:
    """The caller's settings for the requests.

    `namespace`: of objects that name none. `operation`: CREATE, UPDATE (with the same object as oldObject) or DELETE.
    """

    namespace: str = DEFAULT_NAMESPACE
    user: User = field(default_factory=User)
    operation: str = CREATE


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of some documents, in order, and the problems of documents without one.

    `objects`: the objects as the API server would store them, for lookups. `notes`: texts that report guesses.
    """

    requests: Sequence[PlannedRequest]
    objects: Sequence[dict[str, Any]]
    kinds: Kinds
    problems: Sequence[Problem]
    notes: Sequence[str]


def impersonated(user: str, groups: Sequence[str]) -> User:
    """The user that the API server sees for `kubectl --as USER --as-group GROUP…`; the empty user for no USER.

    Raises ValueError for groups without a user.
    """
    if not user:
        if groups:
            raise ValueError("--as-group needs --as")
        return User()
    member_of = list(groups)
    parts = user.split(":")
    if not member_of and len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        member_of = ["system:serviceaccounts", f"system:serviceaccounts:{parts[2]}"]
    if user == "system:anonymous":
        member_of = member_of or ["system:unauthenticated"]
    elif "system:authenticated" not in member_of:
        member_of.append("system:authenticated")
    return User(username=user, groups=tuple(member_of))


def plan(documents: Iterable[Document], options: Options, policy_objects: Iterable[dict[str, Any]] = ()) -> Plan:
    """The requests that applying `documents` would send.

    After a workload comes the Pod that its controller creates. A recorded AdmissionReview gives its request unchanged.
    policy_objects: the objects of the policy tree; their CustomResourceDefinitions define kinds too.
    """
    notes: list[str] = []
    manifests, problems = objects(documents)
    kinds = Kinds.builtin().with_crds([*policy_objects, *(document.value for document in manifests)])
    planned: list[PlannedRequest] = []
    known: list[dict[str, Any]] = []
    guessed: set[tuple[str, str]] = set()
    for document in manifests:
        value = document.value
        if value["kind"] == review.KIND and value["apiVersion"] == review.API_VERSION:
            try:
                planned.append(_recorded(document))
            except review.BadReview as error:
                problems.append(document.problem(ROOT, str(error)))
            continue
        api_version, kind = value["apiVersion"], value["kind"]
        if api_version.rpartition("/")[0] in _LOCAL_GROUPS:
            continue
        resource = kinds.for_kind(api_version, kind)
        if resource is None:
            resource = kinds.guess(api_version, kind)
            if (api_version, kind) not in guessed:
                guessed.add((api_version, kind))
                notes.append(
                    f"{document.stream}:{document.line}: {kind} of {api_version} is no built-in kind and no CRD here "
                    f"defines it; assumed to be the {'namespaced' if resource.namespaced else 'cluster-scoped'} "
                    f"resource {resource.plural!r}"
                )
        sent = _as_sent(value, resource, options)
        if not sent["metadata"].get("name") and resource.group not in _NAMELESS_GROUPS:
            problems.append(document.problem(("metadata",), "not a Kubernetes object: metadata.name is missing"))
        known.append(sent)
        planned.extend(_requests(sent, resource, document, options))
    return Plan(planned, known, kinds, problems, notes)


def by_document(requests: Iterable[PlannedRequest]) -> Iterator[list[PlannedRequest]]:
    """Groups requests by document. The requests of one document must be adjacent."""
    for _, group in groupby(requests, key=lambda planned: id(planned.document)):
        yield list(group)


def pod_after(planned: PlannedRequest, workload: dict[str, Any]) -> PlannedRequest | None:
    """The request for the Pod of a mutated workload; None if it has no Pod template."""
    if planned.of_template or planned.prefix or planned.request.operation == DELETE:
        return None
    pod = pod_of(workload) if _has_identity(workload) else None
    if pod is None:
        return None
    request = _pod_request(pod, planned.request.namespace)
    before = planned.request.object
    mutated = Mutated(before, workload) if before is not None else None
    return PlannedRequest(request, planned.document, planned.identity, pod.template, of_template=True, workload=mutated)


def _has_identity(value: dict[str, Any]) -> bool:
    """Whether an object has an apiVersion, a kind and valid metadata. A mutation may have removed them."""
    metadata = value.get("metadata") or {}
    return (
        isinstance(metadata, dict)
        and all(isinstance(value.get(field), str) for field in ("apiVersion", "kind"))
        and all(isinstance(metadata.get(field, ""), str) for field in ("name", "generateName"))
    )


def with_old(requests: Iterable[PlannedRequest], before: Plan) -> tuple[list[PlannedRequest], list[str]]:
    """The requests as updates of the objects of another plan, and the objects that it does not have (`KIND NAME`).

    Requests for the Pods of workloads do not change, as controllers create new Pods in either case.
    """
    known = {each.identity: each.request.object for each in before.requests if not each.of_template}
    updates: list[PlannedRequest] = []
    unknown: list[str] = []
    for planned in requests:
        was = known.get(planned.identity)
        if planned.of_template:
            updates.append(planned)
        elif was is None:
            updates.append(planned)
            unknown.append(f"{planned.identity.kind} {planned.identity.name}")
        else:
            updates.append(replace(planned, request=replace(planned.request, old_object=was)))
    return updates, unknown


def _as_sent(value: dict[str, Any], resource: Resource, options: Options) -> dict[str, Any]:
    """The object as the API server passes it to admission: with its namespace, and its name if that is generated.

    The defaults of the API are not filled in.
    """
    metadata = dict(value.get("metadata") or {})
    if resource.namespaced and not metadata.get("namespace"):
        metadata["namespace"] = options.namespace
    if not metadata.get("name") and metadata.get("generateName"):
        # The API server generates the name between mutation and validation. Mostly validating policies read it.
        metadata["name"] = metadata["generateName"] + SUFFIX
    return {**value, "metadata": metadata}


def _requests(
    sent: dict[str, Any], resource: Resource, document: Document, options: Options
) -> Iterator[PlannedRequest]:
    metadata = sent["metadata"]
    name = metadata.get("name") or ""
    is_namespace = resource.kind == "Namespace" and not resource.group
    namespace = metadata["namespace"] if resource.namespaced else name if is_namespace else ""
    identity = Identity(sent["apiVersion"], sent["kind"], namespace if resource.namespaced else "", name)
    planned = PlannedRequest(
        _request(sent, resource, namespace, options.operation, options.user), document, identity, of_template=False
    )
    yield planned
    pod = pod_after(planned, sent)
    if pod is not None:
        yield pod


def _request(value: dict[str, Any], resource: Resource, namespace: str, operation: str, user: User) -> Request:
    metadata = value["metadata"]
    return made(
        operation=operation,
        resource=GroupVersionResource(resource.group, resource.version, resource.plural),
        kind=GroupVersionKind(resource.group, resource.version, resource.kind),
        name=metadata.get("name") or "",
        namespace=namespace,
        object=None if operation == DELETE else value,
        old_object=None if operation == CREATE else value,
        options={"apiVersion": "meta.k8s.io/v1", "kind": _OPTIONS[operation]},
        user=user,
    )


_PODS: Final = Resource("", "v1", "Pod", "pods", True)


def _pod_request(pod: ControlledPod, namespace: str) -> Request:
    groups = ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated")
    user = User(username=f"system:serviceaccount:kube-system:{pod.controller}", groups=groups)
    return _request(pod.object, _PODS, namespace, CREATE, user)


def _recorded(document: Document) -> PlannedRequest:
    """The request of a recorded AdmissionReview. Raises BadReview."""
    request = review.parse(orjson.dumps(document.value))
    field_name = "object" if request.object is not None else "oldObject"
    value = request.object if request.object is not None else request.old_object or {}
    metadata = value.get("metadata") or {}
    namespace = "" if request.resource[:3] == ("", "v1", "namespaces") else request.namespace
    identity = Identity(
        request.kind.api_version, request.kind.kind, namespace, request.name or str(metadata.get("name") or "")
    )
    return PlannedRequest(request, document, identity, ("request", field_name))
