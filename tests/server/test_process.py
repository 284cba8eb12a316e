"""From start to exit: what is announced, what keeps the server from starting, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.server.running import (
    COMMAND,
    INSTALLED,
    POLICIES,
    Running,
    environment,
    recorded,
    wait_for,
    write_policies,
)
from tests.timing import ASSERTED, HANGING, patience
from webhook.policy.load.loading import load
from webhook.server import tls

SHIPPED = Path(__file__).parents[2] / "policies"

CREATE_POD = recorded("020")


def _refused(*flags: str, cwd: Path, **variables: str) -> str:
    """What a server says that cannot start."""
    ended = gatewright("serve", *flags, cwd=cwd, env=environment(**variables))
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    return ended.stderr


def test_it_says_where_it_serves_and_that_its_certificate_is_for_development(server: Running) -> None:
    first = server.lines[0]
    assert first["reviews"] == f"https://127.0.0.1:{server.port}"
    assert first["plain"] == f"http://127.0.0.1:{server.plain_port}"
    said = "\n".join(server.said)
    assert f"https://127.0.0.1:{server.port}/validate" in said
    assert "FOR DEVELOPMENT ONLY" in said
    assert server.get("/ca.pem").body == server.ca


def test_it_counts_policies_as_check_does(start: Callable[..., Running]) -> None:
    shipped = load(SHIPPED).without_cluster()
    assert len(shipped.policies) > len(shipped.names)  # one of them validates and mutates
    running = start("--policies", str(SHIPPED))
    [serving] = [line for line in running.lines if line["event"] == "serving"]
    unbound = len(shipped.names - shipped.bound_names)
    assert unbound > 50 and len(shipped.bound_names) < 20
    assert (serving["policies"], serving["unbound"]) == (len(shipped.bound_names), unbound)
    running.stop()
    said = f"{len(shipped.bound_names)} policies from {SHIPPED}; {unbound} more have no binding in force, revision"
    assert any(line.startswith(said) for line in running.said)


@pytest.mark.skipif(not ASSERTED, reason="seconds are asserted by make soak")
def test_it_serves_within_three_seconds(start: Callable[..., Running], policies: Path) -> None:
    assert min(start("--policies", str(policies), command=COMMAND).started_in for _ in range(3)) < 3.0


def test_a_given_certificate_is_served_and_none_is_made(
    start: Callable[..., Running], policies: Path, tmp_path: Path
) -> None:
    made = tls.development(["gatewright.test.svc"])
    (tmp_path / "tls.crt").write_bytes(made.pair.certificate)
    (tmp_path / "tls.key").write_bytes(made.pair.key)
    flags = ("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))
    server = start("--policies", str(policies), *flags)
    server.ca = made.ca
    assert server.post("/validate", CREATE_POD).response["allowed"] is False
    assert not [line for line in server.said if "caBundle" in line or "DEVELOPMENT" in line]
    assert server.get("/ca.pem").status == 404
    (expiry,) = re.findall(
        rb"(?m)^gatewright_tls_certificate_expiry_timestamp_seconds (.+)$", server.get("/metrics").body
    )
    assert float(expiry) == made.pair.not_after.timestamp()


def test_settings_come_from_the_environment_too(start: Callable[..., Running], policies: Path) -> None:
    server = start(GATEWRIGHT_POLICIES=str(policies), GATEWRIGHT_MAX_BODY="1Ki")
    assert server.post("/validate", CREATE_POD).status == 413


def test_no_policy_folder(tmp_path: Path) -> None:
    assert "no policy folder at policies" in _refused(cwd=tmp_path)
    assert f"no policy folder at {tmp_path / 'absent'}" in _refused(
        "--policies", str(tmp_path / "absent"), cwd=tmp_path
    )


def test_policies_that_do_not_load_are_all_told_with_their_lines(tmp_path: Path) -> None:
    text = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: broken
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: "object.spec ==="
    - expresion: "true"
"""
    write_policies(tmp_path / "policies", {"broken.yaml": text, "worse.py": "def (:\n"})
    said = _refused(cwd=tmp_path)
    assert re.search(r"broken\.yaml:10:", said)
    assert re.search(r"broken\.yaml:11:.*expresion", said)
    assert re.search(r"worse\.py:1:", said)


def test_a_policy_that_never_runs_is_told_of(start: Callable[..., Running], tmp_path: Path) -> None:
    unbound = POLICIES["no-host-path.yaml"].partition("---")[0]
    server = start("--policies", str(write_policies(tmp_path / "policies", {"unbound.yaml": unbound})))
    assert [line for line in server.said if "unbound.yaml:1:" in line and "binding" in line]
    assert server.events("policies")[0]["level"] == "warning"
    assert server.post("/validate", CREATE_POD).response["allowed"] is True


