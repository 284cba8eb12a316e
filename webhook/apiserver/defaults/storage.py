"""Defaults of StorageClasses and CSIDrivers (storage.k8s.io/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function, Until


def csi_driver(value: dict[str, Any]) -> None:
    csi_driver_until_1_27(value)
    _csi_driver_gates(value["spec"])


def csi_driver_until_1_36(value: dict[str, Any]) -> None:
    """Before the gate VolumeLimitScaling was on."""
    csi_driver_until_1_27(value)
    value["spec"].setdefault("seLinuxMount", False)


def csi_driver_until_1_27(value: dict[str, Any]) -> None:
    """Before the gate SELinuxMountReadWriteOncePod was on, too."""
    spec = struct(value, "spec")
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]
    _csi_driver_spec(spec)


_csi_driver_spec: Final = constants(
    attachRequired=True,
    podInfoOnMount=False,
    storageCapacity=False,
    fsGroupPolicy="ReadWriteOnceWithFSType",
    requiresRepublish=False,
)
_csi_driver_gates: Final = constants(seLinuxMount=False, preventPodSchedulingIfMissing=False)

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.CSIDriver": csi_driver,
    "v1.StorageClass": constants(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
}

UNTIL: Final[Until] = {"v1.CSIDriver": (((1, 27), csi_driver_until_1_27), ((1, 36), csi_driver_until_1_36))}
