"""One function for all expressions of a policy: what it returns is what its expressions come to one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from tests.amounts import amount
from tests.cel.generated import Expressions, X
from webhook.cel import Activation, CompileError, Environment, EvaluationError, types
from webhook.cel.code.fusing import Judged, Plan, Quick, fuse
from webhook.cel.program import Program
from webhook.cel.tree.ast import variables_in
from webhook.cel.tree.errors import BudgetExceeded

ENVIRONMENT = Environment(
    {
        "x": types.DYN,
        "object": types.DYN,
        "oldObject": types.DYN,
        "params": types.DYN,
        "request": types.DYN,
        "namespaceObject": types.DYN,
    }
)


class Asked:
    """What a review has: the values that are asked for are counted."""

    def __init__(self, request: Any = None, namespace: Any = None) -> None:
        self._request, self._namespace = request, namespace
        self.times: Counter[str] = Counter()
        self.namespace = self

    def cel(self) -> Any:
        self.times["request"] += 1
        return self._request

    def cel_in_conditions(self) -> Any:
        self.times["request of conditions"] += 1
        return {**self._request, "resource": "in conditions"}

    def object(self) -> Any:
        self.times["namespace"] += 1
        return self._namespace


class Compiled:
    """The programs of a policy: of variables by their sources, of conditions, and of validations with messages."""

    def __init__(
        self,
        *validations: str | tuple[str, str],
        conditions: tuple[str, ...] = (),
        shared: Mapping[str, Any] | None = None,
        known: tuple[str, ...] = (),
        constant: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        **sources: str,
    ) -> None:
        """variables, sources: the sources of variables, by name."""
        self.conditions = [ENVIRONMENT.compile(each) for each in conditions]
        environment = ENVIRONMENT
        self.variables: dict[str, Program] = {}
        for name, source in {**(variables or {}), **sources}.items():
            program = environment.compile(source)
            self.variables[f"variables.{name}"] = program
            environment = environment.extend({f"variables.{name}": program.type})
        pairs = [(each, "") if isinstance(each, str) else each for each in validations]
        self.validations = [
            (environment.compile(source), environment.compile(message) if message else None)
            for source, message in pairs
        ]
        self.run = fuse(
            Plan(
                [each.tree for each in self.conditions],
                {name: program.tree for name, program in self.variables.items()},
                [Judged(one.tree, None if other is None else other.tree) for one, other in self.validations],
                {f"variables.{name}": key for name, key in (shared or {}).items()},
                frozenset(f"variables.{name}" for name in known),
                {f"variables.{name}": value for name, value in (constant or {}).items()},
            )
        )

    def fused(self, limit: int = 10_000, *, known: Any = None, review: Any = None, **bindings: Any) -> Any:
        """What the one function returns; "given up" if it raises."""
        assert self.run is not None
        quick = Quick(bindings)
        quick.begin(limit)
        try:
            return self.run(quick, review or Asked(), bindings.get("params"), known)
        except (Exception, BudgetExceeded):
            return "given up"

    def one_by_one(self, **bindings: Any) -> Any:
        """The same, by evaluating each expression. Raises EvaluationError."""
        conditions = Activation(bindings)
        for index, condition in enumerate(self.conditions):
            if condition.evaluate(conditions) is False:
                return index
        activation = Activation(bindings, {}, self.variables)
        failed = [
            (index, message)
            for index, (program, message) in enumerate(self.validations)
            if program.evaluate(activation) is not True
        ]
        if not failed:
            return True
        return [(index, None if message is None else message.evaluate(activation)) for index, message in failed]


# ------------------------------------------------------------------------------------------------ generated policies


class OfPolicies(Expressions):
    """Expressions over variables too, and over params."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.variables: list[str] = []

    def leaf(self) -> str:
        chance = self.random.random()
        if self.variables and chance < 0.35:
            return "variables." + str(self.pick(*self.variables))
        return super().leaf() if chance < 0.9 else super().leaf().replace("x.", "params.")

    def list(self, depth: int) -> str:
        if self.variables and self.random.random() < 0.3:
            return "variables." + str(self.pick(*self.variables))
        return super().list(depth)

    def boolean(self, depth: int) -> str:
        if self.variables and self.random.random() < 0.15:
            return f"(variables.{self.pick(*self.variables)} == {self.any(0)})"
        return super().boolean(depth)

    def compiled(
        self,
        source: Callable[[], str],
        environment: Environment,
        programs: Mapping[str, Program],
        *expect: types.Type,
    ) -> Program:
        """One of which nine in ten have a value."""
        while True:
            try:
                program = environment.compile(source(), expect)
                if self.random.random() < 0.9:
                    program.evaluate(Activation({"x": X, "params": X}, {}, programs))
            except (CompileError, EvaluationError):
                continue
            return program

    def policy(self) -> Compiled:
        self.variables = []
        environment = ENVIRONMENT
        programs: dict[str, Program] = {}
        sources: dict[str, str] = {}
        for number in range(self.random.randint(0, 5)):
            kind = self.pick(self.any, self.list, self.boolean)
            program = self.compiled(partial(kind, self.random.randint(1, 3)), environment, programs)
            sources[f"v{number}"] = program.source
            programs[f"variables.v{number}"] = program
            environment = environment.extend({f"variables.v{number}": program.type})
            self.variables.append(f"v{number}")
        validations = []
        for _ in range(self.random.randint(1, 4)):
            validation = self.compiled(partial(self.boolean, 3), environment, programs, types.BOOL).source
            message = self.compiled(partial(self.string, 2), environment, programs, types.STRING).source
            validations.append((validation, message if self.random.random() < 0.7 else ""))
        self.variables = []
        conditions = tuple(
            self.compiled(partial(self.boolean, 2), ENVIRONMENT, {}, types.BOOL).source
            for _ in range(max(0, self.random.randint(-2, 2)))
        )
        shared: dict[str, str] = {}
        for name, source in sources.items():  # one whose values are shared uses no others, and no params
            others = variables_in(programs[f"variables.{name}"].tree) - {"x"}
            if self.random.random() < 0.4 and others <= {f"variables.{each}" for each in shared}:
                shared[name] = f"key of {source}"
        return Compiled(*validations, conditions=conditions, shared=shared, variables=sources)


