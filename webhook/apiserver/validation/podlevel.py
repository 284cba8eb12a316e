"""Resources of a whole Pod: what they may be, and how they go with those of its containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from webhook.apiserver.fielderrors import FieldError, Key, forbidden, invalid, not_supported
from webhook.apiserver.fielderrors import named as field_name
from webhook.apiserver.quantities import Quantity
from webhook.apiserver.validation.fields import Object, Refusals, at, listed
from webhook.apiserver.validation.resources import quantity, resource_name, resources
from webhook.paths import Path

Amounts = dict[str, Quantity]

_SUPPORTED: Final = ("cpu", "hugepages-", "memory")


def resources_of_pod(spec: Object, path: Path) -> Refusals:
    """The resources of a Pod. What all its containers together may have of huge pages is left to the API server."""
    value = spec.get("resources")
    if value is None:
        return
    if at(spec, "os", "name") == "windows":
        yield forbidden(path, "may not be set for a windows pod")
        return
    if value.get("claims") is not None:
        yield forbidden((*path, "claims"), "claims may not be set for Resources at pod-level")
    yield from resources(value, path, known=frozenset({"cpu", "memory"}), name_of=_name)
    wanted = _amounts(at(value, "requests"))
    for key, together in _requests_of_containers(spec).items():
        if key in wanted and wanted[key].below(together):
            words = f"must be greater than or equal to aggregate container requests of {together}"
            yield invalid((*path, "requests", Key(key)), str(wanted[key]), words)
    most = _amounts(at(value, "limits"))
    for place, container in enumerate(listed(spec, "containers")):
        for key, limit in _amounts(at(container, "resources", "limits")).items():
            if key in most and most[key].below(limit):
                error = invalid(path, str(limit), f"must be less than or equal to pod limits of {most[key]}")
                shown = field_name((*path, "containers", place, Key(key), "limits"))
                here = (*path[:-1], "containers", place, "resources", "limits", Key(key))
                yield FieldError(here, error.kind, error.body, shown)


def _name(key: str, path: Path) -> Refusals:
    faults = list(resource_name(key, path))
    yield from faults
    if not faults and not key.startswith("hugepages-"):
        yield not_supported(path, key, _SUPPORTED)


def _amounts(value: Any) -> Amounts:
    found = ((key, quantity(item)) for key, item in (value or {}).items())
    return {key: amount for key, amount in found if amount is not None}


def _requests_of_containers(spec: Object) -> Amounts:
    """What all containers ask for at once: the main ones and sidecars, or an init container and the sidecars before
    it, whichever is more."""
    main: Amounts = {}
    for container in listed(spec, "containers"):
        _add(main, _requests(container))
    beside: Amounts = {}
    most: Amounts = {}
    for container in listed(spec, "initContainers"):
        wanted = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(main, wanted)
            _add(beside, wanted)
            at_once = beside
        else:
            at_once = dict(wanted)
            _add(at_once, beside)
        most = dict(_greater(most, at_once))
    return dict(_greater(main, most))


def _requests(container: Object) -> Amounts:
    return _amounts(at(container, "resources", "requests"))


def _add(to: Amounts, more: Amounts) -> None:
    for key, amount in more.items():
        to[key] = to[key].plus(amount) if key in to else amount


def _greater(one: Amounts, other: Amounts) -> Iterator[tuple[str, Quantity]]:
    for key in {**one, **other}:
        if key not in other or (key in one and not one[key].below(other[key])):
            yield key, one[key]
        else:
            yield key, other[key]
