"""Which requests a policy or a binding matches: resource rules, scopes, names and label selectors.

Matching has two steps. `Match.narrow` and `Match.narrow_binding` decide what depends only on the kind of request
(group, version, resource, subresource, operation, before and after conversion); policyset caches their results. The
remaining checks, a `Residual`, depend on the request: its scope, name and labels. Where the documentation is silent,
this follows k8s.io/apiserver, plugin/policy/matching and webhook/predicates.

Nothing is converted here. For a webhook with matchPolicy Equivalent, the API server converts the object and also sends
the resource and kind of the original request. docs/decisions/009 explains which policies then see the converted object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from webhook.cel import EvaluationError
from webhook.policy.request import CONNECT, CREATE, UPDATE, JSONObject, Request
from webhook.policy.selectors import EVERYTHING, Selector

Scope = Literal["*", "Cluster", "Namespaced"]
MatchPolicy = Literal["Exact", "Equivalent"]

ANY = frozenset("*")


class RequestKey(NamedTuple):
    """A kind of request: what matching by resource rules depends on."""

    group: str
    version: str
    resource: str
    subresource: str
    operation: str

    @classmethod
    def of(cls, request: Request) -> RequestKey:
        group, version, resource = request.resource
        return cls(group, version, resource, request.subresource, request.operation)

    @classmethod
    def sent(cls, request: Request) -> RequestKey:
        """The kind of the original request. It differs from `of` only if the API server has converted the object."""
        group, version, resource = request.request_resource
        return cls(group, version, resource, request.request_subresource, request.operation)


class NamespaceNotFound(EvaluationError):
    """The Namespace of a request was not found; the text is the API server's, followed by the reason if it is known.

    An expression that needs the Namespace fails with this error.
    """

    def __init__(self, name: str, why: str = "") -> None:
        super().__init__(f'namespaces "{name}" not found' + (f": {why}" if why else ""))


class RequestNamespace(Struct, eq=False):
    """The Namespace of a request, which is looked up when a policy first needs it, and at most once.

    `find` returns a Namespace object by name; None if there is none.
    """

    request: Request
    find: Callable[[str], Any]
    found: JSONObject | None = None

    def object(self) -> JSONObject | None:
        """The CEL variable `namespaceObject`: None for cluster-scoped objects, including Namespaces.

        Raises NamespaceNotFound.
        """
        request = self.request
        if not request.namespace or request.kind == ("", "v1", "Namespace"):
            return None
        return self._look_up(request.namespace)

    def labels(self) -> dict[str, Any]:
        """The labels that a namespaceSelector is matched against. Raises NamespaceNotFound.

        If a Namespace is created or updated: its new labels. Otherwise: the current labels of the request's Namespace.
        """
        request = self.request
        if request.resource.resource == "namespaces" and not request.subresource:
            if request.operation in (CREATE, UPDATE):
                return labels_of(request.object)
            return labels_of(self._look_up(request.namespace or request.name))
        return labels_of(self._look_up(request.namespace))

    def _look_up(self, name: str) -> JSONObject:
        if self.found is None:
            found = self.find(name)
            if found is None:
                raise NamespaceNotFound(name)
            self.found = found
        return self.found


def labels_of(value: Any) -> dict[str, Any]:
    """metadata.labels of an object; empty if it has none, or if the value is no object.

    As for the API server, an object with a null among its labels has none: custom objects may.
    """
    metadata = value.get("metadata") if isinstance(value, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) and None not in labels.values() else {}


class Rule(Struct, frozen=True):
    """One of resourceRules or excludeResourceRules.

    `resources`: (resource, subresource), each of which may be "*". The subresource of `pods` and `*` is ""; the "*" of
    `pods/*` matches pods itself too. `names`: empty for all names.
    """

    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    operations: frozenset[str]
    scope: Scope = "*"
    names: frozenset[str] = frozenset()

    def covers(self, key: RequestKey) -> bool:
        """Whether the rule matches requests of this kind, apart from scope and names."""
        return (key.version in self.versions or "*" in self.versions) and self.covers_another_version(key)

    def covers_another_version(self, key: RequestKey) -> bool:
        """The same for any version: with matchPolicy Equivalent, a rule for one version matches all of them."""
        return (
            (key.operation in self.operations or "*" in self.operations)
            and (key.group in self.groups or "*" in self.groups)
            and any(
                resource in ("*", key.resource) and subresource in ("*", key.subresource)
                for resource, subresource in self.resources
            )
        )

    def condition(self, key: RequestKey) -> Condition:
        """The rule's remaining condition for requests of a kind that it covers."""
        if self.scope == "*" or key.resource != "namespaces":
            return Condition(self.scope, self.names)
        # Namespaces are cluster-scoped, but their requests have a `namespace`: the Namespace's own name.
        return Condition("*" if self.scope == "Cluster" else "never", self.names)


