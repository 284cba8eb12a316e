"""Mutations that are held against Kyverno's own: its answers stand beside the cases, and its command is asked if it is
here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.amounts import amount
from tests.convert import peers
from tests.convert.kyverno import mutating

FILES = mutating.files()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_converted_policies_make_what_kyverno_makes(file: Path) -> None:
    """Where they do not, the case says why, and says so truly."""
    theirs = mutating.answers(file)
    written = mutating.cases(file)
    assert [each.name for each in written] == list(theirs)
    wrong = []
    for one in written:
        found = mutating.compared(one, theirs[one.name])
        wanted = "differs" if one.differs else "refused" if one.refused else "agrees"
        wrong += [
            f"{one.name} [{each.index}]: {each.result}: {each.text}"
            for each in found
            if each.result not in (wanted, "agrees")
        ]
        if not any(each.result == wanted for each in found):
            wrong.append(f"{one.name}: nothing of it {wanted}")
        wrong += [each.text for each in found if each.result == "refused" and one.refused not in each.text]
    assert wrong == []


def test_there_are_objects_that_change_and_some_that_do_not() -> None:
    given = [one[0] for file in FILES for each in mutating.answers(file).values() for one in each]
    same = sum(each == mutating.SAME for each in given)
    assert len(given) > 240
    assert same > 50
    assert sum(isinstance(each, dict) for each in given) > 150


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_answers_are_those_of_kyverno(file: Path) -> None:
    named = os.environ.get("GATEWRIGHT_TEST_KYVERNO")
    program = Path(named) if named else peers.program("kyverno")
    theirs = mutating.answers(file)
    for one in mutating.cases(file)[: amount(1000, 3)]:
        assert json.loads(json.dumps(mutating.asked(program, one))) == theirs[one.name], one.name
