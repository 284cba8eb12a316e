"""What a release consists of: the bill of materials, the plugin for kubectl, and the workflow that publishes them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker

from tests import goprograms
from tests.amounts import ALL
from tests.e2e import assets
from tests.shared import once
from tests.timing import HANGING

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text().replace("\\\n", " ")
WORKFLOW = (ROOT / ".github/workflows/release.yml").read_text()
VERSION = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, image: i}], volumes: [{name: h, hostPath: {path: /}}]}
"""


def recipe(target: str, program: str) -> list[str]:
    """The words of a command of a target of the Makefile."""
    (line,) = re.findall(rf"^{target}:.*\n(?:\t.*\n)*?\t\$\(BIN\)/({program} .*)$", MAKEFILE, re.MULTILINE)
    return str(line).split()


# The bill of materials.


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What `make sbom` writes."""

    def make(folder: Path) -> None:
        command = " ".join(recipe("sbom", "cyclonedx-py")).replace("dist/", f"{folder}/").split()
        program = Path(sys.executable).with_name(command[0])
        subprocess.run([str(program), *command[1:]], cwd=ROOT, check=True, capture_output=True, timeout=HANGING)

    found: dict[str, object] = json.loads((once(tmp_path_factory, "sbom", make) / "gatewright.cdx.json").read_text())
    return found


def locked() -> dict[str, tuple[str, set[str]]]:
    """Version and hashes of every runtime dependency of the lock."""
    found: dict[str, tuple[str, set[str]]] = {}
    text = (ROOT / "requirements.lock").read_text()
    for name, version, rest in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)((?:.*\\\n)*.*)", text, re.MULTILINE):
        found[name] = (version, set(re.findall(r"sha256:([0-9a-f]{64})", rest)))
    return found


def test_the_bill_names_every_locked_dependency_with_its_hashes(materials: dict[str, object]) -> None:
    components = materials["components"]
    assert isinstance(components, list)
    listed = {
        each["name"]: (
            each["version"],
            {found["content"] for place in each["externalReferences"] for found in place.get("hashes", ())},
        )
        for each in components
    }
    assert len(locked()) > 30
    assert listed == locked()
    assert {each["purl"] for each in components} == {
        f"pkg:pypi/{name}@{version}" for name, (version, _) in listed.items()
    }


def test_what_is_installed_here_of_them_is_in_the_bill(materials: dict[str, object]) -> None:
    """By the metadata of the installed packages, not by the lock: from the package itself on."""
    from importlib.metadata import distribution

    components = materials["components"]
    assert isinstance(components, list)
    listed = {str(each["name"]) for each in components}
    seen: set[str] = set()
    waiting = ["gatewright"]
    while waiting:
        name = waiting.pop()
        for requirement in distribution(name).requires or ():
            needed, _, marker = requirement.partition(";")
            if "extra" in marker or (marker and not Marker(marker).evaluate()):
                continue
            plain = re.split(r"[^A-Za-z0-9._-]", needed.strip())[0].lower()
            dashed = re.sub("[-_.]+", "-", plain)
            if dashed not in seen:
                seen.add(dashed)
                waiting.append(dashed)
    assert len(seen) > 20
    assert seen <= listed


def test_the_bill_says_what_it_is_of(materials: dict[str, object]) -> None:
    assert (materials["bomFormat"], materials["specVersion"]) == ("CycloneDX", "1.6")
    metadata = materials["metadata"]
    assert isinstance(metadata, dict)
    component = metadata["component"]
    assert (component["name"], component["version"], component["type"]) == ("gatewright", VERSION, "application")


# The plugin for kubectl.


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what `make dist` makes of a copy of the tree."""

    def make(folder: Path) -> None:
        tree, dist = folder / "tree", folder / "dist"
        tree.mkdir()
        for name in ("webhook", "gatewright", "release", "policies"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.lock"):
            shutil.copyfile(ROOT / name, tree / name)
        wheel = recipe("dist", "python -m pip")
        wheel[wheel.index("dist")] = str(dist)
        for command in (wheel, ["python", str(tree / "release/pack.py"), str(dist), "owner/name"]):
            run = subprocess.run(
                [sys.executable, *command[1:]], cwd=tree, capture_output=True, text=True, check=False, timeout=HANGING
            )
            assert run.returncode == 0, run.stderr

    return once(tmp_path_factory, "dist", make) / "dist"


def test_krew_takes_the_manifest(packed: Path) -> None:
    validator = goprograms.built(Path(__file__).parent / "krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest")
    manifest = packed / "gatewright.yaml"
    command = [str(validator), "-skip-install", "-manifest", str(manifest)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGING)
    assert done.returncode == 0, done.stderr
    assert "structural validation OK" in done.stderr
    platform = yaml.safe_load(manifest.read_text())["spec"]["platforms"][0]
    assert platform["uri"] == f"https://github.com/owner/name/releases/download/v{VERSION}/gatewright-krew.tar.gz"

    assert platform["sha256"] == hashlib.sha256((packed / "gatewright-krew.tar.gz").read_bytes()).hexdigest()


def test_the_same_wheel_gives_the_same_archive(packed: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(packed, tmp_path / "dist"))
    (again / "gatewright-krew.tar.gz").unlink()
    os.utime(next(again.glob("*.whl")), (1, 1))
    command = [sys.executable, str(ROOT / "release/pack.py"), str(again), "owner/name"]
    subprocess.run(command, check=True, timeout=HANGING)
    assert (again / "gatewright-krew.tar.gz").read_bytes() == (packed / "gatewright-krew.tar.gz").read_bytes()
    next(again.glob("*.whl")).unlink()
    missing = subprocess.run(command, check=False, capture_output=True, text=True, timeout=HANGING)
    assert (missing.returncode, "expected one wheel of gatewright, found 0" in missing.stderr) == (2, True)


@pytest.fixture
def plugin(packed: Path, tmp_path: Path) -> Path:
    """The plugin as krew lays it out: a link to the launcher, in a folder of links. The cache is in `cache` beside."""
    with tarfile.open(packed / "gatewright-krew.tar.gz") as archive:
        archive.extractall(tmp_path / "store", filter="data")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl-gatewright").symlink_to("../store/kubectl-gatewright")
    return tmp_path


def run(plugin: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(plugin), "XDG_CACHE_HOME": str(plugin / "cache")}
    return subprocess.run(
        [str(plugin / "bin" / "kubectl-gatewright"), *arguments],
        env=environment | variables,
        cwd=plugin,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_an_installed_plugin_runs_the_command_whatever_is_in_the_folder(plugin: Path) -> None:
    venv = plugin / "cache" / "gatewright" / f"gatewright-{VERSION}-py3-none-any"
    venv.parent.mkdir(parents=True)
    venv.symlink_to(sys.prefix)  # what the first run installs is this package, and its locked dependencies
    (plugin / "pod.yaml").write_text(POD)
    (plugin / "webhook").mkdir()  # a folder of this name must not be taken for ours
    (plugin / "webhook" / "__init__.py").write_text("raise SystemExit(77)\n")
    done = run(plugin, "check", "--policies", str(ROOT / "policies" / "no-host-path"), "pod.yaml")
    assert (done.returncode, done.stderr) == (1, "")
    assert "deny no-host-path" in done.stdout


def test_kubectl_finds_it_and_passes_everything_on(plugin: Path) -> None:
    """A real kubectl, whose folders have no configuration."""
    where = assets.found()
    kubectl = None if where is None else where / "kubectl"
    if kubectl is None or not kubectl.exists():
        pytest.skip("there is no kubectl: make e2e-assets builds one")
    venv = plugin / "cache" / "gatewright" / f"gatewright-{VERSION}-py3-none-any"
    venv.parent.mkdir(parents=True)
    venv.symlink_to(sys.prefix)
    (plugin / "a pod.yaml").write_text(POD)
    path = os.pathsep.join([str(plugin / "bin"), os.environ["PATH"]])

    def kubectl_says(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(kubectl), *arguments],
            env={"PATH": path, "HOME": str(plugin), "XDG_CACHE_HOME": str(plugin / "cache")},
            cwd=plugin,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGING,
        )

    policies = ["--policies", str(ROOT / "policies")]
    assert str(plugin / "bin" / "kubectl-gatewright") in kubectl_says("plugin", "list").stdout
    done = kubectl_says("gatewright", "check", *policies, "-n", "shop", "a pod.yaml")
    assert (done.returncode, done.stderr) == (1, "")
    assert "Pod shop/p" in done.stdout
    piped = kubectl_says("gatewright", "check", *policies, "-", stdin=POD)
    assert (piped.returncode, "deny no-host-path" in piped.stdout) == (1, True)
    assert kubectl_says("gatewright", "check", "--nope").returncode == 2


def test_the_first_run_says_what_it_needs(plugin: Path) -> None:
    done = run(plugin, "check", GATEWRIGHT_PYTHON="/bin/false")
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (plugin / "cache").exists()


@pytest.mark.skipif(not ALL, reason="installs everything anew, for half a minute: make soak")
def test_the_first_run_installs_and_leaves_nothing_half(plugin: Path) -> None:
    broken = (plugin / "store" / "requirements.lock").read_text()
    (plugin / "store" / "requirements.lock").write_text(re.sub("sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, broken))
    failed = run(plugin, "--version")
    assert failed.returncode != 0
    assert list((plugin / "cache" / "gatewright").iterdir()) == []
    (plugin / "store" / "requirements.lock").write_text(broken)
    done = run(plugin, "--help")
    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout


# The workflow.


def test_the_workflow_finds_the_lines_that_it_changes() -> None:
    """It writes the image and its digest into the chart's values with sed."""
    patterns = re.findall(r'--expression "s\|(\^.*?\$)\|', WORKFLOW)
    values = (ROOT / "manifests/chart/values.yaml").read_text()
    assert len(patterns) == 2
    for pattern in patterns:
        assert len(re.findall(pattern.replace('\\"', '"'), values, re.MULTILINE)) == 1, pattern
    (line,) = re.findall(r"grep -qx \"(.*)\" pyproject.toml", WORKFLOW)
    assert line.replace('\\"', '"').replace("${GITHUB_REF_NAME#v}", VERSION) in (ROOT / "pyproject.toml").read_text()


def test_only_the_job_that_publishes_may_write_and_it_runs_nothing_of_dependencies() -> None:
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    assert "permissions" not in jobs["build"]
    assert jobs["publish"]["needs"] == "build"
    commands = "\n".join(step.get("run", "") for step in jobs["publish"]["steps"])
    assert not re.search(r"\b(make|pip|python|npm)\b", commands)
    assert "secrets." not in WORKFLOW


def test_the_workflow_gives_no_expression_to_a_shell() -> None:
    """A name of a branch or tag in `${{ }}` within a script would be code; scripts take variables."""
    for job in yaml.safe_load(WORKFLOW)["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step
