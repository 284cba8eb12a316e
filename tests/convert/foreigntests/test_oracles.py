"""The foreign tests among the sources pass in the commands that they are written for: Kyverno's, and gator."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.convert import peers
from tests.convert.converted import SOURCES
from tests.timing import HANGING

REFUSED = "kyverno/refused"
"""Policies that Kyverno's command refuses, or panics on."""
KYVERNO = sorted({str(each.relative_to(SOURCES).parent) for each in SOURCES.rglob("kyverno-test.yaml")} - {REFUSED})
IN_REGO = ("gatekeeper/defaults/suite.yaml", "gatekeeper/known/suite.yaml")
"""Suites of constraints whose templates are in Rego, and not among the sources."""
GATOR = sorted({str(each.relative_to(SOURCES)) for each in SOURCES.rglob("suite.yaml")} - {*IN_REGO})

NAMED = {
    # Kyverno's command finds no params of a policy in CEL: "paramRef.namespace must not be provided".
    ("validate-cel-params", "said"),
    ("validate-cel-params", "none"),
    # What is missing on both sides of || is nothing for Kyverno. Here it is an error.
    ("tier-or-team", "none"),
}
"""Policy and resource of the results that are not Kyverno's."""


@pytest.mark.parametrize("folder", KYVERNO)
def test_kyverno_takes_the_tests_for_passed(folder: str, tmp_path: Path) -> None:
    # The file's own folder alone: the command goes through the folders below it too.
    command = [str(peers.program("kyverno")), "test", str(SOURCES / folder), "--remove-color", "--fail-only"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGING, cwd=tmp_path, check=False)
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if line.startswith("│ ")
    ]
    failed = [row for row in rows if row[0].isdecimal() and (row[1], row[3].rpartition("/")[2]) not in NAMED]
    assert failed == []
    assert "tests failed" in done.stdout, done.stderr[-600:]


@pytest.mark.parametrize("suite", GATOR)
def test_gator_takes_the_suites_for_passed(suite: str, tmp_path: Path) -> None:
    command = [str(peers.program("gatekeeper")), "verify", str(SOURCES / suite)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGING, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
