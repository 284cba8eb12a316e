"""Policies that declare the same variable evaluate it once on one request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.amounts import amount
from tests.policy.trees import binding, config_map, loaded, pod, policy, request
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.cases import policytest
from webhook.policy.cel.validating import CELValidator
from webhook.policy.evaluation import Evaluation
from webhook.policy.load.loading import load
from webhook.policy.matching import RequestKey
from webhook.policy.policyset import Binding, PolicySet
from webhook.policy.reviewing import Review

CONTAINERS = "object.spec.containers + object.spec.?initContainers.orValue([])"


def declaring(name: str, validation: str, **spec: Any) -> list[dict[str, Any]]:
    """A policy with its binding. variables: as a dict of sources."""
    variables = [{"name": key, "expression": source} for key, source in spec.pop("variables", {}).items()]
    declared = policy(name, variables=variables, validations=[{"expression": validation}], **spec)
    return [declared, binding(name, name=f"{name}-b")]


def evaluated(policies: PolicySet, value: dict[str, Any], params: Any = None) -> tuple[Review, list[Evaluation]]:
    """A review of the object by all policies, in order, and what each found."""
    sent = request(value)
    policies.validators_for(sent)
    review = Review(sent, ManifestsView(()), lambda name: None)
    return review, [each.evaluator.evaluate(review, params) for each in policies.validating]


def kept(review: Review) -> list[Any]:
    return [each.value for each in review.shared.values()]


def found(evaluations: list[Evaluation]) -> list[list[str]]:
    return [[each.message for each in evaluation.failures] for evaluation in evaluations]


def test_a_variable_that_two_policies_declare_is_evaluated_once() -> None:
    policies = loaded(
        *declaring("a", "size(variables.all) < 2", variables={"all": CONTAINERS, "own": "1"}),
        *declaring("b", "size(variables.all) < 3 && variables.other == 2", variables={"other": "2", "all": CONTAINERS}),
    )
    value = pod(containers=[{"name": "x"}], initContainers=[{"name": "y"}])
    review, evaluations = evaluated(policies, value)
    assert found(evaluations) == [["failed expression: size(variables.all) < 2"], []]
    assert kept(review) == [[{"name": "x"}, {"name": "y"}]]
    marked = Review(review.request, review.cluster, lambda name: None)
    marked.shared = {key: each._replace(value=[1, 2, 3, 4]) for key, each in review.shared.items()}
    assert found([policies.validating[1].evaluator.evaluate(marked, None)]) != [[]]  # so it is what the second one uses


def test_the_same_name_with_another_meaning_is_not_shared() -> None:
    twice = {"size": "variables.base * 2"}
    policies = loaded(
        *declaring("a", "variables.size == 2", variables={"base": "size(object.metadata.name) - 2", **twice}),
        *declaring("b", "variables.size == 200", variables={"base": "100", **twice}),
        *declaring("c", "variables.size == 200", variables={"base": "100", **twice}),
    )
    review, evaluations = evaluated(policies, pod("web"))
    assert found(evaluations) == [[], [], []]
    assert kept(review) == [200]


def test_what_depends_on_params_or_on_an_authorizer_is_not_shared() -> None:
    kind = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
    variables = {"max": "int(params.data.max)", "more": "variables.max + 1", "name": "size(object.metadata.name)"}
    check = {"may": "authorizer.group('').resource('pods').check('create').allowed()"}
    policies = loaded(
        *declaring("a", "variables.more > 0", variables=variables, **kind),
        *declaring("b", "variables.more > 0", variables=variables, **kind),
        *declaring("c", "true || variables.may", variables=check),
        *declaring("d", "true || variables.may", variables=check),
    )
    shared = {each.name: [name for name, _ in each.evaluator.sharable] for each in policies.validating}
    assert shared == {"a": ["variables.name"], "b": ["variables.name"], "c": [], "d": []}
    _, evaluations = evaluated(policies, pod(), config_map("limits", {"max": "-2"}))
    assert found(evaluations)[:2] == [["failed expression: variables.more > 0"]] * 2


def test_an_error_is_one_for_each_policy() -> None:
    variables = {"owner": "object.metadata.labels.owner"}
    policies = loaded(
        *declaring("a", "variables.owner == 'x'", variables=variables),
        *declaring("b", "variables.owner == 'x'", variables=variables),
    )
    review, evaluations = evaluated(policies, pod())
    assert all(each.failures[0].error and "no such key" in each.failures[0].message for each in evaluations)
    assert not review.shared


def test_a_variable_of_one_policy_is_not_kept_unless_it_is_evaluated_several_times() -> None:
    once = declaring("a", "variables.size > 0", variables={"size": "size(object.metadata.name)"})
    assert not evaluated(loaded(*once), pod())[0].shared
    assert kept(evaluated(loaded(*once, binding("a", name="other")), pod("web"))[0]) == [3]


def test_what_is_expensive_is_not_kept() -> None:
    variables = {"size": "object.spec.containers.map(c, object.spec.containers.map(d, d.name + c.name)).size()"}
    policies = loaded(
        *declaring("a", "variables.size > 0", variables=variables),
        *declaring("b", "variables.size > 0", variables=variables),
    )
    review, evaluations = evaluated(policies, pod(containers=[{"name": "x"}] * 200))
    assert found(evaluations) == [[], []]
    assert not review.shared
    assert kept(evaluated(policies, pod(containers=[{"name": "x"}]))[0]) == [1]


def test_each_policy_is_charged_what_the_shared_value_cost() -> None:
    variables = {"all": "object.spec.containers.map(c, c.name)"}
    policies = loaded(
        *declaring("a", "size(variables.all) > 0", variables=variables),
        *declaring("b", "size(variables.all) > 0", variables=variables),
    )
    review, _ = evaluated(policies, pod(containers=[{"name": "x"}] * 100))
    ((key, shared),) = review.shared.items()
    assert shared.units > 100
    # Beyond the budget, the form decides that counts exactly and shares nothing, so that the wrong value is not seen.
    for units, is_seen in ((shared.units, True), (10_000_001, False)):
        marked = Review(review.request, review.cluster, lambda name: None)
        marked.shared = {key: shared._replace(value=[], units=units)}
        assert (found([policies.validating[1].evaluator.evaluate(marked, None)]) != [[]]) is is_seen


def test_a_mutated_object_has_values_of_its_own() -> None:
    policies = loaded(
        *declaring("a", "variables.size == 3", variables={"size": "size(object.metadata.name)"}),
        *declaring("b", "variables.size == 3", variables={"size": "size(object.metadata.name)"}),
    )
    review, _ = evaluated(policies, pod("web"))
    assert kept(review) == [3]
    other = review.with_object(pod("longer"))
    assert not other.shared
    assert not review.renewed().shared


LIBRARY = Path(__file__).parents[3] / "policies"


def test_a_verdict_of_the_library_does_not_depend_on_what_others_have_evaluated() -> None:
    """On requests of all the library's cases: each policy after all others, in both orders, and each by itself."""
    tree = load(LIBRARY)
    planned, problems = policytest.plan([str(LIBRARY)], tree)
    assert problems == []
    bound = Binding("ValidatingAdmissionPolicyBinding", "b", "p", ("Deny",), None, None, "", 1)
    policies = PolicySet(
        [
            replace(each, bindings=(bound,))
            for each in tree.validating
            if isinstance(each.evaluator, CELValidator) and each.param_kind is None
        ],
        (),
        objects=tree.objects,
    )
    view = ManifestsView(tree.objects)
    used = different = 0
    for case in planned[:: amount(1, 25)]:
        sent = case.request
        key = RequestKey.of(sent)
        matched = [each.evaluator for each in policies.validating if any(rule.covers(key) for rule in each.match.rules)]
        policies.validators_for(sent)
        alone = [each.evaluate(Review(sent, view, lambda name: None), None) for each in matched]
        for order in (1, -1):
            review = Review(sent, view, lambda name: None)
            assert [each.evaluate(review, None) for each in matched[::order]] == alone[::order]
            used += len(review.shared)
        different += any(each.failures for each in alone)
    assert used > 100
    assert different > 10
