"""A real control plane for tests: etcd and kube-apiserver on loopback, with RBAC, token users and an audit log.

`started(assets)` gives one that is ready, and ends it whatever happens. Nothing else of Kubernetes runs: no scheduler,
no nodes, no controllers (so new Namespaces have no service account, and the admission plugin that asks for it is off).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.e2e.apiserver import Client, Reply
from tests.server.authorities import Authority
from tests.timing import HANGING

START_TIMEOUT = 90.0  # seconds, on a machine with much else to do; it takes about 5 on an idle one
ATTEMPTS = 3  # a free port may be taken by another program before the server has it
SHOWN_LINES = 20  # of a server's log, where it does not start
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")  # that the server makes itself


@dataclass(frozen=True, slots=True)
class User:
    """Who sends requests. `groups` decide what RBAC lets them do; system:authenticated comes by itself."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("admin", ("system:masters",))
DEVELOPER = User("dora", ("developers",))
CONTROLLER = User(
    "system:serviceaccount:gatewright-system:cleanup-controller",
    ("system:serviceaccounts", "system:serviceaccounts:gatewright-system"),
)
USERS = (ADMIN, DEVELOPER, CONTROLLER)

# Every event at Metadata: annotations are in it, and neither the objects nor the secrets of a test.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "omitManagedFields": True,
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {
            "level": "None",
            "nonResourceURLs": ["/readyz*", "/livez*", "/openapi/*", "/api", "/api/*", "/apis", "/apis/*"],
        },
        {"level": "Metadata"},
    ],
}


class StartError(Exception):
    """The control plane does not start; the text has the last lines of what it said."""


@dataclass
class ControlPlane:
    """One that is ready. Files below `folder` are gone when it has ended."""

    folder: Path
    assets: Path
    port: int
    authority: Authority
    tokens: Mapping[str, str]  # by name of user
    started_in: float = 0.0  # seconds
    etcd_port: int = 0
    _processes: tuple[_Process, ...] = ()
    _clients: dict[str, Client] = field(default_factory=dict)
    _audited: dict[str, dict[str, str]] = field(default_factory=dict)
    _audit_read: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode(self.authority.pem).decode()

    def client(self, user: User = ADMIN) -> Client:
        """The user's connection; one is kept for each."""
        if user.name not in self._clients:
            self._clients[user.name] = self.client_of(self.tokens[user.name])
        return self._clients[user.name]

    def client_of(self, token: str) -> Client:
        return Client(self.port, self.authority.pem, token)

    def kubectl(
        self, *arguments: str, user: User = ADMIN, token: str = "", stdin: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as a user, or as who has the token. With `check`, it must succeed."""
        configuration = self._kubeconfig(user.name if not token else "token", token or self.tokens[user.name])
        done = subprocess.run(
            [str(self.assets / "kubectl"), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGING,
            env={"KUBECONFIG": str(configuration), "HOME": str(self.folder), "PATH": os.environ.get("PATH", "")},
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done

    def apply(
        self, *objects: Mapping[str, Any], user: User = ADMIN, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """`kubectl apply` of objects."""
        return self.kubectl("apply", "--filename", "-", user=user, stdin=manifests(*objects), check=check)

    def stop_server(self) -> None:
        """Kill kube-apiserver; etcd runs on."""
        self._processes[1].kill()

    def start_server(self) -> None:
        """Start it again on the same port, and wait until it is ready."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._processes[1].start()
        _wait_until_ready(self, self._processes)

    def forget(self, *kept: str) -> None:
        """Empty etcd, but for what is stored below these paths, such as /registry/validatingwebhookconfigurations/.

        The server must be stopped."""
        values: dict[str, str] = {}
        for prefix in kept:
            found = self._etcd("range", {"key": _encoded(prefix), "range_end": _encoded(prefix[:-1] + "0")})
            values |= {each["key"]: each["value"] for each in found.get("kvs", ())}
        self._etcd("deleterange", {"key": _encoded("\0"), "range_end": _encoded("\0")})
        for key, value in values.items():
            self._etcd("put", {"key": key, "value": value})

    def _etcd(self, call: str, body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.etcd_port, timeout=HANGING)
        with contextlib.closing(connection) as etcd:
            etcd.request("POST", f"/v3/kv/{call}", json.dumps(body))
            answer = etcd.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            return json.loads(content)

    def compact(self) -> None:
        """Let etcd forget every revision but the last: a watch cannot begin at an earlier one."""
        revision = self._etcd("range", {"key": _encoded("0")})["header"]["revision"]
        self._etcd("compaction", {"revision": revision, "physical": True})

    def kubeconfig(self, name: str, token: str, port: int = 0) -> Path:
        """A kubeconfig of whoever has the token; `port`: another one on loopback that leads to the server."""
        return self._kubeconfig(name, token, f"https://127.0.0.1:{port or self.port}")

    def audit_annotations(self, reply: Reply, seconds: float = 10.0) -> dict[str, str]:
        """What the audit log says of a request, once it is there (the server writes it after the answer)."""
        until = time.monotonic() + seconds
        while reply.audit_id not in self._audited:
            self._read_audit_log()
            if reply.audit_id not in self._audited:
                assert time.monotonic() < until, f"the audit log has no {reply.audit_id}"
                time.sleep(0.01)
        return self._audited[reply.audit_id]

    def _read_audit_log(self) -> None:
        path = self.folder / "audit.log"
        if not path.exists():
            return
        with path.open("rb") as log:
            log.seek(self._audit_read)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._audit_read += len(line)
                event = json.loads(line)
                self._audited[event["auditID"]] = event.get("annotations", {})

    def _kubeconfig(self, name: str, token: str, url: str = "") -> Path:
        path = self.folder / f"kubeconfig-{name.replace(':', '-')}"
        cluster = {"server": url or self.url, "certificate-authority-data": self.ca_bundle}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(value))
        return path


