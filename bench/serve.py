"""`gatewright serve` under load beside a bare ASGI app: what deciding, counting and logging cost.

The load is the recorded reviews, in turn, over keep-alive TLS connections from a process of its own, as fast as answers
come. Both servers run as they are, one at a time, in several rounds; the bare app answers the same bytes that
Gatewright gave. Shown is the server's CPU a request, from the operating system's accounts.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webhook.server.tls import development

ROOT = Path(__file__).parents[1]
REVIEWS = ROOT / "tests" / "fixtures" / "reviews"
ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")


def recorded(phase: str) -> list[Path]:
    return sorted(REVIEWS.glob(f"*-{phase}-*.json"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A server that listens on the port; its pid."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def loaded(port: int, path: str, files: list[Path], rate: float = 0) -> dict[str, Any]:
    """What `bench.load` prints."""
    arguments = [str(port), path, str(CONNECTIONS), str(SECONDS), str(rate), *map(str, files)]
    command = [sys.executable, "-m", "bench.load", *arguments]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    result: dict[str, Any] = json.loads(found.stdout)
    if result["failed"]:
        raise SystemExit(f"{result['failed']} requests to {path} failed")
    return result


def measured(pid: int, port: int, path: str, files: list[Path]) -> dict[str, float]:
    """CPU microseconds a request, and how busy server and client were."""
    before = cpu_seconds(pid)
    result = loaded(port, path, files)
    cpu = cpu_seconds(pid) - before
    return {
        "micros": cpu / result["requests"] * 1e6,
        "busy": cpu / result["seconds"],
        "client": result["cpu"] / result["seconds"],
        "rate": result["requests"] / result["seconds"],
    }


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback, as `gatewright serve` makes one for development."""
    pair = development(["localhost"]).pair
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(pair.certificate)
    files[1].write_bytes(pair.key)
    return files


def answers(port: int, folder: Path) -> Path:
    """Every review's answer, asked of Gatewright, as `bench.bare` reads them."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    known = {}
    for phase in ("validate", "mutate"):
        for file in recorded(phase):
            body = file.read_bytes()
            request = urllib.request.Request(
                f"https://127.0.0.1:{port}/{phase}", body, {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, context=context) as answer:
                known[json.loads(body)["request"]["uid"]] = answer.read().decode()
    file = folder / "answers.json"
    file.write_text(json.dumps(known))
    return file


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        crt, key = certificate(folder)
        ports = free_port(), free_port(), free_port()
        gatewright = [sys.executable, "-c", "from webhook.cli.main import main; main()", "serve"]
        gatewright += ["--policies", "policies", "--tls-cert", str(crt), "--tls-key", str(key)]
        gatewright += ["--port", str(ports[0]), "--plain-port", str(ports[1])]
        with running(gatewright, ports[0]) as pid:
            known = answers(ports[0], folder)
            bare = [sys.executable, "-m", "bench.bare", str(crt), str(key), str(ports[2]), str(known)]
            with running(bare, ports[2]) as bare_pid:
                print(f"serve: recorded reviews over TLS, {CONNECTIONS} connections, rounds of {SECONDS:.0f} s\n")
                for phase in ("validate", "mutate"):
                    beside(phase, (pid, ports[0]), (bare_pid, ports[2]))


def beside(phase: str, gatewright: tuple[int, int], bare: tuple[int, int]) -> None:
    files = recorded(phase)
    rounds = [(measured(*gatewright, f"/{phase}", files), measured(*bare, f"/{phase}", files)) for _ in range(ROUNDS)]
    ratio = statistics.median(theirs["micros"] / ours["micros"] for ours, theirs in rounds)
    for name, index in (("gatewright", 0), ("bare ASGI app", 1)):
        median = {key: statistics.median(each[index][key] for each in rounds) for key in rounds[0][0]}
        print(
            f"  /{phase:9} {name:14} {median['micros']:6.1f} µs of CPU a request, {median['rate']:6.0f} requests/s, "
            f"server {median['busy']:4.0%} busy, client {median['client']:4.0%}"
        )
    half = statistics.median(ours["rate"] for ours, _ in rounds) / 2
    latency = loaded(gatewright[1], f"/{phase}", files, half)
    print(f"  throughput of the bare app: {ratio:.2f} of it (wanted: at least 0.55)")
    print(f"  at half load, {half:.0f} requests/s: p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms\n")


if __name__ == "__main__":
    main()
