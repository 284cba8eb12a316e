"""The corpus: cases of policies and of the requests that are sent to them, read from corpus/*.yaml.

A case is one YAML document:

    name: messages-plain        # of the case; its Namespace has it, and its policy and binding unless they have others
    says: …                     # what of the API server's behaviour it shows
    batch: shared               # cases of one batch are in force together; by default all are, each in its Namespace
    policy: {…}                 # spec of the ValidatingAdmissionPolicy; or `policies`: name -> spec
    binding: {…}                # spec of the binding without policyName; or `bindings`: name -> spec, with it
    labels: {…}                 # of the Namespace
    given: [Given, …]           # what is there before: `make: pods`, `with: {…}`
    params: [object, …]         # made as given is, and put into the policy tree
    crds: [{…}, …]              # specs of CustomResourceDefinitions, likewise
    requests: [Request, …]

A request says what is sent: `send: POST pods` (relative to the case's Namespace, or an absolute path), `with`, what is
merged into a plain object of the resource, or `body`, the whole of it; of a PATCH, `with` is the merge patch; APPLY is
server-side apply; JSONPATCH takes `operations`. `headers`; `as`, the user. What the API server itself answers
natively: `expect` allow, deny, warn or audit, and `message`, a part of what it says. `differs` names a difference that
is known. In the shared batch, bindings are narrowed to the case's Namespace.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

CORPUS = Path(__file__).parent / "corpus"
POLICIES = Path(__file__).parents[3] / "policies"
SHARED = "shared"
LABEL = "differential.gatewright.dev/case"
GROUP = "admissionregistration.k8s.io/v1"

Object = dict[str, Any]

_CONTAINERS = [{"name": "c", "image": "registry.example.com/web:1"}]
_TEMPLATE = {"metadata": {"labels": {"app": "it"}}, "spec": {"containers": _CONTAINERS}}
# The plain object of each resource that requests write; `with` is merged into it.
PLAIN: dict[str, Object] = {
    "configmaps": {"apiVersion": "v1", "kind": "ConfigMap"},
    "secrets": {"apiVersion": "v1", "kind": "Secret"},
    "serviceaccounts": {"apiVersion": "v1", "kind": "ServiceAccount"},
    "services": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    "pods": {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": _CONTAINERS}},
    "pods/eviction": {"apiVersion": "policy/v1", "kind": "Eviction"},
    "pods/binding": {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "n"}},
    "serviceaccounts/token": {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": []},
    },
    "apps/deployments": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "it"}}, "template": _TEMPLATE},
    },
    "apps/deployments/scale": {"apiVersion": "autoscaling/v1", "kind": "Scale"},
    "namespaces": {"apiVersion": "v1", "kind": "Namespace"},
    "nodes": {"apiVersion": "v1", "kind": "Node"},
    "persistentvolumes": {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "d", "volumeHandle": "h"},
        },
    },
    "rbac.authorization.k8s.io/roles": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []},
    "coordination.k8s.io/leases": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {}},
}
CLUSTER_SCOPED = {"namespaces", "nodes", "persistentvolumes"}
_CONTENT_TYPES = {
    "PATCH": "application/merge-patch+json",
    "APPLY": "application/apply-patch+yaml",
    "JSONPATCH": "application/json-patch+json",
}


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Given(Part):
    """An object that is there before."""

    make: str
    content: Object = Field({}, alias="with")


class Request(Part):
    """One request, and what the API server natively answers."""

    send: str
    content: Object | None = Field(None, alias="with")
    body: Object | None = None
    operations: list[Object] | None = None
    headers: dict[str, str | list[str]] = {}
    user: Literal["admin", "dora"] = Field("admin", alias="as")
    expect: Literal["allow", "deny", "warn", "audit"]
    message: str = ""
    differs: str = ""


class Case(Part):
    """Policies in force, and the requests that they answer."""

    name: str = Field(pattern="^[a-z0-9-]{1,50}$")
    says: str
    batch: str = SHARED
    policies: dict[str, Object]
    bindings: dict[str, Object]
    labels: dict[str, str] = {}
    given: tuple[Given, ...] = ()
    params: tuple[Object, ...] = ()
    crds: tuple[Object, ...] = ()
    requests: tuple[Request, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, value: Any) -> Any:
        value = dict(value)
        name = value.get("name")
        if "policy" in value:
            value["policies"] = {name: value.pop("policy")}
        if "bindings" not in value:
            value["bindings"] = {name: {"policyName": name, "validationActions": ["Deny"], **value.pop("binding", {})}}
        return value

    def policy_objects(self) -> list[Object]:
        return [_object("ValidatingAdmissionPolicy", name, spec) for name, spec in self.policies.items()]

    def binding_objects(self) -> list[Object]:
        made = []
        for name, written in self.bindings.items():
            spec = copy.deepcopy(written)
            if self.batch == SHARED:
                match = spec.setdefault("matchResources", {})
                match.setdefault("namespaceSelector", {}).setdefault("matchLabels", {})[LABEL] = self.name
            made.append(_object("ValidatingAdmissionPolicyBinding", name, spec))
        return made

    def namespace(self) -> Object:
        metadata = {"name": self.name, "labels": {LABEL: self.name, **self.labels}}
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}

    def crd_objects(self) -> list[Object]:
        kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        return [
            {**kind, "metadata": {"name": f"{spec['names']['plural']}.{spec['group']}"}, "spec": spec}
            for spec in self.crds
        ]

    def given_objects(self) -> Iterator[tuple[str, Object]]:
        """Path and body of what is created before: params too."""
        for param in self.params:
            group, _, _ = param["apiVersion"].rpartition("/")
            resource = param["kind"].lower() + "s"
            yield self._path(f"{group}/{resource}" if group else resource, param["metadata"].get("namespace")), param
        for each in self.given:
            body = self._plain(each.make, each.content) if each.make in PLAIN else each.content
            yield self._path(each.make), body

    def sent(self, request: Request) -> tuple[str, str, Object | list[Object] | None, str]:
        """Method, path, body and content type of a request."""
        method, _, place = request.send.partition(" ")
        relative = place.partition("?")[0]
        path = place.replace("{ns}", self.name) if place.startswith("/") else self._path(place)
        if method != "GET" and "dryRun" not in path:
            path += ("&" if "?" in path else "?") + "dryRun=All"
        body: Object | list[Object] | None = request.body
        if method == "JSONPATCH":
            body = request.operations
        elif body is None and method == "PATCH":
            body = request.content
        elif body is None and method in ("POST", "PUT", "APPLY"):
            body = self._plain(_resource(relative), request.content or {})
        return (
            "PATCH" if method in _CONTENT_TYPES else method,
            path,
            body,
            _CONTENT_TYPES.get(method, "application/json"),
        )

    def _path(self, place: str, namespace: str | None = None) -> str:
        """`pods/it/eviction` and `apps/deployments` in the case's Namespace, or in another."""
        group, rest = place.split("/", 1) if _grouped(place) else ("", place)
        version = f"/apis/{group}/v1" if group else "/api/v1"
        resource = rest.split("/")[0]
        if resource in CLUSTER_SCOPED or any(
            spec["scope"] == "Cluster" and spec["names"]["plural"] == resource for spec in self.crds
        ):
            return f"{version}/{rest}"
        return f"{version}/namespaces/{namespace or self.name}/{rest}"

    def _plain(self, resource: str, content: Object) -> Object:
        made: Object = merged(PLAIN[resource], {"metadata": {"name": "it"}})
        if "generateName" in content.get("metadata", {}):
            made = merged(made, {"metadata": {"name": None}})
        made = merged(made, content)
        return made


