"""The corpus of tests/dryrun, sent to a real API server as a dry run: `gatewright check` makes the same of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dryrun.answers import Answers, recorded
from tests.dryrun.corpus import File, files
from tests.dryrun.known import differing
from tests.e2e.controlplane import started
from tests.e2e.dryrun.recorder import recording
from tests.e2e.dryrun.sending import Kinds, answers, kinds_of


@dataclass(frozen=True, slots=True)
class Server:
    """`builtin`: the kinds of which it makes objects by itself. `answers`: what it makes of the corpus."""

    builtin: Kinds
    answers: Answers


@pytest.fixture(scope="module")
def server(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("recorder")
    with started(assets, service_accounts=True) as cluster, recording(folder) as recorder:
        builtin = kinds_of(cluster.client())
        yield Server(builtin, answers(cluster, recorder, files()))


def test_the_corpus_has_every_built_in_kind(server: Server) -> None:
    corpus = {
        (manifest.value["apiVersion"], manifest.value["kind"])
        for file in files()
        for manifest in file.manifests
        if server.answers[file.name][manifest.name].refusal is None
    }
    assert server.builtin.keys() - corpus - NEVER_ACCEPTED == set()


NEVER_ACCEPTED = {
    ("v1", "Binding"),  # of a Pod that is there
    ("certificates.k8s.io/v1", "PodCertificateRequest"),  # of a Pod that is there, with a proof of its key
}


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_check_makes_of_a_manifest_what_the_server_makes_of_it(server: Server, file: File) -> None:
    assert differing(file, server.answers[file.name]) == {}


def test_the_recorded_answers_are_those_of_the_server(server: Server) -> None:
    assert recorded() == server.answers, "record them anew: python -m tests.e2e.dryrun"
