"""Strategies against Kubernetes' own: generated objects, decoded, defaulted, converted and prepared for creation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.amounts import amount
from tests.apiserver.defaults.realistic import Realistic
from tests.apiserver.generated import kinds
from webhook.apiserver import completion
from webhook.apiserver.completion import Creation
from webhook.apiserver.conversion import convert
from webhook.apiserver.decoding import decode_builtin
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.encoding import encode_builtin
from webhook.schema import Kinds

SOURCE = Path(__file__).parent / "strategies"
CREATION = Creation(now="2024-01-02T03:04:05Z", username="alice", groups=("authors",))
SET_BEFORE = (
    "generateName",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "generation",
)
BUILTIN = Kinds.builtin()


def asked(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    questions = [{"text": json.dumps(value, sort_keys=True)} for value in values]
    return goprograms.answers(goprograms.built(SOURCE), questions, "prepare")


def objects(seed: str, many: int, *only: str) -> list[dict[str, Any]]:
    """Objects as the API server hands them to a strategy: with a name, a uid and a time."""
    generator = Realistic(seed)
    named = [each for each in kinds() if not only or each[1] in only]
    made = []
    for index in range(many):
        value = generator.of(*named[index % len(named)])
        metadata = {name: each for name, each in (value.get("metadata") or {}).items() if name not in SET_BEFORE}
        identity = {"name": "web", "namespace": "default", "uid": completion.UID, "creationTimestamp": CREATION.now}
        made.append({**value, "metadata": {**metadata, **identity}})
    return made


def ours(value: dict[str, Any]) -> dict[str, Any] | None:
    """What becomes of an object; None if it cannot be converted."""
    decoded = decode_builtin(value)
    assert decoded is not None
    set_defaults(decoded.object, value["apiVersion"], value["kind"])
    if convert(decoded.object, value["apiVersion"], value["kind"]) is not None:
        return None
    resource = BUILTIN.for_kind(value["apiVersion"], value["kind"])
    assert resource is not None
    return completion.created(encode_builtin(decoded.object), resource, CREATION)


def without_now(value: Any) -> Any:
    """The value without the times that are now, and without what is allocated for a Service."""
    if isinstance(value, dict):
        if value.get("kind") == "Service":
            allocated = ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
            spec = {key: each for key, each in value["spec"].items() if key not in allocated}
            value = {**value, "spec": spec}
        now = ("timeAdded", "lastTransitionTime", "lastPhaseTransitionTime", "managedFields")
        return {key: without_now(each) for key, each in sorted(value.items()) if key not in now}
    return [without_now(each) for each in value] if isinstance(value, list) else value


def test_objects_are_prepared_as_kubernetes_does() -> None:
    made = objects("strategies", amount(1500, 500)) + objects("pods", amount(600, 200), "Pod", "Job", "DaemonSet")
    answers = asked(made)
    known = [(value, answer) for value, answer in zip(made, answers, strict=True) if "unknown" not in answer]
    assert len(known) > len(made) // 2
    differences = [
        (value, answer, mine)
        for value, answer in known
        if repr(without_now(mine := ours(value))) != repr(without_now(answer.get("object")))
    ]
    assert not differences, f"{len(differences)} of {len(known)}; the first: {differences[0]}"


def pod(**spec: Any) -> dict[str, Any]:
    made = ours({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
    assert made is not None
    found: dict[str, Any] = made["spec"]
    return found


def container(name: str, **resources: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "image": "x:1", "resources": resources}


def test_a_pod_that_names_resources_gets_the_rest_from_its_containers() -> None:
    containers = [
        container("a", requests={"cpu": "250m", "memory": "1Gi"}, limits={"memory": "1Gi"}),
        container("b", requests={"cpu": "0.5"}, limits={"memory": "512Mi", "hugepages-2Mi": "4Mi"}),
    ]
    made = pod(containers=containers, resources={"limits": {"cpu": "2"}})
    assert made["resources"] == {
        "limits": {"cpu": "2", "hugepages-2Mi": "4Mi", "memory": "1536Mi"},
        "requests": {"cpu": "750m", "memory": "1536Mi", "hugepages-2Mi": "4Mi"},
    }
    assert "resources" not in pod(containers=containers)


def test_of_init_containers_the_largest_counts_beside_those_that_go_on() -> None:
    sidecar = {**container("s", requests={"cpu": "100m"}), "restartPolicy": "Always"}
    init = [sidecar, container("i", requests={"cpu": "1"}), container("j", requests={"cpu": "500m"})]
    made = pod(
        initContainers=init, containers=[container("a", requests={"cpu": "300m"})], resources={"limits": {"cpu": "4"}}
    )
    assert made["resources"]["requests"]["cpu"] == "1100m"


@pytest.mark.parametrize(
    ("spec", "policy", "families"),
    [
        ({}, "SingleStack", ["IPv4"]),
        ({"clusterIP": "fd00::1"}, "SingleStack", ["IPv6"]),
        ({"clusterIP": "None", "selector": {"a": "b"}}, "SingleStack", ["IPv4"]),
        ({"clusterIP": "None"}, "RequireDualStack", ["IPv4", "IPv6"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", ["IPv4"]),
        ({"type": "ExternalName"}, None, None),
    ],
)
def test_families_of_addresses(spec: dict[str, Any], policy: str | None, families: list[str] | None) -> None:
    made = ours({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    assert made is not None
    assert made["spec"].get("ipFamilyPolicy") == policy
    assert made["spec"].get("ipFamilies") == families


def test_a_job_without_labels_has_those_of_its_template_with_what_is_added_to_them() -> None:
    labels = {"app": "once"}
    value: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}}
    made = ours({**value, "spec": {"template": {"metadata": {"labels": labels}}}})
    assert made is not None
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]
    assert len(made["metadata"]["labels"]) == 5
    value["metadata"]["labels"] = labels
    made = ours({**value, "spec": {"template": {"metadata": {"labels": labels}}}})
    assert made is not None
    assert made["metadata"]["labels"] == labels


def test_a_namespace_has_the_label_of_its_generated_name() -> None:
    made = ours({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "fresh-"}})
    assert made is not None
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "fresh-xxxxx"}


def test_fields_of_features_that_are_off_are_dropped() -> None:
    handler = {"httpGet": {"port": 80, "protocol": "HTTP2"}}
    value = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "template": {
                "metadata": {"annotations": {"pod.beta.kubernetes.io/init-containers": "[]"}},
                "spec": {
                    "schedulingGroup": {"podGroupName": "g"},
                    "containers": [
                        {"name": "a", "livenessProbe": handler, "lifecycle": {"stopSignal": "SIGUSR1"}},
                        {"name": "b", "lifecycle": {"stopSignal": "SIGUSR1", "preStop": handler}},
                    ],
                },
            }
        },
    }
    before = repr(value)
    made = ours(value)
    assert made is not None
    template = made["spec"]["template"]
    assert "annotations" not in template["metadata"]
    assert "schedulingGroup" not in template["spec"]
    first, second = template["spec"]["containers"]
    assert "protocol" not in first["livenessProbe"]["httpGet"]
    assert "lifecycle" not in first
    assert second["lifecycle"].keys() == {"preStop"}
    assert repr(value) == before


def test_profiles_in_annotations_become_fields() -> None:
    name = "container.apparmor.security.beta.kubernetes.io/"
    annotations = {f"{name}a": "localhost/strict", f"{name}b": "runtime/default", f"{name}c": "localhost/ "}
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": annotations},
        "spec": {
            "containers": [{"name": name} for name in "abcd"],
            "securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}},
        },
    }
    made = ours(value)
    assert made is not None
    found = [each.get("securityContext") for each in made["spec"]["containers"]]
    assert found == [{"appArmorProfile": {"type": "Localhost", "localhostProfile": "strict"}}, None, None, None]
