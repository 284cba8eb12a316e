"""What is said after the API server's text of a value that cannot be decoded: the form, or where a field belongs."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.decoding import decode_builtin, decode_metadata
from webhook.versions import NEWEST

META: dict[str, Any] = {"name": "web"}


def afterwords(value: dict[str, Any]) -> list[str]:
    decoded = decode_builtin(value, NEWEST)
    assert decoded is not None
    return [each.afterword for each in decoded.problems]


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": META, "spec": spec}


def deployment(spec: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": META, "spec": spec, **fields}


def template(**spec: Any) -> dict[str, Any]:
    return {"template": {"metadata": META, "spec": spec}}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hostname": 5}, "text is expected, and this is a number: quote it"),
        ({"hostname": True}, "text is expected, and this is true or false: quote it"),
        ({"hostname": {}}, "text is expected, and this is a mapping"),
        ({"priority": "5"}, "a whole number is expected, and this is text: write it without quotes"),
        ({"priority": "high"}, "a whole number is expected, and this is text"),
        ({"priority": 1.5}, "a whole number is expected, and this is a number with a fraction"),
        ({"priority": 2**40}, "a whole number is expected, and this is one out of range"),
        ({"hostNetwork": "true"}, "true or false is expected, and this is text: write it without quotes"),
        ({"hostNetwork": "sure"}, "true or false is expected, and this is text"),
        ({"containers": "web"}, "a list is expected, and this is text: begin each item with a dash"),
        ({"containers": {"name": "web"}}, "a list is expected, and this is a mapping: begin each item with a dash"),
        ({"containers": [{"command": {"a": "b"}}]}, "a list is expected, and this is a mapping"),
        ({"nodeSelector": ["a"]}, "a mapping is expected, and this is a list"),
        ({"securityContext": "none"}, "a mapping is expected, and this is text"),
        (
            {"securityContext": "runAsUser:5"},
            "a mapping is expected, and this is text: a key and its value need a space after the colon",
        ),
        ({"overhead": {"cpu": "a lot"}}, "expected a quantity such as 2, 500m, 64Mi or 1.5Gi"),
        ({"overhead": {"cpu": "1 core"}}, "did you mean 1?"),
        ({"overhead": {"cpu": "0,5"}}, "did you mean 0.5?"),
        ({"overhead": {"cpu": "250 m"}}, "did you mean 250m?"),
        ({"overhead": {"memory": "512MB"}}, "did you mean 512M?"),
        ({"overhead": {"memory": "512mb"}}, "did you mean 512M?"),
        ({"overhead": {"memory": "1.5 GiB"}}, "did you mean 1.5Gi?"),
        ({"overhead": {"memory": "64mi"}}, "did you mean 64Mi?"),
        ({"overhead": {"memory": "8KB"}}, "did you mean 8k?"),
        ({"overhead": {"memory": "8kib"}}, "did you mean 8Ki?"),
        ({"overhead": {"memory": "10g"}}, "did you mean 10G?"),
        ({"overhead": {"memory": "10 apples"}}, "expected a quantity such as 2, 500m, 64Mi or 1.5Gi"),
        (
            {"containers": [{"livenessProbe": {"httpGet": {"port": []}}}]},
            "a whole number or text is expected, and this is a list",
        ),
    ],
)
def test_a_value_of_a_wrong_form_is_told_in_plain_words(spec: dict[str, Any], said: str) -> None:
    assert afterwords(pod(**spec)) == [f"; {said}"]


def test_the_metadata_of_a_custom_object_too() -> None:
    found = decode_metadata({"labels": {"a": 1}, "nam": "x"}).problems
    assert [each.afterword for each in found] == [
        "; text is expected, and this is a number: quote it",
        "; did you mean name?",
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        # Indented too little.
        (deployment({"spec": {}, "template": {"metadata": META}}), "spec.template.spec"),
        (deployment({"containers": []}), "spec.template.spec.containers"),
        (deployment({}, containers=[]), "spec.template.spec.containers"),
        (deployment({}, labels={}), "metadata.labels"),
        (deployment(template(containers=[{"name": "web"}], ports=[])), "spec.template.spec.containers[*].ports"),
        # Too much.
        (deployment(template(replicas=3)), "spec.replicas"),
        (deployment({"template": {"metadata": {"spec": {}}}}), "spec.template.spec"),
        (pod(containers=[{"volumes": []}]), "spec.volumes"),
        # Beside where it belongs.
        (pod(containers=[{"livenessProbe": {"path": "/"}}]), "spec.containers[0].livenessProbe.httpGet.path"),
        (pod(containers=[{"runAsUser": 5}]), "spec.containers[0].securityContext.runAsUser"),
        (
            {"apiVersion": "v1", "kind": "Service", "metadata": {"externalName": "x"}, "spec": {}},
            "spec.externalName",
        ),
    ],
)
def test_a_field_in_the_wrong_place_is_told_where_it_belongs(value: dict[str, Any], said: str) -> None:
    [found] = afterwords(value)
    assert found == f"; did you mean {said}?"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        # A misspelt name is one, although another struct has a field of this name.
        ({"apiVersion": "v1", "kind": "Service", "metadata": META, "spec": {"port": 80}}, "; did you mean ports?"),
        (pod(containers=[{"resource": {}}]), "; did you mean resources?"),
        # Several places are as near, and the object has none of them.
        (pod(containers=[{"livenessProbe": {"port": 80}}]), ""),
        # No struct has it.
        (pod(**{"x-y": 1}), ""),
        # It belongs in what the API server writes.
        (deployment({}, availableReplicas=1), ""),
    ],
)
def test_other_unknown_fields(value: dict[str, Any], said: str) -> None:
    assert afterwords(value) == [said]


def test_of_several_places_the_one_that_the_object_has() -> None:
    ports = {"name": "web", "livenessProbe": {"port": 80, "grpc": {}}}
    assert afterwords(pod(containers=[ports])) == ["; did you mean spec.containers[0].livenessProbe.grpc.port?"]


def test_a_place_is_looked_for_up_to_a_number_of_fields() -> None:
    found = afterwords(pod(containers=[{"volumes": []} for _ in range(22)]))
    assert found == ["; did you mean spec.volumes?"] * 20 + ["; did you mean volumeMounts?"] * 2
