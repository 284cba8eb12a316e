"""The component that audits in the cluster: its command, its rights, and what selects its Pods."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import gatewright
from tests.manifests import kustomize
from tests.manifests.kustomize import MANIFESTS, OVERLAYS, ROOT
from webhook.audit.roles import ACCOUNT

ENFORCING, WARN_ONLY, _ = OVERLAYS
COMPONENT = MANIFESTS / "components" / "audit"
everywhere = pytest.mark.parametrize("folder", [ENFORCING, WARN_ONLY])


def rendered(folder: str, tmp_path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kustomize.text_with(folder, "components/audit", tmp_path)))


def cronjob() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((COMPONENT / "cronjob.yaml").read_text())
    return found


def test_its_rights_are_those_that_the_command_prints() -> None:
    done = gatewright("audit", "--policies", "policies", "--rbac", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (COMPONENT / "rbac.yaml").read_text() == done.stdout, "run `make manifests`"


def test_nothing_else_gives_it_rights() -> None:
    files = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())["resources"]
    kinds = {
        file: {each["kind"] for each in yaml.safe_load_all((COMPONENT / file).read_text())} for file in sorted(files)
    }
    roles = {file for file, found in kinds.items() if any("Role" in each for each in found)}
    assert roles == {"rbac.yaml", "reports.yaml"}
    account = yaml.safe_load((COMPONENT / "serviceaccount.yaml").read_text())
    assert (account["metadata"]["namespace"], account["metadata"]["name"]) == ACCOUNT
    pod = cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (ACCOUNT[1], True)


@everywhere
def test_it_audits_by_the_policies_in_force(folder: str, tmp_path: Path) -> None:
    found = rendered(folder, tmp_path)
    (server,) = (each for each in found if each["kind"] == "Deployment")
    (job,) = (each for each in found if each["kind"] == "CronJob")
    pods = [server["spec"]["template"]["spec"], job["spec"]["jobTemplate"]["spec"]["template"]["spec"]]
    mounted, audited = (
        next(volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "policies") for pod in pods
    )
    assert mounted == audited
    assert re.fullmatch(r"gatewright-policies-[a-z0-9]{10}", audited)


@everywhere
def test_the_service_and_policies_of_the_server_do_not_select_it(folder: str, tmp_path: Path) -> None:
    found = rendered(folder, tmp_path)
    (job,) = (each for each in found if each["kind"] == "CronJob")
    labels = job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items()
    selecting = {
        (each["kind"], each["metadata"]["name"])
        for each in found
        for spec in [each.get("spec", {})]
        for selector in [spec.get("podSelector", spec.get("selector", {}))]
        if each["kind"] in ("Service", "NetworkPolicy", "PodDisruptionBudget", "Deployment")
        and (selector.get("matchLabels") or selector).items() <= labels
    }
    assert selecting == {("NetworkPolicy", "gatewright-audit")}


@everywhere
def test_our_own_policies_pass_it(folder: str, tmp_path: Path) -> None:
    text = kustomize.text_with(folder, "components/audit", tmp_path)
    checked = gatewright("check", "--policies", ROOT / "policies", "-", cwd=ROOT, stdin=text)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "denied" in checked.stdout


def test_its_command_is_one_that_the_audit_takes(tmp_path: Path) -> None:
    """It gets as far as the cluster, which is not there."""
    job = cronjob()["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    env = {"HOME": str(tmp_path), "JOB_COMPLETION_INDEX": "0", "GATEWRIGHT_POLICIES": str(ROOT / "policies")}
    done = gatewright(*container["args"], cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "no cluster to audit" in done.stderr
    assert f"--shards={job['completions']}" in container["args"]
    assert job["completions"] == job["parallelism"]


def test_the_alert_and_the_dashboard_ask_for_it() -> None:
    name = cronjob()["metadata"]["name"]
    rules, dashboard = (
        (MANIFESTS / "monitoring" / file).read_text() for file in ("prometheusrule.yaml", "dashboard.json")
    )
    patterns = re.findall(r'kube_cronjob_status_last_successful_time\{cronjob=~\\?"([^"\\]+)', rules)
    assert patterns and all(re.fullmatch(pattern, name) for pattern in patterns)
    assert all("gatewright_audit_timestamp_seconds" in text for text in (rules, dashboard))
