"""Python policies, as their authors write them: the decorators `validate` and `mutate`, and `Violation`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from webhook import paths
from webhook.paths import Path
from webhook.policy.evaluation import FailurePolicy, ParamKind
from webhook.policy.matching import Match, Rule, Scope
from webhook.policy.python.models import ModelParams, model_of
from webhook.policy.python.reading import NOTHING, Reads
from webhook.policy.request import OPERATIONS
from webhook.policy.written.names import is_subdomain

MAX_MESSAGE = 5 * 1024
"""The most characters of a message; what is over is cut."""

Reason = Literal["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"]
REASONS: tuple[str, ...] = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")

ReinvocationPolicy = Literal["Never", "IfNeeded"]

Function = TypeVar("Function", bound=Callable[..., Any])


class PolicyDefinitionError(TypeError):
    """A decorator was used wrongly; the text says how, and what is expected."""


@dataclass(frozen=True, slots=True, init=False)
class Violation:
    """One thing that is wrong with a request.

    `message` is for the person whose request is refused. It is one line: line breaks become spaces. `path` is the
    offending place in the object, as text (`spec.containers[0].image`, `metadata.labels['a.b/c']`) or as a tuple of
    keys and indexes. `reason` is the API status that a denial is given: Invalid (422, unless told otherwise),
    Forbidden (403), RequestEntityTooLarge (413) or Unauthorized (401).

    Raises TypeError or ValueError on anything else.
    """

    message: str
    path: Path | None
    reason: Reason

    def __init__(self, message: str, path: str | Path | None = None, reason: Reason | None = None) -> None:
        if not isinstance(message, str):
            raise TypeError(f"Violation: message must be text, not {type(message).__name__}")
        line = message.strip()
        if "\n" in line or "\r" in line:
            line = re.sub(r"\s*[\r\n]\s*", " ", line)
        if not line:
            raise ValueError("Violation: message must not be blank")
        if reason is not None and reason not in REASONS:
            raise ValueError(f"Violation: reason must be one of {', '.join(REASONS)}, not {reason!r}")
        object.__setattr__(self, "message", line[:MAX_MESSAGE])
        object.__setattr__(self, "path", _path(path))
        object.__setattr__(self, "reason", reason or "Invalid")


def _path(path: str | Path | None) -> Path | None:
    if path is None:
        return None
    if isinstance(path, str):
        return paths.parse(path)
    if isinstance(path, tuple) and all(type(step) in (str, int) for step in path):
        return path
    raise TypeError("Violation: path must be text such as spec.containers[0].image, or a tuple of keys and indexes")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a decorator was told: a policy before it is bound."""

    kind: Literal["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"]
    name: str
    description: str
    function: Callable[..., Any]
    takes_params: bool
    model: ModelParams | None
    match: Match
    param_kind: ParamKind | None
    failure_policy: FailurePolicy
    file: str
    line: int
    reads: Reads = NOTHING
    reinvoked: bool = False


# The policies of the file that is being imported; the loader sets it. A function that is decorated elsewhere (in a test
# of the policy, in a library) stays a plain function.
declaring: ContextVar[list[Declaration] | None] = ContextVar("declaring", default=None)


