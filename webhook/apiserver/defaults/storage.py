"""Defaults of StorageClasses and CSIDrivers (storage.k8s.io/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function


def csi_driver(value: dict[str, Any]) -> None:
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
    seLinuxMount=False,
    preventPodSchedulingIfMissing=False,
)

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.CSIDriver": csi_driver,
    "v1.StorageClass": constants(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
}
