"""An audit log as findings: what is said again is one finding, and everything has its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.auditlog.logs import FAILURE, event
from tests.cli.report.reports import HOSTILE, written
from webhook.auditlog.notes import FAILED_OPEN, NATIVE
from webhook.cli.report import logged
from webhook.cli.report.model import Report
from webhook.schema import Kinds


def failure(**fields: Any) -> dict[str, str]:
    return {f"{NATIVE}/validation_failure": json.dumps([{**FAILURE, **fields}])}


def reported(folder: Path, *events: dict[str, Any]) -> Report:
    file = folder / "audit.log"
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    return logged.report([str(file)], Kinds.builtin())


def test_the_same_again_is_one_finding(tmp_path: Path) -> None:
    users = [{"username": name} for name in ("dora", "carl", "dora", "eve", "fay")]
    given = [
        event(failure(), user=user, requestReceivedTimestamp=f"2026-11-29T10:00:0{number}Z")
        for number, user in enumerate(users)
    ]
    found = reported(tmp_path, event(None), *given, event(failure(message="another"), verb="create"))
    assert [(each.message, each.place.line, each.operation) for each in found.findings] == [
        ("another", 7, "CREATE"), ("too many", 6, "UPDATE"),
    ]  # fmt: skip
    assert found.findings[1].asides == ("said 5 times, last at 2026-11-29T10:00:04Z to dora, carl, eve and 1 more",)
    assert found.scope == {"events": 7, "files": 1, "policies": 1}
    one = found.findings[0]
    assert one.object is not None
    assert (one.object.api_version, one.object.kind, one.object.namespace, one.object.name) == (
        "apps/v1", "Deployment", "shop", "web",
    )  # fmt: skip
    assert (one.rule, one.level, one.binding, one.kind) == (
        "replicas",
        "audit",
        "replicas",
        "ValidatingAdmissionPolicy",
    )
    text = written(found, "text")
    assert f"{tmp_path}/audit.log:6: audit replicas" in text
    assert "2 for the audit log (7 events in 1 file, 1 policy)" in text


def test_what_exceptions_covered_counts_for_nothing(tmp_path: Path) -> None:
    covered = [{"exception": "logs", "policy": "replicas", "binding": "b", "message": "too many"}]
    found = reported(tmp_path, event({"it.gatewright.dev/policy_exception": json.dumps(covered)}))
    assert not found.findings
    assert [each.suppression and each.suppression.by for each in found.suppressed] == ["logs"]


def test_kinds_that_are_not_known_have_the_resource_as_their_name(tmp_path: Path) -> None:
    reference = {
        "apiGroup": "shop.example",
        "apiVersion": "v1",
        "resource": "carts",
        "subresource": "scale",
        "name": "a",
    }
    (one,) = reported(tmp_path, event(failure(), objectRef=reference)).findings
    assert one.object is not None
    assert (one.object.api_version, one.object.kind) == ("shop.example/v1", "carts/scale")


def test_webhooks_that_failed_open_are_told(tmp_path: Path) -> None:
    found = reported(tmp_path, *[event({f"{FAILED_OPEN}round_0_index_1": "it.gatewright.dev"})] * 3)
    assert found.notes == ["the webhook it.gatewright.dev did not answer 3 requests, which passed without it"]


def test_findings_beyond_the_bound_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "MOST", 2)
    found = reported(
        tmp_path, *(event(failure(message=f"{number}")) for number in range(5)), event(failure(message="0"))
    )
    assert len(found.findings) == 2
    assert found.notes == ["3 findings beyond the first 2 not kept"]


@pytest.mark.parametrize("form", ["text", "json", "html", "markdown", "sarif", "junit", "github"])
def test_hostile_texts_are_escaped(tmp_path: Path, form: str) -> None:
    given = event(
        {f"{HOSTILE[:40]}/validation_failure": json.dumps([{**FAILURE, "message": HOSTILE.replace("\udce9", "")}])},
        user={"username": "\x1b[31mx"},
    )
    text = written(reported(tmp_path, given), form)
    assert "\x1b" not in text
    assert "<script>alert" not in text or form in ("json", "markdown", "text", "github", "sarif")
