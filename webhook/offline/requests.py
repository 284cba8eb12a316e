"""Manifests → the admission requests that applying them would send."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from webhook.admission import review
from webhook.apiserver import admitted, completion
from webhook.apiserver.admitted import NAMELESS_GROUPS, ApiServer, Sent
from webhook.apiserver.completion import Creation
from webhook.apiserver.problems import FieldProblem
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.objects import not_an_object
from webhook.documents.reader import Document, Problem, objects
from webhook.offline.customworkloads import NO_MORE, CustomWorkloads
from webhook.offline.mutated import Mutated
from webhook.offline.podtemplates import ControlledPod, pods_of
from webhook.paths import ROOT, Path
from webhook.policy.request import CREATE, DELETE, UPDATE, GroupVersionKind, GroupVersionResource, Request, User
from webhook.schema import Kinds, Resource
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.policy.policyset import PolicySet

DEFAULT_NAMESPACE: Final = "default"

# The options that kubectl sends, in the form that policies see.
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    CREATE: {"kind": "CreateOptions", "fieldManager": "kubectl-create", "fieldValidation": "Strict"},
    UPDATE: {"kind": "UpdateOptions", "fieldManager": "kubectl-replace", "fieldValidation": "Strict"},
    DELETE: {"kind": "DeleteOptions", "propagationPolicy": "Background"},
}
_CONTROLLERS_OPTIONS: Final[dict[str, Any]] = {"kind": "CreateOptions"}

# Groups of objects that client-side tools read; they are never applied to a cluster.
_LOCAL_GROUPS: Final = frozenset({"gatewright.dev", "kustomize.config.k8s.io", "kuttl.dev"})


class Identity(Struct, frozen=True):
    """The name of an object in reports."""

    api_version: str
    kind: str
    namespace: str  # "" for cluster-scoped objects
    name: str


class PlannedRequest(Struct, frozen=True):
    """A request that applying a document would cause.

    `identity`: the object in the file; for the Pod of a workload, the workload. `prefix`: the path of the request's
    object in the document: () for the object itself, spec.template for the Pod of a Deployment. `mutated`: the object,
    if it was mutated; `workload`: the workload, if the request is for the Pod of a mutated one. `problems`: what the
    API server refuses of the object before any policy sees it. `creation`, `server`: how the API server completes the
    object between mutation and validation; None if it does not, as in a recorded request. `moved`: where parts of the
    object stand in the document, if not below `prefix`. `custom`: the custom workloads that are known.
    """

    request: Request
    document: Document
    identity: Identity
    prefix: Path = ROOT
    of_template: bool = False
    mutated: Mutated | None = None
    workload: Mutated | None = None
    problems: Sequence[FieldProblem] = ()
    creation: Creation | None = None
    resource: Resource | None = None
    server: ApiServer | None = None
    moved: tuple[tuple[Path, Path], ...] = ()
    custom: CustomWorkloads = NO_MORE

    @property
    def unreadable(self) -> bool:
        """Whether the API server cannot make an object of the document, so that no policy is about it."""
        return any(not each.strict for each in self.problems)

    @property
    def typed(self) -> bool:
        """Whether the request's object is what `ApiServer.received` made, as it was decoded and defaulted."""
        return self.server is not None and self.request.operation == CREATE

    def completed(self, request: Request) -> tuple[Request, Sequence[FieldProblem]]:
        """The request after mutation as validating policies see it, and what the API server refuses of its object.

        The object has its name, uid and time. If anything is refused, no validating policy sees it. Of the Pod of a
        workload nothing is refused.
        """
        if self.server is None or self.creation is None or self.resource is None:
            return request, ()
        if request.object is not None and request.old_object is not None and request.operation == UPDATE:
            return request, self._refused_update(request.object, request.old_object, self.server, self.resource)
        if request.object is None or request.operation != CREATE:
            return request, ()
        value, problems = self.server.created(
            request.object,
            self.resource,
            self.creation,
            changed=request.object is not self.request.object,
            validated=not self.of_template,  # else with the workload, which has the template
        )
        return replace(request, object=value, name=request.name or value["metadata"].get("name") or ""), problems

    def _refused_update(
        self, value: dict[str, Any], old: dict[str, Any], server: ApiServer, resource: Resource
    ) -> Sequence[FieldProblem]:
        """What is refused of an update. The API server tolerates some of what was wrong before; an object that is said
        to have been there as it is now (`--operation update`) cannot have been created with a fault."""
        faults = server.refused(old, resource) if old is self.request.object else ()
        return faults or server.updated(value, old, resource)

    def place(self, path: Path) -> Path:
        """Translates a path in the request's object, as validation saw it, to the path in the document."""
        found = self._in_document(self.mutated.origin(path) if self.mutated is not None else path)
        return self.workload.origin(found) if self.workload is not None else found

    def _in_document(self, path: Path) -> Path:
        for inside, outside in self.moved:
            if path[: len(inside)] == inside:
                return outside + path[len(inside) :]
        if not self.of_template or path[:1] == ("spec",):
            return self.prefix + path
        if path[:1] == ("metadata",) and path[1:2] in (("labels",), ("annotations",), ("finalizers",)):
            return self.prefix + path
        if path == ("metadata", "namespace"):
            return path  # the Pod is in the namespace of its workload
        return self.prefix  # the controller adds this value; the file does not contain it


