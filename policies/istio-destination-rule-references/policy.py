"""A DestinationRule of Istio is about a host that exists, and keeps the subsets that VirtualServices send traffic to.

Istio accepts a rule for a misspelt host, and its settings (TLS, limits, outlier detection) silently never apply. It
also accepts that a subset goes while traffic is routed to it, and answers 503 from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewright import Request, Violation, validate

ANNOTATIONS = {
    "kubernetes.io/description": "The host of a DestinationRule of Istio exists, and subsets that are in use stay.",
    "gatewright.dev/title": "DestinationRules are about hosts that exist",
    "gatewright.dev/category": "service-mesh",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": "Istio accepts a rule for a host that does not exist, and its TLS settings and limits "
    "never apply. It accepts too that a subset goes to which a VirtualService leads, and answers 503.",
    "gatewright.dev/remediation": "Correct the host, or apply its Service or ServiceEntry first. Before a subset goes, "
    "change the VirtualServices that lead to it.",
}

NETWORKING = "networking.istio.io"
# A cluster has every object in each version that it serves; manifests have it in one.
VERSIONS = ("v1", "v1beta1", "v1alpha3")
DOMAIN = "svc.cluster.local"

JSON = dict[str, Any]


@validate(
    resources=["networking.istio.io/*/destinationrules"],
    operations=["CREATE", "UPDATE"],
    reads=[
        "v1/Service",
        "networking.istio.io/v1/ServiceEntry",
        "networking.istio.io/v1beta1/ServiceEntry",
        "networking.istio.io/v1alpha3/ServiceEntry",
        "networking.istio.io/v1/VirtualService",
        "networking.istio.io/v1beta1/VirtualService",
        "networking.istio.io/v1alpha3/VirtualService",
    ],
    annotations=ANNOTATIONS,
)
def istio_destination_rule_references(request: Request) -> Iterator[Violation]:
    """The host of a DestinationRule exists, and the subsets that VirtualServices lead to stay."""
    host, before = _host(request.object, request.namespace), _host(request.old_object, request.namespace)
    if host != before and not _exists(request, host):
        yield Violation(
            f"spec.host: there is no Service and no ServiceEntry with the host {host or '(none)'}", path="spec.host"
        )
    gone = _subsets(request.old_object)
    if host == before:
        gone = gone - _subsets(request.object)
    if not gone:
        return
    for service in _objects(request, "VirtualService"):
        metadata = service["metadata"]
        used = {subset for at, subset in _destinations(service) if at == before} & gone
        for subset in sorted(used):
            yield Violation(
                f"spec.subsets: the subset {subset} of {before} must stay as long as the VirtualService "
                f"{metadata.get('namespace')}/{metadata['name']} leads to it",
                path="spec.subsets",
            )


def _exists(request: Request, host: str) -> bool:
    """Whether there is a Service or ServiceEntry of the host, or for a host with a wildcard, any that it covers."""
    if host.startswith("*"):
        services = request.cluster.list("v1", "Service").value
        names = (f"{each['metadata']['name']}.{each['metadata'].get('namespace')}.{DOMAIN}" for each in services)
        if any(_covers(host, name) for name in names):
            return True
    name, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    if domain == DOMAIN and request.cluster.get("v1", "Service", name, namespace):
        return True
    return any(
        _covers(each.lower(), host) or _covers(host, each.lower())
        for entry in _objects(request, "ServiceEntry")
        for each in (entry.get("spec") or {}).get("hosts") or []
    )


def _destinations(service: JSON) -> Iterator[tuple[str, str]]:
    """Host and subset of all routes and mirrors of a VirtualService."""
    spec = service.get("spec") or {}
    for protocol in ("http", "tls", "tcp"):
        for route in spec.get(protocol) or []:
            found = [each.get("destination") for field in ("route", "mirrors") for each in route.get(field) or []]
            for destination in [*found, route.get("mirror")]:
                if destination:
                    host = _full(destination.get("host"), service["metadata"].get("namespace"))
                    yield host, destination.get("subset") or ""


def _host(rule: JSON | None, namespace: str) -> str:
    host = ((rule or {}).get("spec") or {}).get("host")
    return _full(host, namespace) if host else ""


def _subsets(rule: JSON | None) -> set[str]:
    return {each["name"] for each in ((rule or {}).get("spec") or {}).get("subsets") or []}


def _objects(request: Request, kind: str) -> Iterator[JSON]:
    for version in VERSIONS:
        try:
            yield from request.cluster.list(f"{NETWORKING}/{version}", kind).value
        except LookupError:  # not served, or none among the manifests
            continue


def _full(host: Any, namespace: str | None) -> str:
    """A host as Istio reads it: a name without a dot is a Service of the object's namespace."""
    name = str(host or "").lower()
    return name if "." in name or name == "*" else f"{name}.{namespace}.{DOMAIN}"


def _covers(pattern: str, host: str) -> bool:
    return pattern == host or (pattern.startswith("*") and host.endswith(pattern[1:]))
