"""Which requests a policy or a binding is about: resource rules, scopes, names and label selectors.

Matching runs in two steps. `Match.narrow` and `Match.narrow_binding` decide what depends on the kind of request alone
(group, version, resource, subresource, operation, before and after conversion); policyset keeps their answer for all
requests of a kind. What is left, the `Residual`, looks at the request itself: scope, names, labels. Where the
specification is silent this follows k8s.io/apiserver, plugin/policy/matching and webhook/predicates.

Nothing is converted here: the API server does that, for a webhook with matchPolicy Equivalent, and tells what was sent.
Which policies a converted object is for follows from the two (docs/decisions/009).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from webhook.cel import EvaluationError
from webhook.policy.request import CONNECT, CREATE, UPDATE, JSONObject, Request

Scope = Literal["*", "Cluster", "Namespaced"]
MatchPolicy = Literal["Exact", "Equivalent"]
SelectorOperator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

ANY = frozenset("*")


class RequestKey(NamedTuple):
    """What all requests of a kind have in common: as the client sent them, or as the API server converted them."""

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
        """What the client sent; differs only where the API server has converted the object."""
        group, version, resource = request.request_resource
        return cls(group, version, resource, request.request_subresource, request.operation)


class NamespaceNotFound(EvaluationError):
    """The Namespace of a request is not known; the text is the API server's, and why it is so, if that is known.

    An expression that asks for it fails.
    """

    def __init__(self, name: str, why: str = "") -> None:
        super().__init__(f'namespaces "{name}" not found' + (f": {why}" if why else ""))


class RequestNamespace:
    """The Namespace that a request is in, looked up when a policy first asks for it, and once at most.

    `find` gives a Namespace object by name, None if there is none.
    """

    __slots__ = ("_find", "_found", "_request")

    def __init__(self, request: Request, find: Callable[[str], Any]) -> None:
        self._request = request
        self._find = find
        self._found: JSONObject | None = None

    def object(self) -> JSONObject | None:
        """The CEL variable `namespaceObject`: None for what is cluster-scoped, and for Namespaces themselves.

        Raises NamespaceNotFound.
        """
        request = self._request
        if not request.namespace or request.kind == ("", "v1", "Namespace"):
            return None
        return self._look_up(request.namespace)

    def labels(self) -> dict[str, Any]:
        """The labels that a namespaceSelector is held against: a Namespace's own on create and update (the new ones),
        else those of the Namespace as it is now. Raises NamespaceNotFound.
        """
        request = self._request
        if request.resource.resource == "namespaces" and not request.subresource:
            if request.operation in (CREATE, UPDATE):
                return labels_of(request.object)
            return labels_of(self._look_up(request.namespace or request.name))
        return labels_of(self._look_up(request.namespace))

    def _look_up(self, name: str) -> JSONObject:
        if self._found is None:
            found = self._find(name)
            if found is None:
                raise NamespaceNotFound(name)
            self._found = found
        return self._found


def labels_of(value: Any) -> dict[str, Any]:
    """metadata.labels of an object; empty where there are none (and where the object is no object)."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand on labels; `values` only for In and NotIn. NotIn holds where the label is absent."""

    key: str
    operator: SelectorOperator
    values: frozenset[str] = frozenset()

    def matches(self, labels: dict[str, Any]) -> bool:
        if self.operator == "In":
            value = labels.get(self.key)
            return isinstance(value, str) and value in self.values
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        value = labels.get(self.key)
        return not (isinstance(value, str) and value in self.values)


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector: all requirements must hold. Without any it is empty, and matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def compile(cls, labels: dict[str, str], expressions: Iterable[Requirement] = ()) -> Selector:
        """From a LabelSelector's matchLabels and matchExpressions."""
        exact = (Requirement(key, "In", frozenset((value,))) for key, value in sorted(labels.items()))
        return cls((*exact, *expressions))

    def matches(self, labels: dict[str, Any]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)


EVERYTHING = Selector()


