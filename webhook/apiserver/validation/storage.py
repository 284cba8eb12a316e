"""Volumes, claims and classes of storage."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.fielderrors import FieldError, Key, each, forbidden, invalid, not_supported, required
from webhook.apiserver.validation import volumes
from webhook.apiserver.validation.claimspecs import claim_spec, modes_of, positive
from webhook.apiserver.validation.fields import Object, Refusals, at, one_of, optionally_named
from webhook.apiserver.validation.names import dns_subdomain, qualified_name
from webhook.apiserver.validation.resources import negative_quantity
from webhook.apiserver.validation.scheduling import node_selector


def claim(value: Object) -> Refusals:
    """A PersistentVolumeClaim."""
    yield from claim_spec(at(value, "spec") or {}, ("spec",))


_NOT_SOURCES: Final = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def volume(value: Object) -> Refusals:
    """A PersistentVolume."""
    spec = at(value, "spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        yield required(("spec", "accessModes"))
    yield from modes_of(modes, ("spec", "accessModes"))
    if not spec.get("capacity"):
        yield required(("spec", "capacity"))
    if set(spec.get("capacity") or {}) != {"storage"}:
        yield not_supported(("spec", "capacity"), spec.get("capacity"), ("storage",))
    for key, item in (spec.get("capacity") or {}).items():
        yield from negative_quantity(item, ("spec", "capacity", Key(key)))
        yield from positive(item, ("spec", "capacity", Key(key)))
    policy, here = spec.get("persistentVolumeReclaimPolicy"), ("spec", "persistentVolumeReclaimPolicy")
    yield from one_of(policy, here, _RECLAIMED, needed=False)
    yield from _affinity(spec)
    yield from _source(spec)
    yield from optionally_named(spec.get("storageClassName"), ("spec", "storageClassName"), dns_subdomain)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in _MODES:
        yield not_supported(("spec", "volumeMode"), mode, _MODES)


_MODES: Final = ("Block", "Filesystem")


_SOURCES: Final = (
    # in the API server's order: the first of several is validated, the others are refused
    *("hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte"),
    *("cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk"),
    *("portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi"),
)
_CALLED: Final = {"cephfs": "cephFS"}


def _source(spec: Object) -> Refusals:
    """Where the volume is. What hostPath, nfs, local and csi need is looked at; the others are left to the server."""
    given = [name for name in _SOURCES if spec.get(name) is not None]
    if not given:
        if not any(name not in _NOT_SOURCES and spec[name] is not None for name in spec):
            yield required(("spec",), "must specify a volume type")
        return
    name, source, here = given[0], spec[given[0]], ("spec", given[0])
    match name:
        case "hostPath":
            yield from volumes.host_path(source, here)
        case "nfs":
            yield from volumes.nfs(source, here)
        case "csi":
            for field in ("driver", "volumeHandle"):
                if not source.get(field):
                    yield required((*here, field))
        case "local" if not source.get("path"):
            yield required((*here, "path"))
    for name in given[1:]:
        error = forbidden(("spec", name), "may not specify more than 1 volume type")
        yield FieldError(error.path, error.kind, error.body, f"spec.{_CALLED.get(name, name)}")
    if spec.get("local") is not None and given[0] == "local" and spec.get("nodeAffinity") is None:
        yield required(("spec", "nodeAffinity"), "Local volume requires node affinity")


def _affinity(spec: Object) -> Refusals:
    """From which nodes the volume can be reached."""
    affinity, here = spec.get("nodeAffinity"), ("spec", "nodeAffinity", "required")
    if affinity is None:
        return
    if affinity.get("required") is None:
        yield required(here, "must specify required node constraints")
    else:
        yield from node_selector(affinity["required"], here)


_RECLAIMED: Final = ("Delete", "Recycle", "Retain")


def storage_class(value: Object) -> Refusals:
    """A StorageClass."""
    if not value.get("provisioner"):
        yield required(("provisioner",))
    else:
        provisioner = str(value["provisioner"]).lower()
        yield from each(("provisioner",), provisioner, qualified_name(provisioner))
    if "" in (value.get("parameters") or {}):
        yield invalid(("parameters",), "", "field can not be empty.")
    yield from one_of(value.get("reclaimPolicy"), ("reclaimPolicy",), ("Delete", "Retain"), needed=False)
    mode = value.get("volumeBindingMode")
    yield from one_of(mode, ("volumeBindingMode",), ("Immediate", "WaitForFirstConsumer"), needed=False)