class Options(Struct, frozen=True):
    """The caller's settings for the requests.

    `namespace`: of objects that name none. `operation`: CREATE, UPDATE (with the same object as oldObject) or DELETE.
    `as_written`: the objects are taken as they stand in the documents; nothing is decoded, defaulted or completed.
    `custom`: the custom workloads that are known. `target`: the Kubernetes version of the API server.
    """

    namespace: str = DEFAULT_NAMESPACE
    user: User = field(default_factory=User)
    operation: str = CREATE
    as_written: bool = False
    custom: CustomWorkloads = NO_MORE
    target: Version = NEWEST


class Plan(Struct, frozen=True):
    """The requests of some documents, in order, and the problems of documents without one.

    `objects`: the objects as the API server would store them, for lookups. `guessed`: a note on each kind that is
    guessed, by apiVersion and kind; `plugins`: what admission plugins note. `server`: None for objects as they are
    written.
    """

    requests: Sequence[PlannedRequest]
    objects: Sequence[dict[str, Any]]
    kinds: Kinds
    problems: Sequence[Problem]
    guessed: Mapping[tuple[str, str], str]
    plugins: Sequence[str]
    server: ApiServer | None = None

    @property
    def notes(self) -> list[str]:
        """Texts that report guesses, and what plugins note."""
        return [*self.guessed.values(), *self.plugins]

    def defaulting(self, policies: PolicySet) -> PolicySet:
        """The policies, whose mutations leave custom objects with the defaults of definitions among the manifests."""
        if self.server is None or not policies.mutating:
            return policies
        return policies.with_custom_kinds(self.server.custom_kinds)


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
    manifests, problems = objects(documents, typed=options.as_written)
    made = Planner(options, [*policy_objects, *(document.value for document in manifests)]).planned(manifests)
    return replace(made, problems=[*problems, *made.problems])


