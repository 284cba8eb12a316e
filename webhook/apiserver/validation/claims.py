"""Claims of devices: those that a Pod names, and which of them its containers use."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.fielderrors import FieldError, duplicate, each, invalid, not_found, required
from webhook.apiserver.goshown import Struct
from webhook.apiserver.validation.fields import Object, Refusals, listed
from webhook.apiserver.validation.names import dns_label, dns_subdomain
from webhook.paths import Path

_SOURCES: Final = ("resourceClaimName", "resourceClaimTemplateName")


def of_pod(spec: Object, path: Path) -> Refusals:
    """The claims that a Pod's spec names."""
    seen: set[str] = set()
    for place, claim in enumerate(listed(spec, "resourceClaims")):
        here, name = (*path, place), claim.get("name") or ""
        if not name:
            yield required((*here, "name"))
        elif name in seen:
            yield duplicate((*here, "name"), name)
        else:
            yield from each((*here, "name"), name, dns_label(name))
            seen.add(name)
        given = [source for source in _SOURCES if claim.get(source) is not None]
        shown = Struct({"Name": name, **{source[0].upper() + source[1:]: claim.get(source) for source in _SOURCES}})
        if len(given) > 1:
            words = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield invalid(here, shown, words)
        elif not given:
            yield invalid(here, shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for source in given:
            yield from each((*here, source), claim[source], dns_subdomain(claim[source]))


def of_container(claims: list[Any], path: Path, spec: Object) -> Refusals:
    """The claims that the resources of a container use. spec: that of the Pod, which names them."""
    known = {claim.get("name") or "" for claim in listed(spec, "resourceClaims")} - {""}
    whole: set[str] = set()  # claims that are used with all their requests
    parts: dict[str, set[str]] = {}  # requests by claim
    for place, claim in enumerate(claims):
        here, name, request = (*path, place), claim.get("name") or "", claim.get("request") or ""
        if not name:
            yield required(here)
            continue
        if name in whole:
            yield duplicate(here, name)
        elif request:
            yield from each((*here, "request"), request, dns_label(request))
            if request in parts.setdefault(name, set()):
                yield duplicate(here, f"{name}/{request}")
            parts[name].add(request)
        else:
            if parts.get(name):
                yield duplicate(here, name)
            whole.add(name)
        if name not in known:
            named = f": {', '.join(sorted(known))}" if known else " which is empty"
            error = not_found(here, name)
            body = f"{error.body}: must be one of the names in pod.spec.resourceClaims{named}"
            yield FieldError(here, error.kind, body)
