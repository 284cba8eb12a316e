"""What an evaluation may take beside its cost: work and memory by count, time only under a deadline."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from tests.cel.evaluating import with_variables
from webhook.cel import Activation, Counting, Environment, EvaluationError, Program, types
from webhook.cel.cost import costs
from webhook.cel.cost.metering import Deadline
from webhook.cel.program import Recording
from webhook.cel.tree.errors import LimitExceeded

ENVIRONMENT = Environment({"x": types.DYN, "y": types.DYN})
WORK = "operation cancelled: evaluation takes more work than is allowed"
ROW = [[n] for n in range(1000)]


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fiftieth of the work is allowed, so that the tests are quick."""
    monkeypatch.setattr(costs, "MAX_WORK", costs.MAX_WORK // 50)


def ends(program: Program, bindings: dict[str, Any], kind: type[Activation] = Activation, **more: Any) -> str:
    """How an evaluation ends in the form of the code that this kind of activation is for: the value, or the error."""
    activation = kind(bindings, **more)
    try:
        if isinstance(activation, Recording):
            return repr(program.evaluate_recording(activation))
        if isinstance(activation, Counting):
            return repr(program.evaluate_counting(activation))
        return repr(program.evaluate(activation))
    except EvaluationError as error:
        return str(error)


@pytest.mark.usefixtures("little")
def test_work_that_costs_little_ends_an_expression_by_count() -> None:
    program = ENVIRONMENT.compile("x.all(a, x == y)")  # 1,000 elements are compared at a cost of 100
    found = ends(program, {"x": ROW, "y": [list(each) for each in ROW]})
    assert found.startswith(WORK)
    assert ends(ENVIRONMENT.compile("y.all(a, x == x)"), {"x": ROW, "y": [0] * 10}) == "True"


@pytest.mark.usefixtures("little")
def test_the_count_is_the_same_in_every_form_of_the_code() -> None:
    """At the limit exactly: one element more, and each form ends in the error."""
    program = ENVIRONMENT.compile("y.all(a, x == a)")
    copy = [list(each) for each in ROW]

    def forms(rounds: int) -> set[str]:
        bindings = {"x": ROW, "y": [copy] * rounds}
        return {ends(program, bindings, kind)[: len(WORK)] for kind in (Activation, Counting, Recording)}

    enough, more = 1, 64
    while more - enough > 1:
        middle = (enough + more) // 2
        enough, more = (middle, more) if forms(middle) == {"True"} else (enough, middle)
    assert forms(enough) == {"True"}
    assert forms(enough + 1) == {WORK}


LONG = "a" * 1_000_000
TWIN = LONG.encode().decode()  # equal, but another object, so that comparing them takes time
SHORTCUTS = {
    "in a dyn list, outside of loops": (" || ".join(["'x' in x"] * 50), [""] * 10_000, 0),
    "in a dyn list": ("y.all(i, !('x' in x))", [""] * 100_000, [0] * 10),
    "a number in a dyn list": ("y.all(i, !(1 in x))", [0] * 100_000, [0] * 10),
    "lists of numbers": ("y.all(i, x[0] == x[1])", [list(range(1000)), list(range(1000))], [0] * 1000),
    "short lists of long texts": ("y.all(i, x[0] == x[1])", [[LONG], [TWIN]], [0] * 1000),
    "lists of long texts": ("y.all(i, x[0] == x[1])", [[LONG] * 20, [TWIN] * 20], [0] * 100),
    "maps with long keys": ("y.all(i, x[0] == x[1])", [{LONG: 1}, {TWIN: 1}], [0] * 1000),
    "a long text in a short list": ("y.all(i, !(x[0] in dyn(x[1])))", [LONG, [LONG[:-1] + "b"] * 16], [0] * 100),
    "a long text in a map": ("y.all(i, x[0] in x[1])", [LONG, {TWIN: 1}], [0] * 1000),
    "a long typed text in a map": ("y.all(k, v, x.all(i, k in y))", [0] * 1000, {TWIN: LONG}),
    "an index that is a long text": ("y.all(i, x[1][x[0]] == 1)", [LONG, {TWIN: 1}], [0] * 1000),
    "an index that is a long typed text": (
        "y.all(i, [string(x[0])].all(k, x[1][k] == 1))",
        [LONG, {TWIN: 1}],
        [0] * 1000,
    ),
    "an optional index": ("y.all(i, x[1][?x[0]].hasValue())", [LONG, {TWIN: 1}], [0] * 1000),
    "the order of dyn texts": ("y.all(i, x[0] >= x[1])", [LONG, TWIN], [0] * 1000),
    "texts that are sorted": ("y.all(i, x.sort().size() == 2)", [LONG, TWIN], [0] * 1000),
    "a time that is a long text": ("y.all(i, timestamp(x) != timestamp(0) || true)", LONG, [0] * 100),
    "equal maps outside of loops": (
        " && ".join(["x == y"] * 50),
        {f"{n}": n for n in range(9999)},
        {f"{n}": n for n in range(9999)},
    ),
}


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize(("expression", "x", "y"), SHORTCUTS.values(), ids=SHORTCUTS)
def test_what_python_does_itself_is_counted_in_every_form(expression: str, x: Any, y: Any) -> None:
    program = ENVIRONMENT.compile(expression)
    for kind in (Activation, Counting, Recording):
        assert ends(program, {"x": x, "y": y}, kind).startswith(WORK), kind


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("y.all(i, !('z' in x))", ["x"] * 16),
        ("y.all(i, !('z' in x))", {"x": 1}),
        ("y.all(i, !(x in [" + ", ".join(f"'t{n}'" for n in range(500)) + "]))", "x"),
    ],
    ids=["a short list", "a map", "a literal"],
)
def test_small_searches_are_no_work_in_any_form(expression: str, x: Any) -> None:
    program = ENVIRONMENT.compile(expression)
    for kind in (Activation, Counting, Recording):
        assert ends(program, {"x": x, "y": [0] * 3000}, kind) == "True"


