"""ExpansionTemplates of Gatekeeper: the objects that a controller will make of one, such as the Pods of a Deployment.

Source: the documentation of Gatekeeper, "Validating Workload Resources using ExpansionTemplate".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from webhook.convert.model import JSONObject

_DEEPEST: Final = 5  # objects that are made of each other
_MOST: Final = 20  # objects


def expanded(value: JSONObject, templates: Iterable[JSONObject]) -> list[tuple[str, JSONObject]]:
    """The objects that templates make of an object, and in turn of these, each with the name of its template."""
    given = list(templates)
    found: list[tuple[str, JSONObject]] = []
    pending = [value]
    for _ in range(_DEEPEST):
        made = [each for one in pending for each in _made(one, given)]
        found += made
        pending = [each for _, each in made]
    return found[:_MOST]


def _made(value: JSONObject, templates: list[JSONObject]) -> Iterator[tuple[str, JSONObject]]:
    group, _, version = str(value.get("apiVersion")).rpartition("/")
    for template in templates:
        spec = _map(template.get("spec"))
        wanted = _map(spec.get("generatedGVK"))
        source: Any = value
        for part in str(spec.get("templateSource") or "").split("."):
            source = _map(source).get(part)
        applies = any(
            group in _list(each.get("groups"))
            and version in _list(each.get("versions"))
            and value.get("kind") in _list(each.get("kinds"))
            for each in map(_map, _list(spec.get("applyTo")))
        )
        if not applies or not isinstance(source, dict) or not wanted.get("kind"):
            continue
        owner = _map(value.get("metadata"))
        metadata = _map(source.get("metadata")) | {"name": f"{owner.get('name')}-{str(wanted['kind']).lower()}"}
        if owner.get("namespace"):
            metadata["namespace"] = owner["namespace"]
        api_version = (
            f"{wanted['group']}/{wanted.get('version')}" if wanted.get("group") else str(wanted.get("version"))
        )
        head = {"apiVersion": api_version, "kind": wanted["kind"], "metadata": metadata}
        yield str(_map(template.get("metadata")).get("name")), source | head


def _map(value: Any) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
