"""SARIF 2.1.0: every report meets the published schema, and says what the model holds."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.report.reports import CHECK, HOSTILE, LINT, REPORTS, finding, report, written
from webhook.cli.report import sarif
from webhook.cli.report.model import Level, Report, Rule, Suppression

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text())


HELP = "[Fix it](https://evil.example)"


def run(name: str) -> dict[str, Any]:
    value = json.loads(written(REPORTS[name], "sarif"))
    (found,) = value["runs"]
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_meets_the_schema(name: str) -> None:
    value = json.loads(written(REPORTS[name], "sarif"))
    jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER).validate(value)


def test_the_schema_is_able_to_fail() -> None:
    value = json.loads(written(CHECK, "sarif"))
    value["runs"][0]["results"][0]["level"] = "deny"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SCHEMA).validate(value)


def test_a_result() -> None:
    result = run("check")["results"][0]
    assert result["ruleId"] == "pinned-images"
    assert result["level"] == "error"
    assert result["message"]["text"] == (
        "Deployment shop/web: spec.template.spec.containers[0].image: image 'nginx' has no digest"
    )
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "deploy/web.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 12, "startColumn": 9, "endColumn": 21},
    }
    assert location["logicalLocations"][0]["name"] == "shop/web"
    assert result["partialFingerprints"] == {"gatewright/v1": CHECK.findings[0].fingerprint}
    assert result["properties"]["owner"] == "shop"


@pytest.mark.parametrize(("kind", "markdown"), [("ValidatingAdmissionPolicy", None), ("lint", HELP)])
def test_only_our_own_pages_are_trusted_with_markdown(kind: str, markdown: str | None) -> None:
    report = Report(command="check", rules={"a": Rule("a", kind, "title", HELP)})
    (rule,) = json.loads(written(report, "sarif"))["runs"][0]["tool"]["driver"]["rules"]
    assert (rule["help"]["text"], rule["help"].get("markdown")) == ("[Fix it] (https://evil.example)", markdown)


def test_results_point_to_their_rules() -> None:
    found = run("check")
    rules = found["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in found["results"])
    pinned, quiet, *_ = rules
    assert pinned["helpUri"] == "https://example.com/pinned?a=b"
    assert pinned["help"] == {"text": "Images are named by digest.\n\nTags move."}
    assert [each["id"] for each in (pinned, quiet)] == ["pinned-images", "quiet"]
    assert pinned["defaultConfiguration"] == {"level": "error"}


def test_one_finding_under_several_actions_is_one_result() -> None:
    texts = [each["message"]["text"] for each in run("check")["results"]]
    assert len([each for each in texts if each.endswith("has no digest")]) == 2  # the other one was deleted
    assert len(texts) == len(CHECK.findings) + len(CHECK.suppressed) - 1


def test_suppressions() -> None:
    covered = [each["suppressions"][0] for each in run("check")["results"] if "suppressions" in each]
    assert [(each["kind"], each["status"]) for each in covered] == [
        ("external", "accepted"),
        ("external", "accepted"),
        ("inSource", "accepted"),
    ]
    assert covered[0]["justification"] == "excepted by web-logs until 2999-12-31: reads logs"


def test_a_file_is_a_uri() -> None:
    places = [each["locations"][0]["physicalLocation"] for each in run("check")["results"]]
    uris = [each["artifactLocation"]["uri"] for each in places]
    assert "charts/web/templates/a%20b.yaml" in uris
    assert "HEAD~1%3Adeploy/gone.yaml" in uris
    assert "file:///abs/web.yaml" in uris
    assert all(each["region"]["startLine"] >= 1 for each in places)


def test_a_place_in_what_was_rendered_is_beside_its_source() -> None:
    (result,) = (each for each in run("check")["results"] if "relatedLocations" in each)
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    assert result["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 12, "startColumn": 9}


def test_problems_are_notifications() -> None:
    (invocation,) = run("check")["invocations"]
    assert not invocation["executionSuccessful"]
    assert [each["level"] for each in invocation["toolExecutionNotifications"]] == [
        "error", "error", "warning", "note", "note",
    ]  # fmt: skip
    assert run("nothing")["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_fixes_and_diffs() -> None:
    (fix,) = run("lint")["results"][0]["fixes"]
    (change,) = fix["artifactChanges"]
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 9, "startColumn": 5, "endLine": 9, "endColumn": 8},
            "insertedContent": {"text": "pods"},
        }
    ]
    assert run("impact")["results"][-1]["properties"]["diff"].startswith("--- old\n+++ new")


def test_messages_have_no_links_and_no_control_characters() -> None:
    assert "](" in HOSTILE
    for name in REPORTS:
        found = run(name)
        texts = [each["message"]["text"] for each in found["results"]]
        texts += [each["shortDescription"]["text"] for each in found["tool"]["driver"]["rules"]]
        assert not any("](" in each or "\x1b" in each or "\u202e" in each for each in texts)
    assert LINT.findings[0].severity == "error"


def test_of_more_results_than_readers_take_the_gravest_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 3)
    covered = Suppression("baseline", "known.txt")
    levels: list[Level] = ["audit", "deny", "warn", "audit", "deny"]
    found = [finding(level=level, path=str(number)) for number, level in enumerate(levels)]
    made = report("check", findings=found, suppressed=[finding(suppression=covered)])
    (said,) = json.loads(written(made, "sarif"))["runs"]
    assert [each["level"] for each in said["results"]] == ["error", "warning", "error"]
    (notified,) = said["invocations"][0]["toolExecutionNotifications"]
    assert notified["message"]["text"].startswith("3 results are left out: ")
    assert said["invocations"][0]["executionSuccessful"] is True
