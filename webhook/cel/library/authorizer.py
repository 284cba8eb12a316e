"""Kubernetes' authorizer library: checks whether the user of the request, or a service account, may do something.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library. Checks are built step by step.
The function in the value of the variable `authorizer` answers them.
"""

from __future__ import annotations

from math import ceil
from typing import Any, ClassVar

from webhook.access import Access, AccessDecision, AccessUnknown, Authorize
from webhook.cel.cost import costs
from webhook.cel.cost.estimates import Estimate, fixed
from webhook.cel.library.declaring import Library, method
from webhook.cel.library.named_format import dns_label, dns_subdomain
from webhook.cel.tree.errors import EvaluationError, no_such_overload

AUTHORIZER = "kubernetes.authorization.Authorizer"
RESOURCE_CHECK = "kubernetes.authorization.ResourceCheck"
_PATH_CHECK = "kubernetes.authorization.PathCheck"
_GROUP_CHECK = "kubernetes.authorization.GroupCheck"
_DECISION = "kubernetes.authorization.Decision"


class _Opaque:
    """A value that only functions accept. Comparing it is an error, as in Kubernetes."""

    __slots__ = ()
    cel_type: ClassVar[str]

    def __eq__(self, other: object) -> bool:
        raise no_such_overload()

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return self.cel_type


class _Question(_Opaque):
    """The part of a check that is built so far, and the function that answers it."""

    __slots__ = ("access", "authorize")

    def __init__(self, access: Access, authorize: Authorize) -> None:
        self.access = access
        self.authorize = authorize


class Authorizer(_Question):
    """The user of a check; the rest of `access` is not set yet."""

    __slots__ = ()
    cel_type = AUTHORIZER


class PathCheck(_Question):
    """A check of an HTTP path, without a verb."""

    __slots__ = ()
    cel_type = _PATH_CHECK


class GroupCheck(_Question):
    """An API group, without a resource."""

    __slots__ = ()
    cel_type = _GROUP_CHECK


class ResourceCheck(_Question):
    """A check of a resource, without a verb."""

    __slots__ = ()
    cel_type = RESOURCE_CHECK


class Decision(_Opaque):
    """The answer to a check."""

    __slots__ = ("decision",)
    cel_type = _DECISION

    def __init__(self, decision: AccessDecision) -> None:
        self.decision = decision


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer.access._replace(path=path), authorizer.authorize)