def validate(
    *,
    resources: Collection[str],
    operations: Collection[str] = ("CREATE", "UPDATE"),
    name: str | None = None,
    param_kind: str | None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Collection[str] = (),
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
    options = _Options(resources, operations, name, param_kind, failure_policy, scope, reads)
    return lambda function: _declare("ValidatingAdmissionPolicy", function, options)


def mutate(
    *,
    resources: Collection[str],
    operations: Collection[str] = ("CREATE", "UPDATE"),
    name: str | None = None,
    param_kind: str | None = None,
    failure_policy: FailurePolicy = "Fail",
    scope: Scope = "*",
    reads: Collection[str] = (),
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
    options = _Options(resources, operations, name, param_kind, failure_policy, scope, reads, reinvoked)
    return lambda function: _declare("MutatingAdmissionPolicy", function, options)


@dataclass(frozen=True, slots=True)
class _Options:
    resources: Collection[str]
    operations: Collection[str]
    name: str | None
    param_kind: str | None
    failure_policy: FailurePolicy
    scope: Scope
    reads: Collection[str]
    reinvoked: bool = False


def _declare(
    kind: Literal["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"], function: Function, options: _Options
) -> Function:
    decorator = "@validate" if kind == "ValidatingAdmissionPolicy" else "@mutate"
    if not inspect.isfunction(inspect.unwrap(function)):
        raise PolicyDefinitionError(f"{decorator} stands on a function, not on {type(function).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PolicyDefinitionError(f"{decorator}: a policy is a plain function, not an async one")
    if decorator == "@mutate" and inspect.isgeneratorfunction(function):
        raise PolicyDefinitionError("@mutate: the function edits request.object in place; it does not yield")
    if options.failure_policy not in ("Fail", "Ignore"):
        raise PolicyDefinitionError(f"{decorator}: failure_policy must be 'Fail' or 'Ignore'")
    if options.scope not in ("*", "Cluster", "Namespaced"):
        raise PolicyDefinitionError(f"{decorator}: scope must be '*', 'Cluster' or 'Namespaced'")
    name = options.name if options.name is not None else function.__name__.strip("_").replace("_", "-").lower()
    if not isinstance(name, str) or not is_subdomain(name):
        raise PolicyDefinitionError(
            f"{decorator}: the policy's name {name!r} must be lower-case letters, digits, '-' and '.'; give name=…"
        )
    operations = _operations(options.operations, decorator)
    param_kind = _param_kind(options.param_kind, decorator)
    params = _params_parameter(function, decorator)
    model = model_of(params, function) if params else None
    if model is not None and param_kind is None:
        raise PolicyDefinitionError(
            f"{decorator}: {name} takes params of a model: give param_kind='v1/ConfigMap' or so"
        )
    plain = inspect.unwrap(function)
    declaration = Declaration(
        kind=kind,
        name=name,
        description=inspect.getdoc(function) or "",
        function=function,
        takes_params=params is not None,
        model=ModelParams(*model) if model else None,
        match=Match(rules=_rules(options.resources, operations, options.scope, decorator)),
        param_kind=param_kind,
        failure_policy=options.failure_policy,
        file=plain.__code__.co_filename,
        line=plain.__code__.co_firstlineno,
        reads=_reads(options.reads, decorator),
        reinvoked=options.reinvoked,
    )
    declarations = declaring.get()
    if declarations is not None:
        declarations.append(declaration)
    return function


def _params_parameter(function: Callable[..., Any], decorator: str) -> inspect.Parameter | None:
    """The parameter that takes the params, None if the function takes the request alone."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())
    taken = [parameter for parameter in parameters if parameter.kind in positional]
    needless = [parameter for parameter in parameters if parameter.default is not parameter.empty]
    if not 1 <= len(taken) <= 2 or len(taken) != len(parameters) or (needless and needless != taken[1:]):
        raise PolicyDefinitionError(
            f"{decorator}: {function.__name__} must take (request) or (request, params), "
            f"not {inspect.signature(function)}"
        )
    return taken[1] if len(taken) == 2 else None


def _operations(operations: Collection[str], decorator: str) -> frozenset[str]:
    expected = f"{decorator}: operations must be a list of {', '.join(OPERATIONS)}, or ['*']"
    if isinstance(operations, str) or not isinstance(operations, Collection) or not operations:
        raise PolicyDefinitionError(expected)
    for operation in operations:
        if operation not in (*OPERATIONS, "*"):
            raise PolicyDefinitionError(f"{expected}; not {operation!r}")
    if decorator == "@mutate" and "DELETE" in operations:
        raise PolicyDefinitionError("@mutate: DELETE has no object to mutate; leave it out of operations")
    return frozenset(operations)


_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_GROUP = re.compile(r"\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_RESOURCE = re.compile(r"\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _rules(resources: Collection[str], operations: frozenset[str], scope: Scope, decorator: str) -> tuple[Rule, ...]:
    if isinstance(resources, str) or not isinstance(resources, Collection) or not resources:
        raise PolicyDefinitionError(f"{decorator}: resources must be a list such as ['v1/pods', 'apps/v1/deployments']")
    rules = []
    for text in resources:
        parsed = _resource(text)
        if parsed is None:
            raise PolicyDefinitionError(f"{decorator}: {text!r} names no resource; {_expected(text)}")
        group, version, resource, subresource = parsed
        rules.append(Rule(frozenset((group,)), frozenset((version,)), ((resource, subresource),), operations, scope))
    return tuple(rules)


def _expected(text: Any) -> str:
    # Only where something is wrong: whoever tests a policy imports no tables of kinds.
    from webhook.schema import Kinds
    from webhook.schema.resourcenames import meant_by

    meant = meant_by(text, Kinds.builtin()) if isinstance(text, str) else None
    form = "a form such as v1/pods, apps/v1/deployments, apps/v1/deployments/scale, */scale, * (everything but "
    return f"did you mean {meant}?" if meant else f"expected {form}subresources) or */*"


def _resource(text: Any) -> tuple[str, str, str, str] | None:
    """(group, version, resource, subresource) that a text such as `v1/pods` names."""
    if not isinstance(text, str):
        return None
    parts = text.split("/")
    if len(parts) <= 2 and parts[0] == "*":
        parts = ["*", "*", *parts]
    elif _VERSION.fullmatch(parts[0]):
        parts = ["", *parts]
    if not 3 <= len(parts) <= 4:
        return None
    group, version, resource, subresource = (*parts, "")[:4]
    if group and not _GROUP.fullmatch(group):
        return None
    if version != "*" and not _VERSION.fullmatch(version):
        return None
    if not _RESOURCE.fullmatch(resource) or (len(parts) == 4 and not _RESOURCE.fullmatch(subresource)):
        return None
    return group, version, resource, subresource


def _param_kind(text: str | None, decorator: str) -> ParamKind | None:
    if text is None:
        return None
    kind = _kind(text)
    if kind is None:
        raise PolicyDefinitionError(
            f"{decorator}: param_kind must be a form such as v1/ConfigMap or rules.example.com/v1/Rule, not {text!r}"
            f"{_kind_hint(text)}"
        )
    return kind


def _reads(kinds: Collection[str], decorator: str) -> Reads:
    if isinstance(kinds, str) or not isinstance(kinds, Collection):
        raise PolicyDefinitionError(f"{decorator}: reads must be a list such as ['v1/ConfigMap']")
    reads = set()
    for text in kinds:
        kind = _kind(text)
        if kind is None:
            raise PolicyDefinitionError(
                f"{decorator}: reads has {text!r}; expected kinds such as 'v1/ConfigMap' or 'apps/v1/Deployment'"
                f"{_kind_hint(text)}"
            )
        reads.add((kind.api_version, kind.kind))
    return frozenset(reads)


def _kind_hint(text: Any) -> str:
    from webhook.schema import Kinds
    from webhook.schema.resourcenames import kind_meant_by

    meant = kind_meant_by(text, Kinds.builtin()) if isinstance(text, str) else None
    return f"; did you mean {meant}?" if meant else ""


def _kind(text: Any) -> ParamKind | None:
    """The kind that a text such as `apps/v1/Deployment` names; None if it is no such text."""
    api_version, _, kind = text.rpartition("/") if isinstance(text, str) else ("", "", "")
    group, slash, version = api_version.rpartition("/")
    if (
        not _VERSION.fullmatch(version)
        or not re.fullmatch(r"[A-Z][A-Za-z0-9]*", kind)
        or (slash and not is_subdomain(group))
    ):
        return None
    return ParamKind(api_version, kind)