class Planner:
    """Plans the requests of the documents of one run, of all at once or a part at a time.

    at_hand: the objects of the run that others depend on: CustomResourceDefinitions, and what the API server's plugins
    look up.
    """

    def __init__(self, options: Options, at_hand: Sequence[dict[str, Any]]) -> None:
        self._options = options
        user = options.user
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._creation = Creation(now, user.username, user.uid, user.groups, user.extra, options.target)
        self.kinds = Kinds.builtin(options.target).with_crds(at_hand)
        self.server: ApiServer | None = None
        if not options.as_written:
            view = partial(_at_hand, at_hand, self.kinds, options.namespace)
            self.server = ApiServer(at_hand, view, options.target)
        self._guessed: set[tuple[str, str]] = set()  # the kinds that notes were made of
        self._noted: set[str] = set()  # of plugins

    def planned(self, documents: Iterable[Document]) -> Plan:
        """The requests of documents that are objects (webhook.documents.reader.objects). Each note is made once."""
        options, server = self._options, self.server
        guessed: dict[tuple[str, str], str] = {}
        problems: list[Problem] = []
        planned: list[PlannedRequest] = []
        known: list[dict[str, Any]] = []
        plugins: dict[str, None] = {}  # what plugins note, once each
        for document in documents:
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
            resource = self.kinds.for_kind(api_version, kind)
            unserved = None
            if resource is None and not options.as_written:
                unserved = admitted.unserved(api_version, kind, self.kinds, options.target)
            if resource is None:
                resource = Kinds.builtin().for_kind(api_version, kind) or self.kinds.guess(api_version, kind)
                if unserved is None and (api_version, kind) not in self._guessed:
                    self._guessed.add((api_version, kind))
                    guessed[api_version, kind] = (
                        f"{document.stream}:{document.line}: {kind} of {api_version} is no built-in kind and no CRD "
                        "here defines it; assumed to be the "
                        f"{'namespaced' if resource.namespaced else 'cluster-scoped'} resource {resource.plural!r}"
                    )
            sent = _as_sent(value, resource, options.namespace, server)
            if unserved is not None:
                sent = sent._replace(problems=(unserved,))
            plugins |= dict.fromkeys(each for each in sent.notes if each not in self._noted)
            metadata = sent.object["metadata"]
            named = metadata.get("name") or metadata.get("generateName")
            if not named and not sent.problems and not self._refuses_nameless(resource):
                problems.append(document.problem(("metadata",), "not a Kubernetes object: metadata.name is missing"))
            known.append(_named(sent.object))
            planned.extend(_requests(sent, resource, document, options, self._creation, server))
        self._noted.update(plugins)
        return Plan(planned, known, self.kinds, problems, guessed, [*plugins], server)

    def apart(self) -> Planner:
        """Another planner of the same run, which has made no note yet."""
        other = copy(self)
        other._guessed, other._noted = set(), set()
        return other

    def _refuses_nameless(self, resource: Resource) -> bool:
        """Whether an object without a name is refused as the API server does, or needs none."""
        if resource.group in NAMELESS_GROUPS:
            return True
        return self.server is not None and self._options.operation != DELETE and self.server.validates(resource)


def options_of(operation: str) -> dict[str, Any]:
    """The options that kubectl sends with a request."""
    return {"apiVersion": "meta.k8s.io/v1", **_OPTIONS[operation]}


def by_document(requests: Iterable[PlannedRequest]) -> Iterator[list[PlannedRequest]]:
    """Groups requests by document. The requests of one document must be adjacent."""
    for _, group in groupby(requests, key=lambda planned: id(planned.document)):
        yield list(group)


def pods_after(planned: PlannedRequest, workload: dict[str, Any]) -> list[PlannedRequest]:
    """The requests for the Pods of a workload, perhaps a mutated one; none if it has no Pod template."""
    if planned.of_template or planned.prefix or planned.unreadable or planned.request.operation == DELETE:
        return []
    if not _has_identity(workload):
        return []
    pods = pods_of(workload, planned.request.resource.resource, planned.custom)
    before = planned.request.object
    mutated = Mutated(before, workload) if before is not None else None
    return [_pod_after(planned, pod, mutated) for pod in pods]


