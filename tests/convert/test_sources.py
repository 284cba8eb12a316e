"""Which files of a foreign repository are read, and as what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import POLICY
from webhook.convert import sources, whole

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\n"
RESULTS = "results:\n- {policy: p, rule: r, kind: ConfigMap, resources: [bad], result: fail}\n"
HEAD = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\n"
TEST = f"{HEAD}policies: [../p.yaml]\nresources: [o.yaml]\n{RESULTS}"
CHAINSAW = """\
apiVersion: chainsaw.kyverno.io/v1alpha1
kind: Test
metadata: {name: t}
spec:
  steps:
  - try:
    - apply: {file: ../p.yaml}
    - assert: {file: ready.yaml}
    - patch: {file: enforced.yaml}
    - create: {file: o.yaml, expect: [{check: {($error != null): true}}]}
"""
READY = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nstatus: {ready: true}\n"


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("beside", [".kyverno-test", "_tests", "tests", ".a/.b"])
def test_tests_beside_a_policy_are_found(tmp_path: Path, beside: str) -> None:
    up = "/".join(".." for _ in Path(beside).parts)
    test = TEST.replace("../p.yaml", f"{up}/p.yaml")
    source = tree(tmp_path / "in", {"p.yaml": POLICY, f"{beside}/kyverno-test.yaml": test, f"{beside}/o.yaml": OBJECT})
    found = whole.convert([str(source)], tmp_path / "out")
    assert [(each.name, [test.passed for test in each.tests]) for each in found.outcomes] == [("p", [True])]
    assert (found.problems, found.notes, found.others) == ([], [], [])


@pytest.mark.parametrize("beside", [".chainsaw-test", "chainsaw"])
def test_policies_that_chainsaw_only_looks_at_are_no_sources(tmp_path: Path, beside: str) -> None:
    """They are parts of one: what a cluster makes of its status, and what a test changes of it."""
    files = {"chainsaw-test.yaml": CHAINSAW, "ready.yaml": READY, "enforced.yaml": READY, "o.yaml": OBJECT}
    source = tree(tmp_path / "in", {"p.yaml": POLICY, **{f"{beside}/{name}": text for name, text in files.items()}})
    found = whole.convert([str(source)], tmp_path / "out")
    assert [(each.name, each.status) for each in found.outcomes] == [("p", "whole")]
    assert [each.passed for each in found.outcomes[0].tests] == [True]


def test_of_hidden_folders_the_tests_alone_are_read(tmp_path: Path) -> None:
    files = {
        ".github/workflows/ci.yaml": "on: push\njobs: {}\n",
        ".archive/old.yaml": POLICY,
        ".archive/broken.yaml": "a: [",
        ".t/kyverno-test.yaml": "a: [",
        ".t/other.yaml": TEST.replace("../p.yaml", "../p.yaml") + "  - [",
        ".git/kyverno-test.yaml": TEST,
        "p.yaml": POLICY,
    }
    read = sources.read([str(tree(tmp_path, files))])
    assert [Path(each.stream).relative_to(tmp_path).as_posix() for each in read.documents] == ["p.yaml"]
    assert [Path(each.file).relative_to(tmp_path).as_posix() for each in read.problems] == [".t/kyverno-test.yaml"]


def test_a_hidden_folder_that_is_named_is_a_source(tmp_path: Path) -> None:
    source = tree(tmp_path / ".policies", {"p.yaml": POLICY})
    assert [each.value["kind"] for each in sources.read([str(source)]).documents] == ["ClusterPolicy"]


def test_files_without_kubernetes_objects_are_counted(tmp_path: Path) -> None:
    files = {
        "p.yaml": POLICY,
        "artifacthub-pkg.yml": "name: p\nversion: 1.0.0\nreadme: text\n",
        "kustomization.yaml": "resources: [p.yaml]\n",
        "patch.yaml": "- {op: add, path: /a, value: b}\n",
        "half.yaml": "metadata: {name: x}\nspec: {rules: []}\n",
        "mixed.yaml": f"{POLICY.replace('name: p}', 'name: q}')}---\nnot: an object\n",
    }
    read = sources.read([str(tree(tmp_path, files))])
    assert [Path(each).name for each in read.beside] == ["artifacthub-pkg.yml", "kustomization.yaml", "patch.yaml"]
    assert [Path(each.file).name for each in read.problems] == ["half.yaml", "mixed.yaml"]
    named = sources.read([str(tmp_path / "kustomization.yaml")])
    assert (named.beside, len(named.problems)) == ([], 1)


OLD = f"name: t\npolicies: [p.yaml]\nresources: [o.yaml]\nvariables: v.yaml\nuserinfo: u.yaml\n{RESULTS}"


def test_the_old_layouts_of_tests_values_and_users(tmp_path: Path) -> None:
    """Before Kyverno 1.11 none of the three had an apiVersion and a kind."""
    by_user = POLICY.replace(
        "pattern: {metadata: {labels: {a: b}}}",
        'deny: {conditions: {all: [{key: "{{ request.userInfo.username }}", operator: Equals, value: joe}, '
        '{key: "{{ request.operation }}", operator: Equals, value: DELETE}]}}',
    )
    files = {
        "p.yaml": by_user,
        "o.yaml": OBJECT,
        "kyverno-test.yaml": OLD.replace(
            "resources: [bad], result: fail", "resource: bad, namespace: default, status: fail"
        ),
        "v.yaml": "policies:\n- {name: p, resources: [{name: bad, values: {request.operation: DELETE}}]}\n",
        "u.yaml": "clusterRoles: [admin]\nuserInfo: {username: joe}\n",
    }
    found = whole.convert([str(tree(tmp_path / "in", files))], tmp_path / "out")
    (outcome,) = found.outcomes
    assert [(test.name, test.passed, test.reason) for test in outcome.tests] == [("r: bad (fail)", True, "")]
    (case,) = outcome.cases["p"]
    assert (case["operation"], case["user"], case["expect"]) == ("DELETE", {"username": "joe"}, "deny")


def test_policies_of_kubernetes_itself_are_named_beside_tests_too(tmp_path: Path) -> None:
    standard = (
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: v}\nspec: {}\n"
    )
    test = TEST.replace("../p.yaml", "p.yaml") + "- {policy: v, isValidatingAdmissionPolicy: true, result: pass}\n"
    files = {"p.yaml": POLICY, "o.yaml": OBJECT, "kyverno-test.yaml": test, "v.yaml": standard}
    found = whole.convert([str(tree(tmp_path / "in", files))], tmp_path / "out")
    assert [each.message for each in found.others] == [
        "a ValidatingAdmissionPolicy of Kubernetes itself needs no conversion, and is not written: copy its file into "
        "the tree"
    ]
    assert [each.message for each in found.notes] == ["a result for 'v', a policy of Kubernetes itself, is not read"]


def test_a_malformed_test_does_not_stop_the_others(tmp_path: Path) -> None:
    files = {"p.yaml": POLICY, ".t/o.yaml": OBJECT, ".t/kyverno-test.yaml": TEST}
    for name in ("a", "b"):
        files |= {f".{name}/kyverno-test.yaml": TEST.replace(RESULTS, "results: 5\n"), f".{name}/o.yaml": OBJECT}
    files[".c/chainsaw-test.yaml"] = CHAINSAW.replace("steps:", "steps: 5\n  was:")
    found = whole.convert([str(tree(tmp_path / "in", files))], tmp_path / "out")
    assert [each.message for each in found.notes] == ["a malformed test: not run"] * 3
    assert [test.passed for each in found.outcomes for test in each.tests] == [True]


def test_a_policy_that_a_tree_has_twice_gets_its_own_tests(tmp_path: Path) -> None:
    """The second is not converted; its tests do not count for the first."""
    other = POLICY.replace("a: b", "c: d")
    files = {"a/p.yaml": POLICY, "b/p.yaml": other}
    for name in ("a", "b"):
        files |= {f"{name}/.t/kyverno-test.yaml": TEST, f"{name}/.t/o.yaml": OBJECT}
    first, second = whole.convert([str(tree(tmp_path / "in", files))], tmp_path / "out").outcomes
    assert [test.run for test in first.tests] == [True]
    assert [(test.run, test.reason) for test in second.tests] == [(False, "the policy was not converted")]
    assert [each.message for each in second.refused] == [
        f"the ClusterPolicy p is defined twice, first at {tmp_path}/in/a/p.yaml:1: remove one of the two"
    ]
