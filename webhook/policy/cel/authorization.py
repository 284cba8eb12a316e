"""The variables `authorizer` and `authorizer.requestResource` of CEL policies: declared, and bound to a request.

Questions are answered by the ClusterView of the review, each at most once. Where a policy may not use the variables
(messages, auditAnnotations), a variable of its own that does use them has no value either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cel import Activation, Program
from webhook.cel.cost.metering import Deadline
from webhook.cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK, Authorizer, ResourceCheck
from webhook.cel.tree.ast import Expr, Ident, children
from webhook.cel.tree.types import Type
from webhook.policy.request import Request

VARIABLES: Final = {"authorizer": Type(AUTHORIZER), "authorizer.requestResource": Type(RESOURCE_CHECK)}
"""Name -> type, as of k8s.io/apiserver, plugin/cel."""


def bindings(request: Request) -> dict[str, Callable[[], Any]]:
    """What gives the variables their values, at their first use."""
    return {
        "authorizer": partial(_authorizer, request),
        "authorizer.requestResource": partial(_request_resource, request),
    }


def _authorizer(request: Request) -> Authorizer:
    user = request.user
    extra = tuple((key, tuple(values)) for key, values in sorted(user.extra.items()))
    access = Access(user=user.username, verb="", uid=user.uid, groups=user.groups, extra=extra)
    return Authorizer(access, partial(_answer, request))


def _request_resource(request: Request) -> ResourceCheck:
    """A check of what the request is about, as it was sent."""
    authorizer = _authorizer(request)
    access = authorizer.access._replace(
        group=request.request_resource.group,
        resource=request.request_resource.resource,
        subresource=request.request_subresource,
        namespace=request.namespace,
        name=request.name,
    )
    return ResourceCheck(access, authorizer.authorize)


def _answer(request: Request, access: Access) -> AccessDecision:
    if request.cluster is None:
        raise AccessUnknown(f"there is no cluster here to ask the authorizer: {access}")
    if request.answers is None:
        request.answers = {}
    found = request.answers.get(access)
    if found is None:
        found = request.answers[access] = request.cluster.authorize(access)
    return found


def users(programs: Iterable[Program], variables: Mapping[str, Program]) -> frozenset[str] | None:
    """The composited variables, in their order, that come to use the authorizer; None if nothing of a policy does."""
    found: set[str] = set()
    for name, program in variables.items():
        if _uses(program, found):
            found.add(name)
    if found or any(_uses(program, found) for program in programs):
        return frozenset(found)
    return None


def _uses(program: Program, variables: set[str]) -> bool:
    if not variables and "authorizer" not in program.source:
        return False  # nearly always, and seen without a walk
    return any(name in VARIABLES or name in variables for name in _names(program.tree))


def without(
    activation: Activation,
    lazy: Mapping[str, Callable[[], Any]],
    programs: Mapping[str, Program],
    using: frozenset[str],
    deadline: Deadline | None,
) -> Activation:
    """The same activation where the authorizer has no value: what variables found out by it is forgotten.

    lazy, programs: those of the activation, without the authorizer. using: the variables that use it.
    """
    kept = {name: value for name, value in activation.items() if name not in VARIABLES and name not in using}
    bare = Activation(kept, lazy, programs, deadline)
    bare.cost = activation.cost
    return bare


def _names(node: Expr) -> Iterator[str]:
    if isinstance(node, Ident):
        yield node.name
    for child in children(node):
        yield from _names(child)
