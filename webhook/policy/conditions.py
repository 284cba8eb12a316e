"""matchConditions of a binding, for Python policies: the requests that the policy needs to see, in CEL.

A CEL policy has matchConditions of its own. Which requests a Python policy needs often depends on its params, and these
are named by the binding. So the binding states the conditions, in an annotation, because the API has no field for them:

    metadata:
      annotations:
        gatewright.dev/match-conditions: |
          - name: has-finalizers
            expression: object.?metadata.?finalizers.orValue([]).size() > 0

They work like matchConditions, without `params`: all must be true. If one is false, the binding does not match, even if
another one fails with an error. `gatewright manifests` copies them into the webhook configurations, so that the API
server does not send the other requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from webhook.cel import CompileError, types
from webhook.cel.cost.compiling import Compiling
from webhook.documents import syntax
from webhook.paths import render
from webhook.policy.cel.declared import base_environment
from webhook.policy.cel.matchconditions import Condition, Conditions
from webhook.policy.written import model, refusals

ANNOTATION: Final = "gatewright.dev/match-conditions"


class _List(model.Model, frozen=True):
    """The annotation's list, under a key because a model needs one."""

    conditions: list[model.MatchCondition] = []


def read(text: str) -> tuple[Conditions | None, list[str]]:
    """The conditions in an annotation's text; None and the errors if it is malformed."""
    try:
        roots = syntax.read_yaml(text)
    except syntax.SyntaxProblem as problem:
        return None, [str(problem)]
    value: Any = roots[0].value if len(roots) == 1 else None
    if not isinstance(value, list) or not value:
        return None, ["expected a YAML list of conditions, each with name and expression"]
    listed, faults = model.decode(_List, {"conditions": value})
    problems = [_located(path, message) for path, message in faults]
    if not faults:
        wrong = refusals.of_match_conditions(listed.conditions, ())
        problems += [_located(("conditions", *path), message) for path, message in wrong]
    if problems:
        return None, problems
    return _compiled(listed.conditions)


def _located(path: Sequence[str | int], message: str) -> str:
    """The message after its path in the annotation's list."""
    return f"{render(tuple(path[1:]))}: {message}" if path[1:] else message


def _compiled(listed: Iterable[model.MatchCondition]) -> tuple[Conditions | None, list[str]]:
    environment = base_environment(with_params=False, with_authorizer=False)
    conditions: list[Condition] = []
    problems: list[str] = []
    compiling = Compiling()
    for each in listed:
        try:
            program = environment.compile(each.expression.strip(), (types.BOOL,), compiling)
        except CompileError as error:
            problems += [f"{each.name}: {issue.message} (at {issue.line}:{issue.column})" for issue in error.issues]
        else:
            conditions.append(Condition(each.name, program, ("metadata", "annotations", ANNOTATION)))
    return (None if problems else Conditions(tuple(conditions))), problems
