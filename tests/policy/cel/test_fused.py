"""The one function of a policy decides as its expressions do one by one, and is used when it pays."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

import pytest
from msgspec.structs import force_setattr

from tests.amounts import amount
from tests.policy.generated import Cases
from tests.policy.trees import binding, config_map, loaded, pod, policy, request
from webhook.cel import PLAIN
from webhook.cel.cost.metering import LATE, Deadline
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.cases import policytest
from webhook.policy.cel.fused import Fused, Fusible
from webhook.policy.cel.validating import CELValidator
from webhook.policy.evaluation import Evaluation
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.matching import RequestKey
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request
from webhook.policy.reviewing import Review

LIBRARY = Path(__file__).parents[3] / "policies"


class Watched(Fused):
    """Counts how its function was used."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        super().__init__()
        self.ended: Counter[str] = Counter()

    def judged(self, policy: Fusible, review: Review, params: Any) -> Any:
        result = super().judged(policy, review, params)
        self.ended["left" if result is None else "judged"] += 1
        return result


def watched(policies: PolicySet, name: str = "p", *, prepared: bool = True) -> tuple[CELValidator, Watched]:
    (validator,) = [each.evaluator for each in policies.validating if each.name == name]
    assert isinstance(validator, CELValidator)
    fused = Watched()
    force_setattr(validator, "fused", fused)
    if prepared:
        fused.prepare(validator)
    return validator, fused


def on(sent: Request, namespace: Any = None, deadline: Deadline | None = None) -> Review:
    return Review(sent, ManifestsView(()), lambda name: namespace, deadline)


def one(expression: str, **spec: Any) -> PolicySet:
    return loaded(policy(validations=[{"expression": expression}], **spec), binding())


def declared(name: str, validation: str) -> list[dict[str, Any]]:
    variables = [{"name": "size", "expression": "size(object.metadata.name)"}]
    spec = {"variables": variables, "validations": [{"expression": validation}]}
    return [policy(name, **spec), binding(name, name=f"{name}-b")]


# -------------------------------------------------------------------------------------------------- the same decision


def test_generated_policies_are_decided_as_by_their_expressions() -> None:
    source = Cases(20261130)
    ended: Counter[str] = Counter()
    for _ in range(amount(3_000, 150)):
        case = source.one()
        try:
            validator, fused = watched(loaded(case.policy, binding()))
        except PolicyTreeError:
            continue
        for other in (case, source.one(), source.one(), source.one()):
            sent = request(
                other.object,
                other.operation,
                old_object=other.old_object,
                namespace="default" if other.namespace else "",
            )
            params = other.params if case.params is not None else None
            expected = validator._evaluated(on(sent, other.namespace), params, PLAIN)
            assert validator.evaluate(on(sent, other.namespace), params) == expected, case
            ended["denied" if expected.failures else "passed"] += 1
        ended += fused.ended
    assert min(ended["denied"], ended["passed"]) > 50
    assert ended["judged"] > 50


def test_the_library_decides_as_by_its_expressions() -> None:
    """On the requests of all its cases, with the params that its policies ship, and with one set of shared values."""
    tree = load(LIBRARY)
    policies = [each for each in tree.validating if isinstance(each.evaluator, CELValidator)]
    tree._share(policies)
    all_watched = {each.name: watched(tree, each.name) for each in policies}
    planned, problems = policytest.plan([str(LIBRARY)], tree)
    assert problems == []
    ended: Counter[str] = Counter()
    for case in planned[:: amount(1, 40)]:
        key = RequestKey.of(case.request)
        review = on(case.request, {"metadata": {"name": "shop"}})
        for each in policies:
            if not any(rule.covers(key) for rule in each.match.rules):
                continue
            validator = all_watched[each.name][0]
            kind = each.param_kind
            found: list[Any] = [value for value in tree.objects if kind is not None and value.get("kind") == kind.kind]
            for params in found[:2] or [None]:
                expected = validator._evaluated(on(case.request, {"metadata": {"name": "shop"}}), params, PLAIN)
                assert validator.evaluate(review, params) == expected, (each.name, case.request.name)
                erred = any(failure.error for failure in expected.failures)
                ended["error" if erred else "denied" if expected.failures else "passed"] += 1
    assert all(validator.fused._run is not None for validator, _ in all_watched.values())
    used = sum((fused.ended for _, fused in all_watched.values()), Counter[str]())
    assert min(ended["denied"], ended["passed"]) > 200
    assert used["left"] < used["judged"] / 4


