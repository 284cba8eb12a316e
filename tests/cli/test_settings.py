"""The settings of a repository stand in for options; an option, and its variable, comes first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.timing import HANGING
from webhook.cli import defaults

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validations: [{expression: "false", message: by NAME}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec: {policyName: NAME, validationActions: [Deny]}
"""
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, labels: {team: NAME}}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for tree in ("policies", "rules", "others"):
        (tmp_path / tree).mkdir()
        (tmp_path / tree / "policy.yaml").write_text(POLICY.replace("NAME", f"by-{tree}"))
    for name in ("one", "two"):
        (tmp_path / "deploy" / name).mkdir(parents=True)
        (tmp_path / "deploy" / name / "object.yaml").write_text(OBJECT.replace("NAME", name))
    (tmp_path / ".gatewright.toml").write_text(
        'policies = ["rules"]\npaths = ["deploy"]\nexclude = ["two/"]\nkubernetes-version = "1.30"\n'
        'owner-label = "team"\n'
    )
    return tmp_path


def denied(repository: Path, *arguments: str, **variables: str) -> set[tuple[str, str]]:
    """The policies that deny, each with the file."""
    done = gatewright(*arguments, "-o", "json", cwd=repository, env={**os.environ, **variables})
    assert done.returncode == 1, done.stdout + done.stderr
    return {(each["policy"], each["file"]) for each in json.loads(done.stdout)["findings"]}


ONE, TWO = "deploy/one/object.yaml", "deploy/two/object.yaml"


def test_check_needs_no_arguments(repository: Path) -> None:
    assert denied(repository, "check") == {("by-rules", ONE)}


def test_an_option_comes_first_and_a_variable_too(repository: Path) -> None:
    assert denied(repository, "check", "--policies", "others") == {("by-others", ONE)}
    assert denied(repository, "check", GATEWRIGHT_POLICIES="others") == {("by-others", ONE)}
    assert denied(repository, "check", "--exclude", "one/") == {("by-rules", TWO)}
    assert denied(repository, "check", TWO) == {("by-rules", TWO)}


def test_without_settings(repository: Path) -> None:
    both = {("by-policies", ONE), ("by-policies", TWO)}
    assert denied(repository, "--no-settings", "check", "deploy") == both
    assert denied(repository, "check", "deploy", GATEWRIGHT_NO_SETTINGS="1") == both
    assert gatewright("--no-settings", "check", cwd=repository).returncode == 2


def test_a_note_says_that_the_settings_exclude_and_whether_a_path_is_checked_all_the_same(repository: Path) -> None:
    done = gatewright("check", cwd=repository)
    assert "note: 1 entry excluded by exclude in the settings of the repository: deploy/two/\n" in done.stderr
    done = gatewright("check", "--exclude", "two/", cwd=repository)
    assert "note: 1 entry excluded by --exclude: deploy/two/\n" in done.stderr
    done = gatewright("check", "deploy/two", cwd=repository)
    assert (
        "note: 1 path checked although exclude in the settings of the repository excludes it: deploy/two;"
        in done.stderr
    )
    (repository / ".gatewright.toml").write_text('paths = ["deploy"]\nexclude = ["deploy/"]\n')
    for arguments in (["check"], ["impact", "--old", "rules", "--new", "others"]):
        done = gatewright(*arguments, cwd=repository)
        assert (
            "note: 1 path checked although exclude in the settings of the repository excludes it: deploy;"
            in done.stderr
        )
    (repository / ".gatewright.toml").write_text(f"exclude = ['{'x' * 5000}']\n")
    done = gatewright("check", "deploy", cwd=repository)
    assert (done.returncode, done.stderr.partition(": line")[0]) == (
        2,
        "error: exclude in the settings of the repository",
    )


def test_the_version_is_that_of_the_settings(repository: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
    pod += "spec: {hostnameOverride: a, containers: [{name: c, image: i}]}\n"
    (repository / "pod.yaml").write_text(pod)
    said = "known since 1.34, and the target is Kubernetes 1.30"
    assert said in gatewright("check", "pod.yaml", cwd=repository).stdout
    assert said not in gatewright("check", "--kubernetes-version", "1.35", "pod.yaml", cwd=repository).stdout
    environment = {**os.environ, "GATEWRIGHT_KUBERNETES_VERSION": "1.35"}
    assert said not in gatewright("check", "pod.yaml", cwd=repository, env=environment).stdout


def test_other_commands_take_the_tree(repository: Path) -> None:
    assert "by-rules has no tests" in gatewright("test", "--allow-no-tests", cwd=repository).stdout
    assert "by-rules" in gatewright("explain", "by-rules", ONE, cwd=repository).stdout
    assert "rules/policy.yaml" in gatewright("lint", cwd=repository).stdout
    assert gatewright("new", "policy", "mine", cwd=repository).stdout.startswith("rules/mine/README.md\n")
    # The PATH of `test` are tests in the tree, and not manifests.
    assert "deploy" not in gatewright("test", cwd=repository).stderr


def test_explain_takes_paths_but_for_a_case(repository: Path) -> None:
    done = gatewright("explain", "by-rules", cwd=repository)
    assert "ConfigMap default/one is denied" in done.stdout, done.stderr
    assert "default/two" not in done.stdout
    (repository / "rules" / "tests.yaml").write_text(
        "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: by-rules\n"
        f"cases:\n- name: a case\n  expect: deny\n  object: {{{OBJECT.replace('NAME', 'three').strip()}}}\n".replace(
            "v1\nkind: C", "v1, kind: C"
        ).replace("ConfigMap\nmeta", "ConfigMap, meta")
    )
    done = gatewright("explain", "--test", "a case", cwd=repository)
    assert done.stdout.startswith("pass rules/tests.yaml:6: a case"), done.stderr


def test_without_paths_the_settings_are_named(tmp_path: Path) -> None:
    for arguments in (["check"], ["check", "--watch"], ["mutate"], ["explain", "p"]):
        done = gatewright(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: Missing argument '")
        assert "or set `paths` in .gatewright.toml" in done.stderr


def test_impact_takes_paths_and_owners(repository: Path) -> None:
    arguments = ["impact", "--old", "others", "--new", "rules", "-o", "json"]
    done = gatewright(*arguments, cwd=repository)
    assert done.returncode == 0, done.stderr
    assert '"one"' in done.stdout
    assert ONE in done.stdout
    assert TWO not in done.stdout


@pytest.mark.parametrize(
    ("command", "arguments", "named"),
    [
        ("impact", ["--since", "main"], {"policies", "paths", "exclude"}),
        ("impact", ["--cluster"], {"policies", "exclude"}),  # the corpus is the cluster, unless paths are named
        ("impact", ["--old=a", "--new", "b"], {"paths", "exclude"}),
        ("check", ["--old", "a"], {"policies", "paths", "exclude"}),  # here it is manifests
        ("explain", ["p", "--since", "main"], {"policies", "paths", "exclude"}),
        ("explain", ["p", "--test", "a case"], {"policies"}),  # the case is all that is judged
        ("explain", ["--test=a case"], {"policies"}),
        ("test", [], {"policies", "exclude"}),
        ("serve", [], set()),
        ("bundle", [], set()),
        ("serve", [], set()),
    ],
)
def test_which_settings_count(
    command: str, arguments: list[str], named: set[str], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.delenv("GATEWRIGHT_POLICIES", raising=False)
    assert set(defaults.of(command, {"policies", "paths", "exclude"}, arguments)) == named


def test_wrong_settings_end_the_run_but_not_help(repository: Path) -> None:
    (repository / ".gatewright.toml").write_text("paths = ['deploy']\nrender = ['helm']\n")
    done = gatewright("check", cwd=repository)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: .gatewright.toml:2: render: is no setting of a repository, as it runs programs; "
        "give the option --render\n"
    )
    assert gatewright("check", "--help", cwd=repository).returncode == 0
    assert gatewright("--no-settings", "check", "deploy", cwd=repository).returncode == 1


def test_pod_templates_are_those_of_one_file(repository: Path) -> None:
    (repository / ".gatewright.toml").write_text('[pod-templates]\n"fleets.shop.example" = "spec.template"\n')
    custom = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.shop.example}
spec:
  group: shop.example
  scope: Namespaced
  names: {kind: Fleet, plural: fleets, singular: fleet, listKind: FleetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: shop.example/v1
kind: Fleet
metadata: {name: a}
spec: {template: {metadata: {name: a}, spec: {containers: [{name: c, image: i}]}}}
"""
    (repository / "fleet.yaml").write_text(custom)
    policy = POLICY.replace("NAME", "pods").replace("configmaps", "pods")
    (repository / "policies" / "pods.yaml").write_text(policy)
    assert denied(repository, "check", "fleet.yaml") == {("pods", "fleet.yaml")}
    assert gatewright("--no-settings", "check", "fleet.yaml", cwd=repository).returncode == 0
    (repository / "gatewright.yaml").write_text("podTemplates: {a.b: spec}\n")
    done = gatewright("check", "fleet.yaml", cwd=repository)
    assert done.returncode == 2
    assert (
        done.stderr == "error: .gatewright.toml has pod-templates, and gatewright.yaml podTemplates; keep one of them\n"
    )


SCRIPT = """
import sys
sys.argv = ["gatewright", "check", "x.yaml"]
from webhook.cli.main import main
sys.modules.pop("tomllib", None)  # what measures coverage has imported it
try:
    main()
finally:
    print("tomllib" in sys.modules)
"""


@pytest.mark.parametrize(("settings", "imported"), [("", "False"), ("[tool.gatewright]", "True")])
def test_settings_import_nothing_where_there_are_none(settings: str, imported: str, tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "pyproject.toml").write_text(f"[project]\n{settings}\n")
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=HANGING)
    assert done.stdout.split() == [imported], done.stderr
