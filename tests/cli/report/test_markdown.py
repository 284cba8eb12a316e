"""Markdown: read by a parser of CommonMark with tables, as those of GitHub and GitLab are."""

from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.cli.report.reports import CHECK, HOSTILE, REPORTS, finding, report, written
from webhook.cli.report.impacttext import examples
from webhook.cli.report.markdown import MOST, code
from webhook.cli.report.model import Rule, Suppression

OWN = {"<details><summary>", "</summary>", "</details>"}


def tokens(text: str) -> Iterator[Token]:
    for each in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(text):
        yield each
        yield from each.children or ()


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_of_a_policy_or_manifest_is_markup(name: str) -> None:
    text = written(REPORTS[name], "markdown")
    kinds = {each.type for each in tokens(text)}
    assert not kinds & {"image", "html_inline", "em_open", "s_open"}
    links = {each.attrGet("href") for each in tokens(text) if each.type == "link_open"}
    assert links <= {each.url for each in REPORTS[name].rules.values()}
    blocks = [each.content.strip() for each in tokens(text) if each.type == "html_block"]
    assert all(each.startswith(("<details><summary>", "</details>")) for each in blocks)
    assert not any("script" in each or "img" in each for each in blocks)
    outside = "\n".join(each.content for each in tokens(text) if each.type == "text")
    assert "@everyone" not in outside and "http://evil" not in outside
    assert "\x1b" not in text and "\u202e" not in text


def test_what_is_no_address_is_no_link() -> None:
    rules = {"pinned-images": Rule("pinned-images", "Validating", url="https://example.com/> <b>x</b>")}
    assert "https://" not in written(report("check", findings=[finding()], rules=rules), "markdown")


@pytest.mark.parametrize("text", [HOSTILE, "", "`", "``a`", " a ", "a | b", "\\`", "x" * 1000])
def test_a_code_span_is_one_whatever_is_in_it(text: str) -> None:
    found = [each for each in tokens(f"a {code(text)} b") if each.type != "paragraph_open"]
    kinds = [each.type for each in found if each.type in ("code_inline", "link_open", "html_inline", "softbreak")]
    assert kinds == ["code_inline"]


def test_a_table_counts_by_rule() -> None:
    first = written(report("check", findings=[finding(), finding(rule="a|b", level="warn")]), "markdown")
    rows = [each.content for each in tokens(first) if each.type == "inline"]
    assert rows[2:9] == ["rule", "deny", "warn", "`pinned-images`", "1", "", "`a|b`"]
    assert first.startswith("### ❌ gatewright check\n\n1 denied, 1 warning\n\n")


def test_notes_stand_under_the_heading() -> None:
    text = written(report("check", findings=[finding()], notes=["between a and b: 4 created"]), "markdown")
    head = "### ❌ gatewright check\n\n1 denied\n\n- `between a and b: 4 created`\n\n| rule "
    assert text.startswith(head)
    assert text.count("4 created") == 1


def test_what_counts_for_nothing_is_called_what_it_is() -> None:
    by = [Suppression("exception", "web", "2999-12-31", "reads logs"), Suppression("baseline", "known.txt")]
    text = written(report("check", suppressed=[finding(suppression=each, path=each.kind) for each in by]), "markdown")
    assert "<details><summary>1 excepted, 1 known</summary>\n\n- ☑️ `deploy/web.yaml:12:9`" in text
    assert "excepted by web until 2999-12-31: reads logs`" in text
    assert "⛔" not in text


def test_impact_is_grouped_by_policy_and_change_with_owners_and_examples() -> None:
    text = written(REPORTS["impact"], "markdown")
    assert text.startswith("### Policy impact: 5 objects newly denied, 1 object newly allowed, 1 object differs, but ")
    assert "| `pinned-images` | changed, other params or objects that it looks up | 9 | **5** | **1** | **1** |" in text
    said = "5 newly denied (<code>team-a 5</code>); 1 newly allowed (<code>team-b 1</code>); 1 patch changed (<code>"
    assert f"<summary><b><code>pinned-images</code></b>: {said}" in text  # owners may look like links and mentions
    assert "- … and 2 more\n" in text
    assert "  ````diff\n  --- old\n  +++ new\n  +a: ```\n" in text


def test_a_report_fits_a_comment_and_says_what_is_left_out() -> None:
    many = [finding(rule=f"rule-{number}", message="m" * 200) for number in range(2000)]
    text = written(report("check", findings=many), "markdown")
    assert len(text) < 65_536
    assert len(text) > MOST // 2
    assert text.endswith("lines are left out, as comments are limited in size.\n")
    assert "| `rule-0` |" in text


def test_a_report_that_is_cut_closes_what_it_opened() -> None:
    known = [finding(message=f"{number} " + "m" * 250, suppression=CHECK.suppressed[0].suppression)
             for number in range(1000)]  # fmt: skip
    text = written(report("check", suppressed=known), "markdown")
    assert text.count("<details>") == text.count("</details>") == 1


def test_the_mark_is_that_of_the_gravest() -> None:
    assert written(REPORTS["nothing"], "markdown").startswith("### ✅ gatewright check")
    assert written(report("check", findings=[finding(level="warn")]), "markdown").startswith("### ⚠️ gatewright check")
    assert written(REPORTS["broken"], "markdown").startswith("### ❌ gatewright check")


def test_what_denies_comes_first_and_the_rest_of_a_long_report_is_folded() -> None:
    audited = [finding(rule="audited", level="audit", path=str(number)) for number in range(1200)]
    denied = [finding(rule="denied", path=str(number)) for number in range(3)]
    text = written(report("check", findings=[*audited, finding(rule="warned", level="warn"), *denied]), "markdown")
    table = "| `denied` | 3 |  |  |\n| `warned` |  | 1 |  |\n| `audited` |  |  | 1,200 |\n\n**`denied`**\n"
    assert table in text
    assert text.index("**`denied`**") < text.index("<b><code>warned</code></b>") < text.index("<b><code>audited</code>")
    assert text.count("</details>") == 2


def test_a_short_report_is_not_folded() -> None:
    assert "<details>" not in written(report("check", findings=[finding(level="warn")]), "markdown")


def test_examples_are_those_of_different_owners() -> None:
    found = [[finding(path=str(number), owner=owner)] for number, owner in enumerate("aaabac")]
    assert [each[0].path for each in examples(found, 3)] == ["0", "3", "5"]
    assert [each[0].path for each in examples(found[:5], 3)] == ["0", "1", "3"]
    assert examples(found[:2], 3) == found[:2]
