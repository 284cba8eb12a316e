"""Gatekeeper's mutators, converted, in a real API server: it makes of each object what it makes of Gatekeeper's answer.

Every policy is bound for the objects with a label of its name, so that all are there at once. What the server stores of
an object under a policy is compared with what it stores of the object as Gatekeeper's command changed it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.convert.gatekeeper.corpora import FAILED, FILES, REFUSED, Corpus, called, read
from tests.convert.gatekeeper.named import NAMED
from tests.e2e.controlplane import ControlPlane
from tests.e2e.stored import UNDER, bound, sent, space, stored, under
from tests.server.running import wait_for
from webhook.convert import whole
from webhook.convert.model import JSONObject

MUTATING = [file for file in FILES if read(file).mutators]
LAST = {
    "apiVersion": "mutations.gatekeeper.sh/v1",
    "kind": "AssignMetadata",
    "metadata": {"name": "zz-last"},
    "spec": {"location": "metadata.annotations.last", "parameters": {"assign": {"value": "seen"}}},
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
            expected = None if theirs == FAILED else stored(cluster, theirs)
            print(f"{policy}: {name}")  # shown where it is not so
            wait_for(partial(makes, cluster, under(policy, value), expected), 20)
            compared += expected is not None
            changed += name in answer
    assert compared > 50
    assert changed > 20


def makes(cluster: ControlPlane, value: JSONObject, expected: Any) -> bool:
    """Whether the server stores an object as expected; None: whether it refuses it."""
    return bool(stored(cluster, value) == expected)


def installed(cluster: ControlPlane, corpus: Corpus, tmp_path: Path) -> dict[str, str]:
    """The converted mutators in the server, by name: the policies that they have become."""
    source = tmp_path / "mutators.yaml"
    source.write_text(yaml.safe_dump_all([*corpus.mutators, LAST]))
    found = whole.convert([str(source)], tmp_path / "tree")
    applied: list[JSONObject] = []
    for outcome in found.outcomes:
        applied += [*outcome.policies, *(bound(outcome.folder, each) for each in outcome.bindings)]
    for each in corpus.namespaces:
        space(cluster, each["metadata"]["name"], **each["metadata"].get("labels", {}))
    for level in ("high", "low"):  # of the priority that the server gives a Pod without one, before policies run
        kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
        cluster.apply(kind | {"metadata": {"name": level}, "value": 0})
    cluster.apply(*applied)
    metadata = {"name": "probe", "namespace": "shop", "labels": {UNDER: "zz-last"}}
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    wait_for(lambda: "annotations" in sent(cluster, probe).body["metadata"], 20)
    return {called(each.document.value): each.folder for each in found.outcomes if each.policies}
