"""The corpus of tests/dryrun, sent to a real API server as a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dryrun.answers import Answers, recorded
from tests.dryrun.corpus import files
from tests.e2e.controlplane import started
from tests.e2e.dryrun.recorder import recording
from tests.e2e.dryrun.sending import answers


@pytest.fixture(scope="module")
def answered(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    folder = tmp_path_factory.mktemp("recorder")
    with started(assets, service_accounts=True) as cluster, recording(folder) as recorder:
        yield answers(cluster, recorder, files())


def test_the_recorded_answers_are_those_of_the_server(answered: Answers) -> None:
    assert recorded() == answered, "record them anew: python -m tests.e2e.dryrun"
