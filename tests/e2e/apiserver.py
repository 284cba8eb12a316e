"""A client of the API server that shows what kubectl hides: codes, reasons, warnings, the id in the audit log."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.timing import HANGING

_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"(?:, )?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered. `body` is JSON, or text where it is none."""

    status: int
    body: Any
    warnings: tuple[str, ...]
    audit_id: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        return self.body.get("reason", "") if isinstance(self.body, dict) and not self.ok else ""

    @property
    def message(self) -> str:
        """The message of a refusal; "" of what went well."""
        if self.ok:
            return ""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)


class Client:
    """One user's connection to a server on loopback, kept alive. Bodies are sent as JSON, bytes as they are."""

    def __init__(self, port: int, ca: bytes, token: str) -> None:
        context = ssl.create_default_context(cadata=ca.decode())
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=HANGING, context=context)
        self._token = token

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str | list[str]] = MappingProxyType({}),
    ) -> Reply:
        sent = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **headers}
        encoded = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = content_type
        if body is not None or method not in ("GET", "DELETE"):
            sent["Content-Length"] = str(len(encoded))
        try:
            answer = self._answer(method, path, encoded, sent)
        except (http.client.RemoteDisconnected, http.client.CannotSendRequest, ConnectionError, ssl.SSLEOFError):
            self._connection.close()  # idle for too long, or left half read: once more, on a new one
            answer = self._answer(method, path, encoded, sent)
        with answer:
            text = answer.read()
        try:
            content = json.loads(text)
        except ValueError:
            content = text.decode(errors="replace")
        warnings = tuple(each for value in answer.headers.get_all("Warning", []) for each in _warnings(value))
        return Reply(answer.status, content, warnings, answer.headers.get("Audit-Id", ""))

    def _answer(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str | list[str]]
    ) -> http.client.HTTPResponse:
        self._connection.putrequest(method, path)
        for name, values in headers.items():
            for value in [values] if isinstance(values, str) else values:
                self._connection.putheader(name, value)
        self._connection.endheaders(body)
        return self._connection.getresponse()

    def get(self, path: str) -> Reply:
        return self.request("GET", path)

    def post(self, path: str, body: Any) -> Reply:
        return self.request("POST", path, body)

    def close(self) -> None:
        self._connection.close()


def _warnings(header: str) -> list[str]:
    """The texts of a Warning header (RFC 2616, 14.46); the code is always 299, the agent always a dash."""
    return [_ESCAPED.sub(r"\1", text) for text in _WARNING.findall(header)]
