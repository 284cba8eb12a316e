"""Kyverno's own command, where it is here, decides what the converted policies decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount
from tests.convert.kyverno import asked, corpus, engine, generated, generatedpods
from tests.convert.kyverno.engine import Answer
from tests.convert.kyverno.generated import Batch
from tests.convert.kyverno.ours import Asked


@pytest.fixture(scope="module")
def kyverno() -> Path:
    found = engine.program()
    if found is None:
        pytest.skip(engine.HOW)
    return found


def test_the_answer_is_that_of_kyverno(kyverno: Path) -> None:
    """Each kind of an answer, so that no comparison holds for want of one."""
    rules: list[dict[str, Any]] = [
        {"pattern": {"spec": {"v": "a"}}},
        {"pattern": {"spec": {"(v)": "a", "w": "b"}}},
        {"deny": {"conditions": {"any": [{"key": "{{ request.object.spec.w }}", "operator": "Equals", "value": "b"}]}}},
        {"pattern": {"spec": {"^(v)": "a"}}},
    ]
    policies = [generated.policy(f"p{index}", [each]) for index, each in enumerate(rules)]
    requests = [Asked(generated.widget("one", {"v": "a"})), Asked(generated.widget("two", {"v": "b"}), "UPDATE")]
    found = engine.answers(kyverno, policies, requests)
    said = [[found.of(f"p{rule}", "r0", number).verdict for number in (0, 1)] for rule in range(3)]
    assert said == [["pass", "fail"], ["fail", "skip"], ["error", "error"]]
    assert list(found.refused) == ["p3"]
    assert "existence anchor should have value of type list" in found.refused["p3"]
    assert found.of("p4", "r0", 0) == Answer("none")


def test_patterns_give_the_verdicts_of_kyverno(kyverno: Path) -> None:
    """Generated patterns with anchors, and objects that these accept or just do not."""
    found = asked.Compared()
    for batch in generated.patterns(7, amount(200, 20), 40):
        found.add(asked.of_batch(kyverno, batch))
    assert found.looser == []
    assert found.stricter == []
    assert found.pairs >= amount(5000, 500)


@pytest.mark.parametrize("batches", [generatedpods.levels, generatedpods.excludes])
def test_the_controls_of_pod_security_give_the_verdicts_of_kyverno(
    batches: Callable[[], Iterator[Batch]], kyverno: Path
) -> None:
    """Levels, versions, and all that an entry can exclude, with Pods that break each control."""
    found = asked.Compared()
    for batch in batches():
        few = amount(len(batch.policy["spec"]["rules"]), 3)
        batch.policy["spec"]["rules"] = batch.policy["spec"]["rules"][-few:]
        found.add(asked.of_batch(kyverno, batch))
    assert found.looser == []
    assert found.stricter == []
    assert found.pairs >= 500


def test_documents_say_what_kyverno_decides(kyverno: Path) -> None:
    files = ("patterns", "podsecurity", "requests", "matching", "teams")
    documents = [each for each in corpus.given() if each.file in files]
    found = asked.of_documents(kyverno, documents)
    assert found.wrong == []
    assert found.looser == []
    assert found.pairs > 50


def test_without_the_program_the_command_says_how_it_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(engine.VARIABLE, str(tmp_path / "none"))
    assert asked.main([]) == 2
    assert "tests.convert.peers kyverno" in capsys.readouterr().err
