"""A finding names the line that a person would point at: the cases are described in corpus.py."""

from collections import Counter
from pathlib import Path

import pytest

from tests.lines.corpus import cases
from tests.lines.scoring import Outcome, run, summary

CASES = tuple(cases())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return [run(case, tmp_path_factory.mktemp("case")) for case in CASES]


def test_the_cases_are_many_and_seldom_leave_a_choice() -> None:
    assert len(CASES) >= 120
    assert sum(bool(case.others) for case in CASES) < len(CASES) / 10
    assert not [name for name, times in Counter(case.name for case in CASES).items() if times > 1]


def test_every_manifest_is_checked_and_refused(outcomes: list[Outcome]) -> None:
    assert not [str(outcome) for outcome in outcomes if outcome.trouble or not outcome.found]


def test_at_least_95_of_100_findings_stand_at_the_line_that_a_person_would_point_at(outcomes: list[Outcome]) -> None:
    score = summary(outcomes)
    if sum(outcome.hit for outcome in outcomes) < 0.95 * len(outcomes):
        pytest.fail(score, pytrace=False)
    print(score)


def test_no_finding_stands_at_line_1_or_at_the_kind_unless_it_belongs_there(outcomes: list[Outcome]) -> None:
    astray = [str(outcome) for outcome in outcomes if outcome.at_the_object]
    if astray:
        pytest.fail("\n\n".join([f"{len(astray)} findings:", *astray]), pytrace=False)


def test_a_wrong_line_is_a_miss(tmp_path: Path) -> None:
    """The scoring itself: a case of which a finding is known, with its mark moved."""
    case = next(case for case in CASES if not case.others)
    outcome = Outcome(case, case.expected, (None,) * len(case.expected))
    assert outcome.hit
    assert not Outcome(case, tuple(number + 1 for number in case.expected), outcome.paths).hit
    assert not Outcome(case, (*case.expected, *case.expected), outcome.paths * 2).hit
    assert Outcome(case, (1,), (None,)).at_the_object
