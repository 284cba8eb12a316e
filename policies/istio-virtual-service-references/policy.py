"""What a VirtualService of Istio refers to exists: its gateways, and the hosts, ports and subsets of its destinations.

Istio accepts a route to nowhere, and answers 503 where it leads. Hosts are those of Services and ServiceEntries;
subsets those of DestinationRules. In `gatewright check` all objects of one run are there: a change set is judged whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewright import Request, Violation, validate

ANNOTATIONS = {
    "kubernetes.io/description": "The gateways, hosts, ports and subsets that a VirtualService of Istio names exist.",
    "gatewright.dev/title": "VirtualServices lead somewhere",
    "gatewright.dev/category": "service-mesh",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": "Istio accepts a route to a host or subset that does not exist, and answers requests "
    "with 503. A misspelt name takes a service down at once, and nothing says why.",
    "gatewright.dev/remediation": "Correct the name, or apply the Gateway, Service, ServiceEntry or DestinationRule "
    "first, or in the same change.",
}

NETWORKING = "networking.istio.io"
# A cluster has every object in each version that it serves; manifests have it in one.
VERSIONS = ("v1", "v1beta1", "v1alpha3")
DOMAIN = "svc.cluster.local"

JSON = dict[str, Any]
Path = tuple[str | int, ...]


@validate(
    resources=["networking.istio.io/*/virtualservices"],
    operations=["CREATE", "UPDATE"],
    reads=[
        "v1/Service",
        "networking.istio.io/v1/Gateway",
        "networking.istio.io/v1beta1/Gateway",
        "networking.istio.io/v1alpha3/Gateway",
        "networking.istio.io/v1/ServiceEntry",
        "networking.istio.io/v1beta1/ServiceEntry",
        "networking.istio.io/v1alpha3/ServiceEntry",
        "networking.istio.io/v1/DestinationRule",
        "networking.istio.io/v1beta1/DestinationRule",
        "networking.istio.io/v1alpha3/DestinationRule",
    ],
    annotations=ANNOTATIONS,
)
def istio_virtual_service_references(request: Request) -> Iterator[Violation]:
    """The gateways, hosts, ports and subsets that a VirtualService names exist."""
    old = request.old_object or {}
    # What was there before may stay: a Service that is gone must not hold up a label or a finalizer.
    gateways = {name for name, _ in _gateways(old)}
    for name, path in _gateways(request.object):
        if name not in gateways and not _gateway_exists(request, name):
            yield _violation(path, f"there is no Gateway {_qualified(name, request.namespace)}")
    destinations = [destination for destination, _ in _destinations(old)]
    for destination, path in _destinations(request.object):
        if destination not in destinations:
            yield from _destination(request, destination, path)


def _destination(request: Request, destination: JSON, path: Path) -> Iterator[Violation]:
    host = _full(destination.get("host"), request.namespace)
    ports = _ports(request, host)
    if ports is None:
        yield _violation((*path, "host"), f"there is no Service and no ServiceEntry with the host {host}")
        return
    number = (destination.get("port") or {}).get("number")
    if number is not None and number not in ports:
        listed = ", ".join(map(str, sorted(ports))) or "none"
        yield _violation((*path, "port", "number"), f"{host} has no port {number}; its ports are {listed}")
    subset = destination.get("subset")
    if subset:
        known = _subsets(request, host)
        if subset not in known:
            listed = ", ".join(sorted(known)) or "none"
            yield _violation(
                (*path, "subset"), f"no DestinationRule gives {host} the subset {subset}; its subsets are {listed}"
            )


def _gateways(service: JSON) -> Iterator[tuple[str, Path]]:
    """The gateways of the spec and of the matches, each with its place. `mesh` is the sidecars."""
    spec = service.get("spec") or {}
    places: list[tuple[JSON, Path]] = [(spec, ("spec",))]
    for protocol in ("http", "tls", "tcp"):
        for index, route in enumerate(spec.get(protocol) or []):
            for number, match in enumerate(route.get("match") or []):
                places.append((match, ("spec", protocol, index, "match", number)))
    for place, path in places:
        for index, name in enumerate(place.get("gateways") or []):
            if name != "mesh":
                yield name, (*path, "gateways", index)


def _destinations(service: JSON) -> Iterator[tuple[JSON, Path]]:
    """Where all routes and mirrors lead, each with its place."""
    spec = service.get("spec") or {}
    for protocol in ("http", "tls", "tcp"):
        for index, route in enumerate(spec.get(protocol) or []):
            path: Path = ("spec", protocol, index)
            for field in ("route", "mirrors"):
                for number, each in enumerate(route.get(field) or []):
                    yield each.get("destination") or {}, (*path, field, number, "destination")
            if route.get("mirror"):
                yield route["mirror"], (*path, "mirror")


def _gateway_exists(request: Request, name: str) -> bool:
    namespace, _, own = _qualified(name, request.namespace).rpartition("/")
    return any(
        each["metadata"]["name"] == own and each["metadata"].get("namespace") == namespace
        for each in _objects(request, "Gateway")
    )


def _ports(request: Request, host: str) -> set[int] | None:
    """The ports of a host; None if there is no such host."""
    name, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    if domain == DOMAIN and (service := request.cluster.get("v1", "Service", name, namespace).value):
        return {port["port"] for port in (service.get("spec") or {}).get("ports") or []}
    found = None
    for entry in _objects(request, "ServiceEntry"):
        spec = entry.get("spec") or {}
        if _visible(entry, request.namespace) and any(_covers(each.lower(), host) for each in spec.get("hosts") or []):
            found = (found or set()) | {port["number"] for port in spec.get("ports") or []}
    return found


def _subsets(request: Request, host: str) -> set[str]:
    """The subsets that DestinationRules give a host."""
    return {
        subset["name"]
        for rule in _objects(request, "DestinationRule")
        if _visible(rule, request.namespace)
        and _covers(_full((rule.get("spec") or {}).get("host"), rule["metadata"].get("namespace")), host)
        for subset in rule["spec"].get("subsets") or []
    }


def _visible(obj: JSON, namespace: str) -> bool:
    """Whether an object is for the clients of a namespace, by its exportTo."""
    to = (obj.get("spec") or {}).get("exportTo") or ["*"]
    own = obj["metadata"].get("namespace")
    return any(each in ("*", namespace) or (each == "." and own == namespace) for each in to)


def _objects(request: Request, kind: str) -> Iterator[JSON]:
    for version in VERSIONS:
        try:
            yield from request.cluster.list(f"{NETWORKING}/{version}", kind).value
        except LookupError:  # not served, or none among the manifests
            continue


def _full(host: Any, namespace: str | None) -> str:
    """A host as Istio reads it: a name without a dot is a Service of the object's namespace."""
    name = str(host or "").lower()
    return name if "." in name or name.startswith("*") else f"{name}.{namespace}.{DOMAIN}"


def _covers(pattern: str, host: str) -> bool:
    return pattern == host or (pattern.startswith("*") and host.endswith(pattern[1:]))


def _qualified(name: str, namespace: str) -> str:
    """A name of a Gateway as Istio reads it: `.` is the object's namespace, and a whole host has its own in it."""
    of, slash, own = name.partition("/")
    if slash:
        return f"{namespace if of == '.' else of}/{own}"
    own, dot, rest = name.partition(".")
    return f"{rest.partition('.')[0]}/{own}" if dot else f"{namespace}/{name}"


def _violation(path: Path, text: str) -> Violation:
    """A violation with the path in its message too, because the cluster's users see only the message."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return Violation(f"{where[1:]}: {text}", path=path)
