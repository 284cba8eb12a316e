"""Whatever the policies are: the webhooks have each policy asked about what it would match natively, and once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.amounts import amount
from tests.policy import trees
from tests.registration import simulated
from tests.registration.simulated import VERSIONS, Json, Sent
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy import conditions
from webhook.policy.policyset import PolicySet
from webhook.registration.configurations import Options, text
from webhook.registration.sending import needs, unsent
from webhook.registration.webhooks import PHASES, webhooks
from webhook.schema import Kinds

GROUPS = {"pods": "", "nodes": "", "serviceaccounts": "", "deployments": "apps"}
GROUPS |= {"horizontalpodautoscalers": "autoscaling", "tokenreviews": "authentication.k8s.io"}
CLUSTER_SCOPED = {"nodes", "tokenreviews"}
OPERATIONS = ["CREATE", "UPDATE", "DELETE", "CONNECT"]
RESOURCES = [
    *(["*"], ["*/*"], ["*/scale"], ["pods/*"], ["pods"], ["pods", "pods/exec"], ["deployments"], ["deployments/scale"]),
    *(["horizontalpodautoscalers"], ["deployments", "horizontalpodautoscalers"], ["nodes"], ["tokenreviews"]),
    *(["serviceaccounts/token"], ["*", "deployments/scale"]),
]
SELECTORS: list[Json] = [
    {"matchLabels": {"app": "web"}},
    {"matchLabels": {"app": "web", "tier": "front"}},
    {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
    {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}], "matchLabels": {"tier": "a"}},
]
CONDITIONS = ["request.operation == 'CREATE'", "object != null && 'app' in object.metadata.labels // the label"]
EXEMPT = {"kube-system", "gatewright-system"}


# Without shrinking, which takes minutes here: a policy that fails is printed as it is.
PROFILE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def some(values: list[str], most: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


def rules(names: bool = True) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {
            "apiGroups": st.just(["*"]) | some(sorted({*GROUPS.values()})),
            "apiVersions": st.just(["*"]) | some(list(VERSIONS)),
            "operations": st.just(["*"]) | some(OPERATIONS, 3),
            "resources": st.sampled_from(RESOURCES),
            "scope": st.sampled_from(["*", "*", "*", "Namespaced", "Cluster"]),
        },
        optional={"resourceNames": st.just(["web"])} if names else {},
    )


def selectors() -> st.SearchStrategy[Json]:
    return st.just({}) | st.sampled_from(SELECTORS)


def matches(least: int) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {
            "resourceRules": st.lists(rules(), min_size=least, max_size=2),
            "namespaceSelector": selectors(),
            "objectSelector": selectors(),
            "matchPolicy": st.sampled_from(["Equivalent", "Equivalent", "Equivalent", "Exact"]),
        },
        optional={"excludeResourceRules": st.lists(rules(), min_size=1, max_size=1)},
    )


@st.composite
def policies(draw: st.DrawFn) -> list[tuple[Json, list[Json], str]]:
    """Policies with their bindings, and the condition that the bindings have ("": none)."""
    found = []
    for index in range(draw(st.integers(1, 3))):
        name = f"p{index}"
        policy = trees.policy(name, failurePolicy=draw(st.sampled_from(["Fail", "Fail", "Ignore"])))
        policy["spec"]["matchConstraints"] = draw(matches(1))
        bindings = []
        for number in range(draw(st.integers(0, 2))):
            bound = trees.binding(name, name=f"{name}-b{number}")
            if draw(st.booleans()):
                bound["spec"]["matchResources"] = draw(matches(0))
            bindings.append(bound)
        found.append((policy, bindings, draw(st.sampled_from(["", "", *CONDITIONS]))))
    return found


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    resource = draw(st.sampled_from(sorted(GROUPS)))
    operation = draw(st.sampled_from(OPERATIONS))
    labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["web", "db", "front", "a"]))
    cluster = resource in CLUSTER_SCOPED
    namespace = "" if cluster else draw(st.sampled_from(["shop", "shop", "bank", "kube-system"]))
    return Sent(
        group=GROUPS[resource],
        version=draw(st.sampled_from(VERSIONS)),
        resource=resource,
        subresource=draw(st.sampled_from(["", "", "scale", "exec"])) if resource != "serviceaccounts" else "token",
        operation=operation,
        name=draw(st.sampled_from(["web", "db"])),
        namespace=namespace,
        labels=draw(labels) if operation != "DELETE" else None,
        old_labels=draw(labels) if operation in ("UPDATE", "DELETE") else None,
        namespace_labels=None if cluster else {"kubernetes.io/metadata.name": namespace, **draw(labels)},
    )


def loaded(given_policies: list[tuple[Json, list[Json], str]]) -> PolicySet:
    """The set of these; the bindings' conditions are put in afterwards, as if the policies were in Python."""
    found = trees.loaded(*(each for policy, bindings, _ in given_policies for each in (policy, *bindings)))
    by_name = {
        policy["metadata"]["name"]: conditions.read(f"[{{name: c, expression: {condition!r}}}]")[0]
        for policy, _, condition in given_policies
        if condition
    }
    validating = [
        replace(
            policy,
            bindings=tuple(replace(binding, conditions=by_name.get(policy.name)) for binding in policy.bindings),
        )
        for policy in found.validating
    ]
    return PolicySet(validating)


