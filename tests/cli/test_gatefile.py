"""The file of --gate: what it says, and each error with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.cli import gatefile
from webhook.cli.report.scores import WEIGHTS, Environment, Threshold, Veto

EXAMPLE = (gatefile.__doc__ or "").partition("```yaml\n")[2].partition("```")[0]


def test_the_documentation_shows_the_same_file() -> None:
    assert EXAMPLE in (Path(__file__).parents[2] / "docs" / "audit.md").read_text()


def written(folder: Path, text: str) -> Path:
    file = folder / "gate.yaml"
    file.write_text(text)
    return file


def test_the_documented_file(tmp_path: Path) -> None:
    gate, problems = gatefile.read(written(tmp_path, EXAMPLE))
    assert problems == []
    assert gate.environments == (
        Environment(("shop", "prod-*"), Threshold("production", 90, (Veto("critical", (), ("critical",)),))),
        Environment(("*",), Threshold("everything else", 60)),
    )
    assert gate.cluster == Threshold("cluster", 75)
    assert gate.vetoes == (Veto("open to the node", ("no-host-path", "no-host-*"), (), ("deny",)),)
    assert gate.weights == {**WEIGHTS, "high": 50}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[]", 1, "expected a mapping with environments, cluster, vetoes or weights"),
        ("{}", 1, "demands nothing: expected environments, cluster or vetoes"),
        ("enviroments: []", 1, "unknown key 'enviroments'; did you mean environments?"),
        ("a: 1\n---\nb: 2", None, "expected one document, found 2"),
        ("cluster: {score: 75}\nvetoes: x", 2, "vetoes: expected a list"),
        ("cluster:\n  score: 101", 2, "cluster.score: expected a whole number from 0 to 100"),
        ("cluster:\n  score: true", 2, "cluster.score: expected a whole number from 0 to 100"),
        (
            "weights: {grave: 1}\ncluster: {score: 1}",
            1,
            "weights: unknown key 'grave'; there is critical, high, medium, low",
        ),
        ("environments:\n- namespaces: [a]", 2, "environments[0]: name is missing"),
        ("environments:\n- name: a", 2, "environments[0]: namespaces is missing"),
        ("environments:\n- null", 2, "environments[0]: expected a mapping with name, namespaces, score or vetoes"),
        (
            "environments:\n- {name: a, namespaces: [b]}\n- {name: a, namespaces: [c]}",
            3,
            "environments[1].name: 'a' already exists",
        ),
        ("environments:\n- name: a\n  namespaces: [b, 1]", 3, "environments[0].namespaces[1]: expected text"),
        ("environments:\n- name: [a]\n  namespaces: [b]", 2, "environments[0].name: expected text"),
        ("vetoes:\n- {name: x}", 2, "vetoes[0]: expected policies, severities or levels"),
        (
            "vetoes:\n- severities: [critcal]",
            2,
            "vetoes[0].severities[0]: expected critical, high, medium or low, got 'critcal'; did you mean critical?",
        ),
        ("vetoes:\n- levels: [error]", 2, "vetoes[0].levels[0]: expected deny, warn or audit, got 'error'"),
        ("vetoes:\n- name: 1\n  levels: [deny]", 2, "vetoes[0].name: expected text"),
    ],
)
def test_errors_have_their_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    _, problems = gatefile.read(written(tmp_path, text))
    assert [(each.line, each.message) for each in problems] == [(line, message)]


def test_a_file_that_is_not_there_or_no_yaml(tmp_path: Path) -> None:
    _, problems = gatefile.read(tmp_path / "none.yaml")
    assert "No such file" in problems[0].message
    _, problems = gatefile.read(written(tmp_path, "a: ["))
    assert problems[0].line == 1
