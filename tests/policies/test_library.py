"""What every policy of the library has: passing tests, metadata, its bindings, and a README.

Whoever adds a folder to policies/ adds nothing here. `IN_FORCE` are the policies that ship with a binding; every other
folder is one that is enabled first, with the shape that policies/README.md describes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli import running
from tests.policies.conftest import LIBRARY
from tests.shared import once
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.library import metadata
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.policy.written.policykinds import MUTATING, VALIDATING
from webhook.schema import Kinds
from webhook.versions import NEWEST, Version, shown

FOLDERS = sorted(path.name for path in LIBRARY.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))

IN_FORCE = (
    "finalizer-enforcement",
    "no-host-path",
    "pod-security-baseline",
    "pod-security-labels",
    "pod-security-restricted",
    "protocol-whitelist",
    "replica-bounds",
)
"""What is enforced where somebody runs the tree as it ships."""

LEVELS = ("pod-security-baseline", "pod-security-restricted")
"""Bound for each mode of Pod Security, of which Kubernetes gives one the action Deny."""

COVERED = 95.0
"""The least percentage of its points that the tests of a policy show."""

VERSIONS = [(1, minor) for minor in range(30, NEWEST[1] + 1)]
"""Those that have ValidatingAdmissionPolicy as stable."""

each_policy = pytest.mark.parametrize("name", FOLDERS)
each_in_force = pytest.mark.parametrize("name", IN_FORCE)
each_unbound = pytest.mark.parametrize("name", [name for name in FOLDERS if name not in IN_FORCE])


@cache
def of(name: str) -> tuple[Policy[Any], ...]:
    """The policies of a folder: one, or a validating and a mutating one in Python."""
    (file,) = (path for path in (LIBRARY / name).iterdir() if path.name in ("policy.yaml", "policy.py"))
    return load(file).policies


@pytest.fixture(scope="session")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of one run of all tests, with what they cover."""

    def run(folder: Path) -> None:
        words = [
            "test",
            "--policies",
            "policies",
            "-o",
            f"json={folder}/cases",
            "--coverage-json",
            f"{folder}/coverage",
        ]
        done: subprocess.CompletedProcess[str] = running.gatewright(*words, cwd=LIBRARY.parent)
        assert done.returncode in (0, 1), done.stderr

    return once(tmp_path_factory, "library", run)


@pytest.fixture(scope="session")
def cases(tested: Path) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads((tested / "cases").read_text())
    assert found["errors"] == []
    return list(found["cases"])


@pytest.fixture(scope="session")
def coverage(tested: Path) -> list[dict[str, Any]]:
    return list(json.loads((tested / "coverage").read_text())["policies"])


@pytest.mark.parametrize("version", VERSIONS, ids=shown)
def test_it_loads_for_every_version_that_may_run_it(version: Version) -> None:
    """Mutating ones too, which the webhook runs where Kubernetes does not have them yet."""
    assert len(load(LIBRARY, version).policies) >= len(FOLDERS)


def test_what_is_in_force_is_what_is_named_here(library: PolicySet) -> None:
    assert set(FOLDERS) >= set(IN_FORCE)
    assert {binding.policy for binding in library.bindings} == set(IN_FORCE)
    assert {path.parent.name for path in LIBRARY.glob("*/binding.yaml")} == set(IN_FORCE)
    assert library.notes == ()  # the others wait to be enabled


@each_policy
def test_a_folder_has_the_policy_of_its_name(name: str) -> None:
    assert {policy.name for policy in of(name)} == {name}
    assert all(policy.failure_policy == "Fail" for policy in of(name))


@each_policy
def test_it_says_what_it_is(name: str) -> None:
    for policy in of(name):
        _, problems = metadata.read(dict(policy.annotations))
        assert problems == []


@each_policy
def test_its_cases_pass(name: str, cases: list[dict[str, Any]]) -> None:
    own = [case for case in cases if case["policy"] == name]
    assert [(case["case"], *case["failures"], *case["texts"]) for case in own if not case["passed"]] == []
    expected = {case["expect"] for case in own}
    if all(policy.kind == MUTATING for policy in of(name)):
        assert "allow" in expected
    else:
        assert expected >= {"allow", "deny"}


@each_policy
def test_its_cases_show_what_it_does(name: str, coverage: list[dict[str, Any]]) -> None:
    (own,) = (each for each in coverage if Path(each["file"]).parent.name == name)
    assert own["percent"] >= COVERED, own["missing"]


@each_policy
def test_in_cel_it_is_one_object_that_kubectl_applies_as_it_is(name: str) -> None:
    for policy in of(name):
        if policy.language == "cel":
            (written,) = yaml.safe_load_all((LIBRARY / name / "policy.yaml").read_text())
            assert written["apiVersion"] == "admissionregistration.k8s.io/v1"
            assert (written["kind"], written["metadata"]["name"]) == (policy.kind, name)


@each_policy
def test_its_readme_says_how_to_use_it(name: str) -> None:
    text = (LIBRARY / name / "README.md").read_text()
    mutates = all(policy.kind == MUTATING for policy in of(name))
    for heading in ("What it changes" if mutates else "What it stops", "How to adapt it", "How to roll it out"):
        assert f"\n## {heading}\n" in text


@each_policy
def test_its_params_are_those_that_its_bindings_name(name: str) -> None:
    """Each binding of a policy with params names objects of params.yaml; without, there is no such file."""
    folder = LIBRARY / name
    kinds = {policy.param_kind for policy in of(name)} - {None}
    assert (folder / "params.yaml").exists() == bool(kinds)
    if not kinds:
        return
    written = list(yaml.safe_load_all((folder / "params.yaml").read_text()))
    assert {each["metadata"]["namespace"] for each in written} == {"gatewright-system"}
    for file in sorted(folder.glob("*binding*.yaml")):
        refs = [each["spec"]["paramRef"] for each in yaml.safe_load_all(file.read_text())]
        assert {ref["name"] for ref in refs} == {each["metadata"]["name"] for each in written}, file
        assert {ref["namespace"] for ref in refs} == {"gatewright-system"}


