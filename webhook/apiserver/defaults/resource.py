"""Defaults of dynamic resource allocation: ResourceClaims, DeviceTaintRules (resource.k8s.io)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from webhook.apiserver.defaults.absent import constants
from webhook.apiserver.defaults.defaulting import Function


def devices(value: dict[str, Any]) -> None:
    """How many devices are asked for."""
    if value.setdefault("allocationMode", "ExactCount") == "ExactCount":
        value.setdefault("count", 1)


def request_v1beta1(value: dict[str, Any]) -> None:
    """A request without a class has alternatives, which say how many."""
    if value.get("deviceClassName"):
        devices(value)


def taint(value: dict[str, Any]) -> None:
    """The time at which it is added: now, in whole seconds."""
    if "timeAdded" not in value:
        value["timeAdded"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.DeviceSubRequest": devices,
    "v1.DeviceTaint": taint,
    "v1.ExactDeviceRequest": devices,
    "v1alpha3.DeviceTaint": taint,
    "v1alpha3.ResourcePoolStatusRequestSpec": constants(limit=100),
    "v1beta1.DeviceRequest": request_v1beta1,
    "v1beta1.DeviceSubRequest": devices,
    "v1beta1.DeviceTaint": taint,
    "v1beta2.DeviceSubRequest": devices,
    "v1beta2.DeviceTaint": taint,
    "v1beta2.ExactDeviceRequest": devices,
}
