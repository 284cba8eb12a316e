"""The API server's own Go packages, built here with Go: what it makes of a policy.

Without Go, or modules to build it from, the tests that ask are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "kubernetes"


@cache
def program() -> Path:
    """The program in `kubernetes/`."""
    if shutil.which("go") is None:
        pytest.skip("Go is not here: the API server's own evaluator cannot be built")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    folder.mkdir(parents=True, exist_ok=True)
    sources = b"".join(file.read_bytes() for file in sorted(SOURCE.iterdir()))
    built = folder / f"kubernetes-policy-{sha256(sources).hexdigest()[:12]}"  # other checkouts have theirs
    command = ["go", "build", "-mod=readonly", "-o", str(built), "."]
    run = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip(f"the API server's evaluator does not build here: {run.stderr.strip()[:500]}")
    return built


def asked(lines: Iterable[dict[str, Any]], *arguments: str) -> list[dict[str, Any]]:
    """The answer to each line."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    command = [str(program()), *arguments]
    answers = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=300).stdout
    return [json.loads(line) for line in answers.splitlines()]