def _grouped(place: str) -> bool:
    first = place.split("/")[0]
    return first == "apps" or "." in first


def _resource(place: str) -> str:
    """The key of PLAIN: `pods/it/eviction` -> `pods/eviction`, `/api/v1/nodes` -> `nodes`."""
    parts = place.strip("/").split("/")
    if parts[0] in ("api", "apis"):
        parts = parts[2:] if parts[0] == "api" else [parts[1], *parts[3:]]
        if "namespaces" in parts and len(parts) > parts.index("namespaces") + 2:
            at = parts.index("namespaces")
            parts = [*parts[:at], *parts[at + 2 :]]
    named = 2 if _grouped("/".join(parts)) else 1
    return "/".join([*parts[:named], *parts[named + 1 :]])


def _object(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": spec}


def merged(one: Any, other: Any) -> Any:
    """JSON merge patch (RFC 7386): null takes away."""
    if not isinstance(other, dict):
        return copy.deepcopy(other)
    made = copy.deepcopy(one) if isinstance(one, dict) else {}
    for key, value in other.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


class _Loader(yaml.SafeLoader):
    """YAML with two tags more: `!times [x, 6000]` is the text x, so many times; `!shipped no-host-path` is the spec of
    that policy of the library."""


def _times(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> str:
    text, times = loader.construct_sequence(node)
    return str(text) * int(times)


def _shipped(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Object:
    file = POLICIES / str(loader.construct_scalar(node)) / "policy.yaml"
    spec: Object = yaml.safe_load(file.read_text())["spec"]
    return spec


_Loader.add_constructor("!times", _times)
_Loader.add_constructor("!shipped", _shipped)


def cases() -> list[Case]:
    """The whole corpus, by file."""
    return [
        Case.model_validate(document)
        for file in sorted(CORPUS.glob("*.yaml"))
        for document in yaml.load_all(file.read_text(), _Loader)
        if document
    ]
