"""Comments that silence alarms in place."""

from __future__ import annotations

import json

import pytest

from tests.lint.pages import of_text

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: p
  annotations: {kubernetes.io/description: for tests}
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE]
      resources: [pods]
  validations:
  - expression: object.metadata.name != 'a' || object.metadata.name != 'b'
    message: no
"""
ID = "GW204"


def rules(text: str, name: str = "tree/policy.yaml") -> tuple[list[str], list[str | None]]:
    """The alarms about more than upkeep, and the reasons of those that are silenced."""
    found = of_text(text, name)
    assert found.loads, found.alarms
    kept = [each.rule for each in found.alarms if each.rule not in ("GW304", "GW401")]
    return kept, [each.reason for each in found.silenced]


POLICY = POLICY.replace("message: no", "message: not so")


def with_comment(after: str, comment: str, *, above: bool = False) -> str:
    lines = POLICY.splitlines()
    index = next(number for number, line in enumerate(lines) if after in line)
    if above:
        indent = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
        lines.insert(index, f"{indent}{comment}")
    else:
        lines[index] += f"  {comment}"
    return "\n".join(lines) + "\n"


def test_without_a_comment_it_is_reported() -> None:
    assert rules(POLICY) == ([ID], [])


@pytest.mark.parametrize(
    "text",
    [
        with_comment("- expression", "# gatewright: ignore GW204 nothing is both"),
        with_comment("- expression", "# gatewright: ignore GW204 nothing is both", above=True),
        with_comment("- expression", "# gatewright: ignore GW204, gw204: nothing is both", above=True),
        with_comment("  validations", "# gatewright: ignore GW204 nothing is both", above=True),
        with_comment("spec:", "#gatewright:ignore GW204 - nothing is both"),
        with_comment("- expression", "# gatewright: ignore GW204 nothing is both\n\n  # and so on", above=True),
    ],
)
def test_a_comment_silences_what_is_below_or_beside_it(text: str) -> None:
    assert rules(text) == ([], ["nothing is both"])


def test_a_comment_behind_the_header_of_a_block_is_about_the_block() -> None:
    text = POLICY.replace(
        "expression: object.metadata.name != 'a' || object",
        "expression: >-  # gatewright: ignore GW204 nothing is both\n"
        "      object.metadata.name != 'a' ||\n      object",
    )
    assert rules(text) == ([], ["nothing is both"])


def test_text_that_looks_like_a_comment_is_none() -> None:
    text = POLICY.replace("message: not so", 'message: "not # gatewright: ignore GW204 so"')
    assert rules(text) == ([ID], [])
    described = "annotations:\n    kubernetes.io/description: |\n      # gatewright: ignore GW204 so"
    text = POLICY.replace("annotations: {kubernetes.io/description: for tests}", described)
    assert rules(text) == ([ID], [])


@pytest.mark.parametrize("after", ["apiVersion: adm", "resourceRules", "message"])
def test_a_comment_elsewhere_silences_nothing_and_is_reported(after: str) -> None:
    kept, silenced = rules(with_comment(after, "# gatewright: ignore GW204 nothing is both"))
    assert sorted(kept) == ["GW003", ID]
    assert silenced == []


def test_another_rule_is_not_silenced() -> None:
    kept, _ = rules(with_comment("- expression", "# gatewright: ignore GW205 nothing is both"))
    assert sorted(kept) == ["GW003", ID]


def test_a_comment_without_reason_is_reported_in_place_of_the_alarm() -> None:
    assert rules(with_comment("- expression", "# gatewright: ignore GW204")) == (["GW002"], [""])


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("# gatewright: ignore GW999 why", [ID, "GW004"]),
        ("# gatewright: ignore why", [ID, "GW004"]),
        ("# gatewright: ignore", [ID, "GW004"]),
        ("# gatewright: ignore GW001 why", [ID, "GW004"]),
        ("# gatewright: ignored GW204 why", [ID]),
        ("# gatewright: ignore GW204, GW999 why", ["GW004"]),
    ],
)
def test_comments_that_name_no_rule(comment: str, kept: list[str]) -> None:
    assert sorted(rules(with_comment("- expression", comment))[0]) == sorted(kept)


def test_an_annotation_silences_where_there_are_no_comments() -> None:
    spec = {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [{"expression": "1 == 1", "message": "m"}],
    }
    for ignore, expected in (
        ("GW204: nothing is both", ([], ["nothing is both"])),
        ("GW204", (["GW002"], [""])),
        ("\nGW205 why\n", (["GW003", ID], [])),
    ):
        value = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {
                "name": "p",
                "annotations": {"kubernetes.io/description": "d", "gatewright.dev/lint-ignore": ignore},
            },
            "spec": spec,
        }
        assert rules(json.dumps(value, indent=1), "tree/policy.json") == expected


def test_an_annotation_is_about_its_object_alone() -> None:
    other = POLICY.replace("name: p", "name: q").replace(
        "annotations: {", "annotations: {gatewright.dev/lint-ignore: GW204 why, "
    )
    assert rules(f"{POLICY}---\n{other}") == ([ID], ["why"])
    assert rules(f"{other}---\n{POLICY}") == ([ID], ["why"])


PYTHON = '''\
from time import time

from gatewright import Request, Violation, validate


@validate(resources=["v1/pods"], operations=["CREATE"])
def p(request: Request):
    """Description."""
    if (
        time() > 1
    ):
        yield Violation("late")
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        time() > 1\n", "        time() > 1  # gatewright: ignore GW503 a date is what it is about\n"),
        ("@validate", "# gatewright: ignore GW503 a date is what it is about\n@validate"),
        ("    if (\n", "    # gatewright: ignore GW503 a date is what it is about\n    if (\n"),
    ],
)
def test_comments_in_python(old: str, new: str) -> None:
    kept, silenced = rules(PYTHON.replace(old, new), "tree/policy.py")
    assert kept == []
    assert set(silenced) == {"a date is what it is about"}


def test_a_comment_in_a_text_of_python_is_none() -> None:
    text = PYTHON.replace('"late"', '"late # gatewright: ignore GW503 why"')
    assert rules(text, "tree/policy.py")[1] == []


def test_a_comment_on_another_statement_of_python_silences_nothing() -> None:
    text = PYTHON.replace('Violation("late")', 'Violation("late")  # gatewright: ignore GW503 why')
    kept, silenced = rules(text, "tree/policy.py")
    assert silenced == []
    assert "GW003" in kept


def test_in_a_tree_that_does_not_load_no_silence_is_unused() -> None:
    text = with_comment("- expression", "# gatewright: ignore GW204 nothing is both")
    unused = with_comment("- expression", "# gatewright: ignore GW205 nothing is both")
    assert "GW003" in rules(unused)[0]
    for each in (text, unused):
        found = of_text(
            f"{each}---\n" + each.replace("name: p", "name: q").replace("object.metadata.name != 'a'", "object.")
        )
        assert not found.loads
        assert "GW003" not in [alarm.rule for alarm in found.alarms]
