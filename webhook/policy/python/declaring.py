"""Checks the arguments of the decorators, and records a `Declaration` of each policy for the loader."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from webhook.lazypatterns import lazily
from webhook.policy.annotations import DESCRIPTION, MAX_ANNOTATIONS, Annotations
from webhook.policy.python.decorators import Options, PolicyDefinitionError, PolicyKind
from webhook.policy.request import OPERATIONS
from webhook.policy.written.names import is_qualified_name, is_subdomain

if TYPE_CHECKING:
    from webhook.policy.evaluation import FailurePolicy, ParamKind
    from webhook.policy.matching import Match
    from webhook.policy.python.models import ModelParams
    from webhook.policy.python.reading import Reads


class Source(Struct, frozen=True):
    """The text of a policy file, from which another process can import it too."""

    file: str
    text: bytes


class ParamsError(ValueError):
    """Params that are not valid for the policy's model. The text names the object, the fields and the errors."""


class Proof:
    """Which policies of a file only read, by their lines. Found when it is first asked for: in most runs most files
    have no policy that is evaluated, and finding it takes longer than importing the file."""

    __slots__ = ("_lines", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._lines: frozenset[int] | None = None

    def lines(self) -> frozenset[int]:
        """The lines of their decorators (webhook.policy.python.onlyreads)."""
        if self._lines is None:
            from webhook.policy.python.onlyreads import only_reading

            self._lines = only_reading(self._text)
        return self._lines


class Declaration(Struct, frozen=True, eq=False):
    """A declared policy, without its bindings.

    `proof`: what proves of it that it does not change its arguments. `source`: the file's text; both are None if it was
    not loaded from a file.
    """

    kind: PolicyKind
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
    reads: Reads = frozenset()
    annotations: Annotations = ()
    reinvoked: bool = False
    proof: Proof | None = None
    source: Source | None = None

    @property
    def only_reads(self) -> bool:
        """Whether its source proves that it does not change its arguments."""
        return self.proof is not None and self.line in self.proof.lines()

    def find_whether_it_only_reads(self) -> None:
        """Look for the proof now, unless that was done."""
        if self.proof is not None:
            self.proof.lines()


class Declared(Struct, eq=False):
    """What the decorators of a file declare while the loader imports it. wrong: the errors of decorators, and lines."""

    file: str
    policies: list[Declaration] = field(default_factory=list)
    wrong: list[tuple[int, TypeError]] = field(default_factory=list)

    def refused(self, error: TypeError) -> bool:
        """Add the error of a decorator that the file uses, with its line. False if another file uses it."""
        frame = inspect.currentframe()
        while frame is not None and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        if frame is None:
            return False
        self.wrong.append((frame.f_lineno, error))
        return True


# What is declared in the file that the loader is importing. None outside of the loader: then a decorated function, as
# in a unit test or a library, is only checked.
declaring: ContextVar[Declared | None] = ContextVar("declaring", default=None)


def declare(kind: PolicyKind, function: Callable[..., Any], options: Options) -> None:
    """Check a declaration, and if the loader is importing a file, add it to what is declared there.

    Raises PolicyDefinitionError.
    """
    decorator = "@validate" if kind == "ValidatingAdmissionPolicy" else "@mutate"
    if not inspect.isfunction(inspect.unwrap(function)):
        raise PolicyDefinitionError(f"{decorator} decorates a function, not {type(function).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PolicyDefinitionError(f"{decorator}: a policy must be a plain function, not an async one")
    if decorator == "@mutate" and inspect.isgeneratorfunction(function):
        raise PolicyDefinitionError("@mutate: the function edits request.object in place; it does not yield")
    if options.failure_policy not in ("Fail", "Ignore"):
        raise PolicyDefinitionError(f"{decorator}: failure_policy must be 'Fail' or 'Ignore'")
    if options.scope not in ("*", "Cluster", "Namespaced"):
        raise PolicyDefinitionError(f"{decorator}: scope must be '*', 'Cluster' or 'Namespaced'")
    name = options.name if options.name is not None else function.__name__.strip("_").replace("_", "-").lower()
    if not isinstance(name, str) or not is_subdomain(name):
        raise PolicyDefinitionError(
            f"{decorator}: the policy's name {name!r} must be lower-case letters, digits, '-' and '.'; set name=…"
        )
    operations = _operations(options.operations, decorator)
    resources = _resources(options.resources, decorator)
    param_kind = None if options.param_kind is None else _param_kind(options.param_kind, decorator)
    reads = _reads(options.reads, decorator)
    annotations = _annotations(options.annotations, decorator)
    params = _params_parameter(function, decorator)
    model = None
    if params is not None:
        from webhook.policy.python.models import ModelParams, model_of

        found = model_of(params, function)
        model = ModelParams(*found) if found else None
    if model is not None and param_kind is None:
        raise PolicyDefinitionError(
            f"{decorator}: {name} takes a model as params; set param_kind, such as param_kind='v1/ConfigMap'"
        )
    declared = declaring.get()
    if declared is None:
        return

    from webhook.policy.evaluation import ParamKind
    from webhook.policy.matching import Match, Rule

    rules = (
        Rule(frozenset((group,)), frozenset((version,)), ((resource, subresource),), operations, options.scope)
        for group, version, resource, subresource in resources
    )
    plain = inspect.unwrap(function)
    declared.policies.append(
        Declaration(
            kind=kind,
            name=name,
            description=annotations.get(DESCRIPTION) or inspect.getdoc(function) or "",
            function=function,
            takes_params=params is not None,
            model=model,
            match=Match(rules=tuple(rules)),
            param_kind=ParamKind(*param_kind) if param_kind else None,
            failure_policy=options.failure_policy,
            file=plain.__code__.co_filename,
            line=plain.__code__.co_firstlineno,
            reads=reads,
            annotations=tuple(sorted(annotations.items())),
            reinvoked=options.reinvoked,
        )
    )


def _params_parameter(function: Callable[..., Any], decorator: str) -> inspect.Parameter | None:
    """The function's parameter for the params; None if it takes only the request."""
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


_VERSION = lazily(r"v[0-9]+((alpha|beta)[0-9]+)?")
_GROUP = lazily(r"\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_RESOURCE = lazily(r"\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?")


_Resource = tuple[str, str, str, str]
"""Group, version, resource, subresource; each may be `*`."""


def _resources(resources: Collection[str], decorator: str) -> tuple[_Resource, ...]:
    if isinstance(resources, str) or not isinstance(resources, Collection) or not resources:
        raise PolicyDefinitionError(f"{decorator}: resources must be a list such as ['v1/pods', 'apps/v1/deployments']")
    named = []
    for text in resources:
        parsed = _resource(text)
        if parsed is None:
            raise PolicyDefinitionError(f"{decorator}: {text!r} names no resource; {_expected(text)}")
        named.append(parsed)
    return tuple(named)


def _resource(text: Any) -> _Resource | None:
    """The resource that a text such as `v1/pods` names; None if the text is not valid."""
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


_Kind = tuple[str, str]
"""apiVersion and kind."""


def _param_kind(text: str, decorator: str) -> _Kind:
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
        reads.add(kind)
    return frozenset(reads)


def _annotations(annotations: Mapping[str, str], decorator: str) -> Mapping[str, str]:
    if not isinstance(annotations, Mapping):
        raise PolicyDefinitionError(f"{decorator}: annotations must be a dict such as {{'{DESCRIPTION}': '…'}}")
    for key, value in annotations.items():
        if not isinstance(key, str) or not is_qualified_name(key.lower()):
            raise PolicyDefinitionError(
                f"{decorator}: annotations has the key {key!r}; expected a form such as {DESCRIPTION}"
            )
        if not isinstance(value, str):
            raise PolicyDefinitionError(f"{decorator}: annotations[{key!r}] must be text, not {type(value).__name__}")
    size = sum(len(key.encode()) + len(value.encode("utf-8", "replace")) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        raise PolicyDefinitionError(f"{decorator}: annotations have {size:,} bytes; at most {MAX_ANNOTATIONS:,}")
    return annotations


def _expected(text: Any) -> str:
    """The advice for a text that names no resource."""
    # Imported only after a mistake: importing a policy in a unit test does not need the tables of kinds.
    from webhook.schema import Kinds
    from webhook.schema.resourcenames import meant_by

    meant = meant_by(text, Kinds.builtin()) if isinstance(text, str) else None
    form = "a form such as v1/pods, apps/v1/deployments, apps/v1/deployments/scale, */scale, * (everything but "
    return f"did you mean {meant}?" if meant else f"expected {form}subresources) or */*"


def _kind_hint(text: Any) -> str:
    """`; did you mean …?` if the text is similar to a kind, else ""."""
    from webhook.schema import Kinds
    from webhook.schema.resourcenames import kind_meant_by

    meant = kind_meant_by(text, Kinds.builtin()) if isinstance(text, str) else None
    return f"; did you mean {meant}?" if meant else ""


def _kind(text: Any) -> _Kind | None:
    """The kind that a text such as `apps/v1/Deployment` names; None if the text is not valid."""
    api_version, _, kind = text.rpartition("/") if isinstance(text, str) else ("", "", "")
    group, slash, version = api_version.rpartition("/")
    if (
        not _VERSION.fullmatch(version)
        or not re.fullmatch(r"[A-Z][A-Za-z0-9]*", kind)
        or (slash and not is_subdomain(group))
    ):
        return None
    return api_version, kind
