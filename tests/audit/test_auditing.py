"""Audits of a cluster that is served from memory: what is judged, as what, and what is said of what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.clusters import Server, audited, loaded, made, policy, told
from tests.cluster.apiserver import Exchange
from webhook.policy.request import User

SHORT = policy("short", "object.metadata.name.size() < 6", "too long")


def pods(*images: str) -> dict[str, Any]:
    return {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}


def refused(status: int, message: str = "no") -> Any:
    def answer(exchange: Exchange) -> bool:
        exchange.refuse(status, message)
        return True

    return answer


def test_objects_of_all_pages_are_judged_once(tmp_path: Path) -> None:
    server = Server([made("ConfigMap", f"config-{number:02}") for number in range(25)])
    found, audit = audited(server, loaded(tmp_path / "p", SHORT), largest=7)
    assert told(found) == [f"ConfigMap config-{number:02}: too long" for number in range(25)]
    assert (audit.objects, audit.kinds, audit.problems) == (25, {"configmaps"}, [])
    assert [token for path, token in server.asked if path == "/api/v1/configmaps"] == ["", "7", "14", "21"]


def test_only_the_kinds_of_policies_are_listed_and_namespaces(tmp_path: Path) -> None:
    server = Server([made("Secret", "hidden-one"), made("ConfigMap", "long-name")])
    audited(server, loaded(tmp_path / "p", SHORT))
    listed = {path for path, _ in server.asked if path.count("/") > 2 and not path.startswith("/apis/")}
    assert listed == {"/api/v1/configmaps", "/api/v1/namespaces"}


def test_an_object_is_judged_as_if_created_without_what_the_server_stored_of_it(tmp_path: Path) -> None:
    seen = policy(
        "seen",
        "request.operation == 'CREATE' && oldObject == null && !has(object.metadata.resourceVersion) && "
        "!has(object.status.replicas) && request.userInfo.username == 'alice'",
        on="deployments",
    )
    web = made("Deployment", "web", spec={"template": {"spec": pods("a")}}, status={"replicas": 3})
    found, _ = audited(Server([web]), loaded(tmp_path / "p", seen), User(username="alice"))
    assert told(found) == []


@pytest.mark.parametrize(
    ("operations", "annotation", "operation"),
    [
        (["CREATE", "UPDATE"], "", ["CREATE"]),
        (["UPDATE"], "", ["UPDATE"]),
        (["CREATE", "UPDATE"], "update", ["CREATE", "UPDATE"]),
        (["CREATE"], "update", ["CREATE"]),
        (["CREATE", "UPDATE"], "never", []),
        (["DELETE"], "", []),
    ],
)
def test_a_policy_says_as_what_objects_are_judged(
    tmp_path: Path, operations: list[str], annotation: str, operation: list[str]
) -> None:
    annotations = {"gatewright.dev/audit": annotation} if annotation else {}
    expression = "request.operation == 'CREATE' ? oldObject != null : oldObject != object"
    said = policy(
        "said",
        expression,
        operations=operations,
        annotations=annotations,
        validations=[{"expression": expression, "messageExpression": "request.operation"}],
    )
    found, audit = audited(Server([made("ConfigMap", "a")]), loaded(tmp_path / "p", said))
    assert told(found) == [f"ConfigMap a: {each}" for each in operation]
    assert bool(audit.notes) == (not operation)


def test_the_pods_of_a_workload_that_runs_none_are_judged_by_its_template(tmp_path: Path) -> None:
    images = policy("images", "object.spec.containers.all(c, c.image != 'bad')", on="pods")
    every = policy("every", "true", on="deployments")
    web = made("Deployment", "web", spec={"replicas": 0, "template": {"spec": pods("bad")}})
    found, _ = audited(Server([web]), loaded(tmp_path / "p", images, every))
    assert told(found) == ["Deployment web: no"]


def test_an_object_knows_the_highest_controller_above_it(tmp_path: Path) -> None:
    web = made("Deployment", "web")
    set_ = made("ReplicaSet", "web-1", owner=web, spec={"replicas": 2})
    running = [made("Pod", f"web-1-{name}", owner=set_, spec=pods("bad")) for name in "ab"]
    images = policy("images", "object.spec.containers.all(c, c.image != 'bad')", on="pods")
    found, audit = audited(
        Server([web, set_, *running, made("Pod", "alone", spec=pods("bad"))]), loaded(tmp_path, images)
    )
    above = {each.verdict.identity.name: each.workload and each.workload.name for each in found}
    assert above == {"web-1-a": "web", "web-1-b": "web", "alone": None}
    assert audit.objects == 3  # ReplicaSets are only looked through


def test_former_replica_sets_are_left_out(tmp_path: Path) -> None:
    web = made("Deployment", "web")
    sets = [made("ReplicaSet", f"web-{size}", owner=web, spec={"replicas": size}) for size in (0, 1)]
    found, audit = audited(Server([web, *sets]), loaded(tmp_path, policy("none", "false", on="replicasets")))
    assert told(found) == ["ReplicaSet web-1: no"]
    assert audit.history == 1


def test_a_kind_that_may_not_be_listed_is_named_and_the_rest_is_judged(tmp_path: Path) -> None:
    server = Server([made("ConfigMap", "long-name")], {"/apis/apps/v1/deployments": refused(403, "forbidden to you")})
    found, audit = audited(server, loaded(tmp_path, policy("all", "false", on="deployments,configmaps")))
    assert told(found) == ["ConfigMap long-name: no"]
    assert [each.message for each in audit.problems] == ["deployments.apps cannot be listed: 403: forbidden to you"]


def test_policies_whose_params_may_not_be_listed_judge_nothing(tmp_path: Path) -> None:
    params = {"apiVersion": "v1", "kind": "Secret"}
    bound = {"paramRef": {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}}
    server = Server([made("ConfigMap", "long-name")], {"/api/v1/namespaces/rules/secrets": refused(403)})
    limited = policy("limited", "params != null", paramKind=params, binding=bound)
    found, audit = audited(server, loaded(tmp_path, SHORT, limited))
    assert told(found) == ["ConfigMap long-name: too long"]
    (problem,) = audit.problems
    assert problem.message.endswith("policies that look them up judge nothing: limited")


def test_policies_that_need_no_namespace_judge_without_the_right_to_list_them(tmp_path: Path) -> None:
    server = Server([made("ConfigMap", "long-name")], {"/api/v1/namespaces": refused(403)})
    constraints = {
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"strict": "yes"}},
    }
    found, audit = audited(
        server, loaded(tmp_path, SHORT, policy("strict", "false", "strict", matchConstraints=constraints))
    )
    assert told(found) == ["ConfigMap long-name: too long"]
    assert "judge nothing: strict" in audit.problems[0].message


def test_a_group_that_fails_discovery_is_named_and_the_rest_is_judged(tmp_path: Path) -> None:
    server = Server([made("ConfigMap", "long-name")], {"/apis/batch/v1": refused(503, "no endpoints")})
    found, audit = audited(server, loaded(tmp_path, SHORT))
    assert told(found) == ["ConfigMap long-name: too long"]
    assert [each.message for each in audit.problems] == ["/apis/batch/v1 cannot be listed: 503: no endpoints"]


def test_an_object_that_could_not_be_created_again_is_judged_all_the_same(tmp_path: Path) -> None:
    debugged = made("Pod", "web", spec={**pods("bad"), "ephemeralContainers": [{"name": "d", "image": "d"}]})
    images = policy("images", "object.spec.containers.all(c, c.image != 'bad')", on="pods")
    found, _ = audited(Server([debugged]), loaded(tmp_path, images))
    assert told(found) == ["Pod web: no"]


def test_a_kind_without_a_schema_is_judged_as_it_is(tmp_path: Path) -> None:
    widgets = {"configmaps": ("v1", "ConfigMap", True), "widgets": ("shop.example/v1", "Widget", True)}
    widget = {
        "apiVersion": "shop.example/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "shop"},
        "anything": {"goes": [1, None, {"x": "y"}]},
        "status": {"ready": True},
    }
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["widgets"]}
    expression = "object.anything.goes[2].x != 'y' && !has(object.status)"
    said = policy("said", expression, matchConstraints={"resourceRules": [rule]})
    found, _ = audited(Server([widget], kinds=widgets), loaded(tmp_path, said))
    assert told(found) == ["Widget w: no"]


def test_namespaces_have_the_labels_of_the_cluster_and_params_are_those_of_the_tree(tmp_path: Path) -> None:
    bound = {"paramRef": {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}}
    limited = policy(
        "limited",
        "namespaceObject.metadata.labels.strict == 'no' || object.metadata.name.size() < int(params.data.most)",
        "limited",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        binding=bound,
    )
    labels = {"shop": "yes", "rules": "no", "lax": "no"}
    namespaces = [
        {**made("Namespace", name), "metadata": {"name": name, "labels": {"strict": label}}}
        for name, label in labels.items()
    ]
    limits = made("ConfigMap", "limits", "rules", data={"most": "99"})
    server = Server([*namespaces, limits, made("ConfigMap", "long-name"), made("ConfigMap", "long-name", "lax")])
    tree = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: limits, namespace: rules}}
data: {{most: "4"}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{strict: "no"}}}}
---
{limited}"""
    found, _ = audited(server, loaded(tmp_path, tree))
    assert [(each.verdict.identity.namespace, each.verdict.identity.name) for each in found] == [("shop", "long-name")]


