"""The series of a saved audit: those that `audit --metrics` writes of the same run, bounded, whatever the file says."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from tests.cli.auditsamples import samples
from tests.cli.clusterreports.found import RULES, on
from tests.cli.report.reports import CHECK, report, written
from webhook.cli.auditmetrics import text
from webhook.cli.auditsaved import parsed
from webhook.cli.auditseries import MOST, NAMESPACES, of_saved
from webhook.cli.report.model import Report
from webhook.cli.report.scores import scores
from webhook.documents.document import Problem

AT = "2026-11-29T20:00:04Z"
ENDED = datetime.fromisoformat(AT).timestamp()


def saved_series(of: Report | str, left_out: int = 0) -> dict[tuple[str, ...], float]:
    """Name and values of labels -> the value."""
    content = of if isinstance(of, str) else written(of, "json")
    found = of_saved(parsed(content.encode()), left_out)
    made = [(each.name, *(value for _, value in labels)) for each in found for labels, _ in each.samples]
    assert len(made) == len(set(made))
    values = [value for each in found for _, value in each.samples]
    return dict(zip(made, values, strict=True))


def test_they_are_those_of_the_file_of_metrics() -> None:
    found = [on("a"), on("b"), on("c", "labels", ""), on("d", "labels", level="warn", action="Warn")]
    found += [replace(found[0], level="audit", action="Audit"), replace(found[1], rule="broken", error=True)]
    judged = {"shop": 7, "bank": 2, "": 1}
    made = report("audit", findings=found, rules=RULES, suppressed=CHECK.suppressed, at=AT)
    made = replace(made, scores=scores(found, judged, RULES))
    covered = [each for each in made.suppressed if each.suppression and each.suppression.kind != "comment"]
    made = replace(made, suppressed=covered)
    of_file = samples(text(made, judged, now=ENDED, seconds=1))
    assert {key[-1] for key in of_file if key[0] == "findings"} == {"fail", "warn", "error", "skip"}
    del of_file["duration_seconds",]
    assert saved_series(made) == {**of_file, ("findings_left_out",): 0}


def test_what_the_saved_report_leaves_out_and_could_not_read_is_said() -> None:
    found = saved_series(report("audit", problems=[Problem("it", None, None, "no rights")], at=AT), 17)
    assert found == {("findings_left_out",): 17, ("complete",): 0, ("timestamp_seconds",): ENDED}


def test_the_number_of_series_and_their_size_are_bounded() -> None:
    many = [on("a", namespace=f"team-{number:05}") for number in range(MOST + 20)]
    judged = {each.object.namespace: 3 for each in many if each.object is not None}
    made = report("audit", findings=many, at=AT)
    found = saved_series(replace(made, scores=scores(many, judged, {})))
    findings = {key: value for key, value in found.items() if key[0] == "findings"}
    assert (len(findings), sum(findings.values())) == (MOST + 1, MOST + 20)
    assert findings["findings", "no-host-path", "_other", "", "fail"] == 20
    objects = {key: value for key, value in found.items() if key[0] == "objects"}
    assert (len(objects), sum(objects.values())) == (NAMESPACES + 1, 3 * len(judged))
    assert len([key for key in found if key[0] == "score"]) == NAMESPACES
    long = saved_series(report("audit", findings=[on("a", namespace="\u202e" * 5000)], at=AT))
    assert max(len(label) for key in long for label in key) == 254
    assert all("\u202e" not in label for key in long for label in key)


@pytest.mark.parametrize("at", ["", "yesterday", "yesterdayZ", "2026-11-29T20:00:04", "\x1b[2J"])
def test_a_time_that_is_none_is_left_out(at: str) -> None:
    found = saved_series(report("audit", at=at))
    assert found == {("findings_left_out",): 0, ("complete",): 1}
