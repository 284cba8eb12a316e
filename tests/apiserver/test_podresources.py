"""The resources of a whole Pod: as defaults complete them in 1.34 to 1.36, and what containers need at once.

test_strategies_against_kubernetes holds the newest version against Kubernetes, test_minors_against_kubernetes the
others, of which only the oldest is always built.
"""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.podresources import amounts_of_containers
from webhook.versions import NEWEST, Version, shown

CONTAINERS: list[dict[str, Any]] = [
    {
        "name": "a",
        "resources": {"requests": {"cpu": "250m", "memory": "1Gi", "example.com/a": "1"}, "limits": {"memory": "1Gi"}},
    },
    {"name": "b", "resources": {"requests": {"cpu": "0.5"}, "limits": {"memory": "512Mi", "hugepages-2Mi": "4Mi"}}},
]


def resources(version: Version, given: dict[str, Any] | None) -> Any:
    spec: dict[str, Any] = {"containers": CONTAINERS} | ({} if given is None else {"resources": given})
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    set_defaults(made, "v1", "Pod", version)
    return made["spec"].get("resources")


@pytest.mark.parametrize("version", [(1, 34), (1, 36)], ids=shown)
def test_a_pod_with_limits_gets_requests_from_its_containers_and_its_limits(version: Version) -> None:
    assert resources(version, {"limits": {"cpu": "2"}}) == {
        "limits": {"cpu": "2", "hugepages-2Mi": "4Mi"},
        "requests": {"cpu": "750m", "memory": "1536Mi", "hugepages-2Mi": "4Mi"},
    }


@pytest.mark.parametrize("version", [(1, 34), (1, 36)], ids=shown)
def test_a_request_that_is_given_stays(version: Version) -> None:
    made = resources(version, {"limits": {"cpu": "2"}, "requests": {"cpu": "1", "hugepages-2Mi": "8Mi"}})
    assert made == {"limits": {"cpu": "2"}, "requests": {"cpu": "1", "hugepages-2Mi": "8Mi", "memory": "1536Mi"}}


@pytest.mark.parametrize("given", [None, {}, {"claims": [{"name": "gpu"}]}])
def test_a_pod_that_names_no_amount_gets_none(given: dict[str, Any] | None) -> None:
    assert resources((1, 36), given) == given


@pytest.mark.parametrize("version", [(1, 33), NEWEST], ids=shown)
def test_other_versions_leave_them_to_the_creation(version: Version) -> None:
    assert resources(version, {"limits": {"cpu": "2"}}) == {"limits": {"cpu": "2"}}


def test_what_runs_before_counts_by_its_largest_beside_those_that_go_on() -> None:
    def container(cpu: str, **more: str) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [container("100m", restartPolicy="Always"), container("1"), container("500m")],
        "containers": [container("300m")],
    }
    assert {name: str(amount) for name, amount in amounts_of_containers(spec, "requests").items()} == {"cpu": "1100m"}
