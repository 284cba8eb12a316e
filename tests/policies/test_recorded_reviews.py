"""The shipped policies give each review that a real API server sent the verdict that expected.json says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.policies.conftest import REVIEWS
from webhook.admission import review
from webhook.admission.engine import mutate, validate
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet

VERDICTS: dict[str, dict[str, Any]] = json.loads((REVIEWS / "expected.json").read_bytes())["verdicts"]

# What the denial says, in the words of the policy.
TEXTS = {
    "014-validate-create-services.json": "spec.ports[0]: port 80 declares no application protocol; set appProtocol to",
    "018-validate-create-services.json": "port 5678 declares no application protocol (its name, 5678-8080, is no ",
    "020-validate-create-pods.json": "spec.volumes[0]: hostPath volumes open the files of the node to the Pod (h)",
    "036-validate-create-horizontalpodautoscalers.json": "spec.maxReplicas is 20; set it from 1 to 10",
    "058-validate-create-statefulsets.json": "port 36412 of db is SCTP; it must be TCP or UDP",
}


def test_every_recorded_review_has_a_verdict() -> None:
    assert sorted(VERDICTS) == sorted(path.name for path in REVIEWS.glob("0*.json"))
    assert len(VERDICTS) == 58


@pytest.mark.parametrize("file", [name for name in VERDICTS if "-validate-" in name])
def test_validation(file: str, served: PolicySet, cluster: ManifestsView) -> None:
    decision = validate(review.parse((REVIEWS / file).read_bytes()), served, cluster)
    expected = VERDICTS[file]
    assert decision.allowed is expected["allowed"], decision.causes
    if expected["allowed"]:
        assert decision.findings == ()
    else:
        policy = expected["policy"]
        assert {finding.policy for finding in decision.findings} == {policy}
        assert not any(finding.error for finding in decision.findings)
        assert decision.message.startswith(
            f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request:"
        )
        assert TEXTS[file] in decision.message


@pytest.mark.parametrize("file", [name for name in VERDICTS if "-mutate-" in name])
def test_mutation(file: str, served: PolicySet, cluster: ManifestsView) -> None:
    mutation = mutate(review.parse((REVIEWS / file).read_bytes()), served, cluster)
    assert VERDICTS[file]["allowed"]
    assert mutation.allowed
    assert not mutation.changed