def expected(given_policies: list[tuple[Json, list[Json], str]], sent: Sent) -> dict[tuple[str, str], set[str]]:
    """The policies and bindings that the API server would run, each with the versions that it may see."""
    found: dict[tuple[str, str], set[str]] = {}
    for policy, bindings, condition in given_policies:
        constraints = policy["spec"]["matchConstraints"]
        version = simulated.native(constraints, sent)
        if version is None:
            continue
        held = simulated.hold([{"name": "c", "expression": condition}] if condition else [], sent.request(version))
        for bound in bindings:
            resources = bound["spec"].get("matchResources", {})
            if held and simulated.native(resources, sent) is not None:
                versions = {version}
                if version != sent.version:  # of several that it names the server takes one, and every webhook its own
                    named = ({*VERSIONS} & {*rule["apiVersions"]} for rule in constraints["resourceRules"])
                    versions |= set().union(*named)
                found[policy["metadata"]["name"], bound["metadata"]["name"]] = versions
    return found


def run(policy_set: PolicySet, configurations: list[Json], sent: Sent) -> Counter[tuple[str, str, str]]:
    """The policies and bindings that our server runs, in which version, however many webhooks are called."""
    labels = sent.namespace_labels
    objects = [] if labels is None else [{"apiVersion": "v1", "kind": "Namespace"}]
    for each in objects:
        each["metadata"] = {"name": sent.namespace, "labels": labels}  # type: ignore[assignment]
    view = ManifestsView(objects, Kinds.builtin())
    found: Counter[tuple[str, str, str]] = Counter()
    for webhook, request in simulated.called(configurations, sent):
        path = webhook["clientConfig"]["service"]["path"]
        assert path == f"/validate/{webhook['failurePolicy'].lower()}"
        decision = engine.validate(request, policy_set.only(webhook["failurePolicy"]), view)
        for binding in decision.evaluated:
            found[binding.policy, binding.name, request.resource.version] += 1
    return found


def fails(policy: Json) -> bool:
    return bool(policy["spec"]["failurePolicy"] == "Fail")


def exempt(sent: Sent) -> bool:
    return sent.namespace in EXEMPT or sent.resource == "tokenreviews"


def rendered(policy_set: PolicySet) -> list[Json]:
    return list(yaml.safe_load_all(text(webhooks(policy_set), Options(), "gatewright manifests")))


RULE = {"apiGroups": ["autoscaling"], "operations": ["*"], "resources": ["horizontalpodautoscalers"]}


def named(*versions: str, **others: Any) -> tuple[Json, list[Json], str]:
    name = "-".join(versions).replace("*", "any")
    policy = trees.policy(name, rules=[{**RULE, "apiVersions": list(versions), **others}])
    return policy, [trees.binding(name, name=name)], ""


