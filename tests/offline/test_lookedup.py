"""What policies look up is the policy tree's: no manifest replaces a param or a Namespace that is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import gatewright
from tests.policy.trees import V1
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.lookedup import looked_up

LIMIT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "limit", "namespace": "platform"},
    "data": {"max": "1"},
}
TEAM: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "team", "labels": {"env": "prod"}},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "team"},
    "spec": {"containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]},
}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
POLICY = {
    "apiVersion": V1,
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "few"},
    "spec": {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [PODS]},
        "validations": [{"expression": "size(object.spec.containers) <= int(params.data.max)"}],
    },
}
BINDING = {
    "apiVersion": V1,
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "few"},
    "spec": {
        "policyName": "few",
        "validationActions": ["Deny"],
        "paramRef": {"name": "limit", "namespace": "platform", "parameterNotFoundAction": "Deny"},
        "matchResources": {"namespaceSelector": {"matchLabels": {"env": "prod"}}},
    },
}


def written(file: Path, *objects: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n---\n".join(map(json.dumps, objects)))


def test_the_policy_tree_goes_first() -> None:
    other = {**LIMIT, "data": {"max": "99"}}
    view = ManifestsView(looked_up([LIMIT], [other, {**other, "metadata": {"name": "limit", "namespace": "team"}}]))
    found = [view.get("v1", "ConfigMap", "limit", namespace).value for namespace in ("platform", "team")]
    assert [each["data"]["max"] for each in found if each] == ["1", "99"]


@pytest.mark.parametrize("command", [("check",), ("explain", "few")])
@pytest.mark.parametrize("added", [{**LIMIT, "data": {"max": "99"}}, {**TEAM, "metadata": {"name": "team"}}])
def test_a_manifest_does_not_switch_a_policy_off(
    command: tuple[str, ...], added: dict[str, Any], tmp_path: Path
) -> None:
    written(tmp_path / "policies" / "few.yaml", POLICY, BINDING, LIMIT, TEAM)
    written(tmp_path / "deploy" / "web.yaml", POD, added)
    done = gatewright(*command, "deploy", cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "size(object.spec.containers) <= int(params.data.max)" in done.stdout
    name = "ConfigMap platform/limit" if added["kind"] == "ConfigMap" else "Namespace team"
    assert (
        f"note: deploy/web.yaml:3: {name} is in the policy tree, too, with other content: what policies look up is that"
        " of the policy tree\n"
    ) in done.stderr


def test_what_is_the_same_in_both_is_not_noted(tmp_path: Path) -> None:
    written(tmp_path / "policies" / "few.yaml", POLICY, BINDING, LIMIT, TEAM)
    written(tmp_path / "deploy" / "web.yaml", POD, LIMIT, TEAM)
    done = gatewright("check", "deploy", "policies", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")


def test_impact_tells_of_changed_params_that_are_among_the_manifests_too(tmp_path: Path) -> None:
    for tree, most in (("old", "1"), ("new", "5")):
        written(tmp_path / tree / "few.yaml", POLICY, BINDING, {**LIMIT, "data": {"max": most}}, TEAM)
    written(tmp_path / "deploy" / "web.yaml", POD)
    done = gatewright("impact", "--old", "old", "--new", "new", "deploy", "new", cwd=tmp_path)
    assert "1 object newly allowed" in done.stdout, done.stderr
