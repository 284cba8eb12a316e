"""A full disk and a stopped writer lose no review: each is answered, and what is not recorded is counted."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.recordings.making import head, read, review, tree, validating, writing
from tests.timing import patience
from webhook.cluster.manifestsview import ManifestsView
from webhook.recordings.records import Writing
from webhook.schema import Kinds
from webhook.server import recording
from webhook.server.logs import Log
from webhook.server.metrics import Metrics
from webhook.server.protocol import Answer, Client
from webhook.server.recording import Recorder
from webhook.server.reviews import Reviews
from webhook.server.state import InForce, State

VALUE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
LIMITED = (  # the writer under a limit of what its files may hold: a write beyond fails, as on a full disk
    *("sh", "-c", 'ulimit -f 1; exec "$0" "$@"'),
    *(sys.executable, "-P", "-m", "webhook.recordings.writing"),
)


def counted(recorder: Recorder) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(recorder)
    names = ("written", "failed", "dropped")
    found = {name: registry.get_sample_value("gatewright_recorded_reviews_total", {"result": name}) for name in names}
    return {name: value or 0.0 for name, value in found.items()}


@pytest.mark.parametrize("how", ["disk full", "stopped"])
def test_no_review_is_lost(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 1 << 20)
    policies = tree(tmp_path / "tree", one=validating("one", "true"))
    sent = 3000

    async def run() -> None:
        log = Log(os.open(os.devnull, os.O_WRONLY))
        recorder = Recorder(log, told(tmp_path / "rec"), command=LIMITED if how == "disk full" else ())
        recorder.start()
        assert recorder._process is not None
        if how == "stopped":
            os.kill(recorder._process.pid, signal.SIGSTOP)
        state = State(InForce(policies, ManifestsView(policies.objects)))
        reviews = Reviews(state, Metrics(Kinds.builtin()), log, recorder=recorder)
        for number in range(sent):
            body = review({**VALUE, "data": {"x": os.urandom(300).hex()}})
            answer = reviews.answer(head(), body, Client("192.0.2.1"))
            assert isinstance(answer, Answer)
            assert answer.status == 200
            if number % 100 == 0:
                await asyncio.sleep(0.02)
        if how == "disk full":
            async with asyncio.timeout(patience(20)):
                while sum(counted(recorder).values()) < sent:
                    await asyncio.sleep(0.05)
            assert counted(recorder)["failed"] > 0
        else:
            assert counted(recorder)["dropped"] > 0
        await recorder.close()
        if how == "stopped":
            assert counted(recorder)["failed"] > 0

    asyncio.run(run())
    if how == "disk full":
        assert read(tmp_path / "rec")[1] == []
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "rec").iterdir()} <= {0o600}


def told(folder: Path) -> Writing:
    return writing(folder)
