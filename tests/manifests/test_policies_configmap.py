"""The policies as the webhook finds them: a ConfigMap, mounted as the kubelet does it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.running import gatewright
from tests.manifests import kustomize
from tests.manifests.kustomize import OVERLAYS, ROOT, mounted
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet

ENFORCING, WARN_ONLY, DEVELOPMENT = OVERLAYS
POLICIES = ROOT / "policies"
SHIPPED = (
    "finalizer-enforcement",
    "no-host-path",
    "pod-security-baseline",
    "pod-security-labels",
    "pod-security-restricted",
    "protocol-whitelist",
    "replica-bounds",
)


def described(policies: PolicySet) -> list[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]]]:
    return [
        (policy.kind, policy.name, tuple((binding.name, binding.actions) for binding in policy.bindings))
        for policy in policies.policies
    ]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_params_are_objects_of_the_cluster(folder: str) -> None:
    """Where the webhook looks for them, and where a change is in force without a rollout."""
    tree = load(POLICIES)
    referred = {
        (binding.param_ref.namespace, binding.param_ref.name)
        for binding in tree.bindings
        if binding.param_ref is not None
    }
    params = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in tree.objects}
    for each in (params[named] for named in referred):  # those of policies that wait stay where they are
        applied = kustomize.one(folder, each["kind"], each["metadata"]["name"])
        assert applied["metadata"]["name"] == each["metadata"]["name"]  # and no hash
        assert applied["metadata"]["namespace"] == each["metadata"]["namespace"]
        assert applied["data"] == each["data"]


@pytest.mark.parametrize("folder", [ENFORCING, DEVELOPMENT])
def test_the_mounted_configmap_is_the_policy_tree(folder: str, tmp_path: Path) -> None:
    seen = load(mounted(kustomize.policies(folder), tmp_path / "policies"))
    tree = load(POLICIES).where(lambda policy: bool(policy.bindings))
    assert described(seen) == described(tree)
    assert seen.objects == ()
    assert {name for _, name, _ in described(seen)} == set(SHIPPED)


def test_each_policy_is_read_once_and_from_its_own_file(tmp_path: Path) -> None:
    root = mounted(kustomize.policies(ENFORCING), tmp_path / "policies")
    files = {Path(policy.file).relative_to(root) for policy in load(root).policies}
    assert files == {
        Path("finalizer-enforcement.policy.py"),
        Path("no-host-path.policy.yaml"),
        Path("pod-security-baseline.policy.yaml"),
        Path("pod-security-labels.policy.yaml"),
        Path("pod-security-restricted.policy.yaml"),
        Path("protocol-whitelist.policy.py"),
        Path("replica-bounds.policy.yaml"),
    }


def test_an_update_by_the_kubelet_is_another_revision(tmp_path: Path) -> None:
    files = kustomize.policies(ENFORCING)
    root = mounted(files, tmp_path / "policies")
    before = load(root)
    newer = root / "..2026_11_21_09_00_00.5647382910"
    newer.mkdir()
    for name, text in files.items():
        (newer / name).write_text(text.replace("validationActions: [Deny]", "validationActions: [Warn]"))
    (root / "..new").symlink_to(newer.name)
    (root / "..new").replace(root / "..data")
    after = load(root)
    assert before.revision != after.revision
    assert {binding.actions for binding in after.bindings if binding.policy == "replica-bounds"} == {("Warn",)}


def test_nothing_denies_in_warn_only(tmp_path: Path) -> None:
    policies = load(mounted(kustomize.policies(WARN_ONLY), tmp_path / "policies"))
    by_mode = {
        binding.actions for binding in policies.bindings if binding.name.endswith(("-audit", "-warn", "-enforced"))
    }
    assert by_mode == {("Audit",), ("Warn",)}
    assert {binding.actions for binding in policies.bindings} - by_mode == {("Warn", "Audit")}
    assert {binding.policy for binding in policies.bindings} == set(SHIPPED)  # all are bound
    assert [policy.name for policy in policies.mutating if policy.bindings] == []  # and nothing changes


def test_warn_only_differs_in_the_bindings_alone() -> None:
    enforcing, warning = kustomize.policies(ENFORCING), kustomize.policies(WARN_ONLY)
    assert enforcing.keys() == warning.keys()
    differing = {key for key in enforcing if enforcing[key] != warning[key]}
    assert differing == {f"{name}.binding.yaml" for name in SHIPPED}
    for name in SHIPPED:
        assert warning[f"{name}.binding.yaml"] == (POLICIES / name / "_binding.warn.yaml").read_text()


def test_every_file_of_the_tree_is_shipped_and_no_tests() -> None:
    kustomization = yaml.safe_load((POLICIES / "kustomization.yaml").read_text())
    listed = kustomization["configMapGenerator"][0]["files"]
    shipped = {line.partition("=")[2]: line.partition("=")[0] for line in listed}
    tree = {
        str(file.relative_to(POLICIES))
        for bound in POLICIES.glob("*/binding.yaml")
        for file in bound.parent.iterdir()
        if file.suffix in (".yaml", ".py")
        and not file.name.startswith("_")
        and file.name not in ("tests.yaml", "params.yaml", "kustomization.yaml")
    }
    assert shipped.keys() == tree  # the other way round than the command has it
    assert shipped == {file: file.replace("/", ".") for file in tree}
    assert set(kustomization["resources"]) == {
        str(each.relative_to(POLICIES))
        for each in POLICIES.glob("*/params.yaml")
        if (each.parent / "binding.yaml").exists()
    }


def test_the_configmap_is_within_the_limit_of_kubectl_apply() -> None:
    """Its content is stored twice: as data, and in the annotation last-applied-configuration, of at most 256 KiB."""
    assert sum(map(len, kustomize.policies(ENFORCING).values())) < 200 << 10


def test_the_policies_are_tested_where_they_lie(tmp_path: Path) -> None:
    """kustomization.yaml in the tree is in nobody's way."""
    for command in ("test", "check"):
        arguments = [str(ROOT / "docs/examples/web.yaml")] if command == "check" else []
        done = gatewright(command, "--policies", POLICIES, *arguments, cwd=ROOT)
        assert done.returncode == (0 if command == "test" else 1), done.stdout + done.stderr
