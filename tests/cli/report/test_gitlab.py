"""GitLab's Code Quality report, by the rules that its documentation gives."""

import json

import pytest

from tests.cli.report.reports import CHECK, REPORTS, written


@pytest.mark.parametrize("name", REPORTS)
def test_an_issue_has_what_gitlab_demands(name: str) -> None:
    issues = json.loads(written(REPORTS[name], "gitlab"))
    assert isinstance(issues, list)
    for each in issues:
        assert all(
            isinstance(each[field], str) and each[field] for field in ("description", "check_name", "fingerprint")
        )
        assert each["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert not each["location"]["path"].startswith("./") and each["location"]["path"]
        assert each["location"]["lines"]["begin"] >= 1
    prints = [each["fingerprint"] for each in issues]
    assert len(prints) == len(set(prints))  # GitLab shows the first only of equal ones


def test_an_issue() -> None:
    first = json.loads(written(CHECK, "gitlab"))[0]
    assert first == {
        "type": "issue",
        "categories": ["Bug Risk"],
        "description": "Deployment shop/web: spec.template.spec.containers[0].image: image 'nginx' has no digest",
        "check_name": "pinned-images",
        "fingerprint": CHECK.findings[0].fingerprint,
        "severity": "major",
        "location": {"path": "deploy/web.yaml", "lines": {"begin": 12, "end": 12}},
    }
    assert json.loads(written(REPORTS["nothing"], "gitlab")) == []
