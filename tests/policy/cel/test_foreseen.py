"""An evaluation that will probably fail records its witnesses at once: the verdict and the places stay the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.amounts import amount
from tests.policy.generated import Cases
from tests.policy.trees import binding, loaded, pod, policy, request
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.cases import policytest
from webhook.policy.cel.validating import CELValidator
from webhook.policy.evaluation import Evaluation
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.matching import RequestKey
from webhook.policy.request import Request
from webhook.policy.reviewing import Recording, Review
from webhook.policy.trace import LaterTrace

LIBRARY = Path(__file__).parents[3] / "policies"
ENOUGH = 8
"""Evaluations that fail alike, after which the next ones are foreseen to."""


def on(sent: Request, recording: Recording | None = None, namespace: Any = None) -> Review:
    return Review(sent, ManifestsView(()), lambda name: namespace, recording=recording)


def places(evaluation: Evaluation) -> list[Any]:
    """The places behind each failure."""
    trace = evaluation.trace
    if trace is None:
        return []
    return [trace.witnesses(each.expression) for each in evaluation.failures if each.expression is not None]


def was_foreseen(evaluation: Evaluation) -> bool:
    return isinstance(evaluation.trace, LaterTrace) and evaluation.trace._foreseen is not None


def only(validator: Any) -> CELValidator:
    assert isinstance(validator, CELValidator)
    return validator


def compared(validator: CELValidator, asked: Request, params: Any, namespace: Any, found: Counter[str]) -> None:
    """Evaluate it until failures are foreseen, and compare each evaluation with the plain and the recorded one."""
    plain = validator.evaluate(on(asked, None, namespace), params)
    whole = validator.evaluate(on(asked, "everything", namespace), params)
    shared = on(asked, "failures", namespace)
    for _ in range(ENOUGH if plain.failures else 2):
        result = validator.evaluate(shared, params)
        assert (result.failures, result.annotations, result.annotation_errors, result.ran, result.let_pass) == (
            plain.failures,
            plain.annotations,
            plain.annotation_errors,
            plain.ran,
            plain.let_pass,
        )
        assert places(result) == (places(whole) if plain.failures else [])
        found["foreseen" if was_foreseen(result) else "not"] += 1
        found["in error"] += was_foreseen(result) and any(each.error for each in result.failures)


def test_the_places_of_generated_policies_are_those_of_the_whole_record() -> None:
    source = Cases(20261201)
    found: Counter[str] = Counter()
    for _ in range(amount(1_500, 100)):
        case = source.one()
        try:
            validator = only(loaded(case.policy, binding()).validating[0].evaluator)
        except PolicyTreeError:
            continue
        for other in (case, source.one(), source.one(), case):
            asked = request(
                other.object,
                other.operation,
                old_object=other.old_object,
                namespace="default" if other.namespace else "",
            )
            compared(validator, asked, other.params if case.params is not None else None, other.namespace, found)
    assert found["foreseen"] > 30
    assert found["in error"] == 0  # the plain form tells what the error is


def test_the_places_of_the_library_are_those_of_the_whole_record() -> None:
    """On the requests of its cases, with the params that its policies ship."""
    tree = load(LIBRARY)
    policies = [each for each in tree.validating if isinstance(each.evaluator, CELValidator)]
    tree._share(policies)
    planned, problems = policytest.plan([str(LIBRARY)], tree)
    assert problems == []
    found: Counter[str] = Counter()
    for case in planned[:: amount(7, 80)]:
        key = RequestKey.of(case.request)
        for each in policies:
            if not any(rule.covers(key) for rule in each.match.rules):
                continue
            kind = each.param_kind
            params = next((value for value in tree.objects if kind and value.get("kind") == kind.kind), None)
            compared(only(each.evaluator), case.request, params, {"metadata": {"name": "shop"}}, found)
    assert found["foreseen"] > 30


def failing(name: str) -> Request:
    containers = [{"name": "app", "image": "registry/app"}, {"name": name, "image": "elsewhere/app"}]
    return request(pod(name, containers=containers))


CONTAINERS = {"name": "containers", "expression": "object.spec.containers + object.spec.?initContainers.orValue([])"}
IMAGES: dict[str, Any] = {
    "variables": [CONTAINERS],
    "validations": [{"expression": "variables.containers.all(c, c.image.startsWith('registry/'))"}],
}


def taught(validator: CELValidator) -> None:
    """Let it fail until that is foreseen."""
    for number in range(ENOUGH):
        result = validator.evaluate(on(failing(f"c{number}"), "failures"), None)
        places(result)
    assert was_foreseen(result)


def test_what_passes_after_many_failures_passes() -> None:
    validator = only(loaded(policy(**IMAGES), binding()).validating[0].evaluator)
    taught(validator)
    good = request(pod(containers=[{"name": "a", "image": "registry/a"}]))
    for _ in range(ENOUGH):
        assert not validator.evaluate(on(good, "failures"), None).failures
    # Then failures are not foreseen any more.
    assert not was_foreseen(validator.evaluate(on(failing("c"), "failures"), None))


def test_an_error_is_told_by_the_plain_form_and_not_foreseen_again_soon() -> None:
    validator = only(loaded(policy(**IMAGES), binding()).validating[0].evaluator)
    taught(validator)
    wrong = request(pod(containers=[{"name": "a"}]))
    result = validator.evaluate(on(wrong, "failures"), None)
    (failure,) = result.failures
    assert failure.message.endswith("resulted in error: no such key: image")
    assert not was_foreseen(result)
    assert not was_foreseen(validator.evaluate(on(failing("c"), "failures"), None))


def test_places_that_take_more_than_was_recorded_are_searched() -> None:
    """Between an evaluation and the search for its places, another search may ask for more."""
    validator = only(loaded(policy(**IMAGES), binding()).validating[0].evaluator)
    taught(validator)
    result = validator.evaluate(on(failing("late"), "failures"), None)
    assert was_foreseen(result)
    validator.shapes[0]._outlines = None
    assert isinstance(result.trace, LaterTrace) and result.trace._foreseen is not None
    assert validator.shapes[0].of_record(validator.validations[0].program, *result.trace._foreseen) is None
    assert places(result) == places(validator.evaluate(on(failing("late"), "everything"), None))
    assert places(result)[0][0] == ("spec", "containers", 1, "image")


def test_values_of_other_policies_do_not_stand_for_what_has_to_be_recorded() -> None:
    passing = {**IMAGES, "validations": [{"expression": "variables.containers.all(c, has(c.image))"}]}
    tree = loaded(policy("a", **passing), binding("a", name="of-a"), policy("b", **IMAGES), binding("b", name="of-b"))
    tree._share(tree.validating)
    first, second = (only(each.evaluator) for each in tree.validating)
    for number in range(ENOUGH):
        review = on(failing(f"c{number}"), "failures")
        assert not first.evaluate(review, None).failures
        assert len(review.shared) == 1
        result = second.evaluate(review, None)
        assert places(result)[0][0] == ("spec", "containers", 1, "image")
    assert isinstance(result.trace, LaterTrace) and result.trace._foreseen is not None
    assert second.shapes[0].of_record(second.validations[0].program, *result.trace._foreseen) is not None
