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


def test_every_rule_leads_to_its_page(tree: Path) -> None:
    gatewright("lint", "-o", "sarif=out.sarif", "-o", "json=out.json", cwd=tree)
    (run,) = json.loads((tree / "out.sarif").read_text())["runs"]
    rules = {each["id"]: each["helpUri"] for each in run["tool"]["driver"]["rules"]}
    pages = (Path(__file__).parents[2] / "docs" / "lint").glob("GW*.md")
    assert rules == {page.stem: f"https://gatewright.dev/docs/lint/{page.stem}" for page in pages}
    report = json.loads((tree / "out.json").read_text())
    assert {each["id"]: each["url"] for each in report["rules"]} == rules


def test_each_alarm_shows_its_line_with_a_caret(tree: Path) -> None:
    run = gatewright("lint", cwd=tree)
    assert run.returncode == 1
    assert run.stderr == ""
    assert (
        run.stdout
        == """\
policies/names.yaml
  policies/names.yaml:3:12: note GW304
      ValidatingAdmissionPolicy names: metadata.name
     3 | metadata: {name: names, annotations: {kubernetes.io/description: for tests}}
       |            ^ ValidatingAdmissionPolicy 'names' has no binding, so it never runs
  policies/names.yaml:3:12: note GW401
      ValidatingAdmissionPolicy names: metadata.name
     3 | metadata: {name: names, annotations: {kubernetes.io/description: for tests}}
       |            ^ 'names' has no tests: no PolicyTest in the tree names it
  policies/names.yaml:7:78: error GW101
      ValidatingAdmissionPolicy names
     7 |     - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [Pod]}
       |                                                                              ^^^
      spec.matchConstraints.resourceRules[0].resources[0]: there is no resource 'Pod' in v1; did you mean v1/pods?
      fix: write pods (--fix does)
  policies/names.yaml:9:17: warning GW204
      ValidatingAdmissionPolicy names: spec.validations[0].expression
     9 |   - expression: object.metadata.name != 'a' || object.metadata.name != 'b'
       |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      this validation is true for every request for which it can be evaluated: it denies nothing

1 error, 1 warning, 2 notes (1 policy in 1 file)
"""
    )


def test_fix_mends_the_file_and_reports_the_rest(tree: Path) -> None:
    run = gatewright("lint", "--fix", cwd=tree)
    assert run.returncode == 1
    assert run.stderr == "note: 1 alarm mended in policies/names.yaml\n"
    assert "GW101" not in run.stdout
    assert (tree / "policies" / "names.yaml").read_text() == POLICY.replace("[Pod]", "[pods]")
    again = gatewright("lint", "--fix", "--fail-on", "error", cwd=tree)
    assert again.returncode == 0
    assert "mended" not in again.stdout + again.stderr


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
    alarm = next(each for each in found["findings"] if each["rule"] == "GW101")
    expected = {
        "rule": "GW101",
        "level": "error",
        "kind": "lint",
        "message": "spec.matchConstraints.resourceRules[0].resources[0]: there is no resource 'Pod' in v1; "
        "did you mean v1/pods?",
        "file": "policies/names.yaml",
        "line": 7,
        "column": 78,
        "endColumn": 81,
        "path": "spec.matchConstraints.resourceRules[0].resources[0]",
        "object": {"apiVersion": "", "kind": "ValidatingAdmissionPolicy", "namespace": "", "name": "names"},
    }
    assert {key: alarm[key] for key in expected} == expected
    (edit,) = alarm["fix"]["edits"]
    assert [edit[key] for key in ("file", "line", "column", "endLine", "endColumn", "text")] == [
        "policies/names.yaml", 7, 78, 7, 81, "pods",
    ]  # fmt: skip
    rules = {each["id"]: each for each in found["rules"]}
    assert (rules["GW101"]["name"], rules["GW101"]["kind"]) == ("unknown-resource", "lint")
    (silenced,) = found["silenced"]
    assert (silenced["rule"], silenced["because"]) == ("GW204", "it is a placeholder")
    summary = {"error": 1, "warning": 0, "note": 2, "silenced": 1, "policies": 1, "files": 1, "errors": 0}
    assert {key: found["summary"][key] for key in summary} == summary


