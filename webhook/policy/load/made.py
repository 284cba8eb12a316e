"""Builds the Policy of a policy document, without its bindings and exceptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from webhook.cel import Issue
from webhook.paths import Path
from webhook.policy.annotations import DESCRIPTION
from webhook.policy.cel.compilation import Compiled, compile_policy
from webhook.policy.deferred import Deferred
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.load import translate
from webhook.policy.policyset import Policy
from webhook.policy.python.declaring import Declaration
from webhook.policy.python.running import PythonMutator, PythonValidator
from webhook.policy.written import model
from webhook.policy.written.policykinds import MUTATING, VALIDATING
from webhook.versions import Version

if TYPE_CHECKING:
    from webhook.policy.cel.mutating import CELMutator

Issues = Sequence[tuple[Path, Issue]]


def validating_policy(
    policy: model.ValidatingAdmissionPolicy,
    version: Version,
    file: str,
    line: int,
    known: Compiled | None = None,
    *,
    faultless: bool = False,
) -> tuple[Policy[Validator], Issues]:
    """A policy, and the issues of its expressions. With an issue, it lacks the expressions that do not compile.

    known: see webhook.policy.cel.compilation.compile_policy. faultless: it is known to have no issues, so it is
    compiled when it is first asked for.
    """
    compiled = partial(compile_policy, policy, version, known=known)
    evaluator, issues = _compiled(compiled, faultless=faultless)
    return _in_cel(VALIDATING, policy, file, line, evaluator), issues


def mutating_policy(
    policy: model.MutatingAdmissionPolicy,
    version: Version,
    file: str,
    line: int,
    known: Compiled | None = None,
    *,
    faultless: bool = False,
) -> tuple[Policy[Mutator], Issues]:
    """The same of a MutatingAdmissionPolicy."""

    def compiled() -> tuple[CELMutator, Issues]:
        from webhook.policy.cel import mutating  # where there is such a policy

        return mutating.compile_policy(policy, version, known)

    evaluator, issues = _compiled(compiled, faultless=faultless)
    return _in_cel(MUTATING, policy, file, line, evaluator), issues


_Evaluator = TypeVar("_Evaluator", bound="Validator | Mutator")


def _compiled(
    compiled: Callable[[], tuple[_Evaluator, Issues]], *, faultless: bool
) -> tuple[_Evaluator | Deferred[_Evaluator], Issues]:
    if not faultless:
        return compiled()

    def first_asked_for() -> _Evaluator:
        evaluator, issues = compiled()
        if issues:
            raise AssertionError(f"a file of webhook.policy.load.faultless has a fault: {issues[0]}")
        return evaluator

    return Deferred(first_asked_for), ()


def _in_cel(
    kind: str,
    policy: model.ValidatingAdmissionPolicy | model.MutatingAdmissionPolicy,
    file: str,
    line: int,
    evaluator: _Evaluator | Deferred[_Evaluator],
) -> Policy[_Evaluator]:
    return Policy(
        kind=kind,
        name=policy.metadata.name,
        language="cel",
        description=policy.metadata.annotations.get(DESCRIPTION, ""),
        annotations=tuple(sorted(policy.metadata.annotations.items())),
        file=file,
        line=line,
        failure_policy=policy.spec.failure_policy,
        match=translate.match(policy.spec.match_constraints),
        param_kind=translate.param_kind(policy.spec.param_kind),
        held=evaluator,
    )


def python_policy(declaration: Declaration, version: Version) -> Policy[Any]:
    """A policy that a file in Python declares."""
    evaluator: Any = (
        PythonValidator(declaration) if declaration.kind == VALIDATING else PythonMutator(declaration, target=version)
    )
    return Policy(
        kind=declaration.kind,
        name=declaration.name,
        language="python",
        description=declaration.description,
        file=declaration.file,
        line=declaration.line,
        failure_policy=declaration.failure_policy,
        match=declaration.match,
        param_kind=declaration.param_kind,
        held=evaluator,
        reads=declaration.reads,
        annotations=declaration.annotations,
    )
