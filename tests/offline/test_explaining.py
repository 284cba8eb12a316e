"""The explanation of a policy's verdict agrees with the verdict: on every case of the shipped policies' tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.amounts import amount
from webhook.admission.record import Evaluated
from webhook.admission.redaction import Redaction
from webhook.cel import Program
from webhook.offline.cases import policytest, runs
from webhook.offline.explaining import ExplainedPolicy, explained
from webhook.paths import Path as ObjectPath
from webhook.policy.cel.validating import CELValidator
from webhook.policy.evaluation import Evaluation
from webhook.policy.load.loading import load
from webhook.policy.matching import Match, RequestNamespace, Rule
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.policy.reviewing import Recording, Review
from webhook.policy.selectors import Requirement, Selector
from webhook.policy.unmatched import why_not

POLICIES = Path(__file__).parents[2] / "policies"


@dataclass
class Compared:
    """A policy that is evaluated plainly, and with each kind of trace, whenever it is to be evaluated."""

    validator: CELValidator
    compared: list[Evaluation]

    def programs(self) -> Iterator[tuple[ObjectPath, Program]]:
        return self.validator.programs()

    def prepare(self) -> None:
        self.validator.prepare()

    @property
    def sharable(self) -> tuple[tuple[str, bytes], ...]:
        return self.validator.sharable

    def share(self, repeated: Collection[bytes]) -> None:
        self.validator.share(repeated)

    def evaluate(self, review: Review, params: Any) -> Evaluation:
        plain, failures, everything = (self.validator.evaluate(again(review, each), params) for each in RECORDINGS)
        assert plain == failures == everything  # the trace is no part of it
        assert plain.trace is None
        found = bool(plain.failures or plain.annotation_errors)
        assert (failures.trace is not None) == found
        explained = explained_as(self.validator, review, params, everything)
        failed = {each.place[2]: each for each in explained.validations if not each.holds}
        if not explained.matched:
            assert (plain.failures, plain.ran) == ((), False)
        else:
            assert plain.ran
            assert len(explained.validations) == len(self.validator.validations)
            assert [failure.index for failure in plain.failures] == list(failed)
            for failure in plain.failures:
                assert (failure.error, failed[failure.index].explanation.failed) in ((True, True), (False, False))
                if failure.error:
                    assert failure.message.endswith(f"resulted in error: {failed[failure.index].error}")
                elif failure.index in explained.messages:
                    message = explained.messages[failure.index].explanation.value.strip()
                    # The API server uses no message of several lines.
                    assert failure.message == message or ("\n" in message and failure.message.startswith("failed "))
        if found:  # what only failures bring along is the same of them
            less = explained_as(self.validator, review, params, failures)
            for each in less.validations:
                assert each.explanation.witnesses == failed[each.place[2]].explanation.witnesses
        self.compared.append(plain)
        return plain


RECORDINGS: tuple[Recording | None, ...] = (None, "failures", "everything")


def again(review: Review, recording: Recording | None) -> Review:
    """The same review, once more."""

    def find(name: str) -> Any:
        assert review.cluster is not None
        return review.cluster.namespace(name).value

    return Review(review.request, review.cluster, find, review.deadline, recording)


def explained_as(validator: CELValidator, review: Review, params: Any, result: Evaluation) -> ExplainedPolicy:
    policy = Policy("ValidatingAdmissionPolicy", "p", "cel", "", "", 1, "Fail", Match(), None, validator)
    binding = Binding("ValidatingAdmissionPolicyBinding", "b", "p", ("Deny",), None, None, "", 1)
    found = explained(Evaluated(policy, binding, params, review.request, result), Redaction())
    assert found is not None
    return found


def test_every_case_of_the_shipped_policies_is_explained_as_it_is_decided() -> None:
    loaded = load(POLICIES)
    compared: list[Evaluation] = []
    policies = PolicySet(
        [
            policy.evaluated_by(lambda validator: Compared(cast("CELValidator", validator), compared))
            if policy.language == "cel"
            else policy
            for policy in loaded.validating
        ],
        loaded.mutating,
        objects=loaded.objects,
    )
    planned, problems = policytest.plan([str(POLICIES)], loaded)
    assert problems == []
    results = list(runs.run(planned[:: amount(1, 30)], policies))
    assert all(result.passed for result in results)
    assert len(compared) >= 40
    assert any(evaluation.failures for evaluation in compared)


POD = Request(
    operation="CREATE",
    resource=GroupVersionResource("", "v1", "pods"),
    kind=GroupVersionKind("", "v1", "Pod"),
    name="web",
    namespace="shop",
    object={"metadata": {"labels": {"app": "web", "tier": "front"}}},
)
NAMESPACE = RequestNamespace(POD, lambda name: {"metadata": {"labels": {"team": "blue"}}})
PODS = Rule(frozenset({""}), frozenset({"v1"}), (("pods", ""),), frozenset({"CREATE"}))
ANY = Rule(frozenset("*"), frozenset("*"), (("*", ""),), frozenset("*"))


def selector(key: str, operator: Any, *values: str) -> Selector:
    return Selector((Requirement(key, operator, frozenset(values)),))


@pytest.mark.parametrize(
    ("match", "why"),
    [
        (Match((PODS,)), None),
        (
            Match((replace(PODS, resources=(("services", ""), ("configmaps", ""))),)),
            "m.resourceRules are about services, configmaps; this is v1 pods",
        ),
        (Match((replace(PODS, versions=frozenset({"v2"})),)), "m.resourceRules are about v2 pods; this is v1 pods"),
        (
            Match((replace(PODS, resources=(("pods", "exec"),)),)),
            "m.resourceRules are about v1 pods/exec; this is v1 pods",
        ),
        (
            Match((replace(PODS, operations=frozenset({"DELETE", "UPDATE"})),)),
            "m.resourceRules are about DELETE and UPDATE of these, not about CREATE",
        ),
        (Match((PODS,), (ANY,)), "m.excludeResourceRules[0] leaves out v1 pods"),
        (
            Match((replace(PODS, names=frozenset({"db"})),)),
            "m.resourceRules are about the names db; this is web",
        ),
        (
            Match((replace(PODS, scope="Cluster"),)),
            "m.resourceRules have the scope Cluster; this is namespaced",
        ),
        (
            Match((PODS,), object_selector=selector("app", "In", "db", "cache")),
            "m.objectSelector wants app in (cache, db) (it is 'web')",
        ),
        (Match((PODS,), object_selector=selector("x", "Exists")), "m.objectSelector wants the label x (there is none)"),
        (
            Match((PODS,), object_selector=selector("tier", "DoesNotExist")),
            "m.objectSelector wants no label tier (it is 'front')",
        ),
        (
            Match((PODS,), namespace_selector=selector("team", "In", "red")),
            "m.namespaceSelector wants team=red (it is 'blue') of the Namespace",
        ),
        (
            Match((PODS,), namespace_selector=selector("team", "NotIn", "blue")),
            "m.namespaceSelector wants team not in (blue) (it is 'blue') of the Namespace",
        ),
    ],
)
def test_why_a_policy_is_not_about_a_request(match: Match, why: str | None) -> None:
    assert why_not(match, POD, NAMESPACE, "m") == why


def test_a_namespace_that_nobody_knows_leaves_the_match_open() -> None:
    nowhere = RequestNamespace(POD, lambda name: None)
    match = Match((PODS,), namespace_selector=selector("team", "In", "red"))
    assert why_not(match, POD, nowhere, "m") == 'm.namespaceSelector cannot be decided: namespaces "shop" not found'
