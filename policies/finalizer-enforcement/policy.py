"""Objects that a controller must clean up after keep its finalizer until it has done so.

A rule in the params names the objects, the finalizer, and its controllers. The policy adds the finalizer when an object
is created. Only the rule's controllers can remove it, and only while the object is being deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gatewright import Request, Violation, mutate, validate

# Kubernetes' own finalizers without a domain: of ObjectMeta, of Namespaces, of CustomResourceDefinitions.
STANDARD = frozenset({"orphan", "foregroundDeletion", "kubernetes", "customresourcecleanup.apiextensions.k8s.io"})

# Who ends a Namespace once it is empty: the controller manager, with an account for each controller or without.
NAMESPACE_CONTROLLERS = frozenset({
    "system:serviceaccount:kube-system:namespace-controller", "system:kube-controller-manager",
})  # fmt: skip

# The labels that the API server puts into a Binding, those of the Node.
OF_NODES = frozenset({"topology.kubernetes.io/region", "topology.kubernetes.io/zone"})

_DOMAIN = re.compile(r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[^/]+")
_RESOURCE = re.compile(r"\*|(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\.[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?")


class Settings(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The base of the models of the params' YAML: names are in camelCase, unknown fields are errors."""


class Requirement(Settings, frozen=True):
    """One of a selector's matchExpressions."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            expected = "at least one value" if self.operator in ("In", "NotIn") else "no values"
            raise ValueError(f"values: {self.operator} takes {expected}")

    def matches(self, labels: dict[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":  # pragma: no branch - there is no other operator
                return self.key not in labels


class LabelSelector(Settings, frozen=True):
    """A Kubernetes label selector: all its parts must match; an empty one matches every object."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    def names(self) -> Iterator[str]:
        """The labels that it looks at."""
        yield from self.match_labels
        yield from (requirement.key for requirement in self.match_expressions)

    def matches(self, obj: dict[str, Any]) -> bool:
        labels = (obj.get("metadata") or {}).get("labels") or {}
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


