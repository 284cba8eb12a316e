"""Kubernetes CEL, compiled to Python functions. Knows nothing of policies or admission."""

from webhook.cel.environment import Environment
from webhook.cel.program import Activation, Counting, Program
from webhook.cel.tree import types
from webhook.cel.tree.errors import CompileError, CostError, EvaluationError, Issue

__all__ = [
    "Activation",
    "CompileError",
    "CostError",
    "Counting",
    "Environment",
    "EvaluationError",
    "Issue",
    "Program",
    "types",
]
