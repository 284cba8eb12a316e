"""What Pods for Windows lack, what those for Linux lack, and processes of the host that runs Windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from webhook.apiserver.fielderrors import forbidden, invalid, invalid_pointer
from webhook.apiserver.validation.fields import Object, Refusals, at, listed
from webhook.apiserver.validation.names import dns_subdomain
from webhook.paths import Path

_OF_POD: Final = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "runAsUser"),
    *("runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"),
)
_OF_CONTAINER: Final = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged"),
    *("allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
)
_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")


def of_windows(spec: Object, path: Path) -> Refusals:
    """A Pod that says that it is for Windows."""
    words, here = "cannot be set for a windows pod", (*path, "securityContext")
    context = at(spec, "securityContext") or {}
    for name in _OF_POD:
        if context.get(name) is not None:
            yield forbidden((*here, name), words)
    if context.get("sysctls"):
        yield forbidden((*here, "sysctls"), words)
    for name in ("hostUsers", "shareProcessNamespace"):
        if spec.get(name) is not None:
            yield forbidden((*path, name), words)
    for name in ("hostPID", "hostIPC"):
        if spec.get(name):
            yield forbidden((*path, name), words)
    for place, context in _contexts(spec, path):
        for name in _OF_CONTAINER:
            if context.get(name) is not None:
                yield forbidden((*place, name), words)


def of_linux(spec: Object, path: Path) -> Refusals:
    """A Pod that says that it is for Linux."""
    words = "windows options cannot be set for a linux pod"
    if at(spec, "securityContext", "windowsOptions") is not None:
        yield forbidden((*path, "securityContext", "windowsOptions"), words)
    for place, context in _contexts(spec, path):
        if context.get("windowsOptions") is not None:
            yield forbidden((*place, "windowsOptions"), words)


def _contexts(spec: Object, path: Path) -> Iterator[tuple[Path, Object]]:
    """The security contexts of all containers that have one, with their paths."""
    for name in _LISTS:
        for place, container in enumerate(listed(spec, name)):
            context = container.get("securityContext")
            if context:
                yield (*path, name, place, "securityContext"), context


def host_processes(spec: Object, path: Path) -> Refusals:
    """Containers that run as processes of the host: all of a Pod, in the network of the host."""
    of_pod = at(spec, "securityContext", "windowsOptions", "hostProcess")
    if of_pod is None and not any(
        "windowsOptions" in (container.get("securityContext") or ())
        for name in _LISTS
        for container in listed(spec, name)
    ):
        return
    asked = [(place, at(context, "windowsOptions", "hostProcess")) for place, context in _contexts(spec, path)]
    for place, value in asked:
        if of_pod is not None and value is not None and value != of_pod:
            shown = "true" if of_pod else "false"
            words = f"pod hostProcess value must be identical if both are specified, was {shown}"
            yield invalid((*place, "windowsOptions", "hostProcess"), value, words)
    all_of_them = sum(len(listed(spec, name)) for name in _LISTS)
    said = [value for _, value in asked if value is not None]
    processes = sum(map(bool, said)) + (all_of_them - len(said) if of_pod else 0)
    if not processes:
        return
    if processes != all_of_them:
        words = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid(path, "", words)
    if not spec.get("hostNetwork"):
        words = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid((*path, "hostNetwork"), False, words)


_LONGEST_CREDENTIAL: Final = 64  # KiB
_LONGEST_DOMAIN: Final = 256
_LONGEST_USER: Final = 104
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS: Final = re.compile(r"[^\\/:*?\"<>|.][^\\/:*?\"<>|]{0,14}")
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DOMAIN: Final = re.compile(_LABEL)
_NO_USER: Final = re.compile(r"[. ]+")
_NOT_OF_USERS: Final = frozenset('"/\\:;|=,+*?<>@[]')


def options(value: Any, path: Path) -> Refusals:
    """What a security context says for Windows."""
    if value is None:
        return
    name, here = value.get("gmsaCredentialSpecName"), (*path, "gmsaCredentialSpecName")
    if name is not None:
        yield from (invalid_pointer(here, name, fault) for fault in dns_subdomain(name))
    text, here = value.get("gmsaCredentialSpec"), (*path, "gmsaCredentialSpec")
    if text == "":
        yield invalid_pointer(here, text, "gmsaCredentialSpec cannot be an empty string")
    elif text is not None and len(text.encode()) > _LONGEST_CREDENTIAL << 10:
        yield invalid_pointer(here, text, f"gmsaCredentialSpec size must be under {_LONGEST_CREDENTIAL} KiB")
    user = value.get("runAsUserName")
    if user is not None:
        yield from (invalid_pointer((*path, "runAsUserName"), user, fault) for fault in _user_faults(user))


def _user_faults(text: str) -> Iterator[str]:
    """The faults of the name of a user, as DOMAIN\\USER or alone."""
    parts = text.split("\\")
    if not text:
        yield "runAsUserName cannot be an empty string"
        return
    if _CONTROL.search(text):
        yield "runAsUserName cannot contain control characters"
        return
    if len(parts) > 2:
        yield "runAsUserName cannot contain more than one backslash"
        return
    domain, user = parts if len(parts) == 2 else (None, text)
    if domain is not None:
        if len(domain.encode()) >= _LONGEST_DOMAIN:
            yield f"runAsUserName's Domain length must be under {_LONGEST_DOMAIN} characters"
        if not _NETBIOS.fullmatch(domain) and not all(map(_DOMAIN.fullmatch, domain.split("."))):
            yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "runAsUserName's User cannot be empty"
    elif len(user.encode()) > _LONGEST_USER:
        yield f"runAsUserName's User length must not be longer than {_LONGEST_USER} characters"
    if _NO_USER.fullmatch(user):
        yield "runAsUserName's User cannot contain only periods or spaces"
    if not _NOT_OF_USERS.isdisjoint(user):
        yield "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"
