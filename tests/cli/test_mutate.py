"""`gatewright mutate`, as a person runs it and pipes it on."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.running import gatewright

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: label}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: ["", apps], apiVersions: [v1], operations: [CREATE], resources: [pods, secrets, deployments]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {"team": "shop"}}}'}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: label}
spec: {policyName: label}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: none}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]
  validations: [{expression: "false", message: never}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: none}
spec: {policyName: none, validationActions: [Deny]}
"""  # noqa: E501
MANIFESTS = """\
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {a: "1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, resources: {requests: {cpu: 0.5}}}]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "label.yaml").write_text(POLICY)
    (tmp_path / "in.yaml").write_text(MANIFESTS)
    return tmp_path


def test_objects_are_printed_with_what_policies_change_and_nothing_else(root: Path) -> None:
    done = gatewright("mutate", "in.yaml", cwd=root)
    assert done.returncode == 0, done.stderr
    secret, unchanged, web = yaml.safe_load_all(MANIFESTS)
    secret["metadata"]["labels"] = web["metadata"]["labels"] = {"team": "shop"}
    assert list(yaml.safe_load_all(done.stdout)) == [secret, unchanged, web]
    assert "note: 2 of 3 objects changed\n" in done.stderr
    assert "hunter2" not in done.stderr


def test_what_is_printed_is_not_changed_again(root: Path) -> None:
    first = gatewright("mutate", "in.yaml", cwd=root)
    again = gatewright("mutate", "-", cwd=root, stdin=first.stdout)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "note: 0 of 3 objects changed\n" in again.stderr


def test_pods_are_those_that_workloads_create(root: Path) -> None:
    done = gatewright("mutate", "--show-pods", "in.yaml", cwd=root)
    (pod,) = yaml.safe_load_all(done.stdout)
    labels = pod["metadata"]["labels"]
    assert (pod["kind"], labels["app"], labels["team"]) == ("Pod", "web", "shop")
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m"}


def test_what_the_api_server_refuses_is_left_out(root: Path) -> None:
    (root / "in.yaml").write_text(f"{MANIFESTS}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{a: 1}}\n")
    done = gatewright("mutate", "in.yaml", cwd=root)
    assert done.returncode == 1
    assert len(list(yaml.safe_load_all(done.stdout))) == 3
    assert 'error: in.yaml:23:8: unknown field "spec.a"' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.yaml"], "absent.yaml: cannot be read"),
        (["empty"], "empty: no *.yaml"),
        (["-"], "<stdin>: no objects in it to mutate"),
        (["in.yaml", "--values", "v.yaml"], "--values needs --render helm"),
        (["in.yaml", "--exclude", "x" * 5000], "--exclude: "),
        (["in.yaml", "--policies", "nowhere"], "nowhere"),
        (["in.yaml", "--kubernetes-version", "2"], "--kubernetes-version"),
    ],
)
def test_bad_input_fails_the_run(arguments: list[str], message: str, root: Path) -> None:
    (root / "empty").mkdir()
    done = gatewright("mutate", *arguments, cwd=root)
    assert done.returncode == 2
    assert message in done.stderr


def test_json_is_read_as_well(root: Path) -> None:
    (root / "in.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}))
    done = gatewright("mutate", "in.json", cwd=root)
    assert yaml.safe_load(done.stdout)["metadata"] == {"name": "s", "labels": {"team": "shop"}}


def test_paths_may_be_in_the_settings_of_the_repository(root: Path) -> None:
    (root / ".gatewright.toml").write_text('paths = ["in.yaml"]\n')
    done = gatewright("mutate", cwd=root)
    assert (done.returncode, len(list(yaml.safe_load_all(done.stdout)))) == (0, 3)