def _group(authorizer: Authorizer, group: str) -> GroupCheck:
    return GroupCheck(authorizer.access._replace(group=group), authorizer.authorize)


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if dns_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if dns_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    access = Access(
        user=f"system:serviceaccount:{namespace}:{name}",
        verb="",
        groups=("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
    )
    return Authorizer(access, authorizer.authorize)


def _resource(check: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(check.access._replace(resource=resource), check.authorize)


def _subresource(check: ResourceCheck, subresource: str) -> ResourceCheck:
    return ResourceCheck(check.access._replace(subresource=subresource), check.authorize)


def _namespace(check: ResourceCheck, namespace: str) -> ResourceCheck:
    return ResourceCheck(check.access._replace(namespace=namespace), check.authorize)


def _name(check: ResourceCheck, name: str) -> ResourceCheck:
    return ResourceCheck(check.access._replace(name=name), check.authorize)


def _field_selector(check: ResourceCheck, selector: str) -> ResourceCheck:
    return ResourceCheck(check.access._replace(field_selector=selector), check.authorize)


def _label_selector(check: ResourceCheck, selector: str) -> ResourceCheck:
    return ResourceCheck(check.access._replace(label_selector=selector), check.authorize)


def _check(check: PathCheck | ResourceCheck, verb: str) -> Decision:
    try:
        return Decision(check.authorize(check.access._replace(verb=verb)))
    except AccessUnknown as error:
        raise EvaluationError(str(error)) from None


def _asking(*_: Any) -> int:
    """350,000"""
    return 350_000


def _estimated_check(*_: Any) -> Estimate:
    return Estimate(fixed(_asking()))


def _selecting(_: Any, selector: Any) -> int:
    """10, and 25.1 for each character of the selector."""
    length = costs.size(selector)
    return costs.NEW_LIST + ceil(length * 0.1) + ceil(ceil(length * 0.5) * 50.0)


def _names(_: Any, *names: Any) -> int:
    """The steps to test names by several patterns each."""
    return sum(map(costs.size, names)) // 5


_GET_PODS = "authorizer.group('').resource('pods').namespace('default').check('get')"

LIBRARY = Library(
    "authorizer",
    (1, 27),
    (
        method(
            "path",
            f"{AUTHORIZER}, string -> {_PATH_CHECK}",
            _path,
            "A check of an HTTP path.",
            "authorizer.path('/healthz').check('get').allowed()",
            error=("authorizer.path(' ')", "path must not be empty"),
            work=costs.second_parsed,
        ),
        method(
            "group",
            f"{AUTHORIZER}, string -> {_GROUP_CHECK}",
            _group,
            "The API group for a check of a resource; empty for the core group.",
            "!authorizer.group('apps').resource('deployments').check('delete').allowed()",
        ),
        method(
            "serviceAccount",
            f"{AUTHORIZER}, string, string -> {AUTHORIZER}",
            _service_account,
            "The authorizer of a service account, by namespace and name, in place of the user of the request.",
            "!authorizer.serviceAccount('default', 'ci').path('/healthz').check('get').allowed()",
            error=("authorizer.serviceAccount('default', 'A')", "Invalid service account name"),
            work=_names,
        ),
        method(
            "resource",
            f"{_GROUP_CHECK}, string -> {RESOURCE_CHECK}",
            _resource,
            "A check of a resource, by its plural: all objects in all namespaces, unless it is narrowed.",
            "authorizer.group('').resource('pods').namespace('default').check('get').allowed()",
            error=("authorizer.group('').resource('')", "resource must not be empty"),
            work=costs.second_parsed,
        ),
        method(
            "subresource",
            f"{RESOURCE_CHECK}, string -> {RESOURCE_CHECK}",
            _subresource,
            "The check narrowed to a subresource.",
            "!authorizer.group('').resource('pods').subresource('exec').check('create').allowed()",
        ),
        method(
            "namespace",
            f"{RESOURCE_CHECK}, string -> {RESOURCE_CHECK}",
            _namespace,
            "The check narrowed to a namespace.",
            f"{_GET_PODS}.allowed()",
        ),
        method(
            "name",
            f"{RESOURCE_CHECK}, string -> {RESOURCE_CHECK}",
            _name,
            "The check narrowed to the object of a name.",
            "!authorizer.group('').resource('secrets').namespace('default').name('key').check('get').allowed()",
        ),
        method(
            "check",
            f"{_PATH_CHECK}, string -> {_DECISION}",
            _check,
            "The decision on an HTTP verb in lower case: get, post, …",
            "authorizer.path('/healthz').check('get').allowed()",
            cost=_asking,
            estimate=_estimated_check,
        ),
        method(
            "check",
            f"{RESOURCE_CHECK}, string -> {_DECISION}",
            _check,
            "The decision on a verb of the API: get, list, create, delete, use, or any other that rules name.",
            f"{_GET_PODS}.allowed()",
            cost=_asking,
            estimate=_estimated_check,
        ),
        method(
            "allowed",
            f"{_DECISION} -> bool",
            lambda answer: answer.decision.allowed,
            "Whether access is allowed.",
            f"{_GET_PODS}.allowed()",
        ),
        method(
            "reason",
            f"{_DECISION} -> string",
            lambda answer: answer.decision.reason,
            "The reason of the decision; may be empty.",
            f"{_GET_PODS}.reason() == 'declared'",
        ),
        method(
            "errored",
            f"{_DECISION} -> bool",
            lambda answer: answer.decision.error != "",
            "Whether an error occurred during the check.",
            f"!{_GET_PODS}.errored()",
        ),
        method(
            "error",
            f"{_DECISION} -> string",
            lambda answer: answer.decision.error,
            "The error that occurred during the check; empty if there is none.",
            f"{_GET_PODS}.error() == ''",
        ),
        method(
            "fieldSelector",
            f"{RESOURCE_CHECK}, string -> {RESOURCE_CHECK}",
            _field_selector,
            "The check narrowed to objects that match a field selector. An invalid selector is ignored.",
            "!authorizer.group('').resource('pods').fieldSelector('spec.nodeName=a').check('list').allowed()",
            cost=_selecting,
            since=(1, 31),
        ),
        method(
            "labelSelector",
            f"{RESOURCE_CHECK}, string -> {RESOURCE_CHECK}",
            _label_selector,
            "The check narrowed to objects that match a label selector. An invalid selector is ignored.",
            "!authorizer.group('').resource('pods').labelSelector('app=a').check('list').allowed()",
            cost=_selecting,
            since=(1, 31),
        ),
    ),
    opaque={
        AUTHORIZER: Authorizer,
        _PATH_CHECK: PathCheck,
        _GROUP_CHECK: GroupCheck,
        RESOURCE_CHECK: ResourceCheck,
        _DECISION: Decision,
    },
    variables=("authorizer",),
)
