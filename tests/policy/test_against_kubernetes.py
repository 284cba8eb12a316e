"""Generated policies in the API server's own evaluator and in ours: the same failures, texts and refusals.

The evaluator is the Go package of the kube-apiserver, built here with Go. Without Go, or modules to build it from, this
is skipped.
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

from tests.policy.generated import Case, Cases
from tests.policy.trees import binding, loaded, request
from webhook.policy.load import PolicyTreeError
from webhook.policy.matching import RequestNamespace
from webhook.policy.policyset import PolicySet

SOURCE = Path(__file__).parent / "kubernetes"
SEED, COUNT = 20261121, 1000


@pytest.fixture(scope="module")
def kubernetes() -> Path:
    """The program that answers as a kube-apiserver would."""
    if shutil.which("go") is None:
        pytest.skip("Go is not here: the API server's own evaluator cannot be built")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    cache.mkdir(parents=True, exist_ok=True)
    sources = b"".join(file.read_bytes() for file in sorted(SOURCE.iterdir()))
    program = cache / f"kubernetes-policy-{sha256(sources).hexdigest()[:12]}"
    command = ["go", "build", "-mod=readonly", "-o", str(program), "."]
    built = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"the API server's evaluator does not build here: {built.stderr.strip()[:500]}")
    return program


def theirs(program: Path, cases: list[Case]) -> list[dict[str, Any]]:
    lines = (
        {
            "Policy": case.policy,
            "Object": case.object,
            "OldObject": case.old_object,
            "Params": case.params,
            "Namespace": case.namespace,
            "Operation": case.operation,
            "Resource": ["", "v1", "pods", ""],
            "Kind": ["", "v1", "Pod"],
            "Name": name(case),
            "NS": "default" if case.namespace else "",
        }
        for case in cases
    )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    answers = subprocess.run([program], input=text, capture_output=True, text=True, check=True, timeout=300).stdout
    return [json.loads(line) for line in answers.splitlines()]


def name(case: Case) -> str:
    return str((case.object or case.old_object or {})["metadata"]["name"])


def ours(case: Case, policies: PolicySet) -> dict[str, Any]:
    asked = request(
        case.object, case.operation, old_object=case.old_object, namespace="default" if case.namespace else ""
    )
    found = policies.validating[0].evaluator.evaluate(
        asked, case.params, RequestNamespace(asked, lambda _name: case.namespace)
    )
    failures = [
        {"index": each.index, "message": each.message, "reason": "" if each.error else each.reason, "error": each.error}
        for each in found.failures
    ]
    annotations = [list(pair) for pair in found.annotations]
    return {"failures": failures, "annotations": annotations, "errors": list(found.annotation_errors)}


def test_generated_policies_agree(kubernetes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Cases(SEED)
    evaluated: list[tuple[Case, PolicySet]] = []
    refused: list[tuple[Case, int]] = []
    for case in (source.one() for _ in range(COUNT)):
        try:
            evaluated.append((case, loaded(case.policy, binding())))
        except PolicyTreeError as error:
            refused.append((case, len(error.problems)))

    for (case, policies), answer in zip(evaluated, theirs(kubernetes, [case for case, _ in evaluated]), strict=True):
        assert answer == {**ours(case, policies), "compile": None}, case
    for (case, problems), answer in zip(refused, theirs(kubernetes, [case for case, _ in refused]), strict=True):
        assert len(answer["compile"] or []) == problems, case
    assert min(len(evaluated), len(refused)) > COUNT / 4
    with capsys.disabled():
        print(f"\n{len(evaluated)} generated policies evaluated, {len(refused)} refused, as the API server does")