def test_a_baseline_and_several_formats(tree: Path) -> None:
    known = ("--baseline", "known.json")
    assert gatewright("lint", *known, "--write-baseline", cwd=tree).returncode == 0
    assert gatewright("lint", *known, cwd=tree).stdout == "nothing found, 4 known (1 policy in 1 file)\n"
    (tree / "policies" / "names.yaml").write_text(f"# moved\n{POLICY.replace('CREATE', 'Create')}")
    run = gatewright("lint", *known, "--concise", "-o", "text", "-o", "sarif=out.sarif", cwd=tree)
    assert run.returncode == 2  # it does not load
    (tree / "policies" / "names.yaml").write_text(f"# moved\n{POLICY.replace('message: neither a nor b', '')}")
    run = gatewright("lint", *known, "--concise", "-o", "text", "-o", "sarif=out.sarif", cwd=tree)
    assert run.returncode == 0
    assert "  10:5: note GW403: " in run.stdout and "GW101" not in run.stdout
    (found,) = json.loads((tree / "out.sarif").read_text())["runs"]
    assert sum("suppressions" in each for each in found["results"]) == 4
    assert {each["id"]: each.get("name") for each in found["tool"]["driver"]["rules"]}["GW101"] == "unknown-resource"
    run = gatewright("lint", *known, "--only", "error", cwd=tree)
    assert run.stdout == "1 known, 1 not shown (1 policy in 1 file)\n"


def test_a_tree_that_does_not_load(tree: Path) -> None:
    (tree / "policies" / "names.yaml").write_text(POLICY.replace("message: neither", "message: neither: "))
    run = gatewright("lint", cwd=tree)
    assert run.returncode == 2
    assert "  policies/names.yaml:10:" in run.stdout and "error GW209\n" in run.stdout
    assert run.stderr == "error: policies: does not load, so most rules were not run\n"
    assert run.stdout.endswith("1 error, the tree does not load (0 policies in 1 file)\n")
    assert gatewright("lint", "--fix", cwd=tree).returncode == 1
    assert "message: 'neither:  a nor b'\n" in (tree / "policies" / "names.yaml").read_text()


EXCEPTION = """\
---
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: old-tool}
SILENCEspec:
  policies: [{name: names}]
  objects: {resources: [pods], namespaces: [tools]}
  reason: the tool makes these names itself
  approvedBy: platform
"""
PYTHON = """\
from gatewright import validate


@validate(resources=["v1/pods"])
def floor(request):
    open("a"); eval("1")SILENCE
"""


@pytest.mark.parametrize("silence", ["", "# gatewright: ignore GW209, GW211, GW305, GW501 it is known"])
@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("a.yaml", f"{SOUND}{EXCEPTION}", ()),
        ("a.yaml", POLICY.replace("    message: neither", "SILENCE    message: neither: "), ()),
        ("a.yaml", SOUND.replace("  - expression: ", "SILENCE  - expression: isIP(object.metadata.name) && "),
         ("--kubernetes-version", "1.29")),
        ("a.py", PYTHON, ()),
        ("a.yaml", f"SILENCE{SOUND}x: 1\n", ()),
    ],
    ids=["no-expiry", "yaml", "newer", "python", "field"],
)  # fmt: skip
def test_every_error_of_loading_is_reported_as_check_reports_it(
    tree: Path, name: str, text: str, arguments: tuple[str, ...], silence: str
) -> None:
    (tree / "policies" / "names.yaml").unlink()
    (tree / "object.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: c}}")
    (tree / "policies" / name).write_text(text.replace("SILENCE", silence and f"  {silence}\n"))
    checked = gatewright("check", "object.yaml", *arguments, "-o", "json", cwd=tree)
    run = gatewright("lint", *arguments, "-o", "text", "-o", "sarif=out.sarif", "-o", "json=out.json", cwd=tree)
    assert (checked.returncode, run.returncode) == (2, 2)
    refused = {(each["line"], each["message"]) for each in json.loads(checked.stdout)["errors"]}
    assert refused
    found = json.loads((tree / "out.json").read_text())["findings"]
    results = json.loads((tree / "out.sarif").read_text())["runs"][0]["results"]
    for line, message in refused:
        (stated,) = [each for each in found if each["line"] == line and each["message"].startswith(message)]
        assert stated["level"] == "error" and " ".join(message.split()) in " ".join(run.stdout.split())
        counts = [each for each in results if each["level"] == "error" and "suppressions" not in each]
        (result,) = [each for each in counts if message in each["message"]["text"]]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == line


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
    assert "  hooks.yaml:" in run.stdout and "error GW404\n" in run.stdout
    assert "CREATE of v1/pods" in run.stdout
    run = gatewright("lint", "--registration", "nowhere.yaml", cwd=tree)
    assert run.returncode == 2
    assert "nowhere.yaml" in run.stderr


def test_options_that_cannot_be_used(tree: Path) -> None:
    run = gatewright("lint", "--kubernetes-version", "2.0", cwd=tree)
    assert (run.returncode, "--kubernetes-version" in run.stderr) == (2, True)
    run = gatewright("lint", "nowhere", cwd=tree)
    assert (run.returncode, "nowhere: error GW001\n      no such file or folder" in run.stdout) == (2, True)


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
