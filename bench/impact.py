"""`gatewright impact` over 10,000 manifests and 30 policies of which one changed, in comparison with `check`.

Both run as whole processes, in turn, and user and system time count: start-up, loading of policies and the report are
part of it. The change is of the params of a policy that a third of the objects match, so that each of these differs:
the most that one policy can cost.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.check_manifests import generate
from bench.figures import keep

MANIFESTS = (1_000, 10_000)
ROUNDS = 3
POLICIES = Path(__file__).parent / "policies30"
CHANGED = ("registries.policy.yaml", "registry.example.com/,", "")
"""The file that changes, a text in it, and what stands there instead."""


_MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Runs a command from a small process: the memory of a child counts from that of the process which starts it."""


def used(command: list[str]) -> tuple[float, int]:
    """The CPU seconds and the memory (KiB, at most at once) of a command, which may fail with 1."""
    done = subprocess.run([sys.executable, "-c", _MEASURED, *command], check=True, capture_output=True, text=True)
    code, seconds, memory = done.stdout.split()
    if code not in ("0", "1"):
        sys.exit(f"{' '.join(command)} ended with {code}")
    return float(seconds), int(memory)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        new = Path(scratch, "new")
        shutil.copytree(POLICIES, new)
        file, old_text, new_text = CHANGED
        text = (new / file).read_text()
        if old_text not in text:
            sys.exit(f"{file} does not have {old_text!r}")
        (new / file).write_text(text.replace(old_text, new_text))
        command = [sys.executable, "-m", "webhook.cli.main"]
        seconds: dict[tuple[str, int], float] = {}
        memory: dict[tuple[str, int], float] = {}
        for count in MANIFESTS:
            folder = Path(scratch, str(count))
            folder.mkdir()
            generate(folder, count)
            commands = {
                "check": [*command, "check", "--policies", str(POLICIES), str(folder)],
                "impact": [*command, "impact", "--old", str(POLICIES), "--new", str(new), str(folder)],
            }
            rounds = [{name: used(each) for name, each in commands.items()} for _ in range(ROUNDS)]
            for name in commands:
                seconds[name, count] = statistics.median(each[name][0] for each in rounds)
                memory[name, count] = statistics.median(each[name][1] for each in rounds) / 1024
    few, many = MANIFESTS
    print(
        f"impact: {many:,} manifests, 30 policies of which one changed; whole processes in turn, median of {ROUNDS}\n"
    )
    for (name, count), value in seconds.items():
        print(f"  gatewright {name:7} {count:6,} manifests  {value:7.2f} s of CPU  {memory[name, count]:7.0f} MiB")
    print(f"\n  CPU of impact to that of check {seconds['impact', many] / seconds['check', many]:.2f}x")
    print("  wanted: at most 1.3x")
    print(f"  memory of impact, {many:,} to {few:,} manifests {memory['impact', many] / memory['impact', few]:.2f}x")
    print("  wanted: at most 2x\n")
    ratio = seconds["impact", many] / seconds["check", many]
    keep(f"CPU of impact over {many} manifests, beside check", ratio, "x", at_most=1.3)
    ratio = memory["impact", many] / memory["impact", few]
    keep(f"memory of impact, {many} manifests to {few}", ratio, "x", at_most=2)
    for what, found, wanted in (("CPU", seconds, 10.5), ("memory", memory, 1.3)):
        keep(
            f"{what} of check, {many} manifests to {few}",
            found["check", many] / found["check", few],
            "x",
            at_most=wanted,
        )
