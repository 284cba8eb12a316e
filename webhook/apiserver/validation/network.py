"""Services, Ingresses and NetworkPolicies."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from webhook.apiserver.fielderrors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from webhook.apiserver.goshown import Struct
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.fields import (
    PROTOCOLS,
    Object,
    Refusals,
    address,
    at,
    is_address,
    label_selector,
    listed,
    named,
    one_of,
    optionally_named,
    port_or_name,
)
from webhook.apiserver.validation.names import (
    dns_label,
    dns_subdomain,
    domain_path,
    path_segment,
    port,
    port_name,
    qualified_name,
    wildcard,
)
from webhook.paths import Path

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def service(value: Object) -> Refusals:
    """A Service."""
    spec = at(value, "spec") or {}
    path: Path = ("spec",)
    kind = spec.get("type")
    ports = listed(spec, "ports")
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        yield required((*path, "ports"))
    if kind in ("LoadBalancer", "NodePort") and headless:
        yield invalid((*path, "clusterIPs", 0), "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        name = (spec.get("externalName") or "").removesuffix(".")
        here = (*path, "externalName")
        yield from each(here, name, dns_subdomain(name)) if name else iter([required(here)])
    yield from _service_ports(ports, (*path, "ports"))
    yield from metadata.label_refusals(spec.get("selector") or {}, (*path, "selector"))
    affinity = spec.get("sessionAffinity")
    yield from one_of(affinity, (*path, "sessionAffinity"), ("ClientIP", "None"))
    yield from one_of(kind, (*path, "type"), _TYPES)
    yield from _affinity(spec, (*path, "sessionAffinityConfig"))
    yield from _families(spec, path)
    for place, ip in enumerate(spec.get("externalIPs") or []):
        yield from address(ip, (*path, "externalIPs", place))
    yield from _sources(spec, path)
    policy = spec.get("internalTrafficPolicy")
    if policy is not None and policy not in _TRAFFIC:
        yield not_supported((*path, "internalTrafficPolicy"), policy, _TRAFFIC)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield not_supported((*path, "trafficDistribution"), distribution, _DISTRIBUTIONS)
    if kind == "ClusterIP":
        for place, each_port in enumerate(ports):
            if each_port.get("nodePort"):
                words = "may not be used when `type` is 'ClusterIP'"
                yield forbidden((*path, "ports", place, "nodePort"), words)
    balancer, here = spec.get("loadBalancerClass"), (*path, "loadBalancerClass")
    if balancer is not None and kind != "LoadBalancer":
        yield forbidden(here, "may only be used when `type` is 'LoadBalancer'")
    elif balancer is not None:
        yield from each(here, balancer, qualified_name(balancer))
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != "LoadBalancer":
        words = "may only be used when `type` is 'LoadBalancer'"
        yield forbidden((*path, "allocateLoadBalancerNodePorts"), words)


_TRAFFIC: Final = ("Cluster", "Local")


def new_service(value: Object) -> Refusals:
    """The fields that a new Service must not have; from one that is changed the API server removes them where they are
    not allowed."""
    spec = at(value, "spec") or {}
    kind, path = spec.get("type"), ("spec",)
    accessible = kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and spec.get("externalIPs"))
    policy = spec.get("externalTrafficPolicy") or ""
    if policy and not accessible:
        words = "may only be set for externally-accessible services"
        yield invalid((*path, "externalTrafficPolicy"), policy, words)
    elif policy and policy not in _TRAFFIC:
        yield not_supported((*path, "externalTrafficPolicy"), policy, _TRAFFIC)
    number = spec.get("healthCheckNodePort")
    if number and not (kind == "LoadBalancer" and policy == "Local"):
        words = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid((*path, "healthCheckNodePort"), number, words)
    addresses, here = spec.get("clusterIPs") or [], (*path, "clusterIPs")
    if kind == "ExternalName":
        given = {"clusterIPs": spec.get("clusterIP"), **spec}  # which the API server fills from the other
        for name in ("ipFamilies", "ipFamilyPolicy", "clusterIPs"):
            if given.get(name):
                yield forbidden((*path, name), "may not be set for ExternalName services")
    elif addresses and not spec.get("clusterIP"):
        yield invalid(here, addresses, "must be empty when `clusterIP` is not specified")
    elif addresses and addresses[0] != spec["clusterIP"]:
        yield invalid(here, addresses, "first value must match `clusterIP`")


_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_MOST_AFFINE: Final = 86400  # seconds


def _affinity(spec: Object, path: Path) -> Refusals:
    seconds, here = at(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds"), (*path, "clientIP")
    if spec.get("sessionAffinity") == "ClientIP" and isinstance(seconds, int) and not 0 < seconds <= _MOST_AFFINE:
        words = f"must be greater than 0 and less than {_MOST_AFFINE}"
        yield invalid((*here, "timeoutSeconds"), seconds, words)


def allocated(value: Object) -> Refusals:
    """What keeps the API server from allocating addresses for a new Service. It says nothing else then."""
    yield from _families(at(value, "spec") or {}, ("spec",))


def _families(spec: Object, path: Path) -> Refusals:
    """The words only: which families a cluster has is not known."""
    if spec.get("type") == "ExternalName":
        return
    seen: set[str] = set()
    for place, family in enumerate(spec.get("ipFamilies") or []):
        here = (*path, "ipFamilies", place)
        if family not in ("IPv4", "IPv6"):
            yield not_supported(here, family, ("IPv4", "IPv6"))
        if family in seen:
            yield duplicate(here, family)
        seen.add(family)
    policy, known = spec.get("ipFamilyPolicy"), ("PreferDualStack", "RequireDualStack", "SingleStack")
    if policy is not None and policy not in known:
        yield not_supported((*path, "ipFamilyPolicy"), policy, known)
    given = spec.get("clusterIP") or ""
    if given not in ("", "None"):
        for error in address(given, (*path, "clusterIP")):
            yield FieldError(error.path, error.kind, error.body, "spec.clusterIPs[0]")


def _sources(spec: Object, path: Path) -> Refusals:
    ranges, here = spec.get("loadBalancerSourceRanges") or [], (*path, "loadBalancerSourceRanges")
    if ranges and spec.get("type") != "LoadBalancer":
        error = forbidden(here, "may only be used when `type` is 'LoadBalancer'")
        yield FieldError(here, error.kind, error.body, "spec.LoadBalancerSourceRanges")
    for place, text in enumerate(ranges):
        if not is_range(text.strip()):
            error = invalid((*here, place), text.strip(), _CIDR)
            yield FieldError(error.path, error.kind, error.body, f"spec.LoadBalancerSourceRanges[{place}]")


def _service_ports(ports: list[Any], path: Path) -> Refusals:
    names: set[str] = set()
    seen: set[tuple[Any, ...]] = set()
    node_ports: set[tuple[Any, ...]] = set()
    for place, each_port in enumerate(ports):
        here = (*path, place)
        name, number = each_port.get("name") or "", each_port.get("port") or 0
        protocol = each_port.get("protocol") or ""
        if not name and len(ports) > 1:
            yield required((*here, "name"))
        elif name:
            yield from each((*here, "name"), name, dns_label(name))
            if name in names:
                yield duplicate((*here, "name"), name)
            names.add(name)
        yield from each((*here, "port"), number, port(number))
        yield from one_of(protocol, (*here, "protocol"), PROTOCOLS)
        yield from port_or_name(each_port.get("targetPort"), (*here, "targetPort"))
        yield from optionally_named(each_port.get("appProtocol"), (*here, "appProtocol"), qualified_name)
        node_port = each_port.get("nodePort")
        if node_port and (protocol, node_port) in node_ports:
            yield duplicate((*here, "nodePort"), node_port)
        node_ports.add((protocol, node_port))
        if (protocol, number) in seen:
            yield duplicate(here, _shown_port(protocol, number))
        seen.add((protocol, number))


def _shown_port(protocol: str, number: int) -> Struct:
    """The API server shows its internal form, with these two fields only."""
    return Struct(
        {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number, "TargetPort": 0, "NodePort": 0}
    )


# ------------------------------------------------------------------------------------------------------------ Ingress

_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_SEQUENCES: Final = ("//", "/./", "/../", "%2f", "%2F")
_SUFFIXES: Final = ("/..", "/.")


def ingress(value: Object) -> Refusals:
    """An Ingress."""
    spec = at(value, "spec") or {}
    path: Path = ("spec",)
    rules = listed(spec, "rules")
    backend = spec.get("defaultBackend")
    if not rules and backend is None:
        yield invalid(path, None, "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend(backend, (*path, "defaultBackend"))
    for place, rule in enumerate(rules):
        here = (*path, "rules", place)
        host = rule.get("host") or ""
        if host:
            if _is_ip(host):
                yield invalid((*here, "host"), host, "must be a DNS name, not an IP address")
            yield from each((*here, "host"), host, wildcard(host) if "*" in host else dns_subdomain(host))
        if rule.get("http") is not None:
            yield from _http(rule["http"], (*here, "http"))
    for place, tls in enumerate(listed(spec, "tls")):
        here = (*path, "tls", place)
        for number, host in enumerate(tls.get("hosts") or []):
            yield from each((*here, "hosts", number), host, wildcard(host) if "*" in host else dns_subdomain(host))
        yield from optionally_named(tls.get("secretName"), (*here, "secretName"), dns_subdomain)
    name = spec.get("ingressClassName")
    if name is not None:
        yield from each((*path, "ingressClassName"), name, dns_subdomain(name))
    noted = (at(value, "metadata", "annotations") or {}).get("kubernetes.io/ingress.class")
    if noted is not None and name is not None and noted != name:
        words = "must match `ingressClassName` when both are specified"
        error = invalid(("metadata", "annotations", "kubernetes.io/ingress.class"), noted, words)
        yield FieldError(error.path, error.kind, error.body, "annotations.kubernetes.io/ingress.class")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _http(http: Object, path: Path) -> Refusals:
    paths = listed(http, "paths")
    if not paths:
        yield required((*path, "paths"))
    for place, item in enumerate(paths):
        here = (*path, "paths", place)
        kind, text = item.get("pathType"), item.get("path") or ""
        if kind is None:
            yield required((*here, "pathType"), "pathType must be specified")
            continue
        if kind in ("Exact", "Prefix"):
            if not text.startswith("/"):
                yield invalid((*here, "path"), text, "must be an absolute path")
            for sequence in _SEQUENCES:
                if sequence in text:
                    yield invalid((*here, "path"), text, f"must not contain '{sequence}'")
            for suffix in _SUFFIXES:
                if text.endswith(suffix):
                    yield invalid((*here, "path"), text, f"cannot end with '{suffix}'")
        elif kind == "ImplementationSpecific":
            if text and not text.startswith("/"):
                yield invalid((*here, "path"), text, "must be an absolute path")
        else:
            yield not_supported((*here, "pathType"), kind, _PATH_TYPES)
        yield from _backend(item.get("backend") or {}, (*here, "backend"))


def _backend(backend: Object, path: Path) -> Refusals:
    of_service, resource = backend.get("service"), backend.get("resource")
    if of_service is not None and resource is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif of_service is not None:
        name = of_service.get("name") or ""
        here = (*path, "service", "name")
        yield from each(here, name, dns_label(name)) if name else iter([required(here)])
        given, number = at(of_service, "port", "name"), at(of_service, "port", "number")
        if given and number:
            yield invalid(path, "", "cannot set both port name & port number")
        elif given:
            yield from each((*path, "service", "port", "name"), given, port_name(given))
        elif number:
            yield from each((*path, "service", "port", "number"), number, port(number))
        else:
            yield required(path, "port name or number is required")
    elif resource is None:
        yield invalid(path, "", "resource or service backend is required")


def ingress_class(value: Object) -> Refusals:
    """An IngressClass."""
    controller = at(value, "spec", "controller") or ""
    path = ("spec", "controller")
    if len(controller.encode()) > 250:
        yield too_long(path, 250)
    yield from domain_path(controller, path)
    parameters = at(value, "spec", "parameters")
    if parameters is not None:
        yield from _parameters(parameters, ("spec", "parameters"))


def _parameters(parameters: Object, path: Path) -> Refusals:
    """The object that holds more settings of an IngressClass."""
    group = parameters.get("apiGroup")
    if group is not None:
        yield from each((*path, "apiGroup"), group, dns_subdomain(group))
    for name in ("kind", "name"):
        yield from named(parameters.get(name), (*path, name), path_segment)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        yield required((*path, "scope"))
        return
    if scope not in _SCOPES:
        yield not_supported((*path, "scope"), scope, _SCOPES)
    if namespace is None:
        if scope == "Namespace":
            yield required((*path, "namespace"), "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        yield from each((*path, "namespace"), namespace, dns_label(namespace))
    elif scope == "Cluster":
        yield forbidden((*path, "namespace"), "`parameters.scope` is set to 'Cluster'")


_SCOPES: Final = ("Cluster", "Namespace")


# ------------------------------------------------------------------------------------------------------ NetworkPolicy


def network_policy(value: Object) -> Refusals:
    """A NetworkPolicy."""
    spec = at(value, "spec") or {}
    path: Path = ("spec",)
    yield from label_selector(spec.get("podSelector"), (*path, "podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for place, rule in enumerate(listed(spec, direction)):
            here = (*path, direction, place)
            for number, each_port in enumerate(listed(rule, "ports")):
                yield from _policy_port(each_port, (*here, "ports", number))
            for number, peer in enumerate(listed(rule, peers)):
                yield from _peer(peer, (*here, peers, number))
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        yield invalid((*path, "policyTypes"), types, "may not specify more than two policyTypes")
        return
    for place, kind in enumerate(types):
        if kind not in ("Ingress", "Egress"):
            yield not_supported((*path, "policyTypes", place), kind, ("Ingress", "Egress"))


def _policy_port(value: Object, path: Path) -> Refusals:
    protocol = value.get("protocol")
    if protocol is not None and protocol not in PROTOCOLS:
        yield not_supported((*path, "protocol"), protocol, ("TCP", "UDP", "SCTP"))
    number, end = value.get("port"), value.get("endPort")
    if isinstance(number, int):
        yield from each((*path, "port"), number, port(number))
        if end is not None:
            if end < number:
                yield invalid((*path, "endPort"), end, "must be greater than or equal to `port`")
            yield from each((*path, "endPort"), end, port(end))
    elif number is not None:
        if end is not None:
            yield invalid((*path, "endPort"), end, "may not be specified when `port` is non-numeric")
        yield from each((*path, "port"), number, port_name(number))
    elif end is not None:
        yield invalid((*path, "endPort"), end, "may not be specified when `port` is not specified")


def _peer(peer: Object, path: Path) -> Refusals:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    for name in ("podSelector", "namespaceSelector"):
        yield from label_selector(peer.get(name), (*path, name))
    if peer.get("ipBlock") is not None:
        yield from _block(peer["ipBlock"], (*path, "ipBlock"))
    if not given:
        yield required(path, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        yield forbidden(path, "may not specify both ipBlock and another peer")


_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _block(block: Object, path: Path) -> Refusals:
    text = block.get("cidr") or ""
    if not text:
        yield required((*path, "cidr"))
        return
    if not is_range(text):
        yield invalid((*path, "cidr"), text, _CIDR)
    network = _network(text)
    if network is None:
        return
    for place, excepted in enumerate(block.get("except") or []):
        if not is_range(excepted):
            yield invalid((*path, "except", place), excepted, _CIDR)
        inner = _network(excepted)
        if inner is None or inner.version != network.version:
            continue
        if inner.prefixlen <= network.prefixlen or not inner.subnet_of(network):  # type: ignore[arg-type]
            yield invalid((*path, "except", place), excepted, "must be a strict subset of `cidr`")


_PREFIX: Final = re.compile("[0-9]{1,6}", re.ASCII)


def is_range(text: str) -> bool:
    """Whether the API server takes a text for a range of addresses."""
    start, _, prefix = text.partition("/")
    return bool(_PREFIX.fullmatch(prefix)) and is_address(start) and int(prefix) <= (128 if ":" in start else 32)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
