"""What the server loads before it serves, and what keeps it from starting."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.server.running import Running, environment, recorded, write_policies
from webhook.server.port import tls

CREATE_POD = recorded("020")


def _refused(*flags: str, cwd: Path, **variables: str) -> str:
    """What a server says that cannot start."""
    ended = gatewright("serve", *flags, cwd=cwd, env=environment(**variables))
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    return ended.stderr


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


def test_settings_come_from_the_environment_too(start: Callable[..., Running], policies: Path) -> None:
    server = start(GATEWRIGHT_POLICIES=str(policies), GATEWRIGHT_MAX_BODY="1Ki")
    assert server.post("/validate", CREATE_POD).status == 413


def test_it_takes_as_many_files_as_it_may(server: Running) -> None:
    limits = Path(f"/proc/{server.process.pid}/limits")
    if not limits.exists():
        pytest.skip(f"no {limits} on this system")
    (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard
