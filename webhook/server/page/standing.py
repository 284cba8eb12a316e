"""Policies and exceptions as the page shows them: their state, and their counts from the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client.metrics_core import Metric

from webhook.library.listing import described, listing
from webhook.server.state import State

_RESULTS = ("deny", "warn", "audit", "error")

Counted = dict[tuple[str, ...], float]


class Counts:
    """What the metrics say of policies, bindings and exceptions."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.evaluations: Counted = {}
        self.findings: Counted = {}
        self.mutations: Counted = {}
        self.excepted: Counted = {}
        self.verdicts: dict[str, float] = {}
        labels = {
            "gatewright_policy_evaluations_total": (self.evaluations, ("policy", "binding")),
            "gatewright_policy_findings_total": (self.findings, ("policy", "binding", "result")),
            "gatewright_policy_mutations_total": (self.mutations, ("policy",)),
            "gatewright_policy_exceptions_used_total": (self.excepted, ("exception",)),
        }
        for metric in metrics:
            for sample in metric.samples:
                if sample.name in labels:
                    counted, names = labels[sample.name]
                    key = tuple(sample.labels[name] for name in names)
                    counted[key] = counted.get(key, 0) + sample.value
                elif sample.name == "gatewright_reviews_total":
                    verdict = sample.labels["verdict"]
                    self.verdicts[verdict] = self.verdicts.get(verdict, 0) + sample.value

    def of_binding(self, policy: str, binding: str) -> dict[str, int]:
        """How often a binding was evaluated, and the findings under it."""
        found = {result: int(self.findings.get((policy, binding, result), 0)) for result in _RESULTS}
        return {"evaluations": int(self.evaluations.get((policy, binding), 0)), **found}


def standing(state: State, counts: Counts) -> dict[str, Any]:
    """Policies and exceptions as JSON values, a bounded number of each."""
    policies = state.in_force.policies
    listed = listing(policies, state.python_policies(), state.not_sent)
    for each in listed["policies"]:
        each["mutations"] = int(counts.mutations.get((each["name"],), 0))
    used = {exception: count for (exception,), count in counts.excepted.items()}
    return described(policies, listed, lambda _, policy, binding: counts.of_binding(policy, binding), used)
