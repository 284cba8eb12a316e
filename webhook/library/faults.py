"""Finds the files of the shipped library that have no faults, for webhook.policy.load.faultless.

`python -m webhook.library.faults` writes the table (`make docs`).
"""

from __future__ import annotations

import json
from pathlib import Path

from webhook.library import catalog
from webhook.policy.load import faultless
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.testfiles import only_tests
from webhook.policy.load.treefiles import VARIANTS, read_tree
from webhook.policy.python.importing import declarations
from webhook.versions import NEWEST, OLDEST, shown

_ROOT = Path(__file__).parents[2]


def table(library: Path) -> str:
    """The text of the table: the digest of each file with policies, and of each with tests only, with the first
    version from which the file has no faults. Leaves out files with a fault in the newest version. Raises
    LibraryError."""
    entries = catalog.entries(library)
    found = {each.folder / catalog.CEL: _since(each.folder / catalog.CEL) for each in entries if each.language == "CEL"}
    for file in sorted(library.glob("*/*.py")):
        if not file.name.startswith(VARIANTS) and not declarations(str(file), file.read_bytes())[1]:
            found[file] = OLDEST[1]
    for file in sorted(library.glob("*/*.yaml")):
        if not file.name.startswith(VARIANTS) and only_tests(file.read_bytes(), trusting=False):
            found[file] = OLDEST[1]
    known = {
        faultless.digest(file.read_bytes()): shown((NEWEST[0], minor))
        for file, minor in found.items()
        if minor <= NEWEST[1]
    }
    return json.dumps(known, indent=0, sort_keys=True) + "\n"


def _since(file: Path) -> int:
    minor = NEWEST[1] + 1
    while minor > OLDEST[1] and _is_faultless(file, minor - 1):
        minor -= 1
    return minor


def _is_faultless(file: Path, minor: int) -> bool:
    try:
        return not load_tree(read_tree(file), (NEWEST[0], minor), trusting=False).warnings
    except PolicyTreeError:
        return False


if __name__ == "__main__":
    faultless.FILE.write_text(table(_ROOT / "policies"), encoding="utf-8")
