"""ValidatingAdmissionPolicies in CEL, from YAML to the verdict. The texts are the API server's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.costly import nested
from tests.policy.trees import binding, config_map, loaded, messages, namespace, pod, policy, request, verdict
from webhook.admission.decision import Decision
from webhook.policy.request import Request


def decided(asked: Request | None = None, *actions: str, **spec: Any) -> Decision:
    return verdict(loaded(policy(**spec), binding("p", *actions)), asked)


class TestValidations:
    def test_all_that_fail_are_collected_and_the_first_is_the_reply(self) -> None:
        decision = decided(
            validations=[
                {"expression": "true"},
                {"expression": "false", "message": "first"},
                {"expression": "1 == 2", "message": "second"},
            ]
        )
        assert not decision.allowed
        assert messages(decision) == ["first", "second"]
        assert [finding.index for finding in decision.findings] == [1, 2]
        assert decision.message == "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: first"
        assert decision.causes[1].endswith("denied request: second")

    @pytest.mark.parametrize(
        ("reason", "code"),
        [("Forbidden", 403), ("Invalid", 422), ("RequestEntityTooLarge", 413)],
    )
    def test_the_reason_gives_the_code(self, reason: str, code: int) -> None:
        decision = decided(validations=[{"expression": "false", "reason": reason}])
        assert (decision.reason, decision.code) == (reason, code)

    def test_without_a_reason_it_is_invalid(self) -> None:
        decision = decided()
        assert (decision.reason, decision.code) == ("Invalid", 422)

    def test_without_a_message_the_expression_is_shown(self) -> None:
        decision = decided(validations=[{"expression": "  1 == 2 ||\n  false\n"}])
        assert messages(decision) == ["failed expression: 1 == 2 ||\n  false"]

    def test_the_message_is_trimmed(self) -> None:
        assert messages(decided(validations=[{"expression": "false", "message": " no \n"}])) == ["no"]

    def test_an_allowed_request_has_nothing_to_say(self) -> None:
        decision = decided(validations=[{"expression": "true"}])
        assert decision == Decision(True, mutation=decided().mutation, evaluated=decision.evaluated)


class TestWhatCelGoDoes:
    """Verdicts that need cel-go's own behaviour, where the CEL specification has another one or none."""

    def found(self, expression: str, **data: str) -> list[str]:
        asked = request(config_map("cm", data), resource="v1/configmaps", kind="ConfigMap")
        return messages(decided(asked, validations=[{"expression": expression, "message": "refused"}]))

    @pytest.mark.parametrize(
        ("expression", "grace", "passes"),
        [
            ("duration(object.data.grace).getMilliseconds() <= 60000", "90s", False),
            ("duration(object.data.grace).getMilliseconds() <= 60000", "60s", True),
            ("duration(object.data.grace).getMilliseconds() == -1500", "-1.5s", True),
            ("duration(object.data.grace).getMilliseconds() == 0", "999us", True),
            ("duration(object.data.grace).getSeconds() == 90", "1m30.9s", True),
            ("duration(object.data.grace).getMinutes() == 61", "1h1m59s", True),
            ("duration(object.data.grace).getHours() == 2562048", "2562047h", False),
        ],
    )
    def test_a_duration_is_counted_as_a_whole(self, expression: str, grace: str, passes: bool) -> None:
        assert self.found(expression, grace=grace) == ([] if passes else ["refused"])

    @pytest.mark.parametrize(
        "expression",
        [
            "{'gold': 1, 'silver': 2, 'gold': 3}[object.data.tier] == 3",
            "{'k': 1, ?'k': optional.none()}.size() == 0",
            "{?'k': optional.none(), 'k': 1}.size() == 1",
            "{'k': 1, ?'k': optional.of(2)}.k == 2",
            "{dyn(1): 'a', dyn(1u): 'b'}.size() == 2",
            "{dyn(1): 'a', dyn(1u): 'b'}[dyn(1u)] == 'b' && {dyn(1): 'a', dyn(1u): 'b'}[1.0] == 'a'",
            "{1.5: 'a', 2.5: 'b'}[2.5] == 'b' && {null: true}.size() == 1",
            "{dyn(object.data.tier): 1, dyn('gold'): 2} == {'gold': 2}",
        ],
    )
    def test_the_last_entry_of_a_key_wins(self, expression: str) -> None:
        assert self.found(expression, tier="gold") == []

    @pytest.mark.parametrize(
        "expression",
        [
            "string(timestamp(object.data.at)) == object.data.at",
            "string(timestamp(object.data.at) + duration('24h')) == '2026-12-25T23:30:00+01:00'",
            "timestamp(object.data.at) == timestamp('2026-12-24T22:30:00Z')",
            "timestamp(object.data.at).getHours() == 22 && timestamp(object.data.at).getHours('-00:30') == 22",
            "timestamp(object.data.at).getMinutes('-00:30') == 0 && timestamp(object.data.at).getHours('+5:00') == 3",
            "'%s'.format([timestamp(object.data.at)]) == object.data.at",
        ],
    )
    def test_a_timestamp_keeps_its_offset(self, expression: str) -> None:
        assert self.found(expression, at="2026-12-24T23:30:00+01:00") == []


