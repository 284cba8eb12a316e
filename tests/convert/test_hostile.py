"""Hostile sources end in a named error, with bounded work; nothing of them becomes code or a path."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.amounts import amount
from tests.convert.converted import SOURCES, only
from tests.timing import within
from webhook.convert import converting, sources, whole
from webhook.documents.document import Document
from webhook.versions import NEWEST

HEAD = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  validationFailureAction: Enforce
  rules:
"""
ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 9))
RULE = "  - name: r\n    match: {any: [{resources: {kinds: [ConfigMap]}}]}\n    validate:\n      "


@pytest.mark.parametrize(
    ("validate", "reason"),
    [
        (
            "pattern: {data: {a: '" + "|".join("x" * 5 for _ in range(100)) + "'}}",
            "a pattern of more than 64 alternatives",
        ),
        ("pattern: " + "{a: " * 30 + "b" + "}" * 30, "a pattern of more than 24 levels"),
        ("deny: {conditions: [" + "{key: a, operator: Equals, value: b}," * 300 + "]}", "more than 200 conditions"),
        ("deny: {conditions: [{key: '{{ " + "(" * 100 + "a }}', operator: Equals, value: b}]}", "nested more than 40"),
        ("deny: {conditions: [{key: '{{ " + "a" * 5000 + " }}', operator: Equals, value: b}]}", "longer than 4096"),
        ("deny: {conditions: [{key: '" + "{{ a }}-" * 60 + "', operator: Equals, value: b}]}", "more than 50 parts"),
        (
            "deny: {conditions: [{key: a, operator: AnyIn, value: [" + "x," * 300 + "]}]}",
            "a list of more than 200 values",
        ),
        ("pattern: {data: {a: '{{ request.object.x'}}", "a variable without its end"),
        ("pattern: 5\n      deny: 6", "pattern and deny"),
        ("[]", "validate must be a mapping"),
        ("foreach: []", "a foreach without entries"),
        ("foreach: [{pattern: {a: b}}]", "a foreach without a list"),
        ("pattern: {data: {^(a): b}}", "an existence anchor without a list"),
        ("pattern: {data: {+(a): b}}", "the anchor +(a) in a validation"),
        ("pattern: {data: {a: [[b]]}}", "a list in a list"),
        ("pattern: {data: {'a*': b}}", "a key with wildcards"),
        ("unknown: {}", "validate.unknown"),
    ],
)
def test_a_rule_is_refused_with_its_line(tmp_path: Path, validate: str, reason: str) -> None:
    with within(5, time.process_time):
        outcome = only(tmp_path, HEAD + RULE + validate + "\n")
    assert outcome.status == "not"
    (note,) = outcome.refused
    assert reason in note.message
    assert note.file == str(tmp_path / "source.yaml")
    assert note.line >= 7


@pytest.mark.parametrize(
    "text",
    [
        ALIASES,
        "[" * 20000,
        "a: " + "{b: " * 5000,
        "\x00\x01",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: x}\nmetadata: {name: y}\n",
    ],
)
def test_a_file_is_a_problem_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    found = whole.convert([str(file)], tmp_path / "tree")
    assert not found.any_made
    assert found.problems
    assert not (tmp_path / "tree").exists()


def test_names_lead_nowhere_and_are_no_code(tmp_path: Path) -> None:
    name = '../../etc/x\\"\\"\\"\\nimport os'
    text = (HEAD + RULE + "deny: {conditions: [{key: '{{ images.x }}', operator: Equals, value: a}]}\n").replace(
        "{name: p}", f'{{name: "{name}"}}'
    )
    file = tmp_path / "in" / "p.yaml"
    file.parent.mkdir()
    file.write_text(text)
    found = whole.convert([str(file)], tmp_path / "tree")
    (outcome,) = found.outcomes
    assert outcome.status == "unfinished"
    assert all(each.is_relative_to(tmp_path / "tree") for each in found.written)
    assert [each.name for each in (tmp_path / "tree").iterdir()] == ["etc-x-import-os"]
    python = (tmp_path / "tree" / "etc-x-import-os" / "policy.py").read_text()
    assert "\nimport os" not in python
    compile(python, "policy.py", "exec")


def test_links_out_of_the_repository_are_not_followed(tmp_path: Path) -> None:
    """A folder of policies from elsewhere may hold them; the report would show what they lead to."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.yaml").write_text(HEAD + RULE + "pattern: {metadata: {labels: {a: b}}}\n")
    folder = tmp_path / "in"
    (folder / ".git").mkdir(parents=True)
    (folder / "p.yaml").write_text(HEAD + RULE + "pattern: {metadata: {labels: {a: b}}}\n")
    (folder / "q.yaml").symlink_to("../outside/secret.yaml")
    (folder / "r").symlink_to("../outside")
    (folder / "s.yaml").symlink_to("p.yaml")
    read = sources.read([str(folder)])
    assert [(Path(each.file).name, each.message) for each in read.problems] == [
        ("q.yaml", "it is a link out of the repository"),
        ("r", "it is a link out of the repository"),
    ]
    assert [Path(each.stream).name for each in read.documents] == ["p.yaml"]


def test_files_of_tests_are_within_the_sources(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "p.yaml").write_text(HEAD + RULE + "pattern: {metadata: {labels: {a: b}}}\n")
    (folder / "kyverno-test.yaml").write_text(
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\n"
        "resources: [../secret.yaml, 'https://example.com/x.yaml', 5]\n"
        "results: [{policy: p, rule: r, result: fail, kind: ConfigMap, resources: [a]}]\n"
    )
    found = whole.convert([str(folder)], tmp_path / "tree")
    assert [each.message for each in found.notes] == [
        "../secret.yaml: leads out of the sources",
        "https://example.com/x.yaml: files are not fetched",
        "the test names a file by a value that is not a string",
    ]
    (test,) = found.outcomes[0].tests
    assert (test.passed, test.run, test.reason) == (False, False, "none of the test's resources is a")


def _documents() -> list[Document]:
    return sources.read([str(each) for each in sorted(SOURCES.rglob("polic*.yaml"))]).documents


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value: its holder and its key."""
    found: list[tuple[Any, Any]] = []
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(each, dict | list):
            found += _places(each)
    return found


def test_whatever_is_wrong_in_a_policy_is_named(tmp_path: Path) -> None:
    """One value of each policy is replaced by one of another type: no error gets out, and no policy is lost."""
    chosen = random.Random(7)
    for document in _documents():
        for _ in range(amount(40, 1)):
            value = yaml.safe_load(yaml.safe_dump(document.value))
            holder, key = chosen.choice([each for each in _places(value) if each[1] not in ("apiVersion", "kind")])
            holder[key] = chosen.choice(
                [None, 5, "x", [], {}, [None], {"a": None}, True, "{{ x }}", "*", "{{", ["{{ x }}"]]
            )
            file = tmp_path / "p.yaml"
            file.write_text(yaml.safe_dump(value))
            read = sources.read([str(file)])
            found = converting.convert(read.documents, NEWEST)
            if read.problems:
                continue
            (outcome,) = found.outcomes
            said = outcome.refused or outcome.unfinished or outcome.policies or outcome.absorbed
            assert said, yaml.safe_dump(value)
