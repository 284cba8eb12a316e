"""Why an expression has its value: the tree of its sub-expressions, which never differs from the evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount
from tests.cel import conformance
from tests.cel.evaluating import ENVIRONMENT, unchecked, with_variables
from tests.cel.expressions import ERRORS, VALUES
from tests.cel.generated import Expressions, X
from tests.timing import within
from webhook.cel import Activation, CompileError, CostError, Environment, EvaluationError, types
from webhook.cel.program import Program, Recording
from webhook.cel.why.explanation import Explanation, Step
from webhook.paths import render

OBJECT: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 50,
        "volumes": [
            {"name": "tmp"},
            {"name": "h", "hostPath": {"path": "/"}},
            {"name": "i", "hostPath": {"path": "/i"}},
        ],
    },
    "numbers": [1, 2, 3, 4, 5, 6, 7, 8],
}


def explained(expression: str, **variables: str) -> Explanation:
    program, programs = with_variables(expression, **variables)
    return program.explain(Recording({"object": OBJECT, "x": 10}, variables=programs))


def sketch(step: Step, depth: int = 0) -> str:
    """The tree in short, a line a step: its text, and its value, `!` and error, or `-` where it was skipped."""
    shown = {"value": f"= {step.value!r}", "error": f"! {step.error}", "skipped": "-"}[step.outcome]
    lines = ["  " * depth + f"{step.text} {shown}"]
    if step.variable is not None:
        lines.append(sketch(step.variable, depth + 1))
    lines += [sketch(child, depth + 1) for child in step.children if not (child.plain or child.name == "literal")]
    for each in step.rounds:
        lines.append("  " * (depth + 1) + f"[{each.place} of {step.total}{'!' if each.decides else ''}] {each.items!r}")
        lines += [sketch(child, depth + 2) for child in each.children]
    return "\n".join(lines)


def steps(step: Step, *, in_loops: bool = True) -> Iterator[Step]:
    """A step and all below it. in_loops: those that may use a loop's variable too."""
    yield step
    if step.variable is not None:
        yield from steps(step.variable, in_loops=in_loops)
    if not in_loops and step.name in ("optMap", "optFlatMap"):
        yield from steps(step.children[0], in_loops=False)
        return
    for child in step.children:
        yield from steps(child, in_loops=in_loops)
    for each in step.rounds if in_loops else ():
        for child in each.children:
            yield from steps(child)


# ------------------------------------------------------------------------------------------------------- what is told


def test_short_circuit_shows_what_was_skipped_and_the_failing_element_of_all() -> None:
    found = explained("has(object.spec.nope) || object.spec.volumes.all(v, !has(v.hostPath)) || x > 9 || x > 8")
    assert sketch(found.root) == (
        "has(object.spec.nope) || object.spec.volumes.all(v, !has(v.hostPath)) || x > 9 || x > 8 = True\n"
        "  has(object.spec.nope) = False\n"
        "  object.spec.volumes.all(v, !has(v.hostPath)) = False\n"
        "    [1 of 3!] (('v', {'name': 'h', 'hostPath': {'path': '/'}}, 0),)\n"
        "      !has(v.hostPath) = False\n"
        "        has(v.hostPath) = True\n"
        "  x > 9 = True\n"
        "  x > 8 -"
    )


@pytest.mark.parametrize(
    "expression",
    [
        "'a' in ['b', 'c']",
        "!(object.metadata.name in ['web', 'x'])",
        "['web'].exists(n, n in ['web', 'x'])",
        "object.spec.volumes.all(v, v.name in ['tmp', 'h', 'i'])",
        "object.metadata.name in ['a'] || x in [10]",
        "x in [1, 2]",
        "object.metadata.name in [dyn('web')]",
        "object.metadata.name in {'web': 1}",
        "[1, 2].exists(n, n == x)",
    ],
)
def test_a_literal_that_was_looked_up_in_was_evaluated(expression: str) -> None:
    found = explained(expression)
    assert [step.text for step in steps(found.root) if step.outcome == "skipped"] == []
    literals = [step for step in steps(found.root) if step.name == "list"]
    assert all(isinstance(step.value, list) and len(step.value) == len(step.children) for step in literals)


def test_a_literal_that_was_not_looked_up_in_was_skipped() -> None:
    found = explained("x > 5 || object.metadata.name in ['web']")
    assert [step.text for step in steps(found.root) if step.outcome == "skipped"] == ["object.metadata.name in ['web']"]
    found = explained("object.spec.nope in ['web']")
    assert [step.text for step in steps(found.root) if step.outcome == "skipped"] == ["['web']"]


@pytest.mark.parametrize(
    ("expression", "form"),
    [
        ("[].exists_one(e, e == 1)", "loop"),
        ("[].map(e, e).size() == 0", "loop"),
        ("[].all(e, e == 1)", "loop"),
        ("[].transformList(i, e, e) == []", "loop"),
        ("optional.none().orValue(1) == 1", "default"),
        ("optional.of(1).optMap(e, e + 1).hasValue()", "mapped"),
        ("1 + 1 == 2", ""),
    ],
)
def test_a_step_has_the_form_of_its_macro_or_function(expression: str, form: str) -> None:
    forms = {step.form for step in steps(explained(expression).root)}
    assert forms == {"", form}


