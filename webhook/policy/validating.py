"""A ValidatingAdmissionPolicy: its expressions compiled, and evaluated on requests.

The order, the error handling and the texts are those of k8s.io/apiserver, plugin/policy/validating and plugin/cel.
Not evaluated, for it can change no verdict: the messageExpression of a validation that holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.cel import Activation, CompileError, Environment, EvaluationError, Issue, Program, types
from webhook.cel.ast import Expr, Ident, children
from webhook.cel.types import Type
from webhook.paths import Path
from webhook.policy import model
from webhook.policy.declared import base_environment
from webhook.policy.evaluation import PASSED, Evaluation, Failure, FailurePolicy
from webhook.policy.matching import RequestNamespace
from webhook.policy.paramvalues import ParamValues
from webhook.policy.request import Request

MAX_MESSAGE = 5 * 1024
"""The most bytes of what a messageExpression gives; more is dropped."""

EXPRESSION_COST = 1_000_000
VALIDATIONS_COST = 10_000_000
CONDITIONS_COST = 2_500_000
"""Budgets of one expression, of a policy's validations and of its matchConditions, in the units of webhook.cel."""

OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"

_BOOL = (types.BOOL,)
_STRING = (types.STRING,)
_STRING_OR_NULL = (types.STRING, types.NULL)


@dataclass(frozen=True, slots=True)
class Condition:
    """A matchCondition."""

    name: str
    program: Program


@dataclass(frozen=True, slots=True)
class Validation:
    """A validation; `message` is the one to fall back to, never empty."""

    program: Program
    message: str
    message_program: Program | None
    reason: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """An audit annotation."""

    key: str
    program: Program


@dataclass(frozen=True, slots=True)
class CELValidator:
    """The expressions of a policy. `variables`: `variables.NAME` -> program, each seeing those declared before it."""

    conditions: tuple[Condition, ...]
    variables: Mapping[str, Program]
    validations: tuple[Validation, ...]
    annotations: tuple[Annotation, ...]
    failure_policy: FailurePolicy
    sources: tuple[tuple[Path, Program], ...]
    param_values: ParamValues

    def programs(self) -> Iterator[tuple[Path, Program]]:
        """See Validator."""
        return iter(self.sources)

    def evaluate(self, request: Request, params: Any, namespace: RequestNamespace) -> Evaluation:
        """See Validator."""
        if self.conditions:
            error = self._unmatched(request, params)
            if error is not None:
                return self._error(error) if error else PASSED
        bindings = {"object": request.object, "oldObject": request.old_object, "params": params}
        known = self.param_values.of(params)
        if known:
            bindings.update(known)
        activation = Activation(
            bindings,
            {"request": request.cel, "namespaceObject": namespace.object},
            self.variables,
        )
        failures: list[Failure] = []
        for index, validation in enumerate(self.validations):
            spent = activation.cost
            if spent > VALIDATIONS_COST:
                return self._error(OUT_OF_BUDGET)
            activation.limit = spent + EXPRESSION_COST
            try:
                if validation.program.evaluate(activation) is True:
                    continue
            except EvaluationError as error:
                if self.failure_policy == "Fail":
                    failures.append(Failure(_error_text(validation.program, error), error=True, index=index))
            else:
                failures.append(Failure(_message(validation, activation), validation.reason, index=index))
        if known is not None:
            self.param_values.keep(known, activation)
        if activation.cost > VALIDATIONS_COST:
            return self._error(OUT_OF_BUDGET)
        if self.annotations:
            return self._annotated(failures, activation)
        return Evaluation(failures) if failures else PASSED

    def _unmatched(self, request: Request, params: Any) -> str | None:
        """None if the matchConditions let the policy run; else why not: "" if one is false, the errors if none is."""
        activation = Activation(
            {
                "object": request.object,
                "oldObject": request.old_object,
                "params": params,
                "namespaceObject": None,  # the server has not looked it up yet at this point
            },
            {"request": request.cel_in_conditions},
        )
        errors: list[str] = []
        for condition in self.conditions:
            activation.limit = activation.cost + EXPRESSION_COST
            try:
                if condition.program.evaluate(activation) is not True:
                    return ""
            except EvaluationError as error:
                text = _error_text(condition.program, error)
                if text not in errors:
                    errors.append(text)
            if activation.cost > CONDITIONS_COST:
                return OUT_OF_BUDGET
        if not errors:
            return None
        return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"

    def _annotated(self, failures: list[Failure], activation: Activation) -> Evaluation:
        budget = activation.cost + VALIDATIONS_COST  # a fresh one
        annotations: list[tuple[str, str]] = []
        errors: list[str] = []
        for annotation in self.annotations:
            activation.limit = min(activation.cost + EXPRESSION_COST, budget)
            try:
                value = annotation.program.evaluate(activation)
            except EvaluationError as error:
                if self.failure_policy == "Fail":
                    errors.append(_error_text(annotation.program, error))
            else:
                if isinstance(value, str) and value.strip():
                    annotations.append((annotation.key, value.strip()))
        return Evaluation(failures, annotations, errors)

    def _error(self, message: str) -> Evaluation:
        """The policy as a whole could not be evaluated."""
        return Evaluation([Failure(message, error=True)]) if self.failure_policy == "Fail" else PASSED


