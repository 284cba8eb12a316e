"""Policies and exceptions as the page shows them: their state, and their counts from the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from webhook.library.metadata import CATEGORY, CONTROLS, SEVERITY, TITLE, controls_of
from webhook.policy.policyset import Policy
from webhook.server.plain.app import listing
from webhook.server.state import State
from webhook.visible import visible

MOST: Final = 1000
"""Policies, and exceptions, that are listed."""

_MAX_TEXT = 500
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
    """Policies and exceptions as JSON values, at most MOST of each."""
    policies = state.in_force.policies
    listed = listing(policies, state.python_policies(), state.not_sent)
    about: Mapping[tuple[str, str], Policy[Any]] = {(each.kind, each.name): each for each in policies.policies}
    shown = []
    for each in listed["policies"][:MOST]:
        said = dict(about[each["kind"], each["name"]].annotations)
        for binding in each["bindings"]:
            binding["counted"] = counts.of_binding(each["name"], binding["name"])
        each["mutations"] = int(counts.mutations.get((each["name"],), 0))
        each["title"] = said.get(TITLE, "")
        each["severity"] = said.get(SEVERITY, "")
        each["category"] = said.get(CATEGORY, "")
        each["controls"] = [str(control) for control in controls_of(said.get(CONTROLS, ""))]
        shown.append(each)
    excepted = listed["exceptions"][:MOST]
    for each in excepted:
        each["used"] = int(counts.excepted.get((each["name"],), 0))
    return {
        "policies": bounded(shown),
        "exceptions": bounded(excepted),
        "notShown": max(0, len(listed["policies"]) - MOST) + max(0, len(listed["exceptions"]) - MOST),
    }


def bounded(value: Any) -> Any:
    """A JSON value whose texts are cut, and have no control characters."""
    if isinstance(value, str):
        return visible(value[:_MAX_TEXT]) + ("…" if len(value) > _MAX_TEXT else "")
    if isinstance(value, dict):
        return {key: bounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [bounded(each) for each in value]
    return value
