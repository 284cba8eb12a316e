"""A server and the cluster that it may be told of. (With a real one: tests/e2e.)"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.server.livecluster import cluster
from tests.server.running import Running, announced, environment, recorded, write_policies
from tests.server.trees import policy, reload, said, write
from webhook.cluster.lookups import Lookups, Target
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.server.cluster.livecluster import prepare, unused
from webhook.server.settings import Settings
from webhook.server.telemetry.logs import Log

ROOT = Path(__file__).parents[3]


def test_without_a_cluster_its_client_is_not_imported() -> None:
    program = (
        "import sys\nfrom webhook.server.life.process import _prepare\nfrom webhook.server.settings import Settings\n"
        "from webhook.server.telemetry.logs import ErrorOutput, Log\n"
        "_prepare(Settings(policies='policies', port=0, plain_port=0), None, Log(), ErrorOutput())\n"
        "found = [name for name in sys.modules if name.partition('.')[0] in ('kubernetes', 'urllib3')]\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, env=environment()
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_outside_of_a_pod_there_is_none_unless_told() -> None:
    assert prepare(Settings(), PolicySet(), Log()) is None
    assert prepare(Settings(cluster="none"), PolicySet(), Log()) is None


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--cluster", "in-cluster"), "--cluster in-cluster: the service account's token: "),
        (("--cluster", "kubeconfig", "--kubeconfig", "missing"), "--cluster kubeconfig: kubeconfig missing: "),
    ],
)
def test_one_that_cannot_be_found_ends_the_start(flags: tuple[str, ...], told: str) -> None:
    run = gatewright("serve", "--port", "0", "--plain-port", "0", *flags, cwd=ROOT, env=environment())
    assert run.returncode == 2
    assert run.stderr.startswith(told)
    assert "Traceback" not in run.stderr


def test_objects_of_the_tree_that_the_cluster_has_instead_are_named() -> None:
    tree = load(ROOT / "policies")
    config_maps = Lookups((Target("v1", "ConfigMap", "gatewright-system", "replica-bounds"),))
    told = unused(tree, config_maps)
    assert told is not None
    assert told.endswith("in the cluster: ConfigMap gatewright-system/replica-bounds")
    of_kind = unused(tree, Lookups((Target("v1", "ConfigMap", "", ""),)))
    assert of_kind is not None
    assert of_kind.endswith(", …")
    assert unused(tree, Lookups((Target("v1", "ConfigMap", "shop", "replica-bounds"),))) is None
    assert unused(tree, Lookups()) is None


POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: named}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: params.data.allowed == object.metadata.name
      messageExpression: "'only ' + params.data.allowed"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: named}
spec:
  policyName: named
  validationActions: [Deny]
  paramRef: {name: names, namespace: shop, parameterNotFoundAction: Deny}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: names, namespace: shop}
data: {allowed: this-is-not-used}
"""


def serve(start: Callable[..., Running], folder: Path, kubeconfig: Path, *flags: str) -> Running:
    policies = write_policies(folder / "policies", {"named.yaml": POLICY})
    where = ("--cluster", "kubeconfig", "--kubeconfig", str(kubeconfig))
    return start("--policies", str(policies), *where, *flags, wait=False)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_reviews_are_served_once_all_is_listed(start: Callable[..., Running], tmp_path: Path, workers: str) -> None:
    ready = threading.Event()
    with cluster(tmp_path, ready) as kubeconfig:
        server = serve(start, tmp_path, kubeconfig, "--workers", workers)
        failing = server.events("cluster")[0]
        assert (failing["level"], failing["state"]) == ("error", "waiting")
        assert "503" in failing["message"]
        assert not [line for line in server.lines if line["event"] == "serving"]
        ready.set()
        announced(server)
        assert server.post("/validate", recorded("020")).response["status"]["message"].endswith("only web")
        assert server.get("/readyz").status == 200
        (synced,) = [line for line in server.events("cluster", int(workers)) if line["state"] == "synced"][:1]
        assert (synced["level"], synced["objects"]) == ("info", 1)
        metrics = server.get("/metrics").body.decode()
        labels = 'name="names",namespace="shop",resource="configmaps"'
        assert f"gatewright_cluster_cache_objects{{{labels}}} 1.0" in metrics
        assert any("policies look up: " in line for line in server.said)
        assert (
            "objects in the policy tree are not used, because policies look them up in the cluster:"
            " ConfigMap shop/names" in server.said
        )
        assert server.stop() == 0


def test_it_can_be_stopped_while_it_waits_for_the_cluster(start: Callable[..., Running], tmp_path: Path) -> None:
    with cluster(tmp_path, threading.Event()) as kubeconfig:
        server = serve(start, tmp_path, kubeconfig)
        server.events("cluster")
        assert server.stop() == 0
        server.events("stopped")
        assert [line["event"] for line in server.lines if line["event"] != "cluster"] == ["stopping", "stopped"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_changed_policies_look_up_is_listed_before_they_are_in_force(
    start: Callable[..., Running], tmp_path: Path, workers: str
) -> None:
    ready, also = threading.Event(), threading.Event()
    ready.set()
    with cluster(tmp_path, ready, also) as kubeconfig:
        server = serve(start, tmp_path, kubeconfig, "--workers", workers, "--reload-timeout", "10")
        announced(server)
        assert said(server) == "only web"
        write_policies(
            tmp_path / "policies", {"named.yaml": POLICY.replace("namespace: shop, param", "namespace: office, param")}
        )
        answer = reload(server)
        assert answer.status == 409
        (problem,) = answer.json["problems"]
        assert "waiting for the cluster's v1/ConfigMap names in office (" in problem["message"]
        assert "may not list" in problem["message"]
        assert server.get("/readyz").status == 200
        assert said(server) == "only web"
        also.set()
        assert reload(server).status == 200
        for _ in range(10):
            assert said(server) == "only mail"
        metrics = server.get("/metrics").body.decode()
        assert 'gatewright_cluster_cache_synced{name="names",namespace="office",resource="configmaps"} 1.0' in metrics
        assert 'namespace="shop"' not in metrics
        assert server.stop() == 0


def test_a_review_that_waits_for_an_answer_ends_with_the_policies_that_it_began_with(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    asks = policy("one").replace('"false"', "authorizer.group('').resource('pods').check('create').allowed()")
    ready, also = threading.Event(), threading.Event()
    with cluster(tmp_path, ready, also) as kubeconfig, ThreadPoolExecutor(1) as clients:
        tree = write(tmp_path / "tree", a_yaml=asks)
        where = ("--cluster", "kubeconfig", "--kubeconfig", str(kubeconfig))
        server = start("--policies", str(tree), *where)
        first = server.get("/policies").json["revision"]
        waiting = clients.submit(server.post, "/validate", recorded("020"))
        time.sleep(0.5)
        write(tree, a_yaml=policy("two"))
        second = reload(server).json["revision"]
        assert said(server) == "two"
        assert not waiting.done()
        also.set()
        response = waiting.result(30).response
        assert response["status"]["message"].endswith(": one")
        assert response["auditAnnotations"] == {"policy_revision": first}
        lines = server.events("review", 2)
        assert [line["revision"] for line in lines] == [second, first]
