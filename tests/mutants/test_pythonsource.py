"""The changes of a policy file in Python: every one of them, and none of its wording."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from webhook.mutants.pythonsource import edits


def mutants(text: str) -> list[str]:
    """Each changed line, or the whole text if the change is longer."""
    found = [place.edit.applied(text) for place in edits(text)]
    for each in found:
        ast.parse(each)
    lines = text.split("\n")
    return [
        next((new for old, new in zip(lines, each.split("\n"), strict=False) if old != new), each).strip()
        for each in found
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = a == 1", ["x = a != 1", "x = a == 2", "x = a == 0"]),
        ("x = a < b <= c", ["x = a <= b <= c", "x = a >= b <= c", "x = a < b < c", "x = a < b > c"]),
        ("x = a not in b", ["x = a in b"]),
        ("x = a in b", ["x = a not in b"]),
        ("x = a is None", ["x = a is not None"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = a and b or c", ["x = a or b or c", "x = a and b and c"]),
        ("x = not a", ["x = a"]),
        ("x = (not (a))", ["x = ((a))"]),
        ("x = True", ["x = False"]),
        ("x = 1.5", ["x = 2.5", "x = 0.5"]),
        ("x = 'é' == 'b'", ["x = \"\" == 'b'", "x = 'é' != 'b'", "x = 'é' == \"\""]),
        ("x = ''", ['x = "mutant"']),
        ("x = a if b else c", ["x = (a)", "x = (c)", "x = a if not (b) else c"]),
        ("x = any(a)", ["x = all(a)"]),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("x = a.startswith(b)", ["x = a.endswith(b)"]),
        ("x = [a for a in b if c(a)]", ["x = [a for a in b if not (c(a))]"]),
        ("x: int = 1", ["x: int = 2", "x: int = 0"]),
        ("x: Literal['a']", []),
        ("x = tuple[str | int, 1]", []),
        ("x = f'{a} is 1'", []),
        ("x = Violation('wrong', path=p, reason=r)", []),
        ("x = Violation('wrong', 'a')", ["x = Violation('wrong', \"\")"]),
        ("raise ValueError('a' if b == 1 else 'c')", []),
        ("assert a == 1, 'no'", []),
        ("import a", []),
        ("__all__ = ['a']", []),
        ("print('a', 1)", ["print('a', 2)", "print('a', 0)"]),
    ],
)
def test_the_changes_of_a_line(line: str, expected: list[str]) -> None:
    assert sorted(mutants(line)) == sorted(expected)


@pytest.mark.parametrize("name", ["ABOUT", "ABOUT: dict[str, str]"])
def test_what_a_policy_says_of_itself_is_not_changed(name: str) -> None:
    declared = "@validate(resources=['v1/pods'], annotations=ABOUT)\ndef p(request): ...\n"
    assert not any(line.startswith("ABOUT") for line in mutants(f"{name} = {{'x': 'y'}}\n{declared}"))
    other = name.replace("ABOUT", "OTHER")
    assert f"{other} = {{'x': \"\"}}" in mutants(f"{other} = {{'x': 'y'}}\n{declared}")


def test_statements() -> None:
    text = dedent('''\
        """A docstring."""

        def f(a: Annotated[str, "x"], b=3) -> "Literal['a']":
            """Another."""
            if a:
                return
            while a.b():
                return a
            return None

        class C(Struct, frozen=True):
            """A third."""
            values: tuple[int, ...] = ()
            limit: int = 5
        ''')
    assert mutants(text) == [
        'def f(a: Annotated[str, "x"], b=2) -> "Literal[\'a\']":',
        'def f(a: Annotated[str, "x"], b=4) -> "Literal[\'a\']":',
        "if not (a):",
        "pass",
        "while not (a.b()):",
        "return None",
        "limit: int = 4",
        "limit: int = 6",
    ]


POLICIES = """\
from gatewright import validate, mutate
import gatewright

LIMIT = 1

@validate(
    resources=["v1/pods", "apps/v1/deployments"],  # both
    operations=("CREATE",),
    param_kind="v1/ConfigMap",
)
def first(request):
    if request.object:
        yield "no"

@gatewright.mutate(resources=["*"], scope="Namespaced", failure_policy="Ignore")
def second(request):
    def inner():
        return 1
    inner()

@other("a")
def third(request):
    return 2
"""


def test_the_rules_of_a_decorator() -> None:
    found = mutants(POLICIES)
    assert 'resources=["v1/pods"],  # both' in found
    assert 'resources=["apps/v1/deployments"],  # both' in found
    assert 'operations=("UPDATE",),' in found
    assert 'param_kind="v1/ConfigMap", failure_policy="Ignore",' in found
    assert '@gatewright.mutate(resources=["*"], scope="*", failure_policy="Ignore")' in found
    assert '@gatewright.mutate(resources=["*"], scope="Namespaced", failure_policy="Fail")' in found
    assert not [each for each in found if "ConfigMap" in each and "failure_policy" not in each]
    assert not [each for each in found if each.startswith("@other")]


def test_an_edit_knows_the_function_and_the_policy_that_it_is_in() -> None:
    places = {(place.scope, place.line) for place in edits(POLICIES)}
    assert places == {("", 0), ("first", 6), ("second", 15), ("second.inner", 15), ("third", 0)}


def test_a_comment_between_operands_is_not_mistaken_for_the_operator() -> None:
    text = "x = (a  # == or\n     == b)\ny = (a  # and\n     and b)\n"
    assert mutants(text) == []
    assert mutants("x = (a\n     == b)\n") == ["!= b)"]


def test_deep_expressions_are_no_matter() -> None:
    assert len(mutants("x = " + " and ".join(["a"] * 500))) == 499
    assert len(mutants("x = " + "(" * 90 + "a == b" + ")" * 90)) == 1
