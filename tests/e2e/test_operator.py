"""The path of an operator and of the cluster's users: the shipped policies, manifests/ as rendered, a real API server.

Namespaces and params are looked up in the cluster: the shipped params are applied there, and are not in the tree.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.controlplane import ADMIN, CONTROLLER, DEVELOPER, ControlPlane
from tests.e2e.objects import deployment, namespace, pod, service
from tests.e2e.people import roles
from tests.e2e.webhooks import (
    HTTPS,
    KEPT,
    KINDS,
    PODS,
    POLICIES,
    SEEN,
    SERVICES,
    Gatewright,
    register,
    rendered,
    until_seen,
)
from tests.server.running import wait_for

REFUSED = 'admission webhook "validate-fail.gatewright.dev" denied the request: '
HOST_PATH = (
    "ValidatingAdmissionPolicy 'no-host-path' with binding 'no-host-path' denied request: spec.volumes[0]: "
    "hostPath volumes open the files of the node to the Pod (h)"
)
FINALIZER = "gatewright.dev/cleanup"
NO_FINALIZERS = json.dumps({"metadata": {"finalizers": []}})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policies without their params, to be changed."""
    ignored = shutil.ignore_patterns("params.yaml")
    return Path(shutil.copytree(POLICIES, tmp_path_factory.mktemp("tree") / "policies", ignore=ignored))


@pytest.fixture(scope="module")
def enforced(cluster: ControlPlane, gatewright: Gatewright, tree: Path) -> ControlPlane:
    """The cluster with Gatewright registered, and with the params and people in it."""
    cluster.apply(namespace("gatewright-system"), namespace("cert-manager"), *roles())
    for params in POLICIES.glob("*/params.yaml"):
        cluster.kubectl("apply", "--filename", str(params))
    gatewright.look_up_in(cluster)
    gatewright.start(tree)
    register(cluster, gatewright, "overlays/enforcing")
    return cluster


@pytest.fixture
def made(enforced: ControlPlane) -> Iterator[None]:
    """What a test makes in the Namespace default is taken away after it, finalizers and all."""
    yield
    for kind in ("services", "pods", "deployments"):
        listed = enforced.kubectl("get", kind, "--output", "name", "--field-selector", "metadata.name!=kubernetes")
        for name in listed.stdout.split():
            enforced.kubectl("delete", name, "--wait=false", "--grace-period=0", "--force")
            token = enforced.tokens[CONTROLLER.name]
            if name.startswith("service/"):
                enforced.kubectl("patch", name, "--type=merge", "--patch", NO_FINALIZERS, token=token, check=False)


def test_a_pod_with_a_folder_of_its_node_is_refused(enforced: ControlPlane, made: None) -> None:
    refused = enforced.apply(pod("p", host_path=True), user=DEVELOPER, check=False)
    assert refused.returncode == 1
    assert REFUSED + HOST_PATH in refused.stderr
    assert "created" in enforced.apply(pod("p"), user=DEVELOPER).stdout


def test_nobody_is_refused_for_what_no_policy_is_about(enforced: ControlPlane, made: None) -> None:
    created = enforced.kubectl("create", "configmap", "plain", "--from-literal=a=b", user=DEVELOPER)
    assert created.stdout == "configmap/plain created\n"


