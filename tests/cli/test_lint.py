"""`gatewright lint`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import gatewright

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: names, annotations: {kubernetes.io/description: for tests}}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [Pod]}
  validations:
  - expression: object.metadata.name != 'a' || object.metadata.name != 'b'
    message: neither a nor b
"""
SOUND = POLICY.replace("[Pod]", "[pods]").replace("||", "&&")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "names.yaml").write_text(POLICY)
    return tmp_path


def test_each_alarm_shows_its_line_with_a_caret(tree: Path) -> None:
    run = gatewright("lint", cwd=tree)
    assert run.returncode == 1
    assert run.stderr == ""
    assert (
        run.stdout
        == """\
note[GW304]: policies/names.yaml:3:12: ValidatingAdmissionPolicy 'names': metadata.name: \
ValidatingAdmissionPolicy 'names' has no binding, so it never runs
   3 | metadata: {name: names, annotations: {kubernetes.io/description: for tests}}
     |            ^
note[GW401]: policies/names.yaml:3:12: ValidatingAdmissionPolicy 'names': metadata.name: 'names' has no tests: no \
PolicyTest in the tree names it
   3 | metadata: {name: names, annotations: {kubernetes.io/description: for tests}}
     |            ^
error[GW101]: policies/names.yaml:7:78: ValidatingAdmissionPolicy 'names': \
spec.matchConstraints.resourceRules[0].resources[0]: there is no resource 'Pod' in v1; did you mean v1/pods?
   7 |     - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [Pod]}
     |                                                                              ^
     = --fix can mend this: write pods
warning[GW204]: policies/names.yaml:9:17: ValidatingAdmissionPolicy 'names': spec.validations[0].expression: this \
validation is true for every request that it can be evaluated for: it denies nothing
   9 |   - expression: object.metadata.name != 'a' || object.metadata.name != 'b'
     |                 ^
1 error, 1 warning, 2 notes (1 policy in 1 file)
"""
    )


def test_fix_mends_the_file_and_reports_the_rest(tree: Path) -> None:
    run = gatewright("lint", "--fix", cwd=tree)
    assert run.returncode == 1
    assert "1 alarm mended in policies/names.yaml\n" in run.stdout
    assert "GW101" not in run.stdout
    assert (tree / "policies" / "names.yaml").read_text() == POLICY.replace("[Pod]", "[pods]")
    again = gatewright("lint", "--fix", "--fail-on", "error", cwd=tree)
    assert again.returncode == 0
    assert "mended" not in again.stdout


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        (POLICY, "never", 0),
        (POLICY, "error", 1),
        (POLICY.replace("[Pod]", "[pods]"), "error", 0),
        (POLICY.replace("[Pod]", "[pods]"), "warning", 1),
        (SOUND, "warning", 0),
        (f"{SOUND}x: 1\n", "never", 2),
    ],
)
def test_exit_codes(tree: Path, text: str, fail_on: str, code: int) -> None:
    (tree / "policies" / "names.yaml").write_text(text)
    assert gatewright("lint", "--fail-on", fail_on, cwd=tree).returncode == code


def test_json(tree: Path) -> None:
    silence = "# gatewright: ignore GW204 it is a placeholder"
    (tree / "policies" / "names.yaml").write_text(POLICY.replace("  - expr", f"  {silence}\n  - expr"))
    run = gatewright("lint", "policies", "-o", "json", cwd=tree)
    found: dict[str, Any] = json.loads(run.stdout)
    alarm = next(each for each in found["alarms"] if each["rule"] == "GW101")
    assert alarm == {
        "rule": "GW101",
        "name": "unknown-resource",
        "severity": "error",
        "message": "spec.matchConstraints.resourceRules[0].resources[0]: there is no resource 'Pod' in v1; "
        "did you mean v1/pods?",
        "file": "policies/names.yaml",
        "line": 7,
        "column": 78,
        "endColumn": 81,
        "path": "spec.matchConstraints.resourceRules[0].resources[0]",
        "kind": "ValidatingAdmissionPolicy",
        "object": "names",
        "fix": "write pods",
        "page": "docs/lint/GW101.md",
    }
    (silenced,) = found["silenced"]
    assert (silenced["rule"], silenced["reason"]) == ("GW204", "it is a placeholder")
    assert found["summary"] == {
        "errors": 1,
        "warnings": 0,
        "notes": 2,
        "silenced": 1,
        "policies": 1,
        "files": 1,
        "loads": True,
    }
    assert found["fixed"] == {"alarms": 0, "files": []}


def test_a_tree_that_does_not_load(tree: Path) -> None:
    (tree / "policies" / "names.yaml").write_text(POLICY.replace("message: neither", "message: neither: "))
    run = gatewright("lint", cwd=tree)
    assert run.returncode == 2
    assert "error[GW209]: policies/names.yaml:10:" in run.stdout
    assert "the tree does not load: most rules have not been asked\n" in run.stdout
    assert gatewright("lint", "--fix", cwd=tree).returncode == 1
    assert "message: 'neither:  a nor b'\n" in (tree / "policies" / "names.yaml").read_text()


def test_a_registration_elsewhere(tree: Path) -> None:
    binding = """---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: names}
spec: {policyName: names, validationActions: [Deny]}
"""
    (tree / "policies" / "names.yaml").write_text(SOUND + binding)
    hooks = gatewright("manifests", "policies", "--exempt-namespace", "a", cwd=tree).stdout
    (tree / "hooks.yaml").write_text(hooks)
    assert gatewright("lint", "--registration", "hooks.yaml", cwd=tree).returncode == 0
    (tree / "hooks.yaml").write_text(hooks.replace("[pods]", "[services]").replace("- pods", "- services"))
    run = gatewright("lint", "--registration", "hooks.yaml", cwd=tree)
    assert run.returncode == 1
    assert "error[GW404]: hooks.yaml:" in run.stdout
    assert "CREATE of v1/pods" in run.stdout
    run = gatewright("lint", "--registration", "nowhere.yaml", cwd=tree)
    assert run.returncode == 2
    assert "nowhere.yaml" in run.stderr


def test_options_that_cannot_be_used(tree: Path) -> None:
    run = gatewright("lint", "--kubernetes-version", "2.0", cwd=tree)
    assert (run.returncode, "--kubernetes-version" in run.stderr) == (2, True)
    run = gatewright("lint", "nowhere", cwd=tree)
    assert (run.returncode, "nowhere: no such file or folder" in run.stdout) == (2, True)


def test_texts_of_policies_do_not_reach_the_terminal_as_they_are(tree: Path) -> None:
    text = POLICY.replace("[Pod]", '["Po\\ed\\e[31m"]')
    (tree / "policies" / "names.yaml").write_text(text)
    run = gatewright("lint", "--color", "never", cwd=tree)
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize("command", [["check", "pod.yaml"], ["test"], ["manifests"]])
def test_other_commands_warn_of_rules_that_match_nothing(tree: Path, command: list[str]) -> None:
    (tree / "pod.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    bound = """---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: names}
spec:
  policyName: names
  validationActions: [Deny]
  matchResources:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [Service]}
    excludeResourceRules:
    - {apiGroups: [core], apiVersions: [v1], operations: [CREATE], resources: [pods]}
"""
    (tree / "policies" / "names.yaml").write_text(POLICY + bound)
    run = gatewright(*command, cwd=tree)
    for message in ("no resource 'Pod' in v1", "no resource 'Service' in v1", "no resource 'pods' in core"):
        assert f"there is {message}" in run.stderr
