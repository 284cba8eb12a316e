"""Generated expressions in the CEL environment of a kube-apiserver and in ours: the same values, the same errors.

The environment is the API server's own Go package, built here with Go. Without Go, or modules to build it from, this is
skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cel.evaluating import ENVIRONMENT
from tests.cel.generated import Expressions, X
from webhook.cel import Activation, CompileError, EvaluationError

SOURCE = Path(__file__).parent / "kubernetes"
SEED, COUNT = 20261121, 5000


@pytest.fixture(scope="module")
def kubernetes() -> Path:
    """The program that answers as a kube-apiserver would."""
    if shutil.which("go") is None:
        pytest.skip("Go is not here: the API server's own CEL environment cannot be built")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    cache.mkdir(parents=True, exist_ok=True)
    version = sha256((SOURCE / "main.go").read_bytes()).hexdigest()[:12]  # other checkouts have other ones
    program = cache / f"kubernetes-cel-{version}"
    command = ["go", "build", "-mod=readonly", "-o", str(program), "."]
    built = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"the API server's CEL environment does not build here: {built.stderr.strip()[:500]}")
    return program


def asked(program: Path, expressions: list[str]) -> list[dict[str, str]]:
    lines = "".join(json.dumps({"expression": each, "bindings": {"x": X, "y": None}}) + "\n" for each in expressions)
    answers = subprocess.run([program], input=lines, capture_output=True, text=True, check=True, timeout=300).stdout
    return [json.loads(line) for line in answers.splitlines()]


def theirs(answer: dict[str, str]) -> tuple[str, str]:
    if "compile" in answer:
        return "compile", ""
    if "error" in answer:
        return "error", answer["error"]
    return "value", "double" if answer["type"] == "double" else answer["value"]


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "double" if isinstance(value, float) else str(value)


def ours(expression: str) -> tuple[str, str]:
    try:
        program = ENVIRONMENT.compile(expression)
        return "value", shown(program.evaluate(Activation({"x": X, "y": None, "object": None})))
    except CompileError:
        return "compile", ""
    except EvaluationError as error:
        return "error", str(error)


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