def test_scaling_past_the_bound_is_refused(enforced: ControlPlane, made: None) -> None:
    enforced.apply(deployment("web", 2), user=DEVELOPER)
    refused = enforced.kubectl("scale", "deployment/web", "--replicas=11", user=DEVELOPER, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(  # kubectl shows the causes of what is Invalid, and not the message
        "The deployments \"web\" is invalid: : ValidatingAdmissionPolicy 'replica-bounds' with binding "
        "'replica-bounds' denied request: spec.replicas is 11; set it from 1 to 10"
    )
    assert enforced.kubectl("scale", "deployment/web", "--replicas=10", user=DEVELOPER).stdout.endswith("scaled\n")


def test_a_param_changed_with_kubectl_changes_what_scaling_may_do(enforced: ControlPlane, made: None) -> None:
    enforced.apply(deployment("web", 2), user=DEVELOPER)

    def scaled(replicas: int) -> str:
        """What kubectl says to the developer; "" if it scales."""
        arguments = ("scale", "deployment/web", f"--replicas={replicas}")
        return enforced.kubectl(*arguments, user=DEVELOPER, check=False).stderr

    def bound(most: int) -> None:
        patch = json.dumps({"data": {"max": str(most)}})
        where = ("configmap/replica-bounds", "--namespace=gatewright-system")
        enforced.kubectl("patch", *where, "--type=merge", "--patch", patch)

    assert "spec.replicas is 11; set it from 1 to 10" in scaled(11)
    try:
        bound(12)
        wait_for(lambda: not scaled(11), SEEN)
        assert "spec.replicas is 13; set it from 1 to 12" in scaled(13)
        bound(5)
        assert wait_for(lambda: scaled(6), SEEN).find("spec.replicas is 6; set it from 1 to 5") > 0
    finally:
        bound(10)
        wait_for(lambda: not scaled(10), SEEN)
    assert "spec.replicas is 11; set it from 1 to 10" in scaled(11)


def test_a_service_says_what_it_speaks(enforced: ControlPlane, made: None) -> None:
    refused = enforced.apply(service("web", {"name": "web", "port": 80}), user=DEVELOPER, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "The services \"web\" is invalid: spec.ports[0]: ValidatingAdmissionPolicy 'protocol-whitelist' with binding "
        "'protocol-whitelist' denied request: "
    )
    assert "created" in enforced.apply(service("web", HTTPS), user=DEVELOPER).stdout


def finalizers(cluster: ControlPlane, name: str) -> list[str]:
    reply = cluster.client().get(f"/api/v1/namespaces/default/services/{name}")
    return list(reply.body["metadata"].get("finalizers", [])) if reply.ok else []


@pytest.mark.parametrize("subresource", [(), ("--subresource=status",)])
def test_a_finalizer_stays_until_its_controller_has_cleaned_up(
    enforced: ControlPlane, made: None, subresource: tuple[str, ...]
) -> None:
    enforced.apply(service("kept", HTTPS, **KEPT), user=DEVELOPER)
    assert finalizers(enforced, "kept") == [FINALIZER]

    def patched(**who: object) -> tuple[int, str]:
        arguments = ("patch", "service/kept", *subresource, "--type=merge", "--patch", NO_FINALIZERS)
        done = enforced.kubectl(*arguments, check=False, **who)  # type: ignore[arg-type]
        return done.returncode, done.stderr

    # Not while it lives: nobody.
    account = enforced.client().post(
        "/api/v1/namespaces/gatewright-system/serviceaccounts",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "cleanup-controller"}},
    )
    assert account.status in (201, 409)
    token = enforced.kubectl("create", "token", "cleanup-controller", "--namespace=gatewright-system").stdout.strip()
    for who in ({"user": DEVELOPER}, {"user": ADMIN}):
        code, said = patched(**who)
        assert code == 1
        assert "ValidatingAdmissionPolicy 'finalizer-enforcement' with binding 'finalizer-enforcement' denied" in said
        assert FINALIZER in said
    # Being deleted: its controller, and nobody else.
    enforced.kubectl("delete", "service/kept", "--wait=false", user=DEVELOPER)
    code, said = patched(user=DEVELOPER)
    assert (code, "finalizer-enforcement" in said) == (1, True)
    assert finalizers(enforced, "kept") == [FINALIZER]
    if subresource:
        grant_status(enforced)
    assert patched(token=token) == (0, "")
    assert finalizers(enforced, "kept") == []


def grant_status(cluster: ControlPlane) -> None:
    """The controller may patch a Service's status too, as those that write one may."""
    role = next(each for each in roles() if each["metadata"]["name"] == "cleanup-controller")
    role["rules"][0]["resources"].append("services/status")
    cluster.apply(role)
    can = ("auth", "can-i", "patch", "services", "--subresource=status", "--as", CONTROLLER.name)
    wait_for(lambda: cluster.kubectl(*can, check=False).returncode == 0, SEEN)


@pytest.mark.parametrize("where", ["gatewright-system", "kube-system", "cert-manager"])
def test_the_namespaces_that_a_cluster_stands_on_are_never_asked_about(enforced: ControlPlane, where: str) -> None:
    created = enforced.apply(pod("agent", where, host_path=True), deployment("agent", 99, where))
    assert (created.stdout.count("created"), created.stderr) == (2, "")
    enforced.kubectl("delete", "--namespace", where, "pod/agent", "deployment/agent", "--grace-period=0", "--force")


def test_a_binding_that_warns_warns(enforced: ControlPlane, gatewright: Gatewright, tree: Path, made: None) -> None:
    binding = tree / "no-host-path" / "binding.yaml"
    denies = binding.read_text()
    shutil.copy(tree / "no-host-path" / "_binding.warn.yaml", binding)
    try:
        gatewright.start(tree)
        applied = enforced.apply(pod("warned", host_path=True), user=DEVELOPER)
    finally:
        binding.write_text(denies)
        gatewright.start(tree)
    assert applied.stdout == "pod/warned created\n"
    expected = "Warning: Validation failed for ValidatingAdmissionPolicy 'no-host-path' with binding 'no-host-path': "
    assert applied.stderr.startswith(expected + "spec.volumes[0]: hostPath volumes open the files of the node")


