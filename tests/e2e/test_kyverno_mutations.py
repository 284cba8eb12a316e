"""Kyverno's mutations, converted, in a real API server: it makes of each object what it makes of Kyverno's answer."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.convert.kyverno import mutating
from tests.convert.kyverno.mutating import SAME, Case
from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from webhook.convert.model import JSONObject

LABEL = "gatewright.test/under"
PATHS = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
}
SPACES = ("default", "shop", "live")


FILES = [file for file in mutating.files() if file.stem != "merge"]
"""Those of merges are about tolerations too, which the server adds before policies run."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_server_makes_what_kyverno_makes(cluster: ControlPlane, file: Path) -> None:
    theirs = mutating.answers(file)
    meant = [each for each in mutating.cases(file) if not (each.differs or each.refused)]
    meant = [
        each for each in meant if each.objects[0]["kind"] in PATHS and len(each.policy["spec"].get("rules", [1])) == 1
    ]
    install(cluster, file.stem, meant)
    compared = changed = 0
    for index, one in enumerate(meant):
        pairs = list(zip(one.objects, theirs[one.name], strict=True))
        # Those that it changes first: until one is changed, the server may not have seen the policy.
        for value, (answer, *_) in sorted(pairs, key=lambda pair: not isinstance(pair[1][0], dict)):
            if isinstance(answer, str) and answer != SAME:
                continue  # refused as a whole, which an object without the policy is not
            under = copy.deepcopy(value)
            under["metadata"].setdefault("labels", {})[LABEL] = f"{file.stem}-{index}"
            expected = stored(sent(cluster, answer if isinstance(answer, dict) else value))
            print(f"{one.name}: {value['metadata']['name']}")  # shown where it is not so
            wait_for(partial(makes, cluster, under, expected), 30)
            compared += expected is not None
            changed += answer != SAME
    assert compared > 12
    assert changed > 10


def makes(cluster: ControlPlane, value: JSONObject, expected: Any) -> bool:
    """Whether the server stores an object as expected; None: whether it refuses it."""
    return bool(stored(sent(cluster, value)) == expected)


def install(cluster: ControlPlane, name: str, cases: list[Case]) -> None:
    """The converted policies in the server, each for the objects with a label of its name."""
    for space in SPACES:
        cluster.apply(namespace(space))
        account = {"name": "default", "namespace": space}
        cluster.apply({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account, "automountServiceAccountToken": False,
        })  # fmt: skip
    for index, one in enumerate(cases):
        policy = copy.deepcopy(one.policy)
        policy["metadata"]["name"] = f"{name}-{index}"
        (outcome,) = mutating.converted([policy])
        own = {"matchResources": {"objectSelector": {"matchLabels": {LABEL: outcome.folder}}}}
        cluster.apply(*outcome.policies, *(each | {"spec": each["spec"] | own} for each in outcome.bindings))


def sent(cluster: ControlPlane, value: JSONObject) -> Reply:
    path = PATHS[value["kind"]].format(value["metadata"]["namespace"])
    return cluster.client().post(f"{path}?dryRun=All", {key: each for key, each in value.items() if key != "status"})


def stored(reply: Reply) -> Any:
    """The object without what is new with each request, and without the label of the policy; None if it is refused."""
    if not reply.ok:
        return None
    value = copy.deepcopy(reply.body)
    for field in ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation"):
        value["metadata"].pop(field, None)
    labels = value["metadata"].get("labels", {})
    labels.pop(LABEL, None)
    if not labels:
        value["metadata"].pop("labels", None)
    value["spec"] = value.get("spec", {})
    for field in ("clusterIP", "clusterIPs"):
        value["spec"].pop(field, None)
    # A plugin of the server adds two before policies run, so that they are among what a policy replaces.
    tolerations = value["spec"].pop("tolerations", [])
    value["spec"]["tolerations"] = [each for each in tolerations if not each["key"].startswith("node.kubernetes.io/")]
    return mutating.ordered(value)