def test_a_message_is_what_the_api_server_would_show() -> None:
    texts = (
        "' trimmed '",
        "'  '",
        "'two\\nlines'",
        "null == null ? '' : 'x'",
        "'x'.replace('x', '" + "y" * 5_200 + "')",
    )
    validations = [{"expression": "false", "messageExpression": each, "message": "m"} for each in texts]
    validator, fused = watched(loaded(policy(validations=validations), binding()))
    found = validator.evaluate(on(request(pod())), None)
    assert [each.message for each in found.failures] == ["trimmed", "m", "m", "m", "m"]
    assert [each.index for each in found.failures] == [0, 1, 2, 3, 4]
    assert fused.ended == {"judged": 1}


def test_after_the_deadline_nothing_goes_on() -> None:
    validator, _ = watched(one("object.spec.containers.all(c, c.name == 'main')"))
    deadline = Deadline(perf_counter() - 1)
    assert validator.evaluate(on(request(pod()), deadline=deadline), None) == Evaluation()  # nobody looked at the clock
    assert deadline.late(perf_counter())
    found = validator.evaluate(on(request(pod()), deadline=deadline), None)
    assert [LATE in each.message for each in found.failures] == [True]


# ------------------------------------------------------------------------------------------------------ when it is used


def test_it_is_made_when_a_policy_has_been_evaluated_often_enough() -> None:
    validator, fused = watched(one("object.metadata.name == 'web'"), prepared=False)
    for _ in range(200):
        assert validator.evaluate(on(request(pod())), None) == Evaluation()
    assert fused.ended["left"] == 50
    assert fused.ended["judged"] == 150


def test_prepare_makes_it_and_what_is_shared_later_makes_it_anew() -> None:
    policies = one("object.metadata.name == 'web'")
    policies.prepare()
    (validator,) = [each.evaluator for each in policies.validating]
    assert isinstance(validator, CELValidator)
    made = validator.fused._run
    assert made is not None
    policies.validators_for(request(pod()))
    assert validator.fused._run is made  # `prepare` knew already what is shared
    validator.share([])
    assert validator.fused._run is made
    more = [*declared("a", "variables.size == 3"), *declared("b", "variables.size == 4")]
    policies = loaded(*more)
    policies.prepare()
    first, second = (each.evaluator for each in policies.validating)
    review = on(request(pod("web")))
    assert [len(each.evaluate(review, None).failures) for each in (first, second)] == [0, 1]
    assert review.quick is not None
    assert 3 in review.quick.values()  # what the two have in common
    first.share([])
    assert isinstance(first, CELValidator)
    assert first.fused._run is None


def test_the_policies_of_one_failure_policy_keep_what_was_made_for_all() -> None:
    """The server asks a set for each failurePolicy. Each would have other values in common."""
    other = declared("b", "variables.size == 4")
    other[0]["spec"]["failurePolicy"] = "Ignore"
    policies = loaded(*declared("a", "variables.size == 3"), *other)
    policies.prepare()
    validators = [each.evaluator for each in policies.validating]
    made = [each.fused._run for each in validators if isinstance(each, CELValidator)]
    for failure_policy in ("Fail", "Ignore"):
        assert len(policies.only(failure_policy).validators_for(request(pod()))) == 1
    assert [each.fused._run for each in validators if isinstance(each, CELValidator)] == made
    assert None not in made


@pytest.mark.parametrize(
    "spec",
    [
        {"auditAnnotations": [{"key": "k", "valueExpression": "'v'"}]},
        {"matchConditions": [{"name": "m", "expression": "authorizer.path('/healthz').check('get').allowed()"}]},
        {"variables": [{"name": f"v{number}", "expression": "object.metadata.name"} for number in range(120)]},
    ],
)
def test_there_is_none_for_some_policies(spec: dict[str, Any]) -> None:
    _, fused = watched(one("true", **spec))
    assert fused._run is None


