"""Scores as people and scripts read them: in the text, in Markdown, in JSON and on the page's data."""

from __future__ import annotations

import json

import pytest
from markdown_it import MarkdownIt

from tests.cli.report.reports import WEB, finding, report, written
from webhook.cli.report.model import Report, Rule
from webhook.cli.report.scores import Environment, Gate, Threshold, Veto, scores
from webhook.cli.reporting import finish, reporting
from webhook.offline.requests import Identity

GATE = Gate(
    "gate.yaml",
    vetoes=(Veto("host", ("no-host-path",)),),
    environments=(
        Environment(("shop", "bank"), Threshold("production", 90)),
        Environment(("none",), Threshold("staging", 50)),
    ),
)
RULES = {"no-host-path": Rule("no-host-path", "ValidatingAdmissionPolicy", severity="high")}


def scored(*namespaces: str, clean: int = 0, gate: Gate | None = GATE) -> Report:
    findings = [finding(rule="no-host-path", object=Identity("v1", "Pod", namespace, "a")) for namespace in namespaces]
    judged = {**dict.fromkeys(namespaces, 4), **{f"clean-{number:02}": 3 for number in range(clean)}, "bank": 2, "": 1}
    return report("check", findings=findings, rules=RULES, scores=scores(findings, judged, RULES, gate))


def test_the_text_shows_the_whole_then_the_worst() -> None:
    text = written(scored("shop"), "text")
    assert text.endswith(
        "scores, of 100 (gate: gate.yaml)\n"
        "  all objects        94.2  1 of 7 violating  fails: veto host: 1 of no-host-path\n"
        "  shop               90.0  1 of 4 violating  fails: veto host: 1 of no-host-path\n"
        "  (cluster-scoped)  100.0  0 of 1 violating\n"
        "  bank              100.0  0 of 2 violating  passes\n"
        "note: the gate's environment staging has no namespace\n"
        "\n"
        "1 denied\n"
    )


def test_without_a_gate_nothing_passes_or_fails() -> None:
    text = written(scored("shop", gate=None), "text")
    assert "scores, of 100\n" in text
    assert "fails" not in text
    assert "passes" not in text


def test_many_namespaces_are_counted_but_all_that_fail_are_shown() -> None:
    text = written(scored("shop", clean=30), "text")
    assert text.count(" of 3 violating") == 17  # 20 in all
    assert "  … and 13 more\n" in text
    failing = written(scored(*(f"shop-{number}" for number in range(60))), "text")
    assert failing.count("fails:") == 61


@pytest.mark.parametrize("namespace", ["shop", "a|b", "`x`"])
def test_the_markdown_has_a_table(namespace: str) -> None:
    text = written(scored(namespace), "markdown")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [each for each in tokens if each.type == "inline"]
    cells = ["".join(part.content for part in each.children or ()) for each in inline]
    assert cells[2:14] == [
        "scores", "of 100", "least", "violating", "objects", "",
        "all objects", "94.2", "", "1", "7", "⛔ veto host: 1 of no-host-path",
    ]  # fmt: skip
    shown = cells[14:20]
    least = "90" if namespace == "shop" else ""
    assert shown == [namespace, "90.0", least, "1", "4", "⛔ veto host: 1 of no-host-path"]
    assert "- the gate's environment `staging` has no namespace\n" in text


def test_the_json_has_each_number() -> None:
    said = json.loads(written(scored("shop"), "json"))["scores"]
    assert (said["gate"], said["passed"], said["unmet"]) == ("gate.yaml", False, ["staging"])
    assert said["namespaces"][0] == {
        "namespace": "shop",
        "score": 90.0,
        "least": 90,
        "environment": "production",
        "objects": 4,
        "violating": 1,
        "errors": 0,
        "lost": 40,
        "passed": False,
        "vetoes": [{"name": "host", "findings": 1, "policies": ["no-host-path"]}],
    }
    assert "scores" not in json.loads(written(report("check", findings=[finding()]), "json"))


def test_a_score_that_fails_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Although no finding does."""
    how = reporting(None)
    assert finish(scored("shop"), how, lambda _: False) == 1
    assert finish(scored("shop", gate=None), how, lambda _: False) == 0
    assert finish(scored(), how, lambda _: False) == 0
    assert WEB.namespace in capsys.readouterr().out
