"""Reports of audits as they are read back: one report of the parts that shards have written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cli.report.reports import finding, written
from webhook.cli import auditsaved
from webhook.cli.auditpage import condensed
from webhook.cli.auditsaved import ReportError, part_name, part_of, read, whole_of
from webhook.cli.report.model import Finding, Past, Report, Rule, fingerprinted
from webhook.cli.report.scores import scores
from webhook.documents.document import Problem
from webhook.offline.requests import Identity

RULES = {each: Rule(each, "Validating", severity=severity) for each, severity in (("a", "critical"), ("b", "low"))}
NAMESPACES = {"": 3, "bank": 7, "shop": 11, "web": 13}


def found() -> list[Finding]:
    return [
        finding(rule=rule, policy=rule, level=level, object=Identity("v1", "Pod", namespace, f"p{number}"))
        for namespace, count in NAMESPACES.items()
        for number in range(count // 2)
        for rule, level in (("a", "deny"), ("b", "audit"))
        if rule == "a" or number % 3
    ]


def audit(namespaces: Mapping[str, int], at: str = "2026-11-29T20:00:04Z", **fields: Any) -> Report:
    """The report of an audit of these namespaces, with how many objects each has."""
    findings = list(fingerprinted(each for each in found() if each.namespace in namespaces))
    scope = {"objects": sum(namespaces.values()), "kinds": 2, "policies": 2}
    given = scores(findings, namespaces, RULES)
    return Report(command="audit", findings=findings, rules=RULES, scope=scope, at=at, scores=given, **fields)


def put(folder: Path, *parts: tuple[str, Report]) -> None:
    folder.mkdir(exist_ok=True)
    for name, part in parts:
        text = written(part, "json").encode()
        (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def of_shards(number: int) -> list[dict[str, int]]:
    shards: list[dict[str, int]] = [{} for _ in range(number)]
    for index, (name, count) in enumerate(NAMESPACES.items()):
        shards[index % number][name] = count
    return shards


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_the_parts_say_what_one_process_would_say(number: int, tmp_path: Path) -> None:
    put(tmp_path / "parts", *((part_name(index, number), audit(each)) for index, each in enumerate(of_shards(number))))
    put(tmp_path / "one", ("audit.json.gz", audit(NAMESPACES)))
    (_, of_parts, parts), (_, of_one, one) = condensed(str(tmp_path / "parts")), condensed(str(tmp_path / "one"))
    for shown in (parts, one):
        shown["findings"].sort(key=lambda each: (each["object"], each["rule"]))
    assert parts == one and of_parts == of_one
    assert one["found"] == len(found()) and len(one["scores"]) == 5


def test_the_folder_holds_one_audit_and_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no audit has written into this folder yet"):
        read(tmp_path)
    shards = of_shards(4)
    times = [f"2026-11-2{9 - index}T20:00:04Z" for index in range(3)]
    put(tmp_path, *((part_name(index, 4), audit(shards[index], times[index])) for index in range(3)))
    (tmp_path / "history.jsonl").write_text(
        '{"at":"2026-11-01T00:00:00Z","deny":1,"warn":0,"audit":0,"objects":3,"policies":1}\n'
    )
    brief, _, shown = condensed(str(tmp_path))
    assert brief["at"] == times[2] and not shown["complete"]
    assert [each["message"] for each in shown["problems"]] == [
        "not everything is shown: no part of shard 3 of 4; look at the log of its Pod"
    ]
    assert shown["notes"] == [f"3 shards, written from {times[2]} to {times[0]}"]
    assert [each["at"] for each in shown["history"]] == ["2026-11-01T00:00:00Z"]
    (tmp_path / "history.jsonl").write_text("nothing\n")
    assert read(tmp_path).history == []
    put(tmp_path, (part_name(0, 2), audit(shards[0])))
    with pytest.raises(ReportError, match="parts of several audits: of 2 shards and of 4 shards"):
        read(tmp_path)


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    put(tmp_path, *((part_name(index, 2), audit(each)) for index, each in enumerate(of_shards(2))))
    (tmp_path / part_name(1, 2)).write_bytes(gzip.compress(b"x" * 99)[:-9])
    with pytest.raises(ReportError, match=r"audit-1-of-2\.json\.gz: it is a gzip file that was cut off"):
        read(tmp_path)


def test_what_a_part_says_of_errors_and_exceptions_is_kept(tmp_path: Path) -> None:
    parts = [
        replace(
            audit(each),
            problems=[Problem("prod", None, None, f"wrong {index}")],
            warnings=[Problem("prod", None, None, "the same")],
            notes=["the same", f"note {index}"],
        )
        for index, each in enumerate(of_shards(2))
    ]
    put(tmp_path, *((part_name(index, 2), part) for index, part in enumerate(parts)))
    saved = read(tmp_path)
    assert [each.message for each in saved.errors] == ["wrong 0", "wrong 1"]
    assert [each.message for each in saved.warnings] == ["the same"]
    assert saved.notes == ["the same", "note 0", "note 1"]
    one = auditsaved.past(saved)
    counts = [sum(each.level == level for each in found()) for level in ("deny", "audit")]
    assert one == Past(
        at="2026-11-29T20:00:04Z", deny=counts[0], warn=0, audit=counts[1], objects=34, policies=2, complete=False,
        score=scores(found(), NAMESPACES, RULES).cluster.value,
    )  # fmt: skip


def test_without_scores_of_all_there_are_none() -> None:
    saved = [auditsaved.parsed(written(audit(each), "json").encode()) for each in of_shards(2)]
    assert whole_of(dict(enumerate(saved)), 2).scores is not None
    saved[1].scores = None
    whole = whole_of(dict(enumerate(saved)), 2)
    assert whole.scores is None and auditsaved.past(whole).score is None
    whole.summary["deny"] = "many"
    with pytest.raises(ReportError, match="no numbers"):
        auditsaved.past(whole)


def test_a_shard_without_objects_takes_no_part_in_the_score() -> None:
    saved = [auditsaved.parsed(written(audit(each), "json").encode()) for each in of_shards(2)]
    empty = auditsaved.parsed(written(audit({}), "json").encode())
    alone, beside = whole_of(dict(enumerate(saved)), 2), whole_of(dict(enumerate([*saved, empty])), 3)
    assert alone.scores is not None and alone.scores == beside.scores
    nothing = whole_of({0: empty, 1: empty}, 2)
    assert nothing.scores is not None and nothing.scores.cluster.score is None
    assert auditsaved.past(nothing).score is None


@pytest.mark.parametrize(
    ("name", "shard"),
    [
        (part_name(0, 4), (0, 4)),
        ("audit-15-of-16.json", (15, 16)),
        ("audit-4-of-4.json.gz", None),
        ("audit-04-of-9.json", None),
        ("audit-0-of-0.json", None),
        ("audit.json.gz", None),
        ("audit-0-of-4.json.gz.tmp", None),
        ("audit--1-of-4.json", None),
    ],
)
def test_the_name_of_a_part(name: str, shard: tuple[int, int] | None) -> None:
    assert part_of(name) == shard


def test_a_report_is_json_of_an_audit() -> None:
    with pytest.raises(ReportError, match="a report of 'check'"):
        auditsaved.parsed(json.dumps({"command": "check", "findings": [], "summary": {}}).encode())
