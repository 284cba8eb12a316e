"""Ways round policies of the library that wait to be enabled, tried on a real API server that runs them itself.

Each was thought of as a tenant, or a delegated administrator, who wants to get past. What the policies do not see
stands in policies/*/README.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.controlplane import ADMIN, DEVELOPER, ControlPlane, User
from tests.e2e.objects import definition, namespace
from tests.e2e.people import roles
from tests.e2e.probing import PROBE, PROBES, probe
from tests.e2e.ways import Way, is_refused, send
from tests.e2e.webhooks import POLICIES, until_seen
from webhook.library import catalog

Object = dict[str, Any]

PARAMS: dict[str, dict[str, str]] = {
    "allowed-ingress-hosts": {"hosts": "shop.example.com"},
    "argocd-allowed-repositories": {"repositories": "github.com/example-org/*"},
    "deletion-protection": {"groups": "platform"},
    "deny-namespace-label-changes": {"groups": "platform", "exemptions": "example.com/exempt"},
}
"""Where they are others than those that ship."""
CUSTOM = (
    ("argoproj.io", "v1alpha1", "applications", "Application"),
    ("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"),
)
PROTECTED = "gatewright.dev/deletion-protection"
_numbers = itertools.count()


def pod(**labels: str) -> Object:
    spec = {"containers": [{"name": "c", "image": "registry.example.com/web:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": labels}, "spec": spec}


def binding(**labels: str) -> Object:
    target = {"apiVersion": "v1", "kind": "Node", "name": "n"}
    return {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "x", "labels": labels}, "target": target}


def ingress(**spec: Any) -> Object:
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"}}
    return {**head, "spec": {"ingressClassName": "nginx", "rules": [{"host": "shop.example.com"}], **spec}}


def annotated(**annotations: str) -> Object:
    return {"metadata": {"annotations": annotations}}


def role(**fields: Any) -> Object:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"}}
    return {**head, "rules": [], **fields}


def application(**fields: Any) -> Object:
    spec = {"project": "shop", "source": {"repoURL": "https://github.com/example-org/web"}}
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "x"}}
    return {**head, "spec": spec, **fields}


CLASS = "kubernetes.io/ingress.class"
BACKEND = {"service": {"name": "x", "port": {"number": 80}}}
INGRESSES = "networking.k8s.io/ingresses"
NGINX = "nginx.ingress.kubernetes.io"
MANIFESTS = {"sync": {"manifests": ["{}"]}}
CLUSTER_ROLES = "rbac.authorization.k8s.io/clusterroles"
BUILT_IN = {"clusterRoleSelectors": [{"matchLabels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}]}

WAYS: list[tuple[str, User, Way]] = [
    (
        "immutable-labels",
        DEVELOPER,
        Way(
            "a Binding with the label",
            "env would replace that of the Pod",
            ("POST", "pods/x/binding", binding(env="dev")),
            (("POST", "pods", pod(env="prod")),),
        ),
    ),
    (
        "immutable-labels",
        DEVELOPER,
        Way("a Binding of the older kind", "env would replace", ("POST", "bindings", binding(env="dev"))),
    ),
    (
        "deletion-protection",
        DEVELOPER,
        Way(
            "a Binding that takes the label off",
            f"{PROTECTED} may be taken off only by platform",
            ("POST", "pods/x/binding", binding(**{PROTECTED: "false"})),
            (("POST", "pods", pod(**{PROTECTED: "true"})),),
        ),
    ),
    (
        "allowed-ingress-classes",
        DEVELOPER,
        Way(
            "the class through the status",
            "the class other is not one",
            ("MERGE", f"{INGRESSES}/x/status", annotated(**{CLASS: "other"})),
            (("POST", INGRESSES, ingress()),),
        ),
    ),
    (
        "allowed-ingress-hosts",
        DEVELOPER,
        Way(
            "a default backend beside rules",
            "the host * (none is named)",
            ("POST", INGRESSES, ingress(defaultBackend=BACKEND)),
        ),
    ),
    (
        "allowed-ingress-hosts",
        DEVELOPER,
        Way(
            "one that comes later",
            "the host * (none is named)",
            ("MERGE", f"{INGRESSES}/x", {"spec": {"defaultBackend": BACKEND}}),
            (("POST", INGRESSES, ingress()),),
        ),
    ),
    (
        "deny-ingress-snippets",
        DEVELOPER,
        Way(
            "a block of Lua without a semicolon",
            "writes configuration of the ingress controller",
            (
                "MERGE",
                f"{INGRESSES}/x",
                annotated(**{f"{NGINX}/auth-tls-match-cn": "CN=x ) { rewrite_by_lua_block { f() } } if ( $a ~ b"}),
            ),
            (("POST", INGRESSES, ingress()),),
        ),
    ),
    (
        "deny-namespace-label-changes",
        DEVELOPER,
        Way(
            "a Namespace that is born exempt",
            "example.com/exempt (not set) may be changed only by platform",
            ("POST", "namespaces", namespace("exempt", **{"example.com/exempt": "true"})),
        ),
    ),
    (
        "rbac-no-wildcards",
        ADMIN,
        Way(
            "aggregation of the built-in roles",
            "takes in the rules of every ClusterRole",
            ("POST", CLUSTER_ROLES, role(aggregationRule=BUILT_IN)),
        ),
    ),
    (
        "argocd-allowed-repositories",
        ADMIN,
        Way(
            "manifests in the object",
            "operation.sync.manifests deploys what is in no repository",
            ("MERGE", "argoproj.io/applications/x", {"operation": MANIFESTS}),
            (("POST", "argoproj.io/applications", application()),),
        ),
    ),
]


@pytest.fixture(scope="module")
def enforced(cluster: ControlPlane) -> ControlPlane:
    """The cluster with these policies in force, and objects of custom kinds from before them."""
    kinds = [definition(group, plural, kind, version) for group, version, plural, kind in CUSTOM]
    cluster.apply(namespace("gatewright-system"), namespace("before"), *roles(), *kinds)
    names = sorted({policy for policy, _, _ in WAYS} | {"flux-service-account-required"})
    bound = []
    for name in names:
        folder = POLICIES / name
        for param in _read(folder / catalog.PARAMS):
            cluster.apply({**param, "data": PARAMS.get(name, param["data"])})
        denying = catalog.binding(folder, "deny")
        assert denying is not None
        bound += [*_read(folder / "policy.yaml"), *_read(denying)]
    client = cluster.client()
    kustomizations = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/before/kustomizations"
    until_seen(client, "GET", kustomizations, None, 200)
    until_seen(client, "GET", "/apis/argoproj.io/v1alpha1/namespaces/before/applications", None, 200)
    assert client.post(kustomizations, _kustomization("a")).ok
    cluster.apply(*bound, *probe())
    until_seen(client, "POST", PROBES, PROBE, 422)
    return cluster


def _read(file: Any) -> list[Object]:
    return list(yaml.safe_load_all(file.read_text())) if file.exists() else []


def _kustomization(path: str) -> Object:
    head = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "x"}}
    return {**head, "spec": {"path": path}}


@pytest.fixture
def shop(enforced: ControlPlane) -> Iterator[str]:
    """A Namespace of the test's own."""
    name = f"shop-{next(_numbers)}"
    enforced.apply(namespace(name))
    yield name