def test_the_first_roll_out_refuses_and_changes_nothing(
    cluster: ControlPlane, enforced: ControlPlane, gatewright: Gatewright, tree: Path, made: None, tmp_path: Path
) -> None:
    warned = Path(shutil.copytree(tree, tmp_path / "policies"))
    for binding in warned.glob("*/binding.yaml"):  # of what is in force
        shutil.copy(binding.with_name("_binding.warn.yaml"), binding)
    gatewright.start(warned)
    try:
        register(cluster, gatewright, "overlays/warn-only")
        applied = cluster.apply(pod("p", host_path=True), service("web", {"name": "web", "port": 80}), user=DEVELOPER)
        assert applied.stdout == "pod/p created\nservice/web created\n"
        assert applied.stderr.count("Warning: Validation failed for ValidatingAdmissionPolicy") == 2
        assert finalizers(cluster, "web") == []
        # And it lets through where Gatewright does not answer.
        gatewright.stop()
        assert cluster.apply(pod("unseen", host_path=True), user=DEVELOPER).stdout == "pod/unseen created\n"
    finally:
        gatewright.start(tree)
        register(cluster, gatewright, "overlays/enforcing")


def test_without_the_server_policies_that_must_hold_block_and_the_cluster_goes_on(
    enforced: ControlPlane, gatewright: Gatewright, tree: Path, made: None
) -> None:
    gatewright.stop()
    try:
        blocked = enforced.apply(pod("p"), user=DEVELOPER, check=False)
        assert blocked.returncode == 1
        assert 'failed calling webhook "validate-fail.gatewright.dev"' in blocked.stderr
        # What no policy is about, or matchConditions sort out, goes on.
        assert enforced.kubectl("create", "configmap", "on", "--from-literal=a=b", user=DEVELOPER).stdout
        beat = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "node", "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": "node"},
        }
        assert enforced.kubectl("create", "--filename", "-", stdin=json.dumps(beat)).stdout
        for where in ("gatewright-system", "kube-system", "cert-manager"):
            enforced.apply(pod("on", where, host_path=True))
            enforced.kubectl("delete", "--namespace", where, "pod/on", "--grace-period=0", "--force")
        # And the way back: the registration can always be taken away.
        enforced.kubectl("delete", ",".join(KINDS), "gatewright")
        until_seen(enforced.client(), "POST", PODS, pod("p", host_path=True), 201)
    finally:
        gatewright.start(tree)
        register(enforced, gatewright, "overlays/enforcing")


def test_policies_that_may_be_missed_are_registered_to_be_missed(
    enforced: ControlPlane, gatewright: Gatewright, tree: Path, made: None, tmp_path: Path
) -> None:
    """One policy under Ignore among others under Fail: a webhook of its own, as docs/operations tell to add one."""
    policy = Path(shutil.copytree(tree, tmp_path / "policies")) / "protocol-whitelist" / "policy.py"
    policy.write_text(policy.read_text().replace("@validate(", '@validate(failure_policy="Ignore",', 1))
    gatewright.start(policy.parents[1])
    registered = gatewright.registrations(rendered(enforced, "overlays/enforcing"))
    validating = next(each for each in registered if each["kind"] == KINDS[0])
    fail = validating["webhooks"][0]
    ignore = {
        **fail,
        "name": "ignored.gatewright.dev",
        "failurePolicy": "Ignore",
        "clientConfig": {**fail["clientConfig"], "url": fail["clientConfig"]["url"].replace("/fail", "/ignore")},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["services"]}],
    }
    pods = {**fail, "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}]}
    undeclared = service("web", {"name": "web", "port": 80})
    try:
        enforced.kubectl("delete", KINDS[0], "gatewright")
        until_seen(enforced.client(), "POST", SERVICES, undeclared, 201)
        enforced.apply({**validating, "webhooks": [pods, ignore]})
        until_seen(enforced.client(), "POST", SERVICES, undeclared, 422)
        refused = enforced.client().post(SERVICES, undeclared)
        assert refused.message.startswith('admission webhook "ignored.gatewright.dev" denied the request: ')
        assert enforced.client().post(PODS, pod("p", host_path=True)).status == 403

        gatewright.stop()
        assert enforced.client().post(SERVICES, undeclared).status == 201
        blocked = enforced.client().post(PODS, pod("p"))
        assert (blocked.status, blocked.reason) == (500, "InternalError")
    finally:
        gatewright.start(tree)
        register(enforced, gatewright, "overlays/enforcing")
