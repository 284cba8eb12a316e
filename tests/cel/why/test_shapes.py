"""Witnesses by shape are those that a search of its own finds, for every object."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.cel.evaluating import with_variables
from webhook.cel import Environment, EvaluationError, types
from webhook.cel.code.recording import Rounds
from webhook.cel.program import Outlining, Program, Recording
from webhook.cel.why.shapes import MAX_KNOWN, Shapes
from webhook.paths import Path

VARIABLES = {
    "containers": "object.spec.containers + object.spec.?initContainers.orValue([])",
    "exempt": "object.metadata.?labels['exempt'].orValue('no') == 'yes'",
    "named": "variables.containers.filter(c, c.name.startsWith('a'))",
}
EXPRESSIONS = [
    "variables.exempt || size(variables.named) <= 1 && variables.containers.all(c, c.image.startsWith('r/'))",
    "object.spec.containers.all(c, has(c.image) && c.image in ['r/a', 'r/b'])",
    "object.spec.containers.exists(c, c.image == 'r/a' && c.name == 'a')",
    "object.spec.containers.exists_one(c, c.name == 'a')",
    "object.spec.replicas <= 2 && object.spec.replicas >= 1",
    "object.spec.type != 'LoadBalancer' || has(object.metadata.labels.team)",
    "object.metadata.labels.all(k, v, k.startsWith('e') || v == 'yes')",
    "object.metadata.labels.all(k, object.metadata.labels[k] != 'no')",
    "object.spec.containers.map(c, c.name).sort().all(n, n != 'b')",
    "object.spec.containers.map(c, c.name).distinct().size() == object.spec.containers.size()",
    "!sets.intersects(object.spec.containers.map(c, c.image), ['r/c', 'x/a'])",
    "object.spec.containers.filter(c, c.name != 'a').map(c, c.image).all(i, i.startsWith('r/'))",
    "(object.spec.replicas > 1 ? object.metadata.name : object.spec.type) == 'ClusterIP'",
    "object.spec.?type.orValue('a') + object.metadata.name == 'ab'",
    "object.spec.containers[object.spec.replicas].image == 'r/a'",
    "{'a': dyn(object.spec.replicas), 'b': dyn(2)}[object.metadata.name] == 2",
    "object.metadata.name in object.metadata.labels",
    "!(object.metadata.name in object.spec.containers.map(c, c.name))",
    "object.spec.containers.slice(0, 1).all(c, c.image != 'x/a')",
    "object.spec.containers.transformMap(i, c, c.image).all(k, v, v.startsWith('r/'))",
    "object.spec.missing.field == 'x'",
    "object.metadata.labels[object.metadata.name] == 'yes'",
    "(object.spec.type == 'NodePort' ? object.metadata.labels.a : object.metadata.name) == 'z'",
    "!object.spec.containers.exists(c, c.image in variables.named.map(n, n.image))",
    "!(object.spec.type + object.metadata.name).contains('a')",
    "!object.spec.containers.map(c, c.name).join('-').contains('b')",
    "!object.metadata.name.contains('a')",
    "object.spec.containers.all(c, [[c.name, c.image]].all(n, !(object.metadata.name in n)))",
    "object.spec.containers.map(c, [c.name, c.image]).flatten().reverse().all(t, t != 'x/a' && t != 'b')",
    "!object.spec.containers.exists(c, object.spec.?initContainers.orValue([]).exists(i, i.name in [c.name, c.image]))",
]


def made(source: random.Random) -> dict[str, Any]:
    """An object of one of not many shapes, with values of which some are equal."""

    def container() -> dict[str, Any]:
        found = {"name": source.choice("abc"), "image": source.choice(["r/a", "r/b", "x/a", "r/c"])}
        if source.random() < 0.1:
            del found["image"]
        return found

    spec: dict[str, Any] = {
        "replicas": source.randrange(4),
        "type": source.choice(["LoadBalancer", "ClusterIP", "NodePort"]),
        "containers": [container() for _ in range(source.randint(1, 3))],
    }
    if source.random() < 0.3:
        spec["initContainers"] = [container()]
    if source.random() < 0.1:
        del spec["type"]
    labels = {key: source.choice(["yes", "no"]) for key in ("exempt", "team", "a", "b") if source.random() < 0.5}
    items = list(labels.items())
    source.shuffle(items)
    metadata = {"name": source.choice("abc"), "labels": dict(items)}
    return {"metadata": metadata, "spec": spec}


def recorded(program: Program, programs: dict[str, Program], value: Any) -> tuple[Recording, Any]:
    activation = Recording({"object": value, "oldObject": None}, variables=programs)
    try:
        return activation, program.evaluate_recording(activation)
    except EvaluationError as error:
        return activation, error


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_places_are_those_of_a_search_of_its_own(expression: str) -> None:
    source = random.Random(expression)
    program, programs = with_variables(expression, **VARIABLES)
    shapes = Shapes([program], programs)
    failed = 0
    for _ in range(300):
        value = made(source)
        activation, result = recorded(program, programs, value)
        if result is not True:
            failed += 1
            assert shapes.witnesses(program, activation) == program.decided(activation, "object"), value
    assert failed > 10


def outlined(shapes: Shapes, program: Program, programs: dict[str, Program], value: Any) -> tuple[Path, ...] | None:
    """The witnesses by an outline; None if there is none, or if it does not tell."""
    outlines = shapes.outlines(program)
    if outlines is None:
        return None
    given = {"object": value, "oldObject": None}
    return shapes.outlined(program, outlines, Outlining(outlines.variables, given, {}, programs))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_outline_tells_the_places_that_a_search_finds(expression: str) -> None:
    source = random.Random(expression)
    program, programs = with_variables(expression, **VARIABLES)
    shapes = Shapes([program], programs)
    told = errors = failed = 0
    for _ in range(600):
        value = made(source)
        activation, result = recorded(program, programs, value)
        if result is not True:
            failed += 1
            errors += isinstance(result, EvaluationError)
            found = outlined(shapes, program, programs, value)
            expected = program.decided(activation, "object")
            assert found in (None, expected), value
            told += found is not None
            if found is None:
                assert shapes.witnesses(program, activation) == expected
    assert told > 10 or errors == failed


def test_an_outline_records_what_was_asked_and_nothing_else() -> None:
    program, programs = with_variables(EXPRESSIONS[0], **VARIABLES)
    shapes = Shapes([program], programs)
    containers = [{"name": "c", "image": "r/1"}, {"name": "d", "image": "x/1"}]
    value = {"metadata": {"name": "app"}, "spec": {"containers": containers}}
    whole = recorded(program, programs, value)[0]
    for _ in range(4):
        assert outlined(shapes, program, programs, value) is None
        shapes.witnesses(program, recorded(program, programs, value)[0])
    outlines = shapes.outlines(program)
    assert outlines is not None
    activation = Outlining(outlines.variables, {"object": value}, {}, programs)
    assert (shapes.outlined(program, outlines, activation) or ())[:1] == (("spec", "containers", 1, "image"),)
    wanted = {key for key in outlines.wanted if key in whole.record}
    assert wanted <= activation.record.keys()
    for key in wanted:
        one, other = activation.record[key], whole.record[key]
        assert one.place == other.place if isinstance(one, Rounds) else one == other
    assert len(activation.record) < len(whole.record) / 2


def test_something_new_that_is_asked_is_asked_of_outlines_too() -> None:
    program = Environment({"object": types.DYN}).compile("object.a == 1 || has(object.b) && object.b.c == 2")
    shapes = Shapes([program], {})
    places: list[tuple[Path, ...] | None] = []
    for value in [{"a": 2}] * 5 + [{"a": 2, "b": {"c": 1}}] * 9 + [{"a": 2}]:
        found = outlined(shapes, program, {}, value)
        activation = recorded(program, {}, value)[0]
        places.append(found)
        assert found in (None, program.decided(activation, "object"))
        if found is None:
            shapes.witnesses(program, activation)
    assert places[3:5] == [None, (("a",), ("b",))]
    assert places[5] is None
    assert places[-2:] == [(("b", "c"), ("a",)), (("a",), ("b",))]


def test_an_error_that_only_the_outline_of_a_variable_raises_is_not_absorbed() -> None:
    sources = {"either": "int(object.s) == 1 || object.t"}
    # The types of `[1] + dyn` are not relied on, so that this one absorbs errors.
    program, programs = with_variables("([1] + dyn(object.n)).size() > 5 || variables.either && object.u", **sources)
    shapes = Shapes([program], programs)
    alike: list[dict[str, Any]] = [{"n": [], "s": "2", "t": held, "u": False} for held in (True, False)]
    for value in [*alike, {"n": [], "s": "x", "u": False}] * 9:
        if outlined(shapes, program, programs, value) is None:
            shapes.witnesses(program, recorded(program, programs, value)[0])
    assert outlined(shapes, program, programs, alike[0]) == (("u",), ("n",))
    assert outlined(shapes, program, programs, {"n": [], "s": "x", "t": True, "u": False}) is None


def test_an_expression_in_error_is_recorded_after_its_outline_has_failed() -> None:
    program, programs = with_variables("variables.named.size() > 9 && object.spec.type == 'x'", **VARIABLES)
    shapes = Shapes([program], programs)
    value = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}] * 10, "type": "y"}}
    for _ in range(5):
        shapes.witnesses(program, recorded(program, programs, value)[0])
    assert outlined(shapes, program, programs, value) == (("spec", "type"),)
    assert outlined(shapes, program, programs, {**value, "spec": {"containers": [{"name": 1}], "type": "y"}}) is None
    assert outlined(shapes, program, programs, {**value, "spec": {"containers": [{"name": "b"}]}}) is None


def test_an_object_of_a_known_shape_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    program, programs = with_variables(EXPRESSIONS[0], **VARIABLES)
    shapes = Shapes([program], programs)
    searched: list[int] = []
    search = Program.decided

    def counted(*arguments: Any) -> tuple[Path, ...]:
        searched.append(1)
        return search(*arguments)

    monkeypatch.setattr(Program, "decided", counted)
    for number in range(20):
        containers = [{"name": f"c{number}", "image": f"r/{number}"}, {"name": f"d{number}", "image": f"x/{number}"}]
        value = {"metadata": {"name": f"app-{number}"}, "spec": {"containers": containers}}
        activation, result = recorded(program, programs, value)
        assert result is False
        assert shapes.witnesses(program, activation)[:1] == (("spec", "containers", 1, "image"),)
    assert len(searched) == 1


@pytest.mark.parametrize(
    ("expression", "known"),
    [
        ("!object.spec.containers.exists(c, c.image in ['r/a', 'r/b'])", 2),
        ("!object.metadata.name.contains('a')", 1),
        ("object.spec.containers.map(c, c.name).distinct().size() == object.spec.containers.size()", 1),
    ],
)
def test_positions_of_values_are_read_again_of_an_object_of_a_known_shape(expression: str, known: int) -> None:
    """known: by how many positions the objects differ."""
    program, programs = with_variables(expression, **VARIABLES)
    shapes = Shapes([program], programs)
    for number in range(20):
        first, second = ("r/a", "x/a") if number % 2 else (f"x/{number}", "r/b")
        again = "a" if number % 2 else "b"
        containers = [{"name": "a", "image": first}, {"name": "b", "image": second}, {"name": again, "image": "y"}]
        value = {"metadata": {"name": f"{number}-a"}, "spec": {"containers": containers}}
        activation, result = recorded(program, programs, value)
        assert result is False
        assert shapes.witnesses(program, activation) == program.decided(activation, "object")
    assert [questions.known for questions in shapes._questions.values()] == [known]


def test_what_the_search_asked_of_the_object_is_asked_of_the_next_one() -> None:
    program = Environment({"object": types.DYN, "request": types.DYN}).compile("request.namespace + request.name == ''")
    shapes = Shapes([program], {})
    for metadata in ({"name": "a", "namespace": "b"}, {"name": "a"}, {"namespace": "b"}, {}):
        activation = Recording({"object": {"metadata": metadata}, "request": {"name": "a", "namespace": "b"}})
        assert program.evaluate_recording(activation) is False
        found = [path[-1] for path in shapes.witnesses(program, activation)]
        assert found == sorted(["namespace", "name"], key=lambda name: name not in metadata)


def test_what_is_kept_is_bounded() -> None:
    program, programs = with_variables("object.spec.replicas < 0")
    shapes = Shapes([program], programs)
    for number in range(2 * MAX_KNOWN):  # a number is part of a shape
        activation, _ = recorded(program, programs, {"spec": {"replicas": number}})
        assert shapes.witnesses(program, activation) == (("spec", "replicas"),)
    assert [questions.known for questions in shapes._questions.values()] == [MAX_KNOWN]
