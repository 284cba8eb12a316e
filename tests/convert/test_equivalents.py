"""docs/equivalents.md names policies that ship."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_policies_that_stand_for_other_tools_checks_ship() -> None:
    text = (ROOT / "docs" / "equivalents.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.rstrip(" |").rpartition("|")[2])}
    assert len(named) > 20
    assert named - {folder.name for folder in (ROOT / "policies").iterdir()} == set()
