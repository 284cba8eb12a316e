"""Two runs of `make bench` side by side: which figures got worse, and which better, by more than a share.

    python -m bench.compare BEFORE.json AFTER.json [--threshold 3]

The files are what BENCH_JSON names. A figure without a bound has no better side: it is listed, but not judged. Where
both runs kept rounds and these overlap, the difference is within the spread. The exit code is 1 if a figure got worse.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final, Literal

from bench.figures import text

THRESHOLD: Final = 3.0
"""Percent that figures may differ by and still count as the same."""

Change = Literal["worse", "better", "within the spread", "same", "other", "new", "gone"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="percent; 3 unless given")
    given = parser.parse_args()
    found = compared(_figures(given.before), _figures(given.after), given.threshold)
    for change, line in found:
        if change != "same":
            print(f"{change:18} {line}")
    counts = {each: sum(change == each for change, _ in found) for each in ("worse", "better", "same")}
    print(f"\n{len(found)} figures: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    raise SystemExit(1 if counts["worse"] else 0)


def compared(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], threshold: float = THRESHOLD
) -> list[tuple[Change, str]]:
    """Each figure of either run, by name: what became of it, and a line that says from what to what."""
    found: list[tuple[Change, str]] = []
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            only = new or old or {}
            found.append(("gone" if new is None else "new", f"{name}: {text(only['value'], only['unit'])}"))
            continue
        percent = 100 * (new["value"] / old["value"] - 1) if old["value"] else 0.0
        line = f"{name}: {text(old['value'], old['unit'])} to {text(new['value'], new['unit'])} ({percent:+.1f} %)"
        found.append((_change(old, new, percent, threshold), line))
    return found


def _change(old: dict[str, Any], new: dict[str, Any], percent: float, threshold: float) -> Change:
    if abs(percent) <= threshold:
        return "same"
    if new["met"] is None:
        return "other"
    if "rounds" in old and "rounds" in new:
        (least, greatest), (low, high) = old["rounds"], new["rounds"]
        if low <= greatest and least <= high:
            return "within the spread"
    return "worse" if (percent > 0) == (new["atLeast"] is None) else "better"


def _figures(file: Path) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(file.read_text())["figures"]}


if __name__ == "__main__":
    main()
