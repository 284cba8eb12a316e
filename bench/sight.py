"""The cost of observing reviews for the server: traces of all reviews, and times of policies.

First without a network: applications that differ in one thing answer the recorded reviews in turn, and the least
processor time of many rounds is compared, as what other processes do only adds to it. Then servers that differ in one
setting answer them under load. The process that exports spans is another one, at low priority; its collector answers at
once, or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

from bench.direct import compare, shared
from bench.figures import keep
from bench.servers import certificate, free_port, loaded, measured, recorded, running
from webhook.server.reviews.answering import Reviews
from webhook.server.reviews.sight import Sight
from webhook.server.telemetry.policytimes import PolicyTimes
from webhook.server.telemetry.traces.sampling import Sampler
from webhook.server.telemetry.traces.sending import Sending

ROUNDS = 4
_DIRECT = 200  # rounds without a network
_COLLECTOR = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def main() -> None:
    asyncio.run(_direct())
    _served()


async def _direct() -> None:
    with shared() as (state, metrics, log):
        sending = Sending(log)
        sending.start()
        sights = {
            "off": None,
            "traces on, none sampled": Sight(metrics, Sampler(0)),
            "all reviews traced": Sight(metrics, Sampler(), sending.put),
            "times of policies": Sight(metrics, times=PolicyTimes()),
        }
        applications = {name: Reviews(state, metrics, log, sight=sight) for name, sight in sights.items()}
        await compare(applications, "watching", _DIRECT, pause=0.002)  # spans are sent meanwhile
    await sending.close()
    print()


def _served() -> None:
    calls = [(f"/{phase}", file) for phase in ("validate", "mutate") for file in recorded(phase)]
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        crt, key = certificate(Path(scratch))
        collector, nothing = free_port(), free_port()
        stack.enter_context(running([sys.executable, "-c", _COLLECTOR, str(collector)], collector))

        def served(*flags: str, **variables: str) -> tuple[int, int]:
            port = free_port()
            command = ["env", *(f"{name}={value}" for name, value in variables.items()), sys.executable, "-c"]
            command += ["from webhook.cli.main import main; main()", "serve", "--policies", "policies", *flags]
            command += ["--tls-cert", str(crt), "--tls-key", str(key), "--port", str(port)]
            command += ["--plain-port", str(free_port())]
            return stack.enter_context(running(command, port)), port

        to = "OTEL_EXPORTER_OTLP_ENDPOINT"
        servers = {
            "off": served(),
            "off, again": served(),
            "all reviews traced": served("--traces", **{to: f"http://127.0.0.1:{collector}"}),
            "all traced, no collector": served("--traces", **{to: f"http://127.0.0.1:{nothing}"}),
            "1 % traced": served(
                "--traces",
                **{to: f"http://127.0.0.1:{collector}"},
                OTEL_TRACES_SAMPLER="parentbased_traceidratio",
                OTEL_TRACES_SAMPLER_ARG="0.01",
            ),
            "times of policies": served("--policy-times"),
        }
        for server in servers.values():
            loaded(server[1], calls)
        rounds = [{name: measured(*server, calls)["micros"] for name, server in servers.items()} for _ in range(ROUNDS)]
        print("  the server's processor time under load (wanted: all traced, at most 10 % more):")
        for name in servers:
            micros = statistics.median(each[name] for each in rounds)
            shares = [each[name] / each["off"] for each in rounds]
            share = statistics.median(shares) - 1
            print(f"    {name:26} {micros:6.1f} µs a request ({share:+.1%})")
            if name == "all reviews traced":
                keep("CPU of a review, traced, beside one that is not", 1 + share, "x", at_most=1.1, rounds=shares)
        print()


if __name__ == "__main__":
    main()
