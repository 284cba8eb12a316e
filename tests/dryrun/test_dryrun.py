"""What check makes of the corpus, against what the API server made of it when it was asked last (recorded.json)."""

from __future__ import annotations

from tests.dryrun.answers import RECORDED, recorded
from tests.dryrun.corpus import files


def test_every_manifest_has_an_answer() -> None:
    manifests = {file.name: [each.name for each in file.manifests] for file in files()}
    answered = {name: list(answers) for name, answers in recorded().items()}
    assert answered == manifests, "record the answers anew: python -m tests.e2e.dryrun"


def test_the_corpus_is_large_and_its_answers_are_small() -> None:
    builtin = sum(len(file.manifests) for file in files() if not file.custom)
    assert builtin >= 400
    assert sum(file.custom for file in files()) >= 30
    assert RECORDED.stat().st_size < 1_000_000
