"""Python policies, as their authors declare them: the decorators `validate` and `mutate`.

Authors import this module by way of `gatewright`, in tests and editors too: what declaring takes is imported when the
first policy is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

from webhook.policy.python.given import Request
from webhook.policy.python.violation import Violation

if TYPE_CHECKING:
    from webhook.policy.evaluation import FailurePolicy
    from webhook.policy.matching import Scope

PolicyKind = Literal["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"]
ReinvocationPolicy = Literal["Never", "IfNeeded"]

Texts = list[str] | tuple[str, ...] | set[str] | frozenset[str]
"""Several texts. Not Collection[str], of which one text is one, too."""
_Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]
Operations = list[_Operation] | tuple[_Operation, ...] | set[_Operation] | frozenset[_Operation]

Result = Iterable[Violation | str] | Violation | str | None
"""What a validating function may yield or return."""

ValidateFunction = TypeVar("ValidateFunction", bound=Callable[[Request], Result] | Callable[[Request, None], Result])
ValidateFunctionWithParams = TypeVar(
    "ValidateFunctionWithParams", bound=Callable[[Request], Result] | Callable[[Request, Any], Result]
)
MutateFunction = TypeVar("MutateFunction", bound=Callable[[Request], None] | Callable[[Request, None], None])
MutateFunctionWithParams = TypeVar(
    "MutateFunctionWithParams", bound=Callable[[Request], None] | Callable[[Request, Any], None]
)
Function = TypeVar("Function", bound=Callable[..., Any])


class PolicyDefinitionError(TypeError):
    """A decorator was used wrongly; the text says how, and what is expected."""


class Options(NamedTuple):
    """The arguments of a decorator."""

    resources: Collection[str]
    operations: Collection[str]
    name: str | None
    param_kind: str | None
    failure_policy: FailurePolicy
    scope: Scope
    reads: Collection[str]
    reinvoked: bool = False


@overload
def validate(
    *,
    resources: Texts,
    operations: Operations = ...,
    name: str | None = None,
    param_kind: None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
) -> Callable[[ValidateFunction], ValidateFunction]: ...


@overload
def validate(
    *,
    resources: Texts,
    operations: Operations = ...,
    name: str | None = None,
    param_kind: str,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
) -> Callable[[ValidateFunctionWithParams], ValidateFunctionWithParams]: ...


def validate(
    *,
    resources: Texts,
    operations: Operations = ("CREATE", "UPDATE"),
    name: str | None = None,
    param_kind: str | None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
) -> Callable[[Function], Function]:
    """Declare a validating policy: a function of the request, or of the request and the params.

    It yields (or returns, one or several) what is wrong: Violations, or plain text for a Violation without a path.
    Nothing, or None, lets the request pass.

    `resources`: what the policy is about, as `VERSION/RESOURCE` of the core group (`v1/pods`, `v1/pods/exec`),
    `GROUP/VERSION/RESOURCE` (`apps/v1/deployments`, `apps/v1/deployments/scale`, `apps/*/*`), `*` for all resources
    without their subresources, `*/scale` for that subresource of all of them, `*/*` for everything.
    `operations`: of CREATE, UPDATE, DELETE, CONNECT, or `*`.
    `name`: the policy's; else the function's, with dashes for underscores.
    `param_kind`: the kind of the params, such as `v1/ConfigMap` or `rules.example.com/v1/ReplicaRule`. The params are
    then the object that a binding names, as JSON; or, where the function annotates its second parameter with a pydantic
    model, that model, validated from the `data` of a ConfigMap (each value read as YAML), else from `spec`.
    `failure_policy`: what an exception does: Fail denies, Ignore lets pass.
    `scope`: `Cluster`, `Namespaced` or both, `*`.
    `reads`: the kinds that `request.cluster` is asked for, such as `v1/ConfigMap`; `v1/Namespace` for
    `request.cluster.namespace`, `authorization.k8s.io/v1/SubjectAccessReview` for `request.cluster.authorize`. In a
    cluster their objects are kept at hand, and the server must have the right to list and watch them. Looking up any
    other kind is an evaluation error. The object that a binding names as params is handed in without.

    The function is returned as it is, so that tests call it directly. Raises TypeError on wrong arguments.
    """
    options = Options(resources, operations, name, param_kind, failure_policy, scope, reads)
    return lambda function: _declare("ValidatingAdmissionPolicy", function, options)


@overload
def mutate(
    *,
    resources: Texts,
    operations: Operations = ...,
    name: str | None = None,
    param_kind: None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
    reinvocation_policy: ReinvocationPolicy = "Never",
) -> Callable[[MutateFunction], MutateFunction]: ...


@overload
def mutate(
    *,
    resources: Texts,
    operations: Operations = ...,
    name: str | None = None,
    param_kind: str,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
    reinvocation_policy: ReinvocationPolicy = "Never",
) -> Callable[[MutateFunctionWithParams], MutateFunctionWithParams]: ...


def mutate(
    *,
    resources: Texts,
    operations: Operations = ("CREATE", "UPDATE"),
    name: str | None = None,
    param_kind: str | None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
    reinvocation_policy: ReinvocationPolicy = "Never",
) -> Callable[[Function], Function]:
    """Declare a mutating policy: a function that edits `request.object` in place, and returns nothing.

    It is given a copy of its own. An exception leaves nothing of what it changed. The arguments are those of
    `validate`; DELETE, which has no object, is no operation of a mutation. `reinvocation_policy`: IfNeeded runs it once
    more where this or any other mutating policy has changed the object.
    """
    if reinvocation_policy not in ("Never", "IfNeeded"):
        raise PolicyDefinitionError("@mutate: reinvocation_policy must be 'Never' or 'IfNeeded'")
    reinvoked = reinvocation_policy == "IfNeeded"
    options = Options(resources, operations, name, param_kind, failure_policy, scope, reads, reinvoked)
    return lambda function: _declare("MutatingAdmissionPolicy", function, options)


def _declare(kind: PolicyKind, function: Function, options: Options) -> Function:
    from webhook.policy.python.declaring import declare

    declare(kind, function, options)
    return function
