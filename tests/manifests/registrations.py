"""Which webhooks of a configuration are called for a request, by our own engine.

A webhook's rules, selectors and matchConditions have the form of those of a ValidatingAdmissionPolicy. So each webhook
becomes a policy that denies every request that it matches. test_kubernetes uses the API server's own packages instead.
"""

from __future__ import annotations

from typing import Any

from tests.policy.trees import loaded
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request
from webhook.schema import Kinds

VIEW = ManifestsView([], Kinds.builtin(), assume_namespaces=True)


def as_policies(webhooks: list[dict[str, Any]]) -> PolicySet:
    """A set with one policy for each webhook, under the webhook's name."""
    objects: list[dict[str, Any]] = []
    for webhook in webhooks:
        policy = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": webhook["name"]},
            "spec": {
                "matchConstraints": {
                    "resourceRules": webhook["rules"],
                    "matchPolicy": webhook["matchPolicy"],
                    "namespaceSelector": webhook["namespaceSelector"],
                    "objectSelector": webhook.get("objectSelector", {}),
                },
                "matchConditions": webhook.get("matchConditions", []),
                "validations": [{"expression": "false", "message": "called"}],
            },
        }
        binding = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": webhook["name"]},
            "spec": {"policyName": webhook["name"], "validationActions": ["Deny"]},
        }
        objects += [policy, binding]
    return loaded(*objects)


def called(webhooks: PolicySet, request: Request) -> list[str]:
    """The names of the webhooks that are called for a request. `webhooks`: from `as_policies`."""
    findings = engine.validate(request, webhooks, VIEW).findings
    assert {finding.message for finding in findings} <= {"called"}, findings
    return [finding.policy for finding in findings]