class TestMessageExpression:
    def message(self, expression: str) -> str:
        validation = {"expression": "false", "message": "plain", "messageExpression": expression}
        return messages(decided(request(pod("web")), validations=[validation]))[0]

    def test_gives_the_message(self) -> None:
        assert self.message("'no ' + object.metadata.name + ' '") == "no web"

    @pytest.mark.parametrize(
        "expression",
        [
            "''",
            "'  '",
            r"'two\nlines'",
            "object.nope + 'x'",  # cannot be evaluated
            "'x'.replace('x', 'xxxxxxxxxxxxxxxx').replace('x', 'yyyyyyyyyyyyyyyyyyyy')"
            ".replace('y', 'zzzzzzzzzzzzzzzzzzzz')",  # longer than 5 KiB
        ],
    )
    def test_falls_back_to_the_message(self, expression: str) -> None:
        assert self.message(expression) == "plain"

    def test_line_breaks_at_its_ends_do_no_harm(self) -> None:
        assert self.message(r"'one line\n'") == "one line"

    def test_without_a_message_it_falls_back_to_the_expression(self) -> None:
        decision = decided(validations=[{"expression": "1 == 2", "messageExpression": "''"}])
        assert messages(decision) == ["failed expression: 1 == 2"]

    def test_sees_variables(self) -> None:
        decision = decided(
            variables=[{"name": "who", "expression": "request.userInfo.username"}],
            validations=[{"expression": "false", "messageExpression": "'not you, ' + variables.who"}],
        )
        assert messages(decision) == ["not you, jane"]


class TestErrors:
    BROKEN = [{"expression": "object.nope == 1"}]
    TEXT = "expression 'object.nope == 1' resulted in error: no such key: nope"

    def test_deny_under_fail(self) -> None:
        decision = decided(validations=self.BROKEN)
        assert decision.message == f"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {self.TEXT}"
        assert (decision.reason, decision.code, decision.findings[0].error) == ("Invalid", 422, True)

    def test_drop_just_that_validation_under_ignore(self) -> None:
        validations = [*self.BROKEN, {"expression": "false", "message": "other"}]
        assert messages(decided(failurePolicy="Ignore", validations=validations)) == ["other"]
        assert decided(failurePolicy="Ignore", validations=self.BROKEN).allowed

    def test_follow_the_actions_of_the_binding(self) -> None:
        decision = decided(None, "Warn", validations=self.BROKEN)
        assert decision.allowed
        assert decision.warnings == (
            f"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': {self.TEXT}",
        )

    def test_name_the_expression_as_it_is_written(self) -> None:
        decision = decided(validations=[{"expression": "\n  object.nope == 1\n"}])
        assert messages(decision) == ["expression '\n  object.nope == 1\n' resulted in error: no such key: nope"]

    def test_are_no_end_of_the_other_validations(self) -> None:
        decision = decided(validations=[*self.BROKEN, {"expression": "false", "message": "other"}])
        assert messages(decision) == [self.TEXT, "other"]

    def test_an_endless_expression_is_one(self) -> None:
        hundred = "[1,2,3,4,5,6,7,8,9,10]"
        loops = f"{hundred}.all(a, " * 7 + "true" + ")" * 7
        decision = decided(validations=[{"expression": loops}, {"expression": "false", "message": "other"}])
        assert messages(decision) == [
            f"expression '{loops}' resulted in error: operation cancelled: actual cost limit exceeded",
            "other",
        ]


