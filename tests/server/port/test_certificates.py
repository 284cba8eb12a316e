"""Certificates that change while they serve: what is good is taken over, what is not leaves everything as it was."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.server.authorities import Authority, Mount, fingerprint
from tests.server.running import Running, ask, environment, recorded, wait_for
from tests.timing import HANGING
from webhook.server.port import tls
from webhook.server.settings import SettingsError, resolve

CREATE_POD = recorded("020")
WITHIN = 5.0  # seconds


def _flags(mount: Mount, policies: Path) -> tuple[str, ...]:
    files = ("--tls-cert", str(mount.path("tls.crt")), "--tls-key", str(mount.path("tls.key")))
    return ("--policies", str(policies), *files)


def _mount(folder: Path, pair: tuple[bytes, bytes], **more: bytes) -> Mount:
    return Mount(folder / "tls", tls_crt=pair[0], tls_key=pair[1], **more)


def _seen(server: Running, name: str | None = "localhost") -> str:
    """The certificate that a new connection sees."""
    context = server.trust
    context.check_hostname = name is not None
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=HANGING) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        found = connection.getpeercert(True)
    assert found is not None
    return fingerprint(found)


def _answers(connection: ssl.SSLSocket) -> bool:
    connection.sendall(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n")
    return connection.recv(4096).startswith(b"HTTP/1.1 404")


def _metric(server: Running, name: str, file: str = "certificate") -> float:
    text = server.get("/metrics").body.decode()
    (value,) = re.findall(rf'(?m)^{name}(?:{{file="{file}"}})? (.+)$', text)
    return float(value)


def test_a_new_pair_is_served_to_new_connections_and_open_ones_are_kept(
    start: Callable[..., Running], policies: Path, tmp_path: Path
) -> None:
    authority = Authority()
    first, second = authority.pair("ec"), authority.pair("rsa", (-1, 60))
    mount = _mount(tmp_path, first)
    server = start(*_flags(mount, policies))
    server.ca = authority.pem
    assert _seen(server) == fingerprint(first[0])
    expiry = _metric(server, "gatewright_tls_certificate_expiry_timestamp_seconds")
    kept = server.connect()
    kept.connect()

    mount.write(tls_crt=second[0], tls_key=second[1])
    wait_for(lambda: _seen(server) == fingerprint(second[0]), WITHIN)
    assert _seen(server, None) == fingerprint(second[0])  # a client that names no server sees it too
    assert ask(kept, "POST", "/validate", CREATE_POD, "application/json").response["allowed"] is False
    assert _metric(server, "gatewright_tls_certificate_expiry_timestamp_seconds") - expiry > 29 * 86400
    assert _metric(server, "gatewright_tls_reloads_total") == 1
    assert _metric(server, "gatewright_tls_reload_failures_total") == 0
    (line,) = server.events("certificates")
    assert line["level"] == "info"


def test_bad_pairs_keep_the_old_one_and_show(start: Callable[..., Running], policies: Path, tmp_path: Path) -> None:
    authority = Authority()
    first, other, last = (authority.pair() for _ in range(3))
    expired = authority.pair(days=(-3, -1))
    mount = _mount(tmp_path, first)
    server = start(*_flags(mount, policies))
    server.ca = authority.pem
    bad: list[tuple[dict[str, bytes], str]] = [
        ({"tls_crt": other[0], "tls_key": first[1]}, "is not the key of the certificate"),
        ({"tls_crt": other[0], "tls_key": other[1][:-50]}, "no private key in PEM"),
        ({"tls_crt": expired[0], "tls_key": expired[1]}, "expired at"),
        ({"tls_crt": other[0] + authority.pem[:-50], "tls_key": other[1]}, "is truncated"),
        ({"tls_crt": other[0]}, "cannot read the key"),
    ]
    for count, (files, told) in enumerate(bad, 1):
        mount.write(**files)
        wait_for(lambda: _metric(server, "gatewright_tls_reload_failures_total") == count, WITHIN)  # noqa: B023
        assert _metric(server, "gatewright_tls_last_reload_successful") == 0
        line = server.events("certificates", count)[-1]
        assert line["level"] == "error"
        assert told in line["message"]
        assert "PRIVATE KEY-----\\nM" not in str(line)
        assert _seen(server) == fingerprint(first[0])
    time.sleep(2.2)  # it is tried again and again, and told once
    assert _metric(server, "gatewright_tls_reload_failures_total") == len(bad)

    mount.write(tls_crt=last[0], tls_key=last[1])
    wait_for(lambda: _seen(server) == fingerprint(last[0]), WITHIN)
    wait_for(lambda: _metric(server, "gatewright_tls_last_reload_successful") == 1)
    assert _metric(server, "gatewright_tls_reloads_total") == 1


def test_files_that_are_written_one_after_the_other_are_no_failure(
    start: Callable[..., Running], policies: Path, tmp_path: Path
) -> None:
    authority = Authority()
    first, second = authority.pair(), authority.pair()
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(first[0])
    key.write_bytes(first[1])
    server = start("--policies", str(policies), "--tls-cert", str(certificate), "--tls-key", str(key))
    server.ca = authority.pem
    certificate.write_bytes(second[0])
    time.sleep(0.3)
    key.write_bytes(second[1])
    wait_for(lambda: _seen(server) == fingerprint(second[0]), WITHIN)
    assert _metric(server, "gatewright_tls_reload_failures_total") == 0


def test_both_files_are_read_from_the_folder_that_the_link_led_to(tmp_path: Path) -> None:
    authority = Authority()
    first, second = authority.pair(), authority.pair()
    mount = _mount(tmp_path, first)
    before = tls.settled(mount.path("tls.crt"), mount.path("tls.key"))
    assert len({file.parent for file in before}) == 1
    assert before[0].parent.parent == mount.folder
    mount.write(tls_crt=second[0], tls_key=second[1])
    after = tls.settled(mount.path("tls.crt"), mount.path("tls.key"))
    assert {file.parent for file in after}.isdisjoint(file.parent for file in before)
    assert tls.read_pair(mount.path("tls.crt"), mount.path("tls.key")).certificate == second[0]
    plain = tmp_path / "plain.crt"
    assert tls.settled(plain) == (plain,)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_clients_of_the_authority_are_served_and_it_is_reloaded(
    start: Callable[..., Running], policies: Path, tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    authority, old, new = Authority("servers"), Authority("old"), Authority("new")
    mount = _mount(tmp_path, authority.pair())
    clients = Mount(tmp_path / "clients", ca_crt=old.pem)
    server = start(*_flags(mount, policies), "--client-ca", str(clients.path("ca.crt")))
    server.ca = authority.pem
    contexts = {
        name: Authority.client(ca, tmp_path, authority.pem, newest) for name, ca in (("old", old), ("new", new))
    }
    contexts["none"] = server.trust
    contexts["none"].maximum_version = newest

    @contextlib.contextmanager
    def connected(name: str, session: ssl.SSLSession | None = None) -> Iterator[ssl.SSLSocket]:
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=HANGING) as plain,
            contexts[name].wrap_socket(plain, server_hostname="localhost", session=session) as connection,
        ):
            yield connection

    def served(name: str, session: ssl.SSLSession | None = None) -> bool:
        with contextlib.suppress(OSError), connected(name, session) as connection:
            return _answers(connection)
        return False

    assert (served("none"), served("new"), served("old")) == (False, False, True)
    clients.write(ca_crt=new.pem)
    wait_for(lambda: served("new"), WITHIN)
    assert served("old") is False
    clients.write(ca_crt=b"-----BEGIN CERTIFICATE-----\nAAAA")
    wait_for(lambda: _metric(server, "gatewright_tls_reload_failures_total", "client-ca") == 1, WITHIN)
    with connected("new") as kept:
        assert _answers(kept)
        clients.write(ca_crt=old.pem)
        wait_for(lambda: not served("new"), WITHIN)
        # It is not resumed: the client would not be asked for its certificate.
        assert served("new", kept.session) is False
        assert _answers(kept)
    assert b"peer_did_not_return_a_certificate" in server.get("/metrics").body


def test_authorities_that_are_none_keep_it_from_starting(tmp_path: Path, policies: Path) -> None:
    for content, told in (
        (b"", "no certificate in PEM"),
        (Authority().pair(days=(-3, -1))[0], "all certificates are expired or not yet valid"),
    ):
        file = tmp_path / "ca.crt"
        file.write_bytes(content)
        ended = gatewright("serve", "--policies", policies, "--client-ca", file, cwd=tmp_path, env=environment())
        assert ended.returncode == 2
        assert f"{file}: {told}" in ended.stderr


def test_only_clients_with_an_allowed_name_are_answered(
    start: Callable[..., Running], policies: Path, tmp_path: Path
) -> None:
    authority, clients = Authority("servers"), Authority("clients")
    mount = _mount(tmp_path, authority.pair())
    file = tmp_path / "ca.crt"
    file.write_bytes(clients.pem)
    allowed = ("--client-name", "kube-apiserver", "--client-name", "spiffe://x/api,other")
    server = start(*_flags(mount, policies), "--client-ca", str(file), *allowed)
    server.ca = authority.pem

    def asked(name: str) -> list[tuple[int, bytes]]:
        context = clients.client(tmp_path, authority.pem, name=name)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=HANGING, context=context)
        try:
            answers = []
            for _ in range(2):
                answer = ask(connection, "POST", "/validate", recorded("020"), "application/json")
                answers.append((answer.status, answer.body))
            return answers
        finally:
            connection.close()

    for name in ("kube-apiserver", "other"):
        assert [status for status, _ in asked(name)] == [200, 200]
    for name in ("kubelet", "KUBE-APISERVER", "kube-apiserver.evil"):
        for status, body in asked(name):
            assert status == 403
            assert f"the names '{name}', 'localhost', of which --client-name allows none" in body.decode()
    assert [status for status, _ in asked("kube-apiserver")] == [200, 200]  # though others were refused its head
    assert b'gatewright_requests_refused_total{code="403"} 6.0' in server.get("/metrics").body
    assert all("client-name" in line["message"] for line in server.events("request refused", 6))


def test_a_name_without_an_authority_that_verifies_it_is_refused() -> None:
    with pytest.raises(SettingsError, match="--client-name is set without --client-ca, which verifies the names"):
        resolve({"client_name": ["kube-apiserver"]}, {})
