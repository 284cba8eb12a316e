"""`gatewright serve` under load, in comparison with a bare ASGI app: the cost of deciding, counting and logging.

A separate process posts the recorded reviews, in turn, over keep-alive TLS connections, as fast as responses arrive.
Several rounds measure one server after the other. The bare app sends the responses that Gatewright gave before, byte
for byte. The figure is the server process's CPU time for each request. `beside_kopf` then uses the same Gatewright
process.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench import beside_kopf, isolation, sight
from bench.figures import figure
from bench.reviews import trees
from bench.servers import (
    CONNECTIONS,
    ROUNDS,
    SECONDS,
    asked,
    certificate,
    free_port,
    loaded,
    measured,
    recorded,
    running,
)


def answers(port: int, folder: Path) -> Path:
    """Write a file for `bench.bare` with Gatewright's response to each recorded review; its path."""
    known = {}
    for phase in ("validate", "mutate"):
        for file in recorded(phase):
            body = file.read_bytes()
            known[json.loads(body)["request"]["uid"]] = asked(port, f"/{phase}", body).decode()
    file = folder / "answers.json"
    file.write_text(json.dumps(known))
    return file


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        crt, key = certificate(folder)
        ports = free_port(), free_port(), free_port()
        gatewright = [sys.executable, "-c", "from webhook.cli.main import main; main()", "serve"]
        gatewright += ["--policies", str(trees(folder)[0]), "--tls-cert", str(crt), "--tls-key", str(key)]
        gatewright += ["--port", str(ports[0]), "--plain-port", str(ports[1])]
        with running(gatewright, ports[0]) as pid:
            known = answers(ports[0], folder)
            bare = [sys.executable, "-m", "bench.bare", str(crt), str(key), str(ports[2]), str(known)]
            with running(bare, ports[2]) as bare_pid:
                print(f"serve: recorded reviews over TLS, {CONNECTIONS} connections, rounds of {SECONDS:.0f} s\n")
                for phase in ("validate", "mutate"):
                    beside(phase, (pid, ports[0]), (bare_pid, ports[2]))
            isolation.main()
            sight.main()
            beside_kopf.main((pid, ports[0]), crt, key)


def beside(phase: str, gatewright: tuple[int, int], bare: tuple[int, int]) -> None:
    calls = [(f"/{phase}", file) for file in recorded(phase)]
    rounds = [(measured(*gatewright, calls), measured(*bare, calls)) for _ in range(ROUNDS)]
    ratios = [theirs["micros"] / ours["micros"] for ours, theirs in rounds]
    for name, index in (("gatewright", 0), ("bare ASGI app", 1)):
        median = {key: statistics.median(each[index][key] for each in rounds) for key in rounds[0][0]}
        print(
            f"  /{phase:9} {name:14} {median['micros']:6.1f} µs of CPU a request, {median['rate']:6.0f} requests/s, "
            f"server {median['busy']:4.0%} busy, client {median['client']:4.0%}"
        )
    half = statistics.median(ours["rate"] for ours, _ in rounds) / 2
    latency = loaded(gatewright[1], calls, half)
    wanted = 0.65 if phase == "validate" else 0.60
    figure(
        f"throughput of /{phase} with the four, of the bare app's",
        statistics.median(ratios),
        at_least=wanted,
        rounds=ratios,
    )
    print(f"  at half load, {half:.0f} requests/s: p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms\n")


if __name__ == "__main__":
    main()
