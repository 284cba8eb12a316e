"""What expressions become, by what is known of the objects of a policy."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.convert.simplify.knowntypes import Scope, scope_of, variable
from webhook.convert.simplify.rewriting import simplified
from webhook.convert.simplify.terms import read
from webhook.convert.simplify.termtexts import flat
from webhook.schema.kinds import Kinds
from webhook.versions import NEWEST

POD = (
    "object.kind == 'Pod' ? object : "
    "object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template : object.spec.template"
)
TEAM = "object.metadata.labels.team"
SCALAR = "(type({0}) == string || type({0}) == int || type({0}) == double || type({0}) == bool)"
FALSY = "[dyn(null), dyn(false), dyn(''), dyn([]), dyn({})]"


def scope(*resources: str, operations: tuple[str, ...] = ("CREATE", "UPDATE"), **more: Any) -> Scope:
    rules = []
    for each in resources:
        group, _, resource = each.rpartition(".")
        rules.append(
            {"apiGroups": [group], "apiVersions": ["*"], "operations": list(operations), "resources": [resource]}
        )
    found = scope_of({"matchConstraints": {"resourceRules": rules}, **more}, Kinds.builtin(NEWEST), NEWEST)
    return variable(found, "pod", read(POD))


MAPS = scope("configmaps")
PODS = scope("pods", "apps.deployments", "batch.cronjobs")
DEPLOYMENTS = scope("apps.deployments")
WIDGETS = scope("example.com.widgets")
DELETED = scope("configmaps", operations=("DELETE",))
PARAMS = scope("configmaps", paramKind={"apiVersion": "v1", "kind": "ConfigMap"})


@pytest.mark.parametrize(
    ("where", "before", "after"),
    [
        # What types say.
        (MAPS, SCALAR.format(TEAM), "true"),
        (MAPS, f"type({TEAM}) == list ? {TEAM}.all(e, e == 'a') : {TEAM} == 'a'", f"{TEAM} == 'a'"),
        (WIDGETS, SCALAR.format("object.spec.v"), SCALAR.format("object.spec.v")[1:-1]),
        (DEPLOYMENTS, "quantity(string(object.spec.replicas)).compareTo(quantity('5')) > 0",
         "object.spec.replicas > 5"),
        (DEPLOYMENTS, "object.spec.replicas == 'a'", "object.spec.replicas == 'a'"),
        (MAPS, "object.?data.?size.orValue(null) == 'a'", "object.?data.?size.orValue('') == 'a'"),
        (MAPS, "object.?data.?size.orValue(null) == ''", "object.?data.?size.orValue(null) == ''"),
        (MAPS, "object.?data.?size.orValue(null) == 5", "false"),
        (MAPS, f"!(object.?data.?size.orValue(null) in {FALSY})", "object.?data.?size.orValue('') != ''"),
        (MAPS, f"object.?data.orValue(null) in {FALSY}", "object.?data.orValue({}) == {}"),
        (MAPS, "type(object.?data.?size.orValue(null)) == string", "object.?data.?size.hasValue()"),
        (PARAMS, "type(params.?data.?size.orValue(null)) == string", "params.?data.?size.hasValue()"),
        (
            PODS,
            "variables.pod.spec.containers.all(c, type(c.image) == string && isQuantity(c.resources.limits.memory))",
            "variables.pod.spec.containers.all(c, isQuantity(c.resources.limits.memory))",
        ),
        # What is always there.
        (MAPS, "object.?metadata.orValue({}).?labels.hasValue()", "has(object.metadata.labels)"),
        (PODS, "variables.pod.?spec.?containers.orValue([])", "variables.pod.spec.containers"),
        (PODS, "has(variables.pod.spec)", "true"),
        (WIDGETS, "has(object.spec)", "has(object.spec)"),
        (WIDGETS, "object.?metadata.?labels.?a.hasValue()", "object.metadata.?labels.?a.hasValue()"),
        (DELETED, "object.?metadata.?labels.hasValue()", "object.?metadata.?labels.hasValue()"),
        (MAPS, "(oldObject == null ? {} : oldObject).?metadata.hasValue()",
         "has((oldObject == null ? {} : oldObject).metadata)"),
        # Guards.
        (MAPS, f"has(object.metadata.labels) && has({TEAM}) && {TEAM} != ''",
         "object.metadata.?labels.?team.orValue('') != ''"),
        (MAPS, f"has(object.metadata.labels) && has({TEAM}) && {TEAM} != 'a'",
         f"object.metadata.?labels.?team.hasValue() && {TEAM} != 'a'"),
        (MAPS, "!has(object.data) || !has(object.data.a) || object.data.a != 'x'",
         "object.?data.?a.orValue('') != 'x'"),
        (MAPS, "!has(object.data) || !has(object.data.a) || object.data.a == 'x'",
         "!object.?data.?a.hasValue() || object.data.a == 'x'"),
        (WIDGETS, "has(object.spec) && has(object.spec.a) && object.spec.a != ''",
         "has(object.spec) && has(object.spec.a) && object.spec.a != ''"),
        (MAPS, "object.?data.?a.hasValue() && object.?data.?a.orValue(null) < 'x'",
         "object.?data.?a.hasValue() && object.data.a < 'x'"),
        # Logic.
        (MAPS, "!(!has(object.data) || object.data.a == 'x')", "has(object.data) && object.data.a != 'x'"),
        (MAPS, "!has(object.data) ? false : true", "has(object.data)"),
        (WIDGETS, "object.spec.a ? true : object.spec.b", "object.spec.a ? true : object.spec.b"),
        (MAPS, "!request.userInfo.groups.exists(g, g == 'a' || g == 'b')",
         "request.userInfo.groups.all(g, g != 'a' && g != 'b')"),
        (WIDGETS, "!(object.spec.a < 5)", "!(object.spec.a < 5)"),
        (MAPS, "request.kind.kind == 'ConfigMap' && request.?subResource.orValue('') in ['', 'status']", "true"),
        (PODS, "request.kind.kind == 'Pod'", "request.kind.kind == 'Pod'"),
        (PODS, "request.kind.kind == 'Service'", "false"),
        # Lists and names.
        (PODS, "variables.pod.spec.containers.exists(c, dyn('a') == c.name)",
         "variables.pod.spec.containers.exists(c, c.name == 'a')"),
        (PODS, "variables.pod.spec.?imagePullSecrets.orValue([]).map(s, s.name).exists(n, n == 'a')",
         "'a' in variables.pod.spec.?imagePullSecrets.orValue([]).map(s, s.name)"),
        (WIDGETS, "object.spec.exists(e, e == 'a')", "object.spec.exists(e, e == 'a')"),
        (MAPS, "[object.?data.?a.orValue(null)].exists(v, type(v) == string && v.startsWith('x'))",
         "object.?data.?a.orValue('').startsWith('x')"),
        (WIDGETS, "[object.spec.a].exists(v, object.spec.b || v == 1 || v == 2)",
         "[object.spec.a].exists(v, object.spec.b || v == 1 || v == 2)"),
        (MAPS, "['a: ' + [dyn(object.metadata.name)].map(v, v)[0]][0]", "'a: ' + object.metadata.name"),
        (MAPS, "'a' + 'b' + object.data.c", "'ab' + object.data.c"),
        (PODS, "object.spec.containers.transformList(i, c, has(object.spec.containers[i].image), i)",
         "object.spec.containers.transformList(i, c, has(c.image), i)"),
        (
            PODS,
            "variables.pod.spec.containers.all(c, c.resources.limits.cpu.matches('x') && "
            "duration(c.resources.limits.cpu) > duration('50m') || "
            "quantity(c.resources.limits.cpu).compareTo(quantity('50m')) > 0 && !c.resources.limits.cpu.matches('x'))",
            "variables.pod.spec.containers.all(c, quantity(c.resources.limits.cpu).compareTo(quantity('50m')) > 0)",
        ),
    ],
)  # fmt: skip
def test_what_becomes_of_expressions(where: Scope, before: str, after: str) -> None:
    assert flat(simplified(read(before), where)) == after
