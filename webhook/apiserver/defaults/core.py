"""Defaults of the core group (v1); those of Pods stand in `pods`."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults import pods
from webhook.apiserver.defaults.absent import constants, nothing, struct
from webhook.apiserver.defaults.amounts import round_up_amounts
from webhook.apiserver.defaults.defaulting import Function, Until

_CLIENT_IP_SECONDS: Final = 10800


def namespace(value: dict[str, Any]) -> None:
    """The label that holds the name, unless the name is still to be generated."""
    metadata = value.get("metadata")
    if metadata and metadata.get("name"):
        struct(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]


def node_status(value: dict[str, Any]) -> None:
    """What can be allocated is the capacity. An empty map is one that is given: Go tells it from none here."""
    if "allocatable" not in value and "capacity" in value:
        value["allocatable"] = dict(value["capacity"])
    elif value.get("allocatable") == {}:
        del value["allocatable"]  # it is not written


def replication_controller(value: dict[str, Any]) -> None:
    """The labels of its template are its own labels, and its selector."""
    spec = value.get("spec") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        metadata = struct(value, "metadata")
        if not metadata.get("labels"):
            metadata["labels"] = dict(labels)


def replication_controller_until_1_32(value: dict[str, Any]) -> None:
    replication_controller(value)
    struct(value, "spec").setdefault("replicas", 1)


def service(value: dict[str, Any]) -> None:
    spec = _service(value)
    if spec["type"] == "ClusterIP" and spec.get("externalIPs"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        for ingress in ((value.get("status") or {}).get("loadBalancer") or {}).get("ingress", ()):
            if ingress.get("ip") and "ipMode" not in ingress:
                ingress["ipMode"] = "VIP"


def service_until_1_29(value: dict[str, Any]) -> None:
    """Before the gate LoadBalancerIPMode was on."""
    spec = _service(value)
    if spec["type"] == "ClusterIP" and spec.get("externalIPs"):
        spec.setdefault("externalTrafficPolicy", "Cluster")


def _service(value: dict[str, Any]) -> dict[str, Any]:
    """What all versions do. The Service's spec."""
    spec = struct(value, "spec")
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec.get("sessionAffinityConfig") or {}
        if (config.get("clientIP") or {}).get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _CLIENT_IP_SECONDS}}
    of_type = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports", ()):
        if "protocol" not in port:
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if of_type in ("LoadBalancer", "NodePort") and "externalTrafficPolicy" not in spec:
        spec["externalTrafficPolicy"] = "Cluster"
    if of_type in ("NodePort", "LoadBalancer", "ClusterIP") and "internalTrafficPolicy" not in spec:
        spec["internalTrafficPolicy"] = "Cluster"
    if of_type == "LoadBalancer" and "allocateLoadBalancerNodePorts" not in spec:
        spec["allocateLoadBalancerNodePorts"] = True
    return spec


def persistent_volume(value: dict[str, Any]) -> None:
    struct(value, "status").setdefault("phase", "Pending")
    _persistent_volume_spec(struct(value, "spec"))


_persistent_volume_spec: Final = constants(persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")


def persistent_volume_claim(value: dict[str, Any]) -> None:
    struct(value, "status").setdefault("phase", "Pending")


def endpoints(value: dict[str, Any]) -> None:
    for subset in value.get("subsets", ()):
        for port in subset.get("ports", ()):
            port.setdefault("protocol", "TCP")


def limit_range_item(value: dict[str, Any]) -> None:
    """Of containers: limits from maxima, requests from these limits, and requests from minima."""
    if value.get("type") != "Container":
        return
    limits = {**value.get("max", {}), **value.get("default", {})}
    requests = {**value.get("min", {}), **limits, **value.get("defaultRequest", {})}
    for field, amounts in (("default", limits), ("defaultRequest", requests)):
        if amounts:
            value[field] = amounts


FUNCTIONS: Final[dict[str, Function]] = {
    **pods.FUNCTIONS,
    "v1.ConfigMap": nothing,  # an empty map, which is not written
    "v1.Endpoints": endpoints,
    "v1.LimitRangeItem": limit_range_item,
    "v1.Namespace": namespace,
    "v1.NamespaceStatus": constants(phase="Active"),
    "v1.NodeStatus": node_status,
    "v1.PersistentVolume": persistent_volume,
    "v1.PersistentVolumeClaim": persistent_volume_claim,
    "v1.PersistentVolumeClaimSpec": constants(volumeMode="Filesystem"),
    "v1.ReplicationController": replication_controller,
    "v1.ResourceList": round_up_amounts,
    "v1.Secret": constants(type="Opaque"),
    "v1.Service": service,
}

_AZURE_DISK: Final = constants(cachingMode="ReadWrite", kind="Shared", fsType="ext4", readOnly=False)
_ISCSI: Final = constants(iscsiInterface="default")
_RBD: Final = constants(pool="rbd", user="admin", keyring="/etc/ceph/keyring")
_SCALE_IO: Final = constants(storageMode="ThinProvisioned", fsType="xfs")

UNTIL: Final[Until] = {
    **pods.UNTIL,
    "v1.AzureDiskVolumeSource": (((1, 30), _AZURE_DISK),),
    "v1.ISCSIPersistentVolumeSource": (((1, 30), _ISCSI),),
    "v1.ISCSIVolumeSource": (((1, 30), _ISCSI),),
    "v1.RBDPersistentVolumeSource": (((1, 30), _RBD),),
    "v1.RBDVolumeSource": (((1, 30), _RBD),),
    "v1.ReplicationController": (((1, 32), replication_controller_until_1_32),),
    "v1.ScaleIOPersistentVolumeSource": (((1, 30), _SCALE_IO),),
    "v1.ScaleIOVolumeSource": (((1, 30), _SCALE_IO),),
    "v1.Service": (((1, 28), _service), ((1, 29), service_until_1_29)),
}
