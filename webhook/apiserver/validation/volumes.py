"""Volumes of Pods, and the references to fields of a Pod that volumes and environments have
(pkg/apis/core/validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from webhook.apiserver.fielderrors import FieldError, duplicate, each, forbidden, invalid, not_supported, required
from webhook.apiserver.validation import claimspecs
from webhook.apiserver.validation.fields import Object, Refusals, listed, named, one_of
from webhook.apiserver.validation.names import dns_label, qualified_name
from webhook.paths import Path


def volumes(spec: Object, path: Path, errors: list[FieldError]) -> set[str]:
    """The names of the sound volumes, which may be mounted. errors: receives the refusals."""
    names: set[str] = set()
    for place, volume in enumerate(listed(spec, "volumes")):
        here = (*path, "volumes", place)
        name = volume.get("name") or ""
        found = [*_volume(volume, here), *named(name, (*here, "name"), dns_label)]
        if name in names:
            found.append(duplicate((*here, "name"), name))
        errors += found
        if not found:
            names.add(name)
    return names


_VOLUME_KINDS: Final = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)
_NAMED: Final = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName"}
_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"


def _volume(volume: Object, path: Path) -> Iterator[FieldError]:
    given = [name for name in _VOLUME_KINDS if volume.get(name) is not None]
    for name in given[1:]:
        yield forbidden((*path, name), "may not specify more than 1 volume type")
    if not given:
        if set(volume) <= {"name"}:
            yield required(path, "must specify a volume type")
        return
    name = given[0]
    source, here = volume[name], (*path, name)
    if name in _NAMED and not source.get(_NAMED[name]):
        yield required((*here, _NAMED[name]))
    mode = source.get("defaultMode")
    if name in ("secret", "configMap", "downwardAPI", "projected"):
        yield from _file_mode(mode, (*here, "defaultMode"))
    if name in ("secret", "configMap"):
        for number, item in enumerate(listed(source, "items")):
            yield from _item(item, (*here, "items", number))
    if name == "downwardAPI":
        for item in listed(source, "items"):
            yield from _file(item, here)
    if name == "projected":
        yield from _projected(source, here)
    if name == "hostPath":
        yield from host_path(source, here)
    if name == "nfs":
        yield from nfs(source, here)
    if name == "csi" and not source.get("driver"):
        yield required((*here, "driver"))
    if name == "emptyDir" and str(source.get("sizeLimit") or "").startswith("-"):
        yield forbidden((*here, "sizeLimit"), "SizeLimit field must be a valid resource quantity")
    if name == "image":
        if not source.get("reference"):
            yield required((*here, "reference"))
        yield from one_of(source.get("pullPolicy"), (*here, "pullPolicy"), PULL_POLICIES)
    if name == "ephemeral":
        template, there = source.get("volumeClaimTemplate"), (*here, "volumeClaimTemplate")
        yield from claimspecs.template(template, there) if template is not None else iter([required(there)])


_HOST_PATHS: Final = (
    *("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
)
PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")


def host_path(source: Object, path: Path) -> Refusals:
    """A file or folder of the node."""
    text = source.get("path") or ""
    if not text:
        yield required((*path, "path"))
        return
    if ".." in re.split("/", text):
        yield invalid((*path, "path"), text, "must not contain '..'")
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATHS:
        yield not_supported((*path, "type"), kind, _HOST_PATHS)


def nfs(source: Object, path: Path) -> Refusals:
    """A folder of a server."""
    for name in ("server", "path"):
        if not source.get(name):
            yield required((*path, name))
    text = source.get("path") or ""
    if not text.startswith("/"):
        yield invalid((*path, "path"), text, "must be an absolute path")


def _file_mode(mode: Any, path: Path) -> Refusals:
    if isinstance(mode, int) and not 0 <= mode <= 0o777:
        yield invalid(path, mode, _MODE)


def descending_path(text: str, path: Path) -> Refusals:
    """A path that must stay below something."""
    if text.startswith("/"):
        yield invalid(path, text, "must be a relative path")
    if ".." in text.split("/"):
        yield invalid(path, text, "must not contain '..'")


def _local_path(text: str, path: Path) -> Refusals:
    """A path in a volume."""
    yield from descending_path(text, path)
    if text.startswith("..") and not text.startswith("../"):
        yield invalid(path, text, "must not start with '..'")


def _item(item: Object, path: Path) -> Refusals:
    """A key and the file that has its value."""
    for name in ("key", "path"):
        if not item.get(name):
            yield required((*path, name))
    yield from _local_path(item.get("path") or "", (*path, "path"))
    yield from _file_mode(item.get("mode"), (*path, "mode"))


def _file(file: Object, path: Path) -> Refusals:
    """A file with a field of the Pod. The API server names the volume, not the place of the file in it."""
    text = file.get("path") or ""
    if not text:
        yield required((*path, "path"))
    yield from _local_path(text, (*path, "path"))
    field, resource = file.get("fieldRef"), file.get("resourceFieldRef")
    if field is not None:
        yield from field_reference(field, (*path, "fieldRef"), _VOLUME_FIELDS)
        if resource is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif resource is not None:
        yield from resource_reference(resource, (*path, "resourceFieldRef"), in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _file_mode(file.get("mode"), (*path, "mode"))


_PROJECTED: Final = (
    "secret",
    "configMap",
    "downwardAPI",
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
)
_SHORTEST, _LONGEST = 10 * 60, 1 << 32  # seconds that a token may be good for


def _projected(volume: Object, path: Path) -> Refusals:
    """What several sources put in one folder. Certificates are left to the API server."""
    paths: set[str] = set()
    for place, source in enumerate(listed(volume, "sources")):
        here = (*path, "sources", place)
        for name in ("secret", "configMap"):
            projection = source.get(name)
            if projection is not None:
                yield from _projection(projection, path, (*here, name), paths)
        for file in listed(source, "downwardAPI", "items"):
            yield from _file(file, (*here, "downwardAPI"))
            text = file.get("path") or ""
            if text in paths:
                yield invalid(path, text, _CONFLICT)
            paths |= {text} if text else set()
        token = source.get("serviceAccountToken")
        if token is not None:
            yield from _token(token, path, (*here, "serviceAccountToken"))
        if sum(source.get(name) is not None for name in _PROJECTED) > 1:
            yield forbidden(here, "may not specify more than 1 volume type per source")


_CONFLICT: Final = "conflicting duplicate paths"


def _projection(projection: Object, volume: Path, path: Path, paths: set[str]) -> Refusals:
    name = projection.get("name") or ""
    if not name:
        yield required((*path, "name"))
    for number, item in enumerate(listed(projection, "items")):
        yield from _item(item, (*path, "items", number))
        text = item.get("path") or ""
        if text in paths:
            yield invalid(volume, name, _CONFLICT)
        paths |= {text} if text else set()


def _token(token: Object, volume: Path, path: Path) -> Refusals:
    seconds, here = token.get("expirationSeconds"), (*path, "expirationSeconds")
    if seconds is None:
        yield required(here)
    elif seconds < _SHORTEST:
        yield invalid(here, seconds, "may not specify a duration less than 10 minutes")
    elif seconds > _LONGEST:
        yield invalid(here, seconds, "may not specify a duration larger than 2^32 seconds")
    text = token.get("path") or ""
    if not text:
        yield required((*volume, "path"))
    else:
        yield from _local_path(text, (*volume, "path"))


# ------------------------------------------------------------------------------------------------- fields of the Pod

ENVIRONMENT_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
"""The fields that an environment variable can have, beside single labels and annotations."""

_VOLUME_FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_OTHER_FIELDS: Final = ("spec.host", "spec.restartPolicy", "spec.schedulerName", "status.phase")
_OF_MAPS: Final = ("metadata.annotations", "metadata.labels")


def field_reference(reference: Object, path: Path, supported: tuple[str, ...]) -> Refusals:
    """A reference to a field of the Pod."""
    version, text = reference.get("apiVersion") or "", reference.get("fieldPath") or ""
    if not version or not text:
        yield required((*path, "fieldPath" if version else "apiVersion"))
        return
    words = "error converting fieldPath:"
    holder, bracket, key = text.removesuffix("']").partition("['")
    subscripted = bool(holder and bracket) and text.endswith("']")
    if version != "v1":
        yield invalid((*path, "fieldPath"), text, f"{words} unsupported pod version: {version}")
    elif subscripted:
        if holder not in _OF_MAPS:
            yield invalid((*path, "fieldPath"), text, f"{words} field label does not support subscript: {text}")
            return
        key = key.lower() if holder == "metadata.annotations" else key
        yield from each(path, key, qualified_name(key))
    elif text not in {*ENVIRONMENT_FIELDS, *_VOLUME_FIELDS, *_OTHER_FIELDS}:
        yield invalid((*path, "fieldPath"), text, f"{words} field label not supported: {text}")
    else:
        known = "spec.nodeName" if text == "spec.host" else text
        if known not in supported:
            yield not_supported((*path, "fieldPath"), known, supported)


_RESOURCES: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES: Final = ("limits.hugepages-", "requests.hugepages-")


def resource_reference(reference: Object, path: Path, *, in_volume: bool = False) -> Refusals:
    """A reference to an amount of a container. Its divisor is left to the API server."""
    text = reference.get("resource") or ""
    if in_volume and not reference.get("containerName"):
        yield required((*path, "containerName"))
    elif not text:
        yield required((*path, "resource"))
    elif text not in _RESOURCES and not text.startswith(_HUGE_PAGES):
        yield not_supported((*path, "resource"), text, _RESOURCES)
