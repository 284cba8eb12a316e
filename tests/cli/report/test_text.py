"""The report for people."""

from __future__ import annotations

import re

import pytest

from tests.cli.report.reports import CHECK, LINT, LOOKED_FOR, REPORTS, finding, report
from webhook.cli.report.model import Place, Report, Suppression
from webhook.cli.report.text import Look, asides, lines
from webhook.visible import visible

COLOR = re.compile(r"\x1b\[[0-9;]*m")


def text(of: Report, **look: object) -> str:
    return "".join(f"{line}\n" for line in lines(of, Look(**look)))  # type: ignore[arg-type]


@pytest.mark.parametrize("look", [{}, {"concise": True}, {"color": True, "width": 60}, {"drawing": False}])
@pytest.mark.parametrize("name", REPORTS)
def test_no_text_of_a_policy_reaches_a_terminal_or_a_runner_as_a_command(name: str, look: dict[str, object]) -> None:
    for line in text(REPORTS[name], **look).splitlines():
        shown = COLOR.sub("", line) if look.get("color") else line
        assert shown == visible(shown), line
        assert not shown.lstrip().startswith("::")
        assert "##[" not in shown
        shown.encode()


def test_lines_are_wrapped_to_the_terminal() -> None:
    long = finding(message="words " * 60, excerpt=None)
    assert max(map(len, text(report("check", findings=[long]), width=50).splitlines())) <= 70  # names are not broken
    assert max(map(len, text(report("check", findings=[long])).splitlines())) > 300


def test_a_finding_shows_its_line_with_the_message_beside_it() -> None:
    assert (
        text(report("check", findings=[finding()], scope={"objects": 1, "files": 1, "policies": 2}))
        == """\
deploy/web.yaml
  deploy/web.yaml:12:9: deny pinned-images (pinned-images-everywhere)
      Deployment shop/web: spec.template.spec.containers[0].image
    12 |         image: nginx
       |         ^^^^^^^^^^^^ image 'nginx' has no digest

1 denied (1 object in 1 file, 2 policies)
"""
    )


def test_a_message_without_room_beside_the_line_stands_below() -> None:
    one = report("check", findings=[finding(message="short")])
    assert "^^^^ short\n" in text(one, width=80)
    assert "^^^^\n      short\n" in text(one, width=30)
    several = report("check", findings=[finding(message="one\ntwo")])
    assert "^^^^\n      one\n      two\n" in text(several)


def test_a_long_message_shows_its_beginning_and_its_end() -> None:
    shown = text(report("check", findings=[finding(message="\n".join(f"line {n}" for n in range(100)))]))
    assert "      line 14\n      … 80 more lines\n      line 95\n" in shown


def test_the_actions_of_one_finding_are_named_together() -> None:
    assert "deny, audit pinned-images" in text(CHECK)


def test_what_was_rendered_is_shown_with_the_place_of_its_source() -> None:
    at = {"place": Place("charts/web.yaml", 3, 5), "rendered": Place("<stdin>", 12, 9)}
    shown = text(report("check", findings=[finding(**at)]))
    assert "charts/web.yaml:3:5: deny" in shown
    assert "      rendered, in line 12 of <stdin>:\n" in shown
    unknown = {"place": Place("charts/web.yaml"), "rendered": Place("<stdin>", 12, 9)}
    shown = text(report("check", findings=[finding(**unknown)]))
    assert shown.startswith("charts/web.yaml\n  charts/web.yaml: deny")
    assert "      rendered, in line 12 of <stdin>:\n" in shown
    shown = text(report("check", findings=[finding(**unknown)]), concise=True)
    assert shown.startswith("charts/web.yaml (lines are those of <stdin>)\n  12:9: deny")


def test_what_counts_for_nothing_is_shown_if_asked_for() -> None:
    known = [
        finding(suppression=Suppression("baseline", "known.json")),
        finding(suppression=Suppression("comment", "", "", "later"), message="other"),
    ]
    assert text(report("check", suppressed=known)) == "nothing denied, 1 known, 1 silenced\n"
    shown = text(report("check", suppressed=known, verbose=True))
    assert "known, as known.json says: pinned-images" in shown
    assert "silenced (later): pinned-images" in shown
    covered = finding(suppression=Suppression("exception", "web", "2999-12-31"))
    shown = text(report("check", suppressed=[covered]))  # exceptions end, so that they are shown in any case
    assert "excepted by web until 2999-12-31: pinned-images" in shown


def test_more_is_said_below() -> None:
    more = finding(asides=("see also",), traceback=("Traceback: x",), looked_for=LOOKED_FOR, error=True)
    shown = text(report("check", findings=[more]))
    assert "deny (error) pinned-images" in shown
    assert all(f"      {line}\n" in shown for line in (str(LOOKED_FOR), "see also", "Traceback: x"))
    assert "      fix: write pods\n" in text(LINT)


def test_the_last_line() -> None:
    def last(of: Report) -> str:
        return text(of).splitlines()[-1]

    assert last(REPORTS["nothing"]) == "nothing denied (1 object in 1 file, 1 policy)"
    assert last(report("lint", scope={"policies": 2, "files": 1})) == "nothing found (2 policies in 1 file)"
    assert last(report("check", findings=[finding(level="warn")], hidden=3)) == "nothing denied, 1 warning, 3 not shown"
    assert last(report("check", hidden=3, hidden_denied=2)) == "3 not shown"
    assert last(report("check", hidden=3, hidden_failing=1)) == "nothing denied, 3 not shown, 1 of which fails the run"
    assert last(report("lint", hidden=3, hidden_failing=3)) == "3 not shown, which fail the run"
    assert last(REPORTS["test"]).startswith("3 cases: 1 passed, 1 failed, 1 known")
    assert last(REPORTS["mutants"]).startswith("4 mutants: 1 killed, 1 survived, 1 known, 1 explained; 1 more do")


def test_problems_and_notes_stand_aside() -> None:
    found = list(asides(CHECK, color=False))
    assert found[0] == "note: 1 chart is not rendered\n"
    assert any(each.startswith("warning: policies/old.yaml:4:3: no such field") for each in found)
    assert any(each.startswith("error: absent.yaml: cannot be read") for each in found)
