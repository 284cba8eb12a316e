"""Kubernetes CEL, compiled to Python functions. This package is independent of policies and admission."""

from webhook.cel.environment import Environment
from webhook.cel.program import COUNTED, PLAIN, Activation, Counting, Form, Program, Recording
from webhook.cel.tree import types
from webhook.cel.tree.errors import CompileError, CostError, EvaluationError, Issue

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
