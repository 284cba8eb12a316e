"""Checks the code's coverage after `make coverage`: fails below the floors.

`python -m tests.floor` reads the data that pytest-cov left (.coverage), and prints the files with the least.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coverage import Coverage

ALL = 95.0
"""Percent of lines and branches, of all files together."""

EACH = 85.0
"""Percent of lines and branches, of each file."""

LOWER: dict[str, tuple[float, str]] = {}
"""Files that have a floor below EACH: percent, and the reason. Such a floor goes up only."""

SHOWN = 12


def shortfalls(total: float, files: dict[str, float], lower: dict[str, tuple[float, str]] = LOWER) -> list[str]:
    """What is below its floor, and the lower floors that are not needed, one line each.

    total, and the values of files: percent. A floor of a file that is not in files is not needed.
    """
    found = [f"all files: {total:.1f} %, expected {ALL:.0f} %"] if total < ALL else []
    for file, covered in sorted(files.items()):
        floor, _ = lower.get(file, (EACH, ""))
        if covered < floor:
            found.append(f"{file}: {covered:.1f} %, expected {floor:.0f} %")
    return found + [
        f"{file}: reaches {EACH:.0f} % or is gone; remove it from LOWER in tests/floor.py"
        for file in sorted(lower)
        if files.get(file, EACH) >= EACH
    ]


def measured() -> dict[str, Any]:
    """The report of the last run, as coverage's JSON has it."""
    coverage = Coverage()
    coverage.load()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        stdout, sys.stdout = sys.stdout, io.StringIO()
        try:
            coverage.json_report(outfile=str(file))
        finally:
            sys.stdout = stdout
        report: dict[str, Any] = json.loads(file.read_bytes())
    return report


def main() -> int:
    report = measured()
    files = {name: each["summary"]["percent_covered"] for name, each in report["files"].items()}
    total = report["totals"]["percent_covered"]
    for name in sorted(files, key=lambda name: files[name])[:SHOWN]:
        lines = report["files"][name]["missing_lines"]
        print(f"{files[name]:5.1f} %  {name}  not run: {', '.join(map(str, lines[:20]))}{', …' if lines[20:] else ''}")
    print(f"{total:5.1f} %  of all lines and branches of {len(files)} files")
    below = shortfalls(total, files)
    for line in below:
        print(f"too little is tested: {line}", file=sys.stderr)
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
