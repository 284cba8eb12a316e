"""What the memory and the time of CEL are bounded by: each attack that got past a bound once, and many more at random.

Time is counted in calls, which do not depend on the machine: of a value that doubles with each variable, twice the
variables may not take more. Memory is what the operating system allows a child process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import json as msgspec_json

from tests.amounts import ALL, amount
from tests.cel.evaluating import BINDINGS, ENVIRONMENT, with_variables
from tests.cel.hostile import OVERLOADS, Plan, TooManySteps, counted
from tests.timing import within
from tests.unmeasured import unmeasured
from webhook.cel import Activation, CompileError, EvaluationError
from webhook.cel.check.frontend import MAX_LENGTH
from webhook.cel.cost import costs, metering
from webhook.cel.program import Program, Recording
from webhook.cel.value.values import Optional

ROOT = Path(__file__).parents[2]
WORK = "operation cancelled: evaluation takes more work than is allowed"
MEMORY = "operation cancelled: evaluation would take too much memory"


def run_child(plan: Plan) -> dict[str, Any]:
    """The report of a process that evaluates hostile expressions."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.cel.hostile", msgspec_json.encode(plan).decode()],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stderr == ""  # neither Python nor RE2 has written anything
    report: dict[str, Any] = json.loads(ended.stdout)
    assert report["faults"] == []
    return report


def test_every_function_stays_within_memory_and_steps_on_hostile_values() -> None:
    """With a small part of the limits, so that it takes seconds; whole, and in every form, in `make soak`."""
    short = Plan(1, 0, 300, work=50_000, cost=60_000, events=1_500_000)
    plan = Plan(1, amount(1, 0), 600, seconds=60.0) if ALL else short
    report = run_child(plan)
    assert set(report["called"]) == {f"{library}.{overload.name}" for library, overload in OVERLOADS}
    assert report["ended"]["cut off"] > 20
    assert report["ended"]["value"] > 20


# ------------------------------------------------------------------------------------------- values that share parts


def doubling(start: str, step: str, times: int) -> dict[str, str]:
    """The sources of variables, each made of the one before it."""
    sources = {"v0": start}
    for level in range(1, times + 1):
        sources[f"v{level}"] = step.replace("@", f"variables.v{level - 1}")
    return sources


def calls_of(run: Callable[[], Any]) -> int:
    """The calls, of Python functions and others, that running something takes; at most 50,000,000."""
    made = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")
        if made > 50_000_000:
            sys.setprofile(None)
            raise TooManySteps

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return made


