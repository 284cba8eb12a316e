"""What is not evaluated: a policy that is the same on both sides, wherever that is sure."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from webhook.documents import reader
from webhook.impact.corpus import Manifests
from webhook.impact.deciding import Counted, impacts
from webhook.impact.sameness import compared
from webhook.impact.trees import Side
from webhook.offline.requests import Options
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree
from webhook.policy.policyset import Policy, PolicySet

POLICY = """\
from gatewright import {kind}

@{kind}(resources=["v1/{resources}"], operations=["CREATE"], name="{name}")
def policy(request):
    "A policy that counts."
    {body}
"""
OBJECTS = "---\n".join(
    f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {kind.lower()}-{number}, namespace: shop}}\n"
    for kind in ("ConfigMap", "ServiceAccount")
    for number in range(3)
)
LABEL = 'request.object["metadata"].setdefault("labels", dict())["{0}"] = "{1}"'


class Trees:
    """Two trees of Python policies, whose evaluations are counted by the name that stands before the side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ran: Counter[str] = Counter()

    def side(self, name: str, **policies: tuple[str, str, str]) -> Side:
        folder = self._folder / name
        folder.mkdir()
        for each, (kind, resources, body) in policies.items():
            (folder / f"{each}.py").write_text(POLICY.format(kind=kind, resources=resources, name=each, body=body))
            binding = "Validating" if kind == "validate" else "Mutating"
            actions = "validationActions: [Deny]" if kind == "validate" else ""
            (folder / f"{each}.yaml").write_text(
                f"apiVersion: admissionregistration.k8s.io/v1\nkind: {binding}AdmissionPolicyBinding\n"
                f"metadata: {{name: {each}}}\nspec: {{policyName: {each}, {actions}}}\n"
            )
        tree = read_tree(folder)
        loaded = load_tree(tree)
        counting = (map(partial(self._counting, name), policies) for policies in (loaded.validating, loaded.mutating))
        return Side(name, PolicySet(*counting, objects=loaded.objects), tree)

    def _counting(self, side: str, policy: Policy[Any]) -> Policy[Any]:
        return replace(policy, evaluator=Counting(policy.evaluator, self.ran, f"{side} {policy.name}"))


class Counting:
    """An evaluator that counts how often it is asked."""

    def __init__(self, evaluator: Any, ran: Counter[str], name: str) -> None:
        self._evaluator, self._ran, self._name = evaluator, ran, name
        self.reinvoked = getattr(evaluator, "reinvoked", False)
        self.programs = evaluator.programs

    def evaluate(self, review: Any, params: Any) -> Any:
        self._ran[self._name] += 1
        return self._evaluator.evaluate(review, params)

    def mutate(self, review: Any, params: Any) -> Any:
        self._ran[self._name] += 1
        return self._evaluator.mutate(review, params)

    def with_custom_kinds(self, custom: Any) -> Any:
        return Counting(self._evaluator.with_custom_kinds(custom), self._ran, self._name)


def judged(old: Side, new: Side) -> tuple[list[str], Counted]:
    documents, _ = reader.parse(OBJECTS, "objects.yaml")
    counted = Counted()
    found = impacts(Manifests(documents, Options()), old, new, compared(old, new), counted)
    return [each.identity.name for each in found], counted


def test_a_policy_that_is_the_same_is_not_evaluated_where_nothing_differs(tmp_path: Path) -> None:
    trees = Trees(tmp_path)
    same = {
        "same": ("validate", "configmaps", "return None"),
        "first": ("mutate", "configmaps", LABEL.format("a", "b")),
    }
    old = trees.side("old", **same, other=("validate", "serviceaccounts", "return None"))
    new = trees.side("new", **same, other=("validate", "serviceaccounts", "return 'no'"))
    found, counted = judged(old, new)
    assert found == ["serviceaccount-0", "serviceaccount-1", "serviceaccount-2"]
    assert counted.left_out == 3
    assert trees.ran == {"old other": 3, "new other": 3}


def test_a_mutation_that_is_the_same_is_computed_once(tmp_path: Path) -> None:
    trees = Trees(tmp_path)
    same = {"a": ("mutate", "configmaps", LABEL.format("a", "b")), "same": ("validate", "configmaps", "return None")}
    old = trees.side("old", **same, other=("validate", "configmaps", "return None"))
    new = trees.side("new", **same, other=("validate", "configmaps", "return None  # the same in other words"))
    found, counted = judged(old, new)
    assert not found
    assert trees.ran == {"old a": 3, "old other": 3, "new other": 3}
    assert counted.reused == 3


def test_behind_a_mutation_that_differs_policies_see_other_objects(tmp_path: Path) -> None:
    trees = Trees(tmp_path)
    body = 'return "gold" if request.object["metadata"]["labels"]["tier"] == "gold" else None'
    same = {"same": ("validate", "configmaps", body)}
    old = trees.side("old", **same, label=("mutate", "configmaps", LABEL.format("tier", "gold")))
    new = trees.side("new", **same, label=("mutate", "configmaps", LABEL.format("tier", "iron")))
    found, counted = judged(old, new)
    assert found == ["configmap-0", "configmap-1", "configmap-2"]
    assert (trees.ran["old same"], trees.ran["new same"]) == (3, 3)
    assert counted.matched == {("MutatingAdmissionPolicy", "label"): 3}
    assert counted.ran == {("MutatingAdmissionPolicy", "label")}


def test_what_is_denied_anyway_is_found_out_where_it_matters(tmp_path: Path) -> None:
    trees = Trees(tmp_path)
    same = {"same": ("validate", "configmaps", 'return "no" if request.name == "configmap-1" else None')}
    old = trees.side("old", **same, other=("validate", "configmaps", "return None"))
    new = trees.side("new", **same, other=("validate", "configmaps", "return 'no'"))
    documents, _ = reader.parse(OBJECTS, "objects.yaml")
    found = impacts(Manifests(documents, Options()), old, new, compared(old, new), Counted())
    assert [(each.was_denied, each.is_denied) for each in found] == [(False, True), (True, True), (False, True)]
    assert trees.ran["new same"] == 3 and not trees.ran["old same"]
