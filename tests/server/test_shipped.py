"""The shipped policies over HTTPS: the recorded reviews, and the ways around the policies that are known."""

from __future__ import annotations

import base64
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.running import REVIEWS, Answer, Running, end, launch, wait_for

SHIPPED = Path(__file__).parent.parent.parent / "policies"
EXPECTED: dict[str, dict[str, Any]] = json.loads((REVIEWS / "expected.json").read_bytes())["verdicts"]

HOST_PATH = {"name": "root", "hostPath": {"path": "/"}}
KEPT = {"gatewright.dev/keep-finalizer": "true"}
FINALIZER = "gatewright.dev/cleanup"
CONTROLLER = "system:serviceaccount:gatewright-system:cleanup-controller"

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def shipped() -> Iterator[Running]:
    running = launch("--policies", str(SHIPPED))
    yield running
    end(running)


def _post(server: Running, name: str, edit: Edit = lambda request: None) -> Answer:
    document = json.loads((REVIEWS / name).read_bytes())
    edit(document["request"])
    return server.post("/mutate" if "-mutate-" in name else "/validate", json.dumps(document).encode())


def test_there_are_58_recorded_reviews() -> None:
    assert sorted(EXPECTED) == sorted(file.name for file in REVIEWS.glob("0*.json"))
    assert len(EXPECTED) == 58


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_review_gets_its_verdict(shipped: Running, name: str) -> None:
    expected = EXPECTED[name]
    response = _post(shipped, name).response
    assert response["uid"] == json.loads((REVIEWS / name).read_bytes())["request"]["uid"]
    assert response["allowed"] is expected["allowed"], response.get("status")
    assert "patch" not in response
    if not expected["allowed"]:
        policy = expected["policy"]
        assert response["status"]["message"].startswith(
            f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' "
        )


def test_without_a_cluster_the_server_says_which_bindings_it_leaves_out(shipped: Running) -> None:
    (line,) = shipped.events("cluster")
    assert line["message"].startswith("there is no cluster, so bindings that need one are left out: pod-security-")


def test_a_reload_leaves_them_out_too(tmp_path: Path) -> None:
    tree = shutil.copytree(SHIPPED, tmp_path / "policies")
    running = launch("--policies", str(tree))
    try:
        (tree / "more.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n")
        running.process.send_signal(signal.SIGHUP)
        (line,) = running.events("reload")
        assert line["level"] == "info"
        pod = _post(running, "020-validate-create-pods.json", lambda request: request["object"]["spec"].pop("volumes"))
        assert pod.response["allowed"]
    finally:
        end(running)


def _replicas(count: int) -> Edit:
    return lambda request: request["object"]["spec"].update(replicas=count)


def _in_cronjob(request: dict[str, Any]) -> None:
    request["object"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"] = [HOST_PATH]


def _as_volume(request: dict[str, Any]) -> None:
    kind = {"group": "", "version": "v1", "kind": "PersistentVolume"}
    resource = {"group": "", "version": "v1", "resource": "persistentvolumes"}
    request |= {"kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource}
    del request["namespace"]
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}
    request["object"] = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec}


def _removal(user: str, deleting: bool, subresource: str) -> Edit:
    def edit(request: dict[str, Any]) -> None:
        for field in ("oldObject", "object"):
            metadata = request[field]["metadata"]
            metadata.pop("deletionTimestamp", None)
            metadata |= {"labels": KEPT, "finalizers": [FINALIZER]}
            if deleting:
                metadata["deletionTimestamp"] = "2026-11-21T08:04:09Z"
        request["object"]["metadata"]["finalizers"] = []
        request["userInfo"]["username"] = user
        if subresource:
            request["subResource"] = request["requestSubResource"] = subresource

    return edit


SCALE = "006-validate-update-deployments-scale.json"
CRONJOB = "034-validate-create-cronjobs.json"
POD = "020-validate-create-pods.json"
FINALIZED = "048-validate-update-deployments.json"


@pytest.mark.parametrize(
    ("name", "edit", "policy"),
    [
        pytest.param(SCALE, _replicas(50), "replica-bounds", id="scale to 50"),
        pytest.param(SCALE, _replicas(10), None, id="scale to 10"),
        pytest.param(CRONJOB, _in_cronjob, "no-host-path", id="hostPath in a CronJob"),
        pytest.param(POD, _as_volume, "no-host-path", id="hostPath in a PersistentVolume"),
        *(
            pytest.param(
                FINALIZED,
                _removal(user, deleting, subresource),
                None if user == CONTROLLER and deleting else "finalizer-enforcement",
                id=f"finalizer removed by {user.rpartition(':')[2]}, deleting={deleting}, {subresource or 'main'}",
            )
            for user in (CONTROLLER, "jane")
            for deleting in (True, False)
            for subresource in ("", "status")
        ),
    ],
)
def test_the_ways_around_are_closed(shipped: Running, name: str, edit: Edit, policy: str | None) -> None:
    response = _post(shipped, name, edit).response
    assert response["allowed"] is (policy is None), response.get("status")
    if policy is not None:
        assert f"'{policy}'" in response["status"]["message"]


def test_a_labelled_object_gets_its_finalizer_by_patch(shipped: Running) -> None:
    def label(request: dict[str, Any]) -> None:
        request["object"]["metadata"]["labels"] = KEPT

    response = _post(shipped, "025-mutate-create-configmaps.json", label).response
    assert (response["allowed"], response["patchType"]) == (True, "JSONPatch")
    assert json.loads(base64.b64decode(response["patch"])) == [
        {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}
    ]


def test_no_policy_fails_on_any_of_them(shipped: Running) -> None:
    for name in EXPECTED:
        _post(shipped, name, lambda request: request.update(uid=f"again-{request['uid']}"))

    def decided() -> list[dict[str, Any]]:
        return [line for line in shipped.lines if line.get("uid", "").startswith("again-")]

    wait_for(lambda: len(decided()) == 58)
    assert not [line for line in decided() if any(found["result"] == "error" for found in line.get("findings", ()))]
