"""What a function's declaration says is all that anything knows of the function."""

from __future__ import annotations

import ast
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.cel.evaluating import ENVIRONMENT
from webhook.cel import Activation, CompileError, Counting, EvaluationError, Program, types
from webhook.cel.check.frontend import Declarations, Frontend
from webhook.cel.check.literals import check_literals
from webhook.cel.functions import LIBRARIES
from webhook.cel.library import jsonpatch, optionals, standard
from webhook.cel.library.declaring import Library, Overload, function, method, same_element, where_fixed
from webhook.cel.library.resolution import Functions
from webhook.cel.program import Recording
from webhook.cel.tree.ast import Call, Expr, children
from webhook.cel.tree.declared import Privacy, Shape
from webhook.cel.value.values import Optional
from webhook.cel.why.privacy import CLEAN, HOLDS, PRIVATE, Private

WEBHOOK = Path(__file__).parents[3] / "webhook"
OVERLOADS = [overload for library in (*LIBRARIES, jsonpatch.LIBRARY) for overload in library.overloads]

# ----------------------------------------------------------------------------------------------- names are nowhere else

# Texts that are a function's name and mean something else.
TYPES = {"bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"}
OTHERWISE = {
    "error": {"why/explainer.py", "why/explanation.py", "code/recording.py"},  # an outcome; what a record's key is of
    "name": {  # attributes; in patterns; a field of metadata
        *("check/broken.py", "check/structs.py", "tree/parsed.py"),
        *("check/suggestions.py", "tree/sourcespans.py", "why/origins.py", "why/ranking.py"),
    },
    "namespace": {"check/nodes.py", "why/origins.py", "why/ranking.py"},  # a reserved word; a field of metadata
    "path": {"value/messages.py"},  # a field of JSONPatch
    "replace": {"cost/costs.py"},  # what str.encode does with a lone surrogate
    "sign": {"tree/sourcespans.py"},  # in a pattern
    "value": {  # fields of messages and classes, an outcome, and a fact that declarations give
        *("check/construction.py", "tree/parsed.py", "code/codegen.py", "code/pythonoperators.py", "tree/declared.py"),
        *("value/messages.py", "value/values.py", "value/wellknown.py", "why/explainer.py", "why/explanation.py"),
        "code/optionals.py",
    },
}


WORDS = {"check/idioms.py"}
"""Modules that hold words which people write: what other languages call what CEL has."""


def texts(path: Path) -> list[tuple[str, int]]:
    """The texts in a module, documentation aside, each with its line."""
    tree = ast.parse(path.read_text())
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.value, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) is str and id(node) not in documented
    ]


def names_in(folder: Path) -> list[str]:
    """Where a function's name stands as a text in CEL's rooms, but for the libraries'."""
    names = {overload.name for overload in OVERLOADS} - TYPES
    found: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        module = path.relative_to(folder).as_posix()
        if not module.startswith("library/") and module not in WORDS:
            found += [
                f"{module}:{line} {text}"
                for text, line in texts(path)
                if text in names and module not in OTHERWISE.get(text, ())
            ]
    return found


def test_no_function_is_known_by_its_name_outside_its_library() -> None:
    assert names_in(WEBHOOK / "cel") == []


def test_a_name_that_is_known_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "cost").mkdir()
    (tmp_path / "cost" / "charging.py").write_text('"""orValue"""\nFREE = {"orValue"}\n')
    assert names_in(tmp_path) == ["cost/charging.py:2 orValue"]


def compared(path: Path) -> list[str]:
    """The names that a module compares a call's function with, looks up by it, or matches it against."""
    text = path.read_text()
    if "function" not in text:
        return []
    tree = ast.parse(text)
    constants: dict[str, ast.expr] = {}
    for each in tree.body:
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            constants.update({target.id: each.value for target in targets if isinstance(target, ast.Name)})
    found: list[str] = []
    for node in ast.walk(tree):
        for side in _beside_a_function(node):
            value: ast.AST = constants.get(side.id, side) if isinstance(side, ast.Name) else side
            if isinstance(value, ast.Dict):  # looked up by its keys
                value = ast.Tuple([key for key in value.keys if key is not None])
            found += [
                each.value for each in ast.walk(value) if isinstance(each, ast.Constant) and type(each.value) is str
            ]
    return found


