"""Warnings about fields that the objects of a policy do not have."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.amounts import amount
from tests.policy.trees import binding, loaded, policy
from webhook.paths import render
from webhook.policy.cel import typechecking


def rule(*resources: str, group: str = "apps", version: str = "v1", **more: Any) -> dict[str, Any]:
    operations = {"operations": ["CREATE", "UPDATE"]}
    return {"apiGroups": [group], "apiVersions": [version], "resources": list(resources)} | operations | more


DEPLOYMENTS = rule("deployments")
PODS = rule("pods", group="")


def warned(expression: str, *rules: dict[str, Any], objects: tuple[Any, ...] = (), **spec: Any) -> list[str]:
    """The warnings about a validation, without what they say of its place."""
    validations = [{"expression": expression, "message": "no"}]
    tree = loaded(
        policy(rules=list(rules or (DEPLOYMENTS,)), **{"validations": validations, **spec}), binding(), *objects
    )
    return [each.message.partition("expression: ")[2] or each.message for each in tree.warnings]


class TestFields:
    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("object.spec.replicaz > 1", "'replicaz' in object.spec of apps/v1 Deployment; did you mean 'replicas'?"),
            ("oldObject.spek == 1", "'spek' in oldObject of apps/v1 Deployment; did you mean 'spec'?"),
            ("has(object.spec.replicaz)", "'replicaz' in object.spec of apps/v1 Deployment; did you mean 'replicas'?"),
            ("object.?spek.hasValue()", "'spek' in object of apps/v1 Deployment; did you mean 'spec'?"),
            ("object['spek'] == 1", "'spek' in object of apps/v1 Deployment; did you mean 'spec'?"),
            (
                "object.spec.template.spec.containers[0].imagee == ''",
                "'imagee' in object.spec.template.spec.containers[0] of apps/v1 Deployment; did you mean 'image'?",
            ),
            (
                "object.spec.template.spec.containers.all(c, c.ports.exists(p, p.protcol == 'TCP'))",
                "'protcol' in p of apps/v1 Deployment; did you mean 'protocol'?",
            ),
            (
                "object.spec.template.spec.containers.all(i, c, c.imagee == string(i))",
                "'imagee' in c of apps/v1 Deployment; did you mean 'image'?",
            ),
            (
                "object.spec.template.spec.volumes.filter(v, has(v.hostPath)).map(v, v.hostPath).all(h, h.pth == '/')",
                "'pth' in h of apps/v1 Deployment; did you mean 'path'?",
            ),
            (
                "(object.spec.template.spec.containers + object.spec.template.spec.?initContainers.orValue([]))"
                ".all(c, c.nam == '')",
                "'nam' in c of apps/v1 Deployment; did you mean 'name'?",
            ),
            (
                "[object.spec, oldObject.spec].exists(s, s.replicaz == 1)",
                "'replicaz' in s of apps/v1 Deployment; did you mean 'replicas'?",
            ),
            (
                "object.?spec.orValue({}).replicaz == 1",
                "'replicaz' in object.spec of apps/v1 Deployment; did you mean 'replicas'?",
            ),
            (
                "object.?spec.optMap(s, s.replicaz == 1).orValue(true)",
                "'replicaz' in s of apps/v1 Deployment; did you mean 'replicas'?",
            ),
            (
                "(object.spec.paused ? object.spec : oldObject.spec).replicaz == 1",
                "'replicaz' in a value of apps/v1 Deployment; did you mean 'replicas'?",
            ),
            (
                "object.spec.template.spec.hostUsers && object.status.xyzzy == 1",
                "'xyzzy' in object.status of apps/v1 Deployment; expected one of availableReplicas, collisionCount, "
                "conditions, observedGeneration, readyReplicas, replicas, terminatingReplicas, unavailableReplicas, "
                "updatedReplicas",
            ),
        ],
    )
    def test_that_are_not_there(self, expression: str, message: str) -> None:
        assert warned(expression) == [f"undefined field {message}"]

    @pytest.mark.parametrize(
        "expression",
        [
            "object.spec.replicas > 1 && object.metadata.namespace != '' && object.kind == 'Deployment'",
            "object.metadata.labels.anything == '' && object.metadata.annotations['a/b'] == ''",
            "object.metadata.labels.all(k, v, k.size() > 1 && v.size() > 1)",
            "object.spec.template.spec.containers[0].resources.limits.cpu == '1'",
            "object.spec.template.spec.containers[0].livenessProbe.httpGet.port.anything == 1",
            "object.metadata.managedFields[0].fieldsV1['f:spec'] != null",
            "[object, object.spec].exists(x, x.replicaz == 1)",  # it may be either
            "(object.spec.paused ? object.spec : object.status).replicaz == 1",
            "object.metadata.labels.map(k, k).exists(k, k == 'a')",
            "request.name.size() > 0 && [{'a': 1}].all(x, x.a == 1)",
        ],
    )
    def test_that_are_there_or_may_be(self, expression: str) -> None:
        assert warned(expression) == []

    def test_of_a_scalar_or_a_list(self) -> None:
        assert warned("object.spec.replicas.max == 1") == [
            "type 'int' does not support field selection: object.spec.replicas of apps/v1 Deployment"
        ]
        assert warned("object.spec.template.spec.containers.image == ''") == [
            "type 'list' does not support field selection: object.spec.template.spec.containers of apps/v1 Deployment"
        ]

    @pytest.mark.parametrize(
        ("expression", "operator", "types", "where"),
        [
            ("object.spec.replicas == '3'", "_==_", "int, string", "object.spec.replicas"),
            ("'3' < object.spec.replicas", "_<_", "string, int", "object.spec.replicas"),
            ("object.spec.replicas in ['3']", "@in", "int, list(string)", "object.spec.replicas"),
            ("1 in object.metadata.finalizers", "@in", "int, list(string)", "object.metadata.finalizers"),
            ("object.spec.paused != 'true'", "_!=_", "bool, string", "object.spec.paused"),
            ("object.metadata.labels.all(k, v, v == true)", "_==_", "string, bool", "v"),
        ],
    )
    def test_that_are_compared_with_what_they_never_are(
        self, expression: str, operator: str, types: str, where: str
    ) -> None:
        told = f"found no matching overload for '{operator}' applied to '({types})': {where} of apps/v1 Deployment"
        assert warned(expression) == [told]

    @pytest.mark.parametrize(
        "expression",
        [
            "object.spec.replicas > 1.5 || object.spec.replicas == 1.0",
            "object.spec.replicas == null || dyn(object.spec.replicas) == '3'",
            "object.metadata.creationTimestamp == '2020-01-01T00:00:00Z'",
            "object.?spec.?replicas.orValue('none') == 'none'",
            "'a' in object.metadata.finalizers && object.spec.replicas in [1, 2]",
        ],
    )
    def test_that_are_compared_with_what_they_may_be(self, expression: str) -> None:
        assert warned(expression) == []

    def test_all_of_an_expression_are_told_once_each(self) -> None:
        found = warned("object.spek == 1 || object.spec.replicaz == 1 || object.spec.replicaz == 2")
        assert [each.split("'")[1] for each in found] == ["spek", "replicaz", "replicaz"]

    def test_of_params_by_their_kind(self) -> None:
        assert warned("params.dat.max == '1'", paramKind={"apiVersion": "v1", "kind": "ConfigMap"}, objects=()) == [
            "undefined field 'dat' in params of v1 ConfigMap; did you mean 'data'?"
        ]
        assert warned("params.dat == 1", paramKind={"apiVersion": "example.com/v1", "kind": "Bounds"}) == []


class TestWhereItLooks:
    def test_at_validations_their_messages_and_the_variables_that_they_use(self) -> None:
        tree = loaded(
            policy(
                rules=[DEPLOYMENTS],
                variables=[
                    {"name": "used", "expression": "object.spec.replicaz"},
                    {"name": "spec", "expression": "object.spec"},
                    {"name": "unused", "expression": "object.spek"},
                ],
                matchConditions=[{"name": "c", "expression": "object.spek == 1"}],
                validations=[
                    {
                        "expression": "variables.used == 1 && variables.spec.selektor == {}",
                        "messageExpression": "string(object.metadata.nam)",
                    }
                ],
                auditAnnotations=[{"key": "k", "valueExpression": "string(object.spek)"}],
            ),
            binding(),
        )
        assert sorted(each.message.split(": ")[1:3] for each in tree.warnings) == [
            ["spec.validations[0].expression", warning("selektor", "variables.spec", "selector")],
            ["spec.validations[0].messageExpression", warning("nam", "object.metadata", "name")],
            ["spec.variables[0].expression", warning("replicaz", "object.spec", "replicas")],
        ]

    @pytest.mark.parametrize(
        "given",
        [
            rule("*"),
            rule("deployments", group="*"),
            rule("deployments", version="*"),
            rule("deployments/scale"),
            rule("deployments/*"),
            rule("oxen", group="example.com"),
        ],
    )
    def test_not_at_rules_with_wildcards_subresources_or_unknown_kinds(self, given: dict[str, Any]) -> None:
        assert warned("object.spek == 1", given) == []

    def test_at_ten_kinds_at_most(self) -> None:
        many = rule("deployments", "daemonsets", "replicasets", "statefulsets", "controllerrevisions")
        more = rule("pods", "services", "secrets", "configmaps", "endpoints", "events", "nodes", group="")
        both = more | {"apiGroups": ["", "apps"], "resources": [*many["resources"], *more["resources"]]}
        [found] = warned("object.spek == 1", both)
        assert found.count(" v1 ") + found.count(",v1 ") + found.count("apps/v1 ") == 10

    def test_at_kinds_of_definitions_in_the_tree(self) -> None:
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"legs": {"type": "integer"}}}},
        }
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "oxen.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"kind": "Ox", "plural": "oxen"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }
        oxen = rule("oxen", group="example.com")
        assert warned("object.spec.leg == 4", oxen, objects=(crd,)) == [
            "undefined field 'leg' in object.spec of example.com/v1 Ox; did you mean 'legs'?"
        ]
        assert warned("object.spec.legs == 4 && object.metadata.name != ''", oxen, objects=(crd,)) == []


class TestSeveralKinds:
    def test_a_field_that_none_has_is_told_with_all(self) -> None:
        assert warned("object.spec.replicaz == 1", DEPLOYMENTS, PODS) == [
            "undefined field 'replicaz' in object.spec of v1 Pod and apps/v1 Deployment; did you mean 'replicas'?"
        ]

    def test_a_field_that_some_have_is_told_where_it_is_read_of_all(self) -> None:
        assert warned("object.spec.replicas == 1", DEPLOYMENTS, PODS)[0].startswith(
            "undefined field 'replicas' in object.spec of v1 Pod"
        )

    @pytest.mark.parametrize(
        "expression",
        [
            "!has(object.spec.replicas) || object.spec.replicas == 1",
            "object.kind == 'Pod' ? true : object.spec.replicas == 1",
            "object.spec.?replicas.orValue(1) == 1",
            "has(object.spec.template) && object.spec.template.spec.hostNetwork",
        ],
    )
    def test_kinds_that_are_told_apart_are_no_mistake(self, expression: str) -> None:
        assert warned(expression, DEPLOYMENTS, PODS) == []

    def test_nor_are_kinds_that_match_conditions_may_tell_apart(self) -> None:
        conditions = [{"name": "c", "expression": "object.kind == 'Deployment'"}]
        assert warned("object.spec.replicas == 1", DEPLOYMENTS, PODS, matchConditions=conditions) == []


def warning(field: str, where: str, meant: str) -> str:
    return f"undefined field '{field}' in {where} of apps/v1 Deployment; did you mean '{meant}'?"


def test_a_warning_stands_at_the_name_of_the_field() -> None:
    tree = loaded(
        policy(rules=[DEPLOYMENTS], validations=[{"expression": "true &&\n  object.spec\n    .replicaz == 1"}]),
        binding(),
    )
    [found] = tree.warnings
    assert found.excerpt is not None
    assert found.excerpt.text[found.excerpt.column - 1 :].startswith("replicaz")
    assert tree.only("Fail").warnings == tree.warnings
    assert render(("spec", "validations", 0, "expression")) in found.message


WORKLOADS = (
    rule("deployments", "replicasets", "statefulsets", "daemonsets"),
    rule("jobs", "cronjobs", group="batch"),
    rule("pods", "podtemplates", "replicationcontrollers", group=""),
)
SPEC = (
    "object.kind == 'Pod' ? dyn(object).spec : object.kind == 'CronJob' ? "
    "dyn(object).spec.jobTemplate.spec.template.spec : dyn(object).spec.template.spec"
)
PARTS = (
    SPEC,
    "object.spec.template.spec",
    "[object.spec.template.spec]",
    "variables.v0.containers",
    "variables.v0.containerz",
    "variables.v1.containers + variables.v1.containers",
    "object.metadata",
    "object.metadata.labelz",
    "object.spec.replicas",
    "params.data",
    "params.date",
    "[variables.v0, variables.v1]",
    "variables.v1.map(c, c.?imagee)",
    "variables.v0 == variables.v2 || variables.v0.namee == variables.v1.namee",
)


def said(tree: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each.line, each.column, each.message) for each in loaded(tree, binding()).warnings]


def without_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each kind be checked as if it were the only one."""
    checker = typechecking.Checker
    monkeypatch.setattr(typechecking, "Checker", lambda *args: checker(*args[:4]))


@pytest.mark.parametrize("seed", range(amount(2_000, 20)))
@pytest.mark.parametrize("params", ["v1 ConfigMap", "apps/v1 Deployment"])
def test_what_is_known_of_other_kinds_changes_no_warning(
    seed: int, params: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(seed)
    parts = chosen.choices(PARTS, k=6)
    api_version, _, kind = params.rpartition(" ")
    sources = ["object.spec", SPEC, "object.metadata", *parts]
    sources = [f"dyn({source})" if chosen.random() < 0.2 else source for source in sources]
    places = [(chosen.randrange(3), chosen.randrange(9), chosen.randrange(9)) for _ in range(4)]
    tree = policy(
        rules=chosen.sample(WORKLOADS, chosen.randint(1, 3)),
        paramKind={"apiVersion": api_version, "kind": kind},
        variables=[{"name": f"v{number}", "expression": source} for number, source in enumerate(sources)],
        validations=[
            {"expression": f"has(variables.v{a}.namez) || dyn(variables.v{b}) == variables.v{c}"} for a, b, c in places
        ],
    )
    known = said(tree)
    without_known(monkeypatch)
    assert said(tree) == known


def test_what_all_kinds_share_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that are visited, for one kind and for nine."""

    class Counting(typechecking.Checker):
        visited = 0

        def _shape(self, node: Any, scope: Any) -> Any:
            Counting.visited += 1
            return super()._shape(node, scope)

    def visited(*rules: dict[str, Any]) -> int:
        Counting.visited = 0
        validations = [{"expression": f"variables.containers.all(c, c.image != 'nginx:{n}')"} for n in range(50)]
        spec = "object.spec.template.spec" if rules == (DEPLOYMENTS,) else SPEC
        variables = [{"name": "containers", "expression": f"({spec}).containers"}]
        loaded(policy(rules=list(rules), variables=variables, validations=validations), binding())
        return Counting.visited

    monkeypatch.setattr(typechecking, "Checker", Counting)
    once = visited(DEPLOYMENTS)
    assert visited(*WORKLOADS) < 2 * once
