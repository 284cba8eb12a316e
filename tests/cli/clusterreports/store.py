"""The reports of a scripted API server, which fails on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cluster.apiserver import Exchange
from webhook.cli.clusterreports.dialects import OPENREPORTS, OWNER, Dialect

ROLE = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{OWNER}"


class Store:
    """The reports of a scripted API server. `refused`: method and path -> the status and message of an error."""

    def __init__(self, dialects: tuple[Dialect, ...] = (OPENREPORTS,)) -> None:
        self.dialects = dialects
        self.objects: dict[str, dict[str, Any]] = {}
        self.refused: dict[tuple[str, str], tuple[int, str]] = {}
        self.owned = False
        self.version = 0
        self.then: Callable[[Exchange], None] = lambda _: None

    def answer(self, exchange: Exchange) -> None:
        self.then(exchange)
        refused = self.refused.get((exchange.method, exchange.path))
        if refused is not None:
            exchange.refuse(*refused)
        elif exchange.path == ROLE:
            exchange.json({"metadata": {"name": OWNER, "uid": "u-role"}}) if self.owned else exchange.refuse(404)
        elif exchange.method == "PATCH":
            assert exchange.query == {"fieldManager": "gatewright-audit", "force": "true"}
            self.version += 1
            assert exchange.body is not None
            metadata = {**exchange.body["metadata"], "uid": f"u-{exchange.path}", "resourceVersion": str(self.version)}
            self.objects[exchange.path] = {**exchange.body, "metadata": metadata}
            exchange.json(self.objects[exchange.path])
        elif exchange.method == "DELETE":
            there = self.objects.get(exchange.path)
            assert exchange.body is not None
            conditions = exchange.body["preconditions"]
            if there is None:
                exchange.refuse(404)
            elif any(there["metadata"][key] != value for key, value in conditions.items()):
                exchange.refuse(409)
            else:
                exchange.json(self.objects.pop(exchange.path))
        else:
            self._list(exchange)

    def _list(self, exchange: Exchange) -> None:
        for each in self.dialects:
            root = f"/apis/{each.api_version}"
            if exchange.path == root:
                named = ((each.plural, each.kind, True), (each.cluster_plural, each.cluster_kind, False))
                resources = [
                    {"name": plural, "kind": kind, "namespaced": within, "verbs": ["list"]}
                    for plural, kind, within in named
                ]
                exchange.json({"resources": resources})
                return
            for plural in (each.plural, each.cluster_plural):
                if exchange.path == f"{root}/{plural}":
                    label, _, of = exchange.query["labelSelector"].partition("=")
                    assert label == "gatewright.dev/report"
                    found = [
                        self.objects[path]
                        for path in sorted(self.objects)
                        if f"/{plural}/" in path and self.objects[path]["metadata"]["labels"][label] == of
                    ]
                    start = int(exchange.query.get("continue", 0))
                    end = start + 1  # a page of one
                    more = {"continue": str(end)} if end < len(found) else {}
                    exchange.json({"items": found[start:end], "metadata": more})
                    return
        exchange.refuse(404)
