"""The figures that benchmarks promise: each a line with its bound and the machine's load, and all of them as JSON.

`make bench BENCH_JSON=FILE` writes what was printed.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

_FOUND: Final[list[dict[str, Any]]] = []

Unit = Literal["", "x", "ms", "MB", "kB"]
"""What a figure is in: a share or a plain number, a ratio, or a measure."""


def figure(
    name: str, value: float, unit: Unit = "", *, at_most: float | None = None, at_least: float | None = None
) -> None:
    """Print a figure beside what is wanted of it, and keep it for `write`."""
    load = os.getloadavg()[0]
    bound = at_most if at_most is not None else at_least
    met = None if bound is None else value <= bound if at_most is not None else value >= bound
    wanted = "no promise"
    if bound is not None:
        wanted = f"wanted: {'at most' if at_most is not None else 'at least'} {_text(bound, unit)}"
    print(f"  {name}: {_text(value, unit)} ({wanted}; load {load:.1f}){'' if met in (None, True) else '  NOT MET'}\n")
    bounds = {"atMost": at_most, "atLeast": at_least}
    _FOUND.append({"name": name, "value": value, "unit": unit, **bounds, "met": met, "load": load})


def write(file: Path) -> None:
    """Write all figures that were printed, with the machine that they are of."""
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "time": datetime.now(UTC).isoformat()}
    file.write_text(json.dumps({"machine": machine, "figures": _FOUND}, indent=2) + "\n")


def _text(value: float, unit: Unit) -> str:
    return f"{value:.2f}{'' if unit in ('', 'x') else ' '}{unit}"
