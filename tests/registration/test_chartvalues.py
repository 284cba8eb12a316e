"""The values of the Helm chart that `gatewright manifests --helm-values` writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli import running
from tests.policy import trees

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return running.gatewright("manifests", *arguments, cwd=cwd)


def values(*arguments: str, cwd: Path = ROOT) -> dict[str, Any]:
    done = run(*arguments, "--helm-values", "--exempt-namespace", "kube-system", cwd=cwd)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    assert found.keys() == {"tree"}
    return dict(found["tree"])


def written(tmp_path: Path, **files: Any) -> Path:
    """A tree with these files: a_warn for _a.warn.yaml, else NAME.yaml; objects, or text."""
    for name, content in files.items():
        path = tmp_path / (f"_{name.removesuffix('_warn')}.warn.yaml" if name.endswith("_warn") else f"{name}.yaml")
        path.write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
    return tmp_path


def bound(action: str = "Deny") -> dict[str, Any]:
    binding = trees.binding("a", name="a")
    binding["spec"]["validationActions"] = [action]
    return binding


def test_webhooks_and_roles_are_those_of_the_other_formats() -> None:
    found = values("policies", "--all")
    for key, kind in (("validating", "ValidatingWebhookConfiguration"), ("mutating", "MutatingWebhookConfiguration")):
        (theirs,) = (
            each
            for each in yaml.safe_load_all((ROOT / "manifests/base/webhookconfigurations.yaml").read_text())
            if each["kind"] == kind
        )
        assert found["webhooks"][key] == theirs["webhooks"]
    roles = list(yaml.safe_load_all((ROOT / "manifests/base/rbac.yaml").read_text()))
    files = yaml.safe_load((POLICIES / "kustomization.yaml").read_text())["resources"]
    params = [each for file in files for each in yaml.safe_load_all((POLICIES / file).read_text())]
    assert found["objects"] == roles + params
    audit = (ROOT / "manifests/components/audit/rbac.yaml").read_text()
    assert found["audit"] == list(yaml.safe_load_all(audit))


def test_files_are_those_that_kustomize_ships() -> None:
    found = values("policies", "--all")
    listed = yaml.safe_load((POLICIES / "kustomization.yaml").read_text())["configMapGenerator"]
    for files, generator in ((found["files"], listed[0]), (found["files"] | found["warning"], listed[1])):
        assert files == {
            key: (POLICIES / name).read_text() for key, _, name in (each.partition("=") for each in generator["files"])
        }
    assert found["warning"].keys() < found["files"].keys()  # of those that are the same, there is one


def test_without_all_it_leaves_the_policies_to_another_source(tmp_path: Path) -> None:
    found = values("policies")
    assert found.keys() == {"service", "webhooks", "objects", "audit"}
    kinds = [each["kind"] for each in found["objects"]]
    assert kinds[:4] == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    assert kinds[4:] == ["ConfigMap"] * 9
    large = written(tmp_path, a=[trees.policy("a"), bound()], b="# " + "x" * (1 << 20) + "\n")
    (large / "a name.yaml").write_text(yaml.safe_dump_all([trees.policy("b"), trees.binding("b", name="b")]))
    assert run(".", "--helm-values", "--all", cwd=large).returncode == 2
    assert values(".", cwd=large)["webhooks"]["validating"][0]["rules"]


def test_several_trees_have_one_registration(tmp_path: Path) -> None:
    other = written(tmp_path, a=[trees.policy("a")], b=[bound()])
    both = values("policies", str(other))
    assert both["objects"] == values("policies")["objects"]
    assert len(both["webhooks"]["validating"]) == 4
    done = run("policies", str(other), "--helm-values", "--all")
    assert (done.returncode, "--all: expected one tree, got 2" in done.stderr) == (2, True)


def test_everything_has_the_name_of_the_release() -> None:
    found = values("policies", "--all", "--service", "guard/keeper")
    assert found["service"] == "guard/keeper"
    role, bound_to, *_ = found["objects"]
    assert role["metadata"]["name"] == bound_to["metadata"]["name"] == "keeper"
    assert bound_to["subjects"] == [{"kind": "ServiceAccount", "name": "keeper", "namespace": "guard"}]
    for webhook in (*found["webhooks"]["validating"], *found["webhooks"]["mutating"]):
        service = webhook["clientConfig"]["service"]
        assert (service["namespace"], service["name"]) == ("guard", "keeper")
        assert "caBundle" not in webhook["clientConfig"]


@pytest.mark.parametrize(
    "option",
    [
        ("--rbac",), ("--no-ca",), ("--url", "https://127.0.0.1:8443"), ("--inject-ca-from", "a/b"),
        ("--ca-bundle", "ca.pem"), ("--name", "n"), ("--service-account", "a/b"), ("--steady-name",),
    ],
)  # fmt: skip
def test_what_is_the_charts_matter_is_no_option(option: tuple[str, ...]) -> None:
    done = run("policies", "--helm-values", "--all", *option)
    assert done.returncode == 2
    assert option[0] in done.stderr


def test_what_was_written_can_be_checked(tmp_path: Path) -> None:
    tree = written(tmp_path, a=[trees.policy("a")], b=[bound()])
    arguments = (".", "--helm-values", "--all", "--service", "guard/keeper")
    (tmp_path.parent / "values").mkdir()
    file = str(tmp_path.parent / "values" / "tree.yaml")
    missing = run(*arguments, "--check", file, cwd=tree)
    assert (missing.returncode, "No such file" in missing.stderr) == (2, True)
    assert run(*arguments, "--write", file, cwd=tree).returncode == 0
    assert run(*arguments, "--check", file, cwd=tree).returncode == 0
    head = " ".join(Path(file).read_text().splitlines()[:2])
    assert "`gatewright manifests . --service guard/keeper --helm-values --all`" in head
    written(tree, b=[bound("Warn")])
    changed = run(*arguments, "--check", file, cwd=tree)
    assert changed.returncode == 1
    assert "+        - Warn\n" in changed.stdout


def test_a_binding_that_would_deny_all_the_same_is_told(tmp_path: Path) -> None:
    tree = written(tmp_path, policy=[trees.policy("a")], binding=[bound()])
    done = run(".", "--helm-values", "--all", cwd=tree)
    assert "ValidatingAdmissionPolicyBinding 'a' denies in the chart's mode warn too" in done.stderr
    assert "into a file that _binding.warn.yaml can take the place of" in done.stderr
    for harmless in (
        {"binding": [bound("Warn")]},
        {"binding": [bound()], "binding_warn": [bound("Warn")]},
    ):
        written(tree, **harmless)
        done = run(".", "--helm-values", "--all", cwd=tree)
        assert "mode warn" not in done.stderr
    assert yaml.safe_load(done.stdout)["tree"]["warning"] == {"binding.yaml": yaml.safe_dump_all([bound("Warn")])}


def test_texts_that_readers_of_yaml_take_differently_are_quoted(tmp_path: Path) -> None:
    """Helm reads YAML as Go does: there `y` is a boolean and `1e3` a number."""
    data = {"y": "n", "exponent": "1e3", "octal": "0o7", "date": "2026-11-28", "time": "1:30", "plain": "text"}
    params = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "p", "namespace": "gatewright-system"},
        "data": data,
    }
    param_kind: Any = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
    policy = trees.policy("a", **param_kind)
    binding = bound()
    binding["spec"]["paramRef"] = {"name": "p", "namespace": "gatewright-system", "parameterNotFoundAction": "Deny"}
    tree = written(tmp_path, a=[policy], b=[binding], p=json.dumps(params))
    text = run(".", "--helm-values", "--all", cwd=tree).stdout
    for bare in ("y: ", ": n\n", ": 1e3\n", ": 0o7\n", ": 1:30\n"):
        assert bare not in text.partition("  files:")[0].partition("  objects:")[2], bare
    assert values(".", "--all", cwd=tree)["objects"][-1] == params


def test_content_survives_whatever_it_is(tmp_path: Path) -> None:
    odd = "# {{ x }} é…\u2028\u0085 \t tab \n\n   # leading\n# trailing  \n#\r\n"
    tree = written(tmp_path, a=[trees.policy("a"), bound()])
    with (tree / "a.yaml").open("a", newline="") as file:
        file.write("# plain\n")
    odd += "from gatewright import validate\n\n\n@validate(resources=['v1/pods'])\ndef odd(request):\n    return None\n"
    (tree / "odd.py").write_bytes(odd.encode())
    binding = trees.binding("odd", name="odd")
    written(tree, odd=[binding])
    found = values(".", "--all", cwd=tree)["files"]
    assert found["odd.py"].encode() == odd.encode()
    assert found["a.yaml"].endswith("# plain\n")
