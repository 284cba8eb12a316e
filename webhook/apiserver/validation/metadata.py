"""The metadata of any object: k8s.io/apimachinery, pkg/api/validation/objectmeta.go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.apiserver import fielderrors
from webhook.apiserver.fielderrors import FieldError, each, forbidden, invalid, required
from webhook.apiserver.goshown import Struct
from webhook.apiserver.gotext import quote
from webhook.apiserver.validation.names import Check, as_prefix, dns_label, label_value, qualified_name
from webhook.paths import Path

IMMUTABLE: Final = "field is immutable"
MAX_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all keys and values of annotations."""

_ROOT: Path = ("metadata",)


def of_created(
    metadata: Mapping[str, Any],
    name: Check,
    *,
    namespaced: bool,
    prefix: Check | None = None,
    path: Path = _ROOT,
    named: bool = True,
) -> Iterator[FieldError]:
    """The refusals of a new object's metadata.

    name: the check of its name. prefix: that of generateName. named: false where a generated name will be set.
    """
    generated = metadata.get("generateName") or ""
    if generated:
        check = as_prefix(name) if prefix is None else prefix
        yield from each((*path, "generateName"), generated, check(generated))
    given = metadata.get("name") or ""
    if given:
        yield from each((*path, "name"), given, name(given))
    elif named or not generated:
        yield required((*path, "name"), "name or generateName is required")
    namespace = metadata.get("namespace") or ""
    here = (*path, "namespace")
    if not namespaced and namespace:
        yield forbidden(here, "not allowed on this type")
    elif namespaced and not namespace:
        yield required(here)
    elif namespaced:
        yield from each(here, namespace, dns_label(namespace))
    yield from _common(metadata, path)
    yield from _finalizers(metadata.get("finalizers") or [], (*path, "finalizers"))


def of_updated(metadata: Mapping[str, Any], old: Mapping[str, Any], path: Path = _ROOT) -> Iterator[FieldError]:
    """The refusals of changes. What the API server itself sets (uid, resourceVersion and times) is not compared."""
    if old.get("deletionTimestamp") is not None:
        added = sorted(set(metadata.get("finalizers") or []) - set(old.get("finalizers") or []))
        if added:
            shown = ", ".join(map(quote, added))
            words = "no new finalizers can be added if the object is being deleted, found new finalizers"
            yield forbidden((*path, "finalizers"), f"{words} []string{{{shown}}}")
    for field in ("name", "namespace"):
        if (metadata.get(field) or "") != (old.get(field) or ""):
            yield invalid((*path, field), metadata.get(field) or "", IMMUTABLE)
    yield from _common(metadata, path)


def label_refusals(value: Mapping[str, str], path: Path) -> Iterator[FieldError]:
    """The refusals of labels. The path is that of the labels, as the API server names no key there."""
    for key, item in value.items():
        yield from each(path, key, qualified_name(key))
        yield from each(path, item, label_value(item))


def annotation_refusals(value: Mapping[str, str], path: Path) -> Iterator[FieldError]:
    """The refusals of annotations. The case of a key does not matter."""
    for key in value:
        yield from each(path, key, qualified_name(key.lower()))
    if sum(len(key.encode()) + len(item.encode()) for key, item in value.items()) > MAX_ANNOTATIONS:
        yield fielderrors.too_long(path, MAX_ANNOTATIONS)


def _common(metadata: Mapping[str, Any], path: Path) -> Iterator[FieldError]:
    generation = metadata.get("generation") or 0
    if generation < 0:
        yield invalid((*path, "generation"), generation, "must be greater than or equal to 0")
    yield from label_refusals(metadata.get("labels") or {}, (*path, "labels"))
    yield from annotation_refusals(metadata.get("annotations") or {}, (*path, "annotations"))
    yield from _owners(metadata.get("ownerReferences") or [], (*path, "ownerReferences"))


_REPEATED: Final = 10
"""How often it is said that an object has more than one controller. Each of these texts shows all owners."""


def _owners(owners: list[dict[str, Any]], path: Path) -> Iterator[FieldError]:
    controller, repeated = "", 0
    for place, owner in enumerate(owners):
        here = (*path, place)
        version = owner.get("apiVersion") or ""
        if not version:
            yield required((*here, "apiVersion"), "must not be empty")
        elif version.count("/") > 1 or not version.rpartition("/")[2]:
            yield invalid((*here, "apiVersion"), version, "must be <group>/<version> or <version>")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                yield required((*here, field), "must not be empty")
        if version == "v1" and owner.get("kind") == "Event":
            yield invalid(here, _owner(owner), "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            name = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
            if controller and repeated == _REPEATED:
                return
            if controller:
                repeated += 1
                words = 'Only one reference can have Controller set to true. Found "true" in references for'
                yield invalid(path, list(map(_owner, owners)), f"{words} {controller} and {name}")
            else:
                controller = name


_OWNER: Final = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")


def _owner(owner: Mapping[str, Any]) -> Struct:
    return Struct({name: owner[name] for name in _OWNER if name in owner})


def _finalizers(finalizers: list[str], path: Path) -> Iterator[FieldError]:
    for finalizer in finalizers:
        yield from each(path, finalizer, qualified_name(finalizer))
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")
