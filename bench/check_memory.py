"""`gatewright check` of 10,000 manifests beside 1,000: memory, which a file bounds and not the tree, and CPU.

Whole processes in turn; CPU is user and system, the least of ROUNDS; memory the most that one process had resident.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import check_manifests
from bench.figures import figure
from bench.findings import measured

SIZES = (1_000, 10_000)
ROUNDS = 3


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        seconds: dict[tuple[int, int], float] = {}
        memory: dict[tuple[int, int], float] = {}
        for count in SIZES:
            folder = Path(scratch, str(count))
            folder.mkdir()
            check_manifests.generate(folder, count)
        for _ in range(ROUNDS):
            for count in SIZES:
                for jobs in (1, 2):
                    check = [sys.executable, "-m", "webhook.cli.main", "check", "--jobs", str(jobs)]
                    check += ["--policies", str(check_manifests.POLICIES), str(Path(scratch, str(count)))]
                    took, most, _ = measured(check, (0,))
                    key = count, jobs
                    seconds[key] = min(took, seconds.get(key, took))
                    memory[key] = max(most, memory.get(key, most))
    few, many = SIZES
    print(f"check of {few:,} and of {many:,} manifests, the shipped policies: whole processes, {ROUNDS} rounds\n")
    for (count, jobs), took in sorted(seconds.items()):
        print(f"  {count:6,} manifests, --jobs {jobs}: {took:6.2f} s {memory[count, jobs]:6.0f} MB")
    print()
    beside = f"check of {many:,} manifests beside {few:,}"
    for jobs in (1, 2):
        more = memory[many, jobs] / memory[few, jobs]
        figure(f"memory of {beside}, --jobs {jobs}", more, "x", at_most=1.3)
    figure(f"CPU of {beside}", seconds[many, 1] / seconds[few, 1], "x", at_most=10.5)
    figure(f"CPU of check of {many:,} manifests with two jobs, beside one", seconds[many, 2] / seconds[many, 1], "x")
