"""What check makes of the corpus, against what the API server made of it when it was asked last (recorded.json)."""

from __future__ import annotations

import pytest

from tests.dryrun.answers import RECORDED, recorded
from tests.dryrun.comparing import said
from tests.dryrun.corpus import File, files
from tests.dryrun.known import OUT_OF_SCOPE, differing, out_of_scope

ANSWERS = recorded()


def test_every_manifest_has_an_answer() -> None:
    manifests = {file.name: [each.name for each in file.manifests] for file in files()}
    answered = {name: list(answers) for name, answers in ANSWERS.items()}
    assert answered == manifests, "record the answers anew: python -m tests.e2e.dryrun"


def test_the_corpus_is_large_and_its_answers_are_small() -> None:
    builtin = sum(len(file.manifests) for file in files() if not file.custom)
    assert builtin >= 400
    assert sum(file.custom for file in files()) >= 30
    assert RECORDED.stat().st_size < 1_000_000


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_check_makes_of_a_manifest_what_the_server_makes_of_it(file: File) -> None:
    assert differing(file, ANSWERS[file.name]) == {}


def test_what_is_out_of_scope_is_in_the_corpus_and_is_little() -> None:
    found = [
        name
        for answers in ANSWERS.values()
        for answer in answers.values()
        if answer.refusal is not None
        for text in said(answer.refusal)
        for name in out_of_scope(answer.refusal, text)
    ]
    assert set(found) == set(OUT_OF_SCOPE)
    assert len(set(found)) < 20
