"""The decorators `validate` and `mutate`, which declare Python policies.

Policy authors import this module through `gatewright`, also in unit tests and editors. So modules that declaring needs
are imported only when a policy is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

from webhook.policy.python.given import Request
from webhook.policy.python.violation import Violation

if TYPE_CHECKING:
    from webhook.policy.evaluation import FailurePolicy
    from webhook.policy.matching import Scope

PolicyKind = Literal["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"]
ReinvocationPolicy = Literal["Never", "IfNeeded"]

Texts = list[str] | tuple[str, ...] | set[str] | frozenset[str]
"""Several texts. Not Collection[str], because a single str is one."""
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


NONE: Mapping[str, str] = MappingProxyType({})


class PolicyDefinitionError(TypeError):
    """A decorator was used incorrectly; the text says how, and what is expected."""


class Options(NamedTuple):
    """The arguments of a decorator."""

    resources: Collection[str]
    operations: Collection[str]
    name: str | None
    param_kind: str | None
    failure_policy: FailurePolicy
    scope: Scope
    reads: Collection[str]
    annotations: Mapping[str, str]
    reinvoked: bool = False


def _collected(decorate: Function) -> Function:
    """A decorator whose errors the loader collects, so that it reports all wrong decorators of a file."""

    @wraps(decorate)
    def collecting(*arguments: Any, **options: Any) -> Callable[[Function], Function]:
        try:
            declare: Callable[[Function], Function] = decorate(*arguments, **options)
        except TypeError as error:
            _report(error)
            return lambda function: function

        def decorated(function: Function) -> Function:
            try:
                return declare(function)
            except PolicyDefinitionError as error:
                _report(error)
                return function

        return decorated

    return collecting  # type: ignore[return-value]  # it has the signature of what it wraps


def _report(error: TypeError) -> None:
    """Report an error to the loader. Raises it where no loader imports the file."""
    from webhook.policy.python.declaring import declaring

    declared = declaring.get()
    if declared is None or not declared.refused(error):
        raise error


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
    annotations: Mapping[str, str] = NONE,
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
    annotations: Mapping[str, str] = NONE,
) -> Callable[[ValidateFunctionWithParams], ValidateFunctionWithParams]: ...


@_collected
def validate(
    *,
    resources: Texts,
    operations: Operations = ("CREATE", "UPDATE"),
    name: str | None = None,
    param_kind: str | None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
    annotations: Mapping[str, str] = NONE,
) -> Callable[[Function], Function]:
    """Declare a validating policy: a function that takes the request, or the request and the params.

    The function yields violations, or returns one or several: each a Violation, or text for a Violation without a path.
    If it yields nothing or returns None, the request passes.

    `resources`: the resources that the policy matches: `VERSION/RESOURCE` for the core group (`v1/pods`,
    `v1/pods/exec`), `GROUP/VERSION/RESOURCE` (`apps/v1/deployments`, `apps/v1/deployments/scale`, `apps/*/*`), `*` for
    all resources without their subresources, `*/scale` for this subresource of all resources, `*/*` for everything.
    `operations`: any of CREATE, UPDATE, DELETE, CONNECT, or `*`.
    `name`: the policy's name. Default: the function's name, with dashes for underscores.
    `param_kind`: the kind of the params, such as `v1/ConfigMap` or `rules.example.com/v1/ReplicaRule`. The function's
    second argument is then the object that the binding selects, as JSON. If that parameter is annotated with a model (a
    msgspec.Struct, a dataclass or a pydantic model), it is the model, made of the `data` of a ConfigMap (each value
    read as YAML) or of the `spec` of others.
    `failure_policy`: if the function raises, Fail denies the request and Ignore lets it pass.
    `scope`: `Cluster`, `Namespaced`, or `*` for both.
    `reads`: the kinds that the function looks up with `request.cluster`, such as `v1/ConfigMap`; `v1/Namespace` for
    `request.cluster.namespace`, `authorization.k8s.io/v1/SubjectAccessReview` for `request.cluster.authorize`. In a
    cluster, the server caches their objects, and needs the permission to list and watch them. A lookup of any other
    kind is an evaluation error. Params need no `reads`.
    `annotations`: what metadata.annotations are to a policy in CEL, by their keys. `kubernetes.io/description` takes
    the place of the docstring.

    Returns the function unchanged, so that unit tests can call it. Raises PolicyDefinitionError, a TypeError, if an
    argument is not valid.
    """
    options = Options(resources, operations, name, param_kind, failure_policy, scope, reads, annotations)
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
    annotations: Mapping[str, str] = NONE,
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
    annotations: Mapping[str, str] = NONE,
    reinvocation_policy: ReinvocationPolicy = "Never",
) -> Callable[[MutateFunctionWithParams], MutateFunctionWithParams]: ...


@_collected
def mutate(
    *,
    resources: Texts,
    operations: Operations = ("CREATE", "UPDATE"),
    name: str | None = None,
    param_kind: str | None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Texts = (),
    annotations: Mapping[str, str] = NONE,
    reinvocation_policy: ReinvocationPolicy = "Never",
) -> Callable[[Function], Function]:
    """Declare a mutating policy: a function that edits `request.object` in place, and returns None.

    The object is a copy; if the function raises, its changes are discarded. The arguments are those of `validate`, but
    `operations` cannot contain DELETE, which has no object. `reinvocation_policy`: IfNeeded runs the policy once more
    if any mutating policy, this one included, has changed the object.
    """
    if reinvocation_policy not in ("Never", "IfNeeded"):
        raise PolicyDefinitionError("@mutate: reinvocation_policy must be 'Never' or 'IfNeeded'")
    reinvoked = reinvocation_policy == "IfNeeded"
    options = Options(resources, operations, name, param_kind, failure_policy, scope, reads, annotations, reinvoked)
    return lambda function: _declare("MutatingAdmissionPolicy", function, options)


def _declare(kind: PolicyKind, function: Function, options: Options) -> Function:
    from webhook.policy.python.declaring import declare

    declare(kind, function, options)
    return function