def test_bytes_that_are_joined_again_and_again_are_memory() -> None:
    program = ENVIRONMENT.compile("[dyn(bytes(x))].all(b, y.map(i, b + b).size() > 0)")
    for kind in (Activation, Counting, Recording):
        assert "too much memory" in ends(program, {"x": "a" * 400_000, "y": [0] * 100}, kind)


REGEXES = [
    ("matches with a large program", "x.all(a, !y.matches('[ab].{1000}z'))", [0] * 100, "ab" * 5000),
    ("find with a large program", "x.all(a, y.find('[ab].{1000}z') == '')", [0] * 100, "ab" * 5000),
    ("patterns of classes", "x.all(a, 'x'.matches('\\\\pL{90}' + string(a)) || true)", list(range(2000)), ""),
    (
        "patterns that are too large",
        "x.all(a, 'x'.matches('(\\\\pL{900}|[^\\\\pN]{900})' + string(a)) || true)",
        list(range(100)),
        "",
    ),
    ("all matches", "y.findAll('').size() > 0", [], "a" * 1_000_000),
    ("all matches that look far", "y.findAll('.*b|.').size() > 0", [], "a" * 100_000),
]


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize(("expression", "x", "y"), [each[1:] for each in REGEXES], ids=[each[0] for each in REGEXES])
def test_regular_expressions_that_take_more_than_they_cost_are_counted(expression: str, x: Any, y: Any) -> None:
    program = ENVIRONMENT.compile(expression)
    for kind in (Activation, Counting, Recording):
        assert ends(program, {"x": x, "y": y}, kind).startswith(WORK)


def test_patterns_that_params_give_are_compiled_once_an_expression() -> None:
    program = ENVIRONMENT.compile("x.all(a, y.exists(p, a.matches(p)))")
    names = [f"registry.example/team/app-{n}:v1" for n in range(200)]
    patterns = [f"^never-{n}/" for n in range(50)] + ["^registry\\.example/"]
    for kind in (Activation, Counting, Recording):
        assert ends(program, {"x": names, "y": patterns}, kind) == "True"


@pytest.mark.usefixtures("little")
def test_a_variable_has_its_own_work_and_its_user_goes_on_with_its_own() -> None:
    loop = "[{}].all(i, lists.range({}).all(a, object == object))"
    value = [list(each) for each in ROW]
    alone, _ = with_variables(loop.format("0", "40"))
    most = 40
    while ends(alone, {"object": value}).startswith(WORK):
        most -= 2
        alone, _ = with_variables(loop.format("0", str(most)))
    half = most * 2 // 3
    # Each takes two thirds of what one may: the variable and its user both are within it, the user twice is not.
    program, variables = with_variables(f"variables.v && {loop.format('1', half)}", v=loop.format("0", half))
    assert ends(program, {"object": value}, variables=variables) == "True"
    twice = f"{loop.format('1', half)} && variables.v && {loop.format('2', half)}"
    program, variables = with_variables(twice, v="true")
    for kind in (Activation, Counting, Recording):
        assert ends(program, {"object": value}, kind, variables=variables).startswith(WORK)


def test_no_clock_is_read_without_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> float:
        raise AssertionError("a clock was read")

    monkeypatch.setattr("webhook.cel.cost.metering.perf_counter", fail)
    program = ENVIRONMENT.compile("x.all(a, x.all(b, true))")
    assert ends(program, {"x": list(range(200))}) == "True"
    with pytest.raises(AssertionError):
        ends(program, {"x": list(range(200))}, deadline=Deadline(1.0))


def test_an_expression_may_take_half_of_the_time_that_is_left() -> None:
    activation = Activation({}, deadline=Deadline(perf_counter() + 1000))
    activation.checkpoint()
    meter = activation.meter()
    assert meter.until is not None
    assert 400 < meter.until - perf_counter() <= 500
    activation.checkpoint()
    meter.until -= 600
    with pytest.raises(LimitExceeded, match="more than half of the time that the request had left"):
        activation.checkpoint()
    activation.cost += 1
    activation.begun = activation.cost  # the next expression has half of what is left then
    activation.checkpoint()
    assert costs.MAX_WORK == 10_000_000  # as the error's text says
