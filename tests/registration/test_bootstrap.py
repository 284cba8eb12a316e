"""What a cluster writes before any Pod runs is not asked about, unless a policy names it and the operator confirms."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from tests.policy import trees
from tests.registration import simulated
from tests.registration.simulated import Sent
from webhook.policy import startup
from webhook.policy.policyset import PolicySet
from webhook.registration import bootstrap
from webhook.registration.configurations import Options, text
from webhook.registration.webhooks import STEADY, webhooks

NODES = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["nodes", "pods"]}
EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
NODE = Sent("", "v1", "nodes", "", "CREATE", "n1", "", {}, None)
POD = Sent("", "v1", "pods", "", "CREATE", "p", "shop", {}, None, {})


def tree(*rules: dict[str, Any], bound: dict[str, Any] | None = None, **spec: Any) -> PolicySet:
    binding = trees.binding("p", name="p")
    if bound:
        binding["spec"]["matchResources"] = bound
    return trees.loaded(trees.policy("p", rules=list(rules), **spec), binding)


def rendered(policies: PolicySet, *confirmed: str, **options: Any) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text(webhooks(policies, confirmed), Options(**options), "gatewright manifests")))


def called(policies: PolicySet, sent: Sent, *confirmed: str, user: str = "", groups: tuple[str, ...] = ()) -> list[str]:
    """The names of the webhooks that the API server calls for a request of a user."""
    found = []
    for webhook, request in _asked(rendered(policies, *confirmed), sent):
        by = replace(request, user=replace(request.user, username=user, groups=groups))
        if simulated.hold(webhook.get("matchConditions", []), by):
            found.append(webhook["name"])
    return found


def _asked(configurations: list[dict[str, Any]], sent: Sent) -> Any:
    """Whatever their conditions."""
    without = [
        {"webhooks": [{key: value for key, value in each.items() if key != "matchConditions"} for each in every]}
        for every in (configuration["webhooks"] for configuration in configurations)
    ]
    conditions = {
        each["name"]: each.get("matchConditions", []) for every in configurations for each in every["webhooks"]
    }
    for webhook, request in simulated.called(without, sent):
        yield {**webhook, "matchConditions": conditions[webhook["name"]]}, request


def test_nodes_are_left_out_though_a_policy_names_them_until_the_operator_confirms() -> None:
    policies = tree(NODES)
    assert called(policies, NODE) == []
    assert called(policies, POD) == ["validate-fail.gatewright.dev"]
    assert called(policies, NODE, "nodes") == ["validate-fail.gatewright.dev"]
    (warning,) = bootstrap.warnings(policies)
    assert "has nodes in its rules; the API server does not ask about these" in warning.message
    assert "`gatewright manifests --bootstrap nodes`" in warning.message
    assert list(bootstrap.warnings(policies, ["nodes"])) == []


@pytest.mark.parametrize("name", startup.RESOURCES)
def test_a_wildcard_asks_about_nothing_that_a_start_needs(name: str) -> None:
    resource = startup.RESOURCES[name]
    namespace = "shop" if resource.scope == "Namespaced" else ""
    policies = tree(EVERYTHING)
    for operation, subresource in (("CREATE", ""), ("UPDATE", ""), ("UPDATE", "status"), ("DELETE", "")):
        labels: dict[str, Any] | None = None if operation == "DELETE" else {}
        sent = Sent(resource.group, "v1", resource.plural, subresource, operation, "x", namespace, labels, None, None)
        if resource.plural in simulated.KINDS:
            assert called(policies, sent) == []
        (condition,) = [
            condition["expression"]
            for webhook in rendered(policies)[0]["webhooks"]
            for condition in webhook.get("matchConditions", ())
            if condition["name"] == "not-needed-to-start"
        ]
        assert f"'{resource.plural}'" in condition
    (warning,) = bootstrap.warnings(policies)
    assert name in warning.message
    assert "through '*'" in warning.message
    assert list(bootstrap.warnings(policies, swept=())) == []
    assert name in next(bootstrap.warnings(policies, swept=[name])).message


def test_a_connection_to_a_node_is_asked_about() -> None:
    proxy = Sent("", "v1", "nodes", "proxy", "CONNECT", "n1", "", {}, None)
    assert called(tree(EVERYTHING), proxy) == ["validate-fail.gatewright.dev"]
    assert called(tree({**NODES, "resources": ["nodes/proxy"]}), proxy) == ["validate-fail.gatewright.dev"]


def test_what_may_be_missed_may_be_asked_about_everything() -> None:
    policies = tree(EVERYTHING, failurePolicy="Ignore")
    assert called(policies, NODE) == ["validate-ignore.gatewright.dev"]
    assert list(bootstrap.warnings(policies)) == []


def test_what_the_api_server_writes_is_asked_about_by_no_webhook() -> None:
    for failure_policy in ("Fail", "Ignore"):
        policies = tree(EVERYTHING, failurePolicy=failure_policy)
        name = f"validate-{failure_policy.lower()}.gatewright.dev"
        assert called(policies, POD, user="system:apiserver") == []
        assert called(policies, POD, user="system:apiservers") == [name]


def test_accounts_of_exempt_namespaces_write_what_is_cluster_scoped_unless_a_policy_names_it() -> None:
    network = ("system:serviceaccounts", "system:serviceaccounts:kube-system")
    account = Sent("", "v1", "serviceaccounts", "", "CREATE", "a", "", {}, None)  # as if it were cluster-scoped
    assert called(tree(EVERYTHING), account, groups=network) == []
    assert called(tree(EVERYTHING), account, groups=("system:serviceaccounts:shop",)) != []
    assert called(tree(EVERYTHING), POD, groups=network) != []
    assert called(tree({**NODES, "resources": ["serviceaccounts"]}), account, groups=network) != []


def test_excluded_resources_need_no_warning() -> None:
    every = list(startup.RESOURCES)
    excluded = {
        "excludeResourceRules": [
            {**EVERYTHING, "resources": [f"{each.plural}/*" for each in startup.RESOURCES.values()]},
        ]
    }
    assert list(bootstrap.warnings(tree(EVERYTHING, bound=excluded))) == []
    (left,) = (bootstrap.left_out(policy) for policy in tree(EVERYTHING).policies)
    assert (left.named, sorted(left.swept)) == ((), sorted(every))
    namespaced = tree({**EVERYTHING, "scope": "Namespaced"})
    (left,) = (bootstrap.left_out(policy) for policy in namespaced.policies)
    assert left.swept == ("leases.coordination.k8s.io",)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("node", "'node' is nothing that a cluster needs to start; did you mean nodes?"),
        ("ingresses", "'ingresses' is nothing that a cluster needs to start; expected one of: nodes, "),
        ("csinodes.storage.k8s.io", "has csinodes.storage.k8s.io in its rules by name"),
    ],
)
def test_what_cannot_be_confirmed_is_refused(name: str, wrong: str) -> None:
    assert wrong in str(bootstrap.unconfirmable([name], tree(NODES, EVERYTHING)))
    assert bootstrap.unconfirmable(["nodes"], tree(NODES)) is None


def test_every_path_has_the_same_webhooks_whatever_the_policies() -> None:
    names = [[each["name"] for each in every["webhooks"]] for every in rendered(tree(NODES))]
    assert names == [[each["name"] for each in every["webhooks"]] for every in rendered(PolicySet())]
    assert list(map(len, names)) == [2 * STEADY, 2 * STEADY]
    scalers = {"apiGroups": ["autoscaling"], "operations": ["*"], "resources": ["horizontalpodautoscalers"]}
    more = trees.loaded(
        *(
            each
            for version in ("v1", "v2", "v1beta1")
            for each in (
                trees.policy(version, rules=[{**scalers, "apiVersions": [version]}]),
                trees.binding(version, name=version),
            )
        )
    )
    longer = [[each["name"] for each in every["webhooks"]] for every in rendered(more)]
    assert longer == [[*names[0], "validate-fail-3.gatewright.dev"], names[1]]
