"""An API server in memory: it serves objects in pages, and fails where a real one cannot be made to.

What a real API server does is tested in tests/e2e/test_audit.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.apiserver import Exchange, playing
from webhook.audit.auditing import Asked, Audit, Judged
from webhook.audit.reading import Reader
from webhook.audit.shards import WHOLE, Shard
from webhook.audit.sources import Cluster
from webhook.cluster.connection import Connection
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree
from webhook.policy.policyset import PolicySet
from webhook.policy.request import User

Object = dict[str, Any]
NOBODY = User()

KINDS: dict[str, tuple[str, str, bool]] = {
    "configmaps": ("v1", "ConfigMap", True),
    "namespaces": ("v1", "Namespace", False),
    "pods": ("v1", "Pod", True),
    "secrets": ("v1", "Secret", True),
    "deployments": ("apps/v1", "Deployment", True),
    "replicasets": ("apps/v1", "ReplicaSet", True),
    "cronjobs": ("batch/v1", "CronJob", True),
    "jobs": ("batch/v1", "Job", True),
}
"""Plural -> apiVersion, kind, and whether it is namespaced."""


class Server:
    """Serves objects. broken: what answers instead, by path; it says whether it did.

    `asked`: the paths with their continue tokens, in order.
    """

    def __init__(
        self,
        objects: Sequence[Object],
        broken: Mapping[str, Callable[[Exchange], bool]] | None = None,
        kinds: Mapping[str, tuple[str, str, bool]] = KINDS,
    ) -> None:
        self.objects = list(objects)
        self.broken = dict(broken or {})
        self.kinds = kinds
        self.asked: list[tuple[str, str]] = []

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path
        self.asked.append((path, exchange.query.get("continue", "")))
        if path in self.broken and self.broken[path](exchange):
            return
        if path == "/apis":
            exchange.json({"kind": "APIGroupList", "groups": list(self._groups())})
        elif path in self._roots():
            exchange.json({"kind": "APIResourceList", "resources": list(self._resources(self._roots()[path]))})
        else:
            exchange.json(self._list(path, exchange.query))

    def _roots(self) -> dict[str, str]:
        versions = {version for version, _, _ in self.kinds.values()}
        return {f"/apis/{each}" if "/" in each else f"/api/{each}": each for each in versions | {"v1"}}

    def _groups(self) -> Iterator[Object]:
        for version in sorted({version for version, _, _ in self.kinds.values() if "/" in version}):
            named = {"groupVersion": version}
            yield {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}

    def _resources(self, version: str) -> Iterator[Object]:
        for plural, (of, kind, namespaced) in self.kinds.items():
            if of == version:
                verbs = ["create", "get", "list", "update"]
                yield {"name": plural, "kind": kind, "namespaced": namespaced, "verbs": verbs}
                yield {"name": f"{plural}/status", "kind": kind, "namespaced": namespaced, "verbs": ["get", "patch"]}

    def _list(self, path: str, query: Mapping[str, str]) -> Object:
        version, kind, _ = self.kinds[path.rpartition("/")[2]]
        of_kind = [each for each in self.objects if (each["apiVersion"], each["kind"]) == (version, kind)]
        if "/namespaces/" in path:
            within = path.split("/")[-2]
            of_kind = [each for each in of_kind if each["metadata"].get("namespace") == within]
        found = sorted(of_kind, key=_key)
        begin, limit = int(query.get("continue") or 0), int(query["limit"])
        metadata: Object = {"resourceVersion": "1"}
        if begin + limit < len(found):
            metadata |= {"continue": str(begin + limit), "remainingItemCount": len(found) - begin - limit}
        bare = [{name: value for name, value in each.items() if name not in ("apiVersion", "kind")} for each in found]
        return {
            "kind": f"{kind}List",
            "apiVersion": version,
            "metadata": metadata,
            "items": bare[begin : begin + limit],
        }


def _key(value: Object) -> str:
    metadata = value["metadata"]
    return f"{metadata.get('namespace') or ''}/{metadata['name']}"


def made(kind: str, name: str, namespace: str = "shop", owner: Object | None = None, **fields: Any) -> Object:
    """An object as it is stored. owner: its controller."""
    version, _, namespaced = next(each for each in KINDS.values() if each[1] == kind)
    metadata: Object = {"name": name, "uid": f"uid-{kind}-{namespace}-{name}", "resourceVersion": "1"}
    if namespaced:
        metadata["namespace"] = namespace
    if owner is not None:
        of = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True}
        metadata["ownerReferences"] = [{**of, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}]
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def policy(name: str, expression: str, message: str = "no", *, on: str = "configmaps", **more: Any) -> str:
    """A policy in CEL that denies, with its binding. on: resources of the groups "", apps and batch, with commas.

    more: `operations`, `annotations`, other fields of its spec.
    """
    import json

    operations = more.pop("operations", ["CREATE"])
    rule = {
        "apiGroups": ["", "apps", "batch"],
        "apiVersions": ["v1"],
        "operations": operations,
        "resources": on.split(","),
    }
    metadata = {"name": name, "annotations": more.pop("annotations", {})}
    binding = {"policyName": name, "validationActions": ["Deny"], **more.pop("binding", {})}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": message}],
        **more,
    }
    group = "admissionregistration.k8s.io/v1"
    objects = (
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    )
    return "\n---\n".join(map(json.dumps, objects)) + "\n"


def loaded(folder: Path, *policies: str) -> PolicySet:
    """The policies of these files."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(policies):
        (folder / f"{number}.yaml").write_text(text)
    return load_tree(read_tree(folder))


@contextmanager
def reading(server: Server, qps: float = 0.0, waits: list[float] | None = None) -> Iterator[Reader]:
    """A reader of the server. waits: is added what it sleeps; it never does."""
    from kubernetes.client import Configuration

    slept = [] if waits is None else waits
    with playing(server) as (url, _):
        where = Configuration()
        where.host = url
        where.retries = False
        yield Reader(Connection(where, 1), qps, sleep=slept.append)


def audited(
    server: Server, policies: PolicySet, user: User = NOBODY, largest: int = 500, shard: Shard = WHOLE
) -> tuple[list[Judged], Audit]:
    """What an audit of the server says."""
    with reading(server) as reader:
        audit = Audit(Cluster(reader, "here", largest, shard), policies, Asked(user, shard=shard))
        return list(audit.verdicts()), audit


def told(found: Sequence[Judged]) -> list[str]:
    """What is said of each object, in words."""
    return [
        f"{each.verdict.identity.kind} {each.verdict.identity.name}: {located.message}"
        for each in found
        for located in each.verdict.findings
    ]
