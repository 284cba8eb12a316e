"""Evaluating an expression in a test, in every form of the generated code."""

from __future__ import annotations

from typing import Any

from webhook.cel import Activation, Environment, EvaluationError, types
from webhook.cel.program import Program, Recording

ENVIRONMENT = Environment({"object": types.DYN, "x": types.DYN, "y": types.DYN})


def outcome(program: Program, form: str, bindings: dict[str, Any]) -> tuple[str, Any]:
    try:
        if form == "recording":
            return "value", program.evaluate_recording(Recording(bindings))
        if form == "exact":
            return "value", program.evaluate_exactly(Activation(bindings))
        return "value", program.evaluate(Activation(bindings))
    except EvaluationError as error:
        return "error", str(error)


def evaluate(expression: str, **bindings: Any) -> Any:
    """The value of an expression, which all forms must agree on. Raises EvaluationError."""
    program = ENVIRONMENT.compile(expression)
    bindings = {"object": None, "x": None, "y": None, **bindings}
    outcomes = [outcome(program, form, bindings) for form in ("plain", "exact", "recording")]
    assert repr(outcomes[0]) == repr(outcomes[1]) == repr(outcomes[2])
    kind, result = outcomes[0]
    if kind == "error":
        raise EvaluationError(result)
    return result
