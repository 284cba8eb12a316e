"""The cost of `--record` for the server: without a network, and in throughput at full load.

Servers that differ in `--record` answer the recorded reviews in turn, at full load; ratios are of two loads of one
round, and come with the half width of the interval in which their mean is with 95 % certainty. Reviews a second depend
on what else the machine does, so the processor time of a review decides: what a server at full load needs more of it,
it answers less. The process that writes takes what the server leaves of the processors, so the reviews that it did not
come to are told, too.
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
from bench.figures import keep
from bench.servers import certificate, free_port, loaded, measured, recorded, running
from webhook.recordings.records import Writing
from webhook.server.reviews.answering import Reviews
from webhook.server.telemetry.recording import Recorder

ROUNDS = 10
_DIRECT = 150  # rounds without a network
_STUDENT = 2.26  # quantile of Student's t at 0.975 for 9 degrees of freedom


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
            time.sleep(1)  # what waits is written before the next
        print("  at full load (wanted: all recorded, at least 95 % of the reviews without):")
        for name in servers:
            rate = statistics.median(each[name]["rate"] for each in rounds)
            micros = statistics.median(each[name]["micros"] for each in rounds)
            by_time = _mean([each["off"]["micros"] / each[name]["micros"] for each in rounds])
            by_clock = _mean([each[name]["rate"] / each["off"]["rate"] for each in rounds])
            if name == "all recorded":
                shares = [each["off"]["micros"] / each[name]["micros"] * 100 for each in rounds]
                what = "reviews where all are recorded, of those without"
                keep(what, statistics.mean(shares), "%", at_least=95, rounds=shares)
            print(
                f"    {name:14} {micros:6.1f} µs of the server's processor time a review, so {by_time} of the reviews;"
                f" {rate:6,.0f} reviews/s by the clock ({by_clock})"
            )
        for name in ("all recorded", "10 % recorded"):
            print(f"    {name}: {_counts(plain[name])}")
        print()


def _mean(values: list[float]) -> str:
    """The mean of shares, with the half width of its interval."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.1%} ± {_STUDENT * error:.1%}"


def _counts(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    counts = dict(re.findall(r'gatewright_recorded_reviews_total\{result="(\w+)"\} ([0-9.e+]+)', text))
    return ", ".join(f"{float(count):,.0f} {result}" for result, count in counts.items())


if __name__ == "__main__":
    main()
