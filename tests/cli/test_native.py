"""`gatewright manifests --native` and `--static`, as an operator runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli import running

ROOT = Path(__file__).parent.parent.parent


def manifests(*arguments: str) -> subprocess.CompletedProcess[str]:
    return running.gatewright("manifests", *arguments, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"})


def test_the_policies_named_are_written_with_their_bindings_and_params() -> None:
    run = manifests("policies", "--native", "no-host-path", "--native", "replica-bounds", "--exempt-namespace", "cni")
    assert run.returncode == 0, run.stderr
    found = list(yaml.safe_load_all(run.stdout))
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [
        ("ConfigMap", "replica-bounds"),
        ("ValidatingAdmissionPolicy", "no-host-path"),
        ("ValidatingAdmissionPolicyBinding", "no-host-path"),
        ("ValidatingAdmissionPolicy", "replica-bounds"),
        ("ValidatingAdmissionPolicyBinding", "replica-bounds"),
    ]
    (expression,) = found[2]["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert expression["values"] == ["cni", "gatewright-system", "kube-node-lease", "kube-public", "kube-system"]
    words = " ".join(line.removeprefix("# ") for line in run.stdout.splitlines() if line.startswith("# "))
    assert "gatewright manifests --without no-host-path --without replica-bounds" in words


def test_files_are_written_and_compared(tmp_path: Path) -> None:
    handed = ("policies", "--native", "*", "--static", "--url", "https://10.0.0.1:8443", "--no-ca")
    first = manifests(*handed, "--check", str(tmp_path / "etc"))
    assert first.returncode == 1
    assert "+kind: AdmissionConfiguration" in first.stdout
    run = manifests(*handed, "--write", str(tmp_path / "etc"))
    assert run.returncode == 0, run.stderr
    assert "replica-bounds' has params (spec.paramKind)" in run.stderr
    files = sorted(path.relative_to(tmp_path / "etc").as_posix() for path in (tmp_path / "etc").rglob("*.yaml"))
    assert files == [
        "admission-configuration.yaml",
        "mutating-webhooks/gatewright.yaml",
        "validating-policies/gatewright.yaml",
        "validating-webhooks/gatewright.yaml",
    ]
    assert manifests(*handed, "--check", str(tmp_path / "etc")).returncode == 0
    webhooks = yaml.safe_load((tmp_path / "etc" / "validating-webhooks" / "gatewright.yaml").read_text())
    assert webhooks["metadata"]["name"] == "gatewright.static.k8s.io"
    text = (tmp_path / "etc" / "validating-webhooks" / "gatewright.yaml").read_text()
    assert "# no-host-path" not in text  # the API server runs it
    assert "replica-bounds" in text
    (tmp_path / "etc" / "validating-policies" / "gatewright.yaml").write_text("")
    assert manifests(*handed, "--check", str(tmp_path / "etc")).returncode == 1


def test_files_of_one_plugin_go_to_stdout() -> None:
    run = manifests("policies", "--native", "no-host-path", "--static")
    assert run.returncode == 0, run.stderr
    assert {each["metadata"]["name"] for each in yaml.safe_load_all(run.stdout)} == {"no-host-path.static.k8s.io"}


@pytest.mark.parametrize(("arguments", "message"), [
    (("--static",), "expected policies, with --native, or the webhook, with --url"),
    (("--native", "no-host-path", "--static", "--static-directory", "etc"), "expected an absolute path, got 'etc'"),
    (("--native", "no-host-path", "--without", "replica-bounds"), "leave out --all, --rbac"),
    (("--static", "--url", "https://10.0.0.1", "--inject-ca-from", "a/b"), "nothing injects certificates into files"),
    (("--native", "no-host-path", "--static", "--url", "https://10.0.0.1", "--no-ca"), "expected a folder"),
    (("--native", "finalizer-enforcement"), "is written in Python"),
    (("--native", "nothing"), "there is no such policy; expected one of"),
])  # fmt: skip
def test_wrong_options(arguments: tuple[str, ...], message: str) -> None:
    run = manifests("policies", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr


def test_a_tree_of_which_the_api_server_can_run_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(
        'from gatewright import validate\n\n\n@validate(resources=["v1/pods"])\ndef p(request):\n    return []\n'
    )
    run = manifests(str(tmp_path), "--native", "*")
    assert (run.returncode, run.stdout) == (2, "")
    assert "the API server can run none of the policies" in run.stderr


def test_a_tree_that_does_not_load_is_reported(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("kind: ValidatingAdmissionPolicy\n")
    run = manifests(str(tmp_path), "--native", "*")
    assert (run.returncode, run.stdout) == (2, "")
    assert "apiVersion" in run.stderr
