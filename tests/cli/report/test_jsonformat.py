"""JSON and YAML: one shape, which the published schema describes."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cli.report.reports import REPORTS, written
from tests.cli.running import gatewright

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())


def closed(schema: Any) -> Any:
    """The schema with each object closed, so that a field that it does not describe is found."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) or "allOf" in made:
        made.setdefault("unevaluatedProperties", False)
    if "allOf" in made:  # whatever one of them describes is known
        made["allOf"] = [_opened(each) for each in made["allOf"]]
    return made


def _opened(schema: Any) -> Any:
    made = {key: value for key, value in schema.items() if key != "unevaluatedProperties"}
    if set(made) == {"$ref"}:
        made["$ref"] = made["$ref"].replace("#/$defs/", "#/$defs/open-")
    return made


def strict() -> Any:
    made = closed(SCHEMA)
    for name, value in list(made["$defs"].items()):
        made["$defs"][f"open-{name}"] = {key: each for key, each in value.items() if key != "unevaluatedProperties"}
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_meets_the_published_schema(name: str) -> None:
    value = json.loads(written(REPORTS[name], "json"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(value)
    strict().validate(value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("command",), "checks"),
        (("findings", 0, "level"), "fatal"),
        (("findings", 0, "line"), "12"),
        (("findings", 0, "more"), 1),
        (("excepted", 0, "until"), 3),
        (("excepted", 0, "more"), 1),
        (("summary", "deny"), -1),
        (("leftOut", 0, "file"), None),
    ],
)
def test_the_schema_is_able_to_fail(path: tuple[str | int, ...], value: object) -> None:
    report = json.loads(written(REPORTS["check"], "json"))
    at = report
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        strict().validate(report)


@pytest.mark.parametrize("name", REPORTS)
def test_yaml_holds_the_same(name: str) -> None:
    assert yaml.safe_load(written(REPORTS[name], "yaml")) == json.loads(written(REPORTS[name], "json"))


def test_what_counts_for_nothing_stands_apart() -> None:
    value = json.loads(written(REPORTS["check"], "json"))
    assert [each["message"] for each in value["excepted"]] == ["excepted"]
    assert (value["excepted"][0]["exception"], value["excepted"][0]["because"]) == ("web-logs", "reads logs")
    assert [each["message"] for each in value["known"]] == ["known"]
    assert [each["message"] for each in value["silenced"]] == ["silenced"]
    assert (value["summary"]["excepted"], value["summary"]["known"], value["summary"]["silenced"]) == (1, 1, 1)


def test_the_excerpt_in_the_documentation_is_of_a_real_report(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "docs/examples/web.yaml", tmp_path / "deploy")
    done = gatewright("check", "deploy", "--policies", str(ROOT / "policies"), "-o", "json", cwd=tmp_path)
    real = json.loads(done.stdout)
    excerpt = json.loads((ROOT / "docs/formats.md").read_text().partition("```json\n")[2].partition("```")[0])
    (shown,) = excerpt["findings"]
    (found,) = [each for each in real["findings"] if each["rule"] == shown["rule"]]
    shown["message"] = (
        found["message"] if found["message"].startswith(shown["message"].rstrip("…")) else shown["message"]
    )
    assert shown == {key: found[key] for key in shown}
    assert {**excerpt["summary"], "deny": 3} == real["summary"]
