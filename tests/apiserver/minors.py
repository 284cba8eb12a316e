"""Kubernetes' own scheme, and its own strategies, in each supported version: the programs in `kubernetes/` and in
`strategies/`, built from that version.

The modules are those of Kubernetes' own go.mod and go.sum. Staging modules that a program does not need are
replaced by empty ones. A program takes a minute or two to build, once (see tests.goprograms for where it stays).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests import goprograms
from tests.apiserver import oracle
from webhook.versions import NEWEST, Version

RELEASES: Final = {
    (1, 26): "26.15",
    (1, 27): "27.16",
    (1, 28): "28.15",
    (1, 29): "29.15",
    (1, 30): "30.14",
    (1, 31): "31.13",
    (1, 32): "32.13",
    (1, 33): "33.13",
    (1, 34): "34.4",
    (1, 35): "35.4",
    (1, 36): "36.3",
    (1, 37): "37.2",
}
"""The release of each version: 26.15 is k8s.io/kubernetes v1.26.15, and v0.26.15 of its staging modules.

That of the newest version is the one of kubernetes/go.mod.
"""

_NEEDED: Final = frozenset(
    f"k8s.io/{name}"
    for name in (
        *("api", "apiextensions-apiserver", "apimachinery", "apiserver", "client-go", "component-base"),
        *("component-helpers", "controller-manager", "kms", "kube-aggregator", "streaming"),
    )
)
_NEEDED_BY_STRATEGIES: Final = _NEEDED | {
    f"k8s.io/{name}" for name in ("cloud-provider", "dynamic-resource-allocation", "endpointslice", "kubelet")
}
_FILES: Final = ("main.go", "types.go", "defaulters.go")
STRATEGIES: Final = Path(__file__).parent / "strategies"


def built(version: Version) -> Path:
    """The program of a version. Without Go, or the modules to build it from, the test that asks is skipped."""
    if version == NEWEST:
        return goprograms.built(oracle.SOURCE)
    if shutil.which("go") is None:
        pytest.skip("Go is not here: the API server's own packages cannot be built")
    program = goprograms.kept(f"apiserver-{RELEASES[version]}", [oracle.SOURCE / name for name in _FILES])
    if not program.exists():
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder), RELEASES[version])
            goprograms.build(Path(folder), program, "-mod=mod")
    return program


def at_hand(version: Version) -> bool:
    """Whether the program of a version is built already."""
    if version == NEWEST:
        return True
    return goprograms.kept(f"apiserver-{RELEASES[version]}", [oracle.SOURCE / name for name in _FILES]).exists()


def strategies(version: Version) -> Path:
    """The program that asks the strategies of a version. Where it cannot be built, the test that asks is skipped."""
    if version == NEWEST:
        return goprograms.built(STRATEGIES)
    if shutil.which("go") is None:
        pytest.skip("Go is not here: the API server's own packages cannot be built")
    program = _strategies(version)
    if not program.exists():
        with tempfile.TemporaryDirectory() as folder:
            _write_strategies(Path(folder), version)
            goprograms.build(Path(folder), program, "-mod=mod")
    return program


def strategies_at_hand(version: Version) -> bool:
    """Whether the strategies of a version are built already."""
    return version == NEWEST or _strategies(version).exists()


def _strategies(version: Version) -> Path:
    return goprograms.kept(f"strategies-{RELEASES[version]}", [STRATEGIES / "main.go"])


@cache
def source(version: Version, module: str = "kubernetes") -> Path:
    """The folder of a module of k8s.io of a version, in Go's module cache."""
    if shutil.which("go") is None:
        pytest.skip("Go is not here: Kubernetes' own source cannot be found")
    major = 1 if module == "kubernetes" else 0
    command = ["go", "mod", "download", "-json", f"k8s.io/{module}@v{major}.{RELEASES[version]}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tempfile.gettempdir())
    if done.returncode:
        pytest.skip(f"Kubernetes' own source is not here: {(done.stdout + done.stderr).strip()[:500]}")
    return Path(json.loads(done.stdout)["Dir"])


def _write(folder: Path, release: str) -> None:
    """Writes the source of the scheme's program of a release."""
    found = source((1, int(release.partition(".")[0])))
    for name in _FILES:
        shutil.copyfile(oracle.SOURCE / name, folder / name)
    groups = sorted(each.parent.name for each in (found / "pkg" / "apis").glob("*/install"))
    imports = "".join(f'\t_ "k8s.io/kubernetes/pkg/apis/{group}/install"\n' for group in groups)
    (folder / "installs.go").write_text(f"package main\n\nimport (\n{imports})\n")
    _write_modules(folder, found, release, _NEEDED)


_IMPORT: Final = re.compile(r'^\t(?:_ )?"k8s\.io/kubernetes/(pkg/[^"]++)"$')
_ENTRY: Final = re.compile(r"&?([a-z]++)\.Strategy,$")
_STRATEGY: Final = re.compile(r"^(?:var\s++|\t)Strategy\b", re.M)


def _write_strategies(folder: Path, version: Version) -> None:
    """Writes the source of the strategies' program of a version, without the kinds whose strategy it does not have."""
    found = source(version)
    gone: set[str] = set()
    lines = []
    for line in (STRATEGIES / "main.go").read_text().splitlines(keepends=True):
        imported, entry = _IMPORT.match(line.rstrip("\n")), _ENTRY.search(line.rstrip("\n"))
        if imported and not _has(found / imported[1]):
            gone.add(imported[1].rpartition("/")[2])
        elif not (entry and entry[1] in gone):
            lines.append(line)
    (folder / "main.go").write_text("".join(lines))
    _write_modules(folder, found, RELEASES[version], _NEEDED_BY_STRATEGIES)


def _has(package: Path) -> bool:
    """Whether a package is there and, of a registry, has its strategy as a value."""
    if "registry" not in package.parts:
        return package.is_dir()
    return any(_STRATEGY.search(file.read_text()) for file in package.glob("*.go"))


def _write_modules(folder: Path, found: Path, release: str, needed: frozenset[str]) -> None:
    """Writes go.mod and go.sum of a program. needed: the staging modules that are not empty."""
    text = (found / "go.mod").read_text()
    staging = set(re.findall(r"^\s*(?:replace )?(k8s\.io/[a-z0-9-]+) => \./staging", text, re.M))
    staging |= set(re.findall(r"(k8s\.io/[a-z0-9-]+) v0\.0\.0$", text, re.M))  # since 1.31 in a workspace
    text = re.sub(r"(?m)^module .*$", "module gatewright.dev/tests/apiserver/minor", text)
    text = re.sub(r"(?m)^go .*$", "go 1.26.0", text)
    text = re.sub(r"(?ms)^(?:godebug|replace) \(.*?^\)|^godebug [^\n(]*$", "", text)
    replaced = [f"\t{name} => {_replacement(folder, name, release, needed)}\n" for name in sorted(staging)]
    text += f"\nrequire k8s.io/kubernetes v1.{release}\n\nreplace (\n{''.join(replaced)})\n"
    (folder / "go.mod").write_text(text)
    (folder / "go.sum").write_bytes((found / "go.sum").read_bytes())


def _replacement(folder: Path, module: str, release: str, needed: frozenset[str]) -> str:
    if module in needed:
        return f"{module} v0.{release}"
    empty = folder / "none" / module.partition("/")[2]
    empty.mkdir(parents=True)
    (empty / "go.mod").write_text(f"module {module}\n")
    return f"./{os.path.relpath(empty, folder)}"