def test_a_policy_whose_function_gives_up_is_evaluated_one_by_one_for_a_while() -> None:
    validator, fused = watched(one("object.metadata.labels.owner == 'x'"))
    bad, good = pod(), pod(labels={"owner": "x"})
    for _ in range(2_000):
        assert validator.evaluate(on(request(bad)), None).failures[0].error
    assert fused._pause == 512
    for _ in range(600):
        assert validator.evaluate(on(request(good)), None) == Evaluation()
    assert fused.ended["judged"] > 80
    assert fused._pause == 1


def test_values_that_depend_on_params_are_taken_from_the_evaluations_before() -> None:
    variables = [
        {"name": "names", "expression": "params.data.names.split(',')"},
        {"name": "more", "expression": "variables.names + variables.fixed"},
        {"name": "fixed", "expression": "['a', 'b'] + ['c']"},
    ]
    validator, fused = watched(
        one(
            "object.metadata.name in variables.more",
            variables=[variables[0], variables[2], variables[1]],
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        )
    )
    params = config_map("c", {"names": "x,y"})
    for name, allowed in (("x", True), ("x", True), ("a", True), ("c", True), ("d", False)):
        assert (validator.evaluate(on(request(pod(name))), params) == Evaluation()) is allowed
    assert fused.ended["judged"] >= 3
    assert validator.evaluate(on(request(pod("x"))), None).failures[0].error  # no params at all


# --------------------------------------------------------------------------------------------------------- large values


def steps_of(run: Callable[[], Any]) -> int:
    """The instructions of Python that something takes, those of tracing itself left out."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


WALKING = {
    "sorted": "dyn(object.spec.x).isSorted() == false",
    "index": "object.spec.x.indexOf(dyn(3)) == -1",
    "last index": "object.spec.x.lastIndexOf(dyn(3)) == -1",
    "max": "dyn(object.spec.x).max() == 1",
    "sum": "dyn(object.spec.y).sum() == 1",
    "distinct": "object.spec.x.distinct().size() == 0",
    "flatten": "object.spec.x.flatten().size() == 0",
    "slice": "object.spec.x.slice(0, 6000).size() == 0",
    "reverse": "object.spec.x.reverse().size() == 0",
    "sorted by": "object.spec.x.sortBy(e, e.name).size() == 0",
    "sets": "sets.contains(dyn(object.spec.x), dyn([1])) || sets.intersects(dyn([1]), dyn(object.spec.x))",
    "format": "'%s'.format([object.spec.x]) == ''",
    "within another": "dyn([object.spec.x]).indexOf(dyn(1)) == 0",
    "within another as text": "'%s'.format([{'a': object.spec.m}]) == ''",
    "join": "object.spec.texts.join(',') == ''",
    "in": "{'name': 1} in object.spec.x",
    "equal lists": "object.spec.x == oldObject.spec.x",
    "equal maps": "object.spec.m == oldObject.spec.m",
    "equal in others": "[object.spec] == [oldObject.spec]",
    "all": "object.spec.x.all(e, e.name != '')",
    "map": "object.spec.x.map(e, e.name).size() == 0",
    "of maps": "object.spec.m.all(k, v, v == 'v')",
}


@pytest.mark.parametrize("how", WALKING)
def test_no_value_is_walked_beyond_what_the_function_may_take(how: str) -> None:
    """It gives up after the same steps, whatever the size: what is charged late is walked for nothing."""

    def taken(size: int) -> tuple[int, Any]:
        validator, fused = watched(one(WALKING[how]))
        spec: dict[str, Any] = {
            "x": [{"name": f"n{number}"} for number in range(size)],
            "y": list(range(size)),
            "m": {f"k{number}": "v" for number in range(size)},
            "texts": [f"n{number}" for number in range(size)],
        }
        stored = {**spec, "x": [dict(each) for each in spec["x"]], "m": dict(spec["m"])}
        old = {"metadata": {"name": "a"}, "spec": stored}
        review = on(request({"metadata": {"name": "a"}, "spec": spec}, "UPDATE", old_object=old))
        results: list[Any] = []
        steps = steps_of(lambda: results.append(fused.judged(validator, review, None)))
        return steps, results[0]

    small, result = taken(12_000)
    large, same = taken(24_000)
    assert result is same is None  # it has given up
    assert abs(large - small) < 500
