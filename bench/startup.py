"""The cost of a start: the CPU of whole processes, user and system, as getrusage counts children.

Processes run in turns, and the least of each counts: work beside them only adds to it.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import yaml

from bench.deployment import DEPLOYMENT
from bench.figures import keep

ROUNDS = 10
POLICIES = Path(__file__).parents[1] / "policies"
FOUR = ("no-host-path", "replica-bounds", "protocol-whitelist", "finalizer-enforcement")
"""The policies of the first release."""


def cpu(command: list[str], ends: Collection[int] = (0,)) -> float:
    """The CPU time of a command, in ms. Raises if it ends with another code than these."""
    # As most users have it: Python keeps what it has compiled.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
    if ended.returncode not in ends:
        raise subprocess.CalledProcessError(ended.returncode, command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(scratch, "deployment.yaml")
        manifest.write_text(yaml.safe_dump({**DEPLOYMENT, "metadata": {"name": "web", "namespace": "shop"}}))
        four = Path(scratch, "four")
        for name in FOUR:
            shutil.copytree(POLICIES / name, four / name)
        gatewright = [sys.executable, "-m", "webhook.cli.main"]
        check = [*gatewright, "check", str(manifest), "--policies"]
        # name -> command, and the most that is wanted, if anything is
        rows: dict[str, tuple[list[str], float | None]] = {
            "python -c pass": ([sys.executable, "-c", "pass"], None),
            "import gatewright, without that": ([sys.executable, "-c", "import gatewright"], 30),
            "gatewright --help, without that": ([*gatewright, "--help"], 100),
            "check, one manifest, one policy in CEL": ([*check, str(POLICIES / "no-host-path")], None),
            "check, one manifest, four, without that": ([*check, str(four)], 150),
            "check, one manifest, the shipped policies": ([*check, str(POLICIES)], 300),
        }
        found: dict[str, list[float]] = {name: [] for name in rows}
        for number in range(ROUNDS + 1):
            for name, (command, _) in rows.items():
                took = cpu(command)
                if number:  # the first round compiles what has changed, and warms the file cache
                    found[name].append(took)
    least = {name: min(times) for name, times in found.items()}
    start = least["python -c pass"]
    for name in rows:
        if name.endswith("without that"):
            least[name] -= start

    print(f"start: CPU of whole processes in turn, the least of {ROUNDS}\n")
    for name, (_, wanted) in rows.items():
        print(f"  {name:42} {least[name]:5.0f} ms{f'   wanted: at most {wanted:.0f} ms' if wanted else ''}")
        keep(f"CPU of {name}", least[name], "ms", at_most=wanted)
    print()