def _beside_a_function(node: ast.AST) -> list[ast.AST]:
    """What stands beside `call.function` in a comparison, a lookup or a pattern."""
    match node:
        case ast.Compare(left=left, comparators=others) if any(map(_is_function, (left, *others))):
            return [left, *others]
        case ast.Call(func=ast.Attribute(value=table), args=args) if any(map(_is_function, args)):
            return [table]
        case ast.Subscript(value=table, slice=key) if _is_function(key):
            return [table]
        case ast.Match(subject=subject, cases=cases) if _is_function(subject):
            return [case.pattern for case in cases]
        case ast.Match(subject=ast.Tuple(elts=parts), cases=cases) if any(map(_is_function, parts)):
            at = next(place for place, part in enumerate(parts) if _is_function(part))
            patterns = (case.pattern for case in cases)
            return [each.patterns[at] if isinstance(each, ast.MatchSequence) else each for each in patterns]
        case ast.MatchClass(kwd_attrs=names, kwd_patterns=patterns) if "function" in names:
            return [patterns[names.index("function")]]
    return []


def _is_function(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "function"


NAMED = {"startsWith", "endsWith"}
"""What mutants/expressions.py writes in the place of each other."""


def test_calls_are_compared_with_operators_only() -> None:
    """Type names are functions' names too: nothing asks `node.function == "string"`."""
    operator = re.compile(r"[^a-zA-Z]*_[^a-zA-Z]*|@in|_in_|@not_strictly_false|cel\.@mapInsert")
    modules = [path for path in WEBHOOK.rglob("*.py") if "library" not in path.relative_to(WEBHOOK).parts]
    found = {path: compared(path) for path in modules}
    other = {path: [name for name in names if not operator.fullmatch(name)] for path, names in found.items()}
    assert set(other.pop(WEBHOOK / "mutants" / "expressions.py")) == NAMED
    assert {path.name: names for path, names in other.items() if names} == {}
    assert sum(map(len, found.values())) > 100, "the test sees few comparisons"


@pytest.mark.parametrize(
    "source",
    [
        "call.function == 'orValue'",
        "call.function in ('orValue', 'x')",
        "FREE = frozenset({'orValue'})\ndef f(call): return call.function in FREE",
        "FREE: dict = {'orValue': 1}\ndef f(call): return FREE.get(call.function)",
        "FREE = {'orValue': 1}\ndef f(call): return FREE[call.function]",
        "match call.function:\n  case 'orValue': pass",
        "match call.function, call.args:\n  case 'orValue' | 'or', (a, b): pass",
        "match call:\n  case Call(function='orValue'): pass",
    ],
)
def test_a_comparison_with_a_name_is_seen(source: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source)
    assert "orValue" in compared(module)


# -------------------------------------------------------------------------------------------- one declaration is enough


def by_tens(value: Any, *_: Any) -> int:
    """10 for each element."""
    return 10 * len(value) if type(value) in (str, list) else 1


def endless(*_: Any) -> int:
    """More steps than anything may take."""
    return 10**9


def _even(value: int) -> int:
    if value % 2:
        raise EvaluationError("odd")
    return value


MINE = Library(
    "mine",
    (1, 30),
    (
        method("tripled", "list(int) -> list(int)", lambda items: items * 3, "", cost=by_tens),
        method("shown", "string -> string", lambda text: f"<{text}>", "", cost=where_fixed(by_tens)),
        method("shown", "int -> string", lambda number: f"<{number}>", ""),
        method("heavy", "list(T) -> int", len, "", work=endless),
        method("itself", "T -> T", lambda value: value, "", privacy=Privacy.PASSED, shape=Shape.SAME),
        method("counted", "T -> int", len, "", privacy=Privacy.OPEN),
        method("made", "T -> T", lambda value: value + "!", ""),
        method(
            "otherwise",
            "optional_type(T), T -> T",
            lambda optional, other: optional.value if optional.value is not None else other,
            "",
            lazy=True,
            otherwise="value",
            shape=Shape.EITHER,
        ),
        function("even", "int -> int", _even, "", folds=True),
        method(
            "like", "string, string -> bool", lambda text, pattern: re.search(pattern, text) is not None, "", pattern=1
        ),
        method("any", "dyn, list(dyn) -> bool", lambda value, items: value in items, "", mixes=True),
        method("eldest", "list(T) -> T", lambda items: items[0], "", since=(1, 36)),
    ),
)


FUNCTIONS = Functions((standard.LIBRARY, optionals.LIBRARY, MINE.at((1, 35))))
VARIABLES = {"object": types.DYN, "n": types.parse("list(int)"), "text": types.STRING}
FRONTEND = Frontend(VARIABLES, Declarations(FUNCTIONS.declarations, bound=FUNCTIONS))
SECRET = {"password": "hunter2", "name": "x"}


def compiled(source: str) -> Program:
    tree = FRONTEND.check(source)
    check_literals(source, tree)
    return Program(source, tree)


def counted(source: str, **bindings: Any) -> tuple[Any, int]:
    """The value, the same in all forms of the code, and what it costs."""
    program = compiled(source)
    activation = Counting(bindings)
    value = program.evaluate_counting(activation)
    careful = Activation(bindings)
    assert program.evaluate(Activation(bindings)) == program.evaluate_exactly(careful) == value
    assert careful.cost == activation.cost
    return value, activation.cost


def test_a_call_costs_what_is_declared() -> None:
    assert counted("n.tripled()", n=[1, 2]) == ([1, 2] * 3, 1 + 20)
    assert counted("object.a.tripled()", object={"a": [1, 2]}) == ([1, 2] * 3, 2 + 20)


def test_a_cost_of_an_overload_is_charged_where_the_overload_is_fixed() -> None:
    assert counted("text.shown()", text="abc") == ("<abc>", 1 + 30)
    assert counted("object.a.shown()", object={"a": "abc"}) == ("<abc>", 2 + 1)
    assert counted("object.a.shown()", object={"a": 1}) == ("<1>", 2 + 1)


def test_work_ends_an_evaluation() -> None:
    with pytest.raises(EvaluationError, match="operation cancelled"):
        compiled("n.heavy() > 0").evaluate(Activation({"n": [1]}))


def test_an_argument_is_evaluated_only_where_it_is_wanted() -> None:
    assert counted("object.?a.otherwise(1 / 0)", object={"a": 5}) == (5, 2)
    with pytest.raises(EvaluationError, match="division by zero"):
        compiled("object.?b.otherwise(1 / 0)").evaluate(Activation({"object": {}}))


def test_a_conversion_of_a_constant_that_fails_is_a_compile_error() -> None:
    assert counted("even(2)") == (2, 0)
    with pytest.raises(CompileError, match="program instantiation failed: odd"):
        compiled("even(3)")


def test_a_pattern_is_checked_when_it_is_compiled() -> None:
    with pytest.raises(CompileError, match="program instantiation failed: error parsing regexp"):
        compiled("text.like('(')")
    assert compiled("text.like('a')").evaluate(Activation({"text": "abc"})) is True


def test_literals_may_mix_where_that_is_declared() -> None:
    assert compiled("text.any([1, 'abc'])").evaluate(Activation({"text": "abc"})) is True
    with pytest.raises(CompileError, match="expected type 'int' but found 'string'"):
        compiled("[1, 'abc'].itself()")


def test_a_function_is_there_since_its_version() -> None:
    assert [each.name for each in MINE.at((1, 36)).overloads if each.name == "eldest"] == ["eldest"]
    assert [each.name for each in MINE.at((1, 35)).overloads if each.name == "eldest"] == []


@pytest.mark.parametrize(
    ("source", "level"),
    [
        ("object.password.itself()", PRIVATE),
        ("object.itself()", HOLDS),
        ("object.password.counted()", CLEAN),
        ("object.password.made()", PRIVATE),
        ("object.name.made()", CLEAN),
    ],
)
def test_a_private_argument_is_hidden_as_declared(source: str, level: int) -> None:
    private = Private(frozenset({id(SECRET["password"])}), frozenset({id(SECRET)}))
    assert compiled(source).explain(Activation({"object": SECRET}), private).root.level == level


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("object.a.itself().b == 1", ("a", "b")),
        ("object.?x.otherwise(object.a).b == 1", ("a", "b")),
        ("object.?a.otherwise(object.x).b == 1", ("a", "b")),
    ],
)
def test_a_place_is_followed_as_declared(source: str, path: tuple[str, ...]) -> None:
    program, activation = compiled(source), {"object": {"a": {"b": 2}}}
    assert program.witnesses(Recording(activation)) == (path,)
    steps = [program.explain(Activation(activation)).root]
    paths = []
    for step in steps:
        steps += step.children
        paths.append(step.path)
    assert path in paths


