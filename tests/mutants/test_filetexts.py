"""How a mutant reads in its file, in each style of YAML that the expression may be written in, and in JSON."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from webhook.documents import reader
from webhook.mutants import filetexts, rules
from webhook.mutants.mutant import Edit, Shown
from webhook.paths import Path

PLACE: Path = ("spec", "expression")
HEAD = "kind: K\nmetadata: {name: n}\nspec:\n"


def shown(text: str, old: str, new: str, kept: str = "") -> Shown:
    """The edit of `old` to `new`, of which `kept` repeats a part of the expression."""
    (document,), problems = reader.parse(text, "p.yaml")
    assert problems == []
    source = document.value["spec"]["expression"]
    start = source.index(old)
    at = source.index(kept) if kept else 0
    edit = Edit(start, start + len(old), new, "operator", (at, at + len(kept)))
    return filetexts.of_expression(document, text, PLACE, source, edit)


@pytest.mark.parametrize(
    ("written", "before", "after", "column"),
    [
        ("  expression: a == 'b' && c\n", "  expression: a == 'b' && c", "  expression: a == '' && c", 20),
        ("  expression: 'a == ''b'' && c'\n", "  expression: 'a == ''b'' && c'", "  expression: 'a == '''' && c'", 21),
        (
            "  expression: \"a == 'b' &&\\u0020c\"\n",
            "  expression: \"a == 'b' &&\\u0020c\"",
            "  expression: \"a == '' &&\\u0020c\"",
            21,
        ),
        ("  expression: >-\n    a ==\n    'b'\n    && c\n", "    'b'", "    ''", 5),
        ("  expression: |\n    a ==\n    'b'\n    && c\n", "    'b'", "    ''", 5),
        ("  expression: a ==\n    'b' &&\n    c\n", "    'b' &&", "    '' &&", 5),
    ],
)
def test_each_style_of_yaml(written: str, before: str, after: str, column: int) -> None:
    found = shown(HEAD + written, "'b'", "''")
    assert (found.before, found.after) == ((before,), (after,))
    assert found.column == column
    lines = (HEAD + written).split("\n")
    assert lines[found.line - 1] == before


def test_json() -> None:
    text = json.dumps({"kind": "K", "metadata": {"name": "n"}, "spec": {"expression": "a == 'b' && \"c\""}}, indent=1)
    found = shown(text, '"c"', '"d"')
    assert found.before == ('  "expression": "a == \'b\' && \\"c\\""',)
    assert found.after == ('  "expression": "a == \'b\' && \\"d\\""',)


def test_a_part_that_is_repeated_keeps_its_lines() -> None:
    text = HEAD + "  expression: >-\n    a ? b :\n    c ? d :\n    e\n"
    found = shown(text, "a ? b : c ? d : e", "(c ? d : e)", "c ? d : e")
    assert found.before == ("    a ? b :", "    c ? d :", "    e")
    assert found.after == ("    (c ? d :", "    e)")


def test_an_insertion() -> None:
    found = shown(HEAD + "  expression: a.b()\n", "", "!")
    assert found.after == ("  expression: !a.b()",) or found.after == ("!a.b()",)  # unquoted, ! would be a tag
    found = shown(HEAD + '  expression: "a.b()"\n', "", "!")
    assert found.after == ('  expression: "!a.b()"',)


def test_where_the_file_cannot_say_it_the_expression_is_shown() -> None:
    found = shown(HEAD + "  expression: a.b()\n", "a.b()", "a ? b : c")  # a colon ends a plain text
    assert (found.line, found.before, found.after) == (4, ("a.b()",), ("a ? b : c",))


RULES = """\
    resourceRules:
    - apiGroups: [""]
      operations: [CREATE, UPDATE]
      resources:
      - pods
      - services
    - apiGroups: ["apps"]
      operations: [CREATE]
      resources: [deployments]
      scope: Namespaced
"""


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (("operations", "UPDATE", ""), ["      operations: [CREATE, UPDATE]"], ["      operations: [CREATE]"]),
        (("operations", "CREATE", ""), ["      operations: [CREATE, UPDATE]"], ["      operations: [UPDATE]"]),
        (("operations", "CREATE", "UPDATE"), ["      operations: [CREATE]"], ["      operations: [UPDATE]"]),
        (("resources", "pods", ""), ["      - pods"], []),
        (("resources", "services", ""), ["      - services"], []),
        (("scope", "Namespaced", "*"), ["      scope: Namespaced"], ['      scope: "*"']),
        (("failurePolicy", "Fail", "Ignore"), [], ["  failurePolicy: Ignore"]),
        (("rule", "resourceRules[1] (deployments)", ""), RULES.split("\n")[6:10], []),
        (("selector", "objectSelector", ""), ["    objectSelector: {matchLabels: {a: b}}"], []),
    ],
)
def test_changes_outside_of_expressions(change: tuple[str, str, str], before: list[str], after: list[str]) -> None:
    text = (
        "kind: K\nmetadata: {name: n}\nspec:\n  matchConstraints:\n"
        + RULES
        + "    objectSelector: {matchLabels: {a: b}}\n"
    )
    (document,), _ = reader.parse(text, "p.yaml")
    (made,) = (each for each in rules.changes(document.value) if (each.change, each.before, each.after) == change)
    found = filetexts.of_change(document, text, made)
    assert (list(found.before), list(found.after)) == (before, after)
    if before:
        assert text.split("\n")[found.line - 1] == before[0]


def test_a_change_that_cannot_be_carried_over_is_named() -> None:
    text = json.dumps({"kind": "K", "metadata": {"name": "n"}, "spec": {"a": 1}})
    (document,), _ = reader.parse(text, "p.json")
    (made,) = rules.changes(document.value)
    found = filetexts.of_change(document, text, made)
    assert (found.before, found.after) == (("failurePolicy: Fail",), ("Ignore",))


def test_lines_of_python() -> None:
    text = dedent("""\
        def f(a):
            if a:
                return
            return a
        """)
    start = text.index("return\n")
    found = filetexts.of_text("p.py", text, Edit(start, start + 6, "pass", "return"))
    assert found == Shown("p.py", 3, 9, ("        return",), ("        pass",))
