"""What is not evaluated: a policy that is the same on both sides, wherever that is sure."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from webhook.cluster.manifestsview import ManifestsView
from webhook.documents import reader
from webhook.impact.corpus import Manifests
from webhook.impact.deciding import Counted, impacts
from webhook.impact.differences import Difference
from webhook.impact.remembering import Memory
from webhook.impact.sameness import compared
from webhook.impact.trees import Side
from webhook.offline.requests import Options
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.policy.reviewing import Review

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
        return replace(policy, held=Counting(policy.evaluator, self.ran, f"{side} {policy.name}"))


class Counting:
    """An evaluator that counts how often it is asked."""

    def __init__(self, evaluator: Any, ran: Counter[str], name: str) -> None:
        self._evaluator, self._ran, self._name = evaluator, ran, name
        self.reinvoked = getattr(evaluator, "reinvoked", False)
        self.programs = evaluator.programs
        self.sharable, self.share = getattr(evaluator, "sharable", ()), getattr(evaluator, "share", None)

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


CEL = """\
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  {spec}
  matchConstraints:
    resourceRules: [{{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE], resources: [{resources}]}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}Binding
metadata: {{name: {name}}}
spec: {{policyName: {name}, {binding}}}
"""


def validating(name: str, spec: str, resources: str = "configmaps", binding: str = "") -> str:
    bound = f"validationActions: [Deny]{binding}"
    return CEL.format(kind="ValidatingAdmissionPolicy", name=name, spec=spec, resources=resources, binding=bound)


def mutating(name: str, expression: str, resources: str = "configmaps", more: str = "", binding: str = "") -> str:
    patch = f"{{patchType: JSONPatch, jsonPatch: {{expression: {json.dumps(expression)}}}}}"
    spec = f"reinvocationPolicy: Never\n  mutations: [{patch}]{more}"
    return CEL.format(kind="MutatingAdmissionPolicy", name=name, spec=spec, resources=resources, binding=binding)


def loaded(folder: Path, python: str = "", **texts: str) -> Side:
    folder.mkdir()
    if python:
        (folder / "policy.py").write_text(python)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    tree = read_tree(folder)
    return Side(folder.name, load_tree(tree), tree)


def differences(old: Side, new: Side, text: str) -> tuple[list[Difference], Counted]:
    documents, _ = reader.parse(text, "objects.yaml")
    counted = Counted()
    corpus = Manifests(documents, Options())
    return list(impacts(corpus, old, new, compared(old, new), counted)), counted


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\ndata: {a: swordfish}\n"


def test_what_one_policy_reads_of_a_secret_is_hidden_in_the_messages_of_all(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {key: swordfish}\n"
    reading = validating(
        "reads",
        'paramKind: {apiVersion: v1, kind: Secret}\n  validations: [{expression: "params != null"}]',
        binding=", paramRef: {name: s, namespace: shop, parameterNotFoundAction: Deny}",
    )
    sides = [
        loaded(
            tmp_path / name,
            reads=reading,
            secret=secret,
            says=validating(
                "says", f'validations: [{{expression: "{name}", messageExpression: "string(object.data.a)"}}]'
            ),
        )
        for name in ("true", "false")
    ]
    found, _ = differences(sides[0], sides[1], CONFIG)
    assert [located.message for each in found[0].differing for located in each.new] == ["<9 characters>"]


def test_each_param_of_a_mutation_has_its_own_result(tmp_path: Path) -> None:
    """The first param changes nothing, so that the second is put to the same object."""
    params = "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: rules, labels: {{of: it}}}}\n"
        f"data: {{tier: '{tier}'}}\n"
        for name, tier in (("one", ""), ("two", "gold"))
    )
    label = (
        "from gatewright import mutate\n\n"
        '@mutate(resources=["v1/configmaps"], operations=["CREATE"], param_kind="v1/ConfigMap")\n'
        "def label(request, params):\n"
        '    if params["data"]["tier"]:\n'
        '        request.object["metadata"]["labels"] = {"tier": params["data"]["tier"]}\n'
    )
    bound = mutating(
        "label",
        "[]",
        binding="paramRef: {selector: {matchLabels: {of: it}}, namespace: rules, parameterNotFoundAction: Deny}",
    ).partition("---\n")[2]
    sides = [
        loaded(
            tmp_path / name,
            label,
            bound=bound,
            params=params,
            gold=validating(
                "gold", f"validations: [{{expression: \"object.metadata.labels.tier == 'gold' && {name}\"}}]"
            ),
        )
        for name in ("true", "false")
    ]
    found, counted = differences(sides[0], sides[1], CONFIG)
    assert [(each.was_denied, each.is_denied) for each in found] == [(False, True)]
    assert not any(located.finding.error for each in found[0].differing for located in each.new)
    assert counted.reused == 4  # on the new side, and where it is asked what else denies


def test_a_result_that_is_reused_spends_the_budget_of_mutations(tmp_path: Path) -> None:
    grow = mutating("grow", "[JSONPatch{op: 'add', path: '/data/b', value: 'x'}]")
    side = loaded(tmp_path / "one", grow=grow)
    memory = Memory()
    policy = memory.of(side.policies.mutating[0])
    request = Request(
        operation="CREATE",
        resource=GroupVersionResource("", "v1", "configmaps"),
        kind=GroupVersionKind("", "v1", "ConfigMap"),
        object=reader.parse(CONFIG, "c.yaml")[0][0].value,
    )
    first, second = (Review(request, ManifestsView([]), lambda _: None) for _ in range(2))
    one, other = policy.evaluator.mutate(first, None), policy.evaluator.mutate(second, None)
    assert one is other and memory.reused == 1
    assert second.mutated == first.mutated and second.mutated is not None and second.mutated.count == 1
    assert second.mutated is not first.mutated  # each goes on to count for itself


def test_pods_that_a_mutation_adds_are_judged(tmp_path: Path) -> None:
    """A custom workload may have no template before it is mutated: then no request for its Pod is planned."""
    template = "{'spec': {'containers': [{'name': 'c', 'image': 'x:1'}]}}"
    adds = mutating("adds", f"[JSONPatch{{op: 'add', path: '/spec/template', value: {template}}}]", "rollouts")
    sides = [
        loaded(tmp_path / name, adds=adds, pods=validating("pods", f'validations: [{{expression: "{name}"}}]', "pods"))
        for name in ("true", "false")
    ]
    rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: f, namespace: shop}\nspec: {size: 1}\n"
    found, _ = differences(sides[0], sides[1], rollout)
    assert [(each.identity.kind, each.is_denied) for each in found] == [("Rollout", True)]
