"""Policies that `gatewright convert` makes, applied to a real API server: it takes them as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import SOURCES
from tests.convert.gatekeeper.corpora import FILES
from tests.e2e.controlplane import ControlPlane
from webhook.convert import whole

FOLDERS = sorted(
    str(folder.relative_to(SOURCES)) for dialect in SOURCES.iterdir() for folder in dialect.iterdir() if folder.is_dir()
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_server_takes_what_is_converted(cluster: ControlPlane, folder: str, tmp_path: Path) -> None:
    """Also their cost, which the server estimates."""
    found = whole.convert([str(SOURCES / folder)], tmp_path / "tree")
    files = [str(each) for each in found.written if each.name in ("policy.yaml", "binding.yaml")]
    if not files:
        return
    named = [argument for file in files for argument in ("--filename", file)]
    applied = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *named)
    assert applied.stdout.count("(server dry run)") >= len(files)
    assert applied.stderr == ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_server_takes_what_is_converted_of_the_corpus(cluster: ControlPlane, file: Path, tmp_path: Path) -> None:
    """What the tests hold against Gatekeeper's answers is a policy in a cluster too."""
    found = whole.convert([str(file)], tmp_path / "tree")
    files = [str(each) for each in found.written if each.name in ("policy.yaml", "binding.yaml")]
    assert files
    named = [argument for file in files for argument in ("--filename", file)]
    applied = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *named)
    assert applied.stdout.count("(server dry run)") >= len(files)
    assert applied.stderr == ""
