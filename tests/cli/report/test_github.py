import re

import pytest

from tests.cli.report.reports import REPORTS, written

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
