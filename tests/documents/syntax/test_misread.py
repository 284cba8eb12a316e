"""Expressions that YAML reads as something else: the error says what it was taken for, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.documents.reader import full_text
from webhook.policy.load.loading import PolicyTreeError, load

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
    - {operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}
  validations:
  - expression: """
FIELD = "ValidatingAdmissionPolicy 'p': spec.validations[0].expression: "
QUOTE = "put it in quotes, or on lines of its own below >-"


def problems(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "p.yaml").write_text(text)
    try:
        load(tmp_path)
    except PolicyTreeError as error:
        return [full_text(each).replace(f"{tmp_path}/", "") for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("!object.x", "YAML reads !object.x as a tag, with no text after it"),
        (
            "! has(object.spec.hostNetwork)",
            "YAML reads ! as a tag, and only 'has(object.spec.hostNetwork)' as the text",
        ),
        ("!!object.x", "YAML reads !!object.x as a tag, with no text after it"),
        ("! >-\n      object.x == 1", "YAML reads ! as a tag, and only 'object.x == 1' as the text"),
        (
            f"!{'a' * 50} {'b' * 50}",
            f"YAML reads !{'a' * 39}… as a tag, and only '{'b' * 40}…' as the text",
        ),
    ],
)
def test_a_tag(tmp_path: Path, written: str, expected: str) -> None:
    first, *_ = written.split("\n")
    assert problems(tmp_path, f"{POLICY}{written}\n") == [
        f"p.yaml:9:17: {FIELD}{expected}; {QUOTE}\n   9 |   - expression: {first}\n     |                 ^"
    ]


@pytest.mark.parametrize("tagged", ["message: !no x", "messageExpression: !no '''x'''", "reason: !no Invalid"])
def test_a_tag_in_any_field_of_a_policy(tmp_path: Path, tagged: str) -> None:
    [problem] = problems(tmp_path, f"{POLICY}object.metadata.name == 'x'\n    {tagged}\n")
    assert "YAML reads !no as a tag, and only" in problem


def test_what_is_wrong_besides_is_told_in_the_same_run(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{POLICY}!object.x\n  - expression: objct == 1\n")
    assert len(found) == 2
    assert "did you mean 'object'" in found[1]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("&x", f"required: a CEL expression; YAML reads &x as the name of an anchor, with no text after it; {QUOTE}"),
        ("# object.x", f"required: a CEL expression; YAML reads # as the start of a comment; {QUOTE}"),
        ("", "required: a CEL expression"),
        ("{object.x: 1}", f"expected text, found a mapping; YAML reads {{ as the start of a mapping; {QUOTE}"),
        ("[1, 2]", f"expected text, found a list; YAML reads [ as the start of a list; {QUOTE}"),
        (
            "\n      object.x ? 'a' : 'b'",
            f"expected text, found a mapping; YAML reads the text before ': ' as a key; {QUOTE}",
        ),
        ("\n      a: b", "expected text, found a mapping"),
        ("true", "expected text, found true; quote it (YAML reads y, n, yes, no, on and off as booleans)"),
    ],
)
def test_what_is_no_text_to_yaml(tmp_path: Path, written: str, expected: str) -> None:
    assert problems(tmp_path, f"{POLICY}{written}\n") == [f"p.yaml:9:5: {FIELD}{expected}"]