def test_generated_policies_come_to_the_same() -> None:
    source = OfPolicies(20261130)
    values = [X, {**X, "b": False, "ls": [], "i": 0}, {**X, "lm": [{"s": "y"}] * 20, "s": "x" * 70, "mixed": []}]
    ended: Counter[str] = Counter()
    for _ in range(amount(20_000, 700)):
        policy = source.policy()
        if policy.run is None:
            ended["not fused"] += 1
            continue
        for value in values:
            found = policy.fused(x=value, params=X, oldObject=None, object=value)
            try:
                expected = policy.one_by_one(x=value, params=X, oldObject=None, object=value)
            except EvaluationError:
                assert found == "given up"  # an error is nothing that it tells
                ended["error"] += 1
                continue
            if found == "given up":
                ended["given up"] += 1
            else:
                assert repr(found) == repr(expected)
                ended["allowed" if found is True else "unmatched" if type(found) is int else "denied"] += 1
    told = ended["allowed"] + ended["unmatched"] + ended["denied"]
    assert min(ended["allowed"], ended["denied"], ended["error"]) > 100
    assert ended["unmatched"] > 20
    assert ended["given up"] < told / 4, ended


# --------------------------------------------------------------------------------------------------- variables in it


def asked(compiled: Compiled, value: Any, **options: Any) -> tuple[Any, Counter[str]]:
    """What the function returns, and what it asked the review for."""
    review = Asked({"name": "web", "resource": "sent"}, {"metadata": {"name": "shop"}})
    return compiled.fused(object=value, review=review, **options), review.times


@pytest.mark.parametrize(
    ("validations", "value", "times"),
    [
        (["variables.v == 'web'", "variables.v != 'db'"], {}, 1),
        (["object.a || variables.v == 'web'", "object.b || variables.v == 'web'"], {"a": True, "b": True}, 0),
        (["object.a || variables.v == 'web'", "object.b || variables.v == 'web'"], {"a": True, "b": False}, 1),
        (["object.a || variables.v == 'web'", "object.b || variables.v == 'web'"], {"a": False, "b": False}, 1),
        (["object.a || variables.v == 'web'", "variables.v == 'web'"], {"a": False}, 1),
        (["object.l.all(each, variables.v == each)"], {"l": []}, 0),
        (["object.l.all(each, variables.v == each)"], {"l": ["web"] * 3}, 1),
        (["object.a ? variables.v == 'web' : variables.v == 'x'"], {"a": True}, 1),
        (["object.a || request.name == 'web'", "request.name == 'web'"], {"a": True}, 1),
        (["object.a || variables.w", "object.b || variables.w || variables.v == ''"], {"a": False, "b": False}, 1),
    ],
)
def test_a_variable_is_evaluated_where_it_is_needed_and_once(
    validations: list[str], value: dict[str, Any], times: int
) -> None:
    compiled = Compiled(*validations, v="request.name + ''", w="variables.v == 'web'")
    result, found = asked(compiled, value)
    assert result is True
    assert found["request"] == times