FORMS: dict[str, Callable[[Program, dict[str, Program]], Any]] = {
    "plain": lambda program, variables: program.evaluate(Activation(BINDINGS, {}, variables)),
    "exact": lambda program, variables: program.evaluate_exactly(Activation(BINDINGS, {}, variables)),
    "recording": lambda program, variables: program.evaluate_recording(Recording(BINDINGS, {}, variables)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "expression",
    [
        "dyn(@) == dyn(@)",
        "'%s'.format([@]) == ''",
        "sets.contains(dyn([@]), dyn([@]))",
        "@.distinct().size() > 0",
        "dyn(@).flatten(100).size() > 0",
        "@.indexOf(dyn([])) == 0",
        "dyn(@).isSorted()",
        "@ in [@]",
        "optional.of(@) == optional.of(@)",
        "[optional.of(@)].indexOf(optional.of(@)) == 0",
        "optional.of(dyn(@)).includes(optional.of(dyn(@)))",
        "google.protobuf.ListValue{values: @} == []",
        "google.protobuf.Struct{fields: {'a': @}} == {}",
    ],
)
def test_a_value_with_a_billion_leaves_is_not_visited(
    monkeypatch: pytest.MonkeyPatch, expression: str, form: str
) -> None:
    monkeypatch.setattr(costs, "MAX_WORK", 20_000)
    program, variables = with_variables(
        expression.replace("@", "variables.v40"), **doubling("dyn([1, 2])", "dyn([@, @])", 40)
    )
    with counted(2_000_000), pytest.raises(EvaluationError, match="more work than is allowed"):
        FORMS[form](program, variables)


@pytest.mark.parametrize(
    "expression",
    ["{?'a': dyn(@)}.size() == 1", "dyn([dyn(optional.of(1)), @]).unwrapOpt() == []", "{'a': 1}[x] == 1"],
)
def test_an_error_names_the_beginning_of_a_large_value(expression: str) -> None:
    program, variables = with_variables(
        expression.replace("@", "dyn(variables.v40)"), **doubling("dyn([1, 2])", "dyn([@, @])", 40)
    )
    with counted(500_000), pytest.raises(EvaluationError) as caught:
        program.evaluate(Activation({**BINDINGS, "x": "a" * 1_000_000}, {}, variables))
    assert len(str(caught.value)) < 1_200
    assert "…" in str(caught.value)


def test_the_plain_form_does_not_mistake_a_small_value_for_a_large_one() -> None:
    program, variables = with_variables("'%s'.format([variables.v6])", **doubling("dyn(['a'])", "dyn([@, @])", 6))
    assert program.evaluate(Activation(BINDINGS, {}, variables)).count('"a"') == 64


# --------------------------------------------------------------------------------------------------- work and memory


def outcome(expression: str, **bindings: Any) -> str:
    """The error of an expression in the form that servers use; "" if it has a value."""
    try:
        ENVIRONMENT.compile(expression).evaluate(Activation({**BINDINGS, **bindings}))
    except EvaluationError as error:
        return str(error)
    return ""


TENS = "lists.range(10).all(a, lists.range(10).all(b, lists.range(10).all(c, @)))"


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        # What costs little or nothing in the API server and takes long, each a thousand times.
        ("[c, {}].size() > 0".format(", ".join(["1"] * 4000)), None),
        ("{{{}, 4000: c}}.size() > 0".format(", ".join(f"{n}: {n}" for n in range(2000))), None),
        ("[1].transformMapEntry(i, v, x).size() > 0", {f"k{n}": n for n in range(5_000)}),
        ("dyn(x).unwrapOpt().size() > 0", [Optional(1)] * 5_000),
        ("timestamp(0).getHours(x) == 0 || true", "z" * 100_000),
        ("authorizer.serviceAccount(x, x) == authorizer || true", "a" * 10_000),
        ("double(c) in [double('1'), {}] || true".format(", ".join(["2.5"] * 4000)), None),
    ],
)
def test_what_costs_nothing_and_takes_long_counts_as_work(
    monkeypatch: pytest.MonkeyPatch, expression: str, x: Any
) -> None:
    monkeypatch.setattr(costs, "MAX_WORK", 200_000)
    assert outcome(TENS.replace("@", expression), x=x).startswith(WORK)


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        ("(c in [{}]) == (c >= 0)".format(", ".join(map(str, range(3999, -1, -1)))), None),  # a look-up
        ("x.charAt(7) == 'a'", "a" * 3_000_000),  # not a copy of the rest
    ],
)
def test_what_the_cost_pays_for_is_quick(expression: str, x: Any) -> None:
    program = ENVIRONMENT.compile(TENS.replace("@", expression))
    with within(2.0, time.process_time):
        assert calls_of(lambda: program.evaluate(Activation({**BINDINGS, "x": x}))) < 20_000


def test_a_loop_that_ends_in_its_first_round_does_not_copy_its_range() -> None:
    program = ENVIRONMENT.compile("x.exists(k, v, 1 / 0 == 1 || true)")
    for large in ({f"k{n}": n for n in range(50_000)}, list(range(50_000))):
        activation = Activation({**BINDINGS, "x": large})
        program.evaluate_exactly(activation)  # the code is written
        tracemalloc.start()
        try:
            program.evaluate_exactly(activation)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 100_000


def test_the_last_index_of_a_long_part_is_found_in_linear_time() -> None:
    text, part = "a" * 200_000, "ab" + "a" * 60_000
    with within(1.0, time.process_time):
        assert outcome("x.lastIndexOf(y) == -1 && (y + x).lastIndexOf(y) == 0", x=text, y=part) == ""
        assert outcome("x.lastIndexOf(y, 70000) == 40", x="b" * 40 + part + "b" * 99_000, y=part) == ""


