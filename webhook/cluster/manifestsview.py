"""The ClusterView over manifests, for `gatewright check`, `explain` and `test`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webhook.access import Access, AccessDecision, AccessRule, declared
from webhook.cluster.view import NAME_LABEL, Answer, UnknownKind
from webhook.schema import Kinds

_MAX_ANSWERS = 1024  # entries in the memo of `get`, which holds only objects that were found
_NAMESPACE_KIND = ("v1", "Namespace")


class ManifestsView:
    """The ClusterView over plain objects. Of two objects with the same name the later wins, as when both are applied.

    Namespaced objects without a namespace belong to `default_namespace`. Values that are no objects, or have no name,
    are ignored. With `assume_namespaces`, every Namespace exists; one that is not among the objects has only the label
    kubernetes.io/metadata.name, and is listed in `assumed` once it was looked up. Access checks are answered by the
    first of `access_rules` that covers them.
    """

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]],
        kinds: Kinds | None = None,
        *,
        assume_namespaces: bool = False,
        default_namespace: str = "default",
        access_rules: Sequence[AccessRule] = (),
    ) -> None:
        self._kinds = Kinds.builtin() if kinds is None else kinds
        self._assume_namespaces = assume_namespaces
        self._access_rules = tuple(access_rules)
        self._lock = threading.Lock()
        self._assumed: dict[str, dict[str, Any]] = {}
        self._objects: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {}
        self._answers: dict[tuple[str, str, str, str | None], Answer] = {}  # a memo: every request looks up params
        for value in objects:
            self._add(value, default_namespace)
        namespaces = self._objects.get(_NAMESPACE_KIND, {})
        for key, value in namespaces.items():
            namespaces[key] = _labelled(value, key[1])

    @property
    def kinds(self) -> Kinds:
        """The known kinds. Objects of other kinds can be looked up too, if there are any."""
        return self._kinds

    @property
    def assumed(self) -> set[str]:
        """The names of the Namespaces that were looked up, are not among the objects, and were assumed to exist."""
        return set(self._assumed)

    def namespace(self, name: str) -> Answer:
        """See ClusterView."""
        known = self._objects.get(_NAMESPACE_KIND, {}).get(("", name))
        if known is None and self._assume_namespaces and name:
            with self._lock:
                known = self._assumed.setdefault(name, _labelled({"apiVersion": "v1", "kind": "Namespace"}, name))
        return Answer(known, 0.0)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        key = (api_version, kind, name, namespace)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._get(api_version, kind, name, namespace)
            if answer.value is not None and len(self._answers) < _MAX_ANSWERS:
                self._answers[key] = answer
        return answer

    def _get(self, api_version: str, kind: str, name: str, namespace: str | None) -> Answer:
        if (api_version, kind) == _NAMESPACE_KIND:
            return self.namespace(name)
        objects = self._of_kind(api_version, kind)
        resource = self._kinds.for_kind(api_version, kind)
        namespaced = resource.namespaced if resource else True
        return Answer(objects.get(((namespace or "") if namespaced else "", name)), 0.0)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        objects = self._of_kind(api_version, kind)
        return Answer([objects[key] for key in sorted(objects) if namespace in (None, key[0])], 0.0)

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        return declared(access, self._access_rules)

    def _of_kind(self, api_version: str, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
        objects = self._objects.get((api_version, kind))
        if objects is not None:
            return objects
        if self._kinds.for_kind(api_version, kind) is None:
            raise UnknownKind(api_version, kind)
        return {}

    def _add(self, value: Mapping[str, Any], default_namespace: str) -> None:
        api_version, kind, metadata = value.get("apiVersion"), value.get("kind"), value.get("metadata")
        if not (isinstance(api_version, str) and isinstance(kind, str) and isinstance(metadata, dict)):
            return
        name = metadata.get("name")
        if not isinstance(name, str) or not name:
            return
        resource = self._kinds.for_kind(api_version, kind)
        namespace = ""
        if resource is None or resource.namespaced:
            namespace = metadata.get("namespace") or default_namespace
            if namespace != metadata.get("namespace"):
                value = {**value, "metadata": {**metadata, "namespace": namespace}}
        self._objects.setdefault((api_version, kind), {})[namespace, name] = dict(value)


def _labelled(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The Namespace with the label kubernetes.io/metadata.name, which the API server adds."""
    metadata = value.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), NAME_LABEL: name}
    return {**value, "metadata": {**metadata, "name": name, "labels": labels}}