def versions(*named: str, group: str = "batch") -> Any:
    """What answers in place of the versions of a group: one that is preferred, and older ones."""

    def answer(exchange: Exchange) -> bool:
        served = [{"groupVersion": f"{group}/{each}"} for each in named]
        exchange.json({"groups": [{"name": group, "versions": served, "preferredVersion": served[0]}]})
        return True

    return answer


def resources(*verbs: str, kind: str = "Job", plural: str = "jobs") -> Any:
    def answer(exchange: Exchange) -> bool:
        exchange.json({"resources": [{"name": plural, "kind": kind, "namespaced": True, "verbs": list(verbs)}]})
        return True

    return answer


def items(*names: str) -> Any:
    def answer(exchange: Exchange) -> bool:
        exchange.json({"metadata": {}, "items": [{"metadata": {"name": name, "namespace": "shop"}} for name in names]})
        return True

    return answer


def of_version(name: str, version: str) -> str:
    rule = {"apiGroups": ["batch"], "apiVersions": [version], "operations": ["CREATE"], "resources": ["jobs"]}
    said = [{"expression": "false", "messageExpression": f"'{name} of ' + request.resource.version"}]
    return policy(name, "false", matchConstraints={"resourceRules": [rule], "matchPolicy": "Exact"}, validations=said)


