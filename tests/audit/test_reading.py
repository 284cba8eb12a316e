"""Pages of lists: continue tokens that expire, servers that are busy or away, objects that change between pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.audit.clusters import Server, made, reading
from tests.cluster.apiserver import Exchange
from webhook.audit.reading import ATTEMPTS, RESTARTS, NotListed, Reader
from webhook.cluster.connection import Unreachable
from webhook.schema import Resource

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True)
PATH = "/api/v1/configmaps"
NAMES = [f"c{number:02}" for number in range(20)]


def server(*answers: Callable[[Exchange], bool]) -> Server:
    """A server of ConfigMaps. answers: what the first requests get in place of a list; False: the list."""
    left = list(answers)
    return Server([made("ConfigMap", name) for name in NAMES], {PATH: lambda it: bool(left) and left.pop(0)(it)})


def listed(_: Exchange) -> bool:
    return False


def gone(token: str = "") -> Callable[[Exchange], bool]:
    def answer(exchange: Exchange) -> bool:
        status = {"kind": "Status", "message": "too old", "code": 410, "metadata": {"continue": token} if token else {}}
        exchange.json(status, 410)
        return True

    return answer


def busy(status: int) -> Callable[[Exchange], bool]:
    def answer(exchange: Exchange) -> bool:
        exchange.refuse(status, "busy")
        return True

    return answer


def names(reader: Reader, largest: int = 6) -> list[str]:
    return [each["metadata"]["name"] for page in reader.pages(CONFIG_MAPS, None, largest) for each in page]


def test_a_list_goes_on_with_the_token_that_comes_with_410() -> None:
    it = server(listed, listed, gone("12"))
    with reading(it) as reader:
        assert names(reader) == NAMES
    assert [token for _, token in it.asked] == ["", "6", "12", "12", "18"]


def test_a_list_that_begins_anew_tells_of_no_object_twice() -> None:
    it = server(listed, listed, gone())
    with reading(it) as reader:
        assert names(reader) == NAMES
    assert [token for _, token in it.asked] == ["", "6", "12", "", "6", "12", "18"]


def test_objects_that_come_and_go_while_a_list_begins_anew() -> None:
    it = server(listed, listed, gone())

    def changes(exchange: Exchange) -> bool:
        it.objects = [each for each in it.objects if each["metadata"]["name"] not in ("c02", "c11", "c15")]
        it.objects += [made("ConfigMap", "c01b"), made("ConfigMap", "c16b")]
        exchange.json({"kind": "Status", "message": "too old", "code": 410}, 410)
        return True

    it = server(listed, listed, changes)
    with reading(it) as reader:
        found = names(reader)
    assert found == [*NAMES[:15], "c16", "c16b", "c17", "c18", "c19"]


def test_a_list_in_no_order_that_begins_anew_is_not_gone_on_with() -> None:
    it = server(listed, listed, gone())
    it.objects[0]["metadata"]["namespace"] = "zoo"

    def shuffled(exchange: Exchange) -> bool:
        exchange.json({"metadata": {"continue": "6"}, "items": [made("ConfigMap", name) for name in "bac"]})
        return True

    it = server(shuffled, gone())
    with reading(it) as reader, pytest.raises(NotListed, match="in no order"):
        names(reader)


def test_a_token_that_expires_again_and_again_ends_the_list() -> None:
    it = server(*[listed, gone()] * 9)
    with reading(it) as reader, pytest.raises(NotListed, match="410: too old"):
        names(reader)
    assert len([token for _, token in it.asked if not token]) == RESTARTS + 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(status: int) -> None:
    waits: list[float] = []
    it = server(listed, busy(status), busy(status))
    with reading(it, waits=waits) as reader:
        assert names(reader) == NAMES
        assert reader.repeated == 2 and reader.calls == 6
    assert waits == [0.5, 1.0]


def test_what_the_server_asks_to_wait_is_waited() -> None:
    def later(exchange: Exchange) -> bool:
        handler = exchange._handler
        handler.send_response(429)
        handler.send_header("Retry-After", "7")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    waits: list[float] = []
    with reading(server(listed, later), waits=waits) as reader:
        assert names(reader) == NAMES
    assert waits == [7.0]


def test_a_server_that_stays_busy_is_given_up() -> None:
    waits: list[float] = []
    with reading(server(listed, *[busy(503)] * 99), waits=waits) as reader:
        with pytest.raises(NotListed, match="503: busy") as given_up:
            names(reader)
        assert reader.calls == ATTEMPTS + 1
    assert not given_up.value.unreachable and 40 < sum(waits) < 60


def test_what_is_refused_is_not_asked_again() -> None:
    with reading(server(listed, busy(403))) as reader:
        with pytest.raises(NotListed, match="403: busy"):
            names(reader)
        assert reader.calls == 2


def test_a_server_that_goes_away_is_waited_for_and_given_up() -> None:
    def hung_up(exchange: Exchange) -> bool:
        exchange._handler.close_connection = True
        return True

    waits: list[float] = []
    with reading(server(listed, *[hung_up] * 99), waits=waits) as reader:
        pages = reader.pages(CONFIG_MAPS, None, 6)
        assert len(next(pages)) == 6
        with pytest.raises(NotListed) as given_up:
            list(pages)
    assert given_up.value.unreachable and len(waits) == ATTEMPTS - 1 == reader.repeated


def test_a_server_that_never_answered_is_not_waited_for() -> None:
    waits: list[float] = []
    with reading(server(), waits=waits) as reader:
        pass
    with pytest.raises(NotListed):
        names(reader)
    with pytest.raises(Unreachable):
        reader.get("/api/v1")
    assert waits == []


def test_requests_are_spread_over_time() -> None:
    waits: list[float] = []
    with reading(server(), qps=4, waits=waits) as reader:
        assert names(reader) == NAMES
    assert len(waits) == 3 and all(0.1 < each <= 1.0 for each in waits)  # as nobody sleeps, it is due ever later


def test_pages_of_large_objects_have_fewer() -> None:
    large = Server([made("ConfigMap", f"{number:03}", data={"x": "x" * 300_000}) for number in range(80)])
    limits: list[int] = []

    def noted(exchange: Exchange) -> bool:
        limits.append(int(exchange.query["limit"]))
        return False

    large.broken[PATH] = noted
    with reading(large) as reader:
        assert len(names(reader, 500)) == 80
    assert limits == [50, 13, 13, 13]