def test_only_the_branch_that_was_taken_has_a_value() -> None:
    found = explained("x > 5 ? object.metadata.name + '!' : string(x)")
    assert sketch(found.root) == (
        "x > 5 ? object.metadata.name + '!' : string(x) = 'web!'\n"
        "  x > 5 = True\n"
        "  object.metadata.name + '!' = 'web!'\n"
        "  string(x) -"
    )


def test_an_error_is_shown_at_the_sub_expression_that_raised_it() -> None:
    found = explained("size(object.spec.nope.more) > x + 1")
    assert sketch(found.root) == (
        "size(object.spec.nope.more) > x + 1 ! no such key: nope\n"
        "  size(object.spec.nope.more) ! no such key: nope\n"
        "    object.spec.nope.more ! no such key: nope\n"
        "      object.spec.nope ! no such key: nope\n"
        "  x + 1 -"
    )
    assert list(map(render, found.witnesses)) == ["spec.nope"]


def test_an_error_that_a_value_outweighed_stays_visible() -> None:
    found = explained("object.nope == 1 || x == 10")
    assert sketch(found.root) == (
        "object.nope == 1 || x == 10 = True\n"
        "  object.nope == 1 ! no such key: nope\n"
        "    object.nope ! no such key: nope\n"
        "  x == 10 = True"
    )
    assert [child.decides for child in found.root.children] == [False, True]


def test_a_variable_brings_its_own_expression_where_it_is_first_used() -> None:
    found = explained("variables.r > 60 || variables.r > 70", r="object.spec.replicas + x")
    assert sketch(found.root) == (
        "variables.r > 60 || variables.r > 70 = False\n"
        "  variables.r > 60 = False\n"
        "    variables.r = 60\n"
        "      object.spec.replicas + x = 60\n"
        "  variables.r > 70 = False"
    )


def test_the_error_of_a_variable_is_shown_within_it() -> None:
    found = explained("variables.r == 1", r="1 / (x - 10)")
    assert sketch(found.root) == (
        'variables.r == 1 ! composited variable "r" fails to evaluate: division by zero\n'
        '  variables.r ! composited variable "r" fails to evaluate: division by zero\n'
        "    1 / (x - 10) ! division by zero\n"
        "      x - 10 = 0"
    )


def test_filters_show_what_they_chose_and_folds_a_bounded_number_of_rounds() -> None:
    chosen = explained("object.numbers.filter(n, n > 4)").root
    assert [each.place for each in chosen.rounds] == [4, 5, 6]
    made = explained("object.numbers.map(n, n * 2)").root
    assert [each.place for each in made.rounds] == [0, 1, 2]
    held = explained("object.numbers.all(n, n > 0)").root
    assert (len(held.rounds), held.total) == (3, 8)
    assert not any(each.decides for each in held.rounds)


def test_the_round_in_which_a_loop_failed_is_shown() -> None:
    for expression in ("object.numbers.map(n, 10 / (n - 5))", "object.numbers.all(n, 10 / (n - 5) < 99)"):
        (only,) = explained(expression).root.rounds
        assert (only.place, only.decides, only.children[0].error) == (4, True, "division by zero")


def test_a_round_of_an_outer_loop_keeps_its_own_inner_loop() -> None:
    found = explained("object.numbers.map(n, object.numbers.exists(m, m == n + 1))").root
    assert [each.children[0].rounds[0].place for each in found.rounds] == [1, 2, 3]
    inner = found.rounds[1].children[0].rounds[0]
    assert sketch(inner.children[0]) == "m == n + 1 = True\n  n + 1 = 3"


def test_macros_are_shown_as_written_and_their_bodies_with_what_they_bind() -> None:
    found = explained("object.?spec.?replicas.optMap(r, r + 1).orValue(0)")
    assert sketch(found.root) == (
        "object.?spec.?replicas.optMap(r, r + 1).orValue(0) = 51\n"
        "  object.?spec.?replicas.optMap(r, r + 1) = optional(51)\n"
        "    r + 1 = 51"
    )
    absent = explained("object.?nope.optFlatMap(r, r.?a)").root
    assert [child.outcome for child in absent.children] == ["value", "skipped"]


def test_two_variable_loops_show_both() -> None:
    found = explained("object.metadata.all(k, v, v != 'web')").root
    assert found.rounds[0].items == (("k", "name", 0), ("v", "web", 0))
    assert found.rounds[0].path == ("metadata", "name")


def test_the_paths_of_values_are_told() -> None:
    found = explained("object.spec.replicas <= x && true")
    assert found.root.children[0].children[0].path == ("spec", "replicas")
    assert list(map(render, found.witnesses)) == ["spec.replicas"]