def excluding(excluded: str) -> tuple[Json, list[Json], str]:
    """A policy of all autoscalers but those of one version."""
    policy, _, _ = named("*")
    policy["metadata"]["name"] = f"not-{excluded}"
    constraints = policy["spec"]["matchConstraints"]
    constraints |= {"matchPolicy": "Exact", "excludeResourceRules": [{**RULE, "apiVersions": [excluded]}]}
    return policy, [trees.binding(f"not-{excluded}", name=f"not-{excluded}")], ""


AUTOSCALER = Sent("autoscaling", "v1", "horizontalpodautoscalers", "", "CREATE", "web", "shop", {}, None, {})


@settings(PROFILE, max_examples=amount(250, 40))
@given(policies(), st.lists(requests(), min_size=1, max_size=12))
@example([named("v1"), named("v2"), named("v1", "v2"), named("*")], [AUTOSCALER])
@example([named("v1"), named("*")], [replace(AUTOSCALER, version="v2")])
@example([named("*"), (*named("v1")[:2], CONDITIONS[0])], [replace(AUTOSCALER, version="v2")])
@example([excluding("v1"), excluding("v1beta1")], [AUTOSCALER])
@example([named("v2"), named("v1", "v1beta1", operations=["UPDATE"])], [replace(AUTOSCALER, version="v1beta1")])
def test_each_policy_is_run_where_the_api_server_would_and_once(
    given_policies: list[tuple[Json, list[Json], str]], sent: list[Sent]
) -> None:
    policy_set = loaded(given_policies)
    configurations = rendered(policy_set)
    for each in sent:
        found = run(policy_set, configurations, each)
        if exempt(each):
            assert not found
            continue
        wanted = expected(given_policies, each)
        if each.resource == "nodes" and each.operation != "CONNECT":  # a cluster needs them to start
            may_wait = {policy["metadata"]["name"] for policy, *_ in given_policies if fails(policy)}
            assert not {policy for policy, *_ in found} & may_wait
            wanted = {key: versions for key, versions in wanted.items() if key[0] not in may_wait}
        if each.subresource == "token" and not any(  # a name that a binding narrows away is none
            "serviceaccounts/token" in rule["resources"]
            for policy, _, _ in given_policies
            for rule in policy["spec"]["matchConstraints"]["resourceRules"]
            if any(policy["metadata"]["name"] == name for name, _ in wanted)
        ):
            assert not found or {key[:2] for key in found} == set(wanted)
            continue
        assert {key[:2] for key in found} == set(wanted), each
        for policy, binding, version in found:
            versions = wanted[policy, binding]
            assert version in versions
            if len(versions) == 1:
                assert found[policy, binding, version] == 1


@settings(PROFILE, max_examples=amount(250, 20))
@given(policies())
def test_what_is_registered_is_found_to_send_what_policies_need(
    given_policies: list[tuple[Json, list[Json], str]],
) -> None:
    policy_set = loaded(given_policies)
    for phase, configuration in zip(PHASES, rendered(policy_set), strict=True):
        assert not list(unsent(configuration["webhooks"], phase, needs(policy_set, phase)))


@settings(PROFILE, max_examples=amount(100, 20))
@given(policies(), requests())
def test_a_webhook_is_called_only_where_some_policy_may_match(
    given_policies: list[tuple[Json, list[Json], str]], sent: Sent
) -> None:
    """Names, selectors that are not shared, and the labels of Namespaces aside, which webhooks cannot tell apart."""
    assume(sent.subresource != "token")
    policy_set = loaded(given_policies)
    called = [webhook for webhook, _ in simulated.called(rendered(policy_set), sent)]
    may: set[str] = set()
    for policy, bindings, _ in given_policies:
        for bound in bindings:
            wide = [
                {
                    "matchPolicy": "Equivalent",
                    "resourceRules": [
                        {key: value for key, value in rule.items() if key != "resourceNames"}
                        for rule in resources.get("resourceRules", [])
                    ],
                }
                for resources in (policy["spec"]["matchConstraints"], bound["spec"].get("matchResources", {}))
            ]
            if all(simulated.native(each, sent) is not None for each in wide):
                may.add(policy["spec"]["failurePolicy"])
    assert {webhook["failurePolicy"] for webhook in called} <= may