def bindings(name: str, file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((LIBRARY / name / file).read_text()))


@each_unbound
def test_an_unbound_policy_has_a_binding_for_each_action(name: str) -> None:
    """Equal but for the actions, and of the policy's name, so that one replaces another."""
    kinds = {policy.kind for policy in of(name)}
    expected: dict[str, list[str] | None] = {}
    if VALIDATING in kinds:
        expected |= {"deny": ["Deny"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}
    if MUTATING in kinds and VALIDATING not in kinds:
        expected["mutate"] = None
    assert {path.name for path in (LIBRARY / name).glob("*binding*")} == {f"_binding.{each}.yaml" for each in expected}
    rest = []
    for variant, actions in expected.items():
        found = bindings(name, f"_binding.{variant}.yaml")
        assert {f"{policy.kind}Binding" for policy in of(name)} == {each["kind"] for each in found}
        for each in found:
            assert (each["metadata"]["name"], each["spec"]["policyName"]) == (name, name)
            if each["kind"] == f"{VALIDATING}Binding":
                assert each["spec"].pop("validationActions") == actions
        rest.append(found)
    assert all(each == rest[0] for each in rest)


@each_in_force
def test_what_is_in_force_is_bound_with_deny(name: str, library: PolicySet) -> None:
    own = [binding for binding in library.bindings if binding.policy == name]
    actions = {binding.name: binding.actions for binding in own if binding.actions}
    if name in LEVELS:
        warnings = {f"{name}-warn": ("Warn",), f"{name}-warn-enforced": ("Warn",), f"{name}-audit": ("Audit",)}
        assert actions == {f"{name}-enforce": ("Deny",), **warnings}
    else:
        assert {binding.name for binding in own} == {name}
        assert list(actions.values()) == [("Deny",)]


@pytest.mark.parametrize(("variant", "expected"), [("warn", "warn"), ("audit", "audit")])
@each_in_force
def test_the_other_bindings_only_tell(name: str, variant: str, expected: str, tmp_path: Path) -> None:
    """Copied over binding.yaml, they turn every denial of the policy's tests into a warning or a note."""
    tree = shutil.copytree(LIBRARY / name, tmp_path / name)
    shutil.copy(tree / f"_binding.{variant}.yaml", tree / "binding.yaml")
    tests = (tree / "tests.yaml").read_text()
    (tree / "tests.yaml").write_text(tests.replace("\nactions: [Deny]\n", "\n"))
    policies = load(tree)
    assert {each.name for each in policies.bindings} == {each.name for each in load(LIBRARY / name).bindings}
    planned, problems = policytest.plan([str(tree)], policies)
    assert problems == []
    denied = [result for result in runs.run(planned, policies) if result.planned.case.expect == "deny"]
    assert denied
    assert {result.verdict for result in denied} == {expected}


# Of the others the cases say what a mode does, and the finalizer that it adds without a variant.
@pytest.mark.parametrize("name", sorted(set(FOLDERS) - set(LEVELS) - {"finalizer-enforcement"}))
def test_its_cases_hold_while_it_is_rolled_out(name: str, tmp_path: Path) -> None:
    """Whoever has enabled it with Warn runs its tests too."""
    tree = shutil.copytree(LIBRARY / name, tmp_path / name)
    variant = next(tree / each for each in ("_binding.warn.yaml", "_binding.mutate.yaml") if (tree / each).exists())
    shutil.copy(variant, tree / "binding.yaml")
    policies = load(tree)
    planned, problems = policytest.plan([str(tree)], policies)
    assert problems == []
    assert planned
    assert [each.planned.case.name for each in runs.run(planned, policies) if not each.passed] == []


@each_in_force
def test_the_variants_differ_from_the_binding_in_their_actions_alone(name: str) -> None:
    def validating(file: str) -> list[dict[str, Any]]:
        return [each for each in bindings(name, file) if each["kind"] == f"{VALIDATING}Binding"]

    for variant in ("warn", "audit"):
        for deny, other in zip(validating("binding.yaml"), validating(f"_binding.{variant}.yaml"), strict=True):
            spec, expected = other["spec"], deny["spec"]
            assert other["metadata"] == deny["metadata"]
            assert {**spec, "validationActions": None} == {**expected, "validationActions": None}
            assert "Deny" not in spec["validationActions"]
            if "Deny" not in expected["validationActions"]:
                assert spec == expected


@pytest.mark.parametrize(("namespace", "name", "refused"), [
    ("gatewright-system", "finalizer-enforcement", False),
    ("gatewright-system", "another", True),
    ("shop", "finalizer-enforcement", True),
])  # fmt: skip
def test_a_param_that_is_wrong_can_be_mended_and_only_that(namespace: str, name: str, refused: bool) -> None:
    policies = load(LIBRARY)
    wrong = [
        {**each, "data": {}} if each["metadata"]["name"] == "finalizer-enforcement" else each
        for each in policies.objects
    ]
    labels = {"gatewright.dev/keep-finalizer": "true"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    mended = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    request = Request(
        operation="CREATE",
        resource=GroupVersionResource("", "v1", "configmaps"),
        kind=GroupVersionKind("", "v1", "ConfigMap"),
        subresource="",
        name=name,
        namespace=namespace,
        object=mended,
        old_object=None,
    )
    view = ManifestsView(wrong, Kinds.builtin(), assume_namespaces=True)
    assert bool(engine.validate(request, policies, view).findings) == refused