def test_what_decided_is_marked() -> None:
    found = explained("x == 10 && x == 11 && x == 10")
    assert [(child.outcome, child.decides) for child in found.root.children] == [
        ("value", False),
        ("value", True),
        ("skipped", False),
    ]


def test_an_explanation_may_be_asked_for_on_any_activation_and_leaves_it_alone() -> None:
    activation = Activation({"object": OBJECT, "x": 10, "y": None})
    program = ENVIRONMENT.compile("object.spec.replicas > x")
    assert program.explain(activation).value is True
    assert activation.cost == 0
    assert not hasattr(activation, "record")


# ---------------------------------------------------------------------------------------------------------- agreement


def result(program: Program, activation: Activation) -> tuple[str, Any]:
    try:
        return "value", program.evaluate(activation)
    except EvaluationError as error:
        return "error", str(error)


def agree(program: Program, bindings: dict[str, Any], variables: dict[str, Program] | None = None) -> Explanation:
    kind, value = result(program, Activation(bindings, variables=variables or {}))
    found = program.explain(Activation(bindings, variables=variables or {}))
    assert (found.failed, repr(found.error if kind == "error" else found.value)) == (kind == "error", repr(value))
    consistent(found.root)
    return found


def consistent(root: Step) -> None:
    """What is true of every tree: an error comes from somewhere, and what was skipped has nothing below it."""
    for step in steps(root):
        assert step.text == step.source[step.start : step.end] != ""
        if step.outcome == "skipped":
            assert (step.children, step.rounds, step.variable) == ((), (), None)
        if step.outcome == "error":
            assert step.error


def test_explain_and_evaluate_agree_on_the_conformance_suite() -> None:
    if not conformance.SUITE.is_dir():
        pytest.skip(f"the conformance suite is not at {conformance.SUITE}")
    compared = 0
    for case in conformance.cases():
        raw = case.raw
        if conformance.functions(raw) or raw.get("check_only"):
            continue
        variables = {
            each["name"]: conformance.declared(each["ident"]) for each in raw.get("type_env", ()) if "ident" in each
        }
        environment = Environment(variables, container=raw.get("container", ""))
        try:
            program = conformance.compiled(case, environment)
        except CompileError:
            continue
        agree(program, {name: conformance.value(bound) for name, bound in raw.get("bindings", {}).items()})
        compared += 1
    assert compared > 1000


def test_explain_and_evaluate_agree_on_the_expressions_of_the_other_tests() -> None:
    for case in (*VALUES, *ERRORS):
        agree(ENVIRONMENT.compile(case[0]), {"object": None, "x": None, "y": None, **case[1]})


def test_explain_and_evaluate_agree_on_generated_expressions_and_on_every_part_of_them() -> None:
    made = Expressions(11)
    environment = Environment({"x": types.DYN})
    parts = 0
    for _ in range(amount(3000, 800)):
        expression = made.one()
        try:
            program = environment.compile(expression)
        except CompileError:
            continue
        found = agree(program, {"x": X})
        for step in steps(found.root, in_loops=False):
            if step.outcome == "skipped" or step is found.root:
                continue
            # Each part by itself has the value, or the error, that the tree says.
            alone = result(unchecked(step.text, environment), Activation({"x": X}))
            told = ("value", step.value) if step.outcome == "value" else ("error", step.error)
            if step.outcome == "error" and step.value is not None:
                continue  # a value of the wrong type where a boolean is wanted
            assert repr(alone) == repr(told), (expression, step.text)
            parts += 1
    assert parts > amount(5000, 1300)


def test_an_evaluation_that_ran_out_of_budget_shows_where() -> None:
    numbers = {"x": list(range(1000)), "object": None, "y": None}
    program = ENVIRONMENT.compile("x.all(a, x.all(b, x.all(c, a + b + c >= 0)))")
    found = agree(program, numbers)
    assert found.error == str(CostError())
    assert found.root.rounds[0].decides


# -------------------------------------------------------------------------------------------------------------- bounds


def test_long_loops_and_long_expressions_are_explained_in_bounded_time_and_size() -> None:
    numbers = {"x": list(range(10_000)), "object": None, "y": None}
    wide = " + ".join(f"x.map(e, e + {n})[0]" for n in range(20))
    many = "x != null && (" + " && ".join(f"x[{n}] == {n}" for n in range(3300)) + ")"
    assert len(many) > 50_000
    for expression, most in ((wide, 20 * 40), (many, 3300 * 10)):
        program = ENVIRONMENT.compile(expression)
        with within(10, time.process_time):
            found = agree(program, numbers)
        assert sum(1 for _ in steps(found.root)) < most


def test_the_module_is_not_loaded_by_evaluation() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from webhook.cel import Environment, Activation, types;"
        "Environment({'x': types.DYN}).compile('x == 1').evaluate(Activation({'x': 1}));"
        "assert not {'webhook.cel.why.explainer', 'webhook.cel.tree.sourcespans', 'webhook.cel.why.explanation'}"
        "& set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
