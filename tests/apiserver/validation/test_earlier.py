"""What earlier versions refuse: the answers of Kubernetes' own strategies, which test_against_kubernetes asks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.validation.cases import changed, prepared, sound
from webhook.apiserver.validation import kinds
from webhook.schema import Kinds
from webhook.versions import NEWEST, Version

OLDEST: Version = (1, 26)
TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def refused(kind: str, change: dict[str, Any], target: Version) -> list[str]:
    """The fields that a version refuses, with the kinds of the faults."""
    manifest = changed(sound()[kind], change)
    resource = Kinds.builtin().for_kind(manifest["apiVersion"], kind)
    assert resource is not None
    found = kinds.refusals(prepared(manifest), namespaced=resource.namespaced, target=target)
    return [error.text.partition(": ")[0] for error in found]


SELECTOR = {
    "maxSkew": 1,
    "topologyKey": "z",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"a b": "c"}},
}
IN_HOST = {"spec.hostNetwork": True, "spec.containers.0.ports": None, "spec.containers.0.livenessProbe": None}
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "/etc"}}]}}
PLAIN = {"spec.serviceAccountName": "web"}
EXPRESSION = {"key": "a", "operator": "In", "values": ["b c"]}


@pytest.mark.parametrize(
    ("kind", "change", "field", "since"),
    [
        ("CronJob", {"spec.schedule": "TZ=UTC 0 0 * * *"}, "spec.schedule", (1, 29)),
        (
            "Pod",
            {"spec.topologySpreadConstraints": [SELECTOR]},
            "spec.topologySpreadConstraints[0].labelSelector.matchLabels",
            (1, 27),
        ),
        (
            "Pod",
            {**IN_HOST, "spec.securityContext.sysctls": [{"name": "net.a", "value": "1"}]},
            "spec.securityContext.sysctls[0].name",
            (1, 29),
        ),
        ("Pod", {TERMS: [{"matchExpressions": [EXPRESSION]}]}, f"{TERMS}[0].matchExpressions[0].values[0]", (1, 32)),
        ("StatefulSet", {"spec.serviceName": "A b"}, "spec.serviceName", (1, 33)),
        (
            "StatefulSet",
            {"spec.template.spec.containers.0.image": None},
            "spec.template.spec.containers[0].image",
            (1, 34),
        ),
        ("Pod", {"spec.volumes.1": TOKEN, **PLAIN}, "spec.volumes[1].projected.path", (1, 30)),
        (
            "Pod",
            {"spec.nodeName": "n", "spec.schedulingGates": [{"name": "a.b/c"}]},
            "spec.nodeName",
            (1, 27),
        ),
        (
            "HorizontalPodAutoscaler",
            {"spec.scaleTargetRef": {"kind": "Deployment", "name": "x"}},
            "spec.scaleTargetRef.apiVersion",
            (1, 34),
        ),
    ],
)
def test_rules_that_are_new(kind: str, change: dict[str, Any], field: str, since: Version) -> None:
    assert refused(kind, change, NEWEST) == [field]
    assert refused(kind, change, since) == [field]
    assert refused(kind, change, (since[0], since[1] - 1)) == []
    assert refused(kind, change, OLDEST) == []


@pytest.mark.parametrize(
    ("kind", "change", "fields", "until"),
    [
        ("Service", {"metadata.name": "9lives"}, ["metadata.name"], (1, 35)),
        ("PersistentVolumeClaim", {"spec.accessModes": ["ReadWriteOncePod"]}, ["spec.accessModes"], (1, 26)),
        ("Pod", {"spec.dnsConfig": {"searches": ["a_b.c", "a.b"]}}, ["spec.dnsConfig.searches[0]"], (1, 32)),
        (
            "Pod",
            {"spec.containers.0.env": [{"name": "a b"}, {"name": "9A"}, {"name": "a.b-c"}], "spec.dnsConfig": None},
            ["spec.containers[0].env[0].name", "spec.containers[0].env[1].name"],
            (1, 31),
        ),
        (
            "Deployment",
            {"spec.template.spec.containers.0.env": [{"name": "9A"}]},
            ["spec.template.spec.containers[0].env[0].name"],
            (1, 31),
        ),
        ("StatefulSet", {"spec.template.spec.containers.0.env": [{"name": "9A"}]}, [], (1, 31)),
    ],
)
def test_rules_that_are_loosened(kind: str, change: dict[str, Any], fields: list[str], until: Version) -> None:
    assert refused(kind, change, NEWEST) == []
    assert refused(kind, change, (until[0], until[1] + 1)) == []
    assert refused(kind, change, until) == fields
    assert refused(kind, change, OLDEST) == fields


@pytest.mark.parametrize("field", ["selector.matchLabels.tier", "serviceName", "podManagementPolicy"])
def test_what_of_a_stateful_set_must_not_change(field: str) -> None:
    value = {**sound()["StatefulSet"], "metadata": {"name": "web", "namespace": "default", "resourceVersion": "1"}}
    changes = {f"spec.{field}": "Parallel" if field == "podManagementPolicy" else "other"}
    if field.startswith("selector"):
        changes["spec.template.metadata.labels.tier"] = "other"
    new, old = prepared(changed(value, changes)), prepared(value)
    found = {
        target: [error.text for error in kinds.refusals(new, namespaced=True, old=old, target=target)]
        for target in ((1, 32), (1, 33), (1, 36), NEWEST)
    }
    (now,) = found[NEWEST]
    assert now.startswith(f"spec.{field.partition('.')[0]}: Invalid value: ")
    assert now.endswith("field is immutable")
    for target in ((1, 33), (1, 36)):
        assert found[target] == [
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
            " 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"
            " are forbidden"
        ]
    assert found[(1, 32)] == [found[(1, 33)][0].replace(" 'revisionHistoryLimit',", "")]


def test_a_strategy_that_earlier_versions_do_not_know_leaves_the_pods_alone() -> None:
    value = {**sound()["StatefulSet"], "metadata": {"name": "web", "namespace": "default", "resourceVersion": "1"}}
    value = changed(value, {"spec.updateStrategy": {"type": "Recreate"}})
    new, old = prepared(changed(value, {"spec.template.spec.containers": []})), prepared(value)
    assert kinds.refusals(new, namespaced=True, old=old, target=(1, 36)) == []
    (error,) = kinds.refusals(new, namespaced=True, old=old)
    assert error.text == "spec.template.spec.containers: Required value"


@pytest.mark.parametrize(
    ("field", "policy", "refused_in"),
    [
        ("containers", "Always", [(1, 29), (1, 33)]),
        ("initContainers", "Never", [(1, 29), (1, 33)]),
        ("initContainers", "Always", []),
        ("initContainers", "Sometimes", [(1, 29), (1, 33), (1, 35), NEWEST]),
    ],
)
def test_when_containers_are_restarted(field: str, policy: str, refused_in: list[Version]) -> None:
    container = {"name": "other", "image": "nginx:1", "restartPolicy": policy}
    for target in ((1, 29), (1, 33), (1, 34), (1, 35), NEWEST):
        found = refused("Pod", {f"spec.{field}": [container]}, target)
        assert found == ([f"spec.{field}[0].restartPolicy"] if target in refused_in else []), target


def test_the_history_of_a_stateful_set() -> None:
    value = {**sound()["StatefulSet"], "metadata": {"name": "web", "namespace": "default", "resourceVersion": "1"}}
    new, old = prepared(changed(value, {"spec.revisionHistoryLimit": 3})), prepared(value)
    for target, refusals in (((1, 32), 1), ((1, 33), 0), (NEWEST, 0)):
        assert len(kinds.refusals(new, namespaced=True, old=old, target=target)) == refusals


def test_a_negative_grace_period() -> None:
    """Which the newest version sets to 1 before it looks at it."""
    value = prepared(sound()["Pod"])
    value["spec"]["terminationGracePeriodSeconds"] = -1
    assert len(kinds.refusals(value, namespaced=True)) == 1
    assert kinds.refusals(value, namespaced=True, target=(1, 36)) == []


def test_an_autoscaler_to_nothing() -> None:
    change = {"spec.minReplicas": 0}
    assert refused("HorizontalPodAutoscaler", change, NEWEST) == ["spec.metrics"]
    assert sorted(refused("HorizontalPodAutoscaler", change, (1, 36))) == ["spec.metrics", "spec.minReplicas"]


def test_what_is_refused_is_not_refused_twice() -> None:
    """A name that no version takes is told once."""
    change = {"spec.containers.0.env": [{"name": "A=B"}]}
    assert refused("Service", {"metadata.name": "a.b"}, OLDEST) == ["metadata.name"]
    assert refused("Pod", change, OLDEST) == refused("Pod", change, NEWEST) == ["spec.containers[0].env[0].name"]
