"""A review under thirty policies in the idiom of public libraries (bench/idioms.py), beside one under the four.

Three servers answer the same reviews in turns, over TLS: the recorded ones, and a Deployment that all thirty policies
match, once allowed by all and once denied by nine. The figure is the server's CPU time a request, client excluded. The
same for two workers beside one, and the memory of an idle replica with the four.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import idioms
from bench.figures import figure
from bench.servers import ROUNDS, Call, certificate, free_port, measured, recorded, running, with_children
from bench.startup import FOUR, POLICIES

IDLE = 4.0  # seconds after which a server is idle


def review(*, right: bool) -> dict[str, Any]:
    """An AdmissionReview that creates `idioms.deployment`."""
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "uid": "1", "groups": ["system:authenticated"]},
        "object": idioms.deployment(right=right),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def trees(folder: Path) -> tuple[Path, Path]:
    """Folders with the four policies, and with the thirty."""
    four, thirty = folder / "four", folder / "thirty"
    for name in FOUR:
        shutil.copytree(POLICIES / name, four / name)
    thirty.mkdir()
    idioms.generate(thirty)
    return four, thirty


@contextmanager
def serving(folder: Path, tree: Path, workers: int = 1) -> Iterator[tuple[int, int]]:
    """The pid and the port of a server of this tree."""
    crt, key = certificate(folder)
    port, plain = free_port(), free_port()
    command = [sys.executable, "-c", "from webhook.cli.main import main; main()", "serve", "--policies", str(tree)]
    command += ["--tls-cert", str(crt), "--tls-key", str(key), "--port", str(port), "--plain-port", str(plain)]
    with running([*command, "--workers", str(workers)], port) as pid:
        yield pid, port


def resident(pid: int) -> float:
    """The resident memory of a process, in MB of 2 to the 20 bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        four, thirty = trees(folder)
        calls: dict[str, list[Call]] = {"recorded reviews": [("/validate", file) for file in recorded("validate")]}
        for name, right in (("allowed", True), ("denied", False)):
            file = folder / f"{name}.json"
            file.write_text(json.dumps(review(right=right)))
            calls[f"a Deployment, {name}"] = [("/validate", file)]
        print("reviews: CPU of the server a request over TLS, thirty policies as public libraries have them\n")
        with serving(folder, four) as few, serving(folder, thirty) as many:
            time.sleep(IDLE)
            memory = resident(few[0])
            for name, sent in calls.items():
                rounds = [(measured(*few, sent)["micros"], measured(*many, sent)["micros"]) for _ in range(ROUNDS)]
                both = [statistics.median(each) for each in zip(*rounds, strict=True)]
                print(f"  {name}: four {both[0]:.1f} µs, thirty {both[1]:.1f} µs")
                ratios = [thirty / four for four, thirty in rounds]
                what = f"thirty policies beside the four, {name}"
                figure(what, statistics.median(ratios), "x", at_most=2.5, rounds=ratios)
        figure("memory of an idle replica with the four, MiB", memory, at_most=70)
        sent = calls["recorded reviews"]
        with serving(folder, four) as one, serving(folder, four, 2) as two:
            time.sleep(IDLE)
            rounds = [
                (measured(*one, sent)["micros"], measured(*two, sent, with_children)["micros"]) for _ in range(ROUNDS)
            ]
        # The client needs a core too, so what is measured is what two workers take of two cores, not how fast they are.
        ratios = [2 * a / b for a, b in rounds]
        what = "CPU of a review with one worker to that with two, twice"
        figure(what, statistics.median(ratios), "x", at_least=1.8, rounds=ratios)


if __name__ == "__main__":
    main()
