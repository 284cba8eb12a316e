"""What a live view answers, from caches that are in whatever state. (How they get there: test_cache.py, tests/e2e.)"""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from tests.cluster.apiserver import Exchange, config_map, event, listed, playing
from tests.server.running import wait_for
from tests.timing import within
from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster import connection
from webhook.cluster.cache import State
from webhook.cluster.connection import ConfigurationError
from webhook.cluster.live import MAX_QUESTIONS, LiveView, describe
from webhook.cluster.lookups import NAMESPACES, Lookups, Target
from webhook.cluster.view import ClusterView, NotCached, Unanswered, UnknownKind

ONE = Target("v1", "ConfigMap", "shop", "a")
MANY = Target("v1", "Secret", "shop")
WIDGETS = Target("example.com/v1", "Widget", "", "w")
ANN = Access("ann", "get", groups=("g",), resource="pods", namespace="shop", extra=(("k", ("v",)),))


def configuration(url: str) -> object:
    from kubernetes.client import Configuration

    found = Configuration()
    found.host = url
    found.retries = False
    return found


def answer(exchange: Exchange) -> None:
    """A cluster with two ConfigMaps of one name, a cluster-scoped Widget, no Gadgets, and a Namespace."""
    if exchange.path == "/apis/example.com/v1":
        exchange.json(
            {
                "resources": [
                    {"name": "widgets/status", "kind": "Widget", "namespaced": False, "verbs": ["get"]},
                    {"name": "widgets", "kind": "Widget", "namespaced": False, "verbs": ["list", "watch"]},
                ]
            }
        )
    elif exchange.path.endswith("subjectaccessreviews"):
        assert exchange.body is not None
        spec = exchange.body["spec"]
        if spec["user"] == "slow":
            time.sleep(1)
        status = {"allowed": spec["user"] == "ann", "reason": "so it is"}
        exchange.json({"status": status if spec["user"] != "odd" else {**status, "evaluationError": "half broken"}})
    elif exchange.watching:
        time.sleep(0.2)
        exchange.stream()
    elif exchange.path.endswith("configmaps"):
        exchange.json(listed(5, config_map("a", 1)))
    elif exchange.path == "/apis/example.com/v1/widgets":
        exchange.json(listed(5, {"metadata": {"name": "w", "resourceVersion": "1"}}))
    elif exchange.path.endswith("namespaces"):
        exchange.json(listed(5, {"metadata": {"name": "shop", "resourceVersion": "1"}}))
    else:
        exchange.refuse(404)


def test_before_the_first_list_it_knows_nothing_and_says_so() -> None:
    view: ClusterView = LiveView(Lookups.of([ONE]))
    with pytest.raises(NotCached, match="ConfigMap of v1 has not been listed yet"):
        view.get("v1", "ConfigMap", "a", "shop")
    with pytest.raises(NotCached, match="v1/Secret x in shop is not cached: no policy declares"):
        view.get("v1", "Secret", "x", "shop")
    with pytest.raises(UnknownKind):
        view.get("example.com/v1", "Gadget", "x", "shop")


def test_it_answers_from_what_was_listed() -> None:
    gadgets = Target("example.com/v1", "Gadget")
    view = LiveView(Lookups.of([ONE, WIDGETS, gadgets, NAMESPACES]))
    with playing(answer) as (url, exchanges):
        began = time.monotonic()
        view.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: view.waits_for() is None)
            found = view.get("v1", "ConfigMap", "a", "shop")
            assert found.value["metadata"]["name"] == "a"
            assert 0 <= found.age <= time.monotonic() - began
            assert view.get("v1", "ConfigMap", "a", "shop").value is found.value
            with pytest.raises(NotCached):
                view.get("v1", "ConfigMap", "b", "shop")  # not among what is kept
            widget = view.get("example.com/v1", "Widget", "w", "ignored").value
            assert (widget["kind"], widget["metadata"]["name"]) == ("Widget", "w")
            known = view.kinds.for_kind("example.com/v1", "Widget")
            assert known is not None
            assert not known.namespaced
            with pytest.raises(UnknownKind):
                view.list("example.com/v1", "Gadget")
            assert view.namespace("shop").value["metadata"]["name"] == "shop"
            with pytest.raises(Unanswered):
                view.namespace("new")
            before = len(exchanges)
            for _ in range(1000):
                view.get("v1", "ConfigMap", "a", "shop")
            assert len([each for each in exchanges[before:] if not each.watching]) == 0
        finally:
            view.stop()


def test_a_kind_of_kubernetes_that_this_cluster_does_not_serve_is_unknown() -> None:
    secrets = LiveView(Lookups.of([MANY]))
    with playing(answer) as (url, _):
        secrets.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: secrets.waits_for() is None)
            assert secrets.kinds.for_kind("v1", "Secret") is None
            with pytest.raises(UnknownKind):
                secrets.list("v1", "Secret", "shop")
        finally:
            secrets.stop()