def test_each_policy_judges_an_object_in_one_version(tmp_path: Path) -> None:
    server = Server(
        [],
        {
            "/apis": versions("v2", "v1"),
            "/apis/batch/v2": resources("list", "create"),
            "/apis/batch/v1": resources("list", "create"),
            "/apis/batch/v2/jobs": items("nightly"),
            "/apis/batch/v1/jobs": items("nightly"),
        },
    )
    found, _ = audited(server, loaded(tmp_path, of_version("any", "*"), of_version("old", "v1")))
    assert told(found) == ["Job nightly: any of v2", "Job nightly: old of v1"]


def test_what_nobody_can_create_is_not_read(tmp_path: Path) -> None:
    broken = {"/apis": versions("v1"), "/apis/batch/v1": resources("list", "get"), "/apis/batch/v1/jobs": items("a")}
    found, audit = audited(Server([], broken), loaded(tmp_path, of_version("any", "*")))
    assert not found and not audit.kinds
    assert audit.notes == ["here serves no kind that a policy is about"]


def test_events_that_two_groups_serve_are_read_once(tmp_path: Path) -> None:
    server = Server([], kinds={"events": ("v1", "Event", True)})
    server.broken["/apis"] = versions("v1", group="events.k8s.io")
    server.broken["/apis/events.k8s.io/v1"] = resources("list", "create", kind="Event", plural="events")
    server.broken["/api/v1/events"] = items("seen")
    server.broken["/apis/events.k8s.io/v1/events"] = items("seen")
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["events"]}
    found, _ = audited(server, loaded(tmp_path, policy("p", "false", matchConstraints={"resourceRules": [rule]})))
    assert told(found) == ["Event seen: no"]
