"""Conversion against Kubernetes' own: objects converted to the internal version and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.amounts import amount
from tests.apiserver import oracle
from tests.apiserver.defaults.realistic import Realistic, realistic
from webhook.apiserver.conversion import convert
from webhook.apiserver.decoding import decode_builtin
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.encoding import encode_builtin

CONVERTED = [
    *(
        ("v1", "Node"),
        ("v1", "Secret"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
    ),
    *(("autoscaling/v1", "HorizontalPodAutoscaler"), ("autoscaling/v2", "HorizontalPodAutoscaler")),
    *(("apiextensions.k8s.io/v1", "CustomResourceDefinition"), ("resource.k8s.io/v1beta1", "ResourceSlice")),
]


def converted(value: dict[str, Any]) -> dict[str, Any]:
    """What becomes of an object, in the form of the oracle's answers."""
    decoded = decode_builtin(value)
    assert decoded is not None
    set_defaults(decoded.object, value["apiVersion"], value["kind"])
    refused = convert(decoded.object, value["apiVersion"], value["kind"])
    return {"object": encode_builtin(decoded.object)} if refused is None else {"error": refused.message}


def without_times(answer: dict[str, Any]) -> str:
    return "" if "timeAdded" in repr(answer) else repr(sorted_keys(answer))


def sorted_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(each) for each in value] if isinstance(value, list) else value


def test_objects_of_every_kind_are_converted_as_kubernetes_does() -> None:
    generator = Realistic("converted")
    made = realistic("conversion", amount(1500, 300))
    made += [generator.of(*CONVERTED[index % len(CONVERTED)]) for index in range(amount(900, 450))]
    answers = oracle.ask(made, "convert")
    differences = [
        (value, theirs, mine)
        for value, theirs in zip(made, answers, strict=True)
        if without_times(mine := converted(value)) != without_times(theirs)
    ]
    assert not differences, f"{len(differences)} of {len(made)}; the first: {differences[0]}"
    assert any("error" in each for each in answers)


def of(api_version: str, kind: str, **rest: Any) -> dict[str, Any]:
    return converted({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **rest})["object"]


def test_string_data_becomes_data_and_wins() -> None:
    made = of("v1", "Secret", data={"a": "b2xk", "b": "Yg=="}, stringData={"a": "new", "ü": "ü"})
    assert made["data"] == {"a": "bmV3", "b": "Yg==", "ü": "w7w="}
    assert "stringData" not in made


def test_a_daemon_set_has_the_annotation_of_its_template_generation() -> None:
    annotations = of("apps/v1", "DaemonSet")["metadata"]["annotations"]
    assert annotations == {"deprecated.daemonset.template.generation": "0"}


def test_a_claim_template_has_its_kind() -> None:
    made = of("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]})
    template = made["spec"]["volumeClaimTemplates"][0]
    assert (template["apiVersion"], template["kind"]) == ("v1", "PersistentVolumeClaim")


def test_an_autoscaler_of_v1_gets_a_target_unless_an_annotation_has_metrics() -> None:
    name = "autoscaling.alpha.kubernetes.io/metrics"
    assert of("autoscaling/v1", "HorizontalPodAutoscaler")["spec"]["targetCPUUtilizationPercentage"] == 80
    text = '[{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"5"}}]'
    made = of("autoscaling/v1", "HorizontalPodAutoscaler", metadata={"annotations": {name: text}})
    assert "targetCPUUtilizationPercentage" not in made["spec"]
    assert made["metadata"]["annotations"] == {name: text}


@pytest.mark.parametrize(
    ("kind", "name", "text", "message"),
    [
        (
            "Deployment",
            "deprecated.deployment.rollback.to",
            "x",
            "failed to parse annotation[deprecated.deployment.rollback.to]=x as int64: "
            'strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            "DaemonSet",
            "deprecated.daemonset.template.generation",
            "9223372036854775808",
            'strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
    ],
)
def test_an_annotation_that_is_no_number_is_refused(kind: str, name: str, text: str, message: str) -> None:
    value = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"annotations": {name: text}}}
    refused = convert(value, "apps/v1", kind)
    assert refused is not None
    assert refused.path == ("metadata", "annotations", name)
    assert refused.message == message
