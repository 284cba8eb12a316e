"""The rendered RBAC is enough: a server that has only it works. It is no more: without any of it something fails."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.controlplane import ControlPlane, manifests
from tests.e2e.live import FAR, RULES, binding, config_map, live, policy, ready
from tests.e2e.objects import namespace
from tests.e2e.webhooks import POLICIES as SHIPPED
from tests.e2e.webhooks import rendered
from tests.manifests.kustomize import OVERLAYS
from tests.server.running import wait_for
from tests.timing import HANGING
from webhook.cluster import permissions
from webhook.policy.load.loading import load
from webhook.policy.needed import lookups_of
from webhook.schema import Kinds

Object = dict[str, Any]


def only(name: str) -> Object:
    return {"resourceRules": [{**RULES["resourceRules"][0], "resourceNames": [name]}]}


DOCUMENTS = (
    policy(
        "named",
        matchConstraints=only("named"),
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        validations=[{"expression": "params.data.open == 'yes'", "message": "closed"}],
    ),
    binding("named", paramRef={"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}),
    policy(
        "selected",
        matchConstraints=only("selected"),
        paramKind={"apiVersion": "v1", "kind": "Secret"},
        validations=[{"expression": "params.data.open == 'eWVz'", "message": "closed"}],
    ),
    binding(
        "selected",
        paramRef={
            "selector": {"matchLabels": {"for": "gate"}},
            "namespace": "rules",
            "parameterNotFoundAction": "Deny",
        },
    ),
    policy(
        "everywhere",
        matchConstraints=only("everywhere"),
        paramKind={"apiVersion": "rules.example.com/v1", "kind": "Gate"},
        validations=[{"expression": "params.spec.open == true", "message": "closed"}],
    ),
    binding("everywhere", paramRef={"name": "own", "parameterNotFoundAction": "Deny"}),
    policy(
        "labelled",
        matchConstraints=only("labelled"),
        validations=[{"expression": "'team' in namespaceObject.metadata.labels", "message": "no team"}],
    ),
    binding("labelled"),
    policy(
        "authorized",
        matchConstraints=only("authorized"),
        validations=[{"expression": "authorizer.path('/x').check('get').allowed()", "message": "no access"}],
    ),
    binding("authorized"),
    binding("looked-up"),
)
PYTHON = """\
from gatewright import validate


@validate(resources=["v1/configmaps"], operations=["CREATE"], reads=["apps/v1/Deployment"])
def looked_up(request):
    if request.name == "looked-up":
        yield from (f"Deployments: {len(request.cluster.list('apps/v1', 'Deployment').value)}",)
"""
GATES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gates.rules.example.com"},
    "spec": {
        "group": "rules.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Gate", "plural": "gates", "singular": "gate"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"open": {"type": "boolean"}}}},
                    }
                },
            }
        ],
    },
}
# What each policy says where it can look up all that it does.
VERDICTS = {
    "named": "",
    "selected": "",
    "everywhere": "",
    "labelled": "",
    "authorized": "no access",
    "looked-up": "Deployments: 0",
}


@pytest.fixture(scope="module")
def policies(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cluster.apply(GATES, namespace("rules"), namespace("gatewright-system"), namespace("shop", team="blue"))
    cluster.kubectl("wait", "--for=condition=Established", "crd/gates.rules.example.com", f"--timeout={HANGING:.0f}s")
    secret = {"name": "gate", "namespace": "rules", "labels": {"for": "gate"}}
    cluster.apply(
        config_map("limits", "rules", open="yes"),
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"open": "yes"}},
        {
            "apiVersion": "rules.example.com/v1",
            "kind": "Gate",
            "metadata": {"name": "own", "namespace": "shop"},
            "spec": {"open": True},
        },
    )
    folder = tmp_path_factory.mktemp("policies")
    (folder / "policies.yaml").write_text(manifests(*DOCUMENTS, GATES))
    (folder / "policy.py").write_text(PYTHON)
    return folder


def rendered_roles(policies: Path, account: str) -> list[Object]:
    """As `gatewright manifests` renders them; each account has its own, so that none has another's rights."""
    tree = load(policies)
    kinds = Kinds.builtin().with_crds(tree.objects)
    return permissions.manifests(lookups_of(tree), kinds, name=account, account=("gatewright-system", account))


