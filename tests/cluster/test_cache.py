"""The cache of one kind, against a server that misbehaves. (Against a real one: tests/e2e.)"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kubernetes.client import Configuration

from tests.cluster.apiserver import Exchange, bookmark, config_map, event, gone, listed, playing
from tests.server.running import wait_for
from tests.timing import within
from webhook.cluster.cache import Backoff, Cache, State
from webhook.cluster.connection import Connection
from webhook.cluster.lookups import Target

CONFIG_MAPS = Target("v1", "ConfigMap")
QUICK = Backoff(0.02, 0.1)


class Followed:
    """A cache that runs, and what it told."""

    def __init__(self, target: Target, url: str, silence: float, backoff: Backoff) -> None:
        self.told: list[tuple[State, str]] = []
        self.cache = Cache(target, self._changed, backoff=backoff, page=2, silence=silence)
        configuration = Configuration()
        configuration.host = url
        configuration.retries = False
        self.connection = Connection(configuration, 4)
        self.thread = threading.Thread(target=self.cache.run, args=(self.connection,), daemon=True)

    def _changed(self, cache: Cache) -> None:
        self.told.append((cache.state, cache.problem))

    def names(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.cache.snapshot.list(None)]

    def stop(self) -> None:
        self.cache.stop()
        self.connection.close()
        self.thread.join(5)
        assert not self.thread.is_alive()


@contextmanager
def following(
    answer: Callable[[Exchange], None],
    target: Target = CONFIG_MAPS,
    silence: float = 20.0,
    backoff: Backoff = QUICK,
) -> Iterator[tuple[Followed, list[Exchange]]]:
    with playing(answer) as (url, exchanges):
        followed = Followed(target, url, silence, backoff)
        followed.thread.start()
        try:
            yield followed, exchanges
        finally:
            followed.stop()


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Watches that wait for it are ended with the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_list_comes_in_pages_and_its_items_get_their_type(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=hold)
        elif exchange.query.get("continue") == "more":
            exchange.json(listed(7, config_map("c", 3)))
        else:
            assert exchange.query["limit"] == "2"
            exchange.json(listed(7, config_map("a", 1), config_map("b", 2), token="more"))

    with following(answer) as (followed, exchanges):
        wait_for(lambda: followed.cache.state is State.SYNCED)
        assert followed.names() == ["a", "b", "c"]
        found = followed.cache.snapshot.get("shop", "c")
        assert found is not None
        assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")
        assert "managedFields" not in found["metadata"]
        watch = wait_for(lambda: [each for each in exchanges if each.watching])[0]
        assert watch.query["resourceVersion"] == "7"
        assert watch.query["allowWatchBookmarks"] == "true"
        assert 240 <= int(watch.query["timeoutSeconds"]) <= 480


def test_a_list_that_takes_too_long_for_its_pages_is_made_in_one_piece(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=hold)
        elif "continue" in exchange.query:
            exchange.refuse(410)
        elif "limit" in exchange.query:
            exchange.json(listed(7, config_map("a", 1), config_map("b", 2), token="more"))
        else:
            exchange.json(listed(9, *(config_map(name, 1) for name in "abc")))

    with following(answer) as (followed, _):
        wait_for(lambda: followed.cache.state is State.SYNCED)
        assert followed.names() == ["a", "b", "c"]


def test_events_are_taken_over_and_what_did_not_change_stays_the_same_object(hold: threading.Event) -> None:
    go_on = threading.Event()

    def answer(exchange: Exchange) -> None:
        if not exchange.watching:
            exchange.json(listed(7, config_map("a", 1), config_map("b", 2)))
            return
        go_on.wait(10)
        changes = event("ADDED", config_map("c", 8)) + event("MODIFIED", config_map("b", 9, x="1"))
        again = event("MODIFIED", config_map("a", 1))  # as after a watch that is taken up
        cut = len(changes) // 2  # events do not come in chunks of their own
        exchange.stream(
            changes[:cut], changes[cut:] + again, event("DELETED", config_map("c", 10)), bookmark(11), hold=hold
        )

    with following(answer) as (followed, _):
        wait_for(lambda: followed.names() == ["a", "b"])
        before = followed.cache.snapshot
        a, b = before.get("shop", "a"), before.get("shop", "b")
        go_on.set()
        wait_for(lambda: followed.cache.counts.events == 4)
        after = followed.cache.snapshot
        assert followed.names() == ["a", "b"]
        assert after.get("shop", "a") is a
        changed = after.get("shop", "b")
        assert changed is not b
        assert changed is not None
        assert changed["data"] == {"x": "1"}
        assert "managedFields" not in changed["metadata"]
        assert before.get("shop", "b") is b  # a snapshot that somebody holds does not change
        wait_for(lambda: followed.cache._version == "11")


def test_a_watch_that_ends_is_taken_up_from_its_last_bookmark(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if not exchange.watching:
            exchange.json(listed(7, config_map("a", 1)))
        elif exchange.query["resourceVersion"] == "7":
            exchange.stream(bookmark(12))
        else:
            exchange.stream(event("ADDED", config_map("b", 13)), hold=hold)

    with following(answer) as (followed, exchanges):
        wait_for(lambda: followed.names() == ["a", "b"])
        assert [each.query["resourceVersion"] for each in exchanges if each.watching] == ["7", "12"]
        assert followed.cache.counts.lists == 1
        assert followed.cache.counts.restarts == 1
        assert followed.told == [(State.SYNCED, "")]


@pytest.mark.parametrize("how", ["status", "event"])
def test_410_begins_anew_with_a_list_that_keeps_what_is_the_same(how: str, hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if not exchange.watching:
            items = [config_map("a", 1), config_map("b", 2) if exchange.first else config_map("c", 20)]
            exchange.json(listed(7 if exchange.first else 21, *items))
        elif exchange.query["resourceVersion"] == "21":
            exchange.stream(hold=hold)
        elif how == "status":
            seen.wait(10)
            exchange.refuse(410)
        else:
            seen.wait(10)
            exchange.stream(event("MODIFIED", config_map("b", 9)), gone())

    seen = threading.Event()
    with following(answer) as (followed, _):
        wait_for(lambda: followed.names() == ["a", "b"])
        a = followed.cache.snapshot.get("shop", "a")
        seen.set()
        wait_for(lambda: followed.names() == ["a", "c"])
        assert followed.cache.snapshot.get("shop", "a") is a
        assert followed.cache.counts.errors == {"gone": 1}
        assert followed.cache.counts.lists == 2


def test_a_server_that_always_says_410_is_not_asked_without_end() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.refuse(410)
        else:
            exchange.json(listed(7))

    with following(answer, backoff=Backoff(0.4, 0.4)) as (followed, exchanges):
        wait_for(lambda: followed.cache.counts.errors["gone"] >= 2)
        time.sleep(1.0)
        assert len(exchanges) <= 2 * 8  # a list and a watch each time


def test_errors_are_told_once_with_their_reason_and_tried_again(hold: threading.Event) -> None:
    good = threading.Event()

    def answer(exchange: Exchange) -> None:
        if not good.is_set():
            exchange.refuse(403, "configmaps is forbidden")
        elif exchange.watching:
            exchange.stream(hold=hold)
        else:
            exchange.json(listed(7, config_map("a", 1)))

    with following(answer) as (followed, _):
        wait_for(lambda: followed.cache.counts.errors["forbidden"] >= 4)
        assert followed.told == [(State.WAITING, "403: configmaps is forbidden")]
        good.set()
        wait_for(lambda: followed.cache.state is State.SYNCED)
        assert followed.told[1:] == [(State.SYNCED, "")]


def test_a_list_without_the_right_to_watch_is_not_in_sync() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.refuse(403, "cannot watch")
        else:
            exchange.json(listed(7, config_map("a", 1)))

    with following(answer) as (followed, _):
        wait_for(lambda: followed.cache.counts.errors["forbidden"] >= 4)
        assert followed.cache.state is State.WAITING
        assert followed.told == [(State.WAITING, "403: cannot watch")]


GARBAGE = {
    "no JSON": b"what?\n",
    "no event": b"[1]\n",
    "an event of nothing": b'{"type": "ADDED"}\n',
    "an object without a name": event("ADDED", {"metadata": {"resourceVersion": "9"}}),
    "an object that is none": b'{"type": "ADDED", "object": 3}\n',
    "an error without a code": event("ERROR", {"kind": "Status"}),
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_survived(sent: bytes, hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if not exchange.watching:
            exchange.json(listed(7, config_map("a", 1)))
        elif exchange.first:
            exchange.stream(sent)
        else:
            exchange.stream(event("ADDED", config_map("b", 30)), hold=hold)

    with following(answer) as (followed, _):
        wait_for(lambda: followed.names() == ["a", "b"])
        assert followed.cache.counts.errors.total() == 1


LISTS = {
    "no JSON": b"what?",
    "no object": b"[]",
    "no metadata": b"{}",
    "items that are none": b'{"metadata": {"resourceVersion": "7"}, "items": [3]}',
    "an item without a name": b'{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {}}]}',
}


@pytest.mark.parametrize("sent", LISTS.values(), ids=LISTS.keys())
def test_a_list_that_is_garbage_is_no_list(sent: bytes, hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=hold)
        elif exchange.first:
            exchange.text(sent)
        else:
            exchange.json(listed(7, config_map("a", 1)))

    with following(answer) as (followed, _):
        wait_for(lambda: followed.names() == ["a"])
        assert followed.told[0][0] is State.WAITING


def test_a_watch_that_says_nothing_is_given_up(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=hold)
        else:
            exchange.json(listed(7, config_map("a", 1)))

    with following(answer, silence=0.3) as (followed, exchanges):
        wait_for(lambda: len([each for each in exchanges if each.watching]) >= 3)
        assert followed.cache.counts.lists == 1
        assert followed.cache.counts.errors["unreachable"] >= 2
        assert followed.told == [(State.SYNCED, "")]


def test_the_age_grows_until_the_server_tells_something(hold: threading.Event) -> None:
    tell = threading.Event()

    def answer(exchange: Exchange) -> None:
        if not exchange.watching:
            exchange.json(listed(7, config_map("a", 1)))
        elif tell.is_set():
            exchange.stream(bookmark(8), hold=hold)
        else:
            tell.wait(10)
            exchange.refuse(500)

    with following(answer) as (followed, _):
        wait_for(lambda: followed.cache.snapshot.count == 1)
        time.sleep(0.3)
        assert followed.cache.age >= 0.3
        tell.set()
        wait_for(lambda: followed.cache.age < 0.2)


def test_one_name_in_one_namespace_is_all_that_is_asked_for(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=hold)
        else:
            exchange.json(listed(7, config_map("a", 1)))

    with following(answer, Target("v1", "ConfigMap", "shop", "a")) as (followed, exchanges):
        wait_for(lambda: followed.cache.state is State.SYNCED)
        assert {each.path for each in exchanges} == {"/api/v1/namespaces/shop/configmaps"}
        assert {each.query["fieldSelector"] for each in exchanges} == {"metadata.name=a"}


def test_who_is_told_and_fails_is_not_the_end_of_it(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(event("ADDED", config_map("b", 8)), hold=hold)
        else:
            exchange.json(listed(7, config_map("a", 1)))

    class Failing(Followed):
        def _changed(self, cache: Cache) -> None:
            super()._changed(cache)
            raise OSError("nobody listens")

    with playing(answer) as (url, _):
        failing = Failing(CONFIG_MAPS, url, 20.0, QUICK)
        failing.thread.start()
        wait_for(lambda: failing.names() == ["a", "b"])
        assert failing.cache.counts.errors == {"error": 1}
        failing.stop()


def test_it_stops_in_the_middle_of_anything(hold: threading.Event) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.watching:
            exchange.stream(hold=hold)
        else:
            exchange.json(listed(7))

    with following(answer) as (followed, _):
        wait_for(lambda: followed.cache.state is State.SYNCED)
        with within(1):
            followed.stop()
        assert followed.told == [(State.SYNCED, "")]