class TestBudget:
    EXHAUSTED = "validation failed due to running out of cost budget, no further validation rules will be run"
    LOOP = {"expression": nested()}

    def test_of_all_validations_throws_earlier_results_away(self) -> None:
        validations = [{"expression": "false", "message": "thrown away"}, *[self.LOOP] * 19]
        decision = decided(validations=validations)
        assert messages(decision) == [self.EXHAUSTED]
        assert decision.findings[0].error
        assert decided(failurePolicy="Ignore", validations=validations).allowed

    def test_is_enough_for_what_costs_less(self) -> None:
        validations = [{"expression": "false", "message": "kept"}, *[self.LOOP] * 17]
        assert messages(decided(validations=validations)) == ["kept"]

    def test_is_not_touched_by_what_is_cheap(self) -> None:
        assert decided(validations=[{"expression": "object.metadata.name == 'web'"}] * 1000).allowed

    def test_of_an_expression_leaves_the_others_alone(self) -> None:
        dear = nested("abcdef")
        decision = decided(validations=[{"expression": dear}, {"expression": "false", "message": "m"}])
        cancelled = f"expression '{dear}' resulted in error: operation cancelled: actual cost limit exceeded"
        assert messages(decision) == [cancelled, "m"]

    def test_is_for_variables_too_each_of_which_is_an_expression(self) -> None:
        names = [f"v{number}" for number in range(20)]
        variables = [{"name": name, "expression": nested()} for name in names]
        use = [{"expression": " && ".join(f"variables.{name}" for name in names)}]
        assert messages(decided(variables=variables, validations=use)) == [self.EXHAUSTED]
        few = [{"expression": " && ".join(f"variables.{name}" for name in names[:17])}]
        assert decided(variables=variables, validations=few).allowed

    def test_of_validations_leaves_the_rest_to_messages_which_evaluate_variables_anew(self) -> None:
        variables = [{"name": name, "expression": nested()} for name in "abcdefghij"]
        all_of_them = " && ".join(f"variables.{name}" for name in "abcdefghij")
        validations = [
            {"expression": f"!({all_of_them})", "messageExpression": f"string({all_of_them})"},
            {"expression": "true"},
        ]
        decision = decided(variables=variables, validations=validations)
        assert messages(decision) == [f"failed messageExpression: {self.EXHAUSTED}"] * 2
        assert decided(variables=variables, validations=validations, failurePolicy="Ignore").allowed

    def test_of_match_conditions_is_one_of_its_own(self) -> None:
        conditions = [{"name": f"c{number}", **self.LOOP} for number in range(5)]
        assert messages(decided(matchConditions=conditions)) == [self.EXHAUSTED]
        few = conditions[:4]
        assert decided(matchConditions=few, validations=[self.LOOP] * 17).allowed

    def test_of_audit_annotations_is_a_fresh_one(self) -> None:
        annotations = [{"key": f"k{number}", "valueExpression": f"string({nested()})"} for number in range(20)]
        few = decided(validations=[self.LOOP] * 17, auditAnnotations=annotations[:17])
        assert few.audit_annotations == {f"p.k{number}": "true" for number in range(17)}
        decision = decided(validations=[{"expression": "false"}], auditAnnotations=annotations)
        assert messages(decision) == [self.EXHAUSTED]
        assert decision.audit_annotations == {}