@contextlib.contextmanager
def started(
    assets: Path,
    *,
    service_accounts: bool = False,
    tracing: str = "",
    admission: Path | None = None,
    audit_webhook: Path | None = None,
) -> Iterator[ControlPlane]:
    """A control plane of its own, ready. Raises StartError.

    service_accounts: whether the admission plugin of that name is on; then Pods need the account that they name.
    tracing: the TracingConfiguration of the server, if it has one. admission: the file with its AdmissionConfiguration.
    audit_webhook: the kubeconfig of whom it sends its audit events to, in batches of at most a second.
    """
    for attempt in range(1, ATTEMPTS + 1):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatewright-e2e-")))
            try:
                plane = _start(assets, folder, stack, service_accounts, tracing, admission, audit_webhook)
            except StartError as error:
                if attempt < ATTEMPTS and "address already in use" in str(error):
                    continue
                raise
            try:
                yield plane
            finally:
                for client in plane._clients.values():
                    client.close()
            return


def _start(
    assets: Path,
    folder: Path,
    stack: contextlib.ExitStack,
    service_accounts: bool,
    tracing: str,
    admission: Path | None,
    audit_webhook: Path | None,
) -> ControlPlane:
    begun = time.monotonic()
    authority = Authority("e2e")
    tokens = {user.name: secrets.token_urlsafe(24) for user in USERS}
    _write_files(folder, authority, tokens)
    etcd_port, peer_port, port = _free_ports(3)
    etcd = _Process(
        "etcd",
        [
            str(assets / "etcd"),
            "--name=e2e",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-cluster=e2e=http://127.0.0.1:{peer_port}",
            "--unsafe-no-fsync",  # nobody wants the data back
            "--log-level=warn",
        ],
        folder,
    )
    stack.callback(etcd.kill)
    etcd.start()
    flags = _flags(folder, etcd_port, port)
    if not service_accounts:
        flags.append("--disable-admission-plugins=ServiceAccount")
    if tracing:
        (folder / "tracing.yaml").write_text(tracing)
        flags.append(f"--tracing-config-file={folder / 'tracing.yaml'}")
    if admission is not None:
        flags.append(f"--admission-control-config-file={admission}")
    if audit_webhook is not None:
        flags += [f"--audit-webhook-config-file={audit_webhook}", "--audit-webhook-batch-max-wait=1s"]
    server = _Process("kube-apiserver", [str(assets / "kube-apiserver"), *flags], folder)
    stack.callback(server.kill)
    server.start()
    plane = ControlPlane(folder, assets, port, authority, tokens, etcd_port=etcd_port, _processes=(etcd, server))
    _wait_until_ready(plane, (etcd, server))
    plane.started_in = time.monotonic() - begun
    return plane


