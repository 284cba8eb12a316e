"""The results of `gatewright check` for the corpus: its refusals, and the objects that its policies see."""

from __future__ import annotations

import gc
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.dryrun.corpus import File
from tests.dryrun.seen import SEEN
from webhook.cli.commands import app

POLICIES = Path(__file__).parent / "policies"
_IMPORTS = ("--policy-imports", "tests.dryrun.seen")  # which keeps what the policies see
_KEPT = re.compile(r"kept as (\d+)")


@dataclass
class Checked:
    """One manifest. `refusals`: texts of errors and findings.

    `mutation`, `validation`: the requests that policies are asked about, None where none is.
    """

    name: str
    refusals: list[str] = field(default_factory=list)
    mutation: dict[str, Any] | None = None
    validation: dict[str, Any] | None = None


def checked(file: File) -> dict[str, Checked]:
    """Of each manifest by name, from one run of `gatewright check`."""
    SEEN.kept.clear()
    try:
        done = CliRunner().invoke(app, ["check", str(file.path), "--policies", str(POLICIES), *_IMPORTS, "-o", "json"])
    finally:
        gc.enable()
        gc.unfreeze()
    assert done.exit_code in (0, 1, 2), (done.output, done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    report = json.loads(done.stdout)
    found = {manifest.name: Checked(manifest.name) for manifest in file.manifests}
    kinds = {manifest.name: manifest.value["kind"] for manifest in file.manifests}

    def at(line: int | None) -> Checked:
        name = next(each.name for each in file.manifests if line is not None and each.first <= line <= each.last)
        return found[name]

    for error in report["errors"]:
        at(error["line"]).refusals.append(error["message"])
    for finding in report["findings"]:
        kept = _KEPT.fullmatch(finding["message"])
        if kept is None:
            at(finding["line"]).refusals.append(finding["message"])
            continue
        manifest, number = at(finding["line"]), int(kept[1])
        if SEEN.kept[number]["validation"]["object"]["kind"] != kinds[manifest.name]:
            number -= 1  # that of its Pod, which follows, and of which check reports in place of the workload's
        manifest.mutation, manifest.validation = SEEN.kept[number].get("mutation"), SEEN.kept[number]["validation"]
    return found
