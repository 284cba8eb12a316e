"""Functions that set fixed values in fields that are absent, and steps into fields that always have a value in Go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def constants(**values: str | int | bool) -> Callable[[dict[str, Any]], None]:
    """A function that sets each of these fields if it is absent."""
    wanted = tuple(values.items())

    def set_constants(value: dict[str, Any]) -> None:
        for field, default in wanted:
            if field not in value:
                value[field] = default

    return set_constants


def nothing(_value: dict[str, Any]) -> None:
    """For what Go sets without any difference in JSON, or behind a feature gate that is off."""


def struct(value: dict[str, Any], field: str) -> dict[str, Any]:
    """The value of a field that is a struct in Go: an empty one if it is absent."""
    found: dict[str, Any] = value.setdefault(field, {})
    return found


def same_addresses(value: dict[str, Any]) -> None:
    """Of the status of a Pod: podIP and podIPs say the same. Where they differ, podIP is right."""
    address, addresses = value.get("podIP"), value.get("podIPs")
    if not address and addresses:
        if first := addresses[0].get("ip"):
            value["podIP"] = first
    elif address and (not addresses or addresses[0].get("ip") != address):
        value["podIPs"] = [{"ip": address}]
