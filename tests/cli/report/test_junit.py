"""JUnit's XML, as the schema of Jenkins' xUnit plugin has it."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.cli.report.reports import REPORTS, written


@cache
def schema() -> Any:
    return etree.XMLSchema(etree.parse(str(Path(__file__).parent / "schemas" / "junit-4.xsd")))


def tree(name: str) -> Any:
    return etree.fromstring(written(REPORTS[name], "junit").encode())


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_meets_the_schema(name: str) -> None:
    schema().assertValid(tree(name))


def test_the_schema_is_able_to_fail() -> None:
    wrong = tree("check")
    wrong[0].append(etree.Element("finding"))
    assert not schema().validate(wrong)


@pytest.mark.parametrize("name", REPORTS)
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    for suite in tree(name):
        assert int(suite.get("tests")) == len(suite.findall("testcase")) > 0
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))


def test_a_rule_is_a_suite() -> None:
    suites = {suite.get("name"): suite for suite in tree("check")}
    assert list(suites)[:2] == ["pinned-images", "quiet"]
    first, *_ = suites["pinned-images"]
    assert first.get("name") == "Deployment shop/web: spec.template.spec.containers[0].image"
    failure = first.find("failure")
    assert failure.get("message") == "image 'nginx' has no digest"
    assert failure.text.startswith("deploy/web.yaml:12:9: deny: Deployment shop/web")
    assert [each.get("name") for each in suites["quiet"]] == ["nothing found"]
    assert [each.tag for each in suites["quiet"][0]] == []
    assert suites["pinned-images"].findall("testcase/skipped")[0].text.startswith("excepted by web-logs")
    assert suites["pinned-images"].findall("testcase/system-out")[0].text.startswith("deploy/web.yaml:14:3: warn")
    assert [each.get("name") for each in suites["inputs"]] == ["broken.yaml:3", "absent.yaml"]


def test_cases_of_tests_are_cases_once() -> None:
    (suite,) = tree("test")
    assert [suite.get(each) for each in ("name", "tests", "failures", "skipped")] == ["pinned-images", "3", "1", "1"]
    passed, failed, known = suite
    assert known.find("failure") is None and "policies/tests.yaml:20" in known.find("system-out").text
    assert (passed.get("name"), len(passed)) == ("a digest", 0)
    assert failed.find("failure").get("message") == "expected deny, got no-match"
    assert "policies/tests.yaml:12" in failed.find("failure").text
    assert "not matched: it is about pods" in failed.find("failure").text
