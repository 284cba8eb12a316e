"""Which requests a policy or a binding is about."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.trees import ALL, PODS, binding, loaded, namespace, pod, policy, request, verdict
from webhook.policy.request import Request


def denied(rules: list[dict[str, Any]], asked: Request, *cluster: dict[str, Any], **match: Any) -> bool:
    return not verdict(loaded(policy(rules=rules, match=match), binding()), asked, *cluster).allowed


@pytest.mark.parametrize(
    ("resources", "asked", "matches"),
    [
        (["pods"], "v1/pods", True),
        (["pods"], "v1/pods/exec", False),
        (["pods"], "v1/services", False),
        (["pods/exec"], "v1/pods/exec", True),
        (["pods/exec"], "v1/pods", False),
        (["pods/*"], "v1/pods", True),
        (["pods/*"], "v1/pods/status", True),
        (["pods/*"], "v1/services/status", False),
        (["*"], "v1/pods", True),
        (["*"], "v1/pods/exec", False),
        (["*/scale"], "apps/v1/deployments/scale", True),
        (["*/scale"], "apps/v1/deployments", False),
        (["*/*"], "apps/v1/deployments/scale", True),
        (["*/*"], "v1/pods", True),
        (["services", "pods"], "v1/pods", True),
    ],
)
def test_resources_and_subresources(resources: list[str], asked: str, matches: bool) -> None:
    assert denied([{**ALL, "resources": resources}], request(resource=asked)) is matches


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"apiGroups": ["apps"]}, True),
        ({"apiGroups": [""]}, False),
        ({"apiGroups": ["", "apps"]}, True),
        ({"apiVersions": ["v1"]}, True),
        ({"apiVersions": ["v1beta1"]}, False),
        ({"operations": ["CREATE"]}, True),
        ({"operations": ["UPDATE", "DELETE"]}, False),
        ({"operations": ["*"]}, True),
    ],
)
def test_groups_versions_and_operations(rule: dict[str, Any], matches: bool) -> None:
    assert denied([{**ALL, **rule}], request(resource="apps/v1/deployments", kind="Deployment")) is matches


@pytest.mark.parametrize(
    ("scope", "resource", "in_namespace", "matches"),
    [
        ("Namespaced", "v1/pods", "default", True),
        ("Namespaced", "v1/nodes", "", False),
        ("Cluster", "v1/pods", "default", False),
        ("Cluster", "v1/nodes", "", True),
        ("*", "v1/pods", "default", True),
        # A Namespace's request carries a namespace, its own name.
        ("Namespaced", "v1/namespaces", "team", False),
        ("Cluster", "v1/namespaces", "team", True),
        ("Cluster", "v1/namespaces/status", "team", True),
    ],
)
def test_scope(scope: str, resource: str, in_namespace: str, matches: bool) -> None:
    asked = request(resource=resource, namespace=in_namespace)
    assert denied([{**ALL, "scope": scope}], asked) is matches


def test_resource_names_hold_for_those_names_alone() -> None:
    rules = [{**ALL, "resourceNames": ["web", "db"]}]
    assert denied(rules, request(pod("web")))
    assert not denied(rules, request(pod("cache")))


def test_a_name_that_the_server_has_yet_to_generate_is_in_no_resource_names() -> None:
    assert not denied([{**ALL, "resourceNames": ["web"]}], request(name=""))


def test_any_rule_is_enough() -> None:
    rules = [{**PODS, "operations": ["DELETE"]}, {**PODS, "resourceNames": ["other"]}, PODS]
    assert denied(rules, request())


def test_excluded_rules_win() -> None:
    assert not denied([ALL], request(), excludeResourceRules=[PODS])
    assert denied([ALL], request(resource="v1/services"), excludeResourceRules=[PODS])


def test_an_exclusion_by_name_or_scope_leaves_the_others() -> None:
    assert not denied([ALL], request(pod("web")), excludeResourceRules=[{**PODS, "resourceNames": ["web"]}])
    assert denied([ALL], request(pod("db")), excludeResourceRules=[{**PODS, "resourceNames": ["web"]}])
    assert denied([ALL], request(), excludeResourceRules=[{**PODS, "scope": "Cluster"}])


class TestNamespaceSelector:
    TEAM = {"matchLabels": {"team": "a"}}

    def test_holds_against_the_labels_of_the_namespace_as_it_is(self) -> None:
        assert denied([ALL], request(), namespace("default", team="a"), namespaceSelector=self.TEAM)
        assert not denied([ALL], request(), namespace("default", team="b"), namespaceSelector=self.TEAM)

    def test_other_cluster_scoped_objects_always_match(self) -> None:
        asked = request(resource="v1/nodes", kind="Node", namespace="")
        assert denied([ALL], asked, namespaceSelector=self.TEAM)

    def test_a_namespace_is_matched_by_its_own_new_labels(self) -> None:
        def asked(**labels: str) -> Request:
            return request(
                namespace("x", **labels), "UPDATE", resource="v1/namespaces", kind="Namespace", namespace="x"
            )

        live = namespace("x", team="b")
        assert denied([ALL], asked(team="a"), live, namespaceSelector=self.TEAM)
        assert not denied([ALL], asked(), namespace("x", team="a"), namespaceSelector=self.TEAM)

    def test_a_namespace_that_is_deleted_by_those_it_has(self) -> None:
        asked = request(None, "DELETE", resource="v1/namespaces", kind="Namespace", namespace="x", name="x")
        assert denied([ALL], asked, namespace("x", team="a"), namespaceSelector=self.TEAM)
        assert not denied([ALL], asked, namespace("x", team="b"), namespaceSelector=self.TEAM)

    def test_a_subresource_of_a_namespace_by_those_it_has(self) -> None:
        asked = request(
            namespace("x", team="a"), "UPDATE", resource="v1/namespaces/status", kind="Namespace", namespace="x"
        )
        assert not denied([ALL], asked, namespace("x", team="b"), namespaceSelector=self.TEAM)

    def test_an_unknown_namespace_is_a_configuration_error(self) -> None:
        policies = loaded(policy(match={"namespaceSelector": self.TEAM}), binding())
        decision = verdict(policies, request(), assume=False)
        assert decision.message == (
            "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: namespaces \"default\" not found"
        )
        assert decision.findings[0].error

    def test_but_only_if_everything_else_matches(self) -> None:
        rules = [{**PODS, "resourceNames": ["other"]}]
        policies = loaded(policy(rules=rules, match={"namespaceSelector": self.TEAM}), binding())
        assert verdict(policies, request(), assume=False).allowed
        selected = {"namespaceSelector": self.TEAM, "objectSelector": {"matchLabels": {"a": "b"}}}
        assert verdict(loaded(policy(match=selected), binding()), request(), assume=False).allowed

    def test_in_a_binding_it_is_the_bindings_configuration_error(self) -> None:
        policies = loaded(policy(), binding(matchResources={"namespaceSelector": self.TEAM}))
        assert verdict(policies, request(), assume=False).message == (
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
            'failed to configure binding: namespaces "default" not found'
        )

    def test_under_failure_policy_ignore_it_lets_pass(self) -> None:
        policies = loaded(policy(failurePolicy="Ignore", match={"namespaceSelector": self.TEAM}), binding())
        assert verdict(policies, request(), assume=False).allowed


class TestObjectSelector:
    WEB = {"matchLabels": {"app": "web"}}

    def test_the_new_object_or_the_old_one_is_enough(self) -> None:
        web, plain = pod(labels={"app": "web"}), pod()
        assert denied([ALL], request(web), objectSelector=self.WEB)
        assert denied([ALL], request(plain, "UPDATE", old_object=web), objectSelector=self.WEB)
        assert denied([ALL], request(None, "DELETE", old_object=web), objectSelector=self.WEB)
        assert not denied([ALL], request(plain, "UPDATE", old_object=plain), objectSelector=self.WEB)

    def test_on_connect_any_selector_fails_and_an_empty_one_matches(self) -> None:
        asked = request({"kind": "PodExecOptions"}, "CONNECT", resource="v1/pods/exec", kind="PodExecOptions")
        absent = {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}
        assert not denied([ALL], asked, objectSelector=absent)
        assert denied([ALL], asked, objectSelector={})

    @pytest.mark.parametrize(
        ("expression", "labels", "matches"),
        [
            ({"key": "t", "operator": "In", "values": ["a", "b"]}, {"t": "a"}, True),
            ({"key": "t", "operator": "In", "values": ["a", "b"]}, {"t": "c"}, False),
            ({"key": "t", "operator": "In", "values": ["a"]}, {}, False),
            ({"key": "t", "operator": "NotIn", "values": ["a"]}, {"t": "a"}, False),
            ({"key": "t", "operator": "NotIn", "values": ["a"]}, {"t": "b"}, True),
            ({"key": "t", "operator": "NotIn", "values": ["a"]}, {}, True),
            ({"key": "t", "operator": "Exists"}, {"t": ""}, True),
            ({"key": "t", "operator": "Exists"}, {}, False),
            ({"key": "t", "operator": "DoesNotExist"}, {"t": "a"}, False),
            ({"key": "t", "operator": "DoesNotExist"}, {}, True),
        ],
    )
    def test_expressions(self, expression: dict[str, Any], labels: dict[str, str], matches: bool) -> None:
        selector = {"matchExpressions": [expression]}
        assert denied([ALL], request(pod(labels=labels)), objectSelector=selector) is matches

    def test_all_demands_must_hold(self) -> None:
        selector = {**self.WEB, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}
        assert denied([ALL], request(pod(labels={"app": "web", "tier": "x"})), objectSelector=selector)
        assert not denied([ALL], request(pod(labels={"app": "web"})), objectSelector=selector)

    @pytest.mark.parametrize(
        "metadata", [[], "text", {"labels": ["app"]}, {"labels": {"app": ["web"]}}, {"labels": None}]
    )
    def test_objects_with_nonsense_for_metadata_have_no_labels(self, metadata: Any) -> None:
        asked = request().with_object({"kind": "Pod", "metadata": metadata})
        assert not denied([ALL], asked, objectSelector=self.WEB)


def test_a_binding_narrows_its_policy() -> None:
    policies = loaded(policy(), binding(matchResources={"resourceRules": [PODS]}))
    assert not verdict(policies, request()).allowed
    assert verdict(policies, request(resource="v1/services")).allowed


def test_a_binding_without_rules_takes_all_that_the_policy_matches() -> None:
    policies = loaded(policy(rules=[PODS]), binding(matchResources={"objectSelector": {}}))
    assert not verdict(policies, request()).allowed
    assert verdict(policies, request(resource="v1/services")).allowed


@pytest.mark.parametrize(
    "resource",
    [
        "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        "admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
        "admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
        "admissionregistration.k8s.io/v1/validatingadmissionpolicies/status",
        "authentication.k8s.io/v1/tokenreviews",
        "authentication.k8s.io/v1/selfsubjectreviews",
        "authorization.k8s.io/v1/subjectaccessreviews",
        "authorization.k8s.io/v1/selfsubjectaccessreviews",
        "authorization.k8s.io/v1/localsubjectaccessreviews",
        "authorization.k8s.io/v1/selfsubjectrulesreviews",
    ],
)
def test_some_kinds_are_exempt_from_policies(resource: str) -> None:
    assert not denied([ALL], request(resource=resource, namespace=""))


def test_webhook_configurations_are_not_exempt() -> None:
    assert denied([ALL], request(resource="admissionregistration.k8s.io/v1/validatingwebhookconfigurations"))
    assert denied([ALL], request(resource="v1/serviceaccounts/token"))


def test_kinds_of_request_that_nobody_sees_again_do_not_fill_the_memory() -> None:
    policies = loaded(policy(), binding())
    for number in range(5000):
        assert not verdict(policies, request(resource=f"v1/things{number}")).allowed
    assert len(policies._kept) <= 4096
    kept = len(policies._kept)
    assert not verdict(policies, request(resource=f"v1/{'x' * 10_000}")).allowed
    assert len(policies._kept) == kept
