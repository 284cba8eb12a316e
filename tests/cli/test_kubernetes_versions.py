"""`check` judges as the API server of the version that --kubernetes-version names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.definitions import definition
from webhook.cli.commands import app

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}
  validations:
  - expression: "object.kind == 'Pod' && has(object.metadata.ownerReferences)"
    messageExpression: "string(EXPRESSION)"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: p}
spec: {policyName: p, validationActions: [Deny]}
"""


class Cluster:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        self.root = root
        (root / "policies").mkdir()

    def check(self, version: str, manifest: str, shown: str = "'nothing'") -> list[tuple[str, str, int]]:
        """The findings: policy or `schema`, message, line. shown: an expression, whose value the policy tells."""
        (self.root / "policies" / "p.yaml").write_text(POLICY.replace("EXPRESSION", shown))
        (self.root / "in.yaml").write_text(manifest)
        result = CliRunner().invoke(app, ["check", "in.yaml", "-o", "json", "--kubernetes-version", version])
        report: dict[str, Any] = json.loads(result.output)
        assert report["errors"] == []
        assert result.exit_code == 1
        return [(each["policy"] or each["kind"], each["message"], each["line"]) for each in report["findings"]]

    def told(self, version: str, manifest: str, shown: str) -> str:
        """The value of an expression about the object that policies see."""
        (found,) = self.check(version, manifest, shown)
        assert found[0] == "p"
        return found[1]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path, monkeypatch)


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostnameOverride: web
  containers:
  - {name: a, image: nginx}
"""


def test_a_field_that_is_newer_than_the_cluster_is_unknown_and_dropped(cluster: Cluster) -> None:
    schema, policy = sorted(cluster.check("1.30", POD, "has(object.spec.hostnameOverride)"), reverse=True)
    assert schema == (
        "schema",
        'unknown field "spec.hostnameOverride"; known since 1.34, and the target is Kubernetes 1.30 '
        "(--kubernetes-version)",
        5,
    )
    assert policy[:2] == ("p", "false")


def test_it_is_known_from_its_version_on(cluster: Cluster) -> None:
    assert cluster.told("1.35", POD, "has(object.spec.hostnameOverride)") == "true"


def test_a_field_whose_feature_is_off_is_known_and_dropped_when_the_object_is_created(cluster: Cluster) -> None:
    assert cluster.told("1.34", POD, "has(object.spec.hostnameOverride)") == "false"


def test_a_field_that_no_version_knows_has_the_nearest_name(cluster: Cluster) -> None:
    found = cluster.check("1.30", POD.replace("hostnameOverride", "hostnam"))
    assert 'unknown field "spec.hostnam"; did you mean hostname?' in [message for _, message, _ in found]


@pytest.mark.parametrize(
    ("version", "api_version", "kind", "message"),
    [
        (
            "1.30",
            "resource.k8s.io/v1",
            "DeviceClass",
            "served since 1.34, and the target is Kubernetes 1.30 (--kubernetes-version)",
        ),
        (
            "1.37",
            "flowcontrol.apiserver.k8s.io/v1beta3",
            "FlowSchema",
            "served until 1.31, and the target is Kubernetes 1.37 (--kubernetes-version); "
            "did you mean flowcontrol.apiserver.k8s.io/v1?",
        ),
        (
            "1.28",
            "flowcontrol.apiserver.k8s.io/v1",
            "FlowSchema",
            "served since 1.29, and the target is Kubernetes 1.28 (--kubernetes-version); "
            "did you mean flowcontrol.apiserver.k8s.io/v1beta2 or flowcontrol.apiserver.k8s.io/v1beta3?",
        ),
    ],
)
def test_a_kind_that_the_version_does_not_serve(
    version: str, api_version: str, kind: str, message: str, cluster: Cluster
) -> None:
    manifest = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}\n"
    ((of, found, line),) = cluster.check(version, manifest)
    assert (of, line) == ("schema", 1)
    assert found == f'no matches for kind "{kind}" in version "{api_version}"; {message}'


def test_a_kind_of_an_earlier_version_is_decoded_and_defaulted(cluster: Cluster) -> None:
    manifest = """\
apiVersion: flowcontrol.apiserver.k8s.io/v1beta3
kind: PriorityLevelConfiguration
metadata: {name: a}
spec: {type: Limited, limited: {limitResponse: {type: Reject}}}
"""
    assert cluster.told("1.30", manifest, "object.spec.limited.nominalConcurrencyShares") == "30"


STATEFUL_SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, image: nginx}]}
"""


@pytest.mark.parametrize(
    ("version", "kept", "unavailable"),
    [("1.26", "false", "false"), ("1.27", "true", "false"), ("1.36", "true", "false"), ("1.37", "true", "true")],
)
def test_defaults_are_those_of_the_version(version: str, kept: str, unavailable: str, cluster: Cluster) -> None:
    retention = "string(has(object.spec.persistentVolumeClaimRetentionPolicy))"
    rolling = "string(has(object.spec.updateStrategy.rollingUpdate.maxUnavailable))"
    found = cluster.check(version, STATEFUL_SET, f"{retention} + ' ' + {rolling}")
    assert f"{kept} {unavailable}" in [message for _, message, _ in found]


DEFINITION = definition(
    "Widget",
    "widgets",
    """\
        type: object
        properties:
          spec: {type: object, properties: {at: {type: string, maxLength: 9}}}
        x-kubernetes-validations:
        - {rule: "!has(self.spec.at) || isIP(self.spec.at)"}
    """,
    group="shop.example",
)


def test_rules_of_definitions_have_the_functions_of_the_version(cluster: Cluster) -> None:
    refused = [message for of, message, _ in cluster.check("1.29", DEFINITION) if of == "schema"]
    assert any("isIP" in message for message in refused)
    assert [of for of, _, _ in cluster.check("1.31", DEFINITION)] == ["p"]
