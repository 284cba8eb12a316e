"""The kinds of Kubernetes versions."""

from __future__ import annotations

import pytest

from webhook.schema import Kinds, shipped
from webhook.schema.spans import Lifetime
from webhook.versions import Version


@pytest.mark.parametrize(
    ("api_version", "kind", "first", "last"),
    [
        ("v1", "Pod", 26, 37),
        ("apiregistration.k8s.io/v1", "APIService", 26, 37),
        ("storage.k8s.io/v1beta1", "CSIStorageCapacity", 26, 26),
        ("flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema", 26, 28),
        ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 26, 31),
        ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", 29, 37),
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", 30, 37),
        ("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicy", 28, 33),
        ("resource.k8s.io/v1", "DeviceClass", 34, 37),
        ("networking.k8s.io/v1", "ServiceCIDR", 33, 37),
        ("scheduling.k8s.io/v1alpha2", "PodGroup", 36, 36),
        ("autoscaling/v1", "Scale", 26, 37),
    ],
)
def test_a_kind_is_there_from_its_first_to_its_last_version(api_version: str, kind: str, first: int, last: int) -> None:
    having = [minor for minor in range(26, 38) if shipped.definition_of(api_version, kind, (1, minor)) is not None]
    assert having == list(range(first, last + 1))
    served = [minor for minor in range(26, 38) if Kinds.builtin((1, minor)).for_kind(api_version, kind) is not None]
    assert served == ([] if kind == "Scale" else having)


@pytest.mark.parametrize(
    ("target", "expected"),
    [((1, 28), Lifetime((1, 29), None)), ((1, 37), None), ((1, 29), None)],
)
def test_when_a_kind_is_served(target: Version, expected: Lifetime | None) -> None:
    assert shipped.lifetime("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", target) == expected


def test_a_kind_that_no_version_serves() -> None:
    assert shipped.lifetime("apps/v1", "Deploymnt", (1, 30)) is None
    assert shipped.definition_of("apps/v1", "Deploymnt", (1, 30)) is None
