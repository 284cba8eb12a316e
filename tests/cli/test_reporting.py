"""`-o` of the commands that report findings."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.running import gatewright

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small, annotations: {kubernetes.io/description: ConfigMaps are small.}}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}]
  validations: [{expression: "size(object.data) < 2", message: too many entries}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small}
spec: {policyName: small, validationActions: [Deny]}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\ndata:\n  a: '1'\n  b: '2'\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "small.yaml").write_text(POLICY)
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path


def test_several_formats_at_once(root: Path) -> None:
    done = gatewright("check", "map.yaml", "-o", "json=out.json", "-o", "text", "-o", "yaml=out.yaml", cwd=root)
    assert done.returncode == 1
    assert "map.yaml:4:1: deny small" in done.stdout
    as_json = json.loads((root / "out.json").read_text())
    assert as_json == yaml.safe_load((root / "out.yaml").read_text())
    assert as_json["findings"][0]["line"] == 4
    assert as_json["rules"] == [
        {"id": "schema", "kind": "schema", "title": "What the API server refuses before any policy is asked",
         "url": None, "file": None, "line": None},
        {"id": "small", "kind": "ValidatingAdmissionPolicy", "title": "ConfigMaps are small.", "url": None,
         "file": "policies/small.yaml", "line": 1},
    ]  # fmt: skip


def test_files_alone_leave_stdout_empty(root: Path) -> None:
    done = gatewright("check", "map.yaml", "absent.yaml", "-o", "json=out.json", cwd=root)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: absent.yaml: cannot be read: No such file or directory\n"


def test_concise_has_one_line_for_each_finding(root: Path) -> None:
    done = gatewright("check", "map.yaml", "--concise", cwd=root)
    assert done.stdout == (
        "map.yaml\n  4:1: deny small: ConfigMap shop/m: data: too many entries\n\n"
        "1 denied (1 object in 1 file, 1 policy)\n"
    )


def test_policies_that_do_not_load_are_in_every_report(root: Path) -> None:
    (root / "policies" / "broken.yaml").write_text("a: [\n")
    for command in (["check", "map.yaml"], ["test"]):
        done = gatewright(*command, "-o", "json=out.json", "-o", "text", cwd=root)
        assert (done.returncode, done.stdout) == (2, "")
        assert "error: policies/broken.yaml:2:1: not YAML" in done.stderr
        assert json.loads((root / "out.json").read_text())["errors"][0]["file"] == "policies/broken.yaml"


def test_a_report_that_cannot_be_written_fails_the_run(root: Path) -> None:
    done = gatewright("check", "map.yaml", "-o", "json=absent/out.json", cwd=root)
    assert done.returncode == 2
    assert "absent/out.json: the report cannot be written" in done.stderr
