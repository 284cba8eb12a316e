"""Programs: variables of variables, and the budget of an evaluation."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate, with_variables
from webhook.cel import Activation, CostError, EvaluationError


def test_a_composited_variable_is_evaluated_at_its_first_use_and_once() -> None:
    reads = 0

    def read() -> int:
        nonlocal reads
        reads += 1
        return 7

    program, variables = with_variables("variables.a + variables.a == 14 && variables.a > 0", a="int(object)")
    activation = Activation({}, lazy={"object": read}, variables=variables)
    assert program.evaluate(activation) is True
    assert reads == 1


def test_an_error_in_a_composited_variable_surfaces_where_it_is_used_only() -> None:
    unused, variables = with_variables("true || variables.bad == 1", bad="object.nope")
    assert unused.evaluate(Activation({"object": {}}, variables=variables)) is True
    used, variables = with_variables("variables.bad == 1", bad="object.nope")
    with pytest.raises(EvaluationError) as caught:
        used.evaluate(Activation({"object": {}}, variables=variables))
    assert str(caught.value) == 'composited variable "bad" fails to evaluate: no such key: nope'


def test_a_composited_variable_may_be_an_optional() -> None:
    sources = {"spec": "object.?spec", "names": "[variables.spec.?name, optional.of(dyn('b'))].map(n, n)"}
    program, variables = with_variables("variables.spec.?name.orValue('') + variables.names[1].value()", **sources)
    assert program.evaluate(Activation({"object": {"spec": {"name": "a"}}}, variables=variables)) == "ab"


def test_an_exhausted_budget_ends_the_evaluation_and_nothing_absorbs_it() -> None:
    numbers = list(range(2000))
    program = ENVIRONMENT.compile("x.all(a, x.all(b, x.all(c, a + b + c >= 0))) || true")
    with pytest.raises(CostError, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate(Activation({"x": numbers}))


@pytest.mark.parametrize(
    "expression",
    [
        "x.all(a, x.map(b, b + 1).size() > 0)",
        "x.all(a, string(x.map(b, string(b)).join(',').size() + a).size() > 0)",
        "x.map(a, string(a)).join(',').size() > 0 && x.all(a, sets.contains(x, x))",
        "sets.equivalent(x + x + x + x, x + x + x + x)",
    ],
)
def test_work_hidden_in_functions_is_charged_too(expression: str) -> None:
    with pytest.raises(CostError):
        ENVIRONMENT.compile(expression).evaluate(Activation({"x": list(range(3000))}))


def test_doubling_a_text_again_and_again_ends_in_the_budget_of_a_variable() -> None:
    sources = {"v0": "string(object)"} | {f"v{n}": f"variables.v{n - 1} + variables.v{n - 1}" for n in range(1, 30)}
    program, variables = with_variables("variables.v29.size() > 0", **sources)
    with pytest.raises(EvaluationError, match='variable "v20" fails to evaluate: operation cancelled: actual cost'):
        program.evaluate(Activation({"object": "0123456789"}, variables=variables))


def test_evaluation_leaves_the_object_as_it_was() -> None:
    value = {"a": [1, 2, {"b": 3}]}
    evaluate("(x.a + [4]).map(e, e) == x.a && x.transformMap(k, v, v) == x", x=value)
    assert value == {"a": [1, 2, {"b": 3}]}


def test_code_is_generated_at_the_first_evaluation() -> None:
    program, other = ENVIRONMENT.compile("x == 1"), ENVIRONMENT.compile("x == 1")
    before = program.is_prepared
    assert program.evaluate(Activation({"x": 1})) is True
    assert (before, program.is_prepared, other.is_prepared) == (False, True, False)
    made = program.plain
    program.prepare()
    assert program.plain is made
    other.prepare()
    assert other.fixed_cost == program.fixed_cost > 0


def test_the_first_evaluation_costs_what_others_do() -> None:
    sources = {"spec": "object.?spec", "names": "[variables.spec.?name, optional.of(dyn('b'))].map(n, n)"}
    program, variables = with_variables("variables.spec.?name.orValue('') + variables.names[1].value()", **sources)
    costs = []
    for _ in range(3):
        activation = Activation({"object": {"spec": {"name": "a"}}}, variables=variables)
        assert program.evaluate(activation) == "ab"
        costs.append((activation.cost, activation.begun))
    assert costs[0] == costs[1] == costs[2]
    assert all(each.is_prepared for each in (program, *variables.values()))


def test_the_first_evaluation_may_fail() -> None:
    program, variables = with_variables("variables.bad == 1", bad="object.nope")
    for _ in range(2):
        with pytest.raises(EvaluationError, match="no such key: nope"):
            program.evaluate(Activation({"object": {}}, variables=variables))
    assert program.is_prepared