# ----------------------------------------------------------------------------------------------- the declared libraries


def keys() -> dict[tuple[str, bool, int], list[Overload]]:
    found: dict[tuple[str, bool, int], list[Overload]] = {}
    for overload in OVERLOADS:
        found.setdefault((overload.name, overload.member, len(overload.params)), []).append(overload)
    return found


def test_overloads_that_only_values_tell_apart_cost_the_same() -> None:
    differing = [key for key, overloads in keys().items() if len({each.unfixed_cost for each in overloads}) > 1]
    assert differing == []


def test_every_cost_is_put_into_words() -> None:
    """The reference shows them."""
    costs = {each.declared.cost for each in OVERLOADS} | {each.unfixed_cost for each in OVERLOADS}
    assert [cost for cost in costs if cost is not None and not cost.__doc__] == []


HOSTILE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**18,
    1.5,
    "",
    "a",
    b"a",
    [],
    [[]],
    [1, [2]],
    {},
    Optional(1),
    object(),
)


def test_costs_and_work_take_whatever_comes() -> None:
    for overload in OVERLOADS:
        for formula in (overload.declared.cost, overload.unfixed_cost, overload.declared.work):
            for value in HOSTILE if formula else ():
                assert type(formula and formula(*[value] * len(overload.params))) is int, (overload.name, value)


