"""What the API server refuses when a policy or a binding is created, we refuse to load; what it takes, we load."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.e2e.controlplane import ControlPlane
from tests.e2e.differential.cases import CORPUS, GROUP, merged
from tests.e2e.differential.runs import BINDINGS, POLICIES
from tests.policy.trees import loaded
from webhook.policy.load.loading import PolicyTreeError

TEXT = (CORPUS / "creation" / "policies.yaml").read_text().replace("LONG", "x" * 6000)
WRITTEN: list[dict[str, Any]] = yaml.safe_load(TEXT)["policies"]
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
PLAIN_POLICY = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}
PLAIN_BINDING = {"policyName": "it", "validationActions": ["Deny"]}


def objects(written: dict[str, Any]) -> list[dict[str, Any]]:
    """The policy and the binding of an entry."""
    return [
        {
            "apiVersion": GROUP,
            "kind": kind,
            "metadata": {"name": "it"},
            "spec": merged(plain, written.get(field, {})),
        }
        for kind, field, plain in (
            ("ValidatingAdmissionPolicy", "policy", PLAIN_POLICY),
            ("ValidatingAdmissionPolicyBinding", "binding", PLAIN_BINDING),
        )
    ]


def problems(made: list[dict[str, Any]]) -> str:
    """What is wrong with a tree of these objects; "" if it loads."""
    try:
        loaded(*made)
    except PolicyTreeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written["name"])
def test_what_the_server_refuses_is_refused(cluster: ControlPlane, written: dict[str, Any]) -> None:
    made = objects(written)
    replies = [
        cluster.client().post(f"{path}?dryRun=All", each) for path, each in zip((POLICIES, BINDINGS), made, strict=True)
    ]
    natively = "\n".join(reply.message for reply in replies if not reply.ok)
    assert bool(natively) is not written.get("accepted", False), natively or "the server takes it: accepted: true"
    ours = problems(made)
    if written.get("differs"):
        assert bool(ours) != bool(natively), "it agrees: take its `differs` out"
    else:
        assert bool(ours) == bool(natively), (ours, natively)
