"""The Dockerfile: what it says, and its build steps, done here as they are written, in a folder of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.manifests import kustomize
from tests.manifests.kustomize import BASE, ROOT, mounted
from tests.server.running import environment, wait_for
from tests.shared import once
from tests.timing import HANGING
from tests.unmeasured import unmeasured

REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


class Instruction(NamedTuple):
    name: str
    argument: str


def stages() -> list[list[Instruction]]:
    """The instructions by stage, the lines before the first FROM as stage 0. No heredocs are understood."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    found: list[list[Instruction]] = [[]]
    for line in text.splitlines():
        name, _, argument = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if name:
            found[-1].append(Instruction(name, argument.strip()))
    return found


def values(stage: list[Instruction], name: str) -> dict[str, str]:
    """`KEY=value` of all its ENV, ARG or LABEL instructions."""
    words = [word for each in stage if each.name == name for word in shlex.split(each.argument)]
    return {key: value for key, _, value in (word.partition("=") for word in words)}


ARGUMENTS, BUILD, FINAL = stages()


def test_both_stages_are_of_one_pinned_debian_image() -> None:
    image = values(ARGUMENTS, "ARG")["PYTHON_IMAGE"]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", image)
    assert [stage[0].argument.split()[0] for stage in (BUILD, FINAL)] == ["${PYTHON_IMAGE}"] * 2
    assert values(FINAL, "LABEL")["org.opencontainers.image.base.name"] == image.partition("@")[0]


def test_it_runs_as_a_number_that_is_not_root_and_the_one_of_the_manifests() -> None:
    (user,) = (each.argument for each in FINAL if each.name == "USER")
    pod = kustomize.pod(BASE)["securityContext"]
    assert user == f"{pod['runAsUser']}:{pod['runAsGroup']}" == "65532:65532"
    assert not [each for each in FINAL if each.name == "RUN"]  # nothing is done as root either


def test_no_policies_are_baked_in_and_the_mount_is_where_the_manifests_have_it() -> None:
    copied = [each.argument for each in FINAL if each.name == "COPY"]
    assert copied == ["--from=build /opt/gatewright /opt/gatewright"]  # and the library, which is enforced nowhere
    wanted = kustomize.environment(BASE)["GATEWRIGHT_POLICIES"]
    assert values(FINAL, "ENV")["GATEWRIGHT_POLICIES"] == wanted


def test_what_is_sent_to_the_builder_is_what_is_copied() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for each in BUILD if each.name == "COPY" for word in each.argument.split()[:-1]}
    assert sent == copied


def test_the_labels_say_what_it_is() -> None:
    labels = values(FINAL, "LABEL")
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert values(FINAL, "ARG")["VERSION"] == version[1]
    assert {key.removeprefix("org.opencontainers.image.") for key in labels} == {
        "title", "description", "licenses", "version", "revision", "created", "base.name",
    }  # fmt: skip


def test_every_install_is_of_hashed_wheels() -> None:
    installs = re.findall(r"pip(?: --python \S+)? install ([^&]+)", " && ".join(each.argument for each in BUILD))
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes --only-binary=:all:" in install or "--no-deps --no-index wheels/" in install


