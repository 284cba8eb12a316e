"""The used parts of GitHub's and GitLab's API, on loopback: they store comments, and check the token."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS = {"t-job": "github-actions[bot]", "t-app": "shop-policies[bot]", "t-ann": "ann", "t-read": ""}
"""Token -> who it belongs to; "" may only read. Apps may not ask who they are."""


class Forge:
    """What the server was asked, and the comments that it has."""

    def __init__(self) -> None:
        self.address = ""
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        self.failures: list[int] = []
        """Statuses that the next requests get in place of an answer; 0: the connection is closed."""

    def add(self, body: str, login: str) -> None:
        number = len(self.comments) + 1
        user = {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}
        self.comments.append({"id": number, "body": body, "user": user, "author": {"id": len(login)}})

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        route, _, query = path.partition("?")
        login = TOKENS.get(token)
        if login is None:
            return 401, {"message": "Bad credentials"}
        if route == "/user":
            if login.endswith("[bot]"):
                return 403, {"message": "Resource not accessible by integration"}
            return 200, {"login": login, "id": len(login)}
        comments = re.fullmatch(r"/repos/o/r/issues/7/comments|/projects/5/merge_requests/7/notes", route)
        if comments and method == "GET":
            page = int(re.findall(r"page=(\d+)", query)[-1])
            return 200, self.comments[(page - 1) * 100 : page * 100]
        if not login:
            return 403, {"message": "Resource not accessible\nby integration"}
        if comments and method == "POST":
            self.add(body["body"], login)
            return 201, self.comments[-1]
        one = re.fullmatch(r"/repos/o/r/issues/comments/(\d+)|/projects/5/merge_requests/7/notes/(\d+)", route)
        if one and method in {"PATCH", "PUT"}:
            comment = self.comments[int(one[1] or one[2]) - 1]
            if comment["user"]["login"] != login:
                return 403, {"message": "Resource not accessible by integration"}
            comment["body"] = body["body"]
            return 200, {}
        if route == "/repos/o/r/code-scanning/sarifs" and method == "POST":
            return 202, {"id": "s1"}
        return 404, {"message": "Not Found"}


@contextmanager
def serving() -> Iterator[Forge]:
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            forge.asked.append(f"{self.command} {self.path}")
            forge.bodies.append(body)
            token = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("Bearer ")
            if forge.failures:
                status = forge.failures.pop(0)
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                if status in {301, 302, 307}:
                    self.send_header("Location", forge.address + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status, answer = forge.answer(self.command, self.path, token, body)
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_PUT = _do

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        forge.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()
