import re
from pathlib import Path

import pytest

from webhook.schema import Kinds, Resource, plural_of


@pytest.mark.parametrize(
    ("api_version", "kind", "plural", "namespaced"),
    [
        ("v1", "Pod", "pods", True),
        ("v1", "Endpoints", "endpoints", True),
        ("v1", "Namespace", "namespaces", False),
        ("apps/v1", "Deployment", "deployments", True),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True),
        ("networking.k8s.io/v1", "Ingress", "ingresses", True),
        ("networking.k8s.io/v1", "IngressClass", "ingressclasses", False),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True),
        ("storage.k8s.io/v1", "CSIStorageCapacity", "csistoragecapacities", True),
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False),
    ],
)
def test_builtin_kinds(api_version: str, kind: str, plural: str, namespaced: bool) -> None:
    resource = Kinds.builtin().for_kind(api_version, kind)
    assert resource is not None
    assert (resource.plural, resource.namespaced, resource.api_version) == (plural, namespaced, api_version)
    assert Kinds.builtin().for_resource(resource.group, resource.version, plural) is resource


def test_the_table_holds_every_resource_that_the_kubernetes_client_can_create() -> None:
    client = pytest.importorskip("kubernetes.client")
    created = set()
    for module in (Path(client.__file__).parent / "api").glob("*_v*_api.py"):
        for call in re.split(r"\n    def ", module.read_text()):
            path = re.search(r"resource_path='/apis?(?:/([^/']+))??/(v[^/']+)/(namespaces/\{namespace\}/)?(\w+)'", call)
            if path and "method='POST'" in call:
                created.add((path[1] or "", path[2], path[4], bool(path[3])))
    created.discard(("lifecycle.k8s.io", "v1alpha1", "evictions", True))  # the action, not an object
    assert len(created) > 90
    unknown = []
    for group, version, plural, namespaced in sorted(created):
        resource = Kinds.builtin().for_resource(group, version, plural)
        if resource is None or resource.namespaced != namespaced:
            unknown.append((group, version, plural, namespaced))
    assert unknown == []


def test_crds_add_their_kinds() -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "example.com",
            "names": {"kind": "Ox", "plural": "oxen"},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}],
        },
    }
    builtin = Kinds.builtin()
    kinds = builtin.with_crds([{"kind": "Pod"}, crd])
    assert kinds.for_kind("example.com/v1", "Ox") == Resource("example.com", "v1", "Ox", "oxen", False)
    assert kinds.for_resource("example.com", "v1", "oxen") is not None
    assert kinds.for_kind("example.com/v1alpha1", "Ox") is None
    assert builtin.for_kind("example.com/v1", "Ox") is None


@pytest.mark.parametrize(
    "spec", [None, {}, {"names": 5}, {"group": 1, "names": {"kind": "A", "plural": "b"}}, {"versions": [1]}]
)
def test_malformed_crds_add_nothing(spec: object) -> None:
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    assert Kinds.builtin().with_crds([crd]) is Kinds.builtin()


def test_unknown_kinds_are_guessed() -> None:
    kinds = Kinds.builtin()
    assert kinds.guess("example.com/v1", "Gateway") == Resource("example.com", "v1", "Gateway", "gateways", True)
    # another version of a known kind
    assert kinds.guess("storage.k8s.io/v9", "StorageClass").namespaced is False


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Policy", "policies"), ("Gateway", "gateways"), ("Box", "boxes"), ("Patch", "patches"), ("Y", "ies")],
)
def test_regular_plurals(kind: str, plural: str) -> None:
    assert plural_of(kind) == plural
