"""Kubernetes CEL, compiled to Python functions. Knows nothing of policies or admission."""

from webhook.cel import types
from webhook.cel.environment import Environment
from webhook.cel.errors import CompileError, CostError, EvaluationError, Issue
from webhook.cel.program import COUNTED, PLAIN, Activation, Counting, Form, Program, Recording

__all__ = [
    "COUNTED",
    "PLAIN",
    "Activation",
    "CompileError",
    "CostError",
    "Counting",
    "Environment",
    "EvaluationError",
    "Form",
    "Issue",
    "Program",
    "Recording",
    "types",
]
