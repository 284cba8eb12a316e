"""What the cases of pod-security-* cannot show: that nothing is said twice, and where the policies are in force."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policies.conftest import LIBRARY
from tests.policies.generated_pods import PREFIX
from tests.policy.trees import pod, request
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet

PRIVILEGED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {"containers": [{"name": "app", "image": "app", "securityContext": {"privileged": True}}]},
}


def _said(library: PolicySet, labels: dict[str, str], asked: dict[str, Any]) -> dict[str, set[str]]:
    """The policies that say something, by the action of their bindings."""
    metadata = {"name": "shop", "labels": {PREFIX + key: value for key, value in labels.items()}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    view = ManifestsView([*library.objects, namespace])
    said: dict[str, set[str]] = {}
    for finding in engine.validate(request(asked, namespace="shop"), library, view).findings:
        assert not finding.error, finding.message
        said.setdefault(finding.action, set()).add(finding.policy)
    return said


@pytest.mark.parametrize(
    "labels",
    [
        {"enforce": "restricted"},
        {"enforce": "restricted", "warn": "restricted"},
        {"enforce": "restricted", "enforce-version": "v1.30", "warn": "restricted", "warn-version": "v1.30"},
        {"enforce": "strict", "warn": "restricted"},
        {"enforce": "baseline", "warn": "baseline", "warn-version": "latest"},
    ],
)
def test_a_denied_pod_is_not_warned_about_the_same(library: PolicySet, labels: dict[str, str]) -> None:
    assert set(_said(library, labels, PRIVILEGED)) == {"Deny"}


@pytest.mark.parametrize(
    ("labels", "warned"),
    [
        ({"enforce": "baseline", "warn": "restricted"}, {"pod-security-restricted"}),
        ({"enforce": "baseline", "warn": "baseline", "warn-version": "v1.30"}, {"pod-security-baseline"}),
    ],
)
def test_a_denied_pod_is_warned_about_what_else_is_asked(
    library: PolicySet, labels: dict[str, str], warned: set[str]
) -> None:
    assert _said(library, labels, PRIVILEGED) == {"Deny": {"pod-security-baseline"}, "Warn": warned}


def test_a_server_without_a_cluster_leaves_them_out(library: PolicySet) -> None:
    """It knows no Namespace, and would deny every Pod instead."""
    needing = {each.policy for each in library.bindings if each.needs_cluster}
    assert needing == {"pod-security-baseline", "pod-security-restricted"}
    served = library.without_cluster()
    assert not any(binding.needs_cluster for binding in served.bindings)
    assert served.names == library.names
    view = ManifestsView(library.objects)
    assert engine.validate(request(pod()), served, view).allowed
    assert "not found" in engine.validate(request(pod()), library, view).message


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_both_levels_read_the_same_labels_in_the_same_way(level: str) -> None:
    """The part that chooses version and containers is written twice: a policy cannot use another's variables."""

    def common(name: str) -> list[str]:
        text = (LIBRARY / f"pod-security-{name}" / "policy.yaml").read_text()
        chosen = text[text.index("  matchConstraints:") : text.index("  - name: standard")]
        place = chosen.find("  - name: place\n")
        if place >= 0:
            chosen = chosen[:place] + chosen[chosen.index("  - name: containers\n") :]
        return [line.replace("['privileged', 'baseline']", "['privileged']") for line in chosen.splitlines()]

    assert common(level) == common("baseline")
