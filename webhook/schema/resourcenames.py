"""Suggestions for misspelt resources, such as `v1/Pod`, `deploy` and `apps/v1/pod`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from webhook.nearest import nearest
from webhook.schema.crds import Resource
from webhook.schema.kinds import Kinds

SHORT_NAMES: Final = {
    "cj": "cronjobs",
    "cm": "configmaps",
    "crd": "customresourcedefinitions",
    "csr": "certificatesigningrequests",
    "deploy": "deployments",
    "ds": "daemonsets",
    "ep": "endpoints",
    "ev": "events",
    "hpa": "horizontalpodautoscalers",
    "ing": "ingresses",
    "limits": "limitranges",
    "netpol": "networkpolicies",
    "no": "nodes",
    "ns": "namespaces",
    "pc": "priorityclasses",
    "pdb": "poddisruptionbudgets",
    "po": "pods",
    "pv": "persistentvolumes",
    "pvc": "persistentvolumeclaims",
    "quota": "resourcequotas",
    "rc": "replicationcontrollers",
    "rs": "replicasets",
    "sa": "serviceaccounts",
    "sc": "storageclasses",
    "sts": "statefulsets",
    "svc": "services",
}
"""kubectl's short names -> plural. The API does not accept short names."""

_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?|\*")


def meant_by(text: str, kinds: Kinds) -> str | None:
    """The resource that the text most likely means, such as `apps/v1/deployments/scale`; None if none is similar.

    text: parts that are separated by slashes. One part is a kind, a plural or a short name, in any case; group and
    version may precede it, and a subresource may follow.
    """
    found = _found(text, kinds)
    return "/".join(filter(None, (found[0].api_version, found[0].plural, found[1]))) if found else None


def kind_meant_by(text: str, kinds: Kinds) -> str | None:
    """The kind that such a text most likely means, such as `apps/v1/Deployment`; None if none is similar."""
    found = _found(text, kinds)
    return f"{found[0].api_version}/{found[0].kind}" if found else None


def _found(text: str, kinds: Kinds) -> tuple[Resource, str] | None:
    """The resource, and the subresource that follows it in the text ("" for none)."""
    parts = [part for part in text.split("/") if part]
    written = [(place, part, parts[:place]) for place, part in enumerate(parts)]
    # kubectl's form: deployments.apps
    written += [(place, part.partition(".")[0], [part.partition(".")[2]]) for place, part in enumerate(parts)]
    for place, name, groups in written:
        found = None if _VERSION.fullmatch(name) else resource_meant(name, groups, kinds)
        if found is not None:
            return found, parts[place + 1].lower() if place + 1 < len(parts) else ""
    last = next((part for part in reversed(parts) if not _VERSION.fullmatch(part)), "")
    names = {name: resource for resource in kinds for name in (resource.plural, resource.kind)}
    close = nearest(last, names)
    return (names[close], "") if close else None


def resource_meant(name: str, groups: list[str], kinds: Kinds) -> Resource | None:
    """The resource with the plural, kind or short name `name`, in any case. Resources in `groups` are preferred."""
    lower = name.lower()
    plural = SHORT_NAMES.get(lower, lower)
    found = [each for each in kinds if plural in (each.plural, each.kind.lower(), f"{each.kind.lower()}s")]
    named = [each for each in found if each.group in groups]
    return next(iter((*named, *_preferred(found))), None)


def unknown(groups: frozenset[str], resource: str, kinds: Kinds) -> bool:
    """Whether the resource certainly exists in none of these groups. False if a group may have unknown resources.

    All resources are known in the groups of `kinds`, and in groups without a dot, which custom resources cannot have.
    """
    if any(group == "*" or (group not in kinds.groups and "." in group) for group in groups):
        return False
    return not any((group, resource) in kinds.plurals for group in groups)


def _preferred(found: list[Resource]) -> Iterator[Resource]:
    """Sorted by preference: the core group first, then stable, beta and alpha versions."""
    yield from sorted(found, key=lambda each: (each.group != "", "alpha" in each.version, "beta" in each.version))
