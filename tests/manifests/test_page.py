"""The component that shows the page with the audit of the CronJob: what it mounts, and its rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import gatewright
from tests.manifests import kustomize
from tests.manifests.kustomize import OVERLAYS, ROOT
from webhook.server.settings import resolve

ENFORCING, WARN_ONLY, _ = OVERLAYS
BOTH = ["components/audit", "components/page"]
NAME = "gatewright-audit"


def rendered(components: list[str], tmp_path: Path, folder: str = ENFORCING) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kustomize.text_with(folder, components, tmp_path)))


def of_kind(found: list[dict[str, Any]], kind: str, name: str = "") -> list[dict[str, Any]]:
    return [each for each in found if each["kind"] == kind and (not name or each["metadata"]["name"] == name)]


@pytest.mark.parametrize("folder", [ENFORCING, WARN_ONLY])
def test_the_server_shows_what_the_cronjob_writes(folder: str, tmp_path: Path) -> None:
    found = rendered(BOTH, tmp_path, folder)
    (job,) = of_kind(found, "CronJob")
    (audit,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert audit["args"][-1] == f"--configmap={job['metadata']['namespace']}/{NAME}"
    (deployment,) = of_kind(found, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    settings = resolve({}, {each["name"]: each["value"] for each in server["env"]})
    assert settings.page and settings.page_audit is not None
    mounts = {each["name"]: each for each in server["volumeMounts"]}
    (volume,) = (each for each in pod["volumes"] if each.get("configMap", {}).get("name") == NAME)
    assert volume["configMap"]["optional"] is True
    assert "items" not in volume["configMap"]  # the parts of shards are keys, too
    assert Path(mounts[volume["name"]]["mountPath"]) == settings.page_audit
    assert "subPath" not in mounts[volume["name"]]
    (role,) = of_kind(found, "Role", "gatewright-audit-page")
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [NAME], "verbs": ["get", "create", "patch"]}
    ]
    (binding,) = of_kind(found, "RoleBinding", "gatewright-audit-page")
    assert [each["name"] for each in binding["subjects"]] == [NAME]


def test_without_an_audit_it_is_the_page_alone(tmp_path: Path) -> None:
    found = rendered(BOTH[1:], tmp_path)
    assert not of_kind(found, "CronJob")
    (deployment,) = of_kind(found, "Deployment")
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    assert resolve({}, {each["name"]: each["value"] for each in server["env"]}).page


def test_our_own_policies_pass_it(tmp_path: Path) -> None:
    text = kustomize.text_with(ENFORCING, BOTH, tmp_path)
    checked = gatewright("check", "--policies", ROOT / "policies", "-", cwd=ROOT, stdin=text)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "nothing denied" in checked.stdout
