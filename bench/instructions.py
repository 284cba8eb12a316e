"""Instructions of a review in the engine, counted by valgrind's callgrind: a busy machine does not change them.

Each run is a process that loads a tree, and has its instructions counted from then on. Without valgrind nothing is
measured. What these counts leave out is waiting for memory: compare them with times on an idle machine, once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import idioms
from bench.deployment import DEPLOYMENT
from bench.figures import figure
from bench.reviews import trees

REVIEWS = 100
POLICIES30 = Path(__file__).parent / "policies30"


def counted(tree: Path, what: str) -> float:
    """The instructions of a review of an object under a policy tree. what: see `measured`."""
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "bench.instructions", str(tree), what]
    run = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        timeout=600,
    )
    found = re.search(r"Collected : (\d+)", run.stderr)
    if found is None:
        raise SystemExit(f"callgrind counted nothing:\n{run.stderr}")
    return int(found[1]) / REVIEWS


def measured(tree: str, what: str) -> None:
    """Review an object REVIEWS times while callgrind counts.

    what: "allowed" and "denied" by the policies of `idioms`, or an "ordinary" Deployment.
    """
    import gc

    from webhook.admission import engine
    from webhook.cluster.manifestsview import ManifestsView
    from webhook.policy.load.loading import load
    from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request

    value = DEPLOYMENT if what == "ordinary" else idioms.deployment(right=what == "allowed")
    policies = load(tree)
    policies.prepare()
    cluster = ManifestsView(policies.objects, assume_namespaces=True)
    kind, resource = GroupVersionKind("apps", "v1", "Deployment"), GroupVersionResource("apps", "v1", "deployments")

    def reviewed() -> None:
        request = Request(
            operation="UPDATE",
            resource=resource,
            kind=kind,
            name="checkout",
            namespace="shop",
            object=value,
            old_object=value,
        )
        if engine.validate(request, policies, cluster).allowed != (what != "denied"):
            raise SystemExit(f"the verdict on {what} is another")

    for _ in range(5):
        reviewed()
    gc.collect()
    gc.disable()
    subprocess.run(["callgrind_control", "-i", "on", str(os.getpid())], check=True, capture_output=True)
    for _ in range(REVIEWS):
        reviewed()
    os._exit(0)  # what Python does at its end is no review


def main() -> None:
    print(f"Instructions of a review in the engine, by callgrind, mean of {REVIEWS}\n")
    if shutil.which("valgrind") is None:
        print("  valgrind is not installed: not measured\n")
        return
    with tempfile.TemporaryDirectory() as scratch:
        four, thirty = trees(Path(scratch))
        rows = {
            "the four": counted(four, "ordinary"),
            "30 ordinary policies, 15 match": counted(POLICIES30, "ordinary"),
            "30 policies as libraries have them, allowed": counted(thirty, "allowed"),
            "30 policies as libraries have them, denied": counted(thirty, "denied"),
        }
    for name, count in rows.items():
        print(f"  {name:44} {count:12,.0f}")
    print()
    base = rows.pop("the four")
    for name, count in rows.items():
        figure(f"instructions of a review, {name}, to those with the four", count / base, "x")


if __name__ == "__main__":
    measured(*sys.argv[1:])
