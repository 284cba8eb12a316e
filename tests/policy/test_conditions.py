"""matchConditions of a binding, for policies in Python."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import binding, loaded_files, pod, policy, problems, request, verdict, wrong
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.policy.request import GroupVersionResource
from webhook.policy.reviewing import Review

PYTHON = """\
    from gatewright import validate

    @validate(resources=["*"], operations=["*"])
    def p(request):
        yield "no"
    """
ANNOTATION = "gatewright.dev/match-conditions"


def annotated(text: str) -> dict[str, Any]:
    bound = binding()
    bound["metadata"]["annotations"] = {ANNOTATION: text}
    return bound


def conditioned(root: Path, *expressions: str) -> PolicySet:
    text = json.dumps([{"name": f"c{index}", "expression": each} for index, each in enumerate(expressions)])
    return loaded_files(root, p_py=PYTHON, binding_yaml=json.dumps(annotated(text)))


def test_a_request_of_which_one_is_false_is_passed_over(tmp_path: Path) -> None:
    policies = conditioned(tmp_path, "request.operation == 'CREATE'", "object.metadata.name == 'web'")
    assert not verdict(policies).allowed
    assert verdict(policies, request(pod("db"))).evaluated == ()
    assert verdict(policies, request(pod(), "UPDATE", old_object=pod())).allowed


def test_one_that_fails_denies_unless_another_is_false(tmp_path: Path) -> None:
    policies = conditioned(tmp_path, "object.metadata.nope == 'x'", "object.metadata.name == 'web'")
    [finding] = verdict(policies).findings
    assert finding.message == (
        "failed to configure binding: expression 'object.metadata.nope == 'x'' resulted in error: no such key: nope"
    )
    assert verdict(policies, request(pod("db"))).allowed


def test_they_see_the_resource_that_was_sent(tmp_path: Path) -> None:
    policies = conditioned(tmp_path, "request.resource.version == 'v2'")
    assert not verdict(policies, request(request_resource=GroupVersionResource("", "v2", "pods"))).evaluated
    assert verdict(policies, request(resource="v2/pods")).evaluated


EXPRESSIONS = (
    "true",
    "object.metadata.name == 'web'",
    "request.operation == 'CREATE'",
    "oldObject == null",
    "request.resource.version == 'v2'",
    "object.metadata.nope == 'x'",
    "namespaceObject == null",
    "object.?metadata.?labels[?'a'].orValue('') == 'b'",
    "object.?metadata.?annotations.?x.hasValue()",
    "object.metadata.?labels.orValue({}).size() > 0 || request.name == 'db'",
    "oldObject.metadata.labels.all(k, k != 'a')",
    "dyn(object.metadata.name) > 1",
)


def test_one_function_decides_as_the_conditions_one_by_one(tmp_path: Path) -> None:
    """Of each pair of conditions, on requests of all operations: the same condition, the same errors."""
    labelled, null = pod(), pod()
    labelled["metadata"]["labels"] = {"a": "b"}
    null["metadata"] |= {"labels": None, "annotations": {"x": None}}
    sent = [
        request(pod("db")),
        request(labelled, "UPDATE", old_object=pod()),
        request(null, "UPDATE", old_object=labelled),
        request(None, "DELETE", old_object=labelled),
        request(request_resource=GroupVersionResource("", "v2", "pods")),
    ]
    ended = Counter[str]()
    for number, pair in enumerate(product(EXPRESSIONS, repeat=2)):
        (tmp_path / str(number)).mkdir()
        policies = conditioned(tmp_path / str(number), *pair)
        policies.prepare()
        conditions = policies.validating[0].bindings[0].conditions
        assert conditions is not None
        for each in sent:
            review = Review(each, ManifestsView(()), lambda _: None)
            expected = conditions.unmatched(review)
            assert conditions.unmatched_by(review) == expected, pair
            judged = conditions.fused.judged(conditions, review, None)
            ended["left" if judged is None else "matched" if judged is True else "unmatched"] += 1
            ended["error"] += isinstance(expected, str)
    assert min(ended["matched"], ended["unmatched"], ended["left"], ended["error"]) > 20


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {name: c", "not YAML"),
        ("", "expected a YAML list of conditions, each with name and expression"),
        ("[]", "expected a YAML list of conditions"),
        ("- expression: 'true'", "[0].name: required"),
        ("- {name: c}", "[0].expression: required: a CEL expression"),
        ("- {name: c, expression: 'true', when: now}", "[0].when: unknown field"),
        ("- {name: c, expression: '1'}", "c: must evaluate to bool but got int"),
        ("- {name: c, expression: params.x}", "c: undeclared reference to 'params'"),
        (
            "- {name: c, expression: 'true'}\n- {name: c, expression: 'true'}",
            "[1].name: 'c' is the name of two conditions",
        ),
    ],
)
def test_what_is_no_list_of_conditions_is_refused(tmp_path: Path, text: str, told: str) -> None:
    found = wrong(tmp_path, p_py=PYTHON, binding_yaml=json.dumps(annotated(text)))
    place = "ValidatingAdmissionPolicyBinding 'b': metadata.annotations['gatewright.dev/match-conditions']: "
    assert any(problem.message.startswith(place) and told in problem.message for problem in found), found


def test_a_cel_policy_has_conditions_of_its_own() -> None:
    [message] = problems(policy(), annotated("[{name: c, expression: 'true'}]"))
    assert message.endswith("policy 'p' is in CEL; write the conditions in its spec.matchConditions")
