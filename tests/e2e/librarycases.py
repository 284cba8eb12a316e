"""The requests of the library's own tests, as a client sends them to an API server; dry runs, but for CONNECT.

An update and a deletion need the object from before: `stored` has it. A subresource needs its parent: what was there
before, if it is the whole object, else a workload or a Pod that is no more than that. Objects of custom kinds need
their definitions: `definitions` has some that take whatever they are given.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.e2e.objects import definition, pod
from tests.e2e.ways import KINDS, workload
from webhook.offline.cases.policytest import PlannedCase
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request, User
from webhook.schema import Kinds

Object = dict[str, Any]

SOMEBODY = "somebody"
"""The user of cases that name none. An administrator may do what some policies forbid."""
_DRY = "?dryRun=All"
_FIRST = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Namespaces that the server makes itself."""
_NAMESPACES = ("", "namespaces")
_VERBS = {"CREATE": "POST", "UPDATE": "PUT", "DELETE": "DELETE", "CONNECT": "POST"}
_WORKLOADS = {path.rpartition("/")[2]: kind for kind, path in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of a policy's tests. `expect`: what the case expects of its policy. `alone`: whether that depends on
    nothing but the request. `stored`: the path of the object that has to be there before; "" without one."""

    policy: str
    case: str
    expect: str
    alone: bool
    verb: str
    path: str
    body: Object | None
    user: User
    stored: str = ""

    @property
    def dry(self) -> bool:
        """Whether it is a dry run. A CONNECT has none."""
        return self.path.endswith(_DRY)

    @property
    def headers(self) -> dict[str, str | list[str]]:
        """Those by which an administrator sends it as the user of the case; as somebody, if it names no user."""
        found: dict[str, str | list[str]] = {"Impersonate-User": self.user.username or SOMEBODY}
        if self.user.uid:
            found["Impersonate-Uid"] = self.user.uid
        if self.user.groups:
            found["Impersonate-Group"] = list(self.user.groups)
        for key, values in self.user.extra.items():
            found[f"Impersonate-Extra-{key}"] = list(values)
        return found


@dataclass(slots=True)
class Requests:
    """What is sent, and what it needs: Namespaces, definitions of custom kinds, objects from before by their path. The
    cases that cannot be sent are counted by the reason."""

    sent: list[Sent] = field(default_factory=list)
    namespaces: dict[tuple[str, tuple[tuple[str, str], ...], int], str] = field(default_factory=dict)
    custom: dict[GroupVersionKind, GroupVersionResource] = field(default_factory=dict)
    stored: dict[str, tuple[str, Object]] = field(default_factory=dict)
    """By the path of the object: the path it is created at, and the object."""
    left_out: Counter[str] = field(default_factory=Counter)
    _created: set[str] = field(default_factory=set)

    def add_all(self, cases: Iterable[PlannedCase]) -> None:
        """Objects that are created come first: none may be there before. Namespaces that are there before come last:
        other cases must not need them."""
        later = []
        for each in cases:
            request = each.request
            if request.operation == "CREATE" and not request.subresource:
                self._add_creation(each)
            else:
                later.append(each)
        for each in sorted(later, key=lambda each: each.request.resource[::2] == _NAMESPACES):
            self._add_other(each)

    def update(self, path: str, version: str) -> None:
        """Let updates of the object at a path be of this version: custom kinds have none without it."""
        for each in self.sent:
            if each.stored == path and each.body is not None and each.verb == "PUT" and each.body["kind"] != "Scale":
                each.body["metadata"]["resourceVersion"] = version

    def _add_creation(self, planned: PlannedCase) -> None:
        request = planned.request
        body = _named(request.object)
        if request.resource[::2] == _NAMESPACES:
            body["metadata"]["name"] += "-new"  # the name itself may be that of a Namespace that other cases need
        collection = self._collection(planned, request.resource, body)
        self._created.add(f"{collection}/{body['metadata']['name']}")
        self._custom(request)
        self._send(planned, "POST", collection + _DRY, body)

    def _add_other(self, planned: PlannedCase) -> None:
        request = planned.request
        before = _before(request)
        if before is None:
            self.left_out[f"{request.operation} of {request.resource.resource}/{request.subresource}"] += 1
            return
        new = _named(request.object) if request.object is not None else None
        if new is not None and "metadata" in new:
            # A case may leave the name out on one side; for the server it is one object.
            before["metadata"]["name"] = new["metadata"].get("name", before["metadata"]["name"])
        self._custom(request)
        resource, name = request.resource, before["metadata"]["name"]
        for round_ in range(1000):
            collection = self._collection(planned, resource, before, round_)
            if not request.namespace or resource.resource == "namespaces":
                before["metadata"]["name"] = f"{name}-{round_}" if round_ else name
            path = f"{collection}/{before['metadata']['name']}"
            if resource[::2] == _NAMESPACES and before["metadata"]["name"] in self.namespaces.values():
                continue
            if path not in self._created and self.stored.get(path, (collection, before)) == (collection, before):
                break
        self.stored[path] = collection, before
        if new is not None and "metadata" in new:
            for key in ("name", "namespace"):
                if key in before["metadata"]:
                    new["metadata"][key] = before["metadata"][key]
        if new is not None and request.operation == "UPDATE":
            new["metadata"].pop("uid", None)  # the server's own is another
            new["metadata"].pop("resourceVersion", None)
        target = f"{path}/{request.subresource}" if request.subresource else path
        if request.operation == "CONNECT":
            self._send(planned, "POST", f"{target}?{_query(new or {})}", None, path)
        else:
            self._send(planned, _VERBS[request.operation], target + _DRY, new, path)

    def _send(self, planned: PlannedCase, verb: str, path: str, body: Object | None, stored: str = "") -> None:
        case = planned.case
        more = case.params is not None or bool(case.authorizations) or case.validate_only
        alone = not (more or self._renamed(planned.request, path))
        sent = Sent(planned.policy, case.name, case.expect or "", alone, verb, path, body, planned.request.user, stored)
        self.sent.append(sent)

    @staticmethod
    def _renamed(request: Request, path: str) -> bool:
        """Whether an object, or its Namespace, has another name in a path."""
        parts = path.partition("?")[0].split("/")
        if request.resource.resource == "namespaces":
            return request.name not in parts
        return bool(request.namespace) and f"/namespaces/{request.namespace}/" not in path

    def _collection(self, planned: PlannedCase, resource: GroupVersionResource, body: Object, round_: int = 0) -> str:
        """The path of the objects of the resource. The object's Namespace is set to the one that stands in it."""
        group, version, plural = resource
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        namespace = planned.request.namespace
        if namespace and plural != "namespaces":
            labels = planned.case.namespace.labels if planned.case.namespace else {}
            body["metadata"]["namespace"] = own = self._namespace(namespace, labels or {}, round_)
            path += f"/namespaces/{own}"
        return f"{path}/{plural}"

    def _namespace(self, name: str, labels: Mapping[str, str], round_: int) -> str:
        """The Namespace of this name and these labels; another name where it is taken by one with other labels, or in
        another round."""
        key = (name, tuple(sorted(labels.items())), round_)
        if key not in self.namespaces:
            taken = set(self.namespaces.values())
            free = name not in taken and not (name in _FIRST and labels) and not round_
            self.namespaces[key] = name if free else f"{name}-{len(taken)}"
        return self.namespaces[key]

    def _custom(self, request: Request) -> None:
        if Kinds.builtin().for_resource(*request.resource) is None:
            self.custom[request.kind] = request.resource

    def definitions(self) -> list[Object]:
        """CustomResourceDefinitions of the custom kinds that are sent."""
        known = Kinds.builtin()
        versions: dict[tuple[str, str, str, str], list[str]] = {}
        for kind, (group, version, plural) in sorted(self.custom.items()):
            scope = "Namespaced" if known.guess(kind.api_version, kind.kind).namespaced else "Cluster"
            versions.setdefault((group, plural, kind.kind, scope), []).append(version)
        return [definition(*key[:3], *served, scope=key[3]) for key, served in versions.items()]


def _named(value: Any) -> Object:
    body: Object = copy.deepcopy(value)
    if body["kind"].endswith("Options"):
        return body
    body.setdefault("metadata", {}).setdefault("name", "it")
    return body


def _before(request: Request) -> Object | None:
    """What has to be there before the request, as it can be created. None if it cannot be said."""
    old, plural = request.old_object, request.resource.resource
    if isinstance(old, dict) and old["kind"] != "Scale":
        body = _named(old)
    elif isinstance(old, dict):
        body = workload(_WORKLOADS[plural], replicas=old["spec"].get("replicas", 0))
        body["metadata"]["name"] = old["metadata"].get("name", "it")
    elif plural == "pods":
        body = pod("it")
    else:
        return None
    for key in ("uid", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"):
        body["metadata"].pop(key, None)
    return body


def _query(options: Object) -> str:
    """The options of a CONNECT as a query."""
    given = {key: value for key, value in options.items() if key not in ("apiVersion", "kind", "metadata")}
    texts = {key: each if isinstance(each, list) else json.dumps(each).strip('"') for key, each in given.items()}
    return urlencode(texts, doseq=True)
