"""The corpus of a cluster whose API server does what a real one cannot be made to do (see tests/e2e/test_impact.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.apiserver import Exchange, config_map, listed, playing
from webhook.audit.reading import Reader
from webhook.audit.sources import Cluster
from webhook.cluster.connection import Connection
from webhook.impact.deciding import Counted, impacts
from webhook.impact.livecorpus import Live
from webhook.impact.sameness import compared
from webhook.impact.trees import Side
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree
from webhook.policy.request import CREATE, UPDATE, User

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: p}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: ["", autoscaling], apiVersions: ["*"], operations: ["*"], resources: [{resources}]}}
  validations: [{{expression: "{expression}", message: "{message}"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: p}}
spec: {{policyName: p, validationActions: [Deny]}}
"""
NAMES = {
    "/api/v1": [("configmaps", "ConfigMap", True), ("namespaces", "Namespace", False), ("pods/log", "Pod", True)],
    "/apis/autoscaling/v2": [("scalers", "Scaler", True)],
    "/apis/autoscaling/v1": [("scalers", "Scaler", True)],
}
GROUP = {
    "name": "autoscaling",
    "versions": [{"groupVersion": "autoscaling/v1"}, {"groupVersion": "autoscaling/v2"}],
    "preferredVersion": {"groupVersion": "autoscaling/v2"},
}


class Scripted:
    """An API server with two pages of ConfigMaps and a custom object. `broken`: paths that are refused."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path
        if path in self.broken or (path, exchange.query.get("continue")) == ("/api/v1/configmaps", "late"):
            exchange.refuse(410, "the continue token is too old")
        elif path == "/apis":
            exchange.json({"kind": "APIGroupList", "groups": [GROUP]})
        elif path in NAMES:
            verbs = ["get", "list"]
            resources = [{"name": n, "kind": k, "namespaced": scoped, "verbs": verbs} for n, k, scoped in NAMES[path]]
            exchange.json({"kind": "APIResourceList", "resources": resources})
        elif path == "/api/v1/configmaps" and "continue" in exchange.query:
            exchange.json(listed(1, config_map("second", 2, a="b"), token="late" if self.broken == ("late",) else ""))
        elif path == "/api/v1/configmaps":
            exchange.json(listed(1, config_map("first", 1, a="b"), token="more"))
        elif path == "/apis/autoscaling/v2/scalers":
            exchange.json(listed(1, config_map("scaler", 3)))
        else:
            exchange.json(listed(1))


def sides(folder: Path, old: str, new: str, resources: str = "configmaps, scalers") -> tuple[Side, Side]:
    made = []
    for name, expression in (("old", old), ("new", new)):
        (folder / name).mkdir()
        text = POLICY.format(expression=expression, message="no", resources=resources)
        (folder / name / "p.yaml").write_text(text)
        tree = read_tree(folder / name)
        made.append(Side(name, load_tree(tree), tree))
    return made[0], made[1]


def judged(url: str, old: Side, new: Side, operation: str = CREATE) -> tuple[list[str], Live]:
    from kubernetes.client import Configuration

    where = Configuration()
    where.host = url
    where.retries = False
    comparison = compared(old, new)
    corpus = Live(Cluster(Reader(Connection(where, 1)), "here"), comparison.evaluated, user=User(), operation=operation)
    found = impacts(corpus, old, new, comparison, Counted())
    return [f"{each.identity.api_version} {each.identity.name}" for each in found], corpus


def test_all_pages_of_all_kinds_are_judged_in_one_version(tmp_path: Path) -> None:
    with playing(Scripted()) as (url, exchanges):
        found, corpus = judged(url, *sides(tmp_path, "true", "false"))
    assert found == ["v1 first", "v1 second", "autoscaling/v2 scaler"]
    assert not corpus.problems
    assert {each._handler.command for each in exchanges} == {"GET"}


@pytest.mark.parametrize(
    ("broken", "found", "said"),
    [
        ("late", ["v1 first", "v1 second", "autoscaling/v2 scaler"], "configmaps cannot be listed: 410"),
        ("/api/v1/configmaps", ["autoscaling/v2 scaler"], "configmaps cannot be listed: 410"),
        ("/apis/autoscaling/v2", ["v1 first", "v1 second"], "/apis/autoscaling/v2 cannot be listed"),
        ("/apis", ["v1 first", "v1 second"], "/apis cannot be listed"),
        ("/api/v1/namespaces", ["v1 first", "v1 second", "autoscaling/v2 scaler"], "namespaces cannot be listed"),
    ],
)
def test_what_cannot_be_listed_is_a_problem_and_the_rest_is_judged(
    tmp_path: Path, broken: str, found: list[str], said: str
) -> None:
    with playing(Scripted(broken)) as (url, _):
        names, corpus = judged(url, *sides(tmp_path, "true", "false"))
    assert names == found
    assert [said in str(each) for each in corpus.problems] == [True], corpus.problems


def test_a_cluster_that_does_not_answer_is_one_problem(tmp_path: Path) -> None:
    with playing(Scripted()) as (url, _):
        pass  # and nobody listens there any more
    found, corpus = judged(url.replace("://", "://user:secret@"), *sides(tmp_path, "true", "false"))
    assert not found and not corpus.notes
    (problem,) = corpus.problems
    address = url.partition("://")[2]
    assert problem.message.startswith(f"the cluster at {address} cannot be reached: Failed to establish a new")
    assert "HTTPConnection" not in problem.message and problem.message.endswith("Connection refused")


def test_an_update_has_the_object_on_both_sides_and_a_creation_has_nothing_that_the_server_set(tmp_path: Path) -> None:
    expression = "oldObject != null && oldObject.metadata.resourceVersion == object.metadata.resourceVersion"
    with playing(Scripted()) as (url, _):
        updated, _ = judged(url, *sides(tmp_path, "true", f"!({expression})"), operation=UPDATE)
    bare = "oldObject == null && !has(object.metadata.resourceVersion) && !has(object.metadata.uid)"
    with playing(Scripted()) as (url, _):
        (tmp_path / "more").mkdir()
        created, _ = judged(url, *sides(tmp_path / "more", "true", f"!({bare})"))
    assert len(updated) == len(created) == 3


def test_a_cluster_without_the_kind_of_a_policy_is_noted(tmp_path: Path) -> None:
    with playing(Scripted()) as (url, _):
        found, corpus = judged(url, *sides(tmp_path, "true", "false", "deployments"))
    assert not found and corpus.notes == ["here serves no kind that a policy which differs is about"]


def test_a_place_in_an_object_of_a_cluster_is_found(tmp_path: Path) -> None:
    """Its document is the object itself, on one line."""
    old, new = sides(tmp_path, "true", "object.data.a == 'x'", "configmaps")
    with playing(Scripted()) as (url, _):
        from kubernetes.client import Configuration

        where: Any = Configuration()
        where.host = url
        comparison = compared(old, new)
        corpus = Live(Cluster(Reader(Connection(where, 1)), "here"), comparison.evaluated, user=User())
        difference = next(iter(impacts(corpus, old, new, comparison, Counted())))
    located = difference.differing[0].new[0]
    assert (located.path, located.line, located.known) == (("object", "data", "a"), 1, True)
