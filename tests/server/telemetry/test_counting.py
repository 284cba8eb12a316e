"""Counts of reviews, evaluations and findings: whatever is counted together, the sums are those of counting each."""

from __future__ import annotations

import random
from collections import Counter
from itertools import count

from webhook.admission.decision import Finding
from webhook.policy.policyset import Binding
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.schema import Kinds
from webhook.server.telemetry.counting import EvaluationCounts, FindingCounts, ReviewCounts


def _binding(name: str) -> Binding:
    return Binding("ValidatingAdmissionPolicyBinding", name, "p", ("Deny",), None, None, "", 1)


def _evaluations(counts: EvaluationCounts) -> dict[str, float]:
    (family,) = counts.collect()
    return {sample.labels["binding"]: sample.value for sample in family.samples}


def test_bindings_that_are_evaluated_together_are_counted_each() -> None:
    """More combinations than are kept, and a tree that is put in force in between."""
    chance, counts, expected = random.Random(6), EvaluationCounts(), Counter[str]()
    bindings = tuple(_binding(f"b{number}") for number in range(12))
    counts.bindings(bindings)
    for number in range(3000):
        evaluated = tuple(chance.sample(bindings, chance.randrange(len(bindings) + 1)))
        counts.add(evaluated)
        expected.update(binding.name for binding in evaluated)
        if number == 2000:
            bindings = tuple(_binding(f"b{number}") for number in range(5, 15))
            counts.bindings(bindings)
            assert _evaluations(counts) == {f"b{each}": expected[f"b{each}"] for each in range(15)}
    assert _evaluations(counts) == {f"b{each}": expected[f"b{each}"] for each in range(15)}


def test_a_review_that_ends_after_its_tree_was_replaced_is_counted() -> None:
    """It may have waited for the API server, or for a policy that runs apart. Its bindings may be gone by the time that
    the counts are asked for, and others may be where they were in memory."""
    counts = EvaluationCounts()
    counts.bindings((_binding("old"),))
    for number in range(300):
        counts.add((_binding("old"),))
        counts.bindings((_binding(f"new{number % 3}"),))
        counts.add((_binding("old"), _binding("older")))
    assert _evaluations(counts) == {"new2": 0, "old": 600, "older": 300}


def test_reviews_are_counted_by_verdict_across_collections() -> None:
    counts, numbers = ReviewCounts(Kinds.builtin()), count()
    for verdict, times in (("allow", 5000), ("deny", 3), ("error", 1)):
        for _ in range(times):
            resource = GroupVersionResource(f"g{next(numbers) % 3000}", "v1", "pods")
            request = Request(operation="CREATE", resource=resource, kind=GroupVersionKind("", "v1", "Pod"))
            counts.add("/validate", request, verdict, 0.001)
    assert counts.verdicts() == {"allow": 5000, "deny": 3, "error": 1}
    assert counts.verdicts() == {"allow": 5000, "deny": 3, "error": 1}
    reviews, durations = counts.collect()
    assert {sample.labels["resource"] for sample in reviews.samples} == {"other"}
    assert max(sample.value for sample in durations.samples if sample.name.endswith("_count")) == 5004


def test_findings_are_counted_by_policy_binding_and_result() -> None:
    counts = FindingCounts()
    for result in ("deny", "deny", "error"):
        counts.add(Finding("p", "b", "Deny", "Invalid", 422, "no"), result)
    (family,) = counts.collect()
    assert [(sample.labels["phase"], sample.labels["result"], sample.value) for sample in family.samples] == [
        ("validate", "deny", 2.0),
        ("validate", "error", 1.0),
    ]
