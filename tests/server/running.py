"""Starts the real server for a test, and sends it requests: its own process, free loopback ports, real TLS."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import forking
from tests.timing import patience

COMMAND = [sys.executable, "-c", "from webhook.cli.main import main; main()"]
INSTALLED = [str(Path(sys.executable).parent / "gatewright")]
REVIEWS = Path(__file__).parent.parent / "fixtures" / "reviews"
START_TIMEOUT = 30.0  # seconds; another test asserts how long starting may take


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def response(self) -> dict[str, Any]:
        """The `response` of the AdmissionReview. Asserts its status, apiVersion and kind."""
        assert self.status == 200, self.body
        document = self.json
        assert (document["apiVersion"], document["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = document["response"]
        return response


@dataclass
class Running:
    """A server process, its log and its ports."""

    process: subprocess.Popen[bytes] | forking.Process
    lines: list[dict[str, Any]] = field(default_factory=list)  # its log
    said: list[str] = field(default_factory=list)  # its stderr, by line
    started_in: float = 0.0  # seconds
    port: int = 0
    plain_port: int = 0
    ca: bytes = b""
    connections: list[http.client.HTTPSConnection] = field(default_factory=list)  # to close when it ends

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca.decode())

    @contextlib.contextmanager
    def connected(self) -> Iterator[ssl.SSLSocket]:
        """A TLS connection for raw bytes."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=patience(60)) as plain,
            self.trust.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            yield connection

    def connect(self) -> http.client.HTTPSConnection:
        """A connection for several requests. It is closed at the latest when `end` ends the server."""
        connection = self._connection()
        self.connections.append(connection)
        return connection

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=patience(60), context=self.trust)

    def post(
        self, path: str, body: bytes, content_type: str | None = "application/json", method: str = "POST"
    ) -> Answer:
        connection = self._connection()
        try:
            return ask(connection, method, path, body, content_type)
        finally:
            connection.close()

    def get(self, path: str, method: str = "GET") -> Answer:
        """Ask the plain port; see `get` below."""
        return get(self.plain_port, path, method)

    def events(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of one event. Waits until there are `count` of them."""
        found: list[dict[str, Any]] = wait_for(
            lambda: (found := [line for line in self.lines if line["event"] == event])[count - 1 :] and found
        )
        return found

    def stop(self) -> int:
        """Send SIGTERM. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience(20))


def get(port: int, path: str, method: str = "GET") -> Answer:
    """Ask a plain port; again, if this client has asked too often, as tests do that wait for something."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(60))
        try:
            answer = ask(connection, method, path, b"", None)
        finally:
            connection.close()
        if answer.status != 429:
            return answer
        time.sleep(0.1)


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes, content_type: str | None
) -> Answer:
    connection.request(method, path, body, {"content-type": content_type} if content_type else {})
    answer = connection.getresponse()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def wait_for(found: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Call `found` until its result is true, and return it."""
    until = time.monotonic() + patience(seconds)
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.03)  # a client has fifty answers a second (webhook.server.plain.rationing)


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWRIGHT_")}
    return {**clean, **variables}


def launch(
    *flags: str, cwd: Path | None = None, command: list[str] | None = None, wait: bool = True, **variables: str
) -> Running:
    """Start a server on free ports. Returns once it has logged its ports; without `wait` at once: call `announced`.

    `command`: what to start, as COMMAND and INSTALLED are; else a process is forked, which has all modules imported.
    """
    begun = time.monotonic()
    arguments = ["serve", "--port", "0", "--plain-port", "0", *flags]
    env = environment(**variables)
    process: subprocess.Popen[bytes] | forking.Process
    if command is None:
        process = forking.start(*arguments, cwd=cwd, env=env)
    else:
        pipe = subprocess.PIPE
        process = subprocess.Popen([*command, *arguments], stdout=pipe, stderr=pipe, cwd=cwd, env=env)
    server = Running(process)
    assert process.stdout is not None
    assert process.stderr is not None

    def read_log(stream: Any) -> None:
        with stream:
            server.lines.extend(json.loads(line) for line in stream)

    def read_said(stream: Any) -> None:
        with stream:
            server.said.extend(line.decode().rstrip("\n") for line in stream)

    readers = [
        threading.Thread(target=read_log, args=(process.stdout,), daemon=True),
        threading.Thread(target=read_said, args=(process.stderr,), daemon=True),
    ]
    for reader in readers:
        reader.start()
    if wait:
        announced(server, "--tls-cert" not in flags)
        server.started_in = time.monotonic() - begun
    return server


def announced(server: Running, development: bool = True, seconds: float = START_TIMEOUT) -> None:
    """Wait until the server logs its ports. `development`: it created its certificate, and prints the CA's."""
    try:
        wait_for(lambda: _serving(server) or server.process.poll() is not None, seconds)
        serving = _serving(server)
        assert serving, "\n".join([*map(str, server.lines), *server.said])
        # Before `serving`, only the state of the cluster's caches and of bundles may be logged.
        assert all(
            line["event"] in ("bundles", "cluster", "limits") for line in server.lines[: server.lines.index(serving)]
        )
        server.port, server.plain_port = (int(serving[name].rpartition(":")[2]) for name in ("reviews", "plain"))
        if development:
            bundle = wait_for(lambda: [line for line in server.said if line.startswith("caBundle: ")])
            server.ca = base64.b64decode(bundle[0].removeprefix("caBundle: "), validate=True)
    except BaseException:
        server.process.kill()
        raise


def _serving(server: Running) -> dict[str, Any] | None:
    return next((line for line in server.lines if line["event"] == "serving"), None)


def end(server: Running) -> None:
    for connection in server.connections:
        connection.close()
    if server.process.poll() is None and "COVERAGE_PROCESS_CONFIG" in os.environ:
        # A process that is killed does not write what it ran of the code.
        server.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(10)
    if server.process.poll() is None:
        server.process.kill()
    server.process.wait()


POLICIES = {
    "no-host-path.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: no-host-path
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  validations:
    - expression: "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.hostPath))"
      message: hostPath is not allowed
      reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: everywhere
spec:
  policyName: no-host-path
  validationActions: [Deny]
""",
    "secrets.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: quoting
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets, configmaps]}
  validations:
    - expression: "false"
      messageExpression: "'it holds ' + string(object.data.map(k, object.data[k])[0])"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: quoting
spec:
  policyName: quoting
  validationActions: [Deny]
""",
    "label.py": '''\
from gatewright import mutate


@mutate(resources=["v1/services"], operations=["CREATE"])
def team_label(request):
    """Services carry the label of a team."""
    request.object["metadata"].setdefault("labels", {})["team"] = "none"


@mutate(resources=["v1/endpoints"], operations=["CREATE"])
def broken(request):
    """Fails on everything."""
    raise RuntimeError("out of order")
''',
    "label.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: team-label
spec:
  policyName: team-label
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: broken
spec:
  policyName: broken
""",
}


def write_policies(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).write_text(text)
    return root


def recorded(start: str) -> bytes:
    """The recorded review; `start` is the beginning of its file name."""
    (file,) = REVIEWS.glob(f"{start}*.json")
    return file.read_bytes()


def changed(body: bytes, **changes: Any) -> bytes:
    """The review with these fields of its request replaced."""
    document = json.loads(body)
    document["request"].update(changes)
    return json.dumps(document).encode()
