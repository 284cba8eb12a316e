"""The variables `authorizer` and `authorizer.requestResource` of CEL policies: their types, and their values.

The ClusterView of the review answers each access check at most once. Where a policy may not use these variables
(messages, auditAnnotations), it may not use its own variables that depend on them either: those have no value there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cel import Activation, Program
from webhook.cel.cost.metering import Deadline
from webhook.cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK, Authorizer, ResourceCheck
from webhook.cel.tree.ast import variables_in
from webhook.cel.tree.types import Type
from webhook.policy.reviewing import Review

VARIABLES: Final = {"authorizer": Type(AUTHORIZER), "authorizer.requestResource": Type(RESOURCE_CHECK)}
"""Name -> type, as in k8s.io/apiserver, plugin/cel."""


def bindings(review: Review) -> dict[str, Callable[[], Any]]:
    """Name -> a function that creates the variable's value, which is called at the first use."""
    return {
        "authorizer": partial(_authorizer, review),
        "authorizer.requestResource": partial(_request_resource, review),
    }


def _authorizer(review: Review) -> Authorizer:
    user = review.request.user
    extra = tuple((key, tuple(values)) for key, values in sorted(user.extra.items()))
    access = Access(user=user.username, verb="", uid=user.uid, groups=user.groups, extra=extra)
    return Authorizer(access, partial(_answer, review))


def _request_resource(review: Review) -> ResourceCheck:
    """A check for the resource of the original request, before conversion."""
    authorizer = _authorizer(review)
    request = review.request
    access = authorizer.access._replace(
        group=request.request_resource.group,
        resource=request.request_resource.resource,
        subresource=request.request_subresource,
        namespace=request.namespace,
        name=request.name,
    )
    return ResourceCheck(access, authorizer.authorize)


def _answer(review: Review, access: Access) -> AccessDecision:
    if review.cluster is None:
        raise AccessUnknown(f"no cluster to ask the authorizer: {access}")
    if review.answers is None:
        review.answers = {}
    found = review.answers.get(access)
    if found is None:
        found = review.answers[access] = review.cluster.authorize(access)
    return found


def users(programs: Iterable[Program], variables: Mapping[str, Program]) -> frozenset[str] | None:
    """The composited variables that use the authorizer, directly or through others; None if no expression uses it.

    variables: in the order of their declaration.
    """
    found: set[str] = set()
    for name, program in variables.items():
        if _uses(program, found):
            found.add(name)
    if found or any(_uses(program, found) for program in programs):
        return frozenset(found)
    return None


def _uses(program: Program, variables: set[str]) -> bool:
    if not variables and "authorizer" not in program.source:
        return False  # the common case, without a walk over the tree
    return not variables_in(program.tree).isdisjoint((*VARIABLES, *variables))


def without(
    activation: Activation,
    lazy: Mapping[str, Callable[[], Any]],
    programs: Mapping[str, Program],
    using: frozenset[str],
    deadline: Deadline | None,
) -> Activation:
    """The activation without the authorizer, and without the values of variables that use it.

    lazy, programs: those of the activation, without the authorizer. using: the variables that use it (see `users`).
    """
    kept = {name: value for name, value in activation.items() if name not in VARIABLES and name not in using}
    bare = Activation(kept, lazy, programs, deadline)
    bare.cost = activation.cost
    return bare
