"""Denials as Events: what they are about, what they say, and that no tenant can make many of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.server.running import Running, changed, recorded, wait_for
from tests.timing import HANGING, within
from webhook.admission import review
from webhook.admission.decision import Finding
from webhook.cluster.connection import APIError, Unreachable
from webhook.policy.request import Request
from webhook.server.cluster.events import BURST, FORGET_AFTER, MOST_BURST, UPDATE_AFTER, WAITING, Events
from webhook.server.telemetry.logs import Log

POD = recorded("020")


class Recorded:
    """An API that keeps what it is sent, or fails."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.patched: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.free = threading.Event()
        self.free.set()

    def post(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        self.free.wait()
        if self.error is not None:
            raise self.error
        self.posted.append((path, body))
        return body

    def patch(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        self.patched.append((path, body))
        return body


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Setting:
    """Events that are written to `api`, at the time of `clock`."""

    def __init__(self, folder: Path) -> None:
        self.api, self.clock = Recorded(), Clock()
        self._file = folder / "log"
        self.log = Log(os.open(self._file, os.O_WRONLY | os.O_CREAT))
        self.events = Events(self.log, lambda: self.api, self.clock, "gatewright-0")
        self.events.start()

    def denied(self, request: Request, *findings: Finding, secret: bool = False) -> None:
        self.events.denied(request, findings or (finding(),), lambda _: secret)

    def settled(self) -> None:
        """Wait until everything is written."""
        wait_for(self.events._queue.empty)
        self.events.close()
        self.events._thread.join(HANGING)
        assert not self.events._thread.is_alive()

    def lines(self) -> list[dict[str, Any]]:
        assert self.log.flush(10)
        return [json.loads(line) for line in self._file.read_bytes().splitlines()]

    @property
    def event(self) -> dict[str, Any]:
        self.settled()
        ((_, event),) = self.api.posted
        return event


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def finding(policy: str = "no-host-path", message: str = "no", action: Any = "Deny") -> Finding:
    return Finding(policy, "everywhere", action, "Forbidden", 403, message)


def request(name: str = "web", **changes: Any) -> Request:
    return review.parse(changed(POD, name=name, **changes))


def pod(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", **metadata}}


def test_an_event_says_what_was_denied_by_which_policies(setting: Setting) -> None:
    setting.denied(request(), finding(), finding("other", "nor this"), finding("warned", action="Warn"))
    event = setting.event
    assert setting.api.posted[0][0] == "/apis/events.k8s.io/v1/namespaces/rec/events"
    assert event["note"] == "CREATE of pods web denied by policy 'no-host-path': no; policy 'other': nor this"
    assert (event["reason"], event["type"], event["action"]) == ("PolicyDenied", "Warning", "Create")
    assert (event["reportingController"], event["reportingInstance"]) == ("gatewright.dev/webhook", "gatewright-0")
    assert event["regarding"] == {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "rec"}
    assert event["metadata"]["name"].startswith("web.")


def test_what_a_controller_creates_is_told_of_the_controller(setting: Setting) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u-1"}
    owners = [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u-2"}, owner | {"controller": True}]
    setting.denied(request("", object=pod(name="", generateName="web-1-", ownerReferences=owners)))
    assert setting.event["regarding"] == owner | {"namespace": "rec"}


@pytest.mark.parametrize("owners", [7, [7], [{"controller": True}], [{"controller": True, "name": "x" * 300}]])
def test_owners_that_are_none_are_left_out(owners: Any, setting: Setting) -> None:
    setting.denied(request("", object=pod(generateName="web-1-", ownerReferences=owners)))
    assert setting.event["regarding"] == {"apiVersion": "v1", "kind": "Pod", "name": "web-1-", "namespace": "rec"}


def test_an_object_that_exists_is_known_by_its_uid(setting: Setting) -> None:
    setting.denied(request(operation="UPDATE", object=pod(uid="forged"), oldObject=pod(uid="u-7")))
    assert setting.event["regarding"]["uid"] == "u-7"


def test_a_namespace_and_what_has_none_is_told_of_in_default(setting: Setting) -> None:
    kind = {"group": "", "version": "v1", "kind": "Namespace"}
    setting.denied(request("shop", namespace="shop", kind=kind, requestKind=kind))
    event = setting.event
    assert event["metadata"]["namespace"] == "default"
    assert event["regarding"] == {"apiVersion": "v1", "kind": "Namespace", "name": "shop"}


def test_a_confidential_message_is_left_out(setting: Setting) -> None:
    setting.denied(request(), finding(message="it holds hunter2"), secret=True)
    assert setting.event["note"] == "CREATE of pods web denied by policy 'no-host-path'"


@pytest.mark.parametrize(
    "changes",
    [{"dryRun": True}, {"resource": {"group": "events.k8s.io", "version": "v1", "resource": "events"}}],
)
def test_dry_runs_and_events_are_not_recorded(changes: dict[str, Any], setting: Setting) -> None:
    setting.denied(request(**changes))
    setting.denied(request(), finding(action="Warn"))
    setting.settled()
    assert not setting.api.posted


def test_a_note_and_a_name_are_what_the_api_server_takes(setting: Setting) -> None:
    setting.denied(request("Ü" * 5000 + "\x1b[31m", object=pod(name="")), finding(message="ä" * 5000))
    event = setting.event
    assert len(event["note"].encode()) <= 1024
    assert "\x1b" not in event["note"]
    assert event["metadata"]["name"].startswith("gatewright.")
    assert "name" not in event["regarding"]


def test_equal_denials_are_one_event_that_is_updated_now_and_then(setting: Setting) -> None:
    for _ in range(100):
        setting.denied(request())
    setting.clock.now += UPDATE_AFTER
    for _ in range(100):
        setting.denied(request())
    setting.settled()
    assert len(setting.api.posted) == 1
    ((path, patch),) = setting.api.patched
    assert path.endswith(f"/{setting.api.posted[0][1]['metadata']['name']}")
    assert patch["series"]["count"] == 101
    assert dict(setting.events.counts) == {"created": 1, "updated": 1, "merged": 198}


def test_after_a_while_an_equal_denial_is_a_new_event(setting: Setting) -> None:
    setting.denied(request())
    setting.clock.now += FORGET_AFTER
    setting.denied(request())
    setting.settled()
    assert len(setting.api.posted) == 2


def test_a_tenant_that_floods_has_its_rate_and_leaves_others_theirs(setting: Setting) -> None:
    for number in range(10_000):
        setting.denied(request(f"p{number}"))
    setting.denied(request(namespace="other"))
    setting.settled()
    namespaces = [event["metadata"]["namespace"] for _, event in setting.api.posted]
    assert namespaces.count("rec") == BURST
    assert namespaces.count("other") == 1
    assert setting.events.counts["limited"] == 10_000 - BURST
    assert len(setting.events._known) <= 1000


def test_all_namespaces_together_have_a_rate(setting: Setting) -> None:
    parsed = request()
    for number in range(3000):
        other = review.parse(changed(POD, name=parsed.name, namespace=f"n{number}"))
        setting.denied(other)
    setting.settled()
    assert len(setting.api.posted) == MOST_BURST
    assert len(setting.events._buckets) <= 1000


def test_a_server_that_does_not_answer_holds_up_nothing(setting: Setting) -> None:
    setting.api.free.clear()
    with within(60, time.thread_time):
        for number in range(4 * WAITING):
            setting.clock.now += 60
            setting.denied(request(f"p{number}"))
    assert setting.events.counts["dropped"] >= 2 * WAITING
    setting.api.free.set()
    setting.events.close()
    setting.events._thread.join(HANGING)
    assert len(setting.api.posted) <= WAITING + 1


@pytest.mark.parametrize("error", [APIError(403, "events is forbidden"), Unreachable("refused")])
def test_a_failure_is_said_once_a_minute_and_counted(error: Exception, setting: Setting) -> None:
    setting.api.error = error
    for number in range(5):
        setting.denied(request(f"p{number}"))
    setting.settled()
    (line,) = setting.lines()
    assert (line["level"], line["event"], line["message"]) == ("warning", "events not recorded", str(error))
    registry = CollectorRegistry()
    registry.register(setting.events)
    assert registry.get_sample_value("gatewright_kubernetes_events_total", {"result": "failed"}) == 5


def test_without_a_cluster_there_is_nowhere_to_record_them(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--events", "--cluster", "none", wait=False)
    assert server.process.wait(HANGING) == 2
    wait_for(lambda: any("--events needs a cluster to record Events in" in line for line in server.said))
