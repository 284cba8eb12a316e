"""A client of the plain port that asks too often is refused, and others are not."""

from __future__ import annotations

import re
import socket
from collections import Counter

from tests.server.ports import rest
from tests.server.running import Running
from tests.timing import HANGING
from webhook.server.plain.rationing import A_SECOND, AT_ONCE, Ration


def test_a_client_has_its_ration_and_more_of_it_with_time() -> None:
    ration = Ration()
    assert [ration.allows("a", 100.0) for _ in range(AT_ONCE + 3)] == [True] * AT_ONCE + [False] * 3
    assert ration.allows("b", 100.0)
    assert [ration.allows("a", 101.0) for _ in range(A_SECOND + 1)] == [True] * A_SECOND + [False]
    assert sum(ration.allows("a", 1000.0) for _ in range(2 * AT_ONCE)) == AT_ONCE


def test_many_clients_are_forgotten_first_those_with_a_whole_ration() -> None:
    ration = Ration()
    for number in range(1000):
        ration.allows(f"{number}", 90.0)
    while ration.allows("greedy", 100.0):
        pass
    ration.allows("one more", 100.0)
    assert len(ration._left) <= 256
    assert not ration.allows("greedy", 100.0)
    for number in range(1000):
        assert ration.allows(f"{number}", 100.0)
    assert len(ration._left) <= 256


def test_whoever_asks_too_often_is_told_so_and_the_connection_closed(server: Running) -> None:
    counts: Counter[bytes] = Counter()
    for _ in range(10):
        # An address of its own, so that the other tests of this module keep their ration.
        with socket.create_connection(("127.0.0.1", server.plain_port), HANGING, ("127.0.0.5", 0)) as connection:
            asked = b"GET /ca.pem HTTP/1.1\r\nhost: x\r\n%s\r\n"
            connection.sendall(asked % b"" * 89 + asked % b"connection: close\r\n")
            got = rest(connection)
        counts.update(re.findall(rb"HTTP/1.1 (\d+) ", got))
        if b"HTTP/1.1 429 " in got:
            refusal = got[got.index(b"HTTP/1.1 429 ") :]
            assert b"\r\nconnection: close\r\n" in refusal
            assert b"\r\nretry-after: 1\r\n" in refusal
            assert refusal.count(b"HTTP/1.1 ") == 1
    assert set(counts) == {b"200", b"429"}
    assert counts[b"200"] >= AT_ONCE
    assert server.get("/healthz").status == 200


def test_probes_are_answered_however_often_their_address_asks(server: Running) -> None:
    """A Pod with the node's address cannot have the kubelet find the server unready."""

    def ask(path: str) -> bytes:
        with socket.create_connection(("127.0.0.1", server.plain_port), HANGING, ("127.0.0.6", 0)) as connection:
            asked = b"GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n"
            connection.sendall(asked % (path.encode(), b"") * 99 + asked % (path.encode(), b"connection: close\r\n"))
            return rest(connection)

    while b"HTTP/1.1 429 " not in ask("/ca.pem"):
        pass
    for path in ("/healthz", "/readyz"):
        got = b""
        while got.count(b"HTTP/1.1 ") in (0, 100):
            got = ask(path)
        answered = re.findall(rb"HTTP/1.1 (\d+) ", got)
        assert set(answered) == {b"200"}
        assert len(answered) < 100  # the connection was closed
        assert got.count(b"\r\nconnection: close\r\n") == 1


def test_the_list_of_policies_is_json_whoever_else_asks(server: Running) -> None:
    answer = server.get("/policies")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["refused"] is None
