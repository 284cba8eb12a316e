"""The application of the review port without a port. Its log is a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.port.exchange import Answer, Client, Head
from webhook.server.reviews.answering import Reviews
from webhook.server.reviews.sight import Sight
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics

HEAD = Head("POST", "/validate", b"/validate", b"", (), b"application/json")


class Direct:
    """Answers reviews with the policies, and writes its log to a file in the folder."""

    def __init__(
        self,
        folder: Path,
        policies: PolicySet | None = None,
        sight: Callable[[Metrics], Sight | None] = lambda metrics: None,
        **logged: Any,
    ) -> None:
        self._file = folder / "log"
        self._log = log = Log(os.open(self._file, os.O_WRONLY | os.O_CREAT), **logged)
        policies = policies or PolicySet()
        self.state = State(InForce(policies, ManifestsView(policies.objects)))
        self.metrics = Metrics(Kinds.builtin(), {"stdout": log})
        self.reviews = Reviews(self.state, self.metrics, log, sight=sight(self.metrics))

    def lines(self) -> list[dict[str, Any]]:
        assert self._log.flush(10)
        return [json.loads(line) for line in self._file.read_bytes().splitlines()]

    def answer(self, body: bytes, head: Head = HEAD) -> Answer:
        """The response to a review that needs no answers from the API server."""
        answer = self.reviews.answer(head, body, Client("192.0.2.1"))
        assert isinstance(answer, Answer)
        return answer
