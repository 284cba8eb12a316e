"""The control plane of these tests itself: who may do what, what is told when it does not start, that it ends."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.controlplane import CONTROLLER, DEVELOPER, ControlPlane, StartError, started
from tests.e2e.people import roles
from tests.timing import HANGING


def test_it_is_the_version_that_it_says(cluster: ControlPlane) -> None:
    version = cluster.client().get("/version").body
    major, minor = int(version["major"]), int(version["minor"].rstrip("+"))
    assert (major, minor) >= (1, 36)
    assert version["gitVersion"].startswith(f"v{major}.{minor}.")


def test_users_may_do_what_rbac_says(cluster: ControlPlane) -> None:
    path = "/api/v1/namespaces/default/configmaps?dryRun=All"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}}
    assert cluster.client(DEVELOPER).post(path, body).status == 403
    cluster.apply(*roles())
    until = time.monotonic() + HANGING
    while (reply := cluster.client(DEVELOPER).post(path, body)).status != 201:
        assert time.monotonic() < until, reply.message
    assert cluster.client(CONTROLLER).post(path, body).status == 403
    with contextlib.closing(cluster.client_of("nobody's")) as nobody:
        assert nobody.get("/api").status == 401
    audit = cluster.audit_annotations(reply)
    assert audit["authorization.k8s.io/decision"] == "allow"


def test_it_says_why_it_does_not_start(assets: Path, tmp_path: Path) -> None:
    for name in ("etcd", "kubectl"):
        (tmp_path / name).symlink_to(assets / name)
    broken = tmp_path / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    broken.chmod(0o755)
    with (
        pytest.raises(StartError, match=r"kube-apiserver ended with exit 3; it said last:\n  it is broken"),
        started(tmp_path),
    ):
        pass
    assert processes_of(tmp_path) == []


# Whoever started the tests in the background may have had SIGINT ignored, and processes inherit that.
BEGIN = """\
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.e2e.controlplane import started
with started(pathlib.Path(sys.argv[1])) as plane:
    print(plane.folder, flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_however_the_tests_end(assets: Path, tmp_path: Path, sent: signal.Signals) -> None:
    mine = tmp_path / "assets"
    shutil.copytree(assets, mine)  # so that these processes are told from all others
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(mine)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as begun:
        assert begun.stdout is not None
        folder = Path(begun.stdout.readline().strip())
        assert sorted(processes_of(mine)) == ["etcd", "kube-apiserver"]
        begun.send_signal(sent)
        begun.wait(HANGING)
    until = time.monotonic() + HANGING
    while processes_of(mine):
        assert time.monotonic() < until, processes_of(mine)
        time.sleep(0.05)
    if sent == signal.SIGINT:
        assert not folder.exists()
    else:
        shutil.rmtree(folder)  # nobody was there to do it


def processes_of(folder: Path) -> list[str]:
    """The names of the processes that run a program of the folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            program = (each / "exe").readlink()
        except OSError:
            continue
        if program.parent == folder:
            found.append(program.name)
    return found
