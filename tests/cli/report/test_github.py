import re

import pytest

from tests.cli.report.reports import REPORTS, written
from webhook.cli.report import github
from webhook.cli.report.model import Finding, Place, Report

COMMAND = re.compile(r"::(error|warning|notice) ([a-zA-Z]+=[^,:]*(?:,[a-zA-Z]+=[^,:]*)*)::(.*)")


@pytest.mark.parametrize("name", REPORTS)
def test_every_line_is_one_command(name: str) -> None:
    text = written(REPORTS[name], "github")
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command is not None, line
        assert "\r" not in line and "\x1b" not in line and "##[" not in line
        assert "%0A::" in line or "::" not in command[3]  # of hostile texts, within the message of a command


def test_an_annotation() -> None:
    first = written(REPORTS["impact"], "github").splitlines()[5]
    assert first.startswith(
        "::notice file=deploy/web.yaml,line=12,col=9,endColumn=20,title=pinned-images (note)::"
        "newly allowed: Deployment "
    )
    lint = written(REPORTS["lint"], "github").splitlines()
    assert [each.split(" ")[0] for each in lint] == ["::error", "::warning", "::notice"]
    assert lint[1] == "::warning file=policies/b.yaml,title=GW103 (warning)::old version"
    assert "file=HEAD~1%3Adeploy/gone.yaml" in written(REPORTS["check"], "github")


def test_what_counts_for_nothing_is_left_out() -> None:
    assert "excepted" not in written(REPORTS["check"], "github")
    assert written(REPORTS["nothing"], "github") == ""


def report_of(*rules: str) -> Report:
    """A report with a denial under each of the rules, at lines that count from 1."""
    found = [
        Finding(place=Place("a.yaml", line), rule=rule, kind="", policy=rule, binding="", level="deny", message=rule)
        for line, rule in enumerate(rules, 1)
    ]
    return Report(command="check", findings=tuple(found))


def test_of_more_than_github_shows_the_first_have_each_rule_and_the_last_counts_the_others() -> None:
    lines = written(report_of(*["many"] * 30, "few", "few", "one"), "github").splitlines()
    shown = lines[: github.SHOWN]
    assert [re.search("line=([0-9]+)", each)[1] for each in shown[:-1]] == [*"1234567", "31", "33"]  # type: ignore[index]
    assert shown[-1] == "::error title=gatewright::24 more errors, in the log of this step: many 23, few 1"
    places = [found[1] for each in lines if (found := re.search("line=([0-9]+)", each))]
    assert sorted(map(int, places)) == list(range(1, 34))  # each once


def test_as_many_as_github_shows_are_all_there_is() -> None:
    lines = written(report_of(*["many"] * github.SHOWN), "github").splitlines()
    assert len(lines) == github.SHOWN and all("line=" in each for each in lines)


def test_of_many_rules_the_first_are_named() -> None:
    lines = written(report_of(*(f"r{number}" for number in range(20))), "github").splitlines()
    assert lines[github.SHOWN - 1].endswith(
        "::11 more errors, in the log of this step: r9 1, r10 1, r11 1, r12 1, r13 1 and 6 more rules"
    )
