"""matchConditions of a binding, for policies in Python: which requests they have something to say about, in CEL.

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

from collections.abc import Iterable, Sequence
from typing import Any, Final

from webhook.cel import CompileError, types
from webhook.documents import syntax
from webhook.paths import render
from webhook.policy.cel.declared import base_environment
from webhook.policy.cel.matchconditions import Condition, Conditions
from webhook.policy.written import model, refusals

ANNOTATION: Final = "gatewright.dev/match-conditions"


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
