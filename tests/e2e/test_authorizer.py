"""CEL's authorizer answers what the cluster's RBAC says, and never at the cost of other reviews."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.controlplane import ControlPlane, manifests
from tests.e2e.live import RULES, Live, binding, live, policy
from tests.e2e.objects import namespace
from tests.e2e.proxy import Proxy
from tests.server.running import wait_for
from tests.timing import patience, within

RBAC = "rbac.authorization.k8s.io"


def about(name: str) -> dict[str, Any]:
    return {"resourceRules": [{**RULES["resourceRules"][0], "resourceNames": [name]}]}


POLICIES = (
    policy(
        "breakglass",
        matchConstraints=about("glass"),
        validations=[
            {
                "expression": "authorizer.group('').resource('configmaps').namespace('default')"
                ".check('break').allowed()",
                "message": "only who may break it",
            }
        ],
    ),
    policy(
        "deployer",
        matchConstraints=about("deployed"),
        variables=[
            {"name": "check", "expression": "authorizer.serviceAccount('rules', 'deployer').group('apps')"},
            {"name": "own", "expression": "authorizer.requestResource.check('delete')"},
        ],
        validations=[
            {
                "expression": "variables.check.resource('deployments').namespace('rules').check('create').allowed()",
                "message": "the deployer may not deploy",
            },
            {
                "expression": "variables.own.allowed() || variables.own.reason() != ''",
                "message": "who may not delete it may not create it",
            },
            {"expression": "authorizer.path('/healthz').check('get').allowed()", "message": "no look at health"},
        ],
    ),
    policy("plain", matchConstraints=about("plain"), validations=[{"expression": "false", "message": "plainly no"}]),
)
BINDINGS = tuple(binding(each["metadata"]["name"]) for each in POLICIES)
PYTHON = """\
from gatewright import Access, validate


@validate(
    resources=["v1/configmaps"], operations=["CREATE"], reads=["authorization.k8s.io/v1/SubjectAccessReview"]
)
def python(request):
    if request.name == "python":
        try:
            access = Access("dora", "break", groups=("developers",), resource="configmaps", namespace="default")
            if not request.cluster.authorize(access).allowed:
                yield "dora may not break it"
        except Exception:
            yield "no answer"
"""


def granted(name: str, subject: dict[str, str], **rule: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]}
    bound = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [subject],
    }
    return role, bound


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies")
    (folder / "policies.yaml").write_text(manifests(*POLICIES, *BINDINGS, binding("python")))
    (folder / "policy.py").write_text(PYTHON)
    return folder


@pytest.fixture(scope="module")
def proxy(cluster: ControlPlane) -> Iterator[Proxy]:
    way = Proxy(cluster.port)
    way.open()
    yield way
    way.end()


@pytest.fixture(scope="module")
def server(cluster: ControlPlane, policies: Path, proxy: Proxy) -> Iterator[Live]:
    cluster.apply(namespace("rules"))
    with live(cluster, policies, port=proxy.port) as running:
        yield running


def test_who_may_is_let_through(server: Live, cluster: ControlPlane) -> None:
    assert server.asked(name="glass").endswith("only who may break it")
    assert server.asked(name="python").endswith("dora may not break it")
    dora = {"kind": "User", "name": "dora", "apiGroup": RBAC}
    cluster.apply(*granted("breaker", dora, apiGroups=[""], resources=["configmaps"], verbs=["break"]))
    assert server.becomes("", name="glass")
    assert server.asked(name="python") == ""
    assert server.asked(name="glass", user="evan", groups=()).endswith("only who may break it")
    assert server.asked(name="glass", user="root", groups=("system:masters",)) == ""
    cluster.kubectl("delete", "clusterrolebinding", "breaker")
    assert server.becomes("only who may break it", name="glass")
    assert server.becomes("dora may not break it", name="python")


def test_service_accounts_the_requests_resource_and_paths(server: Live, cluster: ControlPlane) -> None:
    assert "the deployer may not deploy" in server.asked(name="deployed")
    account = {"kind": "ServiceAccount", "name": "deployer", "namespace": "rules"}
    cluster.apply(*granted("deployer", account, apiGroups=["apps"], resources=["deployments"], verbs=["create"]))
    assert server.becomes("who may not delete it may not create it", name="deployed")
    developers = {"kind": "Group", "name": "developers", "apiGroup": RBAC}
    cluster.apply(*granted("delete", developers, apiGroups=[""], resources=["configmaps"], verbs=["delete"]))
    assert server.becomes("", name="deployed")
    cluster.kubectl("delete", "clusterrolebinding", "deployer", "delete")


def test_answers_are_kept_for_one_review_only(server: Live) -> None:
    before = server.metric("gatewright_cluster_access_reviews_total")
    server.asked(name="glass")
    server.asked(name="glass")
    assert server.metric("gatewright_cluster_access_reviews_total") == before + 2
    server.asked(name="plain")
    assert server.metric("gatewright_cluster_access_reviews_total") == before + 2


def test_a_cluster_that_does_not_answer_holds_up_no_other_review(server: Live, proxy: Proxy) -> None:
    assert server.asked(name="plain").endswith("plainly no")
    proxy.hold()
    try:
        told: list[tuple[str, float]] = []

        def ask() -> None:
            began = time.monotonic()
            message = server.asked("?timeout=2s", name="glass")
            told.append((message, time.monotonic() - began))

        waiting = [threading.Thread(target=ask) for _ in range(20)]  # more than are asked at once
        for each in waiting:
            each.start()
        others = 0
        while any(each.is_alive() for each in waiting):
            with within(0.5):
                assert server.asked(name="plain").endswith("plainly no")
            others += 1
        assert others > 20
        assert len(told) == 20
        for message, seconds in told:
            assert "resulted in error: the API server could not be asked about access (" in message
            assert seconds < patience(2.2)
    finally:
        proxy.go_on()
    wait_for(lambda: server.asked(name="glass").endswith("only who may break it"), 15)


def test_it_stops_while_questions_are_open(cluster: ControlPlane, policies: Path, proxy: Proxy) -> None:
    with live(cluster, policies, "--shutdown-timeout", "3", port=proxy.port) as other:
        proxy.hold()
        try:
            told: list[str] = []
            waiting = threading.Thread(target=lambda: told.append(other.asked("?timeout=2s", name="glass")))
            waiting.start()
            time.sleep(0.3)
            with within(5):
                assert other.running.stop() == 0
            waiting.join()
            assert "could not be asked" in told[0]  # and not cut off
        finally:
            proxy.go_on()
