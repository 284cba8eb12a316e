"""JMESPath of Kyverno after conversion, held against the answers of Kyverno's own command that are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.amounts import amount
from tests.convert.kyverno import engine, jmesasked, jmesgenerated, jmesquestions
from tests.convert.kyverno.jmesasked import Compared
from webhook.convert.kyverno.jmesfunctions import FUNCTIONS

OTHERS = (
    "base64_decode", "base64_encode", "is_external_url", "map", "max_by", "md5", "min_by", "merge", "object_from_lists",
    "parse_json", "parse_yaml", "path_canonicalize", "random", "regex_replace_all", "regex_replace_all_literal",
    "reverse", "sha1", "sha256", "sort", "sort_by", "time_now", "time_now_utc", "time_parse", "time_to_cron",
    "time_truncate", "x509_decode",
)  # fmt: skip
"""Functions that Kyverno has, beside those that conversion knows by name."""


def test_the_written_rules_are_never_looser_than_kyverno() -> None:
    """Each file is asked in parts, so that every run has some of each."""
    questions = list(jmesquestions.questions())[3 :: amount(1, 5)]
    found = jmesasked.compared(questions, jmesasked.kept())
    assert found.looser == []
    assert {each.partition(":")[0] for each in found.stricter} <= jmesasked.STRICTER
    assert found.pairs >= amount(3700, 600)
    assert found.statuses["whole"] >= amount(290, 55)


def test_generated_conditions_are_never_looser_than_kyverno() -> None:
    questions = jmesasked.generated_questions()[:: amount(1, 6)]
    found = jmesasked.compared(questions, jmesasked.kept(jmesasked.GENERATED))
    assert found.looser == []
    assert len(found.stricter) * 50 < found.pairs
    assert found.pairs >= amount(4500, 600)
    assert found.statuses["whole"] * 10 > sum(found.statuses.values()) * 8


def test_kyverno_finds_something_on_both_sides() -> None:
    """A comparison that nobody fails, or all do, would show nothing."""
    verdicts = "".join(each.verdicts for each in jmesasked.kept().values())
    assert verdicts.count("p") > 1000
    assert verdicts.count("f") > 600
    assert verdicts.count("e") > 600


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *OTHERS}))
def test_every_function_is_asked_about_twice(name: str) -> None:
    rules = [str(each.rule) for each in jmesquestions.questions()]
    assert sum(re.search(rf"\b{name}\(", each) is not None for each in rules) >= 2


def test_an_answer_to_another_question_is_noticed() -> None:
    question = next(jmesquestions.questions())
    question.requests[0].object["spec"]["v"] = "something else"
    with pytest.raises(AssertionError, match="not asked about lists-0 as it is now"):
        jmesasked.compared([question], jmesasked.kept())


def test_kyverno_still_says_what_is_kept() -> None:
    program = engine.program()
    if program is None:
        pytest.skip(engine.HOW)
    questions = list(jmesquestions.questions())[:: amount(1, 8)]
    kept = jmesasked.kept()
    assert jmesasked.ask(program, questions) == {each.name: kept[each.name] for each in questions}


def test_conditions_that_nobody_saw_before_are_not_looser() -> None:
    program = engine.program()
    if program is None:
        pytest.skip(engine.HOW)
    questions = list(jmesgenerated.questions(11, amount(300, 20)))
    found = jmesasked.compared(questions, jmesasked.ask(program, questions))
    assert found.looser == []
    assert found.pairs > amount(4000, 200)


def test_the_command_prints_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    looser = Compared(pairs=2, looser=["a: b"], stricter=["c: d", "c: e"])
    assert jmesasked.report("part", looser, 1) == 1
    assert capsys.readouterr().out.splitlines() == [
        "part: 2 pairs of a rule and an object, 0 stricter as it is named",
        "  converted: ",
        "  looser: 1, of 1 rules",
        "    a: b",
        "  stricter: 2, of 1 rules",
        "    c: d",
    ]


def test_without_the_program_the_command_says_how_it_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(engine.VARIABLE, str(tmp_path / "none"))
    assert jmesasked.main(["--ask"]) == 2
    assert "tests.convert.peers kyverno" in capsys.readouterr().err
