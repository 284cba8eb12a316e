"""What a person sees of policies that are wrong, whole; and what a machine is given."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli import running

BROKEN = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: broken}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  matchConditions:
  - name: by-people
    expression: request.userInfo.user != '日本' && request.name == objet
  variables:
  - name: containers
    expression: >-
      object.spec.template.spec.containers.filter(c,
        has(c.image) &&

        c.imag.startWith('x'))
  validations:
  - expression: |
      object.spec.replicas <= 3 &&
      \tvariables.container.all(c, has(c.image))
    messageExpression: "'caf\\u00e9 \\t' + object.metadata.name + reqest.name"
  - expression: 'params.max > 3 || int(''x'') == 1'
  - expression: size(object.spec)
"""
WARNED = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: warned}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments, daemonsets]}
  validations:
  - expression: >
      object.spec.template.spec.containers.all(c,
      c.imagee != '') && object.spec.replicas > 0
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: warned}
spec: {policyName: warned, validationActions: [Audit]}
"""
SEEN = """\
error: policies/broken.yaml:10:34: ValidatingAdmissionPolicy 'broken': spec.matchConditions[0].expression: undefined \
field 'user'; did you mean 'username'?
  10 |     expression: request.userInfo.user != '日本' && request.name == objet
     |                                  ^
error: policies/broken.yaml:10:66: ValidatingAdmissionPolicy 'broken': spec.matchConditions[0].expression: undeclared \
reference to 'objet'; did you mean 'object'?
  10 |     expression: request.userInfo.user != '日本' && request.name == objet
     |                                                                    ^
error: policies/broken.yaml:17:16: ValidatingAdmissionPolicy 'broken': spec.variables[0].expression: undeclared \
reference to 'startWith'; did you mean 'startsWith'?
  17 |         c.imag.startWith('x'))
     |                ^
error: policies/broken.yaml:21:8: ValidatingAdmissionPolicy 'broken': spec.validations[0].expression: undeclared \
reference to 'variables.container'; did you mean 'variables.containers'?
  21 |           variables.container.all(c, has(c.image))
     |           ^
error: policies/broken.yaml:22:65: ValidatingAdmissionPolicy 'broken': spec.validations[0].messageExpression: \
undeclared reference to 'reqest'; did you mean 'request'?
  22 |     messageExpression: "'caf\\u00e9 \\t' + object.metadata.name + reqest.name"
     |                                                                 ^
error: policies/broken.yaml:23:18: ValidatingAdmissionPolicy 'broken': spec.validations[1].expression: undeclared \
reference to 'params': the policy has no paramKind
  23 |   - expression: 'params.max > 3 || int(''x'') == 1'
     |                  ^
error: policies/broken.yaml:24:17: ValidatingAdmissionPolicy 'broken': spec.validations[2].expression: must evaluate \
to bool but got int
  24 |   - expression: size(object.spec)
     |                 ^
"""
WARNING = """\
warning: policies/warned.yaml:11:9: ValidatingAdmissionPolicy 'warned': spec.validations[0].expression: undefined \
field 'imagee' in c of apps/v1 DaemonSet and apps/v1 Deployment; did you mean 'image'?
  11 |       c.imagee != '') && object.spec.replicas > 0
     |         ^
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "in.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}")
    return tmp_path


def gatewright(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return running.gatewright(*arguments, cwd=tree)


@pytest.mark.parametrize(
    "arguments", [("check", "in.yaml"), ("test",), ("explain", "broken", "in.yaml"), ("manifests", "policies")]
)
def test_a_broken_policy_is_shown_line_by_line(tree: Path, arguments: tuple[str, ...]) -> None:
    (tree / "policies" / "broken.yaml").write_text(BROKEN)
    run = gatewright(tree, *arguments)
    assert run.stderr == SEEN
    assert (run.stdout, run.returncode) == ("", 2)


@pytest.mark.parametrize("arguments", [("check", "in.yaml"), ("test",), ("explain", "broken", "in.yaml")])
def test_a_machine_is_given_the_same_places(tree: Path, arguments: tuple[str, ...]) -> None:
    (tree / "policies" / "broken.yaml").write_text(BROKEN)
    run = gatewright(tree, *arguments, "-o", "json")
    report: dict[str, Any] = json.loads(run.stdout)
    assert (run.stderr, run.returncode) == ("", 2)
    lines = [line.removeprefix("error: ") for line in SEEN.splitlines() if line.startswith("error: ")]
    assert [f"{each['file']}:{each['line']}:{each['column']}: {each['message']}" for each in report["errors"]] == lines
    assert not report.get("warnings")


def test_serve_shows_it_and_does_not_start(tree: Path) -> None:
    (tree / "policies" / "broken.yaml").write_text(BROKEN)
    run = gatewright(tree, "serve", "--port", "0", "--plain-port", "0")
    assert run.returncode == 2
    assert SEEN.replace("error: ", "") in run.stderr


LONG = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: long}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
  - expression: object.metadata.name != '日本語' && object.metadata.name != '日本語の' && objct.spec.x == 1 \
