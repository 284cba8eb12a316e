"""A full disk and a stopped writer lose no review: each is answered, and what is not recorded is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from tests.cli.running import gatewright
from tests.recordings.making import head, read, record, review, tree, validating, writing
from tests.server.livecluster import cluster
from tests.server.running import Running, environment, wait_for, write_policies
from tests.timing import patience
from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.admission.engine import validate
from webhook.admission.review import parse as parse_review
from webhook.cluster.manifestsview import ManifestsView
from webhook.cluster.view import Answer as Found
from webhook.cluster.view import NotCached, UnknownKind
from webhook.recordings.replaying import Replay
from webhook.recordings.view import NotRecorded
from webhook.schema import Kinds
from webhook.server.port.exchange import Answer, Client
from webhook.server.reviews.answering import Reviews
from webhook.server.state import InForce, State
from webhook.server.telemetry import recording
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.recording import Recorder

VALUE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
LIMITED = (  # the writer under a limit of what its files may hold: a write beyond fails, as on a full disk
    *("sh", "-c", 'ulimit -f 1; exec "$0" "$@"'),
    *(sys.executable, "-B", "-P", "-m", "webhook.recordings.writing"),  # -B: it would cache what is cut off
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
        log = Log(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))
        recorder = Recorder(log, writing(tmp_path / "rec"), command=LIMITED if how == "disk full" else ())
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
        assert sum(counted(recorder).values()) == sent
        assert counted(recorder)["failed"] > 0

    asyncio.run(run())
    said = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    said = [line for line in said if line["event"] == "reviews not recorded"]
    assert len(said) == 1  # once a minute at most
    if how == "stopped":
        assert said[0]["message"] == "the process does not keep up, and the queue is full"
    else:
        assert read(tmp_path / "rec")[1] == []
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "rec").iterdir()} <= {0o600}


def test_a_writer_that_is_killed_is_replaced_and_told_everything_again(tmp_path: Path) -> None:
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "x"}}}
    policies = tree(tmp_path / "tree", one=validating("one", "namespaceObject.metadata.labels.a == 'x'"))
    view = ManifestsView([shop])

    async def run() -> None:
        log = Log(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))
        recorder = Recorder(log, writing(tmp_path / "rec"))
        recorder.start()
        reviews = Reviews(State(InForce(policies, view)), Metrics(Kinds.builtin()), log, recorder=recorder)

        def ask(name: str) -> None:
            answer = reviews.answer(head(), review({**VALUE, "metadata": {"name": name}}), Client("192.0.2.1"))
            assert isinstance(answer, Answer)
            assert orjson.loads(answer.body)["response"]["allowed"]

        async def until(done: int) -> None:
            async with asyncio.timeout(patience(30)):
                while recorder.done < done:
                    await asyncio.sleep(0.02)

        for name in ("a", "b"):
            ask(name)
        await until(2)
        assert recorder._process is not None
        first = recorder._process.pid
        recorder._process.kill()
        async with asyncio.timeout(patience(30)):
            while recorder._process is None or recorder._process.pid == first:
                await asyncio.sleep(0.02)
        ask("c")
        await until(3)
        assert counted(recorder) == {"written": 3, "failed": 0, "dropped": 0}
        await recorder.close()
        assert log.flush(10)

    asyncio.run(run())
    assert '"event":"process ended"' in (tmp_path / "log").read_text().replace(": ", ":")
    reviews, problems = read(tmp_path / "rec")
    assert sorted(each.request.name for each in reviews) == ["a", "b", "c"]
    assert problems == []
    for each in reviews:
        assert each.view().namespace("shop").value["metadata"]["labels"]["a"] == "x"
        assert not Replay(policies).compared(each).differs


SMALL = """\
import sys
from webhook.recordings import writing
writing.MEMORY = 160 << 20
writing.main(sys.argv[1], int(sys.argv[2]))
"""


def test_the_writer_takes_no_more_memory_than_its_limit(tmp_path: Path) -> None:
    """A review that needs more is counted as failed, with those that are lost with it; later ones are written."""
    policies = tree(tmp_path / "tree", one=validating("one", "true"))

    async def run() -> None:
        log = Log(os.open(os.devnull, os.O_WRONLY))
        command = (sys.executable, "-P", "-c", SMALL)
        recorder = Recorder(log, writing(tmp_path / "rec"), command=command)
        recorder.start()
        reviews = Reviews(State(InForce(policies, ManifestsView([]))), Metrics(Kinds.builtin()), log, recorder=recorder)

        async def ask(name: str, **more: Any) -> dict[str, float]:
            before = counted(recorder)
            body = review({**VALUE, "metadata": {"name": name}, **more})
            assert isinstance(reviews.answer(head(), body, Client("192.0.2.1")), Answer)
            async with asyncio.timeout(patience(30)):
                while (after := counted(recorder)) == before or recorder._process is None:
                    await asyncio.sleep(0.02)
            return {name: after[name] - before[name] for name in after}

        assert await ask("a") == {"written": 1, "failed": 0, "dropped": 0}
        assert await ask("large", eyJ=[{}] * 700_000) == {"written": 0, "failed": 1, "dropped": 0}
        assert await ask("b") == {"written": 1, "failed": 0, "dropped": 0}
        await recorder.close()

    asyncio.run(run())
    assert [each.request.name for each in read(tmp_path / "rec")[0]] == ["a", "b"]


def test_a_review_that_is_too_large_for_the_queue_is_dropped_and_the_next_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 10_000)
    calls = [("/validate", review({**VALUE, "data": {"x": "y" * size}})) for size in (10, 20_000, 20)]
    policies = tree(tmp_path / "tree", one=validating("one", "true"))
    assert [answer.status for answer in record(tmp_path / "rec", policies, calls)] == [200] * 3
    assert [len(each.request.object["data"]["x"]) for each in read(tmp_path / "rec")[0]] == [10, 20]  # type: ignore[index]


def test_a_share_of_the_reviews_is_recorded(tmp_path: Path) -> None:
    policies = tree(tmp_path / "tree", one=validating("one", "true"))
    record(tmp_path / "none", policies, [("/validate", review(VALUE))] * 20, share=0.0)
    assert list((tmp_path / "none").iterdir()) == []
    record(tmp_path / "some", policies, [("/validate", review(VALUE))] * 400, share=0.25)
    assert 50 < len(read(tmp_path / "some")[0]) < 150


def test_what_is_kept_of_objects_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of too many objects is left out, and the numbers of objects begin anew when there are too many."""
    monkeypatch.setattr(recording, "MAX_OBJECTS", 5)
    policy = """\
from gatewright import validate

@validate(resources=["v1/configmaps"], operations=["CREATE"], reads=["v1/Service"], name="reads")
def reads(request):
    request.cluster.list("v1", "Service", namespace=request.object["metadata"]["name"])
"""
    bound = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: reads}
spec: {policyName: reads, validationActions: [Deny]}
"""
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{number}", "namespace": f"n{count}"}}
        for count in range(9)
        for number in range(count)
    ]
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "reads.py").write_text(policy)
    policies = tree(folder, bound=bound)
    names = [f"n{count}" for count in range(9)] * 3
    calls = [("/validate", review({**VALUE, "metadata": {"name": name}})) for name in names]
    record(tmp_path / "rec", policies, calls, cluster=ManifestsView(services))
    reviews, problems = read(tmp_path / "rec")
    assert (len(reviews), problems) == (27, [])
    for each in reviews:
        count = int(each.request.name[1:])
        compared = Replay(policies).compared(each)
        if count > 5:
            assert compared.unknown == f"all Service of v1 in n{count}"
        else:
            assert not compared.differs
            assert not compared.unknown
            assert len(each.view().list("v1", "Service", f"n{count}").value) == count


@pytest.mark.parametrize("how", ["a list that is too large", "a queue that is full"])
def test_an_object_is_written_as_json_once(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a large list nor a record that was dropped costs the server its objects again at each review."""
    monkeypatch.setattr(recording, "MAX_DEFINED", 200_000)
    monkeypatch.setattr(recording, "MAX_BYTES", 150_000 if how == "a queue that is full" else 16 << 20)
    size = 5000 if how == "a list that is too large" else 1000
    objects = [{"kind": "Node", "metadata": {"name": f"n{number}"}, "x": "y" * size} for number in range(100)]
    made = 0

    class Counting:
        @staticmethod
        def dumps(value: Any) -> bytes:
            nonlocal made
            text = orjson.dumps(value)
            made += len(text)
            return text

    monkeypatch.setattr(recording, "orjson", Counting)

    class Listing(Failing):
        def list(self, api_version: str, kind: str, namespace: str | None = None) -> Any:
            return Found(objects, 0.0)

    async def run() -> None:
        log = Log(os.open(os.devnull, os.O_WRONLY))
        recorder = Recorder(log, writing(tmp_path / "rec"), command=("sleep", "60"))
        policies = tree(tmp_path / "tree", one=validating("one", "true"))
        request = parse_review(review(VALUE, namespace=""))
        if how == "a queue that is full":
            assert recorder.put_record(b"x" * 100_000)
        for _ in range(20):
            lookups = recorder.begin(Listing())
            assert lookups is not None
            lookups.list("v1", "Node")
            outcome = validate(request, policies, lookups)
            recorder.put("/validate", request, b"{}", outcome, b"{}", "r", lookups)
        recorder.gather()
        assert recorder.dropped == (20 if how == "a queue that is full" else 0)
        if how == "a queue that is full":
            recorder._waiting.clear()
            recorder._size = 0
            lookups = recorder.begin(Listing())
            assert lookups is not None
            lookups.list("v1", "Node")
            recorder.put("/validate", request, b"{}", outcome, b"{}", "r", lookups)
            recorder.gather()
            (sent,) = recorder._waiting
            assert sent.count(b"yyy") > 100
        await recorder.close()

    asyncio.run(run())
    assert made < 210_000


def written(server: Running) -> float:
    text = server.get("/metrics").body.decode()
    (found,) = re.findall(r'gatewright_recorded_reviews_total\{result="written"\} (\S+)', text)
    return float(found)


def test_a_server_records_what_its_workers_answer(start: Callable[..., Running], tmp_path: Path) -> None:
    policies, folder = tmp_path / "policies", tmp_path / "rec"
    write_policies(policies, {"named.yaml": validating("named", "object.metadata.name != 'bad'")})
    flags = ("--record", str(folder), "--record-redact", "data.private,**.hidden")
    server = start("--policies", str(policies), "--workers", "2", *flags)
    sent = []
    for number in range(40):
        name = "bad" if number % 4 == 0 else f"m{number}"
        value = {**VALUE, "metadata": {"name": name}, "data": {"private": f"do-not-keep-{number}", "open": "kept"}}
        answer = server.post("/validate", review(value)).response
        sent.append((name, answer["allowed"]))

    wait_for(lambda: written(server) == len(sent), 30)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) <= 2  # one for each worker that has answered
    assert server.stop() == 0
    text = b"".join(gzip.decompress(file.read_bytes()) for file in folder.iterdir())
    assert b"do-not-keep" not in text
    assert text.count(b'"open":"kept"') == 40
    reviews, problems = read(folder)
    assert problems == []
    assert sorted((each.request.name, each.allowed) for each in reviews) == sorted(sent)
    run = gatewright("replay", folder, "--policies", policies, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "40 reviews: all verdicts are the recorded ones\n")


def test_a_replay_leaves_out_what_a_server_without_a_cluster_leaves_out(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """A binding that needs a cluster, by labels of Namespaces, which such a server does not look up."""
    policies, folder = tmp_path / "policies", tmp_path / "rec"
    selects = ", matchResources: {namespaceSelector: {matchLabels: {level: high}}}"
    text = validating("selects", "false", bound=selects)
    needs = text.replace(
        "PolicyBinding\nmetadata: {", "PolicyBinding\nmetadata: {annotations: {gatewright.dev/needs-cluster: 'true'}, "
    )
    assert needs != text
    write_policies(
        policies, {"selects.yaml": needs, "named.yaml": validating("named", "object.metadata.name != 'bad'")}
    )
    server = start("--policies", str(policies), "--record", str(folder))
    server.post("/validate", review({**VALUE, "metadata": {"name": "bad"}}))
    wait_for(lambda: written(server) == 1, 30)
    assert server.stop() == 0

    run = gatewright("replay", folder, "--policies", policies, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "1 review: all verdicts are the recorded ones\n")


def test_what_a_live_cluster_answered_is_recorded(start: Callable[..., Running], tmp_path: Path) -> None:
    """A param, a Namespace that the cluster does not have, and an access check: a replay has the same view."""
    listed, asked = threading.Event(), threading.Event()
    listed.set()
    asked.set()
    asks = "authorizer.group('').resource('pods').check('create').allowed()"
    files = {
        "param.yaml": validating(
            "param",
            "object.metadata.name == params.data.allowed",
            "'only ' + params.data.allowed",
            more="paramKind: {apiVersion: v1, kind: ConfigMap}",
            bound=", paramRef: {name: names, namespace: shop, parameterNotFoundAction: Deny}",
        ),
        "asks.yaml": validating("asks", asks, "'not you'", action="Warn"),
    }
    policies = write_policies(tmp_path / "policies", files)
    with cluster(tmp_path, listed, asked) as kubeconfig:
        where = ("--cluster", "kubeconfig", "--kubeconfig", str(kubeconfig))
        server = start("--policies", str(policies), *where, "--record", str(tmp_path / "rec"))
        denied = server.post("/validate", review({**VALUE, "metadata": {"name": "other"}})).response
        allowed = server.post("/validate", review({**VALUE, "metadata": {"name": "web"}})).response
        wait_for(lambda: written(server) == 2, 30)
        assert server.stop() == 0
    assert denied["status"]["message"].endswith("only web")
    assert allowed["warnings"]
    reviews, problems = read(tmp_path / "rec")
    assert (len(reviews), problems) == (2, [])
    param = reviews[0].view().get("v1", "ConfigMap", "names", "shop")
    assert param.value["data"] == {"allowed": "web"}
    assert {key[0] for key in reviews[0].answers} >= {"get", "access"}
    run = gatewright("replay", "rec", "--policies", policies, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "2 reviews: all verdicts are the recorded ones\n")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no parent", "No such file or directory"),
        ("a file", "File exists"),
        ("small disk", "less than two files of"),
        ("bad path", "expected a field such as"),
    ],
)
def test_a_setting_that_cannot_work_ends_the_start(what: str, said: str, policies: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    flags = {
        "no parent": ("--record", "no/where"),
        "a file": ("--record", "file"),
        "small disk": ("--record", "rec", "--record-disk", "1Mi", "--workers", "2"),
        "bad path": ("--record", "rec", "--record-redact", "a..b"),
    }[what]
    run = gatewright(
        "serve", "--port", "0", "--plain-port", "0", "--policies", policies, *flags, cwd=tmp_path, env=environment()
    )
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "rec").exists()


class Failing:
    """A cluster that answers nothing."""

    kinds = Kinds.builtin()

    def namespace(self, name: str) -> Any:
        raise NotCached(f"Namespace {name} is not cached yet")

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Any:
        raise UnknownKind(api_version, kind)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Any:
        raise NotCached(f"{kind} is not listed yet")

    def authorize(self, access: Access) -> Any:
        raise AccessUnknown("no answer in time")


def test_lookups_that_failed_fail_again(tmp_path: Path) -> None:
    """Under failurePolicy Fail each is a denial with its text, in the server and in a replay."""
    policy = """\
from gatewright import validate

@validate(resources=["v1/configmaps"], operations=["CREATE"], reads=["v1/Service", "v1/Node"], name="reads")
def reads(request):
    if request.object["metadata"]["name"] == "get":
        request.cluster.get("v1", "Node", "n")
    request.cluster.list("v1", "Service", namespace="shop")
"""
    bound = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: reads}
spec: {policyName: reads, validationActions: [Deny]}
"""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "reads.py").write_text(policy)
    asks = validating("asks", "authorizer.group('').resource('pods').check('get').allowed()")
    named = validating("named", "namespaceObject.metadata.name == 'shop'")
    policies = tree(folder, bound=bound, asks=asks, named=named)
    calls = [("/validate", review({**VALUE, "metadata": {"name": name}})) for name in ("get", "list")]
    record(tmp_path / "rec", policies, calls, cluster=Failing())
    reviews, problems = read(tmp_path / "rec")
    assert (len(reviews), problems) == (2, [])
    texts = [found.message for each in reviews for found in each.findings]
    for said in ("unknown kind: Node of v1", "Service is not listed yet", "no answer in time", "not cached yet"):
        assert any(said in text for text in texts), texts
    assert not any(Replay(policies).compared(each).differs for each in reviews)
    assert not any(Replay(policies).compared(each).unknown for each in reviews)


def test_redacted_fields_of_the_user_are_not_in_access_checks(tmp_path: Path) -> None:
    """A replay, which has the redacted user, asks the same and finds the answer."""

    class Deciding(Failing):
        def namespace(self, name: str) -> Any:
            return Found(None, 0.0)

        def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Any:
            return Found(None, 0.0)

        def authorize(self, access: Access) -> AccessDecision:
            assert (access.user, access.extra) == ("ann", (("session", ("hidden-session-id", "s1")),))
            return AccessDecision(True, f"as {access.extra[0][1][0]} may", "")

    asks = (
        "authorizer.group('').resource('pods').namespace(request.userInfo.extra['session'][0]).check('get').allowed()"
    )
    policies = tree(tmp_path / "tree", asks=validating("asks", asks))
    user = {"username": "ann", "groups": ["g"], "extra": {"session": ["hidden-session-id", "s1"]}}
    calls = [("/validate", review(VALUE, userInfo=user))]
    redact = ("request.userInfo.extra", "request.userInfo.username")
    record(tmp_path / "rec", policies, calls, cluster=Deciding(), redact=redact)
    (file,) = (tmp_path / "rec").iterdir()
    lookups = orjson.loads(gzip.decompress(file.read_bytes()).splitlines()[-1])["lookups"]
    (access,) = [each["access"] for each in lookups if "access" in each]
    text = orjson.dumps(lookups)
    assert not [value for value in (b"hidden-session-id", b'"s1"', b'"ann"') if value in text]
    assert (access[1], access[3], access[4][0][0]) == ("get", ["g"], "session")
    reviews, problems = read(tmp_path / "rec")
    assert (len(reviews), problems) == (1, [])
    compared = Replay(policies).compared(reviews[0])
    assert (compared.unknown, compared.differs) == ("", False)


def test_a_custom_kind_is_known_in_a_replay(tmp_path: Path) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "limits.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "limits", "kind": "Limit"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }
    limit = {
        "apiVersion": "example.com/v1",
        "kind": "Limit",
        "metadata": {"name": "all", "namespace": "conf"},
        "spec": {"forbidden": "bad"},
    }
    policies = tree(
        tmp_path / "tree",
        limits=validating(
            "limits",
            "object.metadata.name != params.spec.forbidden",
            more="paramKind: {apiVersion: example.com/v1, kind: Limit}",
            bound=", paramRef: {name: all, namespace: conf, parameterNotFoundAction: Deny}",
        ),
    )
    calls = [("/validate", review({**VALUE, "metadata": {"name": name}})) for name in ("bad", "good", "good")]
    view = ManifestsView([limit], Kinds.builtin().with_crds([crd]))
    record(tmp_path / "rec", policies, calls, cluster=view)
    reviews, problems = read(tmp_path / "rec")
    assert ([each.allowed for each in reviews], problems) == ([False, True, True], [])
    assert {each.served[0].plural for each in reviews} == {"limits"}
    assert not any(Replay(policies).compared(each).differs for each in reviews)
    assert not any(Replay(policies).compared(each).unknown for each in reviews)


def test_the_namespace_of_each_request_is_recorded_though_no_policy_looks_at_it(tmp_path: Path) -> None:
    """So that a policy that is added can be tried on the recording."""
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("shop", "pay")]
    policies = tree(tmp_path / "tree", one=validating("one", "true"))
    asked = ["shop", "pay", "gone", "shop", "", "pay", "gone"]
    calls = [("/validate", review(VALUE, namespace=name)) for name in asked]
    record(tmp_path / "rec", policies, calls, cluster=ManifestsView(spaces))
    reviews, problems = read(tmp_path / "rec")
    assert problems == [] and [each.request.namespace for each in reviews] == asked
    for each in reviews:
        for name in ("shop", "pay"):
            if each.request.namespace == name:
                assert each.view().namespace(name).value["metadata"]["name"] == name
            else:
                with pytest.raises(NotRecorded):
                    each.view().namespace(name)
        with pytest.raises(NotRecorded):
            each.view().namespace("gone")


def test_what_is_recorded_of_a_namespace_is_what_the_reviews_own_view_has(tmp_path: Path) -> None:
    """Reviews before and after a reload become records at the same time."""

    def view(label: str) -> ManifestsView:
        return ManifestsView(
            [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": label}}}]
        )

    policies = tree(tmp_path / "tree", one=validating("one", "true"))

    async def run() -> None:
        log = Log(os.open(os.devnull, os.O_WRONLY))
        recorder = Recorder(log, writing(tmp_path / "rec"))
        recorder.start()
        state = State(InForce(policies, view("old")))
        reviews = Reviews(state, Metrics(Kinds.builtin()), log, recorder=recorder)
        for label in ("old", "new", "old"):
            state.in_force = InForce(policies, view(label))
            for _ in range(2):
                reviews.answer(head(), review(VALUE), Client("192.0.2.1"))
        async with asyncio.timeout(patience(30)):
            while recorder.done < 6:
                await asyncio.sleep(0.02)
        await recorder.close()

    asyncio.run(run())
    labels = [each.view().namespace("shop").value["metadata"]["labels"]["a"] for each in read(tmp_path / "rec")[0]]
    assert labels == ["old", "old", "new", "new", "old", "old"]
