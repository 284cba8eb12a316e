"""The resources of a whole Pod (spec.resources), which the API server completes from those of its containers.

It does so when the Pod is created, after mutation, and only if the Pod names some itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webhook.apiserver.quantities import Quantity, parse

_HUGE_PAGES: Final = "hugepages-"

Amounts = dict[str, Quantity]
"""Resource → its amount."""


def with_pod_resources(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec of a Pod with its resources completed: the same if there is nothing to add, else another."""
    given = spec.get("resources")
    if not given or not (given.get("requests") or given.get("limits")):
        return spec
    limits: dict[str, str] = dict(given.get("limits") or {})
    requests: dict[str, str] = dict(given.get("requests") or {})
    of_containers = amounts_of_containers(spec, "limits")
    for name, amount in of_containers.items():
        if name.startswith(_HUGE_PAGES) and name not in requests:
            limits.setdefault(name, str(amount))
    for name, amount in amounts_of_containers(spec, "requests").items():
        if name in ("cpu", "memory"):
            requests.setdefault(name, str(amount))
    for name, text in limits.items():
        if _of_pods(name):
            requests.setdefault(name, text)
    containers = [
        each for field in ("containers", "initContainers", "ephemeralContainers") for each in spec.get(field) or ()
    ]
    for name in [each for each in requests if _of_pods(each) and each not in limits]:
        if name in of_containers and all(name in _amounts(each, "limits") for each in containers):
            amount = of_containers[name]
            limits[name] = requests[name] if amount.below(parse(requests[name])) else str(amount)
    made = {**given, **{field: amounts for field, amounts in (("limits", limits), ("requests", requests)) if amounts}}
    return {**spec, "resources": made}


def with_default_pod_resources(spec: dict[str, Any]) -> dict[str, Any]:
    """The same as the defaults of Kubernetes 1.34 to 1.36 complete them: requests only where there are limits."""
    given = spec.get("resources")
    if not given or not (given.get("requests") or given.get("limits")):
        return spec
    limits: dict[str, str] = dict(given.get("limits") or {})
    requests: dict[str, str] = dict(given.get("requests") or {})
    for name, amount in amounts_of_containers(spec, "limits").items():
        if name.startswith(_HUGE_PAGES) and name not in requests:
            limits.setdefault(name, str(amount))
    if limits:
        for name, amount in amounts_of_containers(spec, "requests").items():
            if name in ("cpu", "memory"):
                requests.setdefault(name, str(amount))
    for name, text in limits.items():
        if _of_pods(name):
            requests.setdefault(name, text)
    amounts = (("limits", limits), ("requests", requests))
    return {**spec, "resources": {**given, **{field: each for field, each in amounts if each}}}


def amounts_of_containers(spec: Mapping[str, Any], field: str) -> Amounts:
    """What the containers need at once: those that run together add up; of those that come before, the most counts."""
    together: Amounts = {}
    beside: Amounts = {}  # init containers that go on running
    before: Amounts = {}
    for each in spec.get("containers") or ():
        _add(together, _parsed(each, field))
    for each in spec.get("initContainers") or ():
        amounts = _parsed(each, field)
        if each.get("restartPolicy") == "Always":
            _add(together, amounts)
            _add(beside, amounts)
            amounts = beside
        else:
            _add(amounts, beside)
        _raise(before, amounts)
    _raise(together, before)
    return together


def _of_pods(name: str) -> bool:
    """Whether a Pod as a whole can have an amount of a resource."""
    return name in ("cpu", "memory") or name.startswith(_HUGE_PAGES)


def _amounts(container: Mapping[str, Any], field: str) -> dict[str, str]:
    found: dict[str, str] = (container.get("resources") or {}).get(field) or {}
    return found


def _parsed(container: Mapping[str, Any], field: str) -> Amounts:
    return {name: parse(text) for name, text in _amounts(container, field).items()}


def _add(amounts: Amounts, others: Amounts) -> None:
    for name, other in others.items():
        amounts[name] = amounts[name].plus(other) if name in amounts else other


def _raise(amounts: Amounts, others: Amounts) -> None:
    for name, other in others.items():
        if name not in amounts or amounts[name].below(other):
            amounts[name] = other