@pytest.mark.parametrize(
    ("written", "column", "expected"),
    [
        (
            "object.x ? 1 : 2",
            30,
            f"YAML reads ': ' as the end of a key, and a key is not allowed here; if it is text, {QUOTE}",
        ),
        ("'a' in object.x", 21, f"to YAML the text ends with ', but more follows; if all of it is text, {QUOTE}"),
        (
            "[1].all(x, x == 1)",
            20,
            f"to YAML the value ends with ], but more follows; if all of it is text, {QUOTE}",
        ),
        (
            "{'a': 1}.a == 1",
            25,
            f"to YAML the value ends with }}, but more follows; if all of it is text, {QUOTE}",
        ),
        ("!has(object.x) || object.x == 1", 33, f"YAML reads ! as the start of a tag; if it is text, {QUOTE}"),
        ("!object.x ? 1 : 2", 27, f"YAML reads ! as the start of a tag; if it is text, {QUOTE}"),
        ("@x", 17, f"text cannot begin with @ in YAML; {QUOTE}"),
        ("- 1 == 1", 17, f"YAML reads - and a space as the start of a list item; if it is text, {QUOTE}"),
        ("? 1", 17, f"YAML reads ? and a space as the start of a key; if it is text, {QUOTE}"),
        (
            "> 1",
            19,
            "in YAML, text after | or > begins on the next line; move it there, or put it in quotes",
        ),
        (
            r'''"object.x.matches('a\.b')"''',
            37,
            r"in double quotes, \ begins an escape, and YAML does not know this one; write \\ or use single quotes",
        ),
    ],
)
def test_what_is_no_yaml(tmp_path: Path, written: str, column: int, expected: str) -> None:
    assert problems(tmp_path, f"{POLICY}{written}\n") == [f"p.yaml:9:{column}: not YAML: {expected}"]


def test_a_comment_that_cuts_an_expression_off(tmp_path: Path) -> None:
    [problem, *_] = problems(tmp_path, f"{POLICY}object.metadata.name != 'a # b'\n")
    assert problem.startswith(f"p.yaml:9:41: {FIELD}Syntax error: ")
    assert f"; YAML reads the # in column 44 as the start of a comment; {QUOTE}\n" in problem


@pytest.mark.parametrize(
    "written",
    [
        "object.metadata.name != 'a'  # a comment that cuts nothing off",
        "object.metadata.name != 'a#b'",
        "&name object.metadata.name != 'a'",
        "!!str object.metadata.name != 'a'",
        ">-\n      !has(object.spec.hostNetwork) ||\n      !object.spec.hostNetwork",
        '"!has(object.spec.hostNetwork) ? true : false"',
    ],
)
def test_expressions_that_yaml_reads_as_they_are_written(tmp_path: Path, written: str) -> None:
    assert problems(tmp_path, f"{POLICY}{written}\n") == []


class TestACommentThatIsFolded:
    FOLDED = "YAML folds these lines into one, so the comment extends to their end; write | instead of >"

    def test_and_takes_the_rest_along_is_warned_of(self, tmp_path: Path) -> None:
        written = ">-\n      object.metadata.name != 'a' // not this\n      && object.metadata.name != 'b'"
        (tmp_path / "p.yaml").write_text(f"{POLICY}{written}\n")
        [warning] = load(tmp_path).warnings
        assert (warning.line, warning.column, warning.message) == (10, 35, f"{FIELD}{self.FOLDED}")
        assert warning.excerpt is not None
        assert warning.excerpt.text[34:] == "// not this"

    @pytest.mark.parametrize(
        "written",
        [
            "|-\n      object.metadata.name != 'a' // not this\n      && object.metadata.name != 'b'",
            ">-\n      object.metadata.name != 'a' &&\n      object.metadata.name != 'b' // the last line",
            ">-\n      object.metadata.name != 'a'\n      // two lines\n      // of comment",
            ">-\n      object.metadata.name != 'http://a' &&\n      object.metadata.name != 'b'",
            "object.metadata.name != 'a' // on one line",
        ],
    )
    def test_and_takes_nothing_along_is_not(self, tmp_path: Path, written: str) -> None:
        (tmp_path / "p.yaml").write_text(f"{POLICY}{written}\n")
        assert load(tmp_path).warnings == ()

    def test_is_the_reason_of_a_syntax_error(self, tmp_path: Path) -> None:
        [problem] = problems(tmp_path, f"{POLICY}>-\n      (object.metadata.name != 'a' // not this\n      )\n")
        assert f"; {self.FOLDED} (line 10)\n" in problem
