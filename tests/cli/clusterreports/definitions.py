"""The CustomResourceDefinitions of the reports, from the published Go modules; the repository has no copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.cli.clusterreports.dialects import OPENREPORTS, POLICYREPORT, Dialect

_PUBLISHED = {
    OPENREPORTS.name: (
        "github.com/openreports/reports-api@v0.2.1",
        "h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680=",
        "config/crd",
    ),
    POLICYREPORT.name: (
        "github.com/kyverno/kyverno@v1.13.4",
        "h1:2zUi+eszlisLdCir+WIf2NtuUfFPvJtjUNpewdtLjVw=",
        "config/crds/policyreport",
    ),
}


@cache
def _folder(name: str) -> Path:
    """The folder with the definitions of a dialect. Without Go, or the module, the test is skipped."""
    module, digest, within = _PUBLISHED[name]
    if shutil.which("go") is None:
        pytest.skip(f"Go is not here: {module} cannot be fetched")
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "GOFLAGS": "-mod=mod"}
        command = ["go", "mod", "download", "-json", module]
        run = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip(f"{module} cannot be fetched: {run.stderr.strip() or run.stdout.strip()}"[-500:])
    said = json.loads(run.stdout)
    assert said["Sum"] == digest, f"{module} is not what it was"
    return Path(said["Dir"]) / within


@cache
def definitions(dialect: Dialect) -> tuple[dict[str, Any], ...]:
    """The CustomResourceDefinitions of a dialect: that of what stands in namespaces first."""
    folder = _folder(dialect.name)
    return tuple(
        yaml.safe_load((folder / f"{dialect.group}_{plural}.yaml").read_text())
        for plural in (dialect.plural, dialect.cluster_plural)
    )


def schema(dialect: Dialect, kind: str) -> dict[str, Any]:
    """The schema of a kind, which allows no field that it does not describe."""
    of = next(each for each in definitions(dialect) if each["spec"]["names"]["kind"] == kind)
    version = next(each for each in of["spec"]["versions"] if each["name"] == dialect.api_version.rpartition("/")[2])
    closed: dict[str, Any] = _closed(version["schema"]["openAPIV3Schema"])
    closed["properties"]["metadata"] = {"type": "object"}
    return closed


def _closed(value: Any) -> Any:
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _closed(each) for key, each in value.items()}
    if isinstance(made.get("properties"), dict):
        made["additionalProperties"] = False
    return made
