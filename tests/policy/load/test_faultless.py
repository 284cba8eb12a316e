"""Files of the library that are known to be faultless: the table is right, and only exactly these files are trusted."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.policy.trees import namespace, request
from tests.timing import HANGING
from tests.unmeasured import unmeasured
from webhook.policy.cel import compilation
from webhook.policy.deferred import Deferred
from webhook.policy.load import faultless
from webhook.policy.load.loading import PolicyTreeError, load, load_tree
from webhook.policy.load.treefiles import Tree, TreeFile, read_tree
from webhook.policy.python import allowed, importing
from webhook.versions import NEWEST, OLDEST, parse_version

LIBRARY = Path(__file__).parents[3] / "policies"

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: volumesnapshots.apps}
spec:
  group: apps
  names: {kind: VolumeSnapshot, plural: volumesnapshots}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""


def tree(*files: TreeFile) -> Tree:
    return Tree(("library",), files, (), "")


def shipped(name: str) -> TreeFile:
    file = LIBRARY / name / "policy.yaml"
    return TreeFile(str(file), file.read_bytes())


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the policies that were compiled, in order."""
    names: list[str] = []
    compiled = compilation._Compiler.compiled

    def counted(compiler: compilation._Compiler) -> object:
        names.append(compiler._policy.metadata.name)
        return compiled(compiler)

    monkeypatch.setattr(compilation._Compiler, "compiled", counted)
    return names


def test_the_table_is_current() -> None:
    program = "from webhook.library import faults, catalog; print(faults.table(catalog.shipped()), end='')"
    made = subprocess.run(
        [sys.executable, "-c", program], env=unmeasured(), capture_output=True, text=True, timeout=HANGING, check=True
    )
    assert made.stdout == faultless.FILE.read_text(encoding="utf-8"), "run `make docs` and commit what it writes"


def test_of_the_library_only_what_is_bound_is_compiled(compiled: list[str]) -> None:
    policies = load(LIBRARY)
    assert compiled == []
    policies.prepare()
    assert sorted(compiled) == sorted(
        policy.name for policy in policies.validating if policy.bindings and policy.language == "cel"
    )
    assert 0 < len(compiled) < len(policies.policies) / 5


def test_a_policy_is_compiled_when_it_is_asked_for_and_once(compiled: list[str]) -> None:
    (policy,) = load_tree(tree(shipped("deny-latest-tag"))).validating
    assert isinstance(policy.held, Deferred)
    bound = replace(policy, bindings=())
    assert policy.evaluator is bound.evaluator
    assert compiled == ["deny-latest-tag"]


def test_what_is_trusted_is_as_if_it_were_not() -> None:
    trusted, tried = (load_tree(read_tree(LIBRARY), trusting=trusting) for trusting in (True, False))
    assert [(policy.name, policy.match) for policy in trusted.policies] == [
        (policy.name, policy.match) for policy in tried.policies
    ]
    assert [(policy.name, path, program.source) for policy, path, program in trusted.expressions()] == [
        (policy.name, path, program.source) for policy, path, program in tried.expressions()
    ]
    assert (trusted.notes, trusted.warnings) == (tried.notes, tried.warnings)


def test_a_file_that_was_changed_is_compiled(compiled: list[str]) -> None:
    file = shipped("deny-latest-tag")
    load_tree(tree(replace(file, content=file.content + b"# mine\n")))
    assert compiled == ["deny-latest-tag"]
    with pytest.raises(PolicyTreeError, match="undeclared reference to 'objekt'"):
        load_tree(tree(replace(file, content=file.content.replace(b"object.", b"objekt.", 1))))


def test_a_version_in_which_it_has_faults_is_not_trusted() -> None:
    file = shipped("deny-latest-tag")
    since = faultless._known()[faultless.digest(file.content)]
    assert OLDEST < since < NEWEST
    load_tree(tree(file), since)
    with pytest.raises(PolicyTreeError, match="unsupported syntax"):
        load_tree(tree(file), parse_version(f"{since[0]}.{since[1] - 1}"))


def test_kinds_that_the_tree_defines_may_make_faults(compiled: list[str]) -> None:
    """A policy on `apps/*` is about these kinds too."""
    file = shipped("replica-bounds")
    load_tree(tree(file, TreeFile("crd.yaml", DEFINITION.replace("apps", "example.com").encode())))
    assert compiled == []
    load_tree(tree(file, TreeFile("crd.yaml", DEFINITION.encode())))
    assert compiled == ["replica-bounds"]


def test_what_no_request_matches_is_not_compiled(compiled: list[str]) -> None:
    """Policies tell each other what they have in common; those that nothing was asked of are left out of that."""
    policies = load(LIBRARY)
    asked = request(namespace("shop"), resource="v1/namespaces", kind="Namespace")
    candidates = {each.policy.name for each in policies.validators_for(asked)}
    assert "pod-security-labels" in compiled
    assert set(compiled) <= candidates
    policies.validators_for(request())
    assert "pod-security-baseline" in set(compiled) - candidates


def test_a_file_in_python_that_is_known_is_not_searched_for_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[ast.Module] = []

    def noted(module: ast.Module, imports: Collection[str]) -> list[tuple[int, str]]:
        searched.append(module)
        return allowed.refused(module, imports)

    monkeypatch.setattr(importing, "refused", noted)
    path = LIBRARY / "protocol-whitelist" / "policy.py"
    file = TreeFile(str(path), path.read_bytes())
    known = [policy.name for policy in load_tree(tree(file)).policies]
    assert searched == []
    assert known == [policy.name for policy in load_tree(tree(file), trusting=False).policies]
    assert len(searched) == 1
    with pytest.raises(PolicyTreeError, match="socket"):
        load_tree(tree(replace(file, content=file.content + b"import socket\n")))
