"""What Gatekeeper answers about the policies of the corpus, our converted ones answer too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.convert.gatekeeper import asked
from tests.convert.gatekeeper.corpora import FILES, REFUSED, called, ours, read
from tests.convert.gatekeeper.named import NAMED
from webhook.convert.model import Outcome


def said(outcomes: list[Outcome]) -> Iterator[str]:
    """What a conversion says of differences and of what is not converted."""
    for each in outcomes:
        yield from (note.message for note in (*each.refused, *each.differences))


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.stem)
def test_ours_answer_as_gatekeeper_did(file: Path) -> None:
    corpus = read(file)
    found, outcomes = ours(corpus)
    named = NAMED.get(corpus.name, {})
    differing = list(asked.differences(corpus.recorded(), found))
    unnamed = [each for each in differing if not any(each.startswith(f"{policy}: ") for policy in named)]
    assert unnamed == []
    stale = [policy for policy in named if not any(each.startswith(f"{policy}: ") for each in differing)]
    assert stale == [], "what is named as a difference is none"
    texts = list(said(outcomes))
    for policy, reason in named.items():
        assert any(reason in each for each in texts), f"the report says of {policy}: {reason}"


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.stem)
def test_the_answers_are_about_all_policies_of_the_file(file: Path) -> None:
    corpus = read(file)
    answers = corpus.recorded()
    assert set(answers) == {called(each) for each in corpus.asked}
    names = {name for answer in answers.values() if answer != REFUSED for name in answer}
    assert names <= set(corpus.objects)


def test_the_corpus_is_large() -> None:
    """At least 80 policies, and Gatekeeper takes most of them."""
    answers = [answer for file in FILES for answer in read(file).recorded().values()]
    assert len(answers) >= 150
    assert sum(each != REFUSED for each in answers) > len(answers) * 3 / 4


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.stem)
def test_gatekeeper_answers_so(file: Path) -> None:
    corpus = read(file)
    assert asked.theirs(corpus, []) == corpus.recorded()


def test_gatekeepers_command_passes_our_suites() -> None:
    assert [said for _, said in asked.suites() if said] == []