WHERE = [
    ("['a', 'b', 'c'].first()", 0),
    ("['a', 'b', 'c'].last()", 0),
    ("[3, 1, 2].min()", 0),
    ("[3, 1, 2].max()", 0),
    ("['c', 'a', 'b'].sort()", 2),
    ("['c', 'a', 'b'].sortBy(e, e)", 2),
    ("['a', 'b', 'a', 'c'].distinct()", 2),
    ("['a', 'b', 'c'].reverse()", 2),
    ("['a', 'b', 'c', 'd'].slice(1, 4)", 2),
    ("[['a', 'b'], [], ['c']].flatten()", 2),
    ("[[['a'], ['b', 'd']], [], [['c']]].flatten(2)", 3),
    ("[optional.of('a'), optional.none(), optional.of('b')].unwrapOpt()", 1),
    ("optional.unwrap([optional.of('a'), optional.none(), optional.of('b')])", 1),
]


def calls(node: Expr) -> list[Call]:
    return [*([node] if isinstance(node, Call) else []), *(each for child in children(node) for each in calls(child))]


@pytest.mark.parametrize(("expression", "place"), WHERE)
def test_elements_stand_where_the_declaration_says(expression: str, place: int) -> None:
    program, activation = ENVIRONMENT.compile(expression), Recording({})
    made = program.evaluate_recording(activation)
    result = made.value if isinstance(made, Optional) else made
    call = next(each for each in calls(program.tree) if each.declared.element is not None)
    args = [activation.record.get(id(arg), getattr(arg, "value", None)) for arg in call.args]
    element = call.declared.element
    assert element is not None
    for at in range(place + 1):
        where = element(at, result, *args)
        assert where is not None
        found: Any = args[0]
        for index in where:
            found = found[index]
        found = found.value if isinstance(found, Optional) else found
        assert found is (result[at] if isinstance(result, list) else result)
    assert element(99, [None], *args) is None or call.declared.shape is Shape.ELEMENT


