"""JMESPath about times and versions: every written rule, held against Kyverno's answers, and what has no CEL."""

from __future__ import annotations

import pytest

from tests.convert.kyverno import jmesasked, jmesquestions
from webhook.convert.kyverno import jmespath
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmestimes import FUNCTIONS
from webhook.convert.model import Unfinished

FIELD = "request.object.spec.v"


def test_no_rule_about_times_and_versions_is_looser_than_kyverno() -> None:
    questions = [each for each in jmesquestions.questions() if any(f"{name}(" in str(each.rule) for name in FUNCTIONS)]
    found = jmesasked.compared(questions, jmesasked.kept())
    assert found.looser == []
    assert {each.partition(":")[0] for each in found.stricter} <= jmesasked.STRICTER
    assert len(questions) > len(FUNCTIONS)
    assert found.statuses["whole"] > len(FUNCTIONS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"time_after({FIELD})", "time_after() with 1 arguments"),
        (f"time_between({FIELD}, {FIELD})", "time_between() with 2 arguments"),
        (f"time_add({FIELD})", "time_add() with 1 arguments"),
        (f"time_since({FIELD})", "time_since() with 1 arguments"),
        (f"time_since('', {FIELD}, '')", "time_since() with a layout, or up to now"),
        (f"time_since('2006', {FIELD}, {FIELD})", "time_since() with a layout, or up to now"),
        (f"semver_compare({FIELD})", "semver_compare() with 1 arguments"),
        (f"semver_compare('1.0.0', {FIELD})", "a range that is no constant"),
        (f"semver_compare({FIELD}, '1.x')", "a range of another form"),
        (f"semver_compare({FIELD}, '')", "a range of another form"),
        (f"semver_compare({FIELD}, '{'>1.0.0 ' * 21}')", "a range of another form"),
    ],
)
def test_what_has_no_cel_is_said(text: str, reason: str) -> None:
    translator = Translator({}, "object", "(oldObject == null ? dyn({}) : oldObject)")
    with pytest.raises(Unfinished) as caught:
        translator.value(jmespath.parse(text))
    assert reason in str(caught.value)
