"""The figures that benchmarks promise, with their bounds and the machine's load: as lines, as a table, and as JSON.

`make bench BENCH_JSON=FILE` writes what was kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

_FOUND: Final[list[dict[str, Any]]] = []
_TOOK: Final[dict[str, float]] = {}

Unit = Literal["", "x", "%", "µs", "ms", "s", "kB", "MB"]
"""What a figure is in: a share or a plain number, a ratio, or a measure."""


def keep(
    name: str,
    value: float,
    unit: Unit = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    rounds: Sequence[float] = (),
) -> dict[str, Any]:
    """Keep a figure for `table` and `write`. Without a bound, nothing is promised of it.

    rounds: what each round came to, if the figure is their median: the least and the greatest are kept.
    """
    bound = at_most if at_most is not None else at_least
    met = None if bound is None else value <= bound if at_most is not None else value >= bound
    bounds = {"atMost": at_most, "atLeast": at_least}
    found: dict[str, Any] = {
        "name": name,
        "value": value,
        "unit": unit,
        **bounds,
        "met": met,
        "load": os.getloadavg()[0],
    }
    if rounds:
        found["rounds"] = [min(rounds), max(rounds)]
    _FOUND.append(found)
    return found


def figure(
    name: str,
    value: float,
    unit: Unit = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    rounds: Sequence[float] = (),
) -> None:
    """Print a figure beside what is wanted of it, and keep it; see `keep`."""
    found = keep(name, value, unit, at_most=at_most, at_least=at_least, rounds=rounds)
    wanted = f"wanted: {_wanted(found)}" if _wanted(found) else "no promise"
    missed = "  NOT MET" if found["met"] is False else ""
    spread = f"rounds from {min(rounds):.2f} to {max(rounds):.2f}; " if rounds else ""
    print(f"  {name}: {text(value, unit)} ({wanted}; {spread}load {found['load']:.1f}){missed}\n")


def took(benchmark: str, seconds: float) -> None:
    """Keep how long a benchmark took, by the clock."""
    _TOOK[benchmark] = seconds


def table() -> str:
    """The figures that have a bound, each with what was wanted and whether it was reached; how long all of it took."""
    rows = [(each["name"], text(each["value"], each["unit"]), _wanted(each), each["met"]) for each in _FOUND]
    rows = [row for row in rows if row[3] is not None]
    widths = [max([*(len(row[column]) for row in rows), 6]) for column in range(3)]
    lines = [f"{'figure':{widths[0]}}  {'got':>{widths[1]}}  {'wanted':{widths[2]}}  reached"]
    lines += [f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:{widths[2]}}  {'yes' if met else 'NO'}" for a, b, c, met in rows]
    lines.append(f"\n{sum(bool(row[3]) for row in rows)} of {len(rows)} reached")
    spent = ", ".join(f"{name} {seconds:.0f}" for name, seconds in sorted(_TOOK.items(), key=lambda each: -each[1]))
    lines.append(f"{sum(_TOOK.values()) / 60:.1f} minutes; seconds: {spent}")
    return "\n".join(lines)


def write(file: Path) -> None:
    """Write all figures that were kept, with the machine that they are of."""
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "time": datetime.now(UTC).isoformat()}
    seconds = {name: round(each, 1) for name, each in _TOOK.items()}
    file.write_text(json.dumps({"machine": machine, "seconds": seconds, "figures": _FOUND}, indent=2) + "\n")


def _wanted(found: dict[str, Any]) -> str:
    """`at most 2.50x`; empty without a bound."""
    for side, words in (("atMost", "at most"), ("atLeast", "at least")):
        if found[side] is not None:
            return f"{words} {text(found[side], found['unit'])}"
    return ""


def text(value: float, unit: Unit) -> str:
    """A value with its unit, as figures are printed."""
    return f"{value:.2f}{'' if unit in ('', 'x') else ' '}{unit}"
