"""The table at the end of `make bench`, and its JSON: each figure with its bound, and whether it was reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import figures


def test_figures_are_told_with_their_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_FOUND", [])
    monkeypatch.setattr(figures, "_TOOK", {})
    figures.keep("start", 151, "ms", at_most=150)
    figures.keep("beside another", 0.7, at_least=0.65, rounds=[0.72, 0.7, 0.66])
    figures.keep("of nothing promised", 3, "x")
    figures.took("short", 2)
    figures.took("long", 118)
    assert figures.table().splitlines() == [
        "figure                got  wanted             reached",
        "start           151.00 ms  at most 150.00 ms  NO",
        "beside another       0.70  at least 0.65      yes",
        "",
        "1 of 2 reached",
        "2.0 minutes; seconds: long 118, short 2",
    ]
    figures.write(tmp_path / "figures.json")
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [each["met"] for each in written["figures"]] == [False, True, None]
    assert written["figures"][1]["rounds"] == [0.66, 0.72]
    assert written["seconds"] == {"short": 2, "long": 118}
