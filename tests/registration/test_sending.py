"""Which policies are not asked about all that they need, by the rules that are registered."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.policy.trees import binding, loaded, mutating_binding, mutating_policy, policy
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.registration.configurations import Options, text
from webhook.registration.sending import needs, unsent
from webhook.registration.webhooks import PHASES, webhooks

Rule = dict[str, Any]
LIBRARY = Path(__file__).parents[2] / "policies"


def registered(policies: PolicySet) -> list[list[dict[str, Any]]]:
    """The webhooks of both configurations, as `gatewright manifests` writes them."""
    return [each["webhooks"] for each in yaml.safe_load_all(text(webhooks(policies), Options(), "x"))]


def said(hooks: list[list[dict[str, Any]]], policies: PolicySet) -> list[str]:
    return [
        str(each)
        for phase, own in zip(PHASES, hooks, strict=True)
        for each in unsent(own, phase, needs(policies, phase))
    ]


def rule(resource: str = "pods", group: str = "", version: str = "v1", *operations: str, **more: str) -> Rule:
    named = {"apiGroups": [group], "apiVersions": [version], "operations": list(operations or ("CREATE",))}
    return {**named, "resources": [resource], **more}


def webhook(path: str, *rules: dict[str, Any], url: str = "") -> dict[str, Any]:
    client = {"url": f"{url}{path}"} if url else {"service": {"name": "x", "namespace": "y", "path": path}}
    return {"name": "w", "clientConfig": client, "rules": list(rules)}


def test_the_shipped_policies_are_sent_what_they_need() -> None:
    policies = load(LIBRARY)
    hooks = registered(policies)
    assert said(hooks, policies) == []
    for number, phase in enumerate(PHASES):
        fewer = deepcopy(hooks)
        for hook in fewer[number]:
            hook.pop("rules", None)
        bound = policies.validating if phase == "validate" else policies.mutating
        names = [each.name for each in bound if each.bindings]
        assert len(said(fewer, policies)) == len(names), phase


def test_what_is_missing_is_named() -> None:
    policies = loaded(
        policy("all", rules=[rule("*", "*", "*", "*")]),
        binding("all", name="all"),
        policy("mild", rules=[rule("deployments", "apps", "v1", "UPDATE")], failurePolicy="Ignore"),
        binding("mild", name="mild"),
        mutating_policy("m", {"ApplyConfiguration": "Object{}"}, rules=[rule("pods/exec", "", "v1", "CONNECT")]),
        mutating_binding("m", name="m"),
        policy("unbound", rules=[rule()]),
    )
    assert said([[], []], policies) == [
        "no webhook sends what ValidatingAdmissionPolicy 'all' needs: "
        "CONNECT of */*/*, CREATE of */*/*, DELETE of */*/* and 1 more",
        "no webhook sends what ValidatingAdmissionPolicy 'mild' needs: UPDATE of apps/v1/deployments",
        "no webhook sends what MutatingAdmissionPolicy 'm' needs: CONNECT of v1/pods/exec",
    ]
    assert said(registered(policies), policies) == []


@pytest.mark.parametrize(
    ("sent", "enough"),
    [
        (webhook("/validate/fail", rule()), True),
        (webhook("/validate", rule()), True),  # all policies
        (webhook("/validate/fail", rule(), url="https://localhost:8443"), True),
        (webhook("/validate/fail", rule(), url="https://localhost:8443/below"), True),
        (webhook("/validate/fail", rule("*", "*", "*", "*")), True),
        (webhook("/validate/fail", rule("pods/*")), True),
        (webhook("/validate/fail", rule("*/*")), True),
        (webhook("/validate/fail", rule(scope="Cluster")), False),
        (webhook("/validate/fail", rule(scope="Namespaced")), False),  # the policy does not say so
        (webhook("/validate/ignore", rule()), False),
        (webhook("/mutate/fail", rule()), False),
        (webhook("/mutate", rule()), False),
        (webhook("/", rule()), False),
        (webhook("/validate/fail", rule("pods", "", "v1", "UPDATE")), False),
        (webhook("/validate/fail", rule("pods", "", "v2")), False),
        (webhook("/validate/fail", rule("pods", "apps")), False),
        (webhook("/validate/fail", rule("pods/status")), False),
        (webhook("/validate/fail", rule("*/status")), False),
        (webhook("/validate/fail"), False),
        ({"name": "w"}, False),
    ],
)
def test_a_rule_counts_if_it_sends_all_that_is_needed(sent: dict[str, Any], enough: bool) -> None:
    policies = loaded(policy("p", rules=[rule()]), binding("p"))
    assert (said([[sent], []], policies) == []) is enough


def test_what_a_cluster_needs_to_start_is_not_missed() -> None:
    policies = loaded(policy("p", rules=[rule("nodes")]), binding("p"))
    assert said([[], []], policies) == []
    mild = loaded(policy("p", rules=[rule("nodes")], failurePolicy="Ignore"), binding("p"))
    assert len(said([[], []], mild)) == 1
