"""Containers, Services and the applications behind them use only the protocols of an allowlist.

A port's protocol is TCP, UDP or SCTP. The application protocol can only be declared in a Service: in `appProtocol`, or,
by Istio's convention, in the port's name (`grpc`, `grpc-orders`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from gatewright import Request, Violation, validate

# The protocols that Istio recognizes at the start of a port's name (istio.io, Protocol Selection). Other names, such as
# `web`, declare no protocol.
PORT_NAME_PROTOCOLS = frozenset({
    "grpc", "grpc-web", "http", "http2", "https", "mongo", "mysql", "redis", "tcp", "tls", "udp",
})  # fmt: skip

# The path of the Pod spec in each kind; WORKLOAD for all others.
POD_SPECS = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
WORKLOAD = ("spec", "template", "spec")

Path = tuple[str | int, ...]


class Params(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The `data` of the ConfigMap. Application protocols are compared case-insensitively, as in Istio."""

    port_protocols: Annotated[tuple[str, ...], Meta(min_length=1)]
    application_protocols: Annotated[tuple[str, ...], Meta(min_length=1)]
    allow_undeclared: bool = False
    exempt_namespaces: tuple[str, ...] = ()


ANNOTATIONS = {
    "kubernetes.io/description": "Container ports, Service ports and application protocols are in a list.",
    "gatewright.dev/title": "Protocols from a list",
    "gatewright.dev/category": "network",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": (
        "Each protocol that is open is one more that has to be watched and kept up to date. A list says which ones are."
    ),
    "gatewright.dev/remediation": (
        "Use a protocol of the ConfigMap protocol-whitelist, and declare it by appProtocol or by the name of the port."
    ),
    "gatewright.dev/controls": "NIST-800-53 CM-7\nPCI-DSS 1.2.5",
}


@validate(
    resources=[
        "v1/services",
        "v1/pods",
        "v1/pods/ephemeralcontainers",
        "v1/podtemplates",
        "v1/replicationcontrollers",
        "apps/v1/deployments",
        "apps/v1/replicasets",
        "apps/v1/statefulsets",
        "apps/v1/daemonsets",
        "batch/v1/jobs",
        "batch/v1/cronjobs",
    ],
    operations=["CREATE", "UPDATE"],
    param_kind="v1/ConfigMap",
    annotations=ANNOTATIONS,
)
def protocol_whitelist(request: Request, params: Params) -> Iterator[Violation]:
    """Container ports, Service ports and application protocols are in the allowlist."""
    if request.namespace in params.exempt_namespaces:
        return
    if request.kind.kind == "Service":
        yield from _service(request, params)
    else:
        yield from _containers(request, params)


def _service(request: Request, params: Params) -> Iterator[Violation]:
    # ExternalName Services have no ports, and headless ones may have none.
    path: Path = ("spec", "ports")
    ports = _at(request.object, path) or []
    if request.operation == "UPDATE" and ports == (_at(request.old_object, path) or []):
        return
    allowed = frozenset({protocol.lower() for protocol in params.application_protocols})
    for index, port in enumerate(ports):
        yield from _port_protocol(port, (*path, index), params)
        yield from _application_protocol(port, (*path, index), params, allowed)


def _containers(request: Request, params: Params) -> Iterator[Violation]:
    path = POD_SPECS.get(request.kind.kind, WORKLOAD)
    # Workloads that existed before the policy must remain editable, for example to scale them down. So an update is
    # checked only if it changes the Pod template, or adds containers (ephemeral ones) to a Pod.
    checked = path if path == ("spec",) else path[:-1]
    if request.operation == "UPDATE" and _at(request.object, checked) == _at(request.old_object, checked):
        return
    spec = _at(request.object, path) or {}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        old = _at(request.old_object, (*path, field)) or [] if request.kind.kind == "Pod" else []
        before = {container.get("name"): container for container in old}  # a Pod's names are unique
        for index, container in enumerate(spec.get(field) or []):
            if before.get(container.get("name")) == container:
                continue
            for number, port in enumerate(container.get("ports") or []):
                yield from _port_protocol(
                    port, (*path, field, index, "ports", number), params, container.get("name") or field
                )


def _port_protocol(port: dict[str, Any], path: Path, params: Params, container: str = "") -> Iterator[Violation]:
    protocol = port.get("protocol") or "TCP"  # the API's default
    if protocol not in params.port_protocols:
        number = port.get("containerPort") if container else port.get("port")
        owner = f" of {container}" if container else ""
        yield _violation(
            (*path, "protocol"), f"port {number}{owner} is {protocol}; it must be {_listed(params.port_protocols)}"
        )


def _application_protocol(
    port: dict[str, Any], path: Path, params: Params, allowed: frozenset[str]
) -> Iterator[Violation]:
    number, name, declared = port.get("port"), port.get("name") or "", port.get("appProtocol")
    spoken = declared.lower() if declared else _protocol_of(name.lower(), PORT_NAME_PROTOCOLS | allowed)
    if spoken in allowed:
        return
    choice = _listed(params.application_protocols)
    if declared:
        yield _violation((*path, "appProtocol"), f"port {number} speaks {declared}; it must be {choice}")
    elif spoken is not None:
        yield _violation(
            (*path, "name"),
            f"port {number} speaks {spoken}, as its name, {name}, says; it must be {choice}, "
            "or have one of these as its appProtocol",
        )
    elif not params.allow_undeclared:
        hint = f" (its name, {name}, is no protocol)" if name else ""
        yield _violation(path, f"port {number} declares no application protocol{hint}; set appProtocol to {choice}")


def _protocol_of(name: str, protocols: frozenset[str]) -> str | None:
    """The longest protocol that the name consists of, or starts with before a dash (`grpc-web` contains one)."""
    if name in protocols:
        return name
    of = [protocol for protocol in protocols if name.startswith(f"{protocol}-")]
    return max(of, key=len, default=None)


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = (value or {}).get(key)
    return value


def _violation(path: Path, text: str) -> Violation:
    """A violation with the path in its message too, because the cluster's users see only the message."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return Violation(f"{where[1:]}: {text}", path=path)


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
