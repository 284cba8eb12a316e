"""cert-manager beside a control plane: its own controllers and CA injector, and a Secret laid out as a kubelet would.

certmanager/main.go is the program. It is built with Go, once for each content of its folder; without Go the tests that
need it are skipped.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.e2e.apiserver import Client
from tests.e2e.controlplane import ControlPlane, tether
from tests.timing import HANGING

SOURCE = Path(__file__).with_name("certmanager")
NAMESPACE = "/api/v1/namespaces/gatewright-system"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/gatewright-system/certificates"
SYNCED_EVERY = 0.2  # seconds; a kubelet takes up to some 90


def definitions() -> Path:
    """The folder with the CustomResourceDefinitions of the module. Skips where the module is not here."""
    command = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager"]
    download = ["go", "mod", "download", "github.com/cert-manager/cert-manager"]
    if shutil.which("go") is None:
        pytest.skip("Go is not here: cert-manager cannot be built")
    for each in (download, command):
        done = subprocess.run(each, cwd=SOURCE, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cert-manager's module is not here: {done.stderr.strip()[:500]}")
    return Path(done.stdout.strip()) / "deploy" / "crds"


@contextlib.contextmanager
def certmanager(cluster: ControlPlane) -> Iterator[Path]:
    """Run cert-manager on the cluster. Gives the file with its log."""
    program = goprograms.built(SOURCE)
    cluster.kubectl("apply", "--server-side", "--filename", str(definitions()))
    cluster.kubectl(
        "wait", "--for=condition=Established", f"--timeout={HANGING:.0f}s", "crd/certificates.cert-manager.io"
    )
    configuration = cluster.kubeconfig("cert-manager", cluster.tokens["admin"])
    log = cluster.folder / "cert-manager.log"
    environment = {"KUBECONFIG": str(configuration), "HOME": str(cluster.folder), "PATH": os.environ.get("PATH", "")}
    with log.open("wb") as output:
        process = subprocess.Popen(tether([str(program)]), stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Mounted:
    """The Secret gatewright-tls as a volume: files are links through `..data`, which an update replaces at once.

    A Secret that is deleted leaves the files, as with a kubelet.
    """

    def __init__(self, client: Client, folder: Path) -> None:
        self.folder = folder
        self.updates = 0
        self._client = client
        self._ended = threading.Event()
        self._version = ""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        folder.mkdir()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(HANGING)
        self._client.close()

    def _follow(self) -> None:
        while not self._ended.wait(SYNCED_EVERY):
            with contextlib.suppress(OSError):
                reply = self._client.get(f"{NAMESPACE}/secrets/gatewright-tls")
                if reply.ok and {"tls.crt", "tls.key"} <= {key for key, value in reply.body["data"].items() if value}:
                    self._write(reply.body)

    def _write(self, secret: dict[str, Any]) -> None:
        version = secret["metadata"]["resourceVersion"]
        if version == self._version:
            return
        target = self.folder / f"..{version}"
        target.mkdir(mode=0o700)
        for name, value in secret["data"].items():
            (target / name).write_bytes(base64.b64decode(value))
        link = self.folder / "..data_tmp"
        link.symlink_to(target.name)
        before = (self.folder / "..data").readlink() if self._version else None
        link.rename(self.folder / "..data")
        for name in secret["data"]:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        if before is not None:
            shutil.rmtree(self.folder / before)
        self._version = version
        self.updates += 1