@dataclass
class Built:
    venv: Path
    folder: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """As in the container: the image's own variables, its commands first on the PATH, and no work tree about."""
        path = f"{self.venv / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            command,
            cwd="/",
            env=environment(PATH=path, **variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGING,
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What the build stage makes, in another folder than /opt/gatewright. Skips where there is no package index."""
    folder = once(tmp_path_factory, "image", build)
    return Built(folder / "venv", folder / "build")


def build(folder: Path) -> None:
    """As `docker build` does, what the steps before our own code make is kept for the next time, by what made it."""
    own = next(place for place, each in enumerate(BUILD) if each.name == "COPY" and "pyproject.toml" in each.argument)
    kept = CACHE / _digest(BUILD[:own])
    if kept.exists():
        shutil.copytree(kept, folder, symlinks=True, copy_function=_link, dirs_exist_ok=True)
    else:
        (folder / "build").mkdir()
        _steps(folder, BUILD[:own])
        _keep(folder, kept)
    _steps(folder, BUILD[own:])


CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright" / "image"
KEPT = 4  # for branches whose locks differ


def _python() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _digest(steps: list[Instruction]) -> str:
    digest = hashlib.sha256(f"{_python()} {sys.version}".encode())
    for each in steps:
        digest.update(f"\0{each.name} {each.argument}".encode())
        for source in each.argument.split()[:-1] if each.name == "COPY" else ():
            digest.update(b"\0" + (ROOT / source).read_bytes())
    return digest.hexdigest()[:16]


def _keep(folder: Path, kept: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    made = kept.with_suffix(f".{os.getpid()}")
    shutil.copytree(folder, made, symlinks=True)
    try:
        made.rename(kept)
    except OSError:  # another checkout has made the same
        shutil.rmtree(made)
    for old in sorted(CACHE.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """A file of the environment of another name: what installs more, or compiles, makes files and changes none."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _steps(folder: Path, steps: list[Instruction]) -> None:
    work = folder / "build"
    variables = {**unmeasured(), **values(BUILD, "ARG"), **values(BUILD, "ENV"), "VENV": str(folder / "venv")}
    variables["PIP_NO_COMPILE"] = "1"  # of some thousand modules: that takes most of the time, and is pip's own matter
    for name in ("PIP_NO_CACHE_DIR", "VIRTUAL_ENV", "PYTHONPATH"):  # a cache on this machine is welcome
        variables.pop(name, None)

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", f'python() {{ {shlex.quote(str(_python()))} "$@"; }}\n{command}'],
            cwd=work,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    for each in steps:
        if each.name == "COPY":
            *sources, target = each.argument.split()
            for source in sources:
                _copy(ROOT / source, work / source if target == "./" else work / target)
        elif each.name == "RUN":
            done = shell(each.argument)
            if done.returncode and "install" in each.argument and not _index_answers(shell):
                pytest.skip(f"no package index can be reached, so the image cannot be built: {done.stderr[-300:]}")
            assert done.returncode == 0, f"{each.argument}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def _index_answers(shell: Callable[[str], subprocess.CompletedProcess[str]]) -> bool:
    return shell("python -m pip download --quiet --no-deps --dest ../probe typing-extensions").returncode == 0


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    else:
        shutil.copyfile(source, target)


def test_the_steps_end_in_the_servers_help(built: Built) -> None:
    text = (built.folder / "help.txt").read_text()
    for setting in ("--policies", "--tls-cert", "--shutdown-delay"):
        assert setting in text


def test_it_holds_what_is_locked_and_no_tools(built: Built) -> None:
    code = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
    listed = built.run("python", "-c", code).stdout.split()
    found = (each.split("==") for each in listed)
    installed = {re.sub("[-_.]+", "-", name).lower(): version for name, version in found}
    locked = dict(REQUIREMENT.findall((ROOT / "requirements.lock").read_text()))
    assert installed.pop("gatewright") == values(FINAL, "ARG")["VERSION"]
    assert installed.items() <= locked.items()
    assert {"uvloop", "fastapi", "google-re2", "kubernetes"} <= installed.keys()
    assert not {"cel-expr-python", "pip", "setuptools", "pytest", "uv"} & installed.keys()


def test_the_wheel_ships_the_library(built: Built, tmp_path: Path) -> None:
    listed = built.run("gatewright", "policies", "list", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    names = [each["name"] for each in json.loads(listed.stdout)]
    assert names == sorted(file.parent.name for file in (ROOT / "policies").glob("*/policy.*"))
    added = built.run("gatewright", "policies", "add", *names, "--to", str(tmp_path / "tree"))
    assert added.returncode == 0, added.stderr
    for name in names:
        ours = {file.read_bytes() for file in (ROOT / "policies" / name).glob("*.*") if file.stem != "kustomization"}
        assert {file.read_bytes() for file in (tmp_path / "tree" / name).iterdir()} == ours


def test_without_policies_it_says_where_it_looked(built: Built) -> None:
    variables = {key: value for key, value in values(FINAL, "ENV").items() if key.startswith("GATEWRIGHT_")}
    done = built.run("gatewright", "serve", **variables)
    assert done.returncode == 2
    assert f"no policy folder at {variables['GATEWRIGHT_POLICIES']}" in done.stderr


@pytest.fixture(scope="module")
def served(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Built, str]]:
    """The server of the image over the ConfigMap as mounted, with the image's variables; its plain port."""
    root = mounted(kustomize.policies("overlays/enforcing"), tmp_path_factory.mktemp("etc") / "policies")
    variables = {key: value for key, value in values(FINAL, "ENV").items() if key != "PATH"}
    variables |= {"GATEWRIGHT_POLICIES": str(root), "GATEWRIGHT_PORT": "0", "GATEWRIGHT_PLAIN_PORT": "0"}
    (command,) = (json.loads(each.argument) for each in FINAL if each.name == "CMD")
    process = subprocess.Popen(
        [str(built.venv / "bin" / "gatewright"), *command],
        cwd="/",
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process:
        try:
            events = map(json.loads, process.stdout)
            left_out, serving = next(events), next(events)
            assert (left_out["event"], serving["event"]) == ("cluster", "serving")  # there is no cluster
            yield built, serving["plain"].rpartition(":")[2]
        finally:
            process.kill()


def test_its_health_check_tells_a_server_from_none(served: tuple[Built, str]) -> None:
    built, port = served
    (argument,) = (each.argument for each in FINAL if each.name == "HEALTHCHECK")
    command = json.loads(argument[argument.index("CMD ") + 4 :])
    wait_for(lambda: built.run(*command, GATEWRIGHT_PLAIN_PORT=port).returncode == 0)
    assert built.run(*command, GATEWRIGHT_PLAIN_PORT="1").returncode == 1
