"""What policies look up in a run over manifests: Namespaces, params and other objects, of the policy tree and of the
manifests.

The policy tree goes first. Whoever writes a manifest may add whatever object to it, such as a param of a policy or the
Namespace with the labels that a binding selects, but mostly could not apply it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webhook.offline.requests import PlannedRequest

_DEFAULT = "default"


def looked_up(tree: Iterable[Mapping[str, Any]], manifests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The objects of a ManifestsView, of which the later wins where two have the same name."""
    return [*manifests, *tree]


class Overlaps:
    """The objects of the policy tree, which manifests may have with other content."""

    def __init__(self, tree: Iterable[Mapping[str, Any]]) -> None:
        self._of_tree = {}
        for value in tree:
            metadata = value.get("metadata")
            if isinstance(metadata, dict):
                namespace = metadata.get("namespace") or _DEFAULT
                self._of_tree[value.get("apiVersion"), value.get("kind"), namespace, metadata.get("name")] = value

    def notes(self, requests: Iterable[PlannedRequest]) -> Iterator[str]:
        """A note on each object of the manifests that the policy tree has with other content."""
        for each in requests if self._of_tree else ():
            identity = each.identity
            namespace = identity.namespace or _DEFAULT  # of what has none, whatever it is
            known = self._of_tree.get((identity.api_version, identity.kind, namespace, identity.name))
            if known is not None and each.request.object is not None and not _holds(each.request.object, known):
                yield (
                    f"{each.document.stream}:{each.document.line}: {identity.kind} "
                    f"{f'{identity.namespace}/' if identity.namespace else ''}{identity.name} is in the policy tree, "
                    "too, with other content: what policies look up is that of the policy tree"
                )


def _holds(value: Any, part: Any) -> bool:
    """Whether a value is the same as another one, but for what defaults added to it."""
    if isinstance(part, dict):
        return isinstance(value, dict) and all(name in value and _holds(value[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(value, list) and len(value) == len(part) and all(map(_holds, value, part))
    return bool(value == part)
