"""Assertion trees give the verdicts of kyverno-json, whose trees Kyverno (1.13 to 1.18) evaluates.

asserted.json holds `specs` of objects and `trees` about these specs: `said` is what kyverno-json says of each spec
(p: it passes, f: it fails, e: an error), `not` why a tree is not converted. With GATEWRIGHT_TEST_KYVERNO_JSON, the
program, it is asked once more (`go build github.com/kyverno/kyverno-json`).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.convert.kyverno import generated, ours
from tests.convert.kyverno.ours import Asked
from tests.timing import HANGING

FILE: Final = Path(__file__).parent / "asserted.json"
VARIABLE: Final = "GATEWRIGHT_TEST_KYVERNO_JSON"


def cases() -> Any:
    return json.loads(FILE.read_text())


def policy(tree: Any) -> dict[str, Any]:
    return generated.policy("p", [{"assert": {"object": {"spec": tree}}}])


def of_kyverno(program: Path, specs: list[Any], trees: list[Any], folder: Path) -> list[str]:
    """What kyverno-json says of each tree and spec."""
    rules = [{"name": f"r{index}", "assert": {"all": [{"check": each}]}} for index, each in enumerate(trees)]
    head = {"apiVersion": "json.kyverno.io/v1alpha1", "kind": "ValidatingPolicy", "metadata": {"name": "p"}}
    (folder / "policy.yaml").write_text(json.dumps(head | {"spec": {"rules": rules}}))
    (folder / "payload.json").write_text(json.dumps(specs))
    command = [str(program), "scan", "--policy", "policy.yaml", "--payload", "payload.json", "--output", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=HANGING)
    found = [""] * len(trees)
    for payload in json.loads(done.stdout):
        for each in payload["results"][0]["rules"]:
            said = "e" if each.get("error") else "f" if each.get("violations") else "p"
            found[int(each["rule"]["name"][1:])] += said
    return found


def test_trees_decide_as_kyverno_json_does() -> None:
    given = cases()
    requests = [Asked(generated.widget(f"w{index}", each)) for index, each in enumerate(given["specs"])]
    wrong, compared = [], 0
    for each in given["trees"]:
        (outcome,) = ours.converted([policy(each["tree"])], [generated.WIDGETS])
        refused = [note.message for note in outcome.refused]
        if "not" in each:
            assert any(each["not"] in text for text in refused), (each, refused)
            continue
        assert refused == [], each
        (denied,) = ours.asked(outcome, requests, [generated.WIDGETS]).failed.values()
        compared += len(denied)
        if denied != [said != "p" for said in each["said"]]:
            wrong.append((each["tree"], each["said"], denied))
    assert wrong == []
    assert compared > 700


def test_the_verdicts_are_those_of_kyverno_json(tmp_path: Path) -> None:
    program = os.environ.get(VARIABLE)
    if not program:
        pytest.skip(f"{VARIABLE} names no kyverno-json: go build github.com/kyverno/kyverno-json")
    given = cases()
    # What it says of the order of a map's values differs from run to run: these are not converted.
    trees = [each for each in given["trees"] if "not" not in each]
    said = of_kyverno(Path(program), given["specs"], [each["tree"] for each in trees], tmp_path)
    assert said == [each["said"] for each in trees]


def test_trees_are_bounded() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = {"a": deep}
    for tree in (deep, {f"k{index}": index for index in range(400)}):
        (outcome,) = ours.converted([policy(tree)], [generated.WIDGETS])
        assert "20 levels or 300 values" in outcome.refused[0].message
