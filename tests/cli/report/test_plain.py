"""Where a report for machines places what stands in a file of another revision."""

import pytest

from tests.cli.report.reports import report
from webhook.cli.report.model import Place
from webhook.cli.report.plain import placed, placed_problems, problems_of
from webhook.documents.document import Problem

AT = {"v1:deploy/a.yaml": "../deploy/a.yaml"}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("deploy/a.yaml", 3, 1), ("deploy/a.yaml", "wrong")),
        (Place("v1:deploy/a.yaml", 3, 1), ("../deploy/a.yaml", "in v1:deploy/a.yaml:3: wrong")),
        (Place("v1:deploy/a.yaml"), ("../deploy/a.yaml", "in v1:deploy/a.yaml: wrong")),
        (Place("v2:deploy/a.yaml", 3), ("v2:deploy/a.yaml", "wrong")),  # the name of a file, of which none is known
        (Place("\x1b.yaml"), ("\\x1b.yaml", "wrong")),
    ],
)
def test_a_file_is_named_as_it_is_found(place: Place, expected: tuple[str, str]) -> None:
    assert placed(report("check", elsewhere=AT), place, "wrong") == expected


def test_problems_are_placed_too_and_people_read_the_full_name() -> None:
    made = report("check", elsewhere=AT, warnings=[Problem("v1:deploy/a.yaml", 2, 1, "twice")])
    assert list(placed_problems(made)) == [("warning", "../deploy/a.yaml", 2, 1, "in v1:deploy/a.yaml:2: twice")]
    assert list(problems_of(made)) == [("warning", "v1:deploy/a.yaml", 2, 1, "twice")]
