"""What the server's page shows of an audit: the report of `audit -o json`, bounded, with everything hostile as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cli.report.reports import CHECK, SCORED, finding, report, written
from webhook.cli import auditpage, auditsaved
from webhook.cli.auditpage import condensed
from webhook.cli.auditsaved import ReportError
from webhook.cli.report.model import Past, Report, Rule
from webhook.offline.requests import Identity

PAST = Past(at="2026-11-28T20:00:04Z", deny=1, warn=0, audit=0, objects=3, policies=1, score=90.5)
AUDIT = replace(
    SCORED,
    command="audit",
    at="2026-11-29T20:00:04Z",
    history=[PAST],
    suppressed=CHECK.suppressed,
    problems=CHECK.problems,
    rules={
        **SCORED.rules,
        "pinned-images": Rule("pinned-images", "Validating", severity="high", controls=("CIS 5.2.4",)),
    },
)


def kept(of: Report | str, folder: Path) -> dict[str, Any]:
    """What is shown of a report, as a browser reads it."""
    file = folder / "audit.json"
    file.write_text(of if isinstance(of, str) else written(of, "json"))
    brief, _, whole = condensed(str(file))
    assert {key: whole[key] for key in brief} == brief
    shown: dict[str, Any] = json.loads(auditpage._dumped(whole))
    return shown


def test_it_shows_what_the_page_of_html_shows(tmp_path: Path) -> None:
    shown = kept(AUDIT, tmp_path)
    page = json.loads(written(AUDIT, "html").partition('id="report">')[2].partition("</script>")[0])
    assert shown["at"] == AUDIT.at and shown["history"] == page["report"]["history"]
    assert shown["rules"]["pinned-images"] == page["report"]["rules"]["pinned-images"]
    assert [{**each, "demanded": None} for each in shown["scores"]] == [
        {**each, "demanded": None} for each in page["report"]["scores"]
    ]
    assert [each["message"] for each in shown["problems"]] == [each["message"] for each in page["report"]["problems"]]
    assert shown["found"] == len(AUDIT.findings) and not shown["left"] and not shown["complete"]
    fields = ("rule", "levels", "error", "message")
    found = [[each.get(field) for field in fields] for each in shown["findings"]]
    wanted = [[each.get(field) for field in fields] for each in page["findings"]]
    assert sorted(map(repr, found[:-2])) == sorted(map(repr, wanted[:-3]))  # without what a comment silences
    assert [each["suppressed"][:20] for each in shown["findings"][-2:]]
    text = json.dumps(shown, ensure_ascii=False)
    assert "\x1b" not in text and "\u202e" not in text and "<img src=x" in text


WHY = ("why: spec.validations[0].expression", "  false  c.image != 'bad' </script>\x1b[31m")


def test_what_led_to_a_finding_is_shown_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [finding(why=WHY, message=f"message {number}") for number in range(5)]
    audit = report("audit", findings=found, at=AUDIT.at)
    page = json.loads(written(audit, "html").partition('id="report">')[2].partition("</script>")[0])
    shown = kept(audit, tmp_path)["findings"]
    assert [each["why"] for each in shown] == [each["why"] for each in page["findings"]]
    assert shown[0]["why"][1].endswith("</script>\\x1b[31m")
    with monkeypatch.context() as less:
        less.setattr(auditpage, "MOST_EXPLAINED", 2 * len(json.dumps(shown[0]["why"])))
        assert ["why" in each for each in kept(audit, tmp_path)["findings"]] == [True, True, False, False, False]
    long = report("audit", findings=[finding(why=("x" * 9999,) * 999)], at=AUDIT.at)
    (only,) = kept(long, tmp_path)["findings"]
    assert len(only["why"]) == 100 and {len(line) for line in only["why"]} == {501}


def test_the_gravest_findings_are_shown_and_texts_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditpage, "MOST_FOUND", 10)
    long = "x" * 5000
    findings = [
        finding(rule=rule, level=level, message=f"{level}{long}", object=Identity("v1", "Pod", long, f"{number}"))
        for level in ("audit", "deny")
        for rule in ("mild", "grave")
        for number in range(4)
    ]
    rules = {
        each: Rule(each, "Validating", severity=severity) for each, severity in (("mild", "low"), ("grave", "critical"))
    }
    shown = kept(report("audit", findings=findings, rules=rules), tmp_path)
    assert [(each["levels"], each["rule"]) for each in shown["findings"]] == [
        *[(["deny"], "grave")] * 4,
        *[(["deny"], "mild")] * 4,
        *[(["audit"], "grave")] * 2,
    ]
    assert (shown["found"], shown["left"]) == (16, 6)
    assert all(len(json.dumps(each)) < 2000 for each in shown["findings"])
    monkeypatch.setattr(auditpage, "MOST_BYTES", 3000)
    shown = kept(report("audit", findings=findings, rules=rules), tmp_path)
    assert (len(shown["findings"]), shown["left"]) == (2, 14)


def test_the_worst_namespaces_have_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditpage, "MOST_SCORES", 2)
    shown = kept(AUDIT, tmp_path)
    assert shown["scores"][0]["name"] == "all objects"
    assert (len(shown["scores"]), shown["scoresLeft"]) == (3, len(SCORED.scores.namespaces) - 2)  # type: ignore[union-attr]


WHOLE = written(report("audit", findings=[finding()]), "json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        (WHOLE[: len(WHOLE) // 2], "not what `gatewright audit -o json` writes: Input data was truncated"),
        ("<html>", "not what `gatewright audit -o json` writes: JSON is malformed"),
        ("[" * 100_000, "not what `gatewright audit -o json` writes"),
        ('{"command": "audit", "findings": 3, "summary": {}}', "Expected `array`, got `int` - at `$.findings`"),
        (
            '{"command": "audit", "findings": [{"rule": "a", "level": []}], "summary": {}}',
            "Expected `str`, got `array`",
        ),
        (WHOLE.replace('"line": ', '"line": 1' + "0" * 30), "Expected `int` <= 9007199254740991 - at `$.line`"),
        (WHOLE.replace('"line": ', '"line": -1'), "Expected `int` >= 0 - at `$.line`"),
        (written(replace(AUDIT, history=[replace(PAST, deny=10**30)]), "json"), "at `$.history[0].deny`"),
        (written(CHECK, "json"), "a report of 'check'; expected one of `gatewright audit -o json`"),
    ],
)
def test_what_is_no_report_of_an_audit_says_so(content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ReportError) as refused:
        kept(content, tmp_path)
    assert said in str(refused.value)


def test_a_file_that_is_too_large_or_not_there_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    with pytest.raises(ReportError, match="it cannot be read: No such file or directory"):
        condensed(str(file))
    with file.open("wb") as stream:
        stream.truncate(auditsaved.MOST_READ + 1)
    with pytest.raises(ReportError, match="more than 256 MiB"):
        condensed(str(file))
