"""`gatewright serve` in an overload: up to five times as many reviews arrive as it can answer.

Reviews of a millisecond or so arrive at a rate, whether others are answered or not, from clients with addresses of
their own, each in its own process. First the capacity is found, then the times of answers at half of it, then those of
what is accepted at five times the capacity. Then one client with 400 connections sends as fast as it can, beside one
that sends a review at a time.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import keep
from bench.overloading import POLICY
from bench.servers import ROOT, certificate, cpu_seconds, free_port, running

SECONDS = 10.0
SETTLE = 1.0  # seconds in which the server finds out; what it accepts in these is shown apart
TIMES = 5
CLIENTS = 3


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        crt, key = certificate(folder)
        tree = folder / "policies"
        tree.mkdir()
        (tree / "policy.yaml").write_text(POLICY)
        port, plain = free_port(), free_port()
        command = [sys.executable, "-c", "from webhook.cli.main import main; main()", "serve"]
        command += ["--policies", str(tree), "--tls-cert", str(crt), "--tls-key", str(key)]
        command += ["--port", str(port), "--plain-port", str(plain)]
        with running(command, port) as pid:
            measure(pid, port, plain)


def measure(pid: int, port: int, plain: int) -> None:
    before = cpu_seconds(pid)
    full = together([{"port": port, "rate": 0, "connections": 8, "seconds": 5.0}])
    accepted = len(full["200"])
    capacity = accepted / 5.0
    print(
        f"overload: one process, {(cpu_seconds(pid) - before) / accepted * 1e3:.2f} ms of CPU a review\n\n"
        f"  capacity   {capacity:7.0f} reviews/s (8 connections, each sends its next review when it has an answer)"
    )
    _checked(full)
    half = together(_clients(port, capacity / 2, SETTLE))
    print(f"  half       {_shown(half)}")
    _checked(half)
    with _probing(plain) as probes:
        before = cpu_seconds(pid)
        flood = together(_clients(port, capacity * TIMES, SETTLE))
        busy = (cpu_seconds(pid) - before) / SECONDS
    print(f"  {TIMES} times    {_shown(flood)}")
    print(f"             {_refused(flood)}")
    onset = flood["settling"]
    print(f"             the first {SETTLE:.0f} s apart: {len(onset)} accepted, p99 {_quantile(onset, 0.99):.1f} ms")
    print(f"             /readyz meanwhile: {len(probes)} answers, longest {max(probes) * 1000:.0f} ms")
    _checked(flood)
    ratio = _quantile(flood["200"], 0.99) / _quantile(half["200"], 0.99)
    print(f"  p99 of what is accepted: {ratio:.2f} times that at half load (wanted: less than 2)")
    keep("p99 of what is accepted in an overload, beside half load", ratio, "x", at_most=2)
    share = len(flood["200"]) / (SECONDS - SETTLE) / capacity
    print(f"  accepted: {share:.0%} of the capacity; the server had {busy:.0%} of a core\n")
    greedy = {"port": port, "rate": 0, "connections": 400, "seconds": SECONDS, "address": "127.0.0.9"}
    modest = {"port": port, "rate": 0, "connections": 1, "seconds": SECONDS, "address": "127.0.0.8"}
    both = results([greedy, modest])
    for name, found in zip(("400 connections", "1 connection"), both, strict=True):
        print(f"  {name:15}  {_shown(found)}\n                   {_refused(found)}")
        _checked(found)
    print()


def _clients(port: int, rate: float, settle: float) -> list[dict[str, Any]]:
    return [
        {
            "port": port,
            "address": f"127.0.0.{index + 2}",
            "rate": rate / CLIENTS,
            "connections": 150,
            "seconds": SECONDS,
            "settle": settle,
            "seed": index,
        }
        for index in range(CLIENTS)
    ]


def results(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What became of the reviews of each client. They begin together."""
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.arrivals", json.dumps(each)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in asked
    ]
    found = []
    try:
        for client in clients:
            assert client.stdout is not None
            assert client.stdout.readline() == "connected\n"
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        for client in clients:
            assert client.stdout is not None
            read = json.loads(client.stdout.readline())
            found.append({**read.pop("times"), **read})
    finally:
        for client in clients:
            client.kill()
            client.communicate()
    return found


def together(asked: list[dict[str, Any]]) -> dict[str, Any]:
    """The results of several clients as of one."""
    all_of: dict[str, Any] = {"200": [], "429": [], "503": [], "settling": [], "unsent": 0, "wrong": {}, "late": 0.0}
    for each in results(asked):
        for name, value in each.items():
            if name == "wrong":
                for what, count in value.items():
                    all_of["wrong"][what] = all_of["wrong"].get(what, 0) + count
            elif name == "late":
                all_of["late"] = max(all_of["late"], value)
            else:
                all_of[name] = all_of.get(name, [] if isinstance(value, list) else 0) + value
    return all_of


@contextlib.contextmanager
def _probing(plain: int) -> Iterator[list[float]]:
    """Ask for /readyz ten times a second meanwhile; the seconds of each answer."""
    import threading

    found: list[float] = []
    over = threading.Event()

    def probe() -> None:
        while not over.wait(0.1):
            began = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{plain}/readyz", timeout=10) as answer:
                assert answer.status == 200
            found.append(time.perf_counter() - began)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _shown(found: dict[str, Any]) -> str:
    times = found["200"]
    return (
        f"{len(times):6} accepted, p50 {_quantile(times, 0.5):.1f} ms, p99 {_quantile(times, 0.99):.1f} ms"
        + (f", {found['unsent']} not sent" if found["unsent"] else "")
        + (f", the client was {found['late']:.1f} s late" if found["late"] > 0.1 else "")
    )


def _refused(found: dict[str, Any]) -> str:
    parts = [
        f"{len(found[status]):6} refused with {status}, p50 {_quantile(found[status], 0.5):.1f} ms,"
        f" p99 {_quantile(found[status], 0.99):.1f} ms"
        for status in ("429", "503")
        if found[status]
    ]
    return "; ".join(parts) or "     0 refused"


def _quantile(values: list[float], quantile: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * quantile))] if values else 0.0


def _checked(found: dict[str, Any]) -> None:
    if found["wrong"]:
        raise SystemExit(f"wrong: {found['wrong']}")


if __name__ == "__main__":
    main()
