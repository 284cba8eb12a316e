"""Pods and Pod templates: containers, their ports, environment, mounts, probes, and volumes
(pkg/apis/core/validation)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from webhook.apiserver.fielderrors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from webhook.apiserver.fielderrors import named as field_name
from webhook.apiserver.validation import metadata, scheduling, security, volumes
from webhook.apiserver.validation.fields import (
    PROTOCOLS,
    Object,
    Refusals,
    address,
    at,
    is_port_or_name,
    listed,
    named,
    nonnegative,
    one_of,
    optionally_named,
    port_or_name,
)
from webhook.apiserver.validation.names import (
    config_key,
    dns_label,
    dns_subdomain,
    environment_name,
    header_name,
    in_range,
    path_segment,
    port,
    port_name,
)
from webhook.apiserver.validation.resources import resources
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
        yield from _container(container, here, mountable)
        name = container.get("name") or ""
        if name in names:
            yield duplicate((*here, "name"), name)
        names.add(name)
        yield from _probes(container, here)
        if container.get("ports"):
            yield from _host_ports(container, (*here, "ports"), ports)
        if spec.get("hostNetwork"):
            yield from _ports_of_host(container, (*here, "ports"))
    for place, container in enumerate(listed(spec, "initContainers")):
        here = (*path, "initContainers", place)
        yield from _container(container, here, mountable)
        name = container.get("name") or ""
        if name in names:
            yield duplicate((*here, "name"), name)
        names.add(name)
        yield from _init_container(container, here)
    yield from one_of(spec.get("restartPolicy"), (*path, "restartPolicy"), RESTART_POLICIES)
    yield from one_of(spec.get("dnsPolicy"), (*path, "dnsPolicy"), _DNS_POLICIES)
    yield from metadata.label_refusals(spec.get("nodeSelector") or {}, (*path, "nodeSelector"))
    yield from _names(spec, path)
    yield from scheduling.tolerations(listed(spec, "tolerations"), (*path, "tolerations"))
    yield from scheduling.scheduling(spec, path)
    if spec.get("securityContext"):
        yield from security.of_pod(spec["securityContext"], (*path, "securityContext"))
    yield from _host(spec, path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        yield from each((*path, "activeDeadlineSeconds"), deadline, in_range(deadline, 1, _INT32))


_SYSTEMS: Final = ("linux", "windows")


def _host(spec: Object, path: Path) -> Refusals:
    """The operating system, names and servers of names. Fields that Windows lacks are left to the API server."""
    system = spec.get("os")
    if system is not None:
        name = system.get("name") or ""
        if not name:
            yield required((*path, "os", "name"))
        elif name not in _SYSTEMS:
            yield not_supported((*path, "os"), name, _SYSTEMS)
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
    for place, server in enumerate(servers):
        yield from address(server, (*here, "nameservers", place))
    for place, option in enumerate(listed(config, "options")):
        if not option.get("name"):
            yield required((*here, "options", place), "must not be empty")


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


_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")


# A Pod may have thousands of containers, and nearly none has a fault. So what is asked of each of their fields is asked
# here, and a path and the generator of a refusal are made for a fault only.


def _container(container: Object, path: Path, mountable: set[str]) -> Refusals:
    name = container.get("name")
    if not name or dns_label(name):
        yield from named(name, (*path, "name"), dns_label)
    if not container.get("image"):
        yield required((*path, "image"))
    policy = container.get("terminationMessagePolicy")
    if policy not in _MESSAGE_POLICIES:
        yield from one_of(policy, (*path, "terminationMessagePolicy"), _MESSAGE_POLICIES)
    if container.get("ports"):
        yield from _ports(container, (*path, "ports"))
    if container.get("env") or container.get("envFrom"):
        yield from _environment(container, path)
    if container.get("volumeMounts"):
        yield from _mounts(container, (*path, "volumeMounts"), mountable)
    policy = container.get("imagePullPolicy")
    if policy not in volumes.PULL_POLICIES:
        yield from one_of(policy, (*path, "imagePullPolicy"), volumes.PULL_POLICIES)
    amounts = container.get("resources")
    if amounts:
        yield from resources(amounts, (*path, "resources"))
    context = container.get("securityContext")
    if context:
        yield from security.of_container(context, (*path, "securityContext"))


def _init_container(container: Object, path: Path) -> Refusals:
    if container.get("restartPolicy") == "Always":
        yield from _probes(container, path)
        return
    for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            words = "may not be set for init containers without restartPolicy=Always"
            yield forbidden((*path, name), words)


def _ports(container: Object, path: Path) -> Refusals:
    names: set[str] = set()
    for place, each_port in enumerate(listed(container, "ports")):
        here = (*path, place)
        name = each_port.get("name")
        if name:
            faults = port_name(name)
            if faults:
                yield from each((*here, "name"), name, faults)
            elif name in names:
                yield duplicate((*here, "name"), name)
            names.add(name)
        number = each_port.get("containerPort") or 0
        if not number:
            yield required((*here, "containerPort"))
        elif faults := port(number):
            yield from each((*here, "containerPort"), number, faults)
        host = each_port.get("hostPort")
        if host and (faults := port(host)):
            yield from each((*here, "hostPort"), host, faults)
        protocol = each_port.get("protocol")
        if protocol not in PROTOCOLS:
            yield from one_of(protocol, (*here, "protocol"), PROTOCOLS)


def _host_ports(container: Object, path: Path, seen: set[tuple[Any, ...]]) -> Refusals:
    for place, each_port in enumerate(listed(container, "ports")):
        number = each_port.get("hostPort")
        if not number:
            continue
        host = each_port.get("hostIP") or ""
        key = (each_port.get("protocol") or "", host, number)
        if key in seen:
            text = "/".join(str(part) for part in key)
            yield duplicate((*path, place, "hostPort"), text)
        seen.add(key)


def _ports_of_host(container: Object, path: Path) -> Refusals:
    for place, each_port in enumerate(listed(container, "ports")):
        number = each_port.get("hostPort") or 0
        if number and number != each_port.get("containerPort"):
            yield invalid((*path, place, "hostPort"), number, "must match `containerPort` when `hostNetwork` is true")


_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NO_SOURCE: Final = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
)


def _environment(container: Object, path: Path) -> Refusals:
    for place, variable in enumerate(listed(container, "env")):
        name, source = variable.get("name"), variable.get("valueFrom")
        if name and source is None and not environment_name(name):
            continue
        here = (*path, "env", place)
        yield from named(name, (*here, "name"), environment_name)
        if source is None:
            continue
        given = [name for name in _SOURCES if source.get(name) is not None]
        there = (*here, "valueFrom")
        if source.get("fieldRef") is not None:
            yield from volumes.field_reference(source["fieldRef"], (*there, "fieldRef"), volumes.ENVIRONMENT_FIELDS)
        if source.get("resourceFieldRef") is not None:
            yield from volumes.resource_reference(source["resourceFieldRef"], (*there, "resourceFieldRef"))
        for name in ("configMapKeyRef", "secretKeyRef"):
            reference = source.get(name)
            if reference is not None:
                text = reference.get("name") or ""
                yield from each((*there, name, "name"), text, dns_subdomain(text))
                yield from named(reference.get("key"), (*there, name, "key"), config_key)
        if not given:
            yield invalid(there, "", _NO_SOURCE)
        elif variable.get("value"):
            yield invalid((*here, "valueFrom"), "", "may not be specified when `value` is not empty")
        elif len(given) > 1:
            yield invalid((*here, "valueFrom"), "", "may not have more than one field specified at a time")
    for place, source in enumerate(listed(container, "envFrom")):
        here = (*path, "envFrom", place)
        yield from optionally_named(source.get("prefix"), (*here, "prefix"), environment_name)
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in given:
            yield from named(source[name].get("name"), (*here, name, "name"), dns_subdomain)
        if not given:
            yield invalid((*path, "envFrom"), "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid((*path, "envFrom"), "", "may not have more than one field specified at a time")


def _mounts(container: Object, path: Path, mountable: set[str]) -> Refusals:
    points: set[str] = set()
    for place, mount in enumerate(listed(container, "volumeMounts")):
        here = (*path, place)
        name, point = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required((*here, "name"))
        if name not in mountable:
            yield not_found((*here, "name"), name)
        if not point:
            yield required((*here, "mountPath"))
        if point in points:
            yield invalid((*here, "mountPath"), point, "must be unique")
        points.add(point)
        if len(mount) > 2:
            yield from _mounted(mount, container, path, place)


_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")


def _mounted(mount: Object, container: Object, path: Path, place: int) -> Refusals:
    """What else is said of a mount. The API server names most of it without the place in the list."""
    below, expression = mount.get("subPath"), mount.get("subPathExpr")
    if below:
        yield from _elsewhere(volumes.descending_path(below, (*path, "subPath")), (*path, place, "subPath"))
    if expression:
        here = (*path, place, "subPathExpr")
        if below:
            yield invalid(here, expression, "subPathExpr and subPath are mutually exclusive")
        yield from _elsewhere(volumes.descending_path(expression, (*path, "subPathExpr")), here)
    mode, here = mount.get("mountPropagation"), (*path, place, "mountPropagation")
    if mode is not None and mode not in _PROPAGATIONS:
        yield from _elsewhere([not_supported((*path, "mountPropagation"), mode, _PROPAGATIONS)], here)
    if mode == "Bidirectional" and not at(container, "securityContext", "privileged"):
        words = "Bidirectional mount propagation is available only to privileged containers"
        yield from _elsewhere([forbidden((*path, "mountPropagation"), words)], here)


def _elsewhere(errors: Iterable[FieldError], path: Path) -> Refusals:
    """The refusals at another place than the one that the API server names."""
    for error in errors:
        yield FieldError(path, error.kind, error.body, field_name(error.path))


# ----------------------------------------------------------------------------------------------------------- probes


_TIMES: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def _probes(container: Object, path: Path) -> Refusals:
    lifecycle = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if lifecycle.get(name) is not None:
            yield from _handler(lifecycle[name], (*path, "lifecycle", name))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        here = (*path, name)
        yield from _handler(probe, here)
        for field in _TIMES:
            seconds = probe.get(field)
            if isinstance(seconds, int) and seconds < 0:
                yield from nonnegative(seconds, (*here, field))
        grace = probe.get("terminationGracePeriodSeconds")
        if isinstance(grace, int) and grace <= 0:
            yield invalid((*here, "terminationGracePeriodSeconds"), grace, "must be greater than 0")
        successes = probe.get("successThreshold") or 0
        if name != "readinessProbe" and successes != 1:
            yield invalid((*here, "successThreshold"), successes, "must be 1")
        if name == "readinessProbe" and grace is not None:
            words = "must not be set for readinessProbes"
            yield invalid((*here, "terminationGracePeriodSeconds"), grace, words)


def _handler(handler: Object, path: Path) -> Refusals:
    given = [name for name in _HANDLERS if handler.get(name) is not None]
    for name in given[1:]:
        yield forbidden((*path, name), "may not specify more than 1 handler type")
    if not given:
        yield required(path, "must specify a handler type")
        return
    name = given[0]
    action, here = handler[name], (*path, name)
    match name:
        case "exec":
            if not action.get("command"):
                yield required((*here, "command"))
        case "httpGet":
            if not action.get("path"):
                yield required((*here, "path"))
            if not is_port_or_name(action.get("port")):
                yield from port_or_name(action.get("port"), (*here, "port"))
            scheme = action.get("scheme") or ""
            if scheme not in ("HTTP", "HTTPS"):
                yield not_supported((*here, "scheme"), scheme, ("HTTP", "HTTPS"))
            for place, header in enumerate(listed(action, "httpHeaders")):
                text, there = header.get("name") or "", (*here, "httpHeaders")
                yield from _elsewhere(each(there, text, header_name(text)), (*there, place, "name"))
        case "tcpSocket":
            yield from port_or_name(action.get("port"), (*here, "port"))
        case "grpc":
            yield from port_or_name(action.get("port"), (*here, "port"))


def path_name(value: Any, path: Path) -> Refusals:
    """A name that may be anything that stands in a URL's path."""
    yield from named(value, path, path_segment)