def test_a_path_takes_no_local_and_reads_the_review_again() -> None:
    result, _ = asked(Compiled("variables.n == 'web' && variables.n != ''", n="request.name"), {})
    assert result is True


def test_a_message_has_the_variables_of_its_validation() -> None:
    compiled = Compiled(
        ("object.a || variables.v == 'db'", "'not ' + variables.v"),
        ("object.b", "variables.late + variables.v"),
        ("object.c", "variables.late"),
        v="request.name + ''",
        late="'late ' + object.x",
    )
    value = {"a": False, "b": False, "c": False, "x": "y"}
    result, found = asked(compiled, value)
    assert result == [(0, "not web"), (1, "late yweb"), (2, "late y")]
    assert found["request"] == 1
    assert asked(compiled, {**value, "a": True, "b": True})[0] == [(2, "late y")]
    # The first validation needed no variable, so that its value is not there: evaluating one by one finds it.
    assert asked(compiled, {**value, "a": True})[0] == "given up"


def test_conditions_come_first_and_have_a_request_of_their_own() -> None:
    compiled = Compiled(
        "request.resource == 'sent' && namespaceObject.metadata.name == 'shop'",
        conditions=("object.a", "request.resource == 'in conditions' && namespaceObject == null", "object.b"),
    )
    assert asked(compiled, {"a": False}) == (0, Counter())
    assert asked(compiled, {"a": True, "b": False}) == (2, Counter({"request of conditions": 1}))
    assert asked(compiled, {"a": None, "b": True})[0] is True  # what is null is not false


def test_what_comes_with_the_params_or_is_constant_is_not_evaluated() -> None:
    compiled = Compiled(
        "object.n in variables.allowed && object.n in variables.fixed",
        known=("allowed",),
        constant={"fixed": ["a", "b"]},
        allowed="params.names",
        fixed="['a', 'b']",
    )
    known = {"variables.allowed": ["b", "c"]}
    assert [compiled.fused(object={"n": each}, known=known) for each in "abc"] == [[(0, None)], True, [(0, None)]]
    assert compiled.fused(object={"n": "b"}, known={}) == "given up"  # the first evaluation one by one finds it
    assert compiled.fused(object={"n": "b"}, known=None) == "given up"
    assert compiled.fused(object={"n": 1}, known=known) == [(0, None)]


def test_values_that_are_shared_are_left_for_others() -> None:
    one = Compiled("size(variables.all) < 3", shared={"all": "k"}, all="object.l.map(each, each + 1)")
    other = Compiled("variables.all == [2, 3]", shared={"all": "k"}, all="object.l.map(each, each + 1)")
    assert one.run is not None
    assert other.run is not None
    quick = Quick(object={"l": [1, 2]})
    for compiled in (one, other):
        quick.begin()
        assert compiled.run(quick, Asked(), None, None) is True  # type: ignore[misc]
    assert quick["k"] == [2, 3]
    quick["k"] = [5]
    quick.begin()
    assert other.run(quick, Asked(), None, None) == [(0, None)]


# ----------------------------------------------------------------------------------------------------- when it gives up


@pytest.mark.parametrize(
    ("validation", "value"),
    [
        ("object.nope == 1", {}),
        ("size(object.l.map(e, object.l.map(f, e + f))) > 0", {"l": [1] * 200}),
        ("(object.l + object.l).size() > 0", {"l": [1] * 50_000}),
        ("object.l.map(e, e + e).join('').size() > 0", {"l": ["x" * 1_000] * 300}),
        ("object.s.matches(object.p)", {"s": "a", "p": "a+"}),  # the budget of patterns is one of each expression
        ("object.a || object.nope", {"a": False}),
    ],
)
def test_an_error_or_more_than_a_checkpoint_allows_is_left_to_the_expressions(
    validation: str, value: dict[str, Any]
) -> None:
    assert Compiled(validation).fused(object=value) == "given up"


def test_code_that_is_nested_too_deeply_is_not_fused() -> None:
    nested = "object.l.exists(a, @)"
    for name in "bcdefghijklmnopq":
        nested = nested.replace("@", f"object.l.exists({name}, @)")
    assert Compiled(nested.replace("@", "true")).run is None
    assert Compiled(" && ".join(["object.a"] * 3_000)).run is None


@pytest.mark.parametrize("value", [None, True, 1, "x", []])
def test_what_is_no_object_is_none_whatever_the_code_looks_like(value: Any) -> None:
    """Python warns of code such as `None[key]` when it compiles it."""
    compiled = Compiled(
        "variables.v.x == 1 || true",
        conditions=("has(namespaceObject.metadata) || namespaceObject.?x.orValue(true)",),
        constant={"v": value},
        v="object.x",
    )
    assert compiled.fused(object={}) == "given up"