@pytest.mark.parametrize(
    ("policy", "user", "way"), [pytest.param(*each, id=f"{each[0]}: {each[2].name}") for each in WAYS]
)
def test_a_way_round_is_refused(enforced: ControlPlane, shop: str, policy: str, user: User, way: Way) -> None:
    is_refused(enforced.client(user), shop, policy, way)


def test_what_has_no_account_from_before_takes_no_other_path(enforced: ControlPlane) -> None:
    client = enforced.client()
    path = "kustomize.toolkit.fluxcd.io/kustomizations/x"
    assert send(client, "before", "MERGE", path, {"spec": {"suspend": True}}).ok
    refused = send(client, "before", "MERGE", path, {"spec": {"path": "b"}})
    assert "'flux-service-account-required'" in refused.message, refused.body


def test_a_protected_pod_that_was_evicted_goes(enforced: ControlPlane, shop: str) -> None:
    """Its kubelet deletes it once more, when its containers have ended."""
    client = enforced.client()
    assert send(client, shop, "POST", "pods", pod(**{PROTECTED: "true"})).ok
    assert send(client, shop, "POST", "pods/x/binding", binding()).ok
    refused = send(client, shop, "DELETE", "pods/x", None)
    assert "Pod x is protected from deletion" in refused.message
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x"}}
    assert send(client, shop, "POST", "pods/x/eviction", eviction).ok
    assert send(client, shop, "GET", "pods/x", None).body["metadata"]["deletionTimestamp"]
    gone = send(client, shop, "DELETE", "pods/x?gracePeriodSeconds=0", None)
    assert gone.ok, gone.message
