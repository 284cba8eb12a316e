"""Generated expressions in the CEL environment of a kube-apiserver and in ours: the same values, the same errors.

The environment is the API server's own Go package, built here with Go. Without Go, or modules to build it from, this is
skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.amounts import amount
from tests.cel.apiserver import agree, asked, ours, theirs
from tests.cel.evaluating import VARIABLES
from tests.cel.generated import Expressions
from tests.cel.generated_libraries import Calls
from webhook.cel import CompileError, Environment
from webhook.cel.functions import LIBRARIES
from webhook.cel.library.authorizer import LIBRARY as AUTHORIZER
from webhook.versions import NEWEST, OLDEST, Version
from webhook.versions import shown as version_text

SEED, COUNT = 20261121, amount(5000, 1500)
LIBRARY_COUNT = amount(2000, 700)


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
