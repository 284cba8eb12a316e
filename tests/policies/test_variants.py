"""Recorded reviews, changed into the ways around the policies that are known, and into what must go on working."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from tests.policies.conftest import REVIEWS
from webhook.admission import review
from webhook.admission.decision import Decision
from webhook.admission.engine import decide
from webhook.admission.patch import diff
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet

CREATE_DEPLOYMENT = "004-validate-create-deployments.json"
SCALE = "006-validate-update-deployments-scale.json"
UPDATE_DEPLOYMENT = "008-validate-update-deployments.json"
CREATE_POD = "020-validate-create-pods.json"
CREATE_CONFIGMAP = "026-validate-create-configmaps.json"
CREATE_JOB = "032-validate-create-jobs.json"
CREATE_CRONJOB = "034-validate-create-cronjobs.json"
CREATE_AUTOSCALER = "036-validate-create-horizontalpodautoscalers.json"
DEBUG_POD = "044-validate-update-pods-ephemeralcontainers.json"
DELETE_POD = "050-validate-delete-pods.json"
FINALIZED_DEPLOYMENT = "048-validate-update-deployments.json"

HOST_PATH = {"name": "root", "hostPath": {"path": "/"}}
LABEL = {"gatewright.dev/keep-finalizer": "true"}
FINALIZER = "gatewright.dev/cleanup"
CONTROLLER = "system:serviceaccount:gatewright-system:cleanup-controller"

Verdict = Callable[..., Decision]
Request = dict[str, Any]


def denied_by(decision: Decision) -> set[str]:
    """The policies that deny; a policy that could not be evaluated denies nothing here."""
    assert not any(finding.error for finding in decision.findings), decision.causes
    return {finding.policy for finding in decision.findings if finding.action == "Deny"}


# replica-bounds


def test_scaling_to_50_is_denied(verdict: Verdict) -> None:
    def to_50(request: Request) -> None:
        request["object"]["spec"]["replicas"] = 50

    decision = verdict(SCALE, to_50)
    assert denied_by(decision) == {"replica-bounds"}
    assert "spec.replicas is 50; set it from 1 to 10" in decision.message


def test_scaling_to_nothing_is_denied(verdict: Verdict) -> None:
    assert denied_by(verdict(SCALE, lambda request: request["object"]["spec"].clear())) == {"replica-bounds"}


@pytest.mark.parametrize("file", [CREATE_DEPLOYMENT, UPDATE_DEPLOYMENT])
def test_a_deployment_of_50_is_denied(verdict: Verdict, file: str) -> None:
    assert denied_by(verdict(file, lambda request: request["object"]["spec"].update(replicas=50))) == {"replica-bounds"}


def test_an_autoscaler_within_the_bounds_is_allowed(verdict: Verdict) -> None:
    assert verdict(CREATE_AUTOSCALER, lambda request: request["object"]["spec"].update(maxReplicas=10)).allowed


# no-host-path


def test_a_host_path_in_a_cronjob_is_denied(verdict: Verdict) -> None:
    def mount(request: Request) -> None:
        request["object"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"] = [HOST_PATH]

    decision = verdict(CREATE_CRONJOB, mount)
    assert denied_by(decision) == {"no-host-path"}
    assert decision.code == 403
    assert "spec.jobTemplate.spec.template.spec.volumes[0]" in decision.message


@pytest.mark.parametrize("file", [CREATE_DEPLOYMENT, UPDATE_DEPLOYMENT, CREATE_JOB])
def test_a_host_path_in_a_workload_is_denied(verdict: Verdict, file: str) -> None:
    def mount(request: Request) -> None:
        request["object"]["spec"]["template"]["spec"]["volumes"] = [HOST_PATH]

    assert denied_by(verdict(file, mount)) == {"no-host-path"}


def test_a_host_path_in_a_persistent_volume_is_denied(verdict: Verdict) -> None:
    def turn_into_volume(request: Request) -> None:
        kind = {"group": "", "version": "v1", "kind": "PersistentVolume"}
        resource = {"group": "", "version": "v1", "resource": "persistentvolumes"}
        request |= {"kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource}
        del request["namespace"]
        request["object"] = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": request["name"]},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}},
        }

    decision = verdict(CREATE_POD, turn_into_volume)
    assert denied_by(decision) == {"no-host-path"}
    assert "spec.hostPath: a PersistentVolume" in decision.message


def test_debugging_and_deleting_a_pod_with_a_host_path_is_allowed(verdict: Verdict) -> None:
    assert verdict(DEBUG_POD).allowed
    assert verdict(DELETE_POD).allowed


def test_the_pod_without_its_host_path_is_allowed(verdict: Verdict) -> None:
    assert verdict(CREATE_POD, lambda request: request["object"]["spec"].pop("volumes")).allowed


# finalizer-enforcement


def _objects(request: Request) -> Iterator[dict[str, Any]]:
    for field in ("oldObject", "object"):
        yield request[field]["metadata"]


def removal(*, user: str, deleting: bool, subresource: str = "") -> Callable[[Request], None]:
    """The removal of the finalizer of the shipped param from a Deployment."""

    def edit(request: Request) -> None:
        for metadata in _objects(request):
            metadata["labels"] = LABEL
            metadata["finalizers"] = ["example.com/protect", FINALIZER]
            metadata.pop("deletionTimestamp", None)
            if deleting:
                metadata["deletionTimestamp"] = "2026-11-21T08:04:09Z"
        request["object"]["metadata"]["finalizers"] = ["example.com/protect"]
        request["userInfo"]["username"] = user
        if subresource:
            request["subResource"] = request["requestSubResource"] = subresource

    return edit


@pytest.mark.parametrize("subresource", ["", "status"])
@pytest.mark.parametrize(
    ("user", "deleting", "allowed"),
    [
        ("jane", False, False),
        (CONTROLLER, False, False),
        ("jane", True, False),
        (CONTROLLER, True, True),
    ],
)
def test_removal_of_a_finalizer(verdict: Verdict, subresource: str, user: str, deleting: bool, allowed: bool) -> None:
    decision = verdict(FINALIZED_DEPLOYMENT, removal(user=user, deleting=deleting, subresource=subresource))
    assert denied_by(decision) == (set() if allowed else {"finalizer-enforcement"})
    if not allowed:
        assert f"{FINALIZER} must stay" in decision.message
        assert decision.findings[0].path == ("metadata", "finalizers")


def test_removal_is_recorded_as_the_server_sends_it(verdict: Verdict) -> None:
    """The recorded update takes off a finalizer that no rule asks for, during deletion."""
    assert verdict(FINALIZED_DEPLOYMENT).allowed


def test_a_labelled_object_without_its_finalizer_is_denied(verdict: Verdict) -> None:
    decision = verdict(CREATE_CONFIGMAP, lambda request: request["object"]["metadata"].update(labels=LABEL))
    assert denied_by(decision) == {"finalizer-enforcement"}


def test_a_labelled_object_gets_its_finalizer(served: PolicySet, cluster: ManifestsView) -> None:
    document = json.loads((REVIEWS / CREATE_CONFIGMAP.replace("026-validate", "025-mutate")).read_bytes())
    document["request"]["object"]["metadata"]["labels"] = LABEL
    request = review.parse(orjson.dumps(document))
    decision = decide(request, served, cluster)
    assert decision.allowed
    assert decision.mutation is not None
    assert decision.mutation.policies == ("finalizer-enforcement",)
    assert request.object is not None
    assert decision.mutation.object is not None
    assert diff(request.object, decision.mutation.object) == [
        {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}
    ]


def test_a_finalizer_without_a_domain_is_denied(verdict: Verdict) -> None:
    decision = verdict(CREATE_CONFIGMAP, lambda request: request["object"]["metadata"].update(finalizers=["mine"]))
    assert denied_by(decision) == {"finalizer-enforcement"}
    assert decision.findings[0].path == ("metadata", "finalizers", 0)


# All of them


@pytest.mark.parametrize(
    "file", [CREATE_DEPLOYMENT, UPDATE_DEPLOYMENT, CREATE_POD, CREATE_JOB, CREATE_CRONJOB, CREATE_AUTOSCALER]
)
def test_nothing_that_a_deletion_removes_is_judged(verdict: Verdict, file: str) -> None:
    def delete(request: Request) -> None:
        request |= {"operation": "DELETE", "oldObject": request["object"], "object": None}
        request["oldObject"].setdefault("spec", {}).update(replicas=50, volumes=[HOST_PATH])
        request["oldObject"]["metadata"] |= {"labels": LABEL, "finalizers": [FINALIZER, "mine"]}

    assert verdict(file, delete).allowed


def test_bindings_need_no_namespaces_unless_they_say_so(served: PolicySet) -> None:
    """So the verdict is the same on an empty cache, and in a run without a cluster. A policy that waits to be enabled
    may be about labels of Namespaces; it is no part of what runs."""
    matches = [policy.match for policy in served.policies if policy.bindings]
    matches += [binding.match for binding in served.bindings if binding.match]
    assert len(matches) > len({policy.name for policy in served.policies if policy.bindings})
    assert not any(match.namespace_selector for match in matches)
