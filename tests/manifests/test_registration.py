"""The webhook configurations: the API server asks where a policy has something to say, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.manifests import kustomize, registrations
from tests.manifests.kustomize import BASE, MUTATING, OVERLAYS, ROOT, VALIDATING, webhooks
from tests.manifests.requests import FINALIZER, KEPT, NEVER, made, recorded, request, variants
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds

ENFORCING, WARN_ONLY, DEVELOPMENT = OVERLAYS
EXEMPT = {"gatewright-system", "kube-system", "kube-public", "kube-node-lease"}
WITH_CERT_MANAGER = {*EXEMPT, "cert-manager"}


def everywhere(folder: str) -> list[dict[str, Any]]:
    return [
        webhook
        for each in kustomize.objects(folder)
        if each["kind"].endswith("WebhookConfiguration")
        for webhook in each["webhooks"]
    ]


@pytest.fixture(scope="module")
def validating() -> PolicySet:
    return registrations.as_policies(webhooks(VALIDATING))


@pytest.fixture(scope="module")
def mutating() -> PolicySet:
    return registrations.as_policies(webhooks(MUTATING))


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return load(ROOT / "policies")


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS])
def test_each_webhook_says_what_an_operator_relies_on(folder: str) -> None:
    service = kustomize.one(folder, "Service")
    (port,) = service["spec"]["ports"]
    for webhook in everywhere(folder):
        assert webhook["timeoutSeconds"] == 5
        assert webhook["sideEffects"] == "None"
        assert webhook["matchPolicy"] == "Equivalent"
        assert webhook["admissionReviewVersions"] == ["v1"]
        ignored = folder == WARN_ONLY or "-ignore" in webhook["name"]
        assert webhook["failurePolicy"] == ("Ignore" if ignored else "Fail")
        where = webhook["clientConfig"]["service"]
        assert (where["name"], where["namespace"], where["port"]) == (
            service["metadata"]["name"],
            service["metadata"]["namespace"],
            port["port"],
        )
        assert {operation for rule in webhook.get("rules", ()) for operation in rule["operations"]} <= {
            "CREATE",
            "UPDATE",
        }


def test_mutation_is_done_again_after_other_webhooks() -> None:
    assert {webhook["reinvocationPolicy"] for webhook in webhooks(MUTATING)} == {"IfNeeded"}


def test_warn_only_changes_nothing() -> None:
    assert MUTATING not in kustomize.kinds(WARN_ONLY)


def test_each_failure_policy_has_its_path(shipped: PolicySet) -> None:
    for kind, path, policies in (
        (VALIDATING, "validate", shipped.validating),
        (MUTATING, "mutate", shipped.mutating),
    ):
        registered = {webhook["clientConfig"]["service"]["path"] for webhook in webhooks(kind)}
        assert registered == {f"/{path}/{policy.failure_policy.lower()}" for policy in policies}


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS])
def test_no_webhook_covers_what_is_needed_to_repair_it(folder: str) -> None:
    for webhook in everywhere(folder):
        (expression,) = webhook["namespaceSelector"]["matchExpressions"]
        assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
        assert set(expression["values"]) == (WITH_CERT_MANAGER if folder in (ENFORCING, WARN_ONLY) else EXEMPT)


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS])
def test_the_set_of_webhooks_is_always_the_same(folder: str) -> None:
    """Under server-side apply none can be removed once cert-manager owns its caBundle: one that is not needed has no
    rules. And the commands in docs/operations name webhooks by their places.
    """
    phases = ["validate"] if folder == WARN_ONLY else ["mutate", "validate"]
    assert [webhook["name"] for webhook in sorted(everywhere(folder), key=lambda each: each["name"].split("-")[0])] == [
        f"{phase}-{failure}{suffix}.gatewright.dev"
        for phase in phases
        for failure in ("fail", "ignore")
        for suffix in ("", "-2")
    ]


@pytest.mark.parametrize("name", NEVER)
def test_what_keeps_a_cluster_alive_is_never_asked_about(validating: PolicySet, mutating: PolicySet, name: str) -> None:
    assert registrations.called(validating, request(NEVER[name])) == []
    assert registrations.called(mutating, request(NEVER[name])) == []


@pytest.mark.parametrize("namespace", sorted(WITH_CERT_MANAGER))
def test_nothing_in_an_exempt_namespace_is_asked_about(
    validating: PolicySet, mutating: PolicySet, namespace: str
) -> None:
    kept: dict[str, Any] = {"labels": KEPT, "finalizers": [FINALIZER]}
    for raw in (
        made("/v1/pods", "/v1/Pod", "CREATE", namespace=namespace, **kept),
        made("/v1/secrets", "/v1/Secret", "CREATE", namespace=namespace, **kept),
        made("/v1/configmaps", "/v1/ConfigMap", "CREATE", namespace=namespace, **kept),
    ):
        assert registrations.called(validating, request(raw)) == []
        assert registrations.called(mutating, request(raw)) == []
        raw["namespace"] = raw["object"]["metadata"]["namespace"] = "shop"  # it is the namespace alone
        assert registrations.called(validating, request(raw))
        assert registrations.called(mutating, request(raw))


def test_whatever_a_policy_has_to_say_is_asked_and_only_once(validating: PolicySet, shipped: PolicySet) -> None:
    view = ManifestsView(shipped.objects, Kinds.builtin(), assume_namespaces=True)
    found = asked = 0
    for name, raw in variants():
        each = request(raw)
        findings = engine.validate(each, shipped, view).findings
        names = registrations.called(validating, each)
        if each.user.username == "system:apiserver":
            assert names == [], name
            continue
        assert len(names) <= 1, f"{name}: asked twice, by {names}"
        assert names or not findings, f"{name}: {findings[0]} is never asked about"
        found, asked = found + bool(findings), asked + bool(names)
    assert found > 500, "the variants test next to nothing"
    assert asked < sum(1 for _ in variants())


def test_whatever_a_policy_changes_is_sent_for_it(mutating: PolicySet, shipped: PolicySet) -> None:
    view = ManifestsView(shipped.objects, Kinds.builtin(), assume_namespaces=True)
    changed = 0
    for name, raw in variants():
        each = request(raw)
        change = engine.mutate(each, shipped, view)
        if change.changed and each.user.username != "system:apiserver":
            changed += 1
            assert registrations.called(mutating, each) == ["mutate-fail.gatewright.dev"], name
    assert changed > 20, "the variants test next to nothing"


def test_what_has_no_finalizer_and_no_label_is_not_sent_for_mutation(mutating: PolicySet) -> None:
    assert {name for name, raw in recorded().items() if registrations.called(mutating, request(raw))} == set()


def test_the_rules_are_those_of_the_policies(shipped: PolicySet) -> None:
    """The first webhook's: what any policy but finalizer-enforcement matches, and nothing that no policy does."""

    def registered() -> set[tuple[str, str, str, str]]:
        return {
            (group, version, resource, operation)
            for rule in webhooks(VALIDATING)[0]["rules"]
            for group in rule["apiGroups"]
            for version in rule["apiVersions"]
            for resource in rule["resources"]
            for operation in rule["operations"]
        }

    matched = {
        (group, version, "/".join(filter(None, resource)), operation)
        for policy in shipped.validating
        if policy.bindings and policy.name != "finalizer-enforcement"
        for rule in policy.match.rules
        for group in rule.groups
        for version in rule.versions
        for resource in rule.resources
        for operation in rule.operations
    }
    assert registered() == matched