def _write_files(folder: Path, authority: Authority, tokens: Mapping[str, str]) -> None:
    certificate, key = authority.pair()
    signing = rsa.generate_private_key(65537, 2048)
    public = signing.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    lines = [f'{tokens[user.name]},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in USERS]
    files = {
        "tls.crt": certificate,
        "tls.key": key,
        "accounts.key": signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "accounts.pub": public,
        "tokens.csv": "".join(lines).encode(),
        "audit-policy.json": json.dumps(_AUDIT_POLICY).encode(),
    }
    for name, content in files.items():  # the folder is its owner's alone
        (folder / name).write_bytes(content)


def _flags(folder: Path, etcd_port: int, port: int) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'tls.crt'}",
        f"--tls-private-key-file={folder / 'tls.key'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.pub'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        f"--audit-policy-file={folder / 'audit-policy.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-mode=blocking-strict",
        "--endpoint-reconciler-type=none",  # a loopback address may stand in no EndpointSlice
        "--shutdown-delay-duration=0s",
        "--allow-privileged=true",
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until_ready(plane: ControlPlane, processes: tuple[_Process, ...]) -> None:
    until = time.monotonic() + START_TIMEOUT
    last = "nothing listens yet"
    while True:
        for process in processes:
            if process.ended():
                raise StartError(f"{process.name} ended with {process.ended()}; it said last:\n{process.said()}")
        client = plane.client_of(plane.tokens[ADMIN.name])
        try:
            reply = client.get("/readyz")
            if reply.ok:
                reply = client.get("/api/v1/namespaces")
                names = {item["metadata"]["name"] for item in reply.body["items"]} if reply.ok else set()
                if names.issuperset(_NAMESPACES):
                    return
                last = f"the Namespaces are {sorted(names)}"
            else:
                last = f"/readyz: {reply.status} {reply.message[-1000:]}"
        except OSError as error:
            last = str(error)
        finally:
            client.close()
        if time.monotonic() > until:
            said = "\n".join(f"{process.name} said last:\n{process.said()}" for process in processes)
            raise StartError(f"not ready within {START_TIMEOUT:.0f} s: {last}\n{said}")
        time.sleep(0.05)


class _Process:
    """A program in a process group of its own, what it says in a file."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._command = tether(command)
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._log.parent,
            )

    def ended(self) -> str:
        """How it ended; "" while it runs."""
        code = self._process.poll() if self._process else None
        if code is None:
            return ""
        return f"exit {code}" if code >= 0 else signal.Signals(-code).name

    def said(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(f"  {line[:500]}" for line in lines[-SHOWN_LINES:]) or "  nothing"

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def manifests(*objects: Mapping[str, Any]) -> str:
    """Objects as kubectl reads them. JSON: PyYAML writes some texts bare that kubectl takes for booleans."""
    return "\n---\n".join(map(json.dumps, objects))


def tether(command: list[str]) -> list[str]:
    """The command as one that ends when this process does."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("tethered.py")), str(os.getpid()), *command]
