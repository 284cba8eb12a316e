"""`gatewright check` where much fails, in comparison with yaml.CSafeLoader reading the same files: time and memory.

The policies are those of `python -m bench load`: three variables, guards, a messageExpression. None of the images that
the manifests name comes from their registries, so that each Deployment fails for a quarter of them, and its Pod for
another. CPU of whole processes, user and system; memory is the most that was resident.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import check_manifests, load_tree
from bench.figures import keep

# manifests, policies, and what is wanted: the most times the CPU of CSafeLoader, and MB
SIZES = ((1000, 30, 2.5, None), (5000, 60, 5.0, 200.0))

_MEASURED = """
import json, resource, subprocess, sys
output = subprocess.PIPE if sys.argv[2] == "count" else subprocess.DEVNULL
ended = subprocess.run(json.loads(sys.argv[1]), stdout=output)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = ended.stdout.count(b'"rule":') if ended.stdout else 0
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, found, ended.returncode]))
"""


def measured(command: list[str], ends: tuple[int, ...], *, count: bool = False) -> tuple[float, float, int]:
    """CPU seconds of a command, the MB that it had resident, and the findings that it wrote. Raises if it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    # In a process between, which counts no other children.
    asked = [sys.executable, "-c", _MEASURED, json.dumps(command), "count" if count else ""]
    run = subprocess.run(asked, check=True, env=environment, capture_output=True)
    seconds, memory, found, code = json.loads(run.stdout)
    if code not in ends:
        raise subprocess.CalledProcessError(code, command)
    return seconds, memory, found


def main() -> None:
    print("Findings: CPU of whole processes, one run each, and the most memory\n")
    for manifests, policies, wanted, most in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            tree, files = Path(scratch, "tree"), Path(scratch, "files")
            tree.mkdir()
            files.mkdir()
            load_tree.generate(tree, policies)
            check_manifests.generate(files, manifests)
            check = [sys.executable, "-m", "webhook.cli.main", "check", "--policies", str(tree), str(files)]
            reading, _, _ = measured([sys.executable, "-c", check_manifests.LOAD, str(files)], (0,))
            _, _, found = measured([*check, "--output", "json"], (1,), count=True)
            took, memory, _ = measured(check, (1,))
        print(f"  {manifests} manifests, {policies} policies, {found} findings")
        print(f"    gatewright check     {took:8.2f} s {memory:8.0f} MB")
        print(f"    yaml.CSafeLoader     {reading:8.2f} s")
        bound = f", {most:.0f} MB" if most is not None else ""
        print(f"    ratio {took / reading:.1f}x; wanted: at most {wanted}x{bound}\n")
        what = f"check of {manifests} manifests, {policies} policies, {found} findings"
        keep(f"CPU of {what}, beside CSafeLoader", took / reading, "x", at_most=wanted)
        if most is not None:
            keep(f"memory of {what}", memory, "MB", at_most=most)
