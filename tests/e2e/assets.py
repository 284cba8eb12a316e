"""Where etcd, kube-apiserver and kubectl are: in KUBEBUILDER_ASSETS, else built here with Go from published modules.

`python -m tests.e2e.assets` (`make e2e-assets`) builds them, once for each content of modules/go.mod and go.sum, in
~/.cache/gatewright/e2e. With --where it only says where they are: exit 0 if they are there, 1 if they can be built, 2
if they cannot.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import goprograms

MODULE = Path(__file__).parent / "modules"
CERT_MANAGER = Path(__file__).parent / "certmanager"
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
NOTHING = "neither KUBEBUILDER_ASSETS is set nor Go here; install Go, or set it to a folder with " + ", ".join(PACKAGES)
FLAGS = ("-p", "2", "-trimpath")  # two at a time: each takes memory, and other things run here
LINKED = "-s -w"


class AssetsError(Exception):
    """Why there are no programs to run, and what to do."""


def found() -> Path | None:
    """The folder with all three programs, or None where they are still to be built. AssetsError if it lacks one."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given is None:
        return folder() if complete(folder()) else None
    if not complete(Path(given)):
        names = ", ".join(name for name in PACKAGES if not (Path(given) / name).is_file())
        raise AssetsError(
            f"KUBEBUILDER_ASSETS is {given!r}, which has no {names}; set it to a folder that has, or unset it"
        )
    return Path(given).resolve()


def complete(path: Path) -> bool:
    return all(os.access(path / name, os.X_OK) for name in PACKAGES)


def folder() -> Path:
    """Where they are built: outside the checkout, a folder for each pinned set of modules."""
    pinned = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        pinned.update((MODULE / name).read_bytes())
    pinned.update(" ".join((*FLAGS, LINKED)).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "gatewright" / "e2e" / f"{pinned.hexdigest()[:16]}-{platform.machine()}"


def build() -> Path:
    """Builds what is not there. AssetsError if it cannot."""
    if (there := found()) is not None:
        return there
    if shutil.which("go") is None:
        raise AssetsError(NOTHING)
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two that build, the second finds the first's
        if not complete(target):
            _build(target)
    return target


def _build(target: Path) -> None:
    started = time.monotonic()
    flags = _version_flags(_version("k8s.io/kubernetes"))
    made = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        for name, package in PACKAGES.items():
            print(f"{time.monotonic() - started:4.0f} s  building {name} from {package}", flush=True)
            _go("build", *FLAGS, "-ldflags", f"{LINKED} {flags}", "-o", str(made / name), package)
        made.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    print(f"{time.monotonic() - started:4.0f} s  built in {target}", flush=True)


def _version(module: str) -> str:
    return _go("list", "-m", "-f", "{{.Version}}", module, capture=True).strip()


def _version_flags(version: str) -> str:
    """What the release builds tell the linker: without, the server says that it is v0.0.0-master."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean", "gitCommit": ""}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())


def _go(*arguments: str, capture: bool = False) -> str:
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    command = ["nice", "go", *arguments]
    output = subprocess.PIPE if capture else None
    done = subprocess.run(command, cwd=MODULE, env=environment, stdout=output, text=True, check=False)
    if done.returncode:
        raise AssetsError(f"`{' '.join(command)}` in {MODULE} failed with {done.returncode}; what it said stands above")
    return done.stdout or ""


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["--where"]:
            if (there := found()) is not None:
                print(there)
                return 0
            if shutil.which("go") is None:
                raise AssetsError(NOTHING)
            print(f"not built; make e2e-assets would build them in {folder()}")
            return 1
        print(build())
        if shutil.which("go") is not None:  # else the tests with cert-manager are skipped, and say so
            print(goprograms.built(CERT_MANAGER))
    except AssetsError as error:
        print(f"e2e assets: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
