"""`gatewright explain --test`: a case of a PolicyTest is explained as a manifest is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli import running
from tests.offline.cases.policytests import BINDING, POD, tree

CASES = f"""\
- name: web is denied
  {POD}
  expect: deny
- name: in a file
  object: {{file: _pod.yaml}}
  expect: allow
- name: deletion
  oldObject: {{apiVersion: v1, kind: Pod, metadata: {{name: web}}}}
  expect: no-match
- name: web with a param
  {POD}
  validateOnly: true
  params: {{data: {{forbidden: none}}}}
  expect: allow
"""
PARAMS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: conf}\ndata: {forbidden: web}\n"
MUTATOR = """\
from gatewright import mutate, validate

@mutate(resources=["v1/pods"], operations=["CREATE"], name="named")
def stamp(request):
    request.object["metadata"]["labels"] = {"seen": "yes"}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    policies = tmp_path / "policies"
    policies.mkdir()
    ref = "paramRef: {name: limits, namespace: conf, parameterNotFoundAction: Deny}"
    tree(
        policies,
        CASES,
        expression="object.metadata.name != params.data.forbidden",
        binding=BINDING.replace("[Deny]", f"[Deny], {ref}"),
    )
    policy = policies / "policy.yaml"
    text = policy.read_text().replace('operations: ["*"]', "operations: [CREATE]")
    policy.write_text(text.replace("spec:\n", "spec:\n  paramKind: {apiVersion: v1, kind: ConfigMap}\n"))
    (policies / "params.yaml").write_text(PARAMS)
    (policies / "_pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata:\n  name: other\n")
    return tmp_path


def explain(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
    return running.gatewright("explain", *arguments, cwd=root, env=environment)


def test_a_case_is_explained_as_a_manifest_is(root: Path) -> None:
    done = explain(root, "--test", "web is denied")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "pass policies/tests.yaml:6: web is denied"
    assert "✗ Pod default/web is denied  policies/tests.yaml:7" in lines
    assert "  validations[0] is false  policies/policy.yaml:10" in lines
    assert any(line.endswith('object.metadata.name = "web"  ← line 7') for line in lines), done.stdout


def test_of_an_object_in_a_file_the_lines_are_that_files(root: Path) -> None:
    done = explain(root, "named", "--test", "in a file")
    assert done.returncode == 0
    assert "✓ Pod default/other passes  policies/_pod.yaml:1" in done.stdout


def test_a_policy_that_does_not_match_says_why(root: Path) -> None:
    done = explain(root, "--test", "policies/tests.yaml:14", "-o", "json")  # a line in the case
    assert done.returncode == 0
    (explained,) = json.loads(done.stdout)["policies"][0]["objects"]
    assert not explained["matched"]
    assert explained["reason"] == "matchConstraints.resourceRules are about CREATE of these, not about DELETE"
    assert explained["line"] == 13


def test_params_are_those_of_the_case(root: Path) -> None:
    done = explain(root, "--test", "with a param")
    assert done.returncode == 0
    assert "✓ Pod default/web passes" in done.stdout


def test_params_that_only_a_binding_names_are_missed(root: Path) -> None:
    hint = "the policy has no binding; its cases have only the params that they name"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}

    def tested() -> str:
        return running.gatewright("test", cwd=root, env=environment).stdout

    assert hint not in tested()
    (root / "policies" / "binding.yaml").unlink()
    lines = tested().splitlines()
    (at,) = (place for place, line in enumerate(lines) if line.endswith("in a file"))
    assert "no params found" in lines[at + 2]
    assert lines[at + 4].strip() == hint
    assert [line.strip() for line in lines].count(hint) == 2  # of each case without params
    assert f"  {hint}" in explain(root, "--test", "in a file").stdout.splitlines()


def test_validation_alone_leaves_mutation_out(root: Path) -> None:
    (root / "policies" / "stamp.py").write_text(MUTATOR)
    policies = json.loads(explain(root, "--test", "with a param", "-o", "json").stdout)["policies"]
    assert [each["kind"] for each in policies] == ["ValidatingAdmissionPolicy"]


def test_a_case_that_fails_is_shown_with_its_failure(root: Path) -> None:
    tests = root / "policies" / "tests.yaml"
    tests.write_text(tests.read_text().replace("expect: deny", "expect: warn"))
    done = explain(root, "--test", "denied")
    assert done.stdout.startswith("FAIL policies/tests.yaml:6: web is denied\n     expected warn, got deny: so say ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--test", "nothing"], "error: --test 'nothing': no case of a PolicyTest is called so\n"),
        (["other", "--test", "web"], "error: --test 'web': no case of a PolicyTest is called so\n"),
        (
            ["--test", "web"],
            "error: --test 'web': 2 cases have this in their names; name one by FILE:LINE\n"
            "  policies/tests.yaml:6: named: web is denied\n"
            "  policies/tests.yaml:15: named: web with a param\n",
        ),
        (
            ["named", "_pod.yaml", "--test", "web"],
            "error: --test: the case says what is sent, and by whom; leave manifests out\n",
        ),
        (
            ["--test", "web", "--as", "jane", "--operation", "DELETE"],
            "error: --test: the case says what is sent, and by whom; leave --as, --operation out\n",
        ),
        (["--test", "web", "--policies", "oci://r/p:1"], "error: --policies: oci://r/p:1: tests are in folders"),
        ([], "error: Missing argument 'POLICY'"),
        (["named"], "error: Missing argument 'MANIFEST'"),
    ],
)
def test_what_names_no_case_is_an_error(root: Path, arguments: list[str], said: str) -> None:
    done = explain(root, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)


def test_a_test_that_is_wrong_is_an_error(root: Path) -> None:
    tests = root / "policies" / "tests.yaml"
    tests.write_text(tests.read_text().replace("expect: deny", "expect: maybe"))
    done = explain(root, "--test", "web is denied")
    assert done.returncode == 2
    assert done.stderr.startswith("error: policies/tests.yaml:8:3: PolicyTest 't': cases[0].expect: expected 'allow'")
    done = explain(root, "--test", "web is denied", "-o", "json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["errors"][0]["line"] == 8