class Rule(Settings, frozen=True):
    """The objects that have a finalizer, and the controllers that may remove it.

    `resources`: as kubectl writes them, in every version so that no version evades the rule: `configmaps`,
    `deployments.apps`, `*.apps`, `*`. `controllers`: user names.
    """

    resources: Annotated[tuple[str, ...], Meta(min_length=1)]
    label_selector: LabelSelector
    finalizer: str
    controllers: Annotated[tuple[str, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        for text in self.resources:
            if not _RESOURCE.fullmatch(text):
                raise ValueError(
                    f"resources: {text!r} names no resource; expected a form such as configmaps, deployments.apps, "
                    "*.apps or *"
                )
        if not _DOMAIN.fullmatch(self.finalizer):
            raise ValueError(
                f"finalizer: {self.finalizer!r} has no domain; expected a form such as example.com/cleanup"
            )

    def covers(self, request: Request) -> bool:
        if "*" in self.resources:
            return True
        group, _, resource = request.resource
        if (group, resource) == ("", "bindings"):  # the older way to bind a Pod
            resource = "pods"
        return any(
            text.partition(".") in ((resource, "." if group else "", group), ("*", ".", group))
            for text in self.resources
        )


class Params(Settings, frozen=True):
    """The `data` of the ConfigMap. `undomained`: finalizers that are allowed although they have no domain."""

    rules: tuple[Rule, ...]
    undomained: tuple[str, ...] = ()


ANNOTATIONS = {
    "kubernetes.io/description": "An object that a controller has to clean up keeps its finalizer until then.",
    "gatewright.dev/title": "Finalizers stay until the clean-up is done",
    "gatewright.dev/category": "metadata",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": (
        "An object whose finalizer is removed by hand vanishes before its controller has cleaned up after it. "
        "What it owned outside of the cluster stays, and is paid for."
    ),
    "gatewright.dev/remediation": (
        "Leave the finalizer to the controllers that the rule names; repair the controller, or ask the rule's "
        "owner to add another one."
    ),
}


@mutate(resources=["*"], operations=["CREATE"], param_kind="v1/ConfigMap", annotations=ANNOTATIONS)
def finalizer_enforcement(request: Request, params: Params) -> None:
    """Add the finalizer of each rule that selects the object, at its creation."""
    for rule in params.rules:
        if rule.covers(request) and rule.label_selector.matches(request.object):
            metadata = request.object.setdefault("metadata", {})
            if rule.finalizer not in _finalizers(request.object):
                metadata["finalizers"] = [*_finalizers(request.object), rule.finalizer]


# All subresources, because each one that accepts the whole object can remove a finalizer: status, and finalize of
# Namespaces. Those that accept another kind (Scale, Eviction) have no finalizers in their requests, and pass.
@validate(
    name="finalizer-enforcement",
    resources=["*/*"],
    operations=["CREATE", "UPDATE"],
    param_kind="v1/ConfigMap",
    annotations=ANNOTATIONS,
)
def finalizers_stay(request: Request, params: Params) -> Iterator[Violation]:
    """Objects have the finalizers of their rules until the controllers remove them; all finalizers have a domain."""
    yield from _without_domain(request, params)
    yield from _abandoned(request)
    for rule in params.rules:
        if not rule.covers(request):
            continue
        if request.operation == "UPDATE":
            yield from _removed(request, rule)
        elif request.kind.kind == "Binding":
            yield from _relabelled(request, rule)
        elif not request.subresource:
            yield from _missing(request, rule)


def _missing(request: Request, rule: Rule) -> Iterator[Violation]:
    """A violation if an object is created without the rule's finalizer."""
    if rule.label_selector.matches(request.object) and rule.finalizer not in _finalizers(request.object):
        yield Violation(
            f"metadata.finalizers: {rule.finalizer} is missing; an object with these labels is created with it, "
            f"so that {_names(rule.controllers)} can clean up after it",
            path="metadata.finalizers",
        )


def _relabelled(request: Request, rule: Rule) -> Iterator[Violation]:
    """Violations for labels of a Binding by which the rule selects: they replace those of the Pod that it binds."""
    labels = (request.object.get("metadata") or {}).get("labels") or {}
    for key in rule.label_selector.names():
        if key in labels and key not in OF_NODES:
            yield Violation(
                f"metadata.labels: {key} would replace the label of the Pod, by which it may be protected by "
                f"{rule.finalizer}; bind the Pod without it",
                path=("metadata", "labels", key),
                reason="Forbidden",
            )


def _removed(request: Request, rule: Rule) -> Iterator[Violation]:
    """A violation if an update removes the rule's finalizer, or changes labels so that the rule no longer applies."""
    old, new = request.old_object, request.object
    was_selected, is_selected = rule.label_selector.matches(old), rule.label_selector.matches(new)
    if not (was_selected or is_selected):
        return
    deleting = bool((old.get("metadata") or {}).get("deletionTimestamp"))
    if rule.finalizer not in _finalizers(old):
        # Labels that are added later are no way to be without: the finalizer comes along. (An object that is being
        # deleted takes none.)
        if is_selected and not was_selected and not deleting and rule.finalizer not in _finalizers(new):
            yield Violation(
                f"metadata.finalizers: {rule.finalizer} is missing; these labels put the object under its protection, "
                f"so add it along with them, so that {_names(rule.controllers)} can clean up",
                path="metadata.finalizers",
            )
        return
    if deleting and request.user.username in rule.controllers:
        return
    who = _names(rule.controllers)
    if rule.finalizer not in _finalizers(new):
        if deleting:
            why = f"only {who} may take it off, and you are {request.user.username or 'nobody'}"
        else:
            why = f"it comes off when the object is deleted, by {who}; delete the object instead"
        yield Violation(
            f"metadata.finalizers: {rule.finalizer} must stay; {why}",
            path="metadata.finalizers",
            reason="Forbidden",
        )
    elif not is_selected:
        # Otherwise two updates could do what one may not: the first removes the labels, the second removes the
        # finalizer of an object that no rule selects any more.
        yield Violation(
            f"metadata.labels: these labels put the object under the protection of {rule.finalizer}, and must stay as "
            f"long as it carries that finalizer, which {who} takes off when the object is deleted",
            path="metadata.labels",
            reason="Forbidden",
        )


def _abandoned(request: Request) -> Iterator[Violation]:
    """A violation if a Namespace is ended by hand: what is left in it goes out of reach, finalizers and all."""
    if request.resource[::2] != ("", "namespaces") or request.operation != "UPDATE":
        return
    before, after = (
        ((each or {}).get("spec") or {}).get("finalizers") or [] for each in (request.old_object, request.object)
    )
    if "kubernetes" in before and "kubernetes" not in after and request.user.username not in NAMESPACE_CONTROLLERS:
        yield Violation(
            "spec.finalizers: kubernetes must stay; the namespace controller takes it off when the Namespace is empty, "
            "and its status says what still is in it",
            path="spec.finalizers",
            reason="Forbidden",
        )


def _without_domain(request: Request, params: Params) -> Iterator[Violation]:
    """Violations for finalizers without a domain that the request adds; those in the old object may stay."""
    brought = _finalizers(request.object)
    if not brought:
        return
    known = {*STANDARD, *params.undomained, *_finalizers(request.old_object)}
    for index, finalizer in enumerate(brought):
        if finalizer not in known and not _DOMAIN.fullmatch(finalizer):
            yield Violation(
                f"metadata.finalizers[{index}]: {finalizer!r} has no domain, so nobody can tell whose it is; "
                f"name it as example.com/{finalizer.strip('/').rpartition('/')[2] or 'cleanup'}",
                path=("metadata", "finalizers", index),
            )


def _finalizers(obj: dict[str, Any] | None) -> list[str]:
    return ((obj or {}).get("metadata") or {}).get("finalizers") or []


def _names(users: tuple[str, ...]) -> str:
    return " or ".join(users)
