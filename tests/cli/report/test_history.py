"""`audit --history`: the last audits are kept in a file, which is bounded, checked, and shown as a trend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.report.reports import CHECK, SCORED, report, written
from webhook.cli.auditresults import history_of, remembered
from webhook.cli.readoptions import NotGiven
from webhook.cli.report import history
from webhook.cli.report.model import Past
from webhook.documents.document import Problem

AUDIT = report("audit", findings=CHECK.findings, scope={"objects": 18, "policies": 2}, at="2026-11-29T20:00:04Z")
LINE = '{"at":"2026-11-28T20:00:04Z","deny":1,"warn":0,"audit":0,"objects":3,"policies":1,"score":90.5,"complete":true}'


def test_each_audit_adds_what_it_came_to(tmp_path: Path) -> None:
    file = tmp_path / "audits.jsonl"
    first = remembered(AUDIT, file)
    assert first.history == (
        Past(at="2026-11-29T20:00:04Z", deny=5, warn=1, audit=1, objects=18, policies=2, score=None, complete=True),
    )
    wrong = replace(
        AUDIT, at="2026-11-30T20:00:04Z", findings=[], scores=SCORED.scores, problems=[Problem("a", None, None, "b")]
    )
    second = remembered(wrong, file)
    assert second.history[0] == first.history[0]
    assert second.history[1].complete is False and second.history[1].score == SCORED.scores.cluster.value  # type: ignore[union-attr]
    assert second.problems == wrong.problems
    assert history.read(file) == second.history
    assert json.loads(written(second, "json"))["history"][0]["deny"] == 5
    assert [each.name for each in tmp_path.iterdir()] == ["audits.jsonl"]


def test_the_file_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "audits.jsonl"
    file.write_text(f"{LINE}\n" * (history.MOST + 5))
    kept = remembered(AUDIT, file).history
    assert len(kept) == history.MOST and kept[-1].at == AUDIT.at
    assert file.read_text().count("\n") == history.MOST
    file.write_bytes(b" " * (history.MAX_SIZE + 1))
    with pytest.raises(NotGiven, match="more than 1 MiB"):
        history_of(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{LINE}\n{LINE[:40]}", ":2: expected an audit, as --history has written it: Input data was truncated"),
        (LINE.replace("2026-11-28T", "yesterday"), ":1: at: expected a time such as 2026-01-31T04:00:00Z, got 'yest"),
        (LINE.replace("2026-11-28T", "2026-13-28T"), ":1: at: expected a time such as"),
        (
            LINE.replace('"deny":1', '"deny":"<b>"'),
            ":1: expected an audit, as --history has written it: Expected `int`",
        ),
        (
            LINE.replace('"deny":1', '"deny":-1'),
            ":1: expected an audit, as --history has written it: Expected `int` >= 0",
        ),
        (
            LINE.replace('"deny":1', f'"deny":1{"0" * 30}'),
            ":1: expected an audit, as --history has written it: Expected",
        ),
        (LINE.replace("90.5", "1e300"), ":1: expected an audit, as --history has written it: Expected `float` <= 100"),
        (LINE.replace("}", ',"x":' + "[" * 100_000), ":1: expected an audit, as --history has written it: maximum rec"),
        (LINE.replace("Z", "\udcff"), ":1: expected an audit, as --history has written it: 'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_history_is_refused_and_left_as_it_is(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "audits.jsonl"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(NotGiven) as refused:
        history_of(file)
    assert f"--history: {file}{said}" in str(refused.value)
    (problem,) = remembered(AUDIT, file).problems  # it was changed while the audit ran
    assert said in problem.message
    assert file.read_bytes() == content.encode("utf-8", "surrogateescape")


def test_a_file_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    history_of(tmp_path / "absent.jsonl")
    (problem,) = remembered(AUDIT, tmp_path / "nowhere" / "audits.jsonl").problems
    assert problem.message == "--history: cannot be written: No such file or directory"
