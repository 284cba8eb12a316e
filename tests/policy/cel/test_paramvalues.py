"""Variables that depend on the params alone are evaluated once a param object."""

from __future__ import annotations

from typing import Any

from webhook.cel import Activation, Environment, Program, types
from webhook.policy.cel.paramvalues import ParamValues


def compiled(**sources: str) -> dict[str, Program]:
    environment = Environment({"object": types.DYN, "params": types.DYN})
    programs = {}
    for name, source in sources.items():
        programs[f"variables.{name}"] = environment.compile(source)
        environment = environment.extend({f"variables.{name}": programs[f"variables.{name}"].type})
    return programs


def evaluated(values: ParamValues, variables: dict[str, Program], params: Any, *names: str) -> dict[str, Any]:
    """The kept values after an evaluation that used these variables."""
    known = values.of(params)
    assert known is not None
    activation = Activation({"object": {"n": 1}, "params": params, **known}, variables=variables)
    for name in names:
        activation[f"variables.{name}"]
    values.keep(known, activation)
    return known


def test_only_what_depends_on_the_params_alone_is_kept() -> None:
    variables = compiled(
        max="int(params.data.max)",
        twice="variables.max * 2",
        mixed="variables.max + object.n",
        looped="[1, 2].map(n, n + variables.max)",
        hidden="[object].map(params, params.n)",
    )
    values = ParamValues(variables)
    params = {"data": {"max": "10"}}
    known = evaluated(values, variables, params, "max", "twice", "mixed", "looped", "hidden")
    assert known == {"variables.max": 10, "variables.twice": 20, "variables.looped": [11, 12]}
    assert values.of(params) is known


def test_each_param_object_has_its_own_values() -> None:
    variables = compiled(max="int(params.data.max)")
    values = ParamValues(variables)
    low, high = {"data": {"max": "1"}}, {"data": {"max": "9"}}
    assert evaluated(values, variables, low, "max") == {"variables.max": 1}
    assert evaluated(values, variables, high, "max") == {"variables.max": 9}


def test_without_params_or_such_variables_nothing_is_kept() -> None:
    assert ParamValues(compiled(n="object.n")).of({"data": {}}) is None
    assert ParamValues(compiled(max="int(params.data.max)")).of(None) is None


def test_large_values_are_not_kept() -> None:
    variables = compiled(items="params.data.map(n, [n, n])", first="params.data[0]")
    values = ParamValues(variables)
    assert set(evaluated(values, variables, {"data": [1, 2]}, "items", "first")) == {
        "variables.items",
        "variables.first",
    }
    assert evaluated(values, variables, {"data": list(range(10_000))}, "items", "first") == {}
