"""The CEL environment of a kube-apiserver, and Gatewright's answers in the form of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import goprograms
from tests.cel.evaluating import BINDINGS, ENVIRONMENT
from tests.cel.generated import X
from webhook.access import Access, AccessDecision
from webhook.cel import Activation, CompileError, EvaluationError
from webhook.cel.library.authorizer import Authorizer

SOURCE = Path(__file__).parent / "kubernetes"


def asked(program: Path, expressions: list[str], version: str = "") -> list[dict[str, str]]:
    questions = [{"expression": each, "bindings": {"x": X, "y": None}, "version": version} for each in expressions]
    return goprograms.answers(program, questions)


def theirs(answer: dict[str, str]) -> tuple[str, str]:
    """The kind of an answer (value, error, compile), and its text."""
    if "compile" in answer:
        return "compile", ""
    if "error" in answer:
        return "error", answer["error"]
    if answer["type"] in ("list", "map"):
        return "value", json.dumps(whole(json.loads(answer["value"])), sort_keys=True)
    return "value", "double" if answer["type"] == "double" else answer["value"]


def whole(value: Any) -> Any:
    """The value with doubles that are integers as such: JSON does not tell them apart."""
    match value:
        case bool():
            return value
        case float() if value.is_integer():
            return int(value)
        case list():
            return [whole(item) for item in value]
        case dict():
            return {key: whole(item) for key, item in value.items()}
    return value


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(whole(value), sort_keys=True)
    return "double" if isinstance(value, float) else str(value)


def question(access: Access) -> AccessDecision:
    """The answer of the program's own authorizer: no, and the question as the reason."""
    asked = {
        "user": access.user,
        "groups": list(access.groups),
        "verb": access.verb,
        "path": access.path,
        "group": access.group,
        "resource": access.resource,
        "subresource": access.subresource,
        "namespace": access.namespace,
        "name": access.name,
    }
    return AccessDecision(False, json.dumps(asked, sort_keys=True, separators=(",", ":")))


BOUND = {**BINDINGS, "x": X, "authorizer": Authorizer(Access("ann", "", groups=("staff",)), question)}


def ours(expression: str) -> tuple[str, str]:
    """The kind of our result, and its text, in the form of `theirs`."""
    try:
        program = ENVIRONMENT.compile(expression)
        return "value", shown(program.evaluate(Activation(BOUND)))
    except CompileError:
        return "compile", ""
    except EvaluationError as error:
        return "error", str(error)


def agree(mine: tuple[str, str], other: tuple[str, str]) -> bool:
    if other[0] == "error" and other[1].startswith("internal error: "):
        # A defect of the server's: it panics on an error where it expects a list, and on what it cannot hash.
        return mine[0] == "error" or "unhashable" in other[1]
    return mine == other
