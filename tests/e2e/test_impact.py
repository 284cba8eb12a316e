"""`gatewright impact --cluster`: the objects of a real kube-apiserver, which is only read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.running import gatewright
from tests.e2e.controlplane import ADMIN, ControlPlane, manifests
from tests.e2e.live import binding, config_map, policy
from tests.e2e.objects import namespace
from webhook.audit.reading import Reader
from webhook.audit.sources import Cluster
from webhook.cluster.connection import Connection, configuration
from webhook.impact.deciding import Counted, impacts
from webhook.impact.livecorpus import Live
from webhook.impact.sameness import compared
from webhook.impact.trees import Side
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree
from webhook.policy.request import User


def short(length: int, **spec: Any) -> str:
    """A policy on the names of ConfigMaps, in namespaces with a label."""
    rules = {
        "resourceRules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps", "pods/exec"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"strict": "yes"}},
    }
    expression = f"object.metadata.name.size() < {length} + int(params.data.more)"
    made = policy(
        "short",
        matchConstraints=rules,
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        validations=[{"expression": expression, "message": "too long"}],
        **spec,
    )
    bound = binding("short", paramRef={"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"})
    return manifests(made, bound)


def test_objects_of_the_cluster_are_judged_and_none_is_written(cluster: ControlPlane, tmp_path: Path) -> None:
    strict = namespace("strict")
    strict["metadata"]["labels"] = {"strict": "yes"}
    cluster.apply(namespace("rules"), strict, namespace("lax"))
    cluster.apply(
        config_map("limits", "rules", more="1"),
        *(config_map(f"names{'x' * size}", where) for where in ("strict", "lax") for size in range(8)),
    )
    for side, length in (("old", 8), ("new", 10)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "short.yaml").write_text(short(length))
    kubeconfig = cluster.kubeconfig("reader", cluster.tokens[ADMIN.name])
    before = cluster.kubectl("get", "configmaps,namespaces", "-A", "-o", "name,resourceVersion", check=False).stdout
    done = gatewright(
        *("impact", "--cluster", "--kubeconfig", str(kubeconfig), "--old", "old", "--new", "new", "-o", "json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    found = {(each["change"], each["object"]["namespace"], each["object"]["name"]) for each in report["findings"]}
    # names of 9 and 10 characters: fewer than 9 were admitted, and fewer than 11 are
    assert found == {("newly allowed", "strict", "namesxxxx"), ("newly allowed", "strict", "namesxxxxx")}
    assert {(each["file"], each["line"]) for each in report["findings"]} == {("the cluster", None)}
    assert report["impact"]["policies"][0]["matched"] >= 8
    after = cluster.kubectl("get", "configmaps,namespaces", "-A", "-o", "name,resourceVersion", check=False).stdout
    assert after == before


def test_a_kind_is_listed_in_pages_and_each_object_is_judged_once(cluster: ControlPlane, tmp_path: Path) -> None:
    cluster.apply(namespace("many"))
    cluster.apply(*(config_map(f"one-of-many-{number}", "many") for number in range(25)))
    sides = []
    for side in ("true", "false"):
        (tmp_path / side).mkdir()
        made = manifests(policy("all", validations=[{"expression": side}]), binding("all"))
        (tmp_path / side / "all.yaml").write_text(made)
        tree = read_tree(tmp_path / side)
        sides.append(Side(side, load_tree(tree), tree))
    old, new = sides
    where = configuration("kubeconfig", cluster.kubeconfig("pages", cluster.tokens[ADMIN.name]))
    comparison = compared(old, new)
    corpus = Live(Cluster(Reader(Connection(where, 1)), "here", 7), comparison.evaluated, user=User())
    names = [
        each.identity.name
        for each in impacts(corpus, old, new, comparison, Counted())
        if each.identity.namespace == "many" and each.identity.name.startswith("one-of-many")
    ]
    assert sorted(names) == sorted(f"one-of-many-{number}" for number in range(25))
    assert not corpus.problems


def test_what_may_not_be_listed_is_an_error(cluster: ControlPlane, tmp_path: Path) -> None:
    for side in ("true", "false"):
        (tmp_path / side).mkdir()
        made = manifests(policy("all", validations=[{"expression": side}]), binding("all"))
        (tmp_path / side / "all.yaml").write_text(made)
    kubeconfig = cluster.kubeconfig("nobody", "no-token")
    done = gatewright(
        *("impact", "--cluster", "--kubeconfig", str(kubeconfig), "--old", "true", "--new", "false"), cwd=tmp_path
    )
    assert done.returncode == 2 and "error:" in done.stderr, done.stderr
