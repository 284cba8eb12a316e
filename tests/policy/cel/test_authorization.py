"""The authorizer in policies: where it may be used, what it asks, and who answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.policy.trees import binding, loaded, mutating_binding, mutating_policy, pod, policy, problems, request
from webhook.access import Access, AccessDecision, AccessRule
from webhook.admission.decision import Decision
from webhook.admission.engine import decide
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.cel.declared import base_environment
from webhook.policy.request import GroupVersionResource, Request, User

YES, NO = AccessDecision(True, "declared"), AccessDecision(False)
CAN_USE = "authorizer.group('').resource('pods').namespace('default').check('use').allowed()"


class Asked(ManifestsView):
    """A view that remembers what it was asked."""

    def __init__(self, rules: Sequence[AccessRule]) -> None:
        super().__init__([], assume_namespaces=True, access_rules=rules)
        self.questions: list[Access] = []

    def authorize(self, access: Access) -> AccessDecision:
        self.questions.append(access)
        return super().authorize(access)


def decided(
    asked: Request | None = None, rules: Sequence[AccessRule] = (AccessRule(YES),), **spec: Any
) -> tuple[Decision, list[Access]]:
    view = Asked(rules)
    decision = decide(asked or request(), loaded(policy(**spec), binding()), view)
    return decision, view.questions


def messages(decision: Decision) -> list[str]:
    return [finding.message for finding in decision.findings]


def test_the_user_of_the_request_is_asked_about() -> None:
    user = User("ann", "7", ("staff",), {"scopes": ["a", "b"]})
    decision, questions = decided(request(user=user), validations=[{"expression": CAN_USE}])
    assert decision.allowed
    assert questions == [
        Access(
            user="ann",
            verb="use",
            uid="7",
            groups=("staff",),
            extra=(("scopes", ("a", "b")),),
            resource="pods",
            namespace="default",
        )
    ]


def test_what_is_not_allowed_fails_the_validation() -> None:
    decision, _ = decided(rules=[AccessRule(NO)], validations=[{"expression": CAN_USE, "message": "may not"}])
    assert messages(decision) == ["may not"]


def test_request_resource_is_what_was_sent() -> None:
    sent = request(
        resource="apps/v1/deployments/scale",
        kind="Scale",
        name="web",
        request_resource=GroupVersionResource("apps", "v1beta1", "deployments"),
    )
    rules = [
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments/scale"]},
    ]
    checked = [{"expression": "authorizer.requestResource.check('scale').allowed()"}]
    _, (question,) = decided(sent, matchConstraints={"resourceRules": rules}, validations=checked)
    asked = (question.group, question.resource, question.subresource, question.namespace, question.name, question.verb)
    assert asked == ("apps", "deployments", "scale", "default", "web", "scale")


def test_a_service_account_is_asked_about_by_its_own_name_and_groups() -> None:
    expression = "authorizer.serviceAccount('ci', 'bot').path('/metrics').check('get').allowed()"
    _, (question,) = decided(validations=[{"expression": expression}])
    assert question == Access(
        user="system:serviceaccount:ci:bot",
        verb="get",
        groups=("system:serviceaccounts", "system:serviceaccounts:ci"),
        path="/metrics",
    )


def test_one_question_is_asked_once_in_a_review_whatever_asks_it() -> None:
    decision, questions = decided(
        matchConditions=[{"name": "may", "expression": CAN_USE}],
        variables=[{"name": "may", "expression": CAN_USE}],
        validations=[
            {"expression": "variables.may"},
            {"expression": CAN_USE},
            {"expression": f"[1, 2].all(i, {CAN_USE})"},
        ],
    )
    assert decision.allowed
    assert len(questions) == 1


def test_another_review_asks_anew() -> None:
    policies = loaded(policy(validations=[{"expression": CAN_USE}]), binding())
    view = Asked([AccessRule(YES)])
    for _ in range(3):
        assert decide(request(), policies, view).allowed
    assert len(view.questions) == 3


def test_nothing_is_asked_where_nothing_needs_it() -> None:
    _, questions = decided(validations=[{"expression": f"true || {CAN_USE}"}])
    assert questions == []


def test_where_nobody_can_answer_it_is_an_evaluation_error_that_says_what_was_asked() -> None:
    decision, _ = decided(rules=(), validations=[{"expression": CAN_USE}])
    (finding,) = decision.findings
    assert finding.error
    assert finding.message == (
        f"expression '{CAN_USE}' resulted in error: no answer is declared for the authorizer: user 'jane', verb 'use', "
        "resource 'pods', namespace 'default'; declare one in `authorizations` (of the case of a PolicyTest, or of the "
        "file of check --authorizations)"
    )


def test_an_error_while_deciding_is_the_policys_to_see() -> None:
    failing = [AccessRule(AccessDecision(False, "", "webhook timed out"))]
    check = CAN_USE.removesuffix(".allowed()")
    decision, _ = decided(rules=failing, validations=[{"expression": f"{check}.errored() && {check}.error() != ''"}])
    assert decision.allowed


class TestPlaces:
    """As a kube-apiserver has it: matchConditions, validations and variables; messages and annotations not."""

    @pytest.mark.parametrize("name", ["authorizer", "authorizer.requestResource"])
    def test_in_a_message_expression_it_is_undeclared(self, name: str) -> None:
        expression = f"string({name} == {name})"
        found = problems(policy(validations=[{"expression": "false", "messageExpression": expression}]), binding())
        assert any("messageExpression: undeclared reference to 'authorizer" in message for message in found)

    def test_a_message_that_only_names_it_is_none_of_it(self) -> None:
        spec = [{"expression": "false", "messageExpression": "'ask the authorizer of ' + request.userInfo.username"}]
        decision, _ = decided(validations=spec)
        assert messages(decision) == ["ask the authorizer of jane"]

    def test_through_a_variable_the_message_falls_back(self) -> None:
        decision, questions = decided(
            rules=[AccessRule(NO)],
            variables=[
                {"name": "may", "expression": CAN_USE},
                {"name": "again", "expression": "variables.may"},
                {"name": "name", "expression": "object.metadata.name"},
            ],
            validations=[
                {"expression": "variables.may", "message": "no", "messageExpression": "string(variables.again)"},
                {"expression": "variables.may", "message": "no", "messageExpression": "variables.name + ' may not'"},
            ],
        )
        assert messages(decision) == ["no", "web may not"]
        assert len(questions) == 1

    @pytest.mark.parametrize("expression", [f"string({CAN_USE})", "string(variables.may)"])
    def test_in_an_audit_annotation_it_compiles_and_fails(self, expression: str) -> None:
        decision, _ = decided(
            variables=[{"name": "may", "expression": CAN_USE}],
            validations=[{"expression": "variables.may"}],
            auditAnnotations=[{"key": "may", "valueExpression": expression}],
        )
        (message,) = messages(decision)
        assert message.endswith("no such attribute(s): authorizer")

    def test_before_1_27_there_is_none(self) -> None:
        with pytest.raises(ValueError, match=r"Kubernetes has authorizer since 1\.27; the target is 1\.26"):
            base_environment(with_params=False, version=(1, 26)).compile(CAN_USE)


def test_validating_what_mutation_made_is_the_same_review() -> None:
    view = Asked([AccessRule(YES)])
    labelled = {"ApplyConfiguration": "Object{metadata: Object.metadata{labels: {'seen': 'yes'}}}"}
    policies = loaded(
        mutating_policy("m", labelled, matchConditions=[{"name": "may", "expression": CAN_USE}]),
        mutating_binding("m"),
        policy(validations=[{"expression": f"{CAN_USE} && object.metadata.labels.seen == 'no'"}]),
        binding(),
    )
    decision = decide(request(pod()), policies, view)
    assert decision.mutation is not None
    assert decision.mutation.changed
    assert not decision.allowed
    assert len(view.questions) == 1