class Condition(Struct, frozen=True):
    """The part of a Rule that is left to check for requests of one kind: scope and names."""

    scope: Literal["*", "Cluster", "Namespaced", "never"]
    names: frozenset[str]

    @property
    def always(self) -> bool:
        return self.scope == "*" and not self.names

    def holds(self, request: Request) -> bool:
        if self.scope != "*" and (self.scope == "never" or (self.scope == "Namespaced") != bool(request.namespace)):
            return False
        return not self.names or request.name in self.names


class Residual(Struct, frozen=True):
    """The part of a Match that is left to check for requests of one kind. `rules`: None if one of them always holds."""

    namespace_selector: Selector
    object_selector: Selector
    rules: tuple[Condition, ...] | None
    excludes: tuple[Condition, ...]

    def matches(self, request: Request, namespace: RequestNamespace) -> bool:
        """Whether the request matches. Raises NamespaceNotFound, but only if everything else matches."""
        for condition in self.excludes:
            if condition.holds(request):
                return False
        if self.rules is not None and not any(condition.holds(request) for condition in self.rules):
            return False
        if self.object_selector.requirements and not self._selects_object(request):
            return False
        if not self.namespace_selector.requirements:
            return True
        if not request.namespace and request.resource.resource != "namespaces":
            return True  # a namespaceSelector matches all other cluster-scoped objects
        return self.namespace_selector.matches(namespace.labels())

    def _selects_object(self, request: Request) -> bool:
        if request.operation == CONNECT:
            return False  # an options object has no metadata, so that not even DoesNotExist matches
        select = self.object_selector.matches
        return (request.object is not None and select(labels_of(request.object))) or (
            request.old_object is not None and select(labels_of(request.old_object))
        )


ALWAYS = Residual(EVERYTHING, EVERYTHING, None, ())


class Match(Struct, frozen=True):
    """matchConstraints of a policy, or matchResources of a binding. A binding without rules matches everything."""

    rules: tuple[Rule, ...] = ()
    excludes: tuple[Rule, ...] = ()
    namespace_selector: Selector = EVERYTHING
    object_selector: Selector = EVERYTHING
    match_policy: MatchPolicy = "Equivalent"

    def narrow(self, key: RequestKey, sent: RequestKey) -> Residual | None:
        """What is left of matchConstraints to check for requests of this kind; None if they match none.

        If the object was converted (`sent` is not `key`), a policy matches that names the converted version but not the
        original one. A policy that names the original version gets the original object, through another webhook.
        """
        excludes = self._excludes(key, sent)
        if key != sent:
            if self.match_policy == "Exact":
                return None
            excludes = (*excludes, *(rule.condition(sent) for rule in self.rules if rule.covers(sent)))
        return self._residual([rule for rule in self.rules if rule.covers(key)], excludes, key)

    def narrow_binding(self, key: RequestKey, sent: RequestKey) -> Residual | None:
        """The same for a binding's matchResources, for which nothing is converted: the original request must match,
        in its own version or, with matchPolicy Equivalent, in any.
        """
        excludes = self._excludes(key, sent)
        return self._residual([rule for rule in self.rules if self._covers(rule, key, sent)], excludes, key)

    def _covers(self, rule: Rule, key: RequestKey, sent: RequestKey) -> bool:
        if self.match_policy == "Exact":
            return rule.covers(sent)
        return rule.covers_another_version(sent) or (key != sent and rule.covers_another_version(key))

    def _excludes(self, key: RequestKey, sent: RequestKey) -> tuple[Condition, ...]:
        return tuple(rule.condition(sent) for rule in self.excludes if self._covers(rule, key, sent))

    def _residual(self, covering: Sequence[Rule], excludes: tuple[Condition, ...], key: RequestKey) -> Residual | None:
        if any(condition.always for condition in excludes):
            return None
        rules: tuple[Condition, ...] | None = None
        if self.rules:
            rules = tuple(rule.condition(key) for rule in covering)
            if all(condition.scope == "never" for condition in rules):
                return None
            if any(condition.always for condition in rules):
                rules = None
        if rules is None and not excludes and not self.namespace_selector and not self.object_selector:
            return ALWAYS
        return Residual(self.namespace_selector, self.object_selector, rules, excludes)