def _error_text(program: Program, error: EvaluationError) -> str:
    return f"expression '{program.source}' resulted in error: {error}"


def _message(validation: Validation, activation: Activation) -> str:
    if validation.message_program is None:
        return validation.message
    activation.limit = activation.cost + EXPRESSION_COST
    try:
        value = validation.message_program.evaluate(activation)
    except EvaluationError:
        return validation.message
    text = value.strip() if isinstance(value, str) else ""
    if not text or "\n" in text or len(text.encode()) > MAX_MESSAGE:
        return validation.message
    return text


def compile_policy(policy: model.ValidatingAdmissionPolicy) -> tuple[CELValidator, list[tuple[Path, Issue]]]:
    """The policy's expressions compiled, and what is wrong with those that do not compile, each with its place.

    The validator holds only what compiled: it is not to be used if there are issues.
    """
    return _Compiler(policy).compiled()


class _Compiler:
    """Compiles a policy's expressions, each in the environment of its place, and keeps what is wrong with them."""

    def __init__(self, policy: model.ValidatingAdmissionPolicy) -> None:
        self._policy = policy
        self._issues: list[tuple[Path, Issue]] = []
        self._sources: list[tuple[Path, Program]] = []

    def compiled(self) -> tuple[CELValidator, list[tuple[Path, Issue]]]:
        spec = self._policy.spec
        base = base_environment(with_params=spec.param_kind is not None)
        conditions = [
            Condition(condition.name, program)
            for index, condition in enumerate(spec.match_conditions)
            if (program := self._compile(base, condition.expression, _BOOL, "matchConditions", index, "expression"))
        ]
        environment, variables = self._variables(base)
        validations = [
            validation
            for index, declared in enumerate(spec.validations)
            if (validation := self._validation(environment, declared, index))
        ]
        annotations = [
            Annotation(annotation.key, program)
            for index, annotation in enumerate(spec.audit_annotations)
            if (
                program := self._compile(
                    environment,
                    annotation.value_expression,
                    _STRING_OR_NULL,
                    "auditAnnotations",
                    index,
                    "valueExpression",
                )
            )
        ]
        validator = CELValidator(
            tuple(conditions),
            variables,
            tuple(validations),
            tuple(annotations),
            spec.failure_policy,
            tuple(self._sources),
            ParamValues(variables),
        )
        return validator, self._issues

    def _variables(self, base: Environment) -> tuple[Environment, dict[str, Program]]:
        """The environment with all variables, and their programs. Of two variables with one name the last counts,
        everywhere: also for those declared in between.
        """
        environment = base
        programs: dict[str, Program] = {}
        places: dict[str, int] = {}
        for index, variable in enumerate(self._policy.spec.variables):
            name = f"variables.{variable.name}"
            program = self._compile(environment, variable.expression, (), "variables", index, "expression")
            declared: Type = program.type if program else types.DYN  # so that its users are not blamed too
            if program:
                programs[name] = program
                places[name] = index
            environment = environment.extend({name: declared})
        for name in _circular({name: _variables_in(program.tree) for name, program in programs.items()}):
            circle = Issue(f"{name} comes to use itself, for a variable is declared twice")
            self._issues.append((("spec", "variables", places[name], "expression"), circle))
        return environment, programs

    def _validation(self, environment: Environment, declared: model.Validation, index: int) -> Validation | None:
        program = self._compile(environment, declared.expression, _BOOL, "validations", index, "expression")
        message_program = None
        if declared.message_expression.strip():
            message_program = self._compile(
                environment, declared.message_expression, _STRING, "validations", index, "messageExpression"
            )
        if program is None:
            return None
        message = declared.message.strip() or f"failed expression: {declared.expression.strip()}"
        return Validation(program, message, message_program, declared.reason or "Invalid")

    def _compile(
        self, environment: Environment, source: str, expect: tuple[Type, ...], *place: str | int
    ) -> Program | None:
        path = ("spec", *place)
        if not source.strip():
            return None  # refused already, as missing
        try:
            program = environment.compile(source, expect)
        except CompileError as error:
            self._issues += ((path, issue) for issue in error.issues)
            return None
        self._sources.append((path, program))
        return program


def _variables_in(node: Expr) -> set[str]:
    """The variables that an expression uses."""
    if isinstance(node, Ident):
        return {node.name} if node.name.startswith("variables.") else set()
    return set().union(*map(_variables_in, children(node)))


def _circular(uses: Mapping[str, set[str]]) -> list[str]:
    """The variables that come to use themselves. Only one that is declared twice can."""

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        ahead = set(uses[name])
        while ahead:
            found |= ahead
            ahead = set().union(*(uses.get(each, set()) for each in ahead)) - found
        return found

    return [name for name in uses if name in reached(name)]