def test_it_is_not_ready_before_it_knows_the_kinds() -> None:
    """A cache changes its state a moment before the view has heard of it."""
    view = LiveView(Lookups.of([MANY]))
    (cache,) = view.caches
    cache.state = State.NOT_SERVED
    assert view.waits_for() == "waiting for the cluster's v1/Secret in shop"
    assert view.kinds.for_kind("v1", "Secret") is not None
    cache.changed(cache)
    assert view.waits_for() is None
    assert view.kinds.for_kind("v1", "Secret") is None


def test_access_is_asked_about_once_a_review() -> None:
    async def review(view: LiveView, seconds: float, *questions: Access) -> list[AccessDecision | str]:
        one = view.for_review(asyncio.get_running_loop().time() + seconds)
        answers: list[AccessDecision | str] = []
        for question in questions:
            with pytest.raises(Unanswered) as caught:
                one.authorize(question)
            await one.find_out(caught.value.question)
            for _ in range(2):
                try:
                    found: AccessDecision | str = one.authorize(question)
                except AccessUnknown as unknown:
                    found = str(unknown)
            answers.append(found)
        return answers

    view = LiveView(Lookups(access=True))
    with playing(answer) as (url, exchanges):
        view.start(configuration(url))  # type: ignore[arg-type]
        try:
            path = Access("bob", "get", path="/healthz")
            odd = Access("odd", "get", resource="pods", label_selector="a=b")
            assert asyncio.run(review(view, 5, ANN, path, odd)) == [
                AccessDecision(True, "so it is"),
                AccessDecision(False, "so it is"),
                AccessDecision(False, "so it is", "half broken"),
            ]
            assert len(exchanges) == 3
            specs = [each.body["spec"] for each in exchanges if each.body]
            assert specs[0] == {
                "user": "ann",
                "groups": ["g"],
                "extra": {"k": ["v"]},
                "resourceAttributes": {
                    "verb": "get",
                    "group": "",
                    "version": "*",
                    "resource": "pods",
                    "subresource": "",
                    "namespace": "shop",
                    "name": "",
                },
            }
            assert specs[1]["nonResourceAttributes"] == {"path": "/healthz", "verb": "get"}
            assert specs[2]["resourceAttributes"]["labelSelector"] == {"rawSelector": "a=b"}

            with within(0.6):
                (late,) = asyncio.run(review(view, 0.3, ANN._replace(user="slow")))
            assert "the API server could not be asked about access (no answer within 0.3 s): user 'slow'" in str(late)
            (over,) = asyncio.run(review(view, -1, ANN))
            assert "the review's deadline has passed" in str(over)
            assert view.asked == {"allowed": 1, "refused": 1, "error": 2}

            questions = [Access("bob", "get", name=str(number), resource="pods") for number in range(MAX_QUESTIONS + 1)]
            *_, last = asyncio.run(review(view, 20, *questions))
            assert f"more than {MAX_QUESTIONS} access checks" in str(last)
        finally:
            view.stop()


def test_a_kubeconfig_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"kubeconfig .*missing"):
        connection.configuration("kubeconfig", tmp_path / "missing")
    (tmp_path / "empty").write_text("")
    (tmp_path / "text").write_text("nothing")
    for name in ("empty", "text"):
        with pytest.raises(ConfigurationError, match=name):
            connection.configuration("kubeconfig", tmp_path / name)


def test_outside_of_a_pod_there_is_no_service_account() -> None:
    with pytest.raises(ConfigurationError, match="service account"):
        connection.configuration("in-cluster")


def test_a_namespace_that_comes_while_a_review_waits_is_found() -> None:
    late = threading.Event()

    def added() -> bytes:
        late.wait(20)
        new = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new", "resourceVersion": "6"}}
        return event("ADDED", new)

    def with_a_late_namespace(exchange: Exchange) -> None:
        if exchange.path.endswith("namespaces") and exchange.watching:
            exchange.stream(added, hold=ended)
        else:
            answer(exchange)

    async def review(view: LiveView) -> None:
        one = view.for_review(asyncio.get_running_loop().time() + 20)
        with pytest.raises(Unanswered) as caught:
            one.namespace("new")
        waiting = asyncio.create_task(one.find_out(caught.value.question))
        await asyncio.sleep(0)
        late.set()
        await waiting
        assert one.namespace("new").value["metadata"]["name"] == "new"
        assert one.kinds is view.kinds
        assert one.list("v1", "Namespace").value == [one.get("v1", "Namespace", name).value for name in ("new", "shop")]

    ended = threading.Event()
    view = LiveView(Lookups.of([NAMESPACES]))
    with playing(with_a_late_namespace) as (url, _):
        view.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: view.waits_for() is None)
            asyncio.run(review(view))
        finally:
            ended.set()
            view.stop()


