"""What watching reviews costs the server: traces of all reviews, and the times of policies.

First without a network: applications that differ in one thing answer the recorded reviews in turn, and the least
processor time of many rounds is compared, as what other processes do only adds to it. Then servers that differ in one
setting answer them under load. The process that exports spans is another one, at low priority; its collector answers at
once, or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.servers import ROOT, certificate, free_port, loaded, measured, recorded, running
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.schema import Kinds
from webhook.server.exchange import Client, Head
from webhook.server.isolation import Isolation
from webhook.server.logs import Log
from webhook.server.metrics import Metrics
from webhook.server.policytimes import PolicyTimes
from webhook.server.reviews import Reviews
from webhook.server.sight import Sight
from webhook.server.state import InForce, State
from webhook.server.traces.sampling import Sampler
from webhook.server.traces.sending import Sending

ROUNDS = 7
_DIRECT = 200  # rounds without a network
_HEADERS = (
    (b"host", b"gatewright.gatewright-system.svc:443"),
    (b"user-agent", b"kube-apiserver-admission"),
    (b"content-length", b"2345"),
    (b"accept", b"application/json, */*"),
    (b"content-type", b"application/json"),
    (b"accept-encoding", b"gzip"),
)
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
    policies = load(ROOT / "policies")
    log = Log(os.open(os.devnull, os.O_WRONLY))
    state = State(InForce(policies, ManifestsView(policies.objects)))
    state.isolation = isolation = Isolation(1.0, log)
    isolation.use(policies)
    isolation.start()
    metrics = Metrics(Kinds.builtin())
    sending = Sending(log)
    sending.start()
    sights = {
        "off": None,
        "traces on, none sampled": Sight(metrics, Sampler(0)),
        "all reviews traced": Sight(metrics, Sampler(), sending.put),
        "times of policies": Sight(metrics, times=PolicyTimes()),
    }
    applications = {name: Reviews(state, metrics, log, sight=sight) for name, sight in sights.items()}
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as the server does
    print("  what watching adds to a review, without the network:")
    client = Client("127.0.0.1")
    for phase in ("validate", "mutate"):
        head = Head("POST", f"/{phase}", b"", b"timeout=10s", _HEADERS, b"application/json")
        bodies = [file.read_bytes() for file in recorded(phase)]
        least = dict.fromkeys(applications, float("inf"))
        names = list(applications)
        for _ in range(_DIRECT):
            names.append(names.pop(0))
            for name in (names[-1], *names):  # the first one warms up, as the loop has done something else
                application = applications[name]
                begun = time.thread_time()
                for body in bodies:
                    application.answer(head, body, client)
                least[name] = min(least[name], (time.thread_time() - begun) / len(bodies) * 1e6)
            await asyncio.sleep(0.002)  # spans are sent
        for name, micros in least.items():
            print(f"    /{phase:9} {name:26} {micros:6.1f} µs ({micros - least['off']:+.1f} µs)")
    isolation.close()
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
            share = statistics.median(each[name] / each["off"] - 1 for each in rounds)
            print(f"    {name:26} {micros:6.1f} µs a request ({share:+.1%})")
        print()


if __name__ == "__main__":
    main()
