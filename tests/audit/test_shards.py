"""Shards: together they say what one audit says, each object in one of them, and they read little twice.

tests/e2e/test_shards.py does the same with processes and a real kube-apiserver.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.audit.clusters import KINDS, Object, Server, audited, loaded, made, policy
from tests.cluster.apiserver import Exchange
from webhook.audit.auditing import Judged
from webhook.audit.shards import MOST, WHOLE, Shard

TEAMS = [f"team-{number:02}" for number in range(40)]
BAD = policy("images", "object.spec.containers.all(c, c.image != 'bad')", "bad", on="pods")
NAMES = policy("names", "false", "any", on="configmaps,namespaces,deployments")
CUSTOM = {**KINDS, "estates": ("corp.example/v1", "Estate", False)}
ESTATES = json.dumps(
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "estates"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["corp.example"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["estates"],
                    }
                ]
            },
            "validations": [{"expression": "false", "message": "an estate"}],
        },
    }
)
BOUND = json.dumps(
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "estates"},
        "spec": {"policyName": "estates", "validationActions": ["Deny"]},
    }
)


def team(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": f"uid-{name}"}}


def objects() -> list[Object]:
    """In each namespace a Deployment with two Pods and ConfigMaps; a static Pod, and Pods of a custom controller that
    has no namespace and a controller itself."""
    spec: Object = {"containers": [{"name": "c", "image": "bad"}]}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n"}}
    group: Object = {"apiVersion": "corp.example/v1", "kind": "Estate", "metadata": {"name": "group", "uid": "u-group"}}
    reference = {"apiVersion": "corp.example/v1", "kind": "Estate", "name": "group", "uid": "u-group"}
    part: Object = {"apiVersion": "corp.example/v1", "kind": "Estate", "metadata": {"name": "part", "uid": "u-part"}}
    part["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    found: list[Object] = [group, part]
    for number, name in enumerate(TEAMS):
        web = made("Deployment", "web", name, spec={"template": {"spec": spec}})
        set_ = made("ReplicaSet", "web-1", name, owner=web, spec={"replicas": 2})
        found += [team(name), web, set_, *(made("Pod", f"web-1-{each}", name, owner=set_, spec=spec) for each in "ab")]
        found += [made("ConfigMap", f"c{each}", name) for each in range(number % 7)]
        found.append(made("Pod", "of-part", name, owner=part, spec=spec))
    return [*found, made("Pod", "etcd-n1", TEAMS[3], owner=node, spec=spec)]


def said(found: Iterable[Judged]) -> Counter[tuple[str, ...]]:
    """What is said of what, and of which workload it is told."""
    return Counter(
        (of.kind, of.namespace, of.name, about.namespace, about.kind, about.name, at.message)
        for each in found
        for about in [each.verdict.identity]
        for of in [each.workload or about]
        for at in each.verdict.findings
    )


@pytest.mark.parametrize("number", [2, 4, 7])
def test_shards_say_together_what_one_audit_says(tmp_path: Path, number: int) -> None:
    policies = loaded(tmp_path, BAD, NAMES, f"{ESTATES}\n---\n{BOUND}\n")
    whole, all_of_it = audited(Server(objects(), kinds=CUSTOM), policies)
    assert {kind for kind, *_ in said(whole)} == {"ConfigMap", "Deployment", "Estate", "Namespace", "Pod"}
    parts: Counter[tuple[str, ...]] = Counter()
    judged: Counter[str] = Counter()
    for index in range(number):
        shard = Shard(index, number)
        found, audit = audited(Server(objects(), kinds=CUSTOM), policies, shard=shard)
        assert {namespace for _, namespace, *_ in said(found)} <= {each for each in (*TEAMS, "") if shard.has(each)}
        assert not judged.keys() & audit.judged.keys()  # of each namespace, all is judged by one
        parts += said(found)
        judged += audit.judged
    assert parts == said(whole)
    assert judged == all_of_it.judged


def test_what_is_read_twice_is_little(tmp_path: Path) -> None:
    """A long list is read by namespaces, each by its shard; a short one by every shard, as a whole."""
    many = [made("ConfigMap", f"c{each:03}", name) for name in TEAMS for each in range(30)]
    few = [made("Deployment", "web", name, spec={"template": {"spec": {"containers": []}}}) for name in TEAMS]
    it = [*map(team, TEAMS), *many, *few]
    policies = loaded(tmp_path, policy("p", "false", on="configmaps,deployments"))
    asked: list[str] = []
    for index in range(4):
        server = Server(it)
        found, _ = audited(server, policies, shard=Shard(index, 4))
        own = [each for each in TEAMS if Shard(index, 4).has(each)]
        assert len(found) == 31 * len(own)
        paths = [path for path, _ in server.asked]
        assert paths.count("/api/v1/configmaps") == paths.count("/apis/apps/v1/deployments") == 1
        asked += [path for path in paths if path.endswith("/configmaps") and "/namespaces/" in path]
    assert sorted(asked) == [f"/api/v1/namespaces/{name}/configmaps" for name in TEAMS]


def test_without_the_list_of_namespaces_the_whole_is_read(tmp_path: Path) -> None:
    """The audit says that it was incomplete, and is right about what it judges."""

    def refused(exchange: Exchange) -> bool:
        exchange.refuse(403, "no namespaces")
        return True

    it = [made("ConfigMap", f"c{each:03}", name) for name in TEAMS for each in range(30)]
    server = Server(it, {"/api/v1/namespaces": refused})
    shard = Shard(1, 4)
    found, audit = audited(server, loaded(tmp_path, policy("p", "false")), shard=shard)
    assert len(found) == 30 * sum(map(shard.has, TEAMS))
    assert [each.message for each in audit.problems if "Namespace" in each.message]


def test_a_server_that_does_not_count_is_read_by_namespaces(tmp_path: Path) -> None:
    """Its list may be of any length."""

    def uncounted(exchange: Exchange) -> bool:
        first = [made("ConfigMap", f"c{each:03}", TEAMS[0]) for each in range(50)]
        more = {} if "continue" in exchange.query else {"continue": "50"}
        exchange.json({"kind": "ConfigMapList", "metadata": more, "items": first})
        return True

    server = Server([team(each) for each in TEAMS], {"/api/v1/configmaps": uncounted})
    audited(server, loaded(tmp_path, policy("p", "false")), shard=Shard(1, 4))
    assert sum("/namespaces/" in path for path, _ in server.asked) == sum(map(Shard(1, 4).has, TEAMS))


def test_cluster_scoped_kinds_are_read_by_one(tmp_path: Path) -> None:
    policies = loaded(tmp_path, policy("n", "false", on="namespaces"))
    read = []
    for index in range(3):
        server = Server([team(each) for each in TEAMS])
        found, _ = audited(server, policies, shard=Shard(index, 3))
        read.append((sum(path == "/api/v1/namespaces" for path, _ in server.asked), len(found)))
    assert sorted(read) == [(1, 0), (1, 0), (2, 40)]  # each looks them up, and one judges them


def test_every_process_divides_alike() -> None:
    """Whatever Python it has: pods of an old and a new image would otherwise leave namespaces to nobody."""
    of = [next(index for index in range(4) if Shard(index, 4).has(each)) for each in ("", *TEAMS[:7])]
    assert of == [0, 3, 2, 1, 1, 2, 1, 1]  # sha256sum of the name, its first 16 digits, modulo 4
    assert WHOLE.has("anything") and WHOLE.has("")
    names = [f"namespace-{number}" for number in range(4000)]
    counts = [sum(map(Shard(index, 8).has, names)) for index in range(8)]
    assert sum(counts) == len(names)
    assert max(counts) < 1.2 * min(counts)
    assert str(Shard(2, MOST)) == "2/1000"
