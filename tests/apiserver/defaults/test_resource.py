"""The defaults of dynamic resource allocation by version: see test_batch of why they are told here."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.versions import NEWEST, Version, shown


def request(version: Version, api_version: str, **asked: Any) -> dict[str, Any]:
    spec = {"devices": {"requests": [{"name": "gpu", **asked}]}}
    made: dict[str, Any] = {"apiVersion": api_version, "kind": "ResourceClaim", "spec": spec}
    set_defaults(made, api_version, "ResourceClaim", version)
    found: dict[str, Any] = made["spec"]["devices"]["requests"][0]
    return found


@pytest.mark.parametrize("version", [(1, 33), NEWEST], ids=shown)
def test_one_device_is_asked_for_where_a_class_is(version: Version) -> None:
    one = {"allocationMode": "ExactCount", "count": 1}
    assert request(version, "resource.k8s.io/v1beta1", deviceClassName="c").items() >= one.items()
    assert request(version, "resource.k8s.io/v1beta1").keys() == {"name"}


def test_until_1_32_a_request_always_has_a_class() -> None:
    assert request((1, 32), "resource.k8s.io/v1beta1")["count"] == 1


@pytest.mark.parametrize(("version", "wanted"), [((1, 36), "1"), (NEWEST, None)], ids=["1.36", shown(NEWEST)])
def test_what_a_device_takes_of_its_node_is_multiplied_by_one_until_1_36(version: Version, wanted: str | None) -> None:
    device: dict[str, Any] = {"name": "d", "nodeAllocatableResourceMappings": {"cpu": {"capacityKey": "cores"}}}
    made: dict[str, Any] = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "spec": {"devices": [device]}}
    set_defaults(made, "resource.k8s.io/v1", "ResourceSlice", version)
    found = made["spec"]["devices"][0]["nodeAllocatableResourceMappings"]["cpu"]
    assert found.get("allocationMultiplier") == wanted
