"""A policy that shows that others are in force: the API server loads all policies of one moment together."""

from __future__ import annotations

from typing import Any

GROUP = "admissionregistration.k8s.io/v1"
PROBES = "/api/v1/namespaces/default/configmaps?dryRun=All"
PROBE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "library-probe"}}
"""What is refused with 422, by a POST to PROBES, as soon as the policy is in force."""
PROBED = "the library is in force"

Object = dict[str, Any]


def probe() -> list[Object]:
    """The policy and its binding: apply them with the others, as the last ones."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    policy = {
        "apiVersion": GROUP,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "library-probe"},
        "spec": {
            "matchConstraints": {"resourceRules": [{**rule, "resourceNames": ["library-probe"]}]},
            "validations": [{"expression": "false", "message": PROBED}],
        },
    }
    binding = {
        "apiVersion": GROUP,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "library-probe"},
        "spec": {"policyName": "library-probe", "validationActions": ["Deny"]},
    }
    return [policy, binding]
