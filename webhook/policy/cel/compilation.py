"""Compiles a ValidatingAdmissionPolicy: each expression in an environment of its own, with all issues."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from webhook.cel import CompileError, Environment, Issue, Program, types
from webhook.cel.cost.compiling import Compiling
from webhook.cel.tree.ast import variables_in
from webhook.cel.tree.types import Type
from webhook.paths import Path
from webhook.policy.cel import authorization, sharing
from webhook.policy.cel.declared import base_environment
from webhook.policy.cel.matchconditions import Condition, Conditions
from webhook.policy.cel.paramvalues import ParamValues
from webhook.policy.cel.validating import Annotation, CELValidator, Validation
from webhook.policy.written import model
from webhook.versions import NEWEST, Version

_BOOL = (types.BOOL,)
_STRING = (types.STRING,)
_STRING_OR_NULL = (types.STRING, types.NULL)


def compile_policy(
    policy: model.ValidatingAdmissionPolicy,
    version: Version = NEWEST,
    compiling: Compiling | None = None,
    known: Compiled | None = None,
) -> tuple[CELValidator, list[tuple[Path, Issue]]]:
    """Compile a policy. Returns the validator, and the issues of expressions that do not compile, with their paths.

    version: the Kubernetes version that the policy is for. compiling: the limits of all expressions together. known:
    programs of policies that resemble it, for the same version; what it has in common with them is taken from there,
    and the rest is added. Do not use the validator if there are issues: it lacks the expressions that did not compile.
    """
    return _Compiler(policy, version, compiling or Compiling(), known).compiled()


Compiled = dict[tuple[str, tuple[Type, ...], frozenset[tuple[str, Type]]], Program]
"""Compiled expressions: by source, expected types, and the declared variables."""


class _Compiler:
    """Compiles a policy's expressions, each in its own environment, and collects their issues."""

    def __init__(
        self, policy: model.ValidatingAdmissionPolicy, version: Version, compiling: Compiling, known: Compiled | None
    ) -> None:
        self._policy = policy
        self._compiling = compiling
        self._known = known
        self._version = version
        self._issues: list[tuple[Path, Issue]] = []
        self._sources: list[tuple[Path, Program]] = []

    def compiled(self) -> tuple[CELValidator, list[tuple[Path, Issue]]]:
        spec = self._policy.spec
        base = base_environment(with_params=spec.param_kind is not None, version=self._version)
        conditions = [
            Condition(condition.name, program, ("spec", "matchConditions", index, "expression"))
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
            Annotation(annotation.key, program, ("spec", "auditAnnotations", index, "valueExpression"))
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
        authorizing = authorization.users((program for _, program in self._sources), variables)
        validator = CELValidator(
            Conditions(tuple(conditions), authorizing is not None),
            variables,
            tuple(validations),
            tuple(annotations),
            spec.failure_policy,
            tuple(self._sources),
            ParamValues(variables),
            authorizing,
            sharable=sharing.keys(variables),
        )
        return validator, self._issues

    def _variables(self, base: Environment) -> tuple[Environment, dict[str, Program]]:
        """The environment with all variables, and their programs. Of two variables with one name the last one counts
        for all expressions, including those declared in between.
        """
        environment = base
        programs: dict[str, Program] = {}
        places: dict[str, int] = {}
        for index, variable in enumerate(self._policy.spec.variables):
            if self._compiling.exceeded:
                break
            name = f"variables.{variable.name}"
            program = self._compile(environment, variable.expression, (), "variables", index, "expression")
            # dyn, so that expressions which use a variable that does not compile are not reported too
            declared: Type = program.type if program else types.DYN
            if program:
                programs[name] = program
                places[name] = index
            environment = environment.extend({name: declared})
        twice = len({variable.name for variable in self._policy.spec.variables}) < len(self._policy.spec.variables)
        uses = {name: variables_in(program.tree) for name, program in programs.items()} if twice else {}
        for name in _circular(uses):
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
        place: Path = ("spec", "validations", index, "expression")
        return Validation(program, message, message_program, declared.reason or "Invalid", index, place)

    def _of_messages(self, environment: Environment, source: str) -> Environment:
        """The environment of a messageExpression. Environments are slow to build, so it is a separate one only if the
        expression needs it."""
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
        if not source.strip() or self._compiling.exceeded:
            return None  # reported already, as missing, or as too large
        key = None if self._known is None else (source, expect, frozenset(environment.variables.items()))
        program = None if self._known is None or key is None else self._known.get(key)
        if program is not None:
            self._sources.append((path, program))
            return program
        try:
            program = environment.compile(source, expect, self._compiling)
        except CompileError as error:
            self._issues += ((path, self._explained(issue, str(place[0]))) for issue in error.issues)
            return None
        if self._known is not None and key is not None:
            self._known[key] = program
        self._sources.append((path, program))
        return program

    def _explained(self, issue: Issue, place: str) -> Issue:
        """The issue; for an undeclared variable it also says why the variable is not declared there."""
        spec = self._policy.spec
        if issue.message.startswith("undeclared reference to 'params'") and spec.param_kind is None:
            return replace(issue, message="undeclared reference to 'params': the policy has no paramKind")
        prefix = "undeclared reference to 'variables"
        if not issue.message.startswith(prefix):
            return issue
        name = issue.message[len(prefix) :].partition("'")[0].removeprefix(".")
        undeclared = f"{prefix}{'.' if name else ''}{name}'"
        if place == "matchConditions":
            return replace(issue, message=f"{undeclared}: matchConditions run before the variables")
        if not spec.variables:
            return replace(issue, message=f"{undeclared}: the policy has no variables")
        if place == "variables" and (not name or any(each.name == name for each in spec.variables)):
            return replace(issue, message=f"{undeclared}: a variable sees those that are declared before it")
        return issue


def _circular(uses: Mapping[str, set[str]]) -> list[str]:
    """The variables that use themselves, directly or through others. This needs a variable that is declared twice."""

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        ahead = set(uses[name])
        while ahead:
            found |= ahead
            ahead = set().union(*(uses.get(each, set()) for each in ahead)) - found
        return found

    return [name for name in uses if name in reached(name)]
