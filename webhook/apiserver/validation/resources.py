"""Amounts of resources: the requests and limits of containers, and what quotas, limits and volumes count
(pkg/apis/core/validation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.apiserver import quantities
from webhook.apiserver.fielderrors import Key, each, forbidden, invalid, required
from webhook.apiserver.quantities import Quantity
from webhook.apiserver.validation.fields import Object, Refusals, at
from webhook.apiserver.validation.names import qualified_name
from webhook.paths import Path

_OF_CONTAINERS: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED: Final = frozenset(
    {
        *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
    }
)
STANDARD: Final = frozenset(
    {
        *_OF_CONTAINERS,
        *_COUNTED,
        *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _OF_CONTAINERS),
        *("storage", "requests.storage"),
    }
)
"""Names of resources without a domain that quotas and limits may have."""


def quantity(value: Any) -> Quantity | None:
    """A quantity in its text form; None if it is none."""
    try:
        return quantities.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def negative_quantity(value: Any, path: Path) -> Refusals:
    """A quantity must not be negative."""
    known = quantity(value)
    if known is not None and known.digits < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def resources(
    value: Object,
    path: Path,
    *,
    known: frozenset[str] = _OF_CONTAINERS,
    name_of: Callable[[str, Path], Refusals] | None = None,
) -> Refusals:
    """Requests and limits of a container, or another holder of resources.

    known: names that need no check. name_of: the check of others, if it is not that of containers.
    """
    checked = name_of or _resource_name
    limits, requests = at(value, "limits") or {}, at(value, "requests") or {}
    parsed: list[dict[str, Quantity | None]] = []
    for name, amounts in (("limits", limits), ("requests", requests)):
        found: dict[str, Quantity | None] = {}
        for key, item in amounts.items():
            if key not in known:
                yield from checked(key, (*path, name, Key(key)))
            found[key] = amount = quantity(item)
            if amount is not None and amount.digits < 0:
                yield from negative_quantity(item, (*path, name, Key(key)))
            if key not in known:
                yield from whole_amount(key, item, (*path, name, Key(key)))
        parsed.append(found)
    most = parsed[0]
    for key, wanted in parsed[1].items():
        limit = most.get(key)
        if wanted is None or limit is None or wanted is limit:
            continue
        item, here = requests[key], (*path, "requests")
        if not _overcommits(key) and (wanted.below(limit) or limit.below(wanted)):
            yield invalid(here, item, f"must be equal to {key} limit of {limits[key]}")
        elif limit.below(wanted):
            yield invalid(here, item, f"must be less than or equal to {key} limit of {limits[key]}")
    huge = [key for key in (*limits, *requests) if key.startswith("hugepages-")]
    if huge and not {"cpu", "memory"} & {*limits, *requests}:
        yield forbidden(path, "HugePages require cpu or memory")
    for key in requests:
        if key not in limits and not _overcommits(key):
            yield required((*path, "limits"), "Limit must be set for non overcommitable resources")


def whole_amount(key: str, value: Any, path: Path) -> Refusals:
    """The amount of a resource that is counted must be whole: objects, and resources of other domains (GPUs)."""
    counted = key in _COUNTED or ("/" in key and "kubernetes.io/" not in key and not key.startswith("requests."))
    if not counted or (key not in _COUNTED and qualified_name(f"requests.{key}")):
        return
    known = quantity(value)
    if known is not None and known.whole(-3) % 1000:
        yield invalid(path, value, "must be an integer")


def resource_name(key: str, path: Path) -> Refusals:
    """The name of any resource."""
    faults = qualified_name(key)
    yield from each(path, key, faults)
    if faults or "/" in key or key in STANDARD or key.startswith(("hugepages-", "requests.hugepages-")):
        return
    yield invalid(path, key, "must be a standard resource type or fully qualified")


def _resource_name(key: str, path: Path) -> Refusals:
    """The name of a resource of a container."""
    yield from resource_name(key, path)
    if "/" not in key and key not in _OF_CONTAINERS and not key.startswith("hugepages-"):
        yield invalid(path, key, "must be a standard resource for containers")


def _overcommits(key: str) -> bool:
    """Whether requests of a resource may be less than its limit."""
    native = "/" not in key or "kubernetes.io/" in key
    return native and not key.startswith("hugepages-")
