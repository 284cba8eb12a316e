"""Every foreign policy among the sources is converted or named; its own tests pass, or are named with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import SOURCES
from webhook.convert import whole

FOLDERS = sorted(
    str(folder.relative_to(SOURCES)) for dialect in SOURCES.iterdir() for folder in dialect.iterdir() if folder.is_dir()
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_tests_of_the_sources_pass(folder: str, tmp_path: Path) -> None:
    found = whole.convert([str(SOURCES / folder)], tmp_path / "tree")
    assert found.outcomes
    assert [str(each) for each in found.problems] == []
    notes = [str(each) for each in found.notes]
    refused = [str(note) for each in found.outcomes for note in (*each.refused, *each.unfinished)]
    expected = SOURCES / folder / "expected.txt"
    wanted = expected.read_text().splitlines() if expected.exists() else []
    prefix = f"{SOURCES / folder}/"
    failing = [
        f"{each.name}: {test.name}: {test.reason}" for each in found.outcomes for test in each.tests if not test.passed
    ]
    assert [line.replace(prefix, "") for line in refused + failing + notes] == wanted
    tested = [each for each in found.outcomes if each.policies]
    untested = [each.name for each in tested if not each.tests]
    assert untested == [], "each policy among the sources has tests of its own"


def test_the_sources_are_many() -> None:
    """At least 60 policies are written in the foreign dialects."""
    count = sum(
        text.count("\nkind: ") - text.count("kind: Test")
        for file in SOURCES.rglob("polic*.yaml")
        for text in [f"\n{file.read_text()}"]
    )
    assert count >= 60
