"""What a PersistentVolumeClaim asks for: in a claim, in the template of one, and in a Pod's volume."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.fielderrors import Key, forbidden, invalid, not_supported, required
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.fields import Object, Refusals, at, label_selector, one_of, optionally_named
from webhook.apiserver.validation.names import dns_subdomain
from webhook.apiserver.validation.resources import quantity
from webhook.paths import Path

_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def template(value: Object, path: Path) -> Refusals:
    """The template of a claim that is made with a Pod. Other metadata than these is left to the API server."""
    meta = at(value, "metadata") or {}
    yield from metadata.label_refusals(meta.get("labels") or {}, (*path, "metadata", "labels"))
    yield from metadata.annotation_refusals(meta.get("annotations") or {}, (*path, "metadata", "annotations"))
    yield from claim_spec(at(value, "spec") or {}, (*path, "spec"))


def claim_spec(spec: Object, path: Path) -> Refusals:
    """The spec of a claim, or of the template of one."""
    modes = spec.get("accessModes") or []
    here = (*path, "accessModes")
    if not modes:
        yield required(here, "at least 1 access mode is required")
    yield from label_selector(spec.get("selector"), (*path, "selector"))
    yield from modes_of(modes, here)
    storage = (at(spec, "resources", "requests") or {}).get("storage")
    there = (*path, "resources", Key("storage"))
    if storage is None:
        yield required(there)
    else:
        yield from positive(storage, there)
    yield from optionally_named(spec.get("storageClassName"), (*path, "storageClassName"), dns_subdomain)
    yield from one_of(spec.get("volumeMode"), (*path, "volumeMode"), ("Block", "Filesystem"), needed=False)


def positive(value: str, path: Path) -> Refusals:
    """An amount must be more than nothing."""
    known = quantity(value)
    if known is not None and known.digits <= 0:
        yield invalid(path, value, "must be greater than zero")


def modes_of(modes: list[str], path: Path) -> Refusals:
    """The access modes of a claim or volume."""
    for mode in modes:
        if mode not in _MODES:
            yield not_supported(path, mode, _MODES)
    if "ReadWriteOncePod" in modes and any(mode in _MODES and mode != "ReadWriteOncePod" for mode in modes):
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")
