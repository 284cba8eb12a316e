"""What somebody may have meant who names a resource that no cluster serves."""

from __future__ import annotations

import pytest

from webhook.schema import Kinds
from webhook.schema.resourcenames import SHORT_NAMES, kind_meant_by, meant_by, unknown

KINDS = Kinds.builtin()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1/Pod", "v1/pods"),
        ("v1/pod", "v1/pods"),
        ("v1/Pods", "v1/pods"),
        ("Pod", "v1/pods"),
        ("pods", "v1/pods"),
        ("po", "v1/pods"),
        ("core/v1/pods", "v1/pods"),
        ("v1/pods/Status", "v1/pods/status"),
        ("v1/deployments", "apps/v1/deployments"),
        ("apps/Deployment", "apps/v1/deployments"),
        ("apps/v1/Deployment/scale", "apps/v1/deployments/scale"),
        ("apps/v1/pods", "v1/pods"),
        ("deployments.apps", "apps/v1/deployments"),
        ("deploy", "apps/v1/deployments"),
        ("NetworkPolicy", "networking.k8s.io/v1/networkpolicies"),
        ("extensions/v1beta1/ingresses", "networking.k8s.io/v1/ingresses"),
        ("events.k8s.io/v1/Event", "events.k8s.io/v1/events"),
        ("v1/Endpoint", "v1/endpoints"),
        ("v1/pdos", "v1/pods"),
        ("v1/zebras", None),
        ("v1", None),
        ("", None),
    ],
)
def test_the_resource_that_is_meant(text: str, expected: str | None) -> None:
    assert meant_by(text, KINDS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1/configmaps", "v1/ConfigMap"),
        ("ConfigMap", "v1/ConfigMap"),
        ("cm", "v1/ConfigMap"),
        ("apps/v1/deployment", "apps/v1/Deployment"),
        ("v1/zebras", None),
    ],
)
def test_the_kind_that_is_meant(text: str, expected: str | None) -> None:
    assert kind_meant_by(text, KINDS) == expected


def test_each_short_name_is_of_a_resource() -> None:
    assert set(SHORT_NAMES.values()) <= {resource.plural for resource in KINDS}


@pytest.mark.parametrize(
    ("groups", "resource", "expected"),
    [
        ({""}, "pods", False),
        ({""}, "pod", True),
        ({""}, "deployments", True),
        ({"", "apps"}, "deployments", False),
        ({"core"}, "pods", True),
        ({"example.com"}, "things", False),
        ({"", "example.com"}, "things", False),
        ({"*"}, "pod", False),
    ],
)
def test_what_no_cluster_serves(groups: set[str], resource: str, expected: bool) -> None:
    assert unknown(frozenset(groups), resource, KINDS) == expected
