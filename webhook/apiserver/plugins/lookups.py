"""What plugins look up: objects among the manifests, decoded and defaulted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webhook.apiserver import decoding
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.gotext import quote
from webhook.apiserver.problems import FieldProblem
from webhook.cluster.view import ClusterView, NotCached, UnknownKind
from webhook.paths import Path
from webhook.versions import NEWEST, Version

LOOKED_UP: Final = frozenset(
    {
        *(("v1", kind) for kind in ("LimitRange", "Namespace", "Node", "ServiceAccount")),
        ("networking.k8s.io/v1", "IngressClass"),
        ("node.k8s.io/v1", "RuntimeClass"),
        ("scheduling.k8s.io/v1", "PriorityClass"),
        ("storage.k8s.io/v1", "StorageClass"),
    }
)
"""apiVersion and kind of all that plugins look up."""


class AtHand:
    """The objects of one run, each decoded once. An object that is invalid counts as if it were not there."""

    def __init__(self, cluster: ClusterView, target: Version = NEWEST) -> None:
        self._cluster = cluster
        self._target = target
        self._named: dict[tuple[str, str, str, str], dict[str, Any] | None] = {}
        self._listed: dict[tuple[str, str, str | None], list[dict[str, Any]]] = {}

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The object of that name; None if it is not at hand. It must not be changed."""
        key = (api_version, kind, namespace, name)
        if key not in self._named:
            _require_declared(api_version, kind)
            try:
                found = self._cluster.get(api_version, kind, name, namespace or None).value
            except (UnknownKind, NotCached):
                found = None
            self._named[key] = self._read(found)
        return self._named[key]

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """The objects of a kind, by name. They must not be changed."""
        key = (api_version, kind, namespace)
        if key not in self._listed:
            _require_declared(api_version, kind)
            try:
                found = self._cluster.list(api_version, kind, namespace).value
            except (UnknownKind, NotCached):
                found = ()
            self._listed[key] = [made for each in found if (made := self._read(each)) is not None]
        return self._listed[key]

    def _read(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        decoded = decoding.decode_builtin(value, self._target) if value is not None else None
        if value is None or decoded is None or decoded.problems:
            return None
        set_defaults(decoded.object, value["apiVersion"], value["kind"], self._target)
        return decoded.object


def _require_declared(api_version: str, kind: str) -> None:
    # Whoever gathers the objects of a run a part at a time knows by LOOKED_UP what to keep.
    if (api_version, kind) not in LOOKED_UP:
        raise LookupError(f"{kind} of {api_version} is not among LOOKED_UP")


class Run:
    """One object on its way through the plugins.

    `name`: of the object, or what it is generated from. `resource`: of the request, such as pods. `namespace`: its
    namespace.
    """

    __slots__ = ("at_hand", "name", "namespace", "notes", "problems", "resource")

    def __init__(self, at_hand: AtHand, resource: str, name: str, namespace: str) -> None:
        self.at_hand = at_hand
        self.resource = resource
        self.name = name
        self.namespace = namespace
        self.problems: list[FieldProblem] = []
        self.notes: list[str] = []

    def forbid(self, path: Path, message: str) -> None:
        text = f"{self.resource} {quote(self.name)} is forbidden: {message}"
        self.problems.append(FieldProblem(path, text, "Forbidden"))


def metadata_of(value: Mapping[str, Any], field: str) -> dict[str, str]:
    """The labels or annotations of an object."""
    found: dict[str, str] = (value.get("metadata") or {}).get(field) or {}
    return found
