"""Volumes, claims and classes of storage."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.fielderrors import Key, forbidden, invalid, not_supported, required
from webhook.apiserver.validation.fields import Object, Refusals, at, label_selector, one_of, optionally_named
from webhook.apiserver.validation.names import dns_subdomain
from webhook.apiserver.validation.pods import quantity
from webhook.paths import Path

_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def claim(value: Object) -> Refusals:
    """A PersistentVolumeClaim."""
    yield from claim_spec(at(value, "spec") or {}, ("spec",))


def claim_spec(spec: Object, path: Path) -> Refusals:
    """The spec of a claim, or of the template of one."""
    modes = spec.get("accessModes") or []
    here = (*path, "accessModes")
    if not modes:
        yield required(here, "at least 1 access mode is required")
    yield from label_selector(spec.get("selector"), (*path, "selector"))
    yield from _modes(modes, here)
    storage = (at(spec, "resources", "requests") or {}).get("storage")
    there = (*path, "resources", Key("storage"))
    if storage is None:
        yield required(there)
    else:
        yield from _positive(storage, there)
    yield from optionally_named(spec.get("storageClassName"), (*path, "storageClassName"), dns_subdomain)
    yield from one_of(spec.get("volumeMode"), (*path, "volumeMode"), ("Block", "Filesystem"), needed=False)


def _positive(value: str, path: Path) -> Refusals:
    known = quantity(value)
    if known is not None and known.digits <= 0:
        yield invalid(path, value, "must be greater than zero")


def _modes(modes: list[str], path: Path) -> Refusals:
    for mode in modes:
        if mode not in _MODES:
            yield not_supported(path, mode, _MODES)
    if "ReadWriteOncePod" in modes and any(mode in _MODES and mode != "ReadWriteOncePod" for mode in modes):
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


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
    yield from _modes(modes, ("spec", "accessModes"))
    if not spec.get("capacity"):
        yield required(("spec", "capacity"))
    if set(spec.get("capacity") or {}) != {"storage"}:
        yield not_supported(("spec", "capacity"), spec.get("capacity"), ("storage",))
    sources = [name for name in spec if name not in _NOT_SOURCES and spec[name] is not None]
    if not sources:
        yield required(("spec",), "must specify a volume type")
    yield from optionally_named(spec.get("storageClassName"), ("spec", "storageClassName"), dns_subdomain)


def storage_class(value: Object) -> Refusals:
    """A StorageClass."""
    if not value.get("provisioner"):
        yield required(("provisioner",))
    mode = value.get("volumeBindingMode")
    yield from one_of(mode, ("volumeBindingMode",), ("Immediate", "WaitForFirstConsumer"), needed=False)
