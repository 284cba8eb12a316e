"""Programs of the API server's own Go packages, built here with Go: tests compare with their answers.

Each is a folder with a main.go, a go.mod and a go.sum; or, for a published program, with these two alone. Without Go,
or modules to build them from, the tests that ask are skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.timing import HANGING


def built(source: Path, package: str = ".", tags: str = "") -> Path:
    """The program of a folder.

    package: what is built, if it is not the folder's own main.go: a package of the modules in its go.mod. tags: with
    which build constraints.
    """
    if shutil.which("go") is None:
        pytest.skip(f"Go is not here: {_called(source, package)} cannot be built")
    program = kept(source.parent.name, sorted(source.iterdir()))
    if not program.exists():
        build(source, program, "-mod=readonly", package, tags)
    return program


def kept(name: str, files: Iterable[Path]) -> Path:
    """Where a program is kept, by what it is made of: checkouts on one machine do not build over each other."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright" / "programs"
    return cache / f"{name}-{digest.hexdigest()[:16]}"


def build(source: Path, program: Path, modules: str, package: str = ".", tags: str = "") -> None:
    """Builds a folder's program; a test that asks for one that does not build is skipped. modules: the flag -mod."""
    program.parent.mkdir(parents=True, exist_ok=True)
    made = program.with_suffix(f".{os.getpid()}")
    # With the flags of tests/e2e/assets.py, so that packages which both need are compiled once.
    constrained = ["-tags", tags] if tags else []
    command = ["go", "build", modules, "-trimpath", *constrained, "-o", str(made), package]
    environment = os.environ | {"CGO_ENABLED": "0"}
    run = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip(f"{_called(source, package)} cannot be built here: {run.stderr.strip()[-500:]}")
    made.replace(program)


def _called(source: Path, package: str) -> str:
    return f"the program of {source.parent.name}/{source.name}" if package == "." else package


def answers(program: Path, questions: Iterable[dict[str, Any]], *arguments: str) -> list[dict[str, Any]]:
    """What the program answers, one JSON object to each."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    command = [str(program), *arguments]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, timeout=HANGING)
    # Go's protobuf writes a space of either kind there, by the digest of the program: no text of its errors is to last.
    text = done.stdout.replace("proto:\xa0", "proto: ")
    return [json.loads(line) for line in text.split("\n") if line]
