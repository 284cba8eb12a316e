"""The roles of an audit. tests/e2e/test_audit.py shows that they are enough, and not more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.audit.clusters import loaded, policy
from webhook.audit import roles

NAMESPACES = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}


def written(folder: Path, *policies: str) -> list[Any]:
    """The roles without their bindings: kind, namespace and rules of each."""
    found = list(yaml.safe_load_all(roles.text(loaded(folder, *policies))))
    for role, binding in zip(found[::2], found[1::2], strict=True):
        assert binding["roleRef"]["name"] == role["metadata"]["name"] == "gatewright-audit"
        assert binding["kind"] == f"{role['kind']}Binding" and binding["roleRef"]["kind"] == role["kind"]
        account = {"kind": "ServiceAccount", "name": "gatewright-audit", "namespace": "gatewright-system"}
        assert binding["subjects"] == [account]
    return [(each["kind"], each["metadata"].get("namespace", ""), each["rules"]) for each in found[::2]]


def on(groups: list[str], resources: list[str], operations: tuple[str, ...] = ("CREATE",), **more: Any) -> str:
    rule = {"apiGroups": groups, "apiVersions": ["*"], "operations": list(operations), "resources": resources}
    return policy(f"p-{len(groups)}-{len(resources)}", "true", matchConstraints={"resourceRules": [rule]}, **more)


@pytest.mark.parametrize(
    ("groups", "resources", "granted"),
    [
        ([""], ["configmaps", "pods/exec"], {"": ["configmaps"]}),
        (["*"], ["widgets"], {"*": ["widgets"]}),
        (["*"], ["*"], {"*": ["*"]}),
        (["apps"], ["*"], {"apps": ["*"]}),
        (["apps"], ["*/scale"], {}),
        ([""], ["pods"], {"": ["pods"], "apps": ["replicasets"], "batch": ["jobs"]}),
        (["", "apps"], ["*"], {"": ["*"], "apps": ["*"], "batch": ["jobs"]}),
        (["authorization.k8s.io"], ["subjectaccessreviews"], {}),
    ],
)
def test_what_rules_name_is_granted(
    tmp_path: Path, groups: list[str], resources: list[str], granted: dict[str, list[str]]
) -> None:
    ((kind, namespace, rules),) = written(tmp_path, on(groups, resources))
    wanted = [{"apiGroups": [group], "resources": names, "verbs": ["list"]} for group, names in granted.items()]
    covered = "*" in granted or granted.get("") == ["*"]
    assert (kind, namespace, rules) == (
        "ClusterRole",
        "",
        wanted if covered and granted != {"*": ["widgets"]} else [*wanted, NAMESPACES],
    )


@pytest.mark.parametrize(
    "more", [{"annotations": {"gatewright.dev/audit": "never"}}, {"operations": ("DELETE", "CONNECT")}]
)
def test_nothing_is_granted_for_policies_that_judge_nothing(tmp_path: Path, more: Any) -> None:
    assert written(tmp_path, on([""], ["secrets"], **more)) == [("ClusterRole", "", [NAMESPACES])]


def test_what_is_looked_up_is_granted_by_name_and_namespace(tmp_path: Path) -> None:
    kind = {"apiVersion": "v1", "kind": "Secret"}
    bound = {"paramRef": {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}}
    limited = on([""], ["configmaps"], paramKind=kind, binding=bound)
    maps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    named = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"], "resourceNames": ["limits"]}
    assert written(tmp_path, limited) == [("ClusterRole", "", [maps, NAMESPACES]), ("Role", "rules", [named])]


def test_what_is_listed_anyway_is_not_granted_twice(tmp_path: Path) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    bound = {"paramRef": {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}}
    limited = on([""], ["configmaps"], paramKind=kind, binding=bound)
    maps = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    assert written(tmp_path, limited) == [("ClusterRole", "", [maps, NAMESPACES])]