def test_a_port_that_is_taken(tmp_path: Path, policies: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        tree = ("--policies", str(policies))
        said = _refused(*tree, "--port", port, cwd=tmp_path)
        assert f"cannot listen on 127.0.0.1:{port}" in said
        assert "set --port" in said
        said = _refused(*tree, "--port", "0", "--plain-port", port, cwd=tmp_path)
        assert "set --plain-port" in said


def test_an_address_that_is_not_ours(tmp_path: Path, policies: Path) -> None:
    tree = ("--policies", str(policies))
    assert "--host" in _refused(*tree, "--host", "192.0.2.1", cwd=tmp_path)
    assert "--host no.such.host.invalid" in _refused(*tree, "--host", "no.such.host.invalid", cwd=tmp_path)


def test_a_pair_that_does_not_match(tmp_path: Path, policies: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(tls.development().pair.certificate)
    (tmp_path / "tls.key").write_bytes(tls.development().pair.key)
    flags = ("--policies", str(policies), "--tls-cert", "tls.crt")
    assert "the key in tls.key is not the key of the certificate in tls.crt" in _refused(
        *flags, "--tls-key", "tls.key", cwd=tmp_path
    )
    assert "cannot read the key absent.key" in _refused(*flags, "--tls-key", "absent.key", cwd=tmp_path)
    assert "--tls-cert is set without --tls-key" in _refused(*flags, cwd=tmp_path)


def test_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    assert "unknown variable GATEWRIGHT_PROT" in _refused(cwd=tmp_path, GATEWRIGHT_PROT="1")
    assert "--port: " in _refused("--port", "http", cwd=tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_installed_command_ends_with_exit_0(
    start: Callable[..., Running], policies: Path, number: signal.Signals
) -> None:
    server = start("--policies", str(policies), command=INSTALLED)
    kept = server.connect()  # an idle connection does not hold it up
    kept.request("POST", "/validate", CREATE_POD, {"content-type": "application/json"})
    kept.getresponse().read()
    server.process.send_signal(number)
    assert server.process.wait(patience(10)) == 0
    assert [line["event"] for line in server.lines][-2:] == ["stopping", "stopped"]
    assert "Traceback" not in "\n".join(server.said)


def test_a_request_in_flight_is_answered_while_readiness_is_red(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies))
    assert server.get("/readyz").status == 200
    head = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=HANGING) as plain,
        server.trust.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head % len(CREATE_POD) + CREATE_POD[:1000])
        time.sleep(0.2)  # the server has begun to read it
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: server.get("/readyz").status == 503)
        assert b"shutting down" in server.get("/readyz").body
        assert server.get("/healthz").status == 200
        assert "gatewright_ready 0.0" in server.get("/metrics").body.decode()
        time.sleep(1.5)  # longer than idle connections are left
        connection.sendall(CREATE_POD[1000:])
        got = b""
        while piece := connection.recv(65536):
            got += piece
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in got
    assert b"hostPath is not allowed" in got
    assert server.process.wait(patience(10)) == 0


def test_during_the_delay_reviews_are_answered_and_clients_sent_elsewhere(
    start: Callable[..., Running], policies: Path
) -> None:
    server = start("--policies", str(policies), "--shutdown-delay", "300")
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: server.get("/readyz").status == 503)
    answer = server.post("/validate", CREATE_POD)
    assert answer.response["allowed"] is False
    assert answer.headers["connection"] == "close"
    server.process.send_signal(signal.SIGTERM)  # asked twice, it waits no longer
    assert server.process.wait(patience(5)) == 0


def test_after_the_delay_it_ends(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--shutdown-delay", "1")
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(patience(5)) == 0
    assert time.monotonic() - begun >= 1


def test_it_ends_without_a_word_on_stderr(policies: Path) -> None:
    command = [*COMMAND, "serve", "--policies", str(policies), "--port", "0", "--plain-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "serving"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=patience(10))
    assert process.returncode == 0
    assert said.decode().rstrip("\n").split("\n")[-1].startswith("caBundle: ")  # the last line of its start


def test_a_log_that_nobody_reads_any_more_does_not_stop_it(policies: Path) -> None:
    command = [*COMMAND, "serve", "--policies", str(policies), "--port", "0", "--plain-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        port = int(first["reviews"].rpartition(":")[2])
        trust = ssl._create_unverified_context()  # its stderr, with the authority, is not read here
        with contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", port, timeout=HANGING, context=trust)
        ) as connection:
            for _ in range(3):
                connection.request("POST", "/validate", CREATE_POD, {"content-type": "application/json"})
                assert connection.getresponse().read().startswith(b'{"apiVersion"')
        process.send_signal(signal.SIGTERM)
        assert process.wait(patience(10)) == 0
    finally:
        process.kill()
        process.wait()


def test_it_takes_as_many_files_as_it_may(server: Running) -> None:
    limits = Path(f"/proc/{server.process.pid}/limits")
    if not limits.exists():
        pytest.skip(f"no {limits} on this system")
    (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard
