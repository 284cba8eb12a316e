"""The file of the last audit: read when it changes, in a process of its own; what cannot be used changes nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.cli.report.reports import finding, report, written
from webhook.server.page import lastaudit
from webhook.server.page.lastaudit import LastAudit
from webhook.server.telemetry.metrics import exposition

WHOLE = written(report("audit", findings=[finding(), finding(level="warn")], at="2026-11-29T20:00:04Z"), "json")


def test_the_last_one_that_could_be_used_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "audit.json"
    audit = LastAudit("webhook.cli.auditpage", file)

    def looked() -> tuple[int, str]:
        asyncio.run(audit.look())
        shown = audit.shown()
        return shown["version"], shown["problem"]

    assert looked() == (0, "it cannot be read: No such file or directory")
    file.write_text(WHOLE)
    assert looked() == (1, "")
    whole = audit.whole
    assert whole is not None
    assert len(json.loads(whole)["findings"]) == 1  # of two levels
    assert audit.shown() == {"version": 1, "problem": "", "at": "2026-11-29T20:00:04Z", "score": None, "found": 2}

    async def none(*_: object, **__: object) -> tuple[int, bytes]:
        raise AssertionError("it is read again, and has not changed")

    with monkeypatch.context() as patched:
        patched.setattr(lastaudit, "answered", none)
        assert looked() == (1, "")
    file.write_text(WHOLE[:-100])
    version, problem = looked()
    assert (version, audit.whole) == (1, whole) and "Input data was truncated" in problem
    file.unlink()
    assert looked() == (1, "it cannot be read: No such file or directory")
    assert audit.whole == whole
    file.write_text(WHOLE)
    assert looked() == (2, "")


def test_a_folder_is_read_again_when_a_file_of_it_changes(tmp_path: Path) -> None:
    audit = LastAudit("webhook.cli.auditpage", tmp_path)

    def looked() -> tuple[int, str]:
        asyncio.run(audit.look())
        return audit.shown()["version"], audit.shown()["problem"]

    version, problem = looked()
    assert version == 0 and problem.startswith("no audit has written into this folder yet")
    (tmp_path / "..hidden").mkdir()  # as a kubelet keeps the contents of a ConfigMap
    for index in range(2):
        (tmp_path / "..hidden" / f"{index}").write_text(WHOLE)
        (tmp_path / f"audit-{index}-of-2.json").symlink_to(f"..hidden/{index}")
    assert looked() == (1, "")
    assert looked() == (1, "")
    assert audit.shown()["found"] == 4
    (tmp_path / "..hidden" / "1").write_text(WHOLE + "\n")  # the folder itself does not change
    assert looked() == (2, "")
    (tmp_path / "audit-1-of-2.json").unlink()
    assert looked() == (3, "")
    whole = json.loads(audit.whole or b"")
    assert [each["message"] for each in whole["problems"]] == [
        "not everything is shown: no part of shard 1 of 2; look at the log of its Pod"
    ]


def test_a_file_that_takes_too_long_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "audit.json"
    file.write_text(WHOLE)
    audit = LastAudit("webhook.cli.auditpage", file, patience=0.01)
    asyncio.run(audit.look())
    assert audit.shown() == {"version": 0, "problem": "it took longer than 0.01 s to read"}
    tried = list[int]()

    async def answered(*_: object, **__: object) -> tuple[int, bytes]:
        tried.append(len(tried))
        return -24, b""

    monkeypatch.setattr(lastaudit, "answered", answered)
    for _ in range(2 * lastaudit.AGAIN):
        asyncio.run(audit.look())
    assert len(tried) == 2
    assert audit.shown()["problem"].startswith("it could not be read as a whole")


def test_its_metrics_are_those_of_the_last_one_that_could_be_used(tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    audit = LastAudit("webhook.cli.auditpage", file)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(audit)
    asyncio.run(audit.look())
    assert list(registry.collect()) == []
    file.write_text(WHOLE)
    asyncio.run(audit.look())
    labels = {"policy": "pinned-images", "namespace": "shop", "severity": "", "result": "fail"}
    ended = datetime.fromisoformat("2026-11-29T20:00:04Z").timestamp()
    for _ in range(2):
        assert registry.get_sample_value("gatewright_audit_findings", labels) == 1
        assert registry.get_sample_value("gatewright_audit_complete") == 1
        assert registry.get_sample_value("gatewright_audit_timestamp_seconds") == ended
        file.write_text(WHOLE[:-100])
        asyncio.run(audit.look())
        assert audit.shown()["problem"]
    for openmetrics in (False, True):
        assert b"# TYPE gatewright_audit_findings gauge\n" in exposition(registry, openmetrics=openmetrics)
