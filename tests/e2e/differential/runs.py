"""Sends the requests of a batch of cases twice: to the API server with the policies its own, and through our webhook.

The very same requests, one time after the other, to the same Namespaces and objects, as dry runs: so whole messages can
be compared, and what is cluster-scoped too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.e2e.apiserver import Client, Reply
from tests.e2e.controlplane import USERS, ControlPlane
from tests.e2e.differential.cases import GROUP, Case, Object
from tests.e2e.differential.verdicts import Verdict, native, webhooks
from tests.e2e.webhooks import Gatewright, until_seen

POLICIES = f"/apis/{GROUP}/validatingadmissionpolicies"
BINDINGS = f"/apis/{GROUP}/validatingadmissionpolicybindings"
REGISTRATIONS = f"/apis/{GROUP}/validatingwebhookconfigurations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

# Tells that all policies of a batch are in force: it comes last, and the server takes them over in one go.
SENTINEL = "sentinel"
_SENTINELS = "/api/v1/namespaces/default/configmaps?dryRun=All"
_SENTINEL = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SENTINEL, "namespace": "default"}}
_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
_SENTINEL_POLICY = {
    "apiVersion": GROUP,
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": SENTINEL},
    "spec": {
        "matchConstraints": {"resourceRules": [{**_RULE, "resourceNames": [SENTINEL]}]},
        "validations": [{"expression": "false", "reason": "Forbidden"}],
    },
}
_SENTINEL_BINDING = {
    "apiVersion": GROUP,
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": SENTINEL},
    "spec": {"policyName": SENTINEL, "validationActions": ["Deny"]},
}

WEBHOOKS = {"fail.gatewright.dev": "Fail", "ignore.gatewright.dev": "Ignore"}
Answers = dict[tuple[str, int], Verdict]
"""By name of case and index of request."""


def prepare(cluster: ControlPlane, cases: Iterable[Case]) -> None:
    """Namespaces, params and whatever else is there before."""
    admin = cluster.client()
    for case in cases:
        made(admin.post("/api/v1/namespaces", case.namespace()))
        for definition in case.crd_objects():
            made(admin.post(DEFINITIONS, definition))
            spec = definition["spec"]
            until_seen(
                admin,
                "GET",
                f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}",
                None,
                200,
            )
        for path, body in case.given_objects():
            made(admin.post(path, body))


def made(reply: Reply) -> None:
    assert reply.ok, reply.message


def run_natively(cluster: ControlPlane, cases: list[Case]) -> Answers:
    """The answers while the server itself has the policies."""
    admin = cluster.client()
    policies = [*(each for case in cases for each in case.policy_objects()), _SENTINEL_POLICY]
    bindings = [*(each for case in cases for each in case.binding_objects()), _SENTINEL_BINDING]
    try:
        replies = [admin.post(POLICIES, each) for each in policies] + [admin.post(BINDINGS, each) for each in bindings]
        refused = [reply.message for reply in replies if not reply.ok]
        assert not refused, "\n".join(refused)
        until_seen(admin, "POST", _SENTINELS, _SENTINEL, 403)
        return _sent(cluster, cases, lambda case, reply, audit: native(reply, audit, case.policies))
    finally:
        for path, objects in ((BINDINGS, bindings), (POLICIES, policies)):
            for each in objects:
                admin.request("DELETE", f"{path}/{each['metadata']['name']}")
        until_seen(admin, "POST", _SENTINELS, _SENTINEL, 201)


def run_through_webhook(cluster: ControlPlane, gatewright: Gatewright, cases: list[Case], tree: Path) -> Answers:
    """The answers while we have them, registered for everything, by failurePolicy."""
    admin = cluster.client()
    write_tree(cluster, cases, tree)
    gatewright.start(tree)
    try:
        made(admin.post(REGISTRATIONS, _registration(gatewright)))
        until_seen(admin, "POST", _SENTINELS, _SENTINEL, 403)
        return _sent(cluster, cases, lambda _, reply, audit: webhooks(reply, audit, WEBHOOKS))
    finally:
        admin.request("DELETE", f"{REGISTRATIONS}/differential")
        until_seen(admin, "POST", _SENTINELS, _SENTINEL, 201)
        gatewright.kill()


def _sent(
    cluster: ControlPlane, cases: list[Case], verdict: Callable[[Case, Reply, dict[str, str]], Verdict]
) -> Answers:
    clients: dict[str, Client] = {user.name: cluster.client(user) for user in USERS}
    replies: list[tuple[Case, int, Reply]] = []
    for case in cases:
        for index, request in enumerate(case.requests):
            method, path, body, content_type = case.sent(request)
            replies.append(
                (case, index, clients[request.user].request(method, path, body, content_type, request.headers))
            )
    return {
        (case.name, index): verdict(case, reply, cluster.audit_annotations(reply)) for case, index, reply in replies
    }


def write_tree(cluster: ControlPlane, cases: list[Case], tree: Path) -> None:
    """The policy tree of the batch. Until there is a live view of the cluster, Namespaces and params are in it too, as
    the server has them.
    """
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    looked_up: list[Object] = cluster.client().get("/api/v1/namespaces").body["items"]
    for each in looked_up:
        each |= {"apiVersion": "v1", "kind": "Namespace"}
    for case in cases:
        looked_up += case.crd_objects()
        for path, body in case.given_objects():
            if body in case.params:
                stored = cluster.client().get(f"{path}/{body['metadata']['name']}").body
                looked_up.append(stored)
    files: dict[str, list[Any]] = {
        "looked-up": looked_up,
        SENTINEL: [_SENTINEL_POLICY, _SENTINEL_BINDING],
        **{case.name: [*case.policy_objects(), *case.binding_objects()] for case in cases},
    }
    for name, objects in files.items():
        (tree / f"{name}.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def _registration(gatewright: Gatewright) -> Object:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    return {
        "apiVersion": GROUP,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "differential"},
        "webhooks": [
            {
                "name": name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",  # so that a failed call shows, whatever the policies say
                "timeoutSeconds": 30,
                "rules": [everything],
                "clientConfig": {
                    "url": f"https://127.0.0.1:{gatewright.port}/validate/{failure_policy.lower()}",
                    "caBundle": gatewright.ca_bundle,
                },
            }
            for name, failure_policy in WEBHOOKS.items()
        ],
    }
