"""The defaults of Pods that depend on other fields. test_defaulting holds all of them against Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.defaults.defaulting import set_defaults


def pod(**spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    set_defaults(made, "v1", "Pod")
    found: dict[str, Any] = made["spec"]
    return found


def template(**spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": spec}}}
    set_defaults(made, "apps/v1", "Deployment")
    found: dict[str, Any] = made["spec"]["template"]["spec"]
    return found


LIMITS = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}


def test_a_pod_has_requests_from_its_limits_and_a_template_has_not() -> None:
    containers: list[dict[str, Any]] = [{"name": "a", "resources": {**LIMITS}}]
    assert pod(initContainers=containers)["initContainers"][0]["resources"]["requests"] == {
        "cpu": "500m",
        "memory": "1Gi",
    }
    containers = [{"name": "a", "resources": {**LIMITS}}]
    assert template(containers=containers)["containers"][0]["resources"] == LIMITS


def test_ports_of_the_host_network_are_ports_of_the_host() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 81, "hostPort": 8081}]
    made = pod(hostNetwork=True, containers=[{"name": "a", "ports": ports}])
    assert [each["hostPort"] for each in made["containers"][0]["ports"]] == [80, 8081]
    assert (
        "hostPort" not in pod(containers=[{"name": "a", "ports": [{"containerPort": 80}]}])["containers"][0]["ports"][0]
    )


@pytest.mark.parametrize(("given", "wanted"), [(None, 30), (0, 0), (-1, 1)])
def test_the_grace_period(given: int | None, wanted: int) -> None:
    made = pod(**({} if given is None else {"terminationGracePeriodSeconds": given}))
    assert made["terminationGracePeriodSeconds"] == wanted


def test_an_empty_volume_is_an_empty_dir_and_others_get_their_mode() -> None:
    made = pod(
        volumes=[{"name": "a"}, {"name": "b", "secret": {"secretName": "s"}}, {"name": "c", "hostPath": {"path": "/"}}]
    )
    assert made["volumes"] == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "c", "hostPath": {"path": "/", "type": ""}},
    ]


def test_probes() -> None:
    made = template(containers=[{"name": "a", "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5}}])
    assert made["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 5,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_an_account_has_two_names() -> None:
    assert template(serviceAccount="old")["serviceAccountName"] == "old"
    assert template(serviceAccountName="new", serviceAccount="old")["serviceAccount"] == "new"
    assert "serviceAccountName" not in template()


def test_a_template_without_a_spec_gets_one() -> None:
    made: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment"}
    set_defaults(made, "apps/v1", "Deployment")
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert "containers" not in made["spec"]["template"]["spec"]


def test_amounts_are_rounded_up_to_thousandths() -> None:
    amounts = {"cpu": "100u", "memory": "1500001n", "example.com/a": "1e-6", "example.com/b": "1Ei"}
    made = pod(containers=[{"name": "a", "resources": {"requests": amounts}}])
    assert made["containers"][0]["resources"]["requests"] == {
        "cpu": "1m",
        "memory": "2m",
        "example.com/a": "1e-3",
        "example.com/b": "1Ei",
    }