TEXTS = "['ab', '', 'c', 'def']"


@pytest.mark.parametrize(
    ("expression", "places"),
    [(f"{TEXTS}.join()", [0, 0, 2, 3, 3, 3]), (f"{TEXTS}.join('--')", [0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3])],
)
def test_each_character_of_a_joined_text_has_the_text_that_it_is_of(expression: str, places: list[int]) -> None:
    program, activation = ENVIRONMENT.compile(expression), Recording({})
    joined = program.evaluate_recording(activation)
    (call,) = calls(program.tree)
    args = [activation.record.get(id(arg), getattr(arg, "value", None)) for arg in call.args]
    element = call.declared.element
    assert element is not None
    assert [element(at, joined, *args) for at in range(len(joined))] == [(at,) for at in places]
    assert element(len(joined), joined, *args) is None


@pytest.mark.parametrize(
    ("expression", "decided"),
    [
        ("'abcb'.contains('b')", [(0, 1)]),
        ("'abc'.contains('x')", []),
        ("'abc'.contains('')", []),
        ("sets.contains(['a', 'b'], ['b', 'x', 'y'])", [(1, 1)]),
        ("sets.contains(['a', 'b'], ['b'])", []),
        ("sets.intersects(['x', 'b'], ['y', 'z', 'b'])", [(0, 1), (1, 2)]),
        ("sets.intersects(['a'], ['b'])", []),
        ("sets.equivalent(['a', 'x'], ['a', 'b', 'y'])", [(0, 1), (1, 1)]),
        ("sets.equivalent([ip('::1')], [ip('::1'), ip('::2')])", [(1, 1)]),
    ],
)
def test_the_elements_that_decided_are_those_that_differ(expression: str, decided: list[tuple[int, int]]) -> None:
    program, activation = ENVIRONMENT.compile(expression), Recording({})
    result = program.evaluate_recording(activation)
    call = program.tree
    assert isinstance(call, Call) and call.declared.deciding is not None
    args = [activation.record.get(id(arg), getattr(arg, "value", None)) for arg in call.args]
    assert list(call.declared.deciding(result, *args)) == decided


def test_what_decided_takes_whatever_comes() -> None:
    for overload in OVERLOADS:
        for value, result in product(HOSTILE, (True, False)):
            if overload.declared.deciding is not None:
                list(overload.declared.deciding(result, *[value] * len(overload.params)))


def test_every_list_that_is_made_of_elements_says_of_which() -> None:
    made_of = (Shape.ELEMENT, Shape.ELEMENTS, Shape.FLATTENED)
    tried = {call.function for expression, _ in WHERE for call in calls(ENVIRONMENT.compile(expression).tree)}
    for overload in OVERLOADS:
        joins = overload.name == "join"  # into a text
        assert (overload.declared.shape in made_of or joins) == (overload.declared.element is not None), overload.name
        assert overload.declared.element is None or overload.name in tried or joins, overload.name
        for value in HOSTILE:
            if overload.declared.element is not None:
                overload.declared.element(0, value, *[value] * len(overload.params))
    assert same_element(0, 5, [4]) is None
