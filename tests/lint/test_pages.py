"""Each rule's page: its bad example is reported, its good one is not, and it says what the rule is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lint.pages import FOLDER, NOW, linted, pages, section, version_of, written
from webhook.lint.fixing import fixed
from webhook.lint.linting import lint
from webhook.lint.table import RULES

ALL = list(RULES)


@pytest.mark.parametrize("rule", ALL)
def test_the_bad_example_is_reported(rule: str, tmp_path: Path) -> None:
    tree = written(rule, "Bad", tmp_path)
    found = lint(tree, version_of(rule, "Bad"), now=NOW)
    about = [each for each in found.alarms if each.rule == rule]
    assert about, found.alarms
    for each in about:
        assert each.line is not None
        assert each.excerpt is not None
        lines = Path(each.file).read_text().split("\n")
        assert each.excerpt.text == lines[each.line - 1]
        assert each.column is None or 1 <= each.column <= len(each.excerpt.text) + 1


@pytest.mark.parametrize("rule", ALL)
def test_the_good_example_is_not_reported_nor_anything_else_of_it(rule: str, tmp_path: Path) -> None:
    written(rule, "Good", tmp_path)
    found = linted(tmp_path, version_of(rule, "Bad"))
    assert found.loads
    assert [each for each in found.alarms if each.rule == rule or RULES[each.rule].severity != "note"] == []


@pytest.mark.parametrize("rule", [each for each in ALL if RULES[each].fixable])
def test_what_can_be_fixed_of_the_bad_example_is_not_reported_afterwards(rule: str, tmp_path: Path) -> None:
    tree = written(rule, "Bad", tmp_path)
    version = version_of(rule, "Bad")
    found = lint(tree, version, now=NOW)
    after = fixed(tree, found.alarms)
    assert [each.rule for each in after.alarms] == [rule]
    assert rule not in [each.rule for each in lint(after.tree, version, now=NOW).alarms]


@pytest.mark.parametrize("rule", ALL)
def test_the_page_says_what_the_rule_is(rule: str) -> None:
    text = pages()[rule]
    title, _, how, *_ = text.split("\n")
    assert title == f"# {rule} {RULES[rule].name}"
    assert how.startswith(RULES[rule].severity)
    assert ("--fix" in how) == RULES[rule].fixable
    assert ("cannot be silenced" in how) == (not RULES[rule].silent)
    assert section(rule, "What it does not see").strip()


def test_each_page_is_of_a_rule() -> None:
    assert list(pages()) == ALL
    assert len(ALL) >= 20


def test_the_table_of_the_documentation_has_every_rule() -> None:
    table = (FOLDER.parent / "lint.md").read_text()
    for rule in RULES.values():
        mends = "`--fix`" if rule.fixable else ""
        row = f"| [{rule.id}](lint/{rule.id}.md) `{rule.name}` | {rule.severity} | {rule.title} | {mends} |\n"
        assert row in table
    assert table.count("](lint/GW") >= len(RULES)
