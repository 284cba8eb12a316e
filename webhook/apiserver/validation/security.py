"""Security contexts of Pods and containers: users and groups, profiles, and what excludes each other."""

from __future__ import annotations

import re
from typing import Any, Final

from webhook.apiserver.fielderrors import duplicate, each, invalid, invalid_pointer, not_supported, required, too_long
from webhook.apiserver.goshown import Struct
from webhook.apiserver.validation import windows
from webhook.apiserver.validation.fields import Object, Refusals, listed
from webhook.apiserver.validation.names import in_range
from webhook.apiserver.validation.volumes import descending_path
from webhook.paths import Path

_MOST_ID: Final = 2**31 - 1
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_WORDS: Final = {
    "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
    "supplementalGroupsPolicy": ("Merge", "Strict"),
    "seLinuxChangePolicy": ("MountOption", "Recursive"),
}


def of_pod(context: Object, path: Path, spec: Object) -> Refusals:
    """The security context of a Pod. spec: that of the Pod."""
    yield from _ids(context, path, ("fsGroup", "runAsUser", "runAsGroup"))
    for place, group in enumerate(context.get("supplementalGroups") or []):
        yield from each((*path, "supplementalGroups", place), group, in_range(group, 0, _MOST_ID))
    yield from _seccomp(context.get("seccompProfile"), (*path, "seccompProfile"))
    for name, supported in _WORDS.items():
        word = context.get(name)
        if word is not None and word not in supported:
            yield not_supported((*path, name), word, supported)
    yield from _kernel_parameters(listed(context, "sysctls"), (*path, "sysctls"), spec)
    yield from windows.options(context.get("windowsOptions"), (*path, "windowsOptions"))
    yield from _app_armor(context.get("appArmorProfile"), (*path, "appArmorProfile"))


_LONGEST_PARAMETER: Final = 253
_SEGMENT: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_PART: Final = re.compile(r"[a-z0-9](?:[-_a-z0-9]*+(?<=[a-z0-9]))?+", re.ASCII)
_SEPARATORS: Final = re.compile("[./]")
_PARAMETERS: Final = (
    f"must have at most {_LONGEST_PARAMETER} characters and match regex "
    rf"^({_SEGMENT}[\./])*{_SEGMENT}$"
)


def _kernel_parameters(parameters: list[Any], path: Path, spec: Object) -> Refusals:
    seen: set[str] = set()
    for place, parameter in enumerate(parameters):
        name, here = parameter.get("name") or "", (*path, place, "name")
        if not name:
            yield required(here)
        elif len(name) > _LONGEST_PARAMETER or not all(map(_PART.fullmatch, _SEPARATORS.split(name))):
            yield invalid(here, name, _PARAMETERS)
        elif name in seen:
            yield duplicate(here, name)
        seen.add(name)
        for field, is_of in (("hostNetwork", _is_of_network), ("hostIPC", _is_of_processes)):
            if spec.get(field) and is_of(_dotted(name)):
                yield invalid(here, name, f"may not be specified when '{field}' is true")
                break


def _dotted(name: str) -> str:
    """The name of a kernel parameter with dots: where the first separator is a slash, dots are slashes and slashes
    are dots."""
    first = _SEPARATORS.search(name)
    return name if first is None or first[0] == "." else name.translate(_EXCHANGED)


_EXCHANGED: Final = str.maketrans("./", "/.")


def _is_of_network(name: str) -> bool:
    return name.startswith("net.")


def _is_of_processes(name: str) -> bool:
    return name in _OF_PROCESSES or name.startswith("fs.mqueue.")


_OF_PROCESSES: Final = frozenset(
    f"kernel.{name}"
    for name in ("shm_rmid_forced", "shmmax", "shmall", "shmmni", "shm", "sem", "msgmax", "msgmnb", "msgmni", "msg")
)


_LONGEST_PROFILE: Final = 4095


def _app_armor(profile: Any, path: Path) -> Refusals:
    if profile is None:
        return
    kind, file, here = profile.get("type") or "", profile.get("localhostProfile"), (*path, "localhostProfile")
    if not kind:
        yield required((*path, "type"), "type is required when appArmorProfile is set")
    elif kind not in _PROFILES:
        yield not_supported((*path, "type"), kind, _PROFILES)
    elif kind != "Localhost":
        if file is not None:
            yield invalid_pointer(here, file, "can only be set when AppArmor type is Localhost")
    elif not (file or "").strip(_SPACES):
        if file:
            yield invalid(here, file, "must not be padded with whitespace")
        else:
            yield required(here, "must be set when AppArmor type is Localhost")
    else:
        if file != file.strip(_SPACES):
            yield invalid(here, file, "must not be padded with whitespace")
        if len(file.encode()) > _LONGEST_PROFILE:
            yield too_long(here, _LONGEST_PROFILE)


_SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
"""White space, as Go's strings.TrimSpace takes it."""

_PROC_MOUNTS: Final = ("Default", "Unmasked")


def of_container(context: Object, path: Path, *, host_users: bool = True) -> Refusals:
    """The security context of a container. host_users: whether its Pod has the users of the host."""
    mount = context.get("procMount")
    if mount is not None:
        if mount not in _PROC_MOUNTS:
            yield not_supported((*path, "procMount"), mount, _PROC_MOUNTS)
        if host_users and mount == "Unmasked":
            yield invalid((*path, "procMount"), mount, "`hostUsers` must be false to use `Unmasked`")
    if "windowsOptions" in context:
        yield from windows.options(context["windowsOptions"], (*path, "windowsOptions"))
    if "appArmorProfile" in context:
        yield from _app_armor(context["appArmorProfile"], (*path, "appArmorProfile"))
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
