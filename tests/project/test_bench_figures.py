"""The table at the end of `make bench`, and its JSON: each figure with its bound, and whether it was reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import compare, figures


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


def test_runs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(**values: float) -> dict[str, dict[str, object]]:
        bounds = {
            "slower": {"at_most": 9.0},
            "spread": {"at_most": 9.0},
            "less": {"at_least": 0.5},
            "more": {"at_least": 0.5},
        }
        monkeypatch.setattr(figures, "_FOUND", [])
        return {
            name: figures.keep(
                name, value, "x", **bounds.get(name, {}), rounds=[value - 0.2, value + 0.2] if name == "spread" else ()
            )
            for name, value in values.items()
        }

    before = run(slower=2.0, spread=2.0, less=0.8, more=0.7, free=1.0, equal=1.0, gone=1.0)
    after = run(slower=2.1, spread=2.1, less=0.7, more=0.8, free=2.0, equal=1.02, new=3.0)
    assert [f"{change}: {line}" for change, line in compare.compared(before, after)] == [
        "worse: slower: 2.00x to 2.10x (+5.0 %)",
        "within the spread: spread: 2.00x to 2.10x (+5.0 %)",
        "worse: less: 0.80x to 0.70x (-12.5 %)",
        "better: more: 0.70x to 0.80x (+14.3 %)",
        "other: free: 1.00x to 2.00x (+100.0 %)",
        "same: equal: 1.00x to 1.02x (+2.0 %)",
        "gone: gone: 1.00x",
        "new: new: 3.00x",
    ]
    assert compare.compared(before, after, threshold=6)[0][0] == "same"
