"""A small cluster for a server under test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.audit.clusters import kubeconfig
from tests.cluster.apiserver import Exchange, config_map, listed, playing
from tests.timing import HANGING


@contextmanager
def cluster(folder: Path, ready: threading.Event, also: threading.Event | None = None) -> Iterator[Path]:
    """The kubeconfig of a cluster with one ConfigMap, which is listed once `ready` is set, and one in another
    namespace, once `also` is. Then it also answers that nobody may do anything."""
    ended = threading.Event()

    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=ended)
        elif exchange.path == "/api/v1/namespaces/shop/configmaps":
            if ready.is_set():
                exchange.json(listed(5, config_map("names", 1, allowed="web")))
            else:
                exchange.refuse(503, "not yet")
        elif exchange.path.endswith("/subjectaccessreviews"):
            if also is not None:
                also.wait(HANGING)
            exchange.json({"status": {"allowed": False}})
        elif exchange.path == "/api/v1/namespaces/office/configmaps":
            if also is not None and also.is_set():
                other = config_map("names", 1, allowed="mail")
                other["metadata"]["namespace"] = "office"
                exchange.json(listed(5, other))
            else:
                exchange.refuse(403, "may not list")
        else:
            exchange.refuse(404)

    with playing(answer) as (url, _):
        try:
            yield kubeconfig(folder, url)
        finally:
            ended.set()
