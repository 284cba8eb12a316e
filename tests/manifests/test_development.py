"""manifests/overlays/development/trust.sh: what it does to the configurations, and that a handshake then succeeds."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.manifests import kustomize
from tests.manifests.kustomize import MANIFESTS, OVERLAYS, ROOT
from tests.server.running import Running, end, launch
from tests.timing import HANGING

DEVELOPMENT = OVERLAYS[2]
TRUST = MANIFESTS / DEVELOPMENT / "trust.sh"
CONFIGURATIONS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")

# A cluster of two files and a log. Patches are made by the real kubectl, as it makes them without a cluster.
KUBECTL = """\
#!{python}
import pathlib, subprocess, sys, yaml
here, arguments = pathlib.Path({here!r}), sys.argv[1:]
if arguments == ["--namespace", "gatewright-system", "logs", "deployment/gatewright"]:
    print((here / "log").read_text(), end="")
elif arguments[0] == "get" and arguments[2:] == ["gatewright", "--output", "jsonpath={{.webhooks[*].name}}"]:
    webhooks = yaml.safe_load((here / arguments[1]).read_text())["webhooks"]
    print(" ".join(webhook["name"] for webhook in webhooks), end="")
elif arguments[0] == "patch" and arguments[2] == "gatewright":
    file = here / arguments[1]
    command = [{kubectl!r}, "patch", "--local", "--filename", str(file), *arguments[3:], "--output", "yaml"]
    file.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
else:
    sys.exit(f"unexpected: {{arguments}}")
"""


@pytest.fixture(scope="module")
def pod() -> Iterator[Running]:
    """The server as the overlay runs it."""
    names = kustomize.environment(DEVELOPMENT)["GATEWRIGHT_TLS_NAME"]
    running = launch("--policies", str(ROOT / "policies"), GATEWRIGHT_TLS_NAME=names)
    yield running
    end(running)


def trust(folder: Path, log: str) -> subprocess.CompletedProcess[str]:
    """Run the script against a cluster that has the overlay's configurations, and a Pod with that log."""
    for name in CONFIGURATIONS:
        (found,) = (each for each in kustomize.objects(DEVELOPMENT) if each["kind"].lower() == name)
        (folder / name).write_text(yaml.safe_dump(found))
    (folder / "log").write_text(log)
    bin_ = folder / "bin"
    bin_.mkdir()
    kubectl = shutil.which("kubectl")
    (bin_ / "kubectl").write_text(KUBECTL.format(python=sys.executable, here=str(folder), kubectl=kubectl))
    (bin_ / "kubectl").chmod(0o755)
    variables = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}
    return subprocess.run([TRUST], env=variables, capture_output=True, text=True, check=False, timeout=HANGING)


def test_every_webhook_gets_the_authority_of_the_pod(pod: Running, tmp_path: Path) -> None:
    done = trust(tmp_path, '{"event": "serving"}\n' + "\n".join(pod.said) + '\n{"event": "review"}\n')
    assert done.returncode == 0, done.stderr
    for name in CONFIGURATIONS:
        (before,) = (each for each in kustomize.objects(DEVELOPMENT) if each["kind"].lower() == name)
        after = yaml.safe_load((tmp_path / name).read_text())
        for webhook in after["webhooks"]:
            assert base64.b64decode(webhook["clientConfig"].pop("caBundle")) == pod.ca
        assert after == before  # and nothing else has changed


def test_with_it_a_handshake_for_the_services_name_succeeds(pod: Running, tmp_path: Path) -> None:
    assert trust(tmp_path, "\n".join(pod.said) + "\n").returncode == 0
    webhook = yaml.safe_load((tmp_path / CONFIGURATIONS[0]).read_text())["webhooks"][0]
    where = webhook["clientConfig"]["service"]
    bundle = base64.b64decode(webhook["clientConfig"]["caBundle"]).decode()
    context = ssl.create_default_context(cadata=bundle)
    with (
        socket.create_connection(("127.0.0.1", pod.port), timeout=HANGING) as connection,
        context.wrap_socket(connection, server_hostname=f"{where['name']}.{where['namespace']}.svc") as wrapped,
    ):
        assert wrapped.version() == "TLSv1.3"


def test_without_a_bundle_nothing_is_patched(tmp_path: Path) -> None:
    done = trust(tmp_path, '{"event": "serving"}\n')
    assert done.returncode == 1
    assert "found no caBundle" in done.stderr
    assert "caBundle" not in (tmp_path / CONFIGURATIONS[0]).read_text()