def test_a_namespace_that_does_not_come_is_absent_for_the_review_that_waited() -> None:
    async def review(view: LiveView) -> None:
        one = view.for_review(asyncio.get_running_loop().time() + 0.2)
        with pytest.raises(Unanswered) as caught:
            one.namespace("new")
        await one.find_out(caught.value.question)
        assert one.namespace("new").value is None
        with pytest.raises(Unanswered):
            view.for_review(0).namespace("new")

    view = LiveView(Lookups.of([NAMESPACES]))
    with playing(answer) as (url, _):
        view.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: view.waits_for() is None)
            asyncio.run(review(view))
        finally:
            view.stop()


def test_a_review_does_not_wait_for_namespaces_that_cannot_be_looked_up() -> None:
    async def review(view: LiveView) -> None:
        one = view.for_review(asyncio.get_running_loop().time() + 20)
        await one.find_out("new")
        with pytest.raises(NotCached):
            one.namespace("new")

    asyncio.run(review(LiveView(Lookups.of([NAMESPACES]))))


def test_without_a_lookup_of_access_nobody_is_asked() -> None:
    view = LiveView(Lookups.of([ONE]))
    with pytest.raises(Unanswered):
        view.authorize(ANN)
    with pytest.raises(AccessUnknown, match="this server does not ask the authorizer: user 'ann'"):
        asyncio.run(view.access(ANN, 1))
    assert view.asked == {"error": 1}


def test_a_cache_is_described_by_its_state_and_by_nothing_of_its_objects() -> None:
    view = LiveView(Lookups.of([ONE]))
    (cache,) = view.caches
    assert describe(cache) == {"objects_of": str(ONE), "state": str(cache.state)}
    with playing(lambda exchange: exchange.refuse(403, "not allowed")) as (url, _):
        view.start(configuration(url))  # type: ignore[arg-type]
        try:
            reason = wait_for(lambda: cache.problem)
            assert describe(cache) == {"objects_of": str(ONE), "state": str(cache.state), "message": reason}
            assert "403" in reason
            assert view.waits_for() == f"waiting for the cluster's {ONE} ({reason})"
        finally:
            view.stop()
    view = LiveView(Lookups.of([ONE]))
    (cache,) = view.caches
    with playing(answer) as (url, _):
        view.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: view.waits_for() is None)
            assert {**describe(cache), "restarts": 0} == {
                "objects_of": str(ONE), "state": str(cache.state), "objects": 1, "restarts": 0,
            }  # fmt: skip
        finally:
            view.stop()


def test_a_successor_shares_what_both_need_and_ends_what_it_does_not() -> None:
    reports: list[str] = []
    before = LiveView(Lookups.of([ONE, NAMESPACES]), lambda cache: reports.append(f"before {cache.target}"))
    with playing(answer) as (url, exchanges):
        before.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: before.waits_for() is None)
            after = LiveView(
                Lookups.of([NAMESPACES, WIDGETS], access=True),
                lambda cache: reports.append(f"after {cache.target}"),
                before,
            )
            after.start(configuration(url))  # type: ignore[arg-type]
            wait_for(lambda: after.waits_for() is None)
            assert [each.path for each in exchanges if not each.watching].count("/api/v1/namespaces") == 1
            assert after.namespace("shop").value is before.namespace("shop").value
            threads = {thread.name: thread for thread in threading.enumerate()}
            after.succeed(before)
            widget = after.get("example.com/v1", "Widget", "w").value
            assert widget["metadata"]["name"] == "w"
            known = after.kinds.for_kind("example.com/v1", "Widget")
            assert known is not None
            assert not known.namespaced
            with pytest.raises(NotCached):
                after.get("v1", "ConfigMap", "a", "shop")
            # A review that has begun with the view before still reads what that held.
            assert before.get("v1", "ConfigMap", "a", "shop").value["metadata"]["name"] == "a"
            assert asyncio.run(after.access(ANN, 5)).allowed
            threads[f"cache {ONE}"].join(5)
            assert not threads[f"cache {ONE}"].is_alive()
            assert threads[f"cache {NAMESPACES}"].is_alive()
        finally:
            after.stop()
    assert {"before v1/Namespace", f"after {WIDGETS}"} <= set(reports)
    assert f"before {WIDGETS}" not in reports
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {f"cache {NAMESPACES}", f"cache {WIDGETS}"}


def test_a_successor_that_is_abandoned_leaves_the_view_before_it() -> None:
    before = LiveView(Lookups.of([NAMESPACES]))
    with playing(answer) as (url, _):
        before.start(configuration(url))  # type: ignore[arg-type]
        try:
            wait_for(lambda: before.waits_for() is None)
            after = LiveView(Lookups.of([NAMESPACES, MANY]), before=before)
            after.start(configuration(url))  # type: ignore[arg-type]
            threads = {thread.name: thread for thread in threading.enumerate()}
            after.abandon()
            threads[f"cache {MANY}"].join(5)
            assert not threads[f"cache {MANY}"].is_alive()
            assert threads[f"cache {NAMESPACES}"].is_alive()
            assert before.namespace("shop").value["metadata"]["name"] == "shop"
        finally:
            before.stop()
