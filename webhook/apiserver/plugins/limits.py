"""The plugin LimitRanger: requests and limits of containers, from LimitRanges of the namespace.

It does not check minima, maxima and ratios.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from webhook.apiserver.plugins.lookups import Run

_LIMIT_RANGER: Final = "kubernetes.io/limit-ranger"


def limit_ranger(pod: dict[str, Any], run: Run) -> None:
    """Requests and limits of containers, from LimitRanges of the namespace. An annotation says what was set."""
    for limit_range in run.at_hand.list("v1", "LimitRange", run.namespace):
        limits: dict[str, str] = {}
        requests: dict[str, str] = {}
        for item in (limit_range.get("spec") or {}).get("limits", ()):
            if item.get("type") == "Container":
                requests |= item.get("defaultRequest", {})
                limits |= item.get("default", {})
        said = [
            text
            for field, word in (("containers", "container"), ("initContainers", "init container"))
            for each in pod["spec"].get(field, ())
            for text in _limited(each, word, {"requests": requests, "limits": limits})
        ]
        if said:
            annotations = pod.setdefault("metadata", {}).setdefault("annotations", {})
            annotations[_LIMIT_RANGER] = "LimitRanger plugin set: " + "; ".join(said)


def _limited(container: dict[str, Any], word: str, defaults: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    resources = container.get("resources", {})
    for field, amounts in defaults.items():
        given = resources.get(field, {})
        added = sorted(amounts.keys() - given.keys())
        if added:
            resources = container.setdefault("resources", {})
            resources[field] = {**given, **{name: amounts[name] for name in added}}
            yield f"{', '.join(added)} {field[:-1]} for {word} {container.get('name', '')}"
