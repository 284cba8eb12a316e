"""Generated expressions in the CEL environment of a kube-apiserver and in ours: the same values, the same errors.

The environment is the API server's own Go package, built here with Go. Without Go, or modules to build it from, this is
skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.cel.evaluating import BINDINGS, ENVIRONMENT, VARIABLES
from tests.cel.generated import Expressions, X
from tests.cel.generated_libraries import Calls
from webhook.access import Access, AccessDecision
from webhook.cel import Activation, CompileError, Environment, EvaluationError
from webhook.cel.functions import LIBRARIES
from webhook.cel.library.authorizer import LIBRARY as AUTHORIZER
from webhook.cel.library.authorizer import Authorizer
from webhook.versions import NEWEST, OLDEST, Version
from webhook.versions import shown as version_text

SOURCE = Path(__file__).parent / "kubernetes"
SEED, COUNT = 20261121, 5000
LIBRARY_COUNT = 2000


@pytest.fixture(scope="module")
def kubernetes() -> Path:
    """The program that answers as a kube-apiserver would."""
    return goprograms.built(SOURCE)


def asked(program: Path, expressions: list[str], version: str = "") -> list[dict[str, str]]:
    questions = [{"expression": each, "bindings": {"x": X, "y": None}, "version": version} for each in expressions]
    return goprograms.answers(program, questions)


def theirs(answer: dict[str, str]) -> tuple[str, str]:
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


def test_generated_expressions_agree(kubernetes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Expressions(SEED)
    expressions = [source.one() for _ in range(COUNT)]
    differing = [
        (expression, mine, other)
        for expression, answer in zip(expressions, asked(kubernetes, expressions), strict=True)
        if (mine := ours(expression)) != (other := theirs(answer))
    ]
    with capsys.disabled():
        print(
            f"\nCEL beside Kubernetes': {COUNT - len(differing)} of {COUNT} generated expressions agree (seed {SEED})"
        )
    assert differing == []


@pytest.mark.parametrize("library", Calls(SEED).libraries)
def test_generated_calls_of_a_library_agree(kubernetes: Path, library: str, capsys: pytest.CaptureFixture[str]) -> None:
    expressions = list(Calls(SEED).of(library, LIBRARY_COUNT))
    answers = [theirs(answer) for answer in asked(kubernetes, expressions)]
    differing = [
        (expression, mine, other)
        for expression, other in zip(expressions, answers, strict=True)
        if not agree(mine := ours(expression), other)
    ]
    values = sum(kind == "value" for kind, _ in answers)
    with capsys.disabled():
        agreeing = LIBRARY_COUNT - len(differing)
        print(f"\n{library} beside Kubernetes': {agreeing} of {LIBRARY_COUNT} agree, {values} of them have a value")
    assert differing == []
    assert values > LIBRARY_COUNT / 6


def compiles(expression: str, version: Version) -> bool:
    variables = {name: declared for name, declared in VARIABLES.items() if name not in AUTHORIZER.variables}
    if version >= AUTHORIZER.since:
        variables = VARIABLES
    try:
        Environment(variables, version=version).compile(expression)
    except CompileError:
        return False
    return True


VERSIONS = [(1, minor) for minor in range(OLDEST[1], NEWEST[1] + 1)]


@pytest.mark.parametrize("version", VERSIONS, ids=version_text)
def test_a_version_has_what_it_has_in_kubernetes(kubernetes: Path, version: Version) -> None:
    examples = [each.example for library in LIBRARIES for each in library.overloads if each.example]
    examples += [each.example for library in LIBRARIES for each in library.macros if each.example]
    examples += [
        "1 < 1.5",
        "x.?a.orValue(1) == 1",
        "x[?'a'].hasValue()",
        "[1].first().value() == 1",
        "math.abs(-1) == 1",
    ]
    answers = asked(kubernetes, examples, version_text(version))
    there = {example for example, answer in zip(examples, answers, strict=True) if "compile" not in answer}
    here = {example for example in examples if compiles(example, version)}
    assert here == there
