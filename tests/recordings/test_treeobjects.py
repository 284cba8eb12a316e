"""Objects of the policy tree that are not the recorded ones: what the API server adds is no difference."""

from __future__ import annotations

from typing import Any

import pytest

from tests.recordings.making import record, review, tree, validating
from webhook.cluster.manifestsview import ManifestsView
from webhook.recordings.reading import Recorded, recorded
from webhook.recordings.treeobjects import TreeObjects
from webhook.schema import Kinds

POLICY = validating(
    "limits",
    "object.metadata.name != params.data.forbidden",
    more="paramKind: {apiVersion: v1, kind: ConfigMap}",
    bound=", paramRef: {selector: {matchLabels: {a: b}}, namespace: conf, parameterNotFoundAction: Deny}",
)
PARAMS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: one, namespace: conf, labels: {a: b, more: c}, uid: u, annotations: {x: z}}
data: {forbidden: web, password: hunter2-of-the-shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, namespace: conf, labels: {a: b}}
data: {forbidden: web}
"""


@pytest.fixture
def of_review(tmp_path: Any) -> Recorded:
    policies = tree(tmp_path / "policies", limits=POLICY, params=PARAMS)
    record(
        tmp_path / "rec",
        policies,
        [("/validate", review({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}))],
    )
    (found,) = recorded(tmp_path / "rec")
    assert isinstance(found, Recorded)
    return found


def config_map(name: str, labels: dict[str, str], data: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "conf", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def differing(of_review: Recorded, *objects: dict[str, Any]) -> list[str]:
    def redacted(value: dict[str, Any]) -> Any:
        data = {key: "REDACTEDREDACTEDRED" if key == "password" else text for key, text in value["data"].items()}
        return {**value, "data": data}

    found = TreeObjects(ManifestsView(objects, Kinds.builtin()))
    assert list(found.differing(of_review, redacted)) == list(found.differing(of_review, redacted))
    return list(found.differing(of_review, redacted))


DATA = {"forbidden": "web", "password": "hunter2-of-the-shop"}


@pytest.mark.parametrize(
    ("objects", "names"),
    [
        ([], []),
        ([config_map("one", {"a": "b"}, DATA)], []),  # the cluster's has more labels
        ([config_map("one", {"a": "b"}, {**DATA, "password": "another-one-of-the-s"[:19]})], []),  # both are redacted
        ([config_map("one", {"a": "b"}, {**DATA, "forbidden": "api"})], ["ConfigMap conf/one"]),
        ([config_map("one", {"a": "b"}, {"password": "x"})], ["ConfigMap conf/one"]),  # a key is gone
        ([config_map("one", {"a": "c"}, DATA)], ["ConfigMap conf/one"]),
        ([config_map("three", {"a": "b"}, {})], ["ConfigMap conf/three"]),  # it was not there
        ([config_map("two", {"a": "b"}, {}), config_map("one", {"a": "b"}, DATA)], ["ConfigMap conf/two"]),
        ([{**config_map("other", {}, {}), "kind": "Service"}], []),  # nobody looked it up
    ],
)
def test_what_the_tree_has_otherwise(of_review: Recorded, objects: list[dict[str, Any]], names: list[str]) -> None:
    assert differing(of_review, *objects) == names
