"""Containers of Pods: their ports, environment, mounts, probes, hooks, and when they are restarted
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
    too_many,
)
from webhook.apiserver.fielderrors import named as field_name
from webhook.apiserver.validation import claims, security, volumes
from webhook.apiserver.validation.fields import (
    PROTOCOLS,
    Object,
    Refusals,
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
    port,
    port_name,
)
from webhook.apiserver.validation.resources import resources
from webhook.paths import Path

_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")


# A Pod may have thousands of containers, and nearly none has a fault. So what is asked of each of their fields is asked
# here, and a path and the generator of a refusal are made for a fault only.


PROBED: Final = frozenset({"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
"""The fields that `probes` looks at."""


def container(container: Object, path: Path, mountable: set[str], pod: Object) -> Refusals:
    """What containers of all sorts may have. mountable: the names of volumes. pod: the spec that it is a part of."""
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
        if "claims" in amounts:
            yield from claims.of_container(listed(amounts, "claims"), (*path, "resources", "claims"), pod)
    context = container.get("securityContext")
    if context:
        yield from security.of_container(
            context, (*path, "securityContext"), host_users=pod.get("hostUsers") is not False
        )
    if container.get("resizePolicy"):
        yield from _resizing(container["resizePolicy"], (*path, "resizePolicy"), pod.get("restartPolicy"))


_RESIZED: Final = ("cpu", "memory")
_RESIZES: Final = ("NotRequired", "RestartContainer")


def _resizing(policies: list[Any], path: Path, restart: Any) -> Refusals:
    """What happens when resources are resized. The API server names all but repetitions without the place."""
    seen: set[str] = set()
    for place, policy in enumerate(policies):
        here = (*path, place)
        name, words = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield duplicate(here, name)
        seen.add(name)
        yield from _elsewhere(one_of(name, path, _RESIZED), (*here, "resourceName"))
        yield from _elsewhere(one_of(words, path, _RESIZES), (*here, "restartPolicy"))
        if restart == "Never" and words != "NotRequired":
            wrong = invalid(path, words, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")
            yield from _elsewhere([wrong], (*here, "restartPolicy"))


_RESTARTS: Final = ("Always", "Never", "OnFailure")
_EXITS: Final = ("In", "NotIn")
_MOST_RULES: Final = 20
_MOST_EXIT_CODES: Final = 255


def _no_policy(path: Path) -> FieldError:
    return required((*path, "restartPolicy"), "must specify restartPolicy when restart rules are used")


def restarts(container: Object, path: Path) -> Refusals:
    """When a container is restarted. Which actions a rule may have depends on a feature gate."""
    policy, rules = container.get("restartPolicy"), listed(container, "restartPolicyRules")
    if policy is None:
        if rules:
            yield _no_policy(path)
    elif policy not in _RESTARTS:
        yield not_supported((*path, "restartPolicy"), policy, _RESTARTS)
    here = (*path, "restartPolicyRules")
    if len(rules) > _MOST_RULES:
        yield too_many(here, len(rules), _MOST_RULES)
    for place, rule in enumerate(rules):
        codes, there = rule.get("exitCodes"), (*here, place, "exitCodes")
        if codes is None:
            yield required(there, "must be specified")
            continue
        operator, values = codes.get("operator") or "", codes.get("values") or []
        if operator not in _EXITS:
            yield not_supported((*there, "operator"), operator, _EXITS)
        if len(values) > _MOST_EXIT_CODES:
            yield too_many((*there, "values"), len(values), _MOST_EXIT_CODES)


def init_container(container: Object, path: Path, pod: Object) -> Refusals:
    """What is asked of init containers only. One that is restarted always is a sidecar."""
    if container.get("restartPolicy") == "Always":
        yield from probes(container, path, pod)
        return
    if "restartPolicy" in container:
        yield from restarts(container, path)
    elif container.get("restartPolicyRules"):
        yield _no_policy(path)
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


def host_ports(container: Object, path: Path, seen: set[tuple[Any, ...]]) -> Refusals:
    """Ports of the host, each of which one container may have. seen: those of the containers before."""
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


def ports_of_host(container: Object, path: Path) -> Refusals:
    """Ports of a Pod in the network of its host."""
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
    read_only = mount.get("recursiveReadOnly")
    if read_only is not None:
        yield from _elsewhere(
            _read_only(read_only, mount, (*path, "recursiveReadOnly")), (*path, place, "recursiveReadOnly")
        )
    if mode == "Bidirectional" and not at(container, "securityContext", "privileged"):
        words = "Bidirectional mount propagation is available only to privileged containers"
        yield from _elsewhere([forbidden((*path, "mountPropagation"), words)], here)


_READ_ONLY: Final = ("Disabled", "Enabled", "IfPossible")


def _read_only(value: str, mount: Object, path: Path) -> Refusals:
    if value not in _READ_ONLY:
        yield not_supported(path, value, _READ_ONLY)
    if value not in _READ_ONLY[1:]:
        return
    if not mount.get("readOnly"):
        yield forbidden(path, "may only be specified when readOnly is true")
    if mount.get("mountPropagation") not in (None, "None"):
        yield forbidden(path, "may only be specified when mountPropagation is None or not specified")


def _elsewhere(errors: Iterable[FieldError], path: Path) -> Refusals:
    """The refusals at another place than the one that the API server names."""
    for error in errors:
        yield FieldError(path, error.kind, error.body, field_name(error.path))


# ----------------------------------------------------------------------------------------------------------- probes


_TIMES: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def probes(container: Object, path: Path, pod: Object) -> Refusals:
    """Probes and hooks of a main container, or of a sidecar."""
    lifecycle = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if lifecycle.get(name) is not None:
            here = (*path, "lifecycle", name)
            yield from _handler(lifecycle[name], here)
            yield from _sleep(lifecycle[name], (*here, "sleep"), pod.get("terminationGracePeriodSeconds"))
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


def _sleep(handler: Object, path: Path, grace: Any) -> Refusals:
    """A hook that sleeps, if it is the handler. grace: the Pod's seconds, which are refused if they are negative."""
    given = next((name for name in _HANDLERS if handler.get(name) is not None), None)
    if given != "sleep" or not isinstance(grace, int) or grace < 0:
        return
    seconds = handler["sleep"].get("seconds") or 0
    if not 0 <= seconds <= grace:
        words = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield invalid(path, seconds, words)


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
