"""Defaults of dynamic resource allocation: ResourceClaims, DeviceTaintRules (resource.k8s.io)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from webhook.apiserver.defaults.absent import constants
from webhook.apiserver.defaults.defaulting import Function, Until


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


def multipliers(value: dict[str, Any]) -> None:
    for each in (value.get("nodeAllocatableResourceMappings") or {}).values():
        each.setdefault("allocationMultiplier", "1")


_waiting: Final = constants(allocationMode="WaitForFirstConsumer")

UNTIL: Final[Until] = {
    "v1.Device": (((1, 36), multipliers),),
    "v1alpha1.ResourceClaimSpec": (((1, 26), _waiting),),
    "v1alpha2.ResourceClaimSpec": (((1, 30), _waiting),),
    "v1alpha3.DeviceRequest": (((1, 32), devices), ((1, 33), request_v1beta1)),
    "v1alpha3.DeviceSubRequest": (((1, 33), devices),),
    "v1beta1.BasicDevice": (((1, 36), multipliers),),
    "v1beta1.DeviceRequest": (((1, 32), devices),),
    "v1beta2.Device": (((1, 36), multipliers),),
}