def _pod_after(planned: PlannedRequest, pod: ControlledPod, mutated: Mutated | None) -> PlannedRequest:
    user = _controller(pod)
    sent = _as_sent(pod.object, _PODS, planned.request.namespace, planned.server)
    request = _request(sent.object, _PODS, planned.request.namespace, CREATE, user, _CONTROLLERS_OPTIONS)
    creation = planned.creation
    return PlannedRequest(
        request,
        planned.document,
        planned.identity,
        pod.template,
        of_template=True,
        workload=mutated,
        creation=creation and creation._replace(username=user.username, groups=user.groups),
        resource=_PODS,
        server=planned.server,
        moved=pod.moved,
    )


def _has_identity(value: dict[str, Any]) -> bool:
    """Whether an object has an apiVersion, a kind and valid metadata. A mutation may have removed them."""
    metadata = value.get("metadata") or {}
    return (
        isinstance(metadata, dict)
        and all(isinstance(value.get(field), str) for field in ("apiVersion", "kind"))
        and all(isinstance(metadata.get(field, ""), str) for field in ("name", "generateName"))
    )


def _as_sent(value: dict[str, Any], resource: Resource, namespace: str, server: ApiServer | None) -> Sent:
    """The object as the API server passes it to mutating admission; without a server, as it was written."""
    if server is not None:
        return server.received(value, resource, namespace)
    metadata = dict(value.get("metadata") or {})
    if resource.namespaced and not metadata.get("namespace"):
        metadata["namespace"] = namespace
    return Sent(_named({**value, "metadata": metadata}), ())


def _at_hand(objects_at_hand: Iterable[dict[str, Any]], kinds: Kinds, namespace: str) -> ManifestsView:
    """The view in which admission plugins look for objects: those that the API server can decode."""
    decodable = (value for value in objects_at_hand if not_an_object(value) is None)
    return ManifestsView(decodable, kinds, default_namespace=namespace)


def _named(value: dict[str, Any]) -> dict[str, Any]:
    """The object with its name, if that is to be generated."""
    metadata = value["metadata"]
    if metadata.get("name") or not metadata.get("generateName"):
        return value
    return {**value, "metadata": {**metadata, "name": completion.generated(metadata["generateName"])}}


def _requests(
    sent: Sent,
    resource: Resource,
    document: Document,
    options: Options,
    creation: Creation,
    server: ApiServer | None,
) -> Iterator[PlannedRequest]:
    value = sent.object
    metadata = value["metadata"]
    name = metadata.get("name") or ""
    is_namespace = resource.kind == "Namespace" and not resource.group
    namespace = metadata["namespace"] if resource.namespaced else name if is_namespace else ""
    if options.operation != CREATE and server is not None:
        # An object that is there already has all that the API server sets when it creates one.
        value = completion.created(value, resource, creation)
    shown = name or (completion.generated(metadata["generateName"]) if metadata.get("generateName") else "")
    identity = Identity(value["apiVersion"], value["kind"], namespace if resource.namespaced else "", shown)
    planned = PlannedRequest(
        _request(value, resource, namespace, options.operation, options.user, _OPTIONS[options.operation]),
        document,
        identity,
        problems=sent.problems,
        creation=creation,
        resource=resource,
        server=server,
        custom=options.custom,
    )
    yield planned
    yield from pods_after(planned, value)


def _request(
    value: dict[str, Any], resource: Resource, namespace: str, operation: str, user: User, options: dict[str, Any]
) -> Request:
    metadata = value["metadata"]
    return Request(
        operation=operation,
        resource=GroupVersionResource(resource.group, resource.version, resource.plural),
        kind=GroupVersionKind(resource.group, resource.version, resource.kind),
        name=metadata.get("name") or "",
        namespace=namespace,
        object=None if operation == DELETE else value,
        old_object=None if operation == CREATE else value,
        options={"apiVersion": "meta.k8s.io/v1", **options},
        user=user,
    )


_PODS: Final = Resource("", "v1", "Pod", "pods", True)


def _controller(pod: ControlledPod) -> User:
    """The user that creates the Pod of a workload."""
    namespace = pod.controller_namespace
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(username=f"system:serviceaccount:{namespace}:{pod.controller}", groups=groups)


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