|| object.metadata.name == 'a' || object.metadata.name == 'b'
"""


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    "arguments", [("check", "in.yaml"), ("test",), ("explain", "long", "in.yaml"), ("manifests", "policies")]
)
def test_an_excerpt_fits_the_terminal(tree: Path, arguments: tuple[str, ...], width: int) -> None:
    (tree / "policies" / "long.yaml").write_text(LONG)
    error, line, caret = on_terminal(tree, width, *arguments)
    assert error.endswith("undeclared reference to 'objct'; did you mean 'object'?")
    assert cell_len(line) <= width
    assert len(caret) <= width
    before = next(place for place in range(len(line)) if cell_len(line[:place]) == len(caret) - 1)
    assert line[before:].startswith("objct")


def on_terminal(tree: Path, width: int, *arguments: str) -> list[str]:
    """The lines that a command writes on a terminal of that width, without colours."""
    environment = {each: value for each, value in os.environ.items() if each not in ("COLUMNS", "LINES")}
    code, written = running.on_terminal(*arguments, cwd=tree, env={**environment, "NO_COLOR": "1"}, width=width)
    assert code == 2
    return written.splitlines()


class TestAWarning:
    def test_is_shown_and_changes_no_exit_code(self, tree: Path) -> None:
        (tree / "policies" / "warned.yaml").write_text(WARNED)
        run = gatewright(tree, "check", "in.yaml")
        assert run.stderr.startswith(WARNING)
        assert (run.stdout, run.returncode) == ("nothing denied (1 object in 1 file, 1 policy)\n", 0)
        run = gatewright(tree, "test", "--allow-no-tests")
        assert (run.stderr, run.returncode) == (WARNING, 0)

    @pytest.mark.parametrize("arguments", [("check", "in.yaml", "-o", "json"), ("test", "-o", "json")])
    def test_is_given_to_machines(self, tree: Path, arguments: tuple[str, ...]) -> None:
        (tree / "policies" / "warned.yaml").write_text(WARNED)
        [found] = json.loads(gatewright(tree, *arguments).stdout)["warnings"]
        assert (found["file"], found["line"], found["column"]) == ("policies/warned.yaml", 11, 9)
        assert found["message"].startswith("ValidatingAdmissionPolicy 'warned': spec.validations[0].expression: ")


FOREIGN = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: require-labels}
spec: {}
"""
NAMED = """\
policies/kyverno.yaml:2:1: ClusterPolicy 'require-labels' is a policy of Kyverno (kyverno.io/v1), which \
Gatewright does not evaluate; `gatewright convert policies/kyverno.yaml --out DIR` converts it\
"""


@pytest.mark.parametrize("arguments", [("check", "in.yaml"), ("test", "--allow-no-tests"), ("manifests", "policies")])
def test_a_policy_of_another_engine_is_named(tree: Path, arguments: tuple[str, ...]) -> None:
    (tree / "policies" / "warned.yaml").write_text(WARNED)
    (tree / "policies" / "kyverno.yaml").write_text(FOREIGN)
    run = gatewright(tree, *arguments)
    assert f"warning: {NAMED}\n   2 | kind: ClusterPolicy\n     | ^\n" in run.stderr
    assert run.returncode == 0


def test_explain_names_it_too(tree: Path) -> None:
    (tree / "policies" / "warned.yaml").write_text(WARNED)
    (tree / "policies" / "kyverno.yaml").write_text(FOREIGN)
    run = gatewright(tree, "explain", "require-labels", "in.yaml")
    assert run.stderr == f"error: no policy 'require-labels' in policies that Gatewright evaluates; {NAMED}\n"
    assert run.returncode == 2