@dataclass(frozen=True, slots=True)
class Rule:
    """One of resourceRules or excludeResourceRules. `resources` are (resource, subresource), either may be "*"; the
    subresource of `pods` and of `*` is "", that of `pods/*` matches pods itself too. No `names`: all names."""

    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    operations: frozenset[str]
    scope: Scope = "*"
    names: frozenset[str] = frozenset()

    def covers(self, key: RequestKey) -> bool:
        """Whether the rule is about requests of this kind, scope and names aside."""
        return (key.version in self.versions or "*" in self.versions) and self.covers_another_version(key)

    def covers_another_version(self, key: RequestKey) -> bool:
        """The same of any version: with matchPolicy Equivalent, a rule for one version stands for all of them."""
        return (
            (key.operation in self.operations or "*" in self.operations)
            and (key.group in self.groups or "*" in self.groups)
            and any(
                resource in ("*", key.resource) and subresource in ("*", key.subresource)
                for resource, subresource in self.resources
            )
        )

    def condition(self, key: RequestKey) -> Condition:
        """What the rule still asks of a request of a kind that it covers."""
        if self.scope == "*" or key.resource != "namespaces":
            return Condition(self.scope, self.names)
        # A Namespace's request has a namespace, its own name, but the resource is cluster-scoped.
        return Condition("*" if self.scope == "Cluster" else "never", self.names)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is left of a Rule for requests of one kind."""

    scope: Literal["*", "Cluster", "Namespaced", "never"]
    names: frozenset[str]

    @property
    def always(self) -> bool:
        return self.scope == "*" and not self.names

    def holds(self, request: Request) -> bool:
        if self.scope != "*" and (self.scope == "never" or (self.scope == "Namespaced") != bool(request.namespace)):
            return False
        return not self.names or request.name in self.names


@dataclass(frozen=True, slots=True)
class Residual:
    """What is left of a Match for requests of one kind. `rules` is None where one holds for all of them."""

    namespace_selector: Selector
    object_selector: Selector
    rules: tuple[Condition, ...] | None
    excludes: tuple[Condition, ...]

    def matches(self, request: Request, namespace: RequestNamespace) -> bool:
        """Whether the request is matched. Raises NamespaceNotFound, and only if all else matches."""
        for condition in self.excludes:
            if condition.holds(request):
                return False
        if self.rules is not None and not any(condition.holds(request) for condition in self.rules):
            return False
        if self.object_selector and not self._selects_object(request):
            return False
        if not self.namespace_selector:
            return True
        if not request.namespace and request.resource.resource != "namespaces":
            return True  # other cluster-scoped objects are in every namespaceSelector
        return self.namespace_selector.matches(namespace.labels())

    def _selects_object(self, request: Request) -> bool:
        if request.operation == CONNECT:
            return False  # the options object has no metadata, so that not even DoesNotExist holds
        select = self.object_selector.matches
        return (request.object is not None and select(labels_of(request.object))) or (
            request.old_object is not None and select(labels_of(request.old_object))
        )


ALWAYS = Residual(EVERYTHING, EVERYTHING, None, ())


@dataclass(frozen=True, slots=True)
class Match:
    """matchConstraints of a policy, or matchResources of a binding (where no rules mean everything)."""

    rules: tuple[Rule, ...] = ()
    excludes: tuple[Rule, ...] = ()
    namespace_selector: Selector = EVERYTHING
    object_selector: Selector = EVERYTHING
    match_policy: MatchPolicy = "Equivalent"

    def narrow(self, key: RequestKey, sent: RequestKey) -> Residual | None:
        """What is left of matchConstraints to check for requests of this kind; None if they match none of them.

        Where the object was converted (`sent` is not `key`) it is for the policies that name the version it was
        converted to and not the one that was sent: those get what was sent, from another webhook.
        """
        excludes = self._excludes(key, sent)
        if key != sent:
            if self.match_policy == "Exact":
                return None
            excludes = (*excludes, *(rule.condition(sent) for rule in self.rules if rule.covers(sent)))
        return self._residual([rule for rule in self.rules if rule.covers(key)], excludes, key)

    def narrow_binding(self, key: RequestKey, sent: RequestKey) -> Residual | None:
        """The same of a binding's matchResources. Nothing is converted for them: what was sent must match, in this
        version or, with matchPolicy Equivalent, in another."""
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
