"""A ValidatingAdmissionPolicy: its expressions compiled, and evaluated on requests.

The order, the error handling and the texts are those of k8s.io/apiserver, plugin/policy/validating and plugin/cel.
Not evaluated, for it can change no verdict unless it uses up half of a budget: the messageExpression of a validation
that holds, and the matchConditions after one that is false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.cel import Activation, CompileError, Counting, Environment, EvaluationError, Issue, Program, types
from webhook.cel.tree.ast import Expr, Ident, children
from webhook.cel.tree.types import Type
from webhook.paths import Path
from webhook.policy.cel import authorization
from webhook.policy.cel.declared import base_environment
from webhook.policy.cel.paramvalues import ParamValues
from webhook.policy.evaluation import PASSED, Evaluation, Failure, FailurePolicy
from webhook.policy.matching import RequestNamespace
from webhook.policy.request import Request
from webhook.policy.written import model
from webhook.versions import NEWEST, Version

MAX_MESSAGE = 5 * 1024
"""The most bytes of what a messageExpression gives; more is dropped."""

VALIDATIONS_COST = 10_000_000
CONDITIONS_COST = 2_500_000
"""Budgets of a policy's validations and messages, of its annotations too, and of its matchConditions, in cost units."""

_SURELY_WITHIN = VALIDATIONS_COST * 9 // 20
"""While all phases together, whose variables are evaluated once, cost no more than this, each is within its budget: the
API server evaluates variables once a phase, and validations and messages share a budget."""

