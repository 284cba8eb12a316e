"""The engine: params, configuration errors, actions, order, and what `decide` puts together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.definitions import definition
from tests.policy.trees import (
    binding,
    config_map,
    loaded,
    loaded_files,
    mutating_binding,
    namespace,
    pod,
    policy,
    request,
    tree,
    verdict,
)
from webhook.admission import engine
from webhook.admission.decision import Decision
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request

CONFIG_MAPS = {"apiVersion": "v1", "kind": "ConfigMap"}
DENIED = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


def messages(decision: Decision) -> list[str]:
    return [finding.message for finding in decision.findings]


class TestParams:
    CHECK = [{"expression": "false", "messageExpression": "params == null ? 'null' : string(params.metadata.name)"}]

    def evaluated(
        self,
        ref: dict[str, Any] | None,
        *cluster: dict[str, Any],
        asked: Request | None = None,
        kind: dict[str, str] = CONFIG_MAPS,
        **spec: Any,
    ) -> Decision:
        ref = None if ref is None else {"parameterNotFoundAction": "Deny", **ref}
        policies = loaded(policy(paramKind=kind, validations=self.CHECK, **spec), binding(paramRef=ref))
        return verdict(policies, asked, *cluster)

    def test_by_name_in_the_namespace_of_the_request(self) -> None:
        assert messages(self.evaluated({"name": "c"}, config_map("c"), config_map("c", namespace="x"))) == ["c"]

    def test_by_name_in_a_namespace_of_its_own(self) -> None:
        assert messages(self.evaluated({"name": "c", "namespace": "x"}, config_map("c", namespace="x"))) == ["c"]

    def test_by_selector_each_is_evaluated_on_its_own(self) -> None:
        cluster = (
            config_map("b", labels={"use": "yes"}),
            config_map("a", labels={"use": "yes"}),
            config_map("other"),
            config_map("far", namespace="x", labels={"use": "yes"}),
        )
        assert messages(self.evaluated({"selector": {"matchLabels": {"use": "yes"}}}, *cluster)) == ["a", "b"]

    def test_an_empty_selector_takes_all(self) -> None:
        assert messages(self.evaluated({"selector": {}}, config_map("a"), config_map("b"))) == ["a", "b"]

    def test_no_param_kind_ignores_the_ref(self) -> None:
        policies = loaded(policy(), binding(paramRef={"name": "c", "parameterNotFoundAction": "Deny"}))
        assert messages(verdict(policies)) == ["no"]

    def test_no_ref_gives_null(self) -> None:
        assert messages(self.evaluated(None)) == ["null"]

    @pytest.mark.parametrize("ref", [{"name": "c"}, {"selector": {"matchLabels": {"a": "b"}}}])
    def test_none_found_denies_or_skips_the_binding(self, ref: dict[str, Any]) -> None:
        assert self.evaluated(ref, config_map("other")).message == (
            f"{DENIED}failed to configure binding: "
            "no params found for policy binding with `Deny` parameterNotFoundAction"
        )
        assert self.evaluated({**ref, "parameterNotFoundAction": "Allow"}).allowed

    def test_a_namespaced_kind_for_a_cluster_scoped_request(self) -> None:
        asked = request(resource="v1/nodes", kind="Node", namespace="")
        assert self.evaluated({"name": "c"}, config_map("c"), asked=asked).message == (
            f"{DENIED}failed to configure binding: "
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
        assert messages(self.evaluated({"name": "c", "namespace": "default"}, config_map("c"), asked=asked)) == ["c"]

    def test_a_namespaces_request_looks_in_that_namespace(self) -> None:
        asked = request(namespace("x"), resource="v1/namespaces", kind="Namespace", namespace="x")
        assert messages(self.evaluated({"name": "c"}, config_map("c", namespace="x"), asked=asked)) == ["c"]

    def test_a_cluster_scoped_kind_has_no_namespace(self) -> None:
        nodes = {"apiVersion": "v1", "kind": "Node"}
        node = {**nodes, "metadata": {"name": "c"}}
        assert messages(self.evaluated({"name": "c"}, node, kind=nodes)) == ["c"]
        assert self.evaluated({"name": "c", "namespace": "x"}, node, kind=nodes).message == (
            f"{DENIED}failed to configure binding: "
            "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
        )

    def test_a_kind_that_nobody_serves_is_an_error_of_the_policy(self) -> None:
        kind = {"apiVersion": "rules.example.com/v1", "kind": "Rule"}
        assert self.evaluated({"name": "c"}, kind=kind).message == (
            "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: "
            "failed to find resource referenced by paramKind: 'rules.example.com/v1, Kind=Rule'"
        )
        core = self.evaluated({"name": "c"}, kind={"apiVersion": "v1", "kind": "Rule"})
        assert core.message.endswith("paramKind: '/v1, Kind=Rule'")

    def test_manifests_may_hold_params_without_the_definition_of_their_kind(self) -> None:
        kind = {"apiVersion": "rules.example.com/v1", "kind": "Rule"}
        rule = {**kind, "metadata": {"name": "c", "namespace": "default"}}
        assert messages(self.evaluated({"name": "c"}, rule, kind=kind)) == ["c"]

    def test_configuration_errors_deny_whatever_the_actions_say(self) -> None:
        ref = {"name": "c", "parameterNotFoundAction": "Deny"}
        policies = loaded(policy(paramKind=CONFIG_MAPS), binding("p", "Audit", paramRef=ref))
        decision = verdict(policies)
        assert (decision.allowed, decision.code, decision.reason) == (False, 422, "Invalid")

    def test_but_not_under_ignore(self) -> None:
        assert self.evaluated({"name": "c"}, failurePolicy="Ignore").allowed

    def test_they_are_no_matter_where_the_policy_does_not_match(self) -> None:
        policies = loaded(
            policy(
                paramKind={"apiVersion": "x/v1", "kind": "Rule"}, match={"objectSelector": {"matchLabels": {"a": "b"}}}
            ),
            binding(paramRef={"name": "c", "parameterNotFoundAction": "Deny"}),
        )
        assert verdict(policies).allowed


class TestActions:
    def test_warn_allows_and_warns(self) -> None:
        decision = verdict(loaded(policy(), binding("p", "Warn")))
        assert decision.allowed
        assert decision.warnings == ("Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no",)
        assert (decision.code, decision.message, decision.causes) == (200, "", ())

    def test_audit_allows_and_annotates(self) -> None:
        decision = verdict(loaded(policy(), binding("p", "Audit")))
        assert decision.allowed
        assert decision.warnings == ()
        assert json.loads(decision.audit_annotations["validation_failure"]) == [
            {"message": "no", "policy": "p", "binding": "b", "expressionIndex": 0, "validationActions": ["Audit"]}
        ]

    def test_several_at_once_give_a_finding_each(self) -> None:
        decision = verdict(loaded(policy(), binding("p", "Deny", "Audit")))
        assert [finding.action for finding in decision.findings] == ["Deny", "Audit"]
        assert json.loads(decision.audit_annotations["validation_failure"])[0]["validationActions"] == ["Deny", "Audit"]

    def test_the_annotation_lists_50_failures_at_most(self) -> None:
        validations = [{"expression": "false", "message": f"no {number}"} for number in range(60)]
        decision = verdict(loaded(policy(validations=validations), binding("p", "Audit")))
        audited = json.loads(decision.audit_annotations["validation_failure"])
        assert [entry["message"] for entry in audited] == [f"no {number}" for number in range(50)]
        assert audited[49]["expressionIndex"] == 49
        assert len(decision.findings) == 60

    def test_no_key_of_an_annotation_has_a_slash(self) -> None:
        annotations = [{"key": "k", "valueExpression": "'x'"}]
        decision = verdict(loaded(policy(auditAnnotations=annotations), binding("p", "Audit")))
        assert set(decision.audit_annotations) == {"validation_failure", "p.k"}


class TestOrder:
    def test_is_by_policy_then_binding(self) -> None:
        policies = loaded(
            *(binding(each, name=f"{letter}-{each}") for letter in "zx" for each in ("q", "p")),
            policy("q"),
            policy("p"),
        )
        found = [(finding.policy, finding.binding) for finding in verdict(policies).findings]
        assert found == [("p", "x-p"), ("p", "z-p"), ("q", "x-q"), ("q", "z-q")]

    def test_the_reply_is_the_first_denial(self) -> None:
        policies = loaded(
            policy("a", validations=[{"expression": "false", "message": "warned"}]),
            binding("a", "Warn", name="a"),
            policy("b", validations=[{"expression": "false", "message": "denied", "reason": "Forbidden"}]),
            binding("b", name="b"),
            policy("c"),
            binding("c", name="c"),
        )
        decision = verdict(policies)
        assert decision.message.endswith("denied request: denied")
        assert (decision.code, decision.reason) == (403, "Forbidden")
        assert len(decision.causes) == 2

    def test_cel_and_python_policies_share_it(self, tmp_path: Path) -> None:
        code = "@validate(resources=['*'])\ndef b(request): return 'python'\n"
        rest = [policy("a"), policy("c"), *(binding(each, name=each) for each in "abc")]
        policies = tree(tmp_path, code, *rest)
        assert [finding.policy for finding in verdict(policies).findings] == ["a", "b", "c"]


class TestMutate:
    CODE = """
        def mark(request, letter):
            request.object["spec"]["marks"] = request.object["spec"].get("marks", "") + letter

        @mutate(resources=["v1/pods"])
        def a(request):
            mark(request, "a")

        @mutate(resources=["v1/pods"], failure_policy="Ignore")
        def b(request):
            mark(request, "b")
            if request.name == "breaks":
                raise ValueError("broken")

        @mutate(resources=["v1/pods"])
        def c(request):
            mark(request, "c")
            if request.name == "denied":
                raise ValueError("broken")
    """

    def policies(self, root: Path, *more: dict[str, Any]) -> PolicySet:
        bindings = (mutating_binding(each, name=f"bind-{each}") for each in "cba")
        return tree(root, self.CODE, *bindings, *more)

    def test_in_the_order_of_names_each_seeing_what_the_ones_before_did(self, tmp_path: Path) -> None:
        mutation = verdict(self.policies(tmp_path)).mutation
        assert mutation is not None
        assert mutation.object is not None
        assert mutation.object["spec"]["marks"] == "abc"
        assert mutation.policies == ("a", "b", "c")

    def test_an_error_under_ignore_leaves_the_others(self, tmp_path: Path) -> None:
        mutation = verdict(self.policies(tmp_path), request(pod("breaks"))).mutation
        assert mutation is not None
        assert mutation.object is not None
        assert mutation.object["spec"]["marks"] == "ac"

    def test_an_error_under_fail_denies_and_nothing_is_mutated_or_validated(self, tmp_path: Path) -> None:
        asked = request(pod("denied"))
        decision = verdict(self.policies(tmp_path, policy("validates"), binding("validates")), asked)
        assert decision.message == (
            "policy 'c' with binding 'bind-c' denied request: "
            f"function 'c' resulted in error: ValueError: broken ({tmp_path}/policy.py:20, in c)"
        )
        assert (decision.allowed, decision.code, decision.reason) == (False, 403, "Invalid")
        assert decision.mutation is not None
        assert decision.mutation.object is asked.object
        assert not decision.mutation.changed
        assert [finding.policy for finding in decision.findings] == ["c"]

    def test_validation_sees_the_mutated_object(self, tmp_path: Path) -> None:
        check = policy("check", validations=[{"expression": "object.spec.marks != 'abc'", "message": "marked"}])
        assert messages(verdict(self.policies(tmp_path, check, binding("check")))) == ["marked"]

    def test_matching_is_on_the_object_as_it_was_sent(self, tmp_path: Path) -> None:
        code = """
            @mutate(resources=["v1/pods"])
            def a(request):
                request.object["metadata"]["labels"]["x"] = "y"

            @mutate(resources=["v1/pods"])
            def b(request):
                request.object["spec"]["seen"] = True
        """
        selected = {"objectSelector": {"matchLabels": {"x": "y"}}}
        policies = tree(
            tmp_path, code, mutating_binding("a", name="a"), mutating_binding("b", name="b", matchResources=selected)
        )
        mutation = verdict(policies).mutation
        assert mutation is not None
        assert mutation.policies == ("a",)

    def test_a_configuration_error_is_forbidden(self, tmp_path: Path) -> None:
        code = "@mutate(resources=['*'], param_kind='v1/ConfigMap')\ndef p(request, params): ...\n"
        ref = {"name": "c", "parameterNotFoundAction": "Deny"}
        decision = verdict(tree(tmp_path, code, mutating_binding("p", paramRef=ref)))
        assert decision.message == (
            "policy 'p' with binding 'b' denied request: failed to configure binding: "
            "no params found for policy binding with `Deny` parameterNotFoundAction"
        )
        assert (decision.code, decision.reason) == (403, "Forbidden")

    def test_each_param_is_applied(self, tmp_path: Path) -> None:
        code = """
            @mutate(resources=["v1/pods"], param_kind="v1/ConfigMap")
            def p(request, params):
                request.object["metadata"]["labels"] |= params["data"]
        """
        ref = {"selector": {}, "parameterNotFoundAction": "Deny"}
        policies = tree(tmp_path, code, mutating_binding("p", paramRef=ref))
        cluster = (config_map("a", {"x": "1", "y": "1"}), config_map("b", {"y": "2"}))
        mutation = verdict(policies, request(), *cluster).mutation
        assert mutation is not None
        assert mutation.object is not None
        assert mutation.object["metadata"]["labels"] == {"x": "1", "y": "2"}
        assert mutation.policies == ("p",)


class TestPurity:
    def test_the_same_request_gives_the_same_decision(self, tmp_path: Path) -> None:
        policies = loaded(policy(), binding("p", "Deny", "Audit"))
        asked = request(pod("web"))
        assert verdict(policies, asked) == verdict(policies, asked)
        assert asked.object == pod("web")

    def test_a_request_that_nothing_is_about_is_allowed(self) -> None:
        decision = verdict(PolicySet())
        assert decision.allowed
        assert (decision.findings, decision.warnings, decision.audit_annotations) == ((), (), {})

    def test_mutate_and_validate_alone(self, tmp_path: Path) -> None:
        policies = loaded_files(
            tmp_path,
            p_py="from gatewright import mutate\n@mutate(resources=['*'])\ndef m(request): request.object['x'] = 1\n",
            all_json=json.dumps(
                {"apiVersion": "v1", "kind": "List", "items": [policy(), binding(), mutating_binding("m")]}
            ),
        )
        view = ManifestsView(())
        asked = request()
        assert engine.mutate(asked, policies, view).changed
        assert engine.validate(asked, policies, view).mutation is None
        assert not engine.validate(asked, policies, view).allowed

    def test_the_namespace_is_looked_up_once_and_only_if_it_is_asked_for(self) -> None:
        class Counting(ManifestsView):
            asked = 0

            def namespace(self, name: str) -> Any:
                self.asked += 1
                return super().namespace(name)

        owned = {"validations": [{"expression": "namespaceObject.metadata.name == 'default'"}]}
        policies = loaded(policy("a", **owned), policy("b", **owned), binding("a", name="a"), binding("b", name="b"))
        view = Counting([namespace("default")])
        assert engine.decide(request(), policies, view).allowed
        assert view.asked == 1
        without = loaded(policy(validations=[{"expression": "true"}]), binding())
        assert engine.decide(request(), without, view).allowed
        assert view.asked == 1


OX_DEFINITION = (
    definition(
        "Ox",
        "oxen",
        """\
        type: object
        properties:
          parts: {type: array, items: {type: object, properties: {size: {type: integer, default: 3}}}}
    """,
    )
    + "---\n"
)
ADDED_PART = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: parts}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [oxen]}
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: "[JSONPatch{op: 'add', path: '/parts', value: [{'unknown': 1}]}]"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: parts}
spec: {policyName: parts}
"""


@pytest.mark.parametrize("definition", [OX_DEFINITION, ""], ids=["defined", "not defined"])
def test_what_a_mutation_adds_to_a_custom_object_has_the_defaults_of_a_definition_in_the_tree(
    tmp_path: Path, definition: str
) -> None:
    """In the webhook too, which has no other definitions. The API server prunes later."""
    (tmp_path / "p.yaml").write_text(definition + ADDED_PART)
    ox = {"apiVersion": "example.com/v1", "kind": "Ox", "metadata": {"name": "ox"}}
    decision = engine.decide(request(ox, resource="example.com/v1/oxen", kind="Ox"), load(tmp_path), ManifestsView(()))
    assert decision.mutation is not None
    made = {"unknown": 1, "size": 3} if definition else {"unknown": 1}
    assert decision.mutation.object == {**ox, "parts": [made]}
    assert ox.keys() == {"apiVersion", "kind", "metadata"}
