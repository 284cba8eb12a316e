"""Runs servers as processes, puts them under load over TLS, and measures the CPU time that they use."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webhook.server.port.tls import development

Call = tuple[str, Path]  # a request: the URL path, and the file of the review to post

ROOT = Path(__file__).parents[1]
REVIEWS = ROOT / "tests" / "fixtures" / "reviews"
ROUNDS = 3
SECONDS = 2.0
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")


def recorded(phase: str) -> list[Path]:
    return sorted(REVIEWS.glob(f"*-{phase}-*.json"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """The user and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def with_children(pid: int) -> float:
    """The same, with that of its child processes: the workers."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + sum(cpu_seconds(int(each)) for each in children)


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Run a server, and wait until it listens on the port; its pid."""
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


def loaded(port: int, calls: list[Call], rate: float = 0) -> dict[str, Any]:
    """The results of `bench.load`, with the keys that it prints. Exits with an error if a request failed."""
    arguments = [str(port), str(CONNECTIONS), str(SECONDS), str(rate), *(f"{path}={file}" for path, file in calls)]
    command = [sys.executable, "-m", "bench.load", *arguments]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    result: dict[str, Any] = json.loads(found.stdout)
    if result["failed"]:
        raise SystemExit(f"{result['failed']} requests failed")
    return result


def measured(pid: int, port: int, calls: list[Call], spent: Callable[[int], float] = cpu_seconds) -> dict[str, float]:
    """The results of a load on the server `pid`. spent: tells the CPU seconds of the server so far.

    "micros": CPU time of the server in µs a request. "busy", "client": CPU time of server and client as a share of the
    elapsed time. "rate": requests a second.
    """
    before = spent(pid)
    result = loaded(port, calls)
    cpu = spent(pid) - before
    return {
        "micros": cpu / result["requests"] * 1e6,
        "busy": cpu / result["seconds"],
        "client": result["cpu"] / result["seconds"],
        "rate": result["requests"] / result["seconds"],
    }


def certificate(folder: Path) -> tuple[Path, Path]:
    """The files of a new certificate for localhost, and of its key."""
    pair = development(["localhost"]).pair
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(pair.certificate)
    files[1].write_bytes(pair.key)
    return files


def asked(port: int, path: str, review: bytes) -> bytes:
    """The body of the response to one review."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}{path}", review, {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, context=context) as answer:
        found: bytes = answer.read()
        return found
