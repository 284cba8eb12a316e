"""Policies in CEL and exceptions that are held against Kyverno's own verdicts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from tests.convert import peers
from tests.convert.kyverno import judging


def test_converted_policies_judge_as_kyverno_does() -> None:
    """Where they do not, it is said why."""
    outcomes = judging.converted()
    assert [str(note) for each in outcomes for note in each.refused] == []
    found = list(judging.judged(outcomes, judging.answers()))
    assert [each for each in found if not each.agrees and each.policy not in judging.KNOWN] == []
    assert {each.policy for each in found if not each.agrees} == judging.KNOWN.keys()
    compared = Counter(each.theirs for each in found)
    assert compared["pass"] > 100
    assert compared["fail"] > 90
    assert compared["skip"] > 15


def test_every_verdict_of_kyverno_is_compared() -> None:
    asked = {each.key for each in judging.judged(judging.converted(), judging.answers())}
    assert sorted(judging.answers().keys() - asked) == []


def test_the_verdicts_are_those_of_kyverno() -> None:
    named = os.environ.get("GATEWRIGHT_TEST_KYVERNO")
    program = Path(named) if named else peers.program("kyverno")
    assert judging.asked(program) == judging.answers()