@pytest.mark.parametrize(
    "expression",
    [
        "lists.range(300).map(i, 'a'.replace('a', y)).size() > 0",
        "lists.range(300).map(i, '%s'.format([y])).size() > 0",
        "lists.range(300).map(i, [y, y].join()).size() > 0",
        "lists.range(300).map(i, y.upperAscii()).size() > 0",
        "lists.range(300).map(i, y + string(i)).size() > 0",
        "lists.range(300).map(i, dyn(y) + dyn(y)).size() > 0",
        "lists.range(300).map(i, y.split('')).size() > 0",
        "lists.range(300).map(i, bytes(string(y))).size() > 0",
        "lists.range(300).map(i, strings.quote(string(y))).size() > 0",
        "lists.range(300).map(i, y.substring(1)).size() > 0",
        "lists.range(300).map(i, y.find('(?s).*')).size() > 0",
        "lists.range(300).map(i, x + x).size() > 0",
        "lists.range(300).map(i, x.reverse()).size() > 0",
        "lists.range(300).map(i, [i, {}]).size() > 0".format(", ".join(["1"] * 4000)),
    ],
)
def test_what_is_made_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, expression: str) -> None:
    """Each result is kept in a list: together they are over the limit, and each is far under it."""
    monkeypatch.setattr(metering, "MAX_MADE", 2 * 1024 * 1024)
    few = expression.replace("lists.range(300)", "[1, 2, 3]")
    assert outcome(few, x=list(range(1_000)), y="\U0001f600" * 4_000) == ""
    assert outcome(expression, x=list(range(1_000)), y="\U0001f600" * 4_000).startswith(MEMORY)


def test_the_limit_of_memory_is_that_of_all_variables_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "MAX_MADE", 4 * 1024 * 1024)
    sources = {f"v{n}": f"'{n}'.replace('{n}', x).replace('b', x)" for n in range(40)}
    program, variables = with_variables(" + ".join(f"variables.v{n}.size()" for n in range(40)) + " > 0", **sources)
    few, _ = with_variables("variables.v1.size() > 0", **sources)
    bindings = {**BINDINGS, "x": "b" * 500}
    assert few.evaluate(Activation(bindings, {}, variables)) is True
    for evaluate in (program.evaluate, program.evaluate_exactly):
        with pytest.raises(EvaluationError, match="64 MiB together"):
            evaluate(Activation(bindings, {}, variables))


def test_the_work_of_all_variables_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "TREE_WORK", 500_000)
    sources = {f"v{n}": "dyn(x) == dyn(y)" for n in range(40)}
    program, variables = with_variables(" && ".join(f"variables.v{n}" for n in range(40)), **sources)
    few, _ = with_variables("variables.v1 && variables.v2", **sources)
    bindings = {**BINDINGS, "x": [[n] for n in range(10_000)], "y": [[n] for n in range(10_000)]}
    assert few.evaluate(Activation(bindings, {}, variables)) is True
    for evaluate in (program.evaluate, program.evaluate_exactly):
        with pytest.raises(EvaluationError, match="for all expressions of a policy"):
            evaluate(Activation(bindings, {}, variables))


# ------------------------------------------------------------------------------------------------------ when it loads


@pytest.mark.parametrize("unit", ["'\\", '"\\', "'", '"""', "'''\\", "r'", "b'''", "`", "//'"])
def test_quotes_that_are_not_closed_are_read_once(unit: str) -> None:
    """48 KB of them took a minute."""

    def refused(length: int) -> None:
        with pytest.raises(CompileError):
            ENVIRONMENT.compile(unit * (length // len(unit)) + "(")

    refused(1_000)  # what is loaded on first use
    with within(4.0, time.process_time):
        refused(MAX_LENGTH - 10)


def test_macros_in_macros_are_refused_by_their_nodes() -> None:
    nested = "optional.of(x)" + "".join(f".optMap(v{level}, v{level})" for level in range(20))
    with pytest.raises(CompileError, match="more than 20000 syntax tree nodes"):
        ENVIRONMENT.compile(nested + ".hasValue()")


# ------------------------------------------------------------------------------------------------------ why it is so


@pytest.mark.parametrize(
    ("start", "step", "last"),
    [
        ("x.a", "@ + @", "@ < 0"),
        ("x.b", "dyn([@, @])", "@ == [1]"),
        ("x.a == 2", "@ || @", "@"),
        ("dyn({'a': 1})", "dyn({'a': @.a + @.a})", "@.a == 1"),
        ("x.nope", "@ + @", "@ == 1"),
    ],
)
def test_the_search_for_what_decided_does_not_double_with_each_variable(start: str, step: str, last: str) -> None:
    program, variables = with_variables(last.replace("@", "variables.v40"), **doubling(start, step, 40))
    bindings = {**BINDINGS, "x": {"a": 0, "b": [1, 2, 3]}}
    with counted(3_000_000):
        program.witnesses(Recording(bindings, {}, variables), "x")
        program.explain(Recording(bindings, {}, variables))


def test_a_place_is_found_once_however_often_it_decides() -> None:
    program, variables = with_variables("variables.v30 < 0", **doubling("x.a + x.c", "@ + @", 30))
    found = program.witnesses(Recording({**BINDINGS, "x": {"a": 0, "c": 0}}, {}, variables), "x")
    assert found == (("a",), ("c",))
