"""The function libraries that Kubernetes declares in CEL, one module each."""

from __future__ import annotations

from webhook.cel.functions import Library
from webhook.cel.library import lists, optionals, quantity, regex, sets, standard, strings

LIBRARIES: tuple[Library, ...] = (
    standard.LIBRARY,
    optionals.LIBRARY,
    optionals.UNWRAP,
    optionals.ENDS,
    strings.LIBRARY,
    strings.FORMAT,
    lists.LIBRARY,
    sets.LIBRARY,
    regex.LIBRARY,
    quantity.LIBRARY,
)

_LATER = {
    "URL": "url isURL getScheme getHost getHostname getPort getEscapedPath getQuery",
    "IP": "ip isIP ip.isCanonical family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast "
    "isGlobalUnicast",
    "CIDR": "cidr isCIDR containsIP containsCIDR prefixLength masked",
    "authorizer": "authorizer authorizer.requestResource",
    "format": "format.named format.dns1123Label format.dns1123Subdomain format.dns1035Label format.qualifiedName "
    "format.dns1123LabelPrefix format.dns1123SubdomainPrefix format.dns1035LabelPrefix format.labelValue format.uri "
    "format.uuid format.byte format.date format.datetime validate",
    "semver": "semver isSemver major minor patch",
    "lists extension": "slice flatten lists.range distinct sort sortBy reverse",
}
_LATER_NAMES = {name: library for library, names in _LATER.items() for name in names.split()}


def later_library(name: str) -> str:
    """The library of the API server that has a function or variable which is not here yet; empty if there is none."""
    found = _LATER_NAMES.get(name, "") or _LATER_NAMES.get(name.partition(".")[0], "")
    return found or next((library for full, library in _LATER_NAMES.items() if full.startswith(f"{name}.")), "")
