"""Asks a server for its page, as a browser on the same host does."""

from __future__ import annotations

import http.client
from typing import Any

from tests.server.running import Answer, Running
from tests.timing import HANGING


def asked(server: Running, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=HANGING)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def state_of(server: Running) -> Any:
    answer = asked(server, "/page/state")
    assert answer.status == 200, answer.body
    return answer.json
