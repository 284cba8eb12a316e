"""matchConditions, evaluated: those of a CEL policy, and those of a binding of a policy in Python.

A CEL policy has matchConditions of its own. A Python policy often hangs on its params, which a binding names; so it is
the binding that knows them, and has them in an annotation, since the standard has no place for them:

    metadata:
      annotations:
        gatewright.dev/match-conditions: |
          - name: has-finalizers
            expression: object.?metadata.?finalizers.orValue([]).size() > 0

They mean what matchConditions mean, without `params`: all must be true; one that is false lets the binding pass over
the request even when another errors. `gatewright manifests` puts them into the webhooks too, so that the API server
does not even ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from webhook.cel import PLAIN, CompileError, EvaluationError, Form, Program, types
from webhook.documents import syntax
from webhook.paths import Path, render
from webhook.policy.cel import authorization
from webhook.policy.cel.declared import base_environment
from webhook.policy.reviewing import Review
from webhook.policy.written import model, refusals

ANNOTATION: Final = "gatewright.dev/match-conditions"

COST: Final = 2_500_000
"""The budget of all conditions together, in cost units."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, compiled. place: where it stands in the object that has it."""

    name: str
    program: Program
    place: Path


@dataclass(frozen=True, slots=True)
class Conditions:
    """All conditions of a policy or a binding. authorizing: some of them use the authorizer."""

    conditions: tuple[Condition, ...]
    authorizing: bool = False

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def unmatched(
        self, review: Review, params: Any = None, form: Form = PLAIN, *, exactly: bool = False
    ) -> Condition | str | None:
        """None if they let the policy run; else the first that is false, or the text of the errors where none is.

        The API server evaluates every condition, and only then one may be false; so do we `exactly`, by a form that
        charges so, once the budget comes near. Else the first that is false is the last.
        """
        request = review.request
        lazy: dict[str, Callable[[], Any]] = {"request": review.cel_in_conditions}
        if self.authorizing:
            lazy |= authorization.bindings(review)
        activation = form.activation(
            {
                "object": request.object,
                "oldObject": request.old_object,
                "params": params,
                "namespaceObject": None,  # the server has not looked it up yet at this point
            },
            lazy,
            deadline=review.deadline,
        )
        evaluate, limit = form.evaluate, COST if exactly else COST // 2
        false: Condition | None = None
        errors: list[str] = []
        for condition in self.conditions:
            try:
                if evaluate(condition.program, activation) is not True:
                    if not exactly:
                        return condition
                    false = false or condition
            except EvaluationError as error:
                text = error_text(condition.program, error)
                if text not in errors:
                    errors.append(text)
            if activation.cost > limit:
                return OUT_OF_BUDGET if exactly else self.unmatched(review, params, form.exactly(), exactly=True)
        if false is not None or not errors:
            return false
        return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"


OUT_OF_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"


def error_text(program: Program, error: EvaluationError) -> str:
    """How the API server words the error of an expression."""
    return f"expression '{program.source}' resulted in error: {error}"


class _List(model.Model):
    """What stands in the annotation, below a key, as a model needs one."""

    conditions: list[model.MatchCondition] = []


def read(text: str) -> tuple[Conditions | None, list[str]]:
    """The conditions that an annotation holds, or None and what is wrong with it."""
    try:
        roots = syntax.read_yaml(text)
    except syntax.SyntaxProblem as problem:
        return None, [str(problem)]
    value: Any = roots[0].value if len(roots) == 1 else None
    if not isinstance(value, list) or not value:
        return None, ["expected a YAML list of conditions, each with name and expression"]
    listed, faults = model.decode(_List, {"conditions": value})
    problems = [_told(path, message) for path, message in faults]
    if not faults:
        wrong = refusals.of_match_conditions(listed.conditions, ())
        problems += [_told(("conditions", *path), message) for path, message in wrong]
    if problems:
        return None, problems
    return _compiled(listed.conditions)


def _told(path: Sequence[str | int], message: str) -> str:
    return f"{render(tuple(path[1:]))}: {message}" if path[1:] else message


def _compiled(listed: Iterable[model.MatchCondition]) -> tuple[Conditions | None, list[str]]:
    environment = base_environment(with_params=False, with_authorizer=False)
    conditions: list[Condition] = []
    problems: list[str] = []
    for each in listed:
        try:
            program = environment.compile(each.expression.strip(), (types.BOOL,))
        except CompileError as error:
            problems += [f"{each.name}: {issue.message} (at {issue.line}:{issue.column})" for issue in error.issues]
        else:
            conditions.append(Condition(each.name, program, ("metadata", "annotations", ANNOTATION)))
    return (None if problems else Conditions(tuple(conditions))), problems
