"""No two namespaces serve the same host, by Ingresses or by routes, or listen to it with Gateways.

Hosts of Ingresses and of routes are compared with each other, those of Gateways with those of other Gateways. A route
without hosts serves those of the listeners that it attaches to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from msgspec import Struct

from gatewright import Request, Violation, validate

ANNOTATIONS = {
    "kubernetes.io/description": "No host is served by Ingresses, routes or Gateways of two namespaces.",
    "gatewright.dev/title": "One namespace for each host",
    "gatewright.dev/category": "network",
    "gatewright.dev/severity": "high",
    "gatewright.dev/rationale": (
        "Of two Ingresses with one host the controller serves the older, or merges their paths: a "
        "tenant takes a part of the traffic of another, or cuts it off."
    ),
    "gatewright.dev/remediation": "Choose another host, or have the other object removed.",
    "gatewright.dev/controls": ("NIST-800-53 SC-7\nMITRE-ATTACK T1557\n"),
}

JSON = dict[str, Any]
GATEWAY = "gateway.networking.k8s.io/v1"
SERVING = (("networking.k8s.io/v1", "Ingress"), (GATEWAY, "HTTPRoute"), (GATEWAY, "GRPCRoute"))
LISTENING = ((GATEWAY, "Gateway"),)
# How annotations end that name hosts: of nginx and HAProxy, whose prefixes are flags, and of Kong.
ALIASES = ("/server-alias", "/server-alias-regex", "/host-aliases")


class Params(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The `data` of the ConfigMap. `shared_hosts`: hosts that everybody may serve. `below_wildcards`: whether one
    namespace may serve a host below the wildcard of another, which came first."""

    shared_hosts: tuple[str, ...] = ()
    below_wildcards: bool = False


@validate(
    name="unique-ingress-hosts",
    resources=[
        "networking.k8s.io/v1/ingresses",
        # Who may write the status may write annotations with it.
        "networking.k8s.io/v1/ingresses/status",
        "gateway.networking.k8s.io/v1/httproutes",
        "gateway.networking.k8s.io/v1/grpcroutes",
        "gateway.networking.k8s.io/v1/gateways",
    ],
    param_kind="v1/ConfigMap",
    reads=[
        "networking.k8s.io/v1/Ingress",
        "gateway.networking.k8s.io/v1/HTTPRoute",
        "gateway.networking.k8s.io/v1/GRPCRoute",
        "gateway.networking.k8s.io/v1/Gateway",
    ],
    annotations=ANNOTATIONS,
)
def unique_ingress_hosts(request: Request, params: Params) -> Iterator[Violation]:
    """No two namespaces serve the same host."""
    kind = request.kind.kind
    hosts_of = Hosts(request).of
    # Hosts that the object has already may stay.
    before = {} if request.old_object is None else hosts_of(kind, request.old_object)
    shared = {host.lower() for host in params.shared_hosts}
    mine = {
        host: path for host, path in hosts_of(kind, request.object).items() if host not in before and host not in shared
    }
    if not mine:
        return
    # The wildcards above hosts of this object.
    above = {} if params.below_wildcards else {wild: host for host in mine for wild in _above(host)}
    for api_version, other_kind in LISTENING if kind == "Gateway" else SERVING:
        for other in _listed(request, api_version, other_kind):
            namespace, name = other["metadata"]["namespace"], other["metadata"]["name"]
            if namespace == request.namespace:
                continue
            for host in hosts_of(other_kind, other):
                found = host if host in mine else above.get(host)
                if found is None:
                    found = next((wild for wild in _above(host) if wild in mine), None)
                if found is not None and host not in shared:
                    as_what = "" if found == host else f" as {host}"
                    yield Violation(
                        f"{mine[found]}: the host {found} is served by {other_kind} {name} in {namespace} "
                        f"already{as_what}; choose another, or have it removed there",
                        path=mine[found],
                        reason="Forbidden",
                    )


def _listed(request: Request, api_version: str, kind: str) -> Iterator[JSON]:
    try:
        yield from request.cluster.list(api_version, kind).value
    except LookupError as error:
        # A kind that the cluster does not serve has a name here. Anything else (not listed yet) must not let pass.
        if not hasattr(error, "kind"):
            raise  # pragma: no cover - a test knows what there is


class Hosts:
    """The hosts of objects. What Gateways listen to is looked up once, where a route without hosts asks for it."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def of(self, kind: str, obj: JSON) -> dict[str, str]:
        """The hosts of an object, in lower case, each with its place; `*` for all of them."""
        spec = obj["spec"]
        found: dict[str, str] = {}
        if kind == "Ingress":
            for index, rule in enumerate(spec.get("rules") or []):
                found[(rule.get("host") or "*").lower()] = f"spec.rules[{index}].host"
            if not found:
                found["*"] = "spec.defaultBackend"
            for key, aliases in (obj["metadata"].get("annotations") or {}).items():
                if aliases and key.endswith(ALIASES):
                    for alias in map(str.strip, aliases.lower().split(",")):
                        # For nginx one that begins with a dot is the domain and all below it.
                        for host in (alias[1:], f"*{alias}") if alias.startswith(".") else (alias,):
                            if host:
                                found[host] = f"metadata.annotations['{key}']"
        elif kind == "Gateway":
            for index, listener in enumerate(spec.get("listeners") or []):
                found[(listener.get("hostname") or "*").lower()] = f"spec.listeners[{index}].hostname"
        else:
            for index, host in enumerate(spec.get("hostnames") or []):
                found[host.lower()] = f"spec.hostnames[{index}]"
            if not found:
                for parent in spec.get("parentRefs") or []:
                    for host in self._listened(parent, obj["metadata"]["namespace"]):
                        found[host] = "spec.hostnames"
        return found

    def _listened(self, parent: JSON, namespace: str) -> Iterable[str]:
        """The hosts of the listeners that a parentRef names; `*` for a Gateway, or another kind, that is not known."""
        kind = parent.get("kind") or "Gateway"
        if kind == "Service":
            return ()  # a route within the mesh
        gateway = parent.get("namespace") or namespace, parent["name"]
        if kind != "Gateway" or (*gateway, None, None) not in self._listeners:
            return ("*",)
        return self._listeners.get((*gateway, parent.get("sectionName"), parent.get("port")), ())

    @cached_property
    def _listeners(self) -> dict[tuple[str, str, str | None, int | None], dict[str, None]]:
        """Hosts by the namespace and name of a Gateway, and the name and port of a listener, None for all of them."""
        found: dict[tuple[str, str, str | None, int | None], dict[str, None]] = {}
        for gateway in _listed(self._request, GATEWAY, "Gateway"):
            namespace, name = gateway["metadata"]["namespace"], gateway["metadata"]["name"]
            found[namespace, name, None, None] = {}
            for listener in gateway["spec"].get("listeners") or []:
                for section in (None, listener.get("name")):
                    for port in (None, listener.get("port")):
                        hosts = found.setdefault((namespace, name, section, port), {})
                        hosts[(listener.get("hostname") or "*").lower()] = None
        return found


def _above(host: str) -> Iterator[str]:
    """The wildcards that match a host, or all that a wildcard matches, but for itself."""
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"