class TestVariables:
    def test_see_the_earlier_ones_and_keep_their_types(self) -> None:
        variables = [
            {"name": "containers", "expression": "object.spec.containers"},
            {"name": "count", "expression": "size(variables.containers)"},
        ]
        # Only an int has this overload: the type came along.
        validations = [{"expression": "variables.count + 1 == 2"}]
        assert decided(variables=variables, validations=validations).allowed

    def test_an_error_surfaces_where_it_is_used(self) -> None:
        variables = [{"name": "bad", "expression": "object.nope"}]
        assert decided(variables=variables, validations=[{"expression": "true"}]).allowed
        decision = decided(variables=variables, validations=[{"expression": "variables.bad == 1"}])
        assert messages(decision) == [
            "expression 'variables.bad == 1' resulted in error: "
            'composited variable "bad" fails to evaluate: no such key: nope'
        ]

    def test_of_two_with_one_name_the_last_counts(self) -> None:
        variables = [{"name": "size_", "expression": "1"}, {"name": "size_", "expression": "2"}]
        assert decided(variables=variables, validations=[{"expression": "variables.size_ == 2"}]).allowed

    def test_the_last_counts_for_those_in_between_too(self) -> None:
        variables = [
            {"name": "a", "expression": "1"},
            {"name": "b", "expression": "variables.a + 1"},
            {"name": "c", "expression": "10"},
            {"name": "a", "expression": "variables.c"},
        ]
        assert decided(variables=variables, validations=[{"expression": "variables.b == 11"}]).allowed

    def test_may_hold_parts_of_request_and_namespace_object(self) -> None:
        variables = [
            {"name": "user", "expression": "request.userInfo"},
            {"name": "phases", "expression": "namespaceObject.status.conditions"},
            {"name": "who", "expression": "request.?userInfo"},
        ]
        validations = [
            {"expression": "variables.user.username == 'jane'"},
            {"expression": "variables.phases.exists(c, c.type == 'Ready')"},
            {"expression": "variables.who.?username.orValue('') == 'jane'"},
        ]
        live = namespace("default")
        live["status"] = {"conditions": [{"type": "Ready"}]}
        tree = loaded(policy(variables=variables, validations=validations), binding())
        assert verdict(tree, request(), live).allowed

    def test_of_two_policies_do_not_meet(self) -> None:
        one = policy(
            "one",
            variables=[{"name": "size_", "expression": "1"}],
            validations=[{"expression": "variables.size_ == 1"}],
        )
        two = policy(
            "two",
            variables=[{"name": "size_", "expression": "'a'"}],
            validations=[{"expression": "variables.size_ == 'a'"}],
        )
        assert verdict(loaded(one, two, binding("one", name="b1"), binding("two", name="b2"))).allowed


class TestMatchConditions:
    def conditions(self, *expressions: str, **spec: Any) -> Decision:
        conditions = [{"name": f"c{index}", "expression": text} for index, text in enumerate(expressions)]
        return decided(matchConditions=conditions, **spec)

    def test_all_true_let_the_policy_run(self) -> None:
        assert not self.conditions("true", "request.operation == 'CREATE'").allowed

    def test_one_false_skips_it_even_when_another_errs(self) -> None:
        assert self.conditions("object.nope == 1", "false").allowed
        assert self.conditions("false", "object.nope == 1").allowed

    def test_errors_are_an_evaluation_error(self) -> None:
        decision = self.conditions("object.nope == 1", "true")
        assert messages(decision) == ["expression 'object.nope == 1' resulted in error: no such key: nope"]
        assert decision.findings[0].error

    def test_several_errors_are_listed(self) -> None:
        assert messages(self.conditions("object.a == 1", "object.b == 1")) == [
            "[expression 'object.a == 1' resulted in error: no such key: a, "
            "expression 'object.b == 1' resulted in error: no such key: b]"
        ]

    def test_under_ignore_an_error_skips_the_policy(self) -> None:
        assert self.conditions("object.nope == 1", failurePolicy="Ignore").allowed

    def test_follow_the_actions(self) -> None:
        conditions = [{"name": "c", "expression": "object.nope == 1"}]
        assert decided(None, "Audit", matchConditions=conditions).allowed

    def test_the_namespace_object_is_null(self) -> None:
        conditions = [{"name": "c", "expression": "namespaceObject == null"}]
        assert not decided(matchConditions=conditions).allowed


