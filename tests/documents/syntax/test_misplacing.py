"""Manifests whose structure breaks: the message says what, and stands where it is mended."""

from __future__ import annotations

import pytest

from webhook.documents.syntax.common import SyntaxProblem
from webhook.documents.syntax.yamltext import read_yaml


def problem(text: str) -> str:
    """The message, after line and column."""
    with pytest.raises(SyntaxProblem) as raised:
        read_yaml(text)
    offset = raised.value.offset
    assert offset is not None
    line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    return f"{line}:{column} {str(raised.value).removeprefix('not YAML: ')}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "spec:\n  containers:\n  - name: web\n   image: nginx\n",
            "4:4 indented by 3 spaces, which fits no line above: line 3 has 2 before its dash and 4 after it",
        ),
        (
            "metadata:\n  name: web\n spec:\n  a: 1\n",
            "3:2 indented by 1 space, which fits no line above: line 1 has 0, line 2 has 2",
        ),
        ("a:\n  b: 1\n   c: 2\n", "3:4 indented by 3 spaces, which fits no line above: line 2 has 2"),
        ("a: x\n   c: 2\n", "2:4 indented by 3 spaces, which fits no line above: line 1 has 0"),
        # Comments and empty lines have no say.
        (
            "a:\n  b: 1\n\n   # more\n c: 1\n",
            "5:2 indented by 1 space, which fits no line above: line 1 has 0, line 2 has 2",
        ),
        (
            "a:\n- b: 1\n  c: 2\n - d: 1\n",
            "4:2 indented by 1 space, which fits no line above: line 2 has 0 before its dash and 2 after it",
        ),
    ],
)
def test_an_indentation_that_fits_nothing_above(text: str, said: str) -> None:
    assert problem(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n- b\n", "2:1 a list item cannot begin in this column, as a key does in line 1"),
        ("- a\n- b\nc: 1\n", "3:1 a key cannot begin in this column, as a list item does in line 2"),
        ("a:\n  - b: 1\n    c: 2\n  d: 3\n", "4:3 a key cannot begin in this column, as a list item does in line 2"),
        ("x:\n  a:\n    - b: 1\n  - c: 2\n", "4:3 a list item cannot begin in this column, as a key does in line 2"),
    ],
)
def test_a_list_item_beside_keys(text: str, said: str) -> None:
    assert problem(text) == f"{said}; check the indentation"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a: 1\nb: "x\nc: 1\n', '2:4 the text that " opens here has no " at its end'),
        ("a: 'x\nb: 1\n", "1:4 the text that ' opens here has no ' at its end"),
        ("a: [x, y\n", "1:4 the [ that opens here is not closed by ]"),
        ("a: {b: 1\nc: 2\n", "1:4 the { that opens here is not closed by }"),
        ('a: ["b" "c"]\n', "1:9 expected a comma or ]: the [ in column 4 is not closed yet"),
        (
            "a: 1\nspec\nc: 2\n",
            "2:1 expected a colon and a value after this; or indent it, if it belongs to the text above",
        ),
    ],
)
def test_what_has_no_end(text: str, said: str) -> None:
    assert problem(text) == said


def test_a_key_within_a_value_keeps_its_own_message() -> None:
    assert "YAML reads ': ' as the end of a key" in problem("a: x\nb: y: z\n")


def test_what_the_message_shows_is_bounded() -> None:
    lines = "".join(f"k{number}: 1\n" for number in range(3000))
    assert problem(f"{lines}  x: 1\n") == "3001:3 indented by 2 spaces, which fits no line above: line 3000 has 0"
    assert problem(f"a: {'x' * 100_000}\n  b: 1\n").endswith("line 1 has 0")