def token_of(cluster: ControlPlane, account: str) -> str:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account, "namespace": "gatewright-system"},
        }
    )
    return cluster.kubectl("create", "token", account, "--namespace", "gatewright-system").stdout.strip()


def test_they_are_rendered_as_narrow_as_the_policies_ask(policies: Path) -> None:
    found = {
        (each["metadata"].get("namespace", ""), *rule["resources"], *rule["verbs"], *rule.get("resourceNames", ()))
        for each in rendered_roles(policies, "x")
        for rule in each.get("rules", ())
    }
    assert found == {
        ("rules", "configmaps", "list", "watch", "limits"),
        ("rules", "secrets", "list", "watch"),
        ("", "gates", "list", "watch", "own"),
        ("", "namespaces", "list", "watch"),
        ("", "deployments", "list", "watch"),
        ("", "subjectaccessreviews", "create"),
    }


def test_they_are_enough(cluster: ControlPlane, policies: Path) -> None:
    token = token_of(cluster, "enough")
    cluster.apply(*rendered_roles(policies, "enough"))
    with live(cluster, policies, token=token, wait=False) as server:
        ready(server)
        said = {name: server.asked(name=name, namespace="shop").rpartition(": ")[2] for name in VERDICTS}
        said["looked-up"] = server.asked(name="looked-up").partition("denied request: ")[2]
        assert said == VERDICTS


def each_without_one(roles: list[Object]) -> Iterator[tuple[str, list[Object]]]:
    """The roles, each time without one verb of one rule."""
    for index, role in enumerate(roles):
        for number, rule in enumerate(role.get("rules", ())):
            for verb in rule["verbs"]:
                fewer = copy.deepcopy(roles)
                fewer[index]["rules"][number]["verbs"].remove(verb)
                if not fewer[index]["rules"][number]["verbs"]:
                    del fewer[index]["rules"][number]
                yield f"{rule['resources'][0]}-{verb}", fewer


def test_and_each_is_needed(cluster: ControlPlane, policies: Path) -> None:
    cases = [what for what, _ in each_without_one(rendered_roles(policies, "x"))]
    assert len(cases) == 11
    for number, what in enumerate(cases):
        account = f"without-{number}"
        token = token_of(cluster, account)
        _, fewer = list(each_without_one(rendered_roles(policies, account)))[number]
        cluster.apply(*fewer)
        resource, _, verb = what.partition("-")
        with live(cluster, policies, token=token, wait=False) as server:
            if resource == "subjectaccessreviews":
                ready(server)
                message = server.asked(name="authorized")
                assert "could not be asked about access (403: subjectaccessreviews" in message
                continue

            refusal = f'cannot {verb} resource "{resource}"'
            wait_for(lambda: any(refusal in line.get("message", "") for line in server.running.lines), FAR)  # noqa: B023
            assert wait_for(lambda: "waiting" in server.states()), what
            assert not any(line["event"] == "serving" for line in server.running.lines), what


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_shipped_manifests_are_enough_for_the_shipped_policies(cluster: ControlPlane, overlay: str) -> None:
    objects = rendered(cluster, overlay)
    wanted = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ConfigMap"}
    cluster.apply(namespace("gatewright-system"), *(each for each in objects if each["kind"] in wanted))
    token = cluster.kubectl("create", "token", "gatewright", "--namespace", "gatewright-system").stdout.strip()
    with live(cluster, SHIPPED, token=token, wait=False) as server:
        ready(server)
        assert server.ready == ""
        assert set(server.states()) == {"synced"}
        namespaces = cluster.kubectl("get", "namespaces", "--output", "name").stdout.split()
        assert server.metric("gatewright_cluster_cache_objects") == 9 + len(namespaces)  # the params, and these
