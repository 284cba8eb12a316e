"""Reviews without a network: applications that differ in one thing answer the recorded reviews in turn.

The least processor time of many rounds is compared, as what other processes do only adds to it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.servers import ROOT, recorded
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.schema import Kinds
from webhook.server.port.exchange import Client, Head
from webhook.server.python.isolation import Isolation
from webhook.server.reviews.answering import Reviews
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics

HEADERS = (
    (b"host", b"gatewright.gatewright-system.svc:443"),
    (b"user-agent", b"kube-apiserver-admission"),
    (b"content-length", b"2345"),
    (b"accept", b"application/json, */*"),
    (b"content-type", b"application/json"),
    (b"accept-encoding", b"gzip"),
)


class Shared(NamedTuple):
    """What the applications of one process share."""

    state: State
    metrics: Metrics
    log: Log


@contextmanager
def shared(tree: Path = ROOT / "policies") -> Iterator[Shared]:
    """The policies of a tree in force, the shipped ones unless given, as in a server. Needs a running event loop."""
    policies = load(tree)
    policies.prepare()
    log = Log(os.open(os.devnull, os.O_WRONLY))
    state = State(InForce(policies, ManifestsView(policies.objects)))
    state.isolation = isolation = Isolation(1.0, log)
    isolation.use(policies)
    isolation.start()
    yield Shared(state, Metrics(Kinds.builtin()), log)
    isolation.close()


async def compare(applications: Mapping[str, Reviews], what: str, rounds: int, pause: float) -> None:
    """Print the least processor time of each application, and how much more than that of `off`.

    pause: the seconds after a round in which other tasks of the loop may do what the reviews have left to them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as the server does
    print(f"  what {what} adds to a review, without the network:")
    client, width = Client("127.0.0.1"), max(map(len, applications))
    for phase in ("validate", "mutate"):
        head = Head("POST", f"/{phase}", b"", b"timeout=10s", HEADERS, b"application/json")
        bodies = [file.read_bytes() for file in recorded(phase)]
        least = dict.fromkeys(applications, float("inf"))
        names = list(applications)
        for _ in range(rounds):
            names.append(names.pop(0))
            for name in (names[-1], *names):  # the first one warms up, as the loop has done something else
                application = applications[name]
                begun = time.thread_time()
                for body in bodies:
                    application.answer(head, body, client)
                least[name] = min(least[name], (time.thread_time() - begun) / len(bodies) * 1e6)
            await asyncio.sleep(pause)
        for name, micros in least.items():
            print(f"    /{phase:9} {name:{width}} {micros:6.1f} µs ({micros - least['off']:+.1f} µs)")
