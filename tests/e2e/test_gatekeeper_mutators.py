"""Gatekeeper's mutators, converted, in a real API server: it makes of each object what it makes of Gatekeeper's answer.

Every policy is bound for the objects with a label of its name, so that all are there at once. What the server stores of
an object under a policy is compared with what it stores of the object as Gatekeeper's command changed it.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.convert.gatekeeper.corpora import FAILED, FILES, REFUSED, Corpus, called, read
from tests.convert.gatekeeper.named import NAMED
from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from webhook.convert import whole
from webhook.convert.model import JSONObject

MUTATING = [file for file in FILES if read(file).mutators]
LABEL = "gatewright.test/under"
LAST = {
    "apiVersion": "mutations.gatekeeper.sh/v1",
    "kind": "AssignMetadata",
    "metadata": {"name": "zz-last"},
    "spec": {"location": "metadata.annotations.last", "parameters": {"assign": {"value": "seen"}}},
}
PATHS = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
}


@pytest.mark.parametrize("file", MUTATING, ids=lambda file: file.stem)
def test_the_server_makes_what_gatekeeper_makes(cluster: ControlPlane, file: Path, tmp_path: Path) -> None:
    corpus = read(file)
    folders = installed(cluster, corpus, tmp_path)
    compared = changed = 0
    for mutator in corpus.mutators:
        answer, policy = corpus.recorded()[called(mutator)], folders.get(called(mutator))
        if answer == REFUSED or policy is None or called(mutator) in NAMED.get(corpus.name, {}):
            continue
        # Those that it changes first: until one is changed, the server may not have seen the policy.
        for name, value in sorted(corpus.tried(mutator).items(), key=lambda each: each[0] not in answer):
            theirs = answer.get(name, value)
            under = copy.deepcopy(value)
            under["metadata"].setdefault("labels", {})[LABEL] = policy
            expected = None if theirs == FAILED else stored(sent(cluster, theirs))
            print(f"{policy}: {name}")  # shown where it is not so
            wait_for(partial(makes, cluster, under, expected), 20)
            compared += expected is not None
            changed += name in answer
    assert compared > 50
    assert changed > 20


def makes(cluster: ControlPlane, value: JSONObject, expected: Any) -> bool:
    """Whether the server stores an object as expected; None: whether it refuses it."""
    return bool(stored(sent(cluster, value)) == expected)


def installed(cluster: ControlPlane, corpus: Corpus, tmp_path: Path) -> dict[str, str]:
    """The converted mutators in the server, by name: the policies that they have become."""
    source = tmp_path / "mutators.yaml"
    source.write_text(yaml.safe_dump_all([*corpus.mutators, LAST]))
    found = whole.convert([str(source)], tmp_path / "tree")
    applied: list[JSONObject] = []
    for outcome in found.outcomes:
        own = {"matchResources": {"objectSelector": {"matchLabels": {LABEL: outcome.folder}}}}
        applied += [*outcome.policies, *(each | {"spec": each["spec"] | own} for each in outcome.bindings)]
    for each in corpus.namespaces:
        cluster.apply(namespace(each["metadata"]["name"], **each["metadata"].get("labels", {})))
        account = {"name": "default", "namespace": each["metadata"]["name"]}
        cluster.apply({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account, "automountServiceAccountToken": False,
        })  # fmt: skip
    for level in ("high", "low"):  # of the priority that the server gives a Pod without one, before policies run
        kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
        cluster.apply(kind | {"metadata": {"name": level}, "value": 0})
    cluster.apply(*applied)
    metadata = {"name": "probe", "namespace": "shop", "labels": {LABEL: "zz-last"}}
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    wait_for(lambda: "annotations" in sent(cluster, probe).body["metadata"], 20)
    return {called(each.document.value): each.folder for each in found.outcomes if each.policies}


def sent(cluster: ControlPlane, value: JSONObject) -> Reply:
    path = PATHS[value["kind"]].format(value["metadata"]["namespace"])
    return cluster.client().post(f"{path}?dryRun=All", {key: each for key, each in value.items() if key != "status"})


def stored(reply: Reply) -> Any:
    """The object without what is new with each request, and without the label of the policy; None if it is refused."""
    if not reply.ok:
        return None
    value = copy.deepcopy(reply.body)
    for field in ("uid", "creationTimestamp", "managedFields", "resourceVersion"):
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
    return value
