"""Pods and Pod templates (pkg/apis/core/validation)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.fielderrors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from webhook.apiserver.fielderrors import named as field_name
from webhook.apiserver.validation import (
    claims,
    metadata,
    podcontainers,
    podlevel,
    scheduling,
    security,
    volumes,
    windows,
)
from webhook.apiserver.validation.fields import (
    Object,
    Refusals,
    address,
    at,
    listed,
    nonnegative,
    one_of,
    optionally_named,
)
from webhook.apiserver.validation.names import dns_label, dns_subdomain, dns_subdomain_with_underscores, in_range
from webhook.paths import Path

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")


def pod(value: Object, path: Path = ()) -> Refusals:
    """A new Pod."""
    spec, here = at(value, "spec") or {}, (*path, "spec")
    yield from pod_spec(spec, here)
    yield from nonnegative(spec.get("terminationGracePeriodSeconds"), (*here, "terminationGracePeriodSeconds"))
    for name in ("containers", "initContainers"):
        for place, container in enumerate(listed(spec, name)):
            image = container.get("image") or ""
            if image != image.strip():
                words = "must not have leading or trailing whitespace"
                yield invalid((*here, name, place, "image"), image, words)
    if spec.get("ephemeralContainers"):
        yield forbidden((*here, "ephemeralContainers"), "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield forbidden((*here, "nodeName"), "cannot be set until all schedulingGates have been cleared")


def template(value: Object, path: Path) -> Refusals:
    """A Pod template."""
    meta = at(value, "metadata") or {}
    # The API server names these two without `metadata`.
    yield from metadata.label_refusals(meta.get("labels") or {}, (*path, "labels"))
    yield from metadata.annotation_refusals(meta.get("annotations") or {}, (*path, "annotations"))
    spec = at(value, "spec") or {}
    yield from pod_spec(spec, (*path, "spec"))
    if spec.get("ephemeralContainers"):
        words = "ephemeral containers not allowed in pod template"
        yield forbidden((*path, "spec", "ephemeralContainers"), words)


_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_INT32: Final = 2**31 - 1


def pod_spec(spec: Object, path: Path) -> Refusals:
    """The spec of a Pod, after defaults."""
    errors: list[FieldError] = []
    mountable = volumes.volumes(spec, path, errors)
    yield from errors
    containers = listed(spec, "containers")
    if not containers:
        yield required((*path, "containers"))
    names: set[str] = set()
    ports: set[tuple[Any, ...]] = set()
    for place, container in enumerate(containers):
        here = (*path, "containers", place)
        yield from podcontainers.container(container, here, mountable, spec)
        name = container.get("name") or ""
        if name in names:
            yield duplicate((*here, "name"), name)
        names.add(name)
        if not podcontainers.PROBED.isdisjoint(container):
            yield from podcontainers.probes(container, here, spec)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            yield from podcontainers.restarts(container, here)
        if container.get("ports"):
            yield from podcontainers.host_ports(container, (*here, "ports"), ports)
        if spec.get("hostNetwork"):
            yield from podcontainers.ports_of_host(container, (*here, "ports"))
    for place, container in enumerate(listed(spec, "initContainers")):
        here = (*path, "initContainers", place)
        yield from podcontainers.container(container, here, mountable, spec)
        name = container.get("name") or ""
        if name in names:
            yield duplicate((*here, "name"), name)
        names.add(name)
        yield from podcontainers.init_container(container, here, spec)
    if spec.get("resourceClaims"):
        yield from claims.of_pod(spec, (*path, "resourceClaims"))
    yield from podlevel.resources_of_pod(spec, (*path, "resources"))
    yield from one_of(spec.get("restartPolicy"), (*path, "restartPolicy"), RESTART_POLICIES)
    yield from one_of(spec.get("dnsPolicy"), (*path, "dnsPolicy"), _DNS_POLICIES)
    yield from metadata.label_refusals(spec.get("nodeSelector") or {}, (*path, "nodeSelector"))
    yield from _names(spec, path)
    yield from scheduling.tolerations(listed(spec, "tolerations"), (*path, "tolerations"))
    yield from scheduling.scheduling(spec, path)
    if spec.get("securityContext"):
        yield from security.of_pod(spec["securityContext"], (*path, "securityContext"), spec)
    yield from _host(spec, path)
    yield from _shared(spec, path)
    yield from windows.host_processes(spec, path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        yield from each((*path, "activeDeadlineSeconds"), deadline, in_range(deadline, 1, _INT32))


_SYSTEMS: Final = ("linux", "windows")


def _host(spec: Object, path: Path) -> Refusals:
    """The operating system, names and servers of names."""
    system = spec.get("os")
    if system is not None:
        name = system.get("name") or ""
        if not name:
            yield required((*path, "os", "name"))
        elif name not in _SYSTEMS:
            yield not_supported((*path, "os"), name, _SYSTEMS)
        else:
            yield from windows.of_linux(spec, path) if name == "linux" else windows.of_windows(spec, path)
    for place, alias in enumerate(listed(spec, "hostAliases")):
        here = (*path, "hostAliases", place)
        yield from address(alias.get("ip") or "", (*here, "ip"))
        for number, name in enumerate(alias.get("hostnames") or []):
            yield from each((*here, "hostnames", number), name, dns_subdomain(name))
    config, here = spec.get("dnsConfig"), (*path, "dnsConfig")
    servers = at(config, "nameservers") or []
    if spec.get("dnsPolicy") == "None" and not servers:
        if config is None:
            yield required(here, "must provide `dnsConfig` when `dnsPolicy` is None")
        else:
            words = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required((*here, "nameservers"), words)
        return
    if len(servers) > _MOST_SERVERS:
        yield invalid((*here, "nameservers"), servers, f"must not have more than {_MOST_SERVERS} nameservers")
    yield from _searches(at(config, "searches") or [], (*here, "searches"))
    for place, server in enumerate(servers):
        yield from address(server, (*here, "nameservers", place))
    for place, option in enumerate(listed(config, "options")):
        if not option.get("name"):
            yield required((*here, "options", place), "must not be empty")


_MOST_SERVERS: Final = 3
_MOST_SEARCHES: Final = 32
_LONGEST_SEARCHES: Final = 2048


def _searches(domains: list[str], path: Path) -> Refusals:
    if len(domains) > _MOST_SEARCHES:
        yield invalid(path, domains, f"must not have more than {_MOST_SEARCHES} search paths")
    if len(" ".join(domains).encode()) > _LONGEST_SEARCHES:
        words = f"must not have more than {_LONGEST_SEARCHES} characters (including spaces) in the search list"
        yield invalid(path, domains, words)
    for place, domain in enumerate(domains):
        if domain != ".":
            text = domain.removesuffix(".")
            yield from each((*path, place), text, dns_subdomain_with_underscores(text))


def _shared(spec: Object, path: Path) -> Refusals:
    """Namespaces of the host, and the one for processes. Devices for users of their own are left to the API server."""
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        words = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid((*path, "shareProcessNamespace"), True, words)
    if spec.get("hostUsers") is False:
        for name, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if spec.get(name):
                error = forbidden((*path, shown), "when `hostUsers` is false")
                yield FieldError((*path, name), error.kind, error.body, field_name(error.path))


def _names(spec: Object, path: Path) -> Refusals:
    for name, check in (
        ("serviceAccountName", dns_subdomain),
        ("nodeName", dns_subdomain),
        ("hostname", dns_label),
        ("subdomain", dns_label),
        ("priorityClassName", dns_subdomain),
        ("runtimeClassName", dns_subdomain),
    ):
        yield from optionally_named(spec.get(name), (*path, name), check)
