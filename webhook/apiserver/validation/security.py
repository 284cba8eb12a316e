"""Security contexts of Pods and containers: users and groups, profiles, and what excludes each other."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.fielderrors import each, invalid, not_supported, required
from webhook.apiserver.goshown import Struct
from webhook.apiserver.validation.fields import Object, Refusals
from webhook.apiserver.validation.names import in_range
from webhook.apiserver.validation.volumes import descending_path
from webhook.paths import Path

_MOST_ID: Final = 2**31 - 1
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_WORDS: Final = {
    "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
    "supplementalGroupsPolicy": ("Merge", "Strict"),
}


def of_pod(context: Object, path: Path) -> Refusals:
    """The security context of a Pod. Kernel parameters, AppArmor and Windows are left to the API server."""
    yield from _ids(context, path, ("fsGroup", "runAsUser", "runAsGroup"))
    for place, group in enumerate(context.get("supplementalGroups") or []):
        yield from each((*path, "supplementalGroups", place), group, in_range(group, 0, _MOST_ID))
    yield from _seccomp(context.get("seccompProfile"), (*path, "seccompProfile"))
    for name, supported in _WORDS.items():
        word = context.get(name)
        if word is not None and word not in supported:
            yield not_supported((*path, name), word, supported)


def of_container(context: Object, path: Path) -> Refusals:
    """The security context of a container."""
    yield from _ids(context, path, ("runAsUser", "runAsGroup"))
    yield from _seccomp(context.get("seccompProfile"), (*path, "seccompProfile"))
    if context.get("allowPrivilegeEscalation") is not False:
        return
    cannot = "cannot set `allowPrivilegeEscalation` to false and"
    if context.get("privileged"):
        yield invalid(path, _shown(context), f"{cannot} `privileged` to true")
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or []):
        yield invalid(path, _shown(context), f"{cannot} `capabilities.Add` CAP_SYS_ADMIN")


def _ids(context: Object, path: Path, names: tuple[str, ...]) -> Refusals:
    for name in names:
        number = context.get(name)
        if number is not None:
            yield from each((*path, name), number, in_range(number, 0, _MOST_ID))


def _seccomp(profile: Any, path: Path) -> Refusals:
    if profile is None:
        return
    kind, here = profile.get("type") or "", (*path, "type")
    if not kind:
        yield required(here, "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        yield not_supported(here, kind, _PROFILES)
    file, there = profile.get("localhostProfile"), (*path, "localhostProfile")
    if kind != "Localhost":
        if file is not None:
            shown = Struct({"Type": kind, "LocalhostProfile": file})
            yield invalid(there, shown, "can only be set when seccomp type is Localhost")
    elif file is None:
        yield required(there, "must be set when seccomp type is Localhost")
    else:
        yield from descending_path(file, there)


_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "capabilities": ("add", "drop"),
    "privileged": (),
    "seLinuxOptions": ("user", "role", "type", "level"),
    "windowsOptions": ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName", "hostProcess"),
    "runAsUser": (),
    "runAsGroup": (),
    "runAsNonRoot": (),
    "readOnlyRootFilesystem": (),
    "allowPrivilegeEscalation": (),
    "procMount": (),
    "seccompProfile": ("type", "localhostProfile"),
    "appArmorProfile": ("type", "localhostProfile"),
}
_NAMES: Final = {
    "seLinuxOptions": "SELinuxOptions",
    "gmsaCredentialSpecName": "GMSACredentialSpecName",
    "gmsaCredentialSpec": "GMSACredentialSpec",
}
_TEXTS: Final = frozenset({"user", "role", "type", "level"})  # what is no pointer in Go


def _shown(context: Object) -> Struct:
    """The API server shows its internal form of the whole context."""
    made = Struct()
    for name, parts in _FIELDS.items():
        value = context.get(name)
        if parts and value is not None:
            value = Struct({_named(part): value.get(part, "" if part in _TEXTS else None) for part in parts})
        made[_named(name)] = value
    return made


def _named(name: str) -> str:
    """A field as Go names it."""
    return _NAMES.get(name) or name[0].upper() + name[1:]
