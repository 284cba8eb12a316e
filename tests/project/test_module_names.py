"""Modules of one name in different rooms, only where it says the same of each, so that a name leads to its subject."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

WEBHOOK = Path(__file__).parents[2] / "webhook"

ROLES = """
declared declaring generate inputs loading measuring model mutating problems reading recording rules running sending
sources spans standard standing stopping view writing
"""
"""What a module does in its room: `reading` reads the room's data, `model` has its types."""

SUBJECTS = """
access autoscaling baseline celpolicies changes conditions discovery exceptions exchange exempting expressions
fieldpaths fields files github gitlab images jsonpatches kinds lookups manifests match matching messages metadata names
native optionals params patching pods reference roles scheduling startup storage structs values versions
"""
"""What both rooms have their part of: the validation and the defaults of Pods, the command on exceptions and what they
are, the lint rules about matching and matching itself."""


def repeated(folder: Path) -> set[str]:
    """The names of two modules or more."""
    names = Counter(path.stem for path in folder.rglob("*.py") if path.name != "__init__.py")
    return {name for name, count in names.items() if count > 1}


def test_a_name_is_repeated_only_where_it_says_the_same() -> None:
    allowed = {*ROLES.split(), *SUBJECTS.split()}
    assert repeated(WEBHOOK) - allowed == set(), "give the newer module a name of its own, or name it here"
    assert allowed - repeated(WEBHOOK) == set(), "no longer repeated"


@pytest.mark.parametrize(("files", "found"), [(("a/one", "b/one", "b/two"), {"one"}), (("a/one", "b/two"), set())])
def test_a_repeated_name_is_found(tmp_path: Path, files: tuple[str, ...], found: set[str]) -> None:
    for file in (*files, "a/__init__", "b/__init__"):
        path = tmp_path / f"{file}.py"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert repeated(tmp_path) == found