_CHEAP = 100_000  # what variables that depend on params alone may cost for their values to be kept

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
    """The expressions of a policy. `variables`: `variables.NAME` -> program, each seeing those declared before it.

    `fixed_cost`: a bound on what evaluating each of them once costs beside what an activation adds up. `authorizing`:
    the variables that use the authorizer; None if nothing here does.
    """

    conditions: tuple[Condition, ...]
    variables: Mapping[str, Program]
    validations: tuple[Validation, ...]
    annotations: tuple[Annotation, ...]
    failure_policy: FailurePolicy
    sources: tuple[tuple[Path, Program], ...]
    param_values: ParamValues
    fixed_cost: int
    authorizing: frozenset[str] | None = None

    def programs(self) -> Iterator[tuple[Path, Program]]:
        """See Validator."""
        return iter(self.sources)

    def evaluate(self, request: Request, params: Any, namespace: RequestNamespace) -> Evaluation:
        """See Validator."""
        if self.conditions:
            error = self.unmatched(request, params)
            if error is not None:
                return self._error(error) if error else PASSED
        bindings = {"object": request.object, "oldObject": request.old_object, "params": params}
        known = self.param_values.of(params)
        if known:
            bindings.update(known)
        activation = Activation(bindings, self.lazy(request, namespace), self.variables, request.deadline)
        failures: list[Failure] = []
        denied: list[tuple[int, Validation]] = []  # where in `failures` a message is still to be found
        for index, validation in enumerate(self.validations):
            try:
                if validation.program.evaluate(activation) is True:
                    continue
            except EvaluationError as error:
                if self.failure_policy == "Fail":
                    failures.append(Failure(_error_text(validation.program, error), error=True, index=index))
            else:
                if validation.message_program is not None:
                    denied.append((len(failures), validation))
                failures.append(Failure(validation.message, validation.reason, index=index))
        bare = activation
        if self.authorizing is not None and (denied or self.annotations):  # which know nothing of it
            lazy = self.lazy(request, namespace, authorizer=False)
            bare = authorization.without(activation, lazy, self.variables, self.authorizing, request.deadline)
        for place, validation in denied:
            index = failures[place].index
            failures[place] = Failure(_message(validation, bare), validation.reason, index=index)
        annotations, errors = self._annotated(bare) if self.annotations else ((), ())
        activation.cost = bare.cost
        if activation.cost + self.fixed_cost > _SURELY_WITHIN:
            return self._evaluate_counting(request, params, namespace)
        if known is not None and activation.cost < _CHEAP:
            self.param_values.keep(known, activation)
        if not failures and not annotations and not errors:
            return PASSED
        return Evaluation(failures, annotations, errors)

    def lazy(
        self, request: Request, namespace: RequestNamespace | None, *, authorizer: bool = True
    ) -> dict[str, Callable[[], Any]]:
        """What gives the variables their values that few expressions use; no namespace for matchConditions, where it is
        not looked up yet. Messages and auditAnnotations have no authorizer."""
        lazy: dict[str, Callable[[], Any]] = {"request": request.cel_in_conditions}
        if namespace is not None:
            lazy = {"request": request.cel, "namespaceObject": namespace.object}
        if authorizer and self.authorizing is not None:
            lazy |= authorization.bindings(request)
        return lazy

    def _counting(
        self, request: Request, params: Any, namespace: RequestNamespace, *, authorizer: bool = False
    ) -> Counting:
        return Counting(
            {"object": request.object, "oldObject": request.old_object, "params": params},
            self.lazy(request, namespace, authorizer=authorizer),
            self.variables,
            request.deadline,
        )

    def _evaluate_counting(self, request: Request, params: Any, namespace: RequestNamespace) -> Evaluation:
        """As the API server does it, phase by phase, for a policy that comes near its budget."""
        activation = self._counting(request, params, namespace, authorizer=True)
        failures: dict[int, Failure] = {}
        denied: set[int] = set()
        errors: set[int] = set()
        for index, validation in enumerate(self.validations):
            try:
                if validation.program.evaluate_counting(activation) is not True:
                    denied.add(index)
            except EvaluationError as error:
                errors.add(index)
                if self.failure_policy == "Fail":
                    failures[index] = Failure(_error_text(validation.program, error), error=True, index=index)
            if activation.cost > VALIDATIONS_COST:
                return self._error(OUT_OF_BUDGET)

        left = VALIDATIONS_COST - activation.cost
        activation = self._counting(request, params, namespace)
        for index, validation in enumerate(self.validations):
            message = _message(validation, activation, counting=True)
            if index in denied:
                failures[index] = Failure(message, validation.reason, index=index)
            if activation.cost > left:  # counts as an error of every validation, but for those that have one
                text = f"failed messageExpression: {OUT_OF_BUDGET}"
                for each in set(range(len(self.validations))) - errors:
                    failures.pop(each, None)
                    if self.failure_policy == "Fail":
                        failures[each] = Failure(text, error=True, index=each)
                break

        activation = self._counting(request, params, namespace)
        annotations, annotation_errors = self._annotated(activation, counting=True)
        if activation.cost > VALIDATIONS_COST:
            return self._error(OUT_OF_BUDGET)
        return Evaluation([failures[index] for index in sorted(failures)], annotations, annotation_errors)

    def unmatched(self, request: Request, params: Any) -> str | None:
        """None if the matchConditions let the policy run; else why not: "" if one is false, the errors if none is."""
        activation = self._condition_activation(Activation, request, params)
        errors: list[str] = []
        for condition in self.conditions:
            try:
                if condition.program.evaluate(activation) is not True:
                    return ""
            except EvaluationError as error:
                text = _error_text(condition.program, error)
                if text not in errors:
                    errors.append(text)
            if activation.cost > CONDITIONS_COST // 2:
                return self._unmatched_counting(request, params)
        return _listed(errors)

    def _unmatched_counting(self, request: Request, params: Any) -> str | None:
        """The same, as the API server does it: every condition is evaluated, and only then one may be false."""
        activation = self._condition_activation(Counting, request, params)
        false = False
        errors: list[str] = []
        for condition in self.conditions:
            try:
                false |= condition.program.evaluate_counting(activation) is not True
            except EvaluationError as error:
                text = _error_text(condition.program, error)
                if text not in errors:
                    errors.append(text)
            if activation.cost > CONDITIONS_COST:
                return OUT_OF_BUDGET
        return "" if false else _listed(errors)

    def _condition_activation(self, kind: type[Activation], request: Request, params: Any) -> Activation:
        return kind(
            {
                "object": request.object,
                "oldObject": request.old_object,
                "params": params,
                "namespaceObject": None,  # the server has not looked it up yet at this point
            },
            self.lazy(request, None),
            deadline=request.deadline,
        )

    def _annotated(self, activation: Activation, *, counting: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
        annotations: list[tuple[str, str]] = []
        errors: list[str] = []
        for annotation in self.annotations:
            try:
                program = annotation.program
                value = program.evaluate_counting(activation) if counting else program.evaluate(activation)
            except EvaluationError as error:
                if self.failure_policy == "Fail":
                    errors.append(_error_text(annotation.program, error))
            else:
                if isinstance(value, str) and value.strip():
                    annotations.append((annotation.key, value.strip()))
        return annotations, errors

    def _error(self, message: str) -> Evaluation:
        """The policy as a whole could not be evaluated."""
        return Evaluation([Failure(message, error=True)]) if self.failure_policy == "Fail" else PASSED


def _error_text(program: Program, error: EvaluationError) -> str:
    return f"expression '{program.source}' resulted in error: {error}"


def _listed(errors: list[str]) -> str | None:
    if not errors:
        return None
    return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"


def _message(validation: Validation, activation: Activation, *, counting: bool = False) -> str:
    program = validation.message_program
    if program is None:
        return validation.message
    try:
        value = program.evaluate_counting(activation) if counting else program.evaluate(activation)
    except EvaluationError:
        return validation.message
    text = value.strip() if isinstance(value, str) else ""
    if not text or "\n" in text or len(text.encode()) > MAX_MESSAGE:
        return validation.message
    return text


def compile_policy(
    policy: model.ValidatingAdmissionPolicy, version: Version = NEWEST
) -> tuple[CELValidator, list[tuple[Path, Issue]]]:
    """The policy's expressions compiled, and what is wrong with those that do not compile, each with its place.

    version: of the Kubernetes that the policy is for. The validator holds only what compiled: it is not to be used if
    there are issues.
    """
    return _Compiler(policy, version).compiled()


class _Compiler:
    """Compiles a policy's expressions, each in the environment of its place, and keeps what is wrong with them."""

    def __init__(self, policy: model.ValidatingAdmissionPolicy, version: Version) -> None:
        self._policy = policy
        self._version = version
        self._issues: list[tuple[Path, Issue]] = []
        self._sources: list[tuple[Path, Program]] = []

    def compiled(self) -> tuple[CELValidator, list[tuple[Path, Issue]]]:
        spec = self._policy.spec
        base = base_environment(with_params=spec.param_kind is not None, version=self._version)
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
            sum(program.fixed_cost for _, program in self._sources),
            authorization.users((program for _, program in self._sources), variables),
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
                self._of_messages(environment, declared.message_expression),
                declared.message_expression,
                _STRING,
                "validations",
                index,
                "messageExpression",
            )
        if program is None:
            return None
        message = declared.message.strip() or f"failed expression: {declared.expression.strip()}"
        return Validation(program, message, message_program, declared.reason or "Invalid")

    def _of_messages(self, environment: Environment, source: str) -> Environment:
        """What a messageExpression sees. An environment takes its time: it is another one only where that shows."""
        if "authorizer" not in source:
            return environment
        known = environment.variables
        base = base_environment(
            with_params=self._policy.spec.param_kind is not None, with_authorizer=False, version=self._version
        )
        return base.extend({name: declared for name, declared in known.items() if name.startswith("variables.")})

    def _compile(
        self, environment: Environment, source: str, expect: tuple[Type, ...], *place: str | int
    ) -> Program | None:
        path = ("spec", *place)
        if not source.strip():
            return None  # refused already, as missing
        try:
            program = environment.compile(source, expect)
        except CompileError as error:
            self._issues += ((path, self._explained(issue, str(place[0]))) for issue in error.issues)
            return None
        self._sources.append((path, program))
        return program

    def _explained(self, issue: Issue, place: str) -> Issue:
        """The issue, which says of a variable that is not declared at its place why it is not."""
        spec = self._policy.spec
        if issue.message.startswith("undeclared reference to 'params'") and spec.param_kind is None:
            return replace(issue, message="undeclared reference to 'params': the policy has no paramKind")
        prefix = "undeclared reference to 'variables"
        if not issue.message.startswith(prefix):
            return issue
        name = issue.message[len(prefix) :].partition("'")[0].removeprefix(".")
        told = f"{prefix}{'.' if name else ''}{name}'"
        if place == "matchConditions":
            return replace(issue, message=f"{told}: matchConditions run before the variables")
        if not spec.variables:
            return replace(issue, message=f"{told}: the policy has no variables")
        if place == "variables" and (not name or any(each.name == name for each in spec.variables)):
            return replace(issue, message=f"{told}: a variable sees those that are declared before it")
        return issue


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
