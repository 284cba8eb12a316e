"""What `--record` costs the server: without a network, and its throughput at full load.

Two servers that differ in `--record` answer the recorded reviews in turn, at full load; ratios are of the two loads of
one round. The process that writes takes what the server leaves of the processors, so the reviews that it did not come
to are told, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.direct import compare, shared
from bench.servers import certificate, free_port, loaded, measured, recorded, running
from webhook.recordings.records import Writing
from webhook.server.recording import Recorder
from webhook.server.reviews import Reviews

ROUNDS = 5
_DIRECT = 150  # rounds without a network


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_direct(Path(scratch)))
        _served(Path(scratch))


async def _direct(folder: Path) -> None:
    with shared() as (state, metrics, log):
        recorder = Recorder(log, Writing(str(folder), 32 << 20, 512 << 20, [], "1.37"))
        recorder.start()
        applications = {
            "off": Reviews(state, metrics, log),
            "all recorded": Reviews(state, metrics, log, recorder=recorder),
        }
        await compare(applications, "recording", _DIRECT, pause=0.02)  # reviews are sent meanwhile
    await recorder.close()
    print()


def _served(scratch: Path) -> None:
    calls = [(f"/{phase}", file) for phase in ("validate", "mutate") for file in recorded(phase)]
    with contextlib.ExitStack() as stack:
        crt, key = certificate(scratch)
        plain: dict[str, int] = {}

        def served(name: str, *flags: str) -> tuple[int, int]:
            port, plain[name] = free_port(), free_port()
            command = [sys.executable, "-c", "from webhook.cli.main import main; main()"]
            command += ["serve", "--policies", "policies", *flags, "--tls-cert", str(crt), "--tls-key", str(key)]
            command += ["--port", str(port), "--plain-port", str(plain[name])]
            return stack.enter_context(running(command, port)), port

        servers = {
            "off": served("off"),
            "off, again": served("off, again"),
            "all recorded": served("all recorded", "--record", str(scratch / "all")),
            "10 % recorded": served("10 % recorded", "--record", str(scratch / "some"), "--record-sample", "0.1"),
        }
        for server in servers.values():
            loaded(server[1], calls)
        rounds = []
        for number in range(ROUNDS):
            names = list(servers)
            turned = names[number % len(names) :] + names[: number % len(names)]
            rounds.append({name: measured(*servers[name], calls) for name in turned})
            time.sleep(2)  # what waits is written before the next
        print("  throughput at full load (wanted: all recorded, at least 95 % of that without):")
        for name in servers:
            rate = statistics.median(each[name]["rate"] for each in rounds)
            share = statistics.median(each[name]["rate"] / each["off"]["rate"] for each in rounds)
            micros = statistics.median(each[name]["micros"] for each in rounds)
            print(
                f"    {name:14} {rate:8,.0f} reviews/s ({share:.1%}), {micros:6.1f} µs of the server's processor time"
            )
        for name in ("all recorded", "10 % recorded"):
            print(f"    {name}: {_counts(plain[name])}")
        print()


def _counts(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    counts = dict(re.findall(r'gatewright_recorded_reviews_total\{result="(\w+)"\} ([0-9.e+]+)', text))
    return ", ".join(f"{float(count):,.0f} {result}" for result, count in counts.items())


if __name__ == "__main__":
    main()