class TestNamespaceObject:
    OWNED = [{"expression": "namespaceObject.metadata.labels.team == 'a'"}]

    def test_is_the_namespace_of_the_request(self) -> None:
        policies = loaded(policy(validations=self.OWNED), binding())
        assert verdict(policies, request(), namespace("default", team="a")).allowed
        assert not verdict(policies, request(), namespace("default", team="b")).allowed

    @pytest.mark.parametrize(
        ("resource", "kind", "where"), [("v1/nodes", "Node", ""), ("v1/namespaces", "Namespace", "x")]
    )
    def test_is_null_for_cluster_scoped_objects_and_namespaces(self, resource: str, kind: str, where: str) -> None:
        asked = request(namespace("x"), resource=resource, kind=kind, namespace=where)
        assert decided(asked, validations=[{"expression": "namespaceObject == null"}]).allowed

    @pytest.mark.parametrize(
        ("expression", "error"),
        [
            ("namespaceObject.metadata.UID == 'x'", "no such key: UID"),
            ("namespaceObject.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')", "no such overload"),
        ],
    )
    def test_is_declared_in_places_as_its_data_is_not(self, expression: str, error: str) -> None:
        live = namespace("default")
        live["metadata"] |= {"uid": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
        decision = verdict(loaded(policy(validations=[{"expression": expression}]), binding()), request(), live)
        assert messages(decision) == [f"expression '{expression}' resulted in error: {error}"]

    def test_an_unknown_one_is_an_error_where_it_is_used(self) -> None:
        policies = loaded(policy(validations=self.OWNED), binding())
        assert messages(verdict(policies, assume=False)) == [
            f"expression '{self.OWNED[0]['expression']}' resulted in error: namespaces \"default\" not found"
        ]
        unused = loaded(policy(validations=[{"expression": "true"}]), binding())
        assert verdict(unused, assume=False).allowed


class TestAuditAnnotations:
    def annotated(self, expression: str, **spec: Any) -> Decision:
        annotations = [{"key": "note", "valueExpression": expression}]
        return decided(auditAnnotations=annotations, **({"validations": []} | spec))

    def test_are_published_under_policy_and_key(self) -> None:
        assert self.annotated("'  by ' + request.userInfo.username").audit_annotations == {"p.note": "by jane"}

    @pytest.mark.parametrize("expression", ["''", "'  '", "null"])
    def test_empty_and_null_are_left_out(self, expression: str) -> None:
        assert self.annotated(expression).audit_annotations == {}

    def test_come_with_denials_too(self) -> None:
        decision = self.annotated("'x'", validations=[{"expression": "false"}])
        assert not decision.allowed
        assert decision.audit_annotations == {"p.note": "x"}

    def test_an_error_denies_whatever_the_actions_say(self) -> None:
        annotations = [{"key": "note", "valueExpression": "string(object.nope)"}]
        decision = decided(None, "Audit", validations=[], auditAnnotations=annotations)
        assert decision.message == (
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
            "expression 'string(object.nope)' resulted in error: no such key: nope"
        )

    def test_but_not_under_ignore(self) -> None:
        decision = self.annotated("string(object.nope)", failurePolicy="Ignore")
        assert (decision.allowed, decision.audit_annotations) == (True, {})

    def test_are_not_evaluated_where_match_conditions_skip_the_policy(self) -> None:
        assert self.annotated("'x'", matchConditions=[{"name": "c", "expression": "false"}]).audit_annotations == {}

    @pytest.mark.parametrize(
        ("letter", "kept"),
        # 10,240 bytes are 3,413 euro signs and a byte of the next: the server shows what is left of it as it can.
        [("ä", "ä" * 5120), ("€", "€" * 3413 + "\ufffd"), ("😀", "😀" * 2560), ("x€", "x€" * 2560)],
    )
    def test_a_long_one_is_cut_at_10_kib(self, letter: str, kept: str) -> None:
        asked = request(pod("web", note=letter * 20_000))
        decision = decided(
            asked, validations=[], auditAnnotations=[{"key": "note", "valueExpression": "string(object.spec.note)"}]
        )
        assert decision.audit_annotations == {"p.note": kept}

    def test_distinct_values_of_one_key_are_joined(self) -> None:
        spec: dict[str, Any] = {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [],
            "auditAnnotations": [{"key": "note", "valueExpression": "string(params.data.x)"}],
        }
        by_label = {"selector": {}, "parameterNotFoundAction": "Deny"}
        tree = loaded(
            policy(**spec),
            binding(paramRef=by_label),
            *(config_map(name, {"x": value}) for name, value in [("a", "1"), ("b", "2"), ("c", "1")]),
        )
        assert verdict(tree).audit_annotations == {"p.note": "1, 2"}

    def test_each_value_is_cut_before_they_are_joined(self) -> None:
        spec: dict[str, Any] = {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [],
            "auditAnnotations": [{"key": "note", "valueExpression": "string(params.data.x)"}],
        }
        tree = loaded(
            policy(**spec),
            binding(paramRef={"selector": {}, "parameterNotFoundAction": "Deny"}),
            config_map("a", {"x": "a" * 20_000}),
            config_map("b", {"x": "b"}),
        )
        assert verdict(tree).audit_annotations == {"p.note": "a" * 10_240 + ", b"}

    def test_a_long_name_is_hashed_to_63_characters(self) -> None:
        name = "a-policy-with-a-name-that-is-rather-long-but-allowed-in-kubernetes"
        annotations = [{"key": key, "valueExpression": "'x'"} for key in ("one", "two")]
        tree = loaded(policy(name, validations=[], auditAnnotations=annotations), binding(name))
        keys = list(verdict(tree).audit_annotations)
        assert [len(key) for key in keys] == [63, 63]
        assert keys[0] != keys[1]
        assert all(key.startswith(name[:50]) for key in keys)


class TestWhatExpressionsSee:
    @pytest.mark.parametrize(
        "expression",
        [
            "object.metadata.name == 'web'",
            "oldObject == null",
            "!has(oldObject.metadata)",
            "request.userInfo.groups == ['dev']",
            "request.kind.kind == 'Pod' && request.kind.group == ''",
            "request.resource.resource == 'pods'",
            "request.namespace == 'default'",
            "!request.dryRun",
        ],
    )
    def test_on_create(self, expression: str) -> None:
        assert decided(request(pod("web")), validations=[{"expression": expression}]).allowed

    def test_on_delete_the_object_is_null(self) -> None:
        asked = request(None, "DELETE", old_object=pod("web"))
        validations = [{"expression": "object == null && oldObject.metadata.name == 'web'"}]
        assert decided(asked, validations=validations).allowed
        assert messages(decided(asked, validations=[{"expression": "object.metadata.name == 'web'"}])) == [
            "expression 'object.metadata.name == 'web'' resulted in error: no such key: metadata"
        ]

    def test_on_connect_the_object_is_the_options(self) -> None:
        asked = request(
            {"kind": "PodExecOptions", "command": ["sh"]}, "CONNECT", resource="v1/pods/exec", kind="PodExecOptions"
        )
        validations = [{"expression": "object.command == ['sh'] && oldObject == null && request.options == null"}]
        assert decided(asked, validations=validations).allowed

    def test_params_are_declared_with_a_param_kind_alone_and_null_without_a_param_ref(self) -> None:
        kind = {"apiVersion": "v1", "kind": "ConfigMap"}
        assert decided(paramKind=kind, validations=[{"expression": "params == null"}]).allowed


@pytest.mark.parametrize(
    ("expression", "denied"), [("has(variables.m)", False), ("!has( variables . m ) || false", True)]
)
def test_a_variable_that_is_declared_is_there(expression: str, denied: bool) -> None:
    found = decided(variables=[{"name": "m", "expression": "1 / 0"}], validations=[{"expression": expression}])
    assert messages(found) == ([f"failed expression: {expression}"] if denied else [])
