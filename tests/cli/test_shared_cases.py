"""The cases of ../shared/cases: inputs on which check once decided otherwise than the API server.

Each is a folder with a policy, a manifest or a folder of them, and what the API server says (expected.txt). Skipped
where ../shared is not.
"""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from webhook.cli.commands import app

CASES = Path(__file__).parents[3] / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here: the cases are not tried")

_MISSING = "JSON Patch: add operation does not apply: doc is missing path: {!r}: missing value"


def checked(
    case: str, *paths: str, policy: str | Path = "policy.yaml", diff: bool = False
) -> tuple[int, dict[str, Any]]:
    """Exit code and report of `gatewright check` over paths in the case's folder."""
    folder = CASES / case
    arguments = ["check", *(str(folder / path) for path in paths), "--policies", str(folder / policy), "-o", "json"]
    try:
        done = CliRunner().invoke(app, arguments + ["--diff"] * diff)
    finally:
        gc.enable()
        gc.unfreeze()
    assert done.exit_code in (0, 1), (done.output, done.exception)
    report: dict[str, Any] = json.loads(done.stdout)
    assert not report["errors"], report["errors"]
    return done.exit_code, report


def denied(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Name of the object, and message, of each denial."""
    return sorted(
        (found["object"]["name"], found["message"]) for found in report["findings"] if found["action"] == "Deny"
    )


def test_every_case_is_tried() -> None:
    tried = {
        "duration-milliseconds",
        "empty-between-mutations",
        "empty-fields-denied",
        "empty-fields-passed",
        "files-left-out",
        "generated-name-in-mutation",
        "items-of-any-kind",
        "map-literal-repeated-key",
        "namespace-name-label",
    }
    assert {path.name for path in CASES.iterdir() if path.is_dir()} == tried


def test_milliseconds_of_a_duration() -> None:
    code, report = checked("duration-milliseconds", "manifest.yaml")
    assert denied(report) == [("cm", "at most a minute")]
    assert code == 1


def test_an_empty_list_is_gone_before_the_next_mutation() -> None:
    code, report = checked("empty-between-mutations", "manifest.yaml")
    ((name, message),) = denied(report)
    assert (name, message) == ("web", _MISSING.format("/spec/initContainers/-").replace("'", '"'))
    assert code == 1


@pytest.mark.parametrize(
    ("policy", "missing"),
    [("labels2", "/metadata/labels/team"), ("removeall", "/metadata/labels/z"), ("twopol", "/spec/nodeSelector/disk")],
)
def test_an_empty_map_is_gone_before_the_next_mutation(policy: str, missing: str, tmp_path: Path) -> None:
    tree = tmp_path / "policies"
    tree.mkdir()
    # One document a line, which is YAML, and no JSON.
    lines = (CASES / "empty-between-mutations" / "more" / f"{policy}.json").read_text().splitlines()
    (tree / "policy.yaml").write_text("\n---\n".join(lines))
    code, report = checked("empty-between-mutations", "manifest.yaml", policy=tree)
    assert denied(report) == [("web", _MISSING.format(missing).replace("'", '"'))]
    assert code == 1


def test_a_policy_does_not_see_the_empty_map_of_another(tmp_path: Path) -> None:
    tree = tmp_path / "policies"
    tree.mkdir()
    lines = (CASES / "empty-between-mutations" / "more" / "hasafter.json").read_text().splitlines()
    (tree / "policy.yaml").write_text("\n---\n".join(lines))
    code, report = checked("empty-between-mutations", "manifest.yaml", policy=tree, diff=True)
    assert denied(report) == []
    assert "saw: none" in report["diffs"][0]["diff"]
    assert code == 0


def test_what_a_chart_leaves_empty_is_not_there() -> None:
    code, report = checked("empty-fields-denied", "manifest.yaml")
    assert denied(report) == []
    assert code == 0


def test_what_is_empty_does_not_satisfy_a_policy_that_demands_it() -> None:
    code, report = checked("empty-fields-passed", "manifest.yaml")
    wanted = ("a command", "a livenessProbe", "a priority class", "labels", "runAsNonRoot")
    assert denied(report) == [("web", f"needs {each}") for each in wanted]
    assert code == 1


def test_files_that_kubectl_reads_are_checked_or_named(tmp_path: Path) -> None:
    shutil.copytree(CASES / "files-left-out", tmp_path / "case")
    code, report = checked("files-left-out", "folder")
    seen = {Path(found["file"]).name for found in report["findings"] if found["action"] == "Deny"}
    told = {
        name for name in (".web.yaml", "_web.yaml", "kustomization.yaml") if any(name in n for n in report["notes"])
    }
    assert seen | told == {".web.yaml", "_web.yaml", "kustomization.yaml"}
    assert code == 1


def test_a_generated_name_is_not_there_while_mutating() -> None:
    code, report = checked("generated-name-in-mutation", "manifest.yaml")
    said = denied(report)
    assert len(said) == 2
    assert all(message.endswith(" resulted in error: no such key: name") for _, message in said)
    assert code == 1


@pytest.mark.parametrize(
    "manifest", ["manifest.yaml", "more/json.json", "more/custom-kind.yaml", "more/deployment.yaml"]
)
def test_whatever_has_items_is_a_list(manifest: str) -> None:
    code, report = checked("items-of-any-kind", manifest)
    assert denied(report) == [("sneaky", "no hostPath")]
    assert code == 1
    if manifest == "manifest.yaml":
        assert report["findings"][0]["line"] == 10  # of its volumes; the Pod begins in line 6


def test_an_item_without_a_kind_is_of_the_lists_kind() -> None:
    code, report = checked("items-of-any-kind", "more/item-without-kind.yaml")
    assert (denied(report), report["summary"]["objects"]) == ([], 1)
    assert code == 0


def test_the_last_of_equal_keys_wins() -> None:
    code, report = checked("map-literal-repeated-key", "manifest.yaml")
    assert denied(report) == []
    assert code == 0


def test_a_namespace_has_the_label_of_its_name() -> None:
    code, report = checked("namespace-name-label", "manifest.yaml")
    assert denied(report) == [("fresh2", "shop is closed")]
    assert code == 1
