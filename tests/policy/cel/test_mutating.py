"""MutatingAdmissionPolicy in CEL: what it makes of objects, what it sees, and what it says where it cannot."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cel.hostile import counted
from tests.policy.trees import (
    binding,
    config_map,
    loaded,
    loaded_files,
    mutating_binding,
    mutating_policy,
    namespace,
    pod,
    policy,
    problems,
    request,
    verdict,
)
from webhook.admission import engine, patch
from webhook.admission.decision import Mutation
from webhook.cel.cost.metering import Deadline
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.cel.mutating import CELMutator
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request

MUTATED_TOO_MUCH = "the mutations of this request make and visit more than 2,000,000 elements"
LABEL = {"ApplyConfiguration": "Object{metadata: Object.metadata{labels: {'seen': 'yes'}}}"}
APPEND = {
    "JSONPatch": "[JSONPatch{op: 'replace', path: '/metadata/labels/mark',"
    " value: object.metadata.labels[?'mark'].orValue('') + 'x'}]"
}
WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "sizes": {
                                        "type": "array",
                                        "items": {"type": "integer"},
                                        "x-kubernetes-list-type": "set",
                                    },
                                    "scale": {"type": "number"},
                                    "shade": {"type": "string", "default": "blue"},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def mutated(
    *mutations: dict[str, str],
    asked: Request | None = None,
    cluster: tuple[dict[str, Any], ...] = (),
    also: tuple[dict[str, Any], ...] = (),
    bound: dict[str, Any] | None = None,
    **spec: Any,
) -> Mutation:
    """What one policy of these mutations makes of a request for a Pod; the request stays as it is."""
    policies = loaded(mutating_policy("p", *mutations, **spec), mutating_binding("p", **(bound or {})), *also)
    return run(policies, asked or request(), *cluster)


def run(policies: PolicySet, asked: Request, *cluster: dict[str, Any]) -> Mutation:
    before = json.dumps(asked.object)
    found = engine.mutate(asked, policies, ManifestsView([*policies.objects, *cluster], assume_namespaces=True))
    assert json.dumps(asked.object) == before
    return found


def made(mutation: Mutation) -> dict[str, Any]:
    assert mutation.findings == ()
    assert mutation.object is not None
    return mutation.object


def apply(expression: str) -> dict[str, str]:
    return {"ApplyConfiguration": expression}


def operations(*written: str) -> dict[str, str]:
    return {"JSONPatch": "[" + ", ".join(f"JSONPatch{{{each}}}" for each in written) + "]"}


class TestApplyConfiguration:
    def test_fields_and_maps_are_merged(self) -> None:
        found = made(mutated(LABEL, asked=request(pod(labels={"app": "a"}))))
        assert found["metadata"]["labels"] == {"app": "a", "seen": "yes"}
        assert found["spec"] == pod()["spec"]

    def test_items_of_a_list_are_told_apart_by_their_keys(self) -> None:
        expression = (
            "Object{spec: Object.spec{containers: object.spec.containers.map(c,"
            " Object.spec.containers{name: c.name, imagePullPolicy: 'Always'})"
            " + [Object.spec.containers{name: 'new'}]}}"
        )
        assert made(mutated(apply(expression)))["spec"]["containers"] == [
            {"name": "main", "image": "nginx", "imagePullPolicy": "Always"},
            {"name": "new"},
        ]

    def test_a_key_that_is_left_out_has_its_default(self) -> None:
        asked = pod()
        asked["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "protocol": "TCP"}]
        expression = (
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'main', ports:"
            " [Object.spec.containers.ports{containerPort: 80, name: 'web'},"
            " Object.spec.containers.ports{containerPort: 80, protocol: 'UDP'}]}]}}"
        )
        [container] = made(mutated(apply(expression), asked=request(asked)))["spec"]["containers"]
        assert container["ports"] == [
            {"containerPort": 80, "protocol": "TCP", "name": "web"},
            {"containerPort": 80, "protocol": "UDP"},
        ]

    def test_sets_are_united(self) -> None:
        asked = pod()
        asked["metadata"]["finalizers"] = ["a.io/x", "a.io/y"]
        found = made(
            mutated(apply("Object{metadata: Object.metadata{finalizers: ['a.io/z', 'a.io/x']}}"), asked=request(asked))
        )
        assert sorted(found["metadata"]["finalizers"]) == ["a.io/x", "a.io/y", "a.io/z"]

    @pytest.mark.parametrize(
        ("expression", "places"),
        [
            ("Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}", ".spec.nodeSelector"),
            (
                "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'main', command: ['x'],"
                " args: []}]}}",
                ".spec.containers[0].command, .spec.containers[0].args",
            ),
        ],
    )
    def test_what_is_atomic_may_not_be_touched(self, expression: str, places: str) -> None:
        assert mutated(apply(expression)).message == (
            "policy 'p' with binding 'b' denied request: error applying patch: invalid ApplyConfiguration: "
            f"may not mutate atomic arrays, maps or structs: {places}"
        )

    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            (
                "Object{spec: Object.spec{containers: [Object.spec.volumes{name: 'x'}]}}",
                'type mismatch: unexpected type name "Object.spec.volumes", expected "Object.spec.containers", '
                "which matches field name path from root Object type",
            ),
            (
                "Object{spec: Object.spec{replicaz: 1}}",
                "error applying patch: failed to convert patch object to typed object: "
                ".spec.replicaz: field not declared in schema",
            ),
            (
                "Object{spec: Object.spec{hostNetwork: 'x'}}",
                "error applying patch: failed to convert patch object to typed object: "
                ".spec.hostNetwork: expected boolean, got &{x}",
            ),
            (
                "Object{spec: Object.spec{containers: [{'name': 'main', 'image': 'x'}]}}",
                "error applying patch: failed to convert patch object to typed object: "
                ".spec.containers: element 0: associative list with keys may not have non-map elements",
            ),
            (
                "Object{spec: Object.spec{hostNetwork: object.nope}}",
                "expression 'Object{spec: Object.spec{hostNetwork: object.nope}}' resulted in error: no such key: nope",
            ),
        ],
    )
    def test_errors_read_as_the_servers(self, expression: str, text: str) -> None:
        found = mutated(apply(expression))
        assert (found.code, found.reason) == (403, "Invalid")
        assert found.message == f"policy 'p' with binding 'b' denied request: {text}"
        assert not found.changed

    def test_kind_and_version_stay_those_of_the_object(self) -> None:
        assert not mutated(apply("Object{kind: 'Other', apiVersion: 'other/v1'}")).changed

    def test_custom_kinds_merge_by_their_definition_in_the_tree(self) -> None:
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"sizes": [1]}}
        asked = request(widget, resource="example.com/v1/widgets", kind="Widget")
        mutation = apply("Object{spec: Object.spec{sizes: [2]}}")
        assert made(mutated(mutation, asked=asked, also=(WIDGETS,)))["spec"]["sizes"] == [1, 2]
        assert mutated(mutation, asked=asked).message.endswith(
            "no schema of Widget (example.com/v1) is known here, without which nothing can be merged; "
            "put its CustomResourceDefinition into the policy tree, or use a JSONPatch"
        )

    def test_custom_kinds_have_their_defaults_though_nothing_is_changed(self) -> None:
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {}}
        asked = request(widget, resource="example.com/v1/widgets", kind="Widget")
        mutation = apply("Object{metadata: Object.metadata{name: 'w'}}")
        assert made(mutated(mutation, asked=asked, also=(WIDGETS,)))["spec"] == {"shade": "blue"}

    def test_values_are_as_go_writes_them(self) -> None:
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {}}
        asked = request(widget, resource="example.com/v1/widgets", kind="Widget")
        empty, infinite = (
            apply(f"Object{{spec: Object.spec{{{each}}}}}") for each in ("sizes: []", "scale: 1.0 / 0.0")
        )
        assert made(mutated(empty, asked=asked, also=(WIDGETS,)))["spec"]["sizes"] is None
        refused = mutated(infinite, asked=asked, also=(WIDGETS,)).message
        assert refused.endswith("error applying patch: json: unsupported value: +Inf")


class TestJSONPatch:
    def test_operations_are_applied_in_order(self) -> None:
        found = made(
            mutated(
                operations(
                    "op: 'test', path: '/metadata/labels/app', value: 'a'",
                    "op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('k8s.io/x~y'), value: '1'",
                    "op: 'copy', from: '/metadata/labels/app', path: '/metadata/labels/b'",
                    "op: 'move', from: '/metadata/labels/app', path: '/metadata/labels/c'",
                    "op: 'replace', path: '/metadata/labels/new', value: 'n'",
                    "op: 'add', path: '/spec/containers/-', value: Object.spec.containers{name: 'side'}",
                    "op: 'remove', path: '/spec/containers/0/image'",
                ),
                asked=request(pod(labels={"app": "a"})),
            )
        )
        assert found["metadata"]["labels"] == {"k8s.io/x~y": "1", "b": "a", "c": "a", "new": "n"}
        assert found["spec"]["containers"] == [{"name": "main"}, {"name": "side"}]

    def test_a_failed_test_skips_the_mutation_silently(self) -> None:
        skipped = operations(
            "op: 'add', path: '/metadata/labels/x', value: '1'", "op: 'test', path: '/metadata/name', value: 'no'"
        )
        assert not mutated(skipped).changed
        assert made(mutated(skipped, LABEL))["metadata"]["labels"] == {"seen": "yes"}

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            ("9007199254740991", 9007199254740991),
            ("9007199254740992", "9007199254740992"),
            ("-9007199254740993", "-9007199254740993"),
            ("18446744073709551615u", "18446744073709551615"),
            ("2.0", 2),
            ("2.5", 2.5),
            ("duration('1h30m')", "5400s"),
            ("timestamp('2020-01-02T03:04:05Z')", "2020-01-02T03:04:05Z"),
            ("b'ab\\xff'", "YWL/"),
            ("null", None),
            ("optional.of('x')", "x"),
            ("{'a': [1, 2]}", {"a": [1, 2]}),
            ("Object.any{a: 1, b: [Object.any.b{}]}", {"a": 1, "b": [{}]}),
        ],
    )
    def test_values_are_converted(self, value: str, written: Any) -> None:
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
        asked = request(widget, resource="example.com/v1/widgets", kind="Widget")
        found = made(mutated(operations(f"op: 'add', path: '/spec', value: {value}"), asked=asked))
        assert json.dumps(found["spec"]) == json.dumps(written)

    def test_no_value_is_null(self) -> None:
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
        asked = request(widget, resource="example.com/v1/widgets", kind="Widget")
        assert made(mutated(operations("op: 'add', path: '/spec'"), asked=asked))["spec"] is None

    @pytest.mark.parametrize(
        ("operation", "text"),
        [
            ("op: 'nope', path: '/a'", "JSON Patch: Unexpected kind: nope"),
            (
                "op: 'add', path: '/metadata/nope/x', value: 1",
                'JSON Patch: add operation does not apply: doc is missing path: "/metadata/nope/x": missing value',
            ),
            (
                "op: 'remove', path: '/metadata/labels/nope'",
                "JSON Patch: error in remove for path: '/metadata/labels/nope': "
                "Unable to remove nonexistent key: nope: missing value",
            ),
            (
                "op: 'add', path: '/metadata/labels/x', value: type(1)",
                "JSONPath valueExpression evaluated to a type that could not marshal to JSON: "
                "type conversion not supported for 'type'",
            ),
        ],
    )
    def test_errors_read_as_the_servers(self, operation: str, text: str) -> None:
        found = mutated(operations(operation))
        assert (found.code, found.reason) == (403, "Invalid")
        assert found.message == f"policy 'p' with binding 'b' denied request: {text}"

    @pytest.mark.parametrize(
        "operation",
        [
            "op: 'add', path: '/spec/nope', value: 1",
            "op: 'add', path: '/metadata/labels/x', value: 1",
            "op: 'replace', path: '/kind', value: 'Node'",
            "op: 'replace', path: '', value: {'a': 'b'}",
        ],
    )
    @pytest.mark.parametrize("failure_policy", ["Fail", "Ignore"])
    def test_what_is_no_object_of_its_kind_any_more_is_refused_whatever_the_policy_says(
        self, operation: str, failure_policy: str
    ) -> None:
        found = mutated(operations(operation), failurePolicy=failure_policy)
        assert (found.allowed, found.code, found.reason) == (False, 500, "InternalError")
        assert found.message.startswith("Internal error occurred: ")

    def test_copies_do_not_fill_the_memory(self) -> None:
        copies = ", ".join(f"JSONPatch{{op: 'copy', from: '/spec', path: '/spec/c{i}'}}" for i in range(30))
        doubling = f"[JSONPatch{{op: 'add', path: '/spec', value: {{'a': 'x'}}}}, {copies}]"
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
        asked = request(widget, resource="example.com/v1/widgets", kind="Widget")
        assert "exceeding the limit 3145728" in mutated({"JSONPatch": doubling}, asked=asked).message


class TestWhatItSees:
    def test_each_mutation_sees_what_the_ones_before_it_did(self) -> None:
        second = apply("Object{metadata: Object.metadata{annotations: object.metadata.labels}}")
        assert made(mutated(LABEL, second))["metadata"]["annotations"] == {"seen": "yes"}

    def test_variables_are_evaluated_anew_for_each_mutation(self) -> None:
        variables = [{"name": "mark", "expression": "object.metadata.labels[?'mark'].orValue('') + 'x'"}]
        mark = apply("Object{metadata: Object.metadata{labels: {'mark': variables.mark + variables.mark}}}")
        assert made(mutated(mark, mark, variables=variables))["metadata"]["labels"] == {"mark": "xxxxxx"}

    @pytest.mark.parametrize(
        "mutation",
        [
            operations("op: 'add', path: '/metadata/annotations', value: variables.v40"),
            operations("op: 'add', path: '/metadata/annotations', value: Object.a{b: variables.v40}"),
            operations("op: 'test', path: '/metadata/annotations', value: [variables.v40]"),
            apply("Object{metadata: Object.metadata{finalizers: variables.v40}}"),
            apply("Object{metadata: Object.metadata{annotations: {'a': [variables.v40]}}}"),
        ],
    )
    def test_a_value_with_a_billion_leaves_is_refused_before_it_is_copied(self, mutation: dict[str, str]) -> None:
        """Each variable is a list of the one before it twice."""
        doubled = [
            {"name": f"v{n}", "expression": f"dyn([variables.v{n - 1}, variables.v{n - 1}])"} for n in range(1, 41)
        ]
        with counted(12_000_000):
            found = mutated(mutation, variables=[{"name": "v0", "expression": "dyn(['a'])"}, *doubled])
        ((finding, *more),) = [found.findings]
        assert not more
        assert "operation cancelled: the value has more than 1,000,000 elements" in finding.message

    def test_what_all_mutations_of_a_request_make_and_visit_is_bounded(self) -> None:
        """Each makes an annotation of 400,000 characters, which count as 100,000 elements."""
        large = operations("op: 'add', path: '/metadata/annotations', value: {'a': variables.long}")
        variables = [
            {"name": "some", "expression": f"'{'y' * 20}'.replace('y', '{'z' * 1000}')"},
            {"name": "long", "expression": f"'{'x' * 20}'.replace('x', variables.some)"},
        ]
        assert not mutated(*[large] * 4, variables=variables).findings
        with counted(12_000_000):
            found = mutated(*[large] * 60, variables=variables)
        assert MUTATED_TOO_MUCH in found.findings[0].message

    def test_small_mutations_of_a_large_object_are_counted_with_it(self) -> None:
        large = pod()
        large["metadata"]["annotations"] = {f"example.com/{number}": "x" * 400 for number in range(2000)}
        assert not mutated(*[LABEL] * 12, asked=request(large)).findings
        assert MUTATED_TOO_MUCH in mutated(*[LABEL] * 60, asked=request(large)).findings[0].message

    def test_it_is_counted_exactly_where_that_decides(self) -> None:
        """The object has 63,000 elements, of which the first four visits do not count. The bound that is found first is
        nine times as much, and would end it sooner."""
        large = pod()
        large["metadata"]["annotations"] = {f"example.com/{number}": "x" * 400 for number in range(600)}
        assert not mutated(*[LABEL] * 32, asked=request(large)).findings
        assert MUTATED_TOO_MUCH in mutated(*[LABEL] * 38, asked=request(large)).findings[0].message

    def test_of_several_policies_the_sum_is_bounded(self) -> None:
        large = pod()
        large["metadata"]["annotations"] = {f"example.com/{number}": "x" * 400 for number in range(2000)}
        several = [
            each
            for name in "abcdef"
            for each in (mutating_policy(name, *[LABEL] * 4), mutating_binding(name, name=name))
        ]
        found = run(loaded(*several), request(large))
        assert MUTATED_TOO_MUCH in found.findings[0].message

    def test_mutations_end_with_the_time_of_the_request(self) -> None:
        policies = loaded(mutating_policy("p", LABEL), mutating_binding("p"))
        over = Deadline(time.perf_counter() - 1)
        found = engine.mutate(request(), policies, ManifestsView(policies.objects), deadline=over)
        assert "operation cancelled: the time for the request is over" in found.findings[0].message

    def test_params_request_namespace_and_old_object(self) -> None:
        expression = (
            "Object{metadata: Object.metadata{labels: {'p': string(params.data.p), 'u': request.userInfo.username,"
            " 'n': namespaceObject.metadata.labels.team, 'o': string(oldObject == null)}}}"
        )
        found = mutated(
            apply(expression),
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            bound={"paramRef": {"name": "c", "parameterNotFoundAction": "Deny"}},
            cluster=(config_map("c", {"p": "1"}), namespace("default", team="blue")),
        )
        assert made(found)["metadata"]["labels"] == {"p": "1", "u": "jane", "n": "blue", "o": "true"}

    def test_each_param_is_applied(self) -> None:
        label = apply("Object{metadata: Object.metadata{labels: {params.metadata.name: 'yes'}}}")
        found = mutated(
            label,
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            bound={"paramRef": {"selector": {}, "parameterNotFoundAction": "Deny"}},
            cluster=(config_map("a"), config_map("b")),
        )
        assert made(found)["metadata"]["labels"] == {"a": "yes", "b": "yes"}

    def test_what_depends_on_the_params_alone_is_evaluated_once_for_each(self) -> None:
        policies = loaded(
            mutating_policy(
                "p",
                apply("Object{metadata: Object.metadata{labels: {variables.key: variables.name}}}"),
                apply("Object{metadata: Object.metadata{annotations: {variables.key: variables.name}}}"),
                paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
                variables=[
                    {"name": "key", "expression": "params.metadata.name.lowerAscii()"},
                    {"name": "name", "expression": "variables.key + object.metadata.?labels.a.orValue('')"},
                ],
            ),
            mutating_binding("p", paramRef={"selector": {}, "parameterNotFoundAction": "Deny"}),
        )
        params = config_map("a"), config_map("b")
        for _ in range(2):
            found = made(run(policies, request(), *params))["metadata"]
            assert found["labels"] == {"a": "a", "b": "ba"}
            assert found["annotations"] == {"a": "aa", "b": "ba"}
        evaluator = policies.mutating[0].evaluator
        assert isinstance(evaluator, CELMutator)
        kept = {tuple(known.items()) for _, known in evaluator.shared.param_values._values._known.values()}
        assert kept == {(("variables.key", "a"),), (("variables.key", "b"),)}

    def test_match_conditions_decide_and_their_errors_count(self) -> None:
        def under(expression: str, **spec: Any) -> Mutation:
            return mutated(LABEL, matchConditions=[{"name": "c", "expression": expression}], **spec)

        assert under("request.operation == 'CREATE'").changed
        assert not under("request.operation == 'UPDATE'").changed
        assert under("object.nope == 1").message == (
            "policy 'p' with binding 'b' denied request: expression 'object.nope == 1' resulted in error: "
            "no such key: nope"
        )
        assert under("object.nope == 1", failurePolicy="Ignore") == Mutation(pod())

    def test_match_conditions_see_what_policies_before_did(self) -> None:
        policies = loaded(
            mutating_policy("a", LABEL),
            mutating_policy(
                "b",
                apply("Object{metadata: Object.metadata{labels: {'b': 'yes'}}}"),
                matchConditions=[{"name": "c", "expression": "has(object.metadata.labels.seen)"}],
            ),
            mutating_binding("a", name="a"),
            mutating_binding("b", name="b"),
        )
        assert made(run(policies, request()))["metadata"]["labels"] == {"seen": "yes", "b": "yes"}

    def test_selectors_are_matched_on_the_object_as_sent(self) -> None:
        policies = loaded(
            mutating_policy("a", LABEL),
            mutating_policy("b", APPEND, match={"objectSelector": {"matchLabels": {"seen": "yes"}}}),
            mutating_binding("a", name="a"),
            mutating_binding("b", name="b"),
        )
        assert made(run(policies, request()))["metadata"]["labels"] == {"seen": "yes"}


class TestFailures:
    BAD = apply("Object{spec: Object.spec{hostNetwork: object.nope}}")

    def test_under_ignore_the_other_mutations_stay(self) -> None:
        found = mutated(self.BAD, LABEL, self.BAD, failurePolicy="Ignore")
        assert made(found)["metadata"]["labels"] == {"seen": "yes"}

    def test_under_fail_nothing_is_changed_and_every_error_is_told(self) -> None:
        found = mutated(LABEL, self.BAD, operations("op: 'nope'"))
        assert (found.allowed, found.changed, found.object) == (False, False, pod())
        assert [finding.message for finding in found.findings] == [
            f"expression '{self.BAD['ApplyConfiguration']}' resulted in error: no such key: nope",
            "JSON Patch: Unexpected kind: nope",
        ]

    def test_configuration_errors_are_forbidden(self) -> None:
        found = mutated(
            LABEL,
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            bound={"paramRef": {"name": "c", "parameterNotFoundAction": "Deny"}},
        )
        assert (found.code, found.reason) == (403, "Forbidden")
        assert found.message == (
            "policy 'p' with binding 'b' denied request: failed to configure binding: "
            "no params found for policy binding with `Deny` parameterNotFoundAction"
        )

    def test_a_budget_ends_an_expression(self) -> None:
        loop = "object.spec.l.all(a, object.spec.l.all(b, object.spec.l.all(c, a + b + c < 0 || true)))"
        asked = pod(l=list(range(200)))
        found = mutated(apply(f"Object{{spec: Object.spec{{hostNetwork: {loop}}}}}"), asked=request(asked))
        assert found.message.endswith("operation cancelled: actual cost limit exceeded")


class TestReinvocation:
    def both(self, first: dict[str, Any], second: dict[str, Any], asked: Request | None = None) -> Mutation:
        policies = loaded(first, second, mutating_binding("a", name="a"), mutating_binding("b", name="b"))
        return run(policies, asked or request())

    def test_if_needed_runs_once_more_after_its_own_change(self) -> None:
        assert made(mutated(APPEND))["metadata"]["labels"] == {"mark": "x"}
        assert made(mutated(APPEND, reinvocationPolicy="IfNeeded"))["metadata"]["labels"] == {"mark": "xx"}

    def test_it_sees_what_later_policies_did(self) -> None:
        copy = apply(
            "has(object.metadata.labels.seen) ? Object{metadata: Object.metadata{annotations: object.metadata.labels}}"
            " : Object{}"
        )
        never = self.both(mutating_policy("a", copy), mutating_policy("b", LABEL))
        assert "annotations" not in made(never)["metadata"]
        again = self.both(mutating_policy("a", copy, reinvocationPolicy="IfNeeded"), mutating_policy("b", LABEL))
        assert made(again)["metadata"]["annotations"] == {"seen": "yes"}

    def test_all_that_are_to_be_reinvoked_are_and_no_others(self) -> None:
        other = {"JSONPatch": APPEND["JSONPatch"].replace("mark", "other")}
        found = self.both(mutating_policy("a", APPEND, reinvocationPolicy="IfNeeded"), mutating_policy("b", other))
        assert made(found)["metadata"]["labels"] == {"mark": "xx", "other": "x"}

    def test_python_policies_join_in_the_same_order(self, tmp_path: Path) -> None:
        code = """\
            from gatewright import mutate

            @mutate(resources=["v1/pods"], reinvocation_policy="IfNeeded", name="b")
            def order(request):
                labels = request.object["metadata"]["labels"]
                labels["order"] = labels.get("order", "") + "b" + ("a" if "mark" in labels else "")
        """
        objects = [mutating_policy("a", APPEND), mutating_policy("c", LABEL)]
        bindings = [mutating_binding(name, name=name) for name in "abc"]
        tree = {"apiVersion": "v1", "kind": "List", "items": [*objects, *bindings]}
        policies = loaded_files(tmp_path, p_py=code, all_json=json.dumps(tree))
        found = run(policies, request())
        assert made(found)["metadata"]["labels"] == {"mark": "x", "order": "baba", "seen": "yes"}
        assert found.policies == ("a", "b", "c")

    def test_without_a_change_nothing_runs_again(self) -> None:
        count = {"JSONPatch": "object.metadata.name == 'web' ? [JSONPatch{op: 'test', path: '/x', value: 1}] : []"}
        assert not mutated(count, reinvocationPolicy="IfNeeded").changed

    def test_what_did_not_match_at_first_is_not_run_again(self) -> None:
        gated = mutating_policy(
            "a",
            APPEND,
            reinvocationPolicy="IfNeeded",
            matchConditions=[{"name": "c", "expression": "has(object.metadata.labels.seen)"}],
        )
        assert made(self.both(gated, mutating_policy("b", LABEL)))["metadata"]["labels"] == {"seen": "yes"}

    def test_match_conditions_are_asked_again(self) -> None:
        once = mutating_policy(
            "a",
            APPEND,
            reinvocationPolicy="IfNeeded",
            matchConditions=[{"name": "c", "expression": "!has(object.metadata.labels.mark)"}],
        )
        assert made(self.both(once, mutating_policy("b", LABEL)))["metadata"]["labels"] == {"mark": "x", "seen": "yes"}


class TestTheWholeRequest:
    def test_validation_sees_the_mutated_object(self) -> None:
        policies = loaded(
            mutating_policy("m", LABEL),
            mutating_binding("m"),
            policy("v", validations=[{"expression": "!has(object.metadata.labels.seen)", "message": "seen"}]),
            binding("v"),
        )
        assert not verdict(policies).allowed

    def test_delete_is_never_touched(self) -> None:
        everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
        asked = request(operation="DELETE", old_object=pod())
        assert mutated(LABEL, asked=asked, rules=[everything]) == Mutation(None)

    def test_mutations_that_cancel_out_are_no_change(self) -> None:
        found = mutated(
            operations("op: 'add', path: '/metadata/labels/x', value: '1'"),
            operations("op: 'remove', path: '/metadata/labels/x'"),
            asked=request(pod(labels={"a": "b"})),
        )
        assert (found.changed, found.policies) == (False, ())

    def test_policies_that_cancel_out_are_no_change(self) -> None:
        policies = loaded(
            mutating_policy("a", LABEL),
            mutating_policy("b", operations("op: 'remove', path: '/metadata/labels/seen'")),
            mutating_binding("a", name="a"),
            mutating_binding("b", name="b"),
        )
        assert run(policies, request(pod(labels={"a": "b"}))) == Mutation(pod(labels={"a": "b"}))

    def test_the_patch_of_a_review_has_only_what_changed(self) -> None:
        found = mutated(LABEL, asked=request(pod(labels={"a": "b"})))
        assert patch.diff(pod(labels={"a": "b"}), made(found)) == [
            {"op": "add", "path": "/metadata/labels/seen", "value": "yes"}
        ]


class TestRefused:
    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ({"reinvocationPolicy": None}, "spec.reinvocationPolicy: required: Never or IfNeeded"),
            (
                {"reinvocationPolicy": "Always"},
                "spec.reinvocationPolicy: expected 'Never' or 'IfNeeded', found 'Always'",
            ),
            ({"mutations": []}, "spec.mutations: required: at least one"),
            ({"matchConstraints": None}, "spec.matchConstraints.resourceRules: required: at least one rule"),
            ({"mutations": [{}]}, "spec.mutations[0].patchType: required: ApplyConfiguration or JSONPatch"),
            (
                {"mutations": [{"patchType": "JSONPatch"}]},
                "spec.mutations[0].jsonPatch: required if patchType is JSONPatch",
            ),
            (
                {
                    "mutations": [
                        {
                            "patchType": "ApplyConfiguration",
                            "applyConfiguration": {"expression": "Object{}"},
                            "jsonPatch": {"expression": "[JSONPatch{}]"},
                        }
                    ]
                },
                "spec.mutations[0].jsonPatch: must be absent if patchType is ApplyConfiguration",
            ),
            (
                {"mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": " "}}]},
                "spec.mutations[0].jsonPatch.expression: required: a CEL expression",
            ),
            (
                {"validations": [{"expression": "true"}]},
                "spec.validations: unknown field; did you mean mutations?",
            ),
        ],
    )
    def test_what_the_server_refuses(self, spec: dict[str, Any], message: str) -> None:
        found = problems(mutating_policy("p", LABEL, **spec), mutating_binding("p"))
        assert f"MutatingAdmissionPolicy 'p': {message}" in found

    def test_delete_in_rules_of_policies_and_bindings(self) -> None:
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "DELETE"], "resources": ["pods"]}
        told = "operations[1]: DELETE has no object to mutate; expected CREATE, UPDATE, CONNECT or '*'"
        assert problems(
            mutating_policy("p", LABEL, rules=[rule]), mutating_binding("p", matchResources={"resourceRules": [rule]})
        ) == [
            f"MutatingAdmissionPolicy 'p': spec.matchConstraints.resourceRules[0].{told}",
            f"MutatingAdmissionPolicyBinding 'b': spec.matchResources.resourceRules[0].{told}",
        ]
        excluded = {"excludeResourceRules": [{**rule, "operations": ["DELETE"]}]}
        assert problems(mutating_policy("p", LABEL, match=excluded), mutating_binding("p")) == []

    @pytest.mark.parametrize(
        ("mutation", "message"),
        [
            ({"JSONPatch": "[]"}, "must evaluate to list(JSONPatch) but got list(dyn)"),
            ({"JSONPatch": "JSONPatch{}"}, "must evaluate to list(JSONPatch) but got JSONPatch"),
            ({"JSONPatch": "[JSONPatch{op: 1}]"}, "expected type of field 'op' is 'string' but provided type is 'int'"),
            ({"JSONPatch": "[JSONPatch{pat: ''}]"}, "undefined field 'pat'; did you mean 'path'?"),
            ({"ApplyConfiguration": "object"}, "must evaluate to Object but got dyn"),
            ({"ApplyConfiguration": "Object.spec{}"}, "must evaluate to Object but got Object.spec"),
            ({"ApplyConfiguration": "Objekt{}"}, "undeclared reference to 'Objekt'; did you mean 'object'?"),
            (
                {"ApplyConfiguration": "Object{spec: params.data}"},
                "undeclared reference to 'params'",
            ),
            (
                {"ApplyConfiguration": "true ? Object{} : Object.spec{}"},
                "found no matching overload for '_?_:_' applied to '(bool, Object, Object.spec)'",
            ),
        ],
    )
    def test_expressions_that_do_not_compile(self, mutation: dict[str, str], message: str) -> None:
        [found] = problems(mutating_policy("p", mutation), mutating_binding("p"))
        assert message in found

    @pytest.mark.parametrize("expression", ["Object{} == Object{}", "jsonpatch.escapeKey('a') == 'a'"])
    def test_only_mutations_construct_objects(self, expression: str) -> None:
        conditions = [{"name": "c", "expression": expression}]
        found = problems(mutating_policy("p", LABEL, matchConditions=conditions), mutating_binding("p"))
        assert any("only the expressions of mutations have it" in each for each in found)
        assert problems(policy(validations=[{"expression": expression}]), binding())


class TestWarnings:
    PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}

    def warned(self, expression: str) -> list[str]:
        policies = loaded(mutating_policy("p", apply(expression), rules=[self.PODS]), mutating_binding("p"))
        return [problem.message.partition("expression: ")[2] for problem in policies.warnings]

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            (
                "Object{spec: Object.spec{hostNetwrk: true}}",
                "undefined field 'hostNetwrk' in Object.spec of v1 Pod; did you mean 'hostNetwork'?",
            ),
            (
                "object.metadata.name == 'x' ? Object{} : Object{spec: Object.spce{}}",
                "expected type 'Object.spec', found 'Object.spce': a type is named after the path of its field",
            ),
            (
                "Object{spec: Object.spec{containers: object.spec.containers.map(c,"
                " Object.spec.containers{nam: 'x'})}}",
                "undefined field 'nam' in Object.spec.containers of v1 Pod; did you mean 'name'?",
            ),
            (
                "Object{spec: Object.spec{containers: [{'name': 'x'}]}}",
                "the API server does not accept a map as an item of this list: write Object.spec.containers{…}",
            ),
            (
                "Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}",
                "Object.spec.nodeSelector is atomic, so it cannot be merged; use a JSONPatch",
            ),
            (
                "Object{spec: Object.spec{hostNetwork: object.spec.hostNetwrk}}",
                "undefined field 'hostNetwrk' in object.spec of v1 Pod; did you mean 'hostNetwork'?",
            ),
        ],
    )
    def test_what_is_sure_to_fail_is_told_when_it_is_loaded(self, expression: str, message: str) -> None:
        assert self.warned(expression) == [message]

    @pytest.mark.parametrize(
        "expression",
        [
            "Object{kind: 'x', metadata: Object.metadata{labels: {'a': 'b'}, annotations: object.metadata.labels}}",
            "Object{metadata: Object.metadata{labels: Object.metadata.labels{any: 'b'}}}",
            "Object{spec: Object.spec{containers: object.spec.containers + [Object.spec.containers{name: 'x'}]}}",
            "Object{spec: Object.spec{containers: object.spec.containers + [{'name': 'x'}]}}",
            "Object{?spec: has(object.spec) ? optional.of(Object.spec{hostNetwork: true}) : optional.none()}",
        ],
    )
    def test_what_can_be_merged_is_not(self, expression: str) -> None:
        assert self.warned(expression) == []


@pytest.mark.parametrize("wrong", [[], [[]], {}, None, 1])
@pytest.mark.parametrize("field", ["apiVersion", "kind"])
def test_an_object_whose_kind_is_no_text_is_no_defect(field: str, wrong: Any) -> None:
    """No API server sends one; whoever reaches the port may."""
    policies = loaded(mutating_policy("p", APPEND), mutating_binding("p"))
    sent = request({**pod(labels={"mark": "a"}), field: wrong})
    outcome = engine.mutate(sent, policies, ManifestsView((), assume_namespaces=True))
    assert outcome.object is not None
    assert outcome.object[field] == wrong
