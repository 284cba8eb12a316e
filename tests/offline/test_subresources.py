import pytest

from webhook.documents.reader import parse
from webhook.offline.requests import Options, plan
from webhook.offline.subresources import SUBRESOURCES, of_subresource
from webhook.policy.request import Request

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 5
  selector: {matchLabels: {app: web, tier: front}}
  template: {spec: {containers: [{name: c}]}}
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c}]}\n"
ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: p}\n"
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.shop.example}
spec:
  group: shop.example
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions: [{name: v1, served: true, storage: true, subresources: {scale: {specReplicasPath: .spec.replicas}}}]
"""
GADGET = "apiVersion: shop.example/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {replicas: 3}\n"


def sent(text: str, name: str, operation: str = "") -> tuple[list[Request], list[str]]:
    operation = operation or SUBRESOURCES[name].operation
    planned = plan(parse(text, "f.yaml")[0], Options(operation=operation))
    requests, without = of_subresource(planned.requests, name, planned.objects)
    return [each.request for each in requests], without


def test_the_scale_of_a_workload() -> None:
    (request,), without = sent(DEPLOYMENT, "scale")
    assert without == []
    assert (request.operation, request.subresource, request.request_subresource) == ("UPDATE", "scale", "scale")
    assert (tuple(request.resource), tuple(request.kind)) == (
        ("apps", "v1", "deployments"),
        ("autoscaling", "v1", "Scale"),
    )
    assert request.request_kind == request.kind
    assert request.object == {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 5},
        "status": {"replicas": 0, "selector": "app=web,tier=front"},
    }
    assert request.old_object == request.object


@pytest.mark.parametrize("name", ["status", "ephemeralcontainers", "resize"])
def test_subresources_that_take_the_object_itself(name: str) -> None:
    (request,), _ = sent(POD, name)
    assert (request.operation, request.subresource, request.kind.kind) == ("UPDATE", name, "Pod")
    assert request.object is not None
    assert [each["name"] for each in request.object["spec"]["containers"]] == ["c"]


def test_what_only_a_subresource_writes_is_that_of_the_manifest() -> None:
    (request,), _ = sent(f"{POD}status: {{phase: Running}}\n", "status")
    assert request.object is not None
    assert request.object["status"] == {"phase": "Running"}
    debugger = POD.replace("spec: {", "spec: {ephemeralContainers: [{name: d, image: x}], ")
    (request,), _ = sent(debugger, "ephemeralcontainers")
    assert request.object is not None
    assert request.object["spec"]["ephemeralContainers"] == [{"name": "d", "image": "x"}]
    assert [each["name"] for each in request.object["spec"]["containers"]] == ["c"]


@pytest.mark.parametrize(
    ("text", "name", "api_version", "kind"),
    [
        (POD, "eviction", "policy/v1", "Eviction"),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: p}\n",
            "token",
            "authentication.k8s.io/v1",
            "TokenRequest",
        ),
    ],
)
def test_subresources_that_take_an_object_of_their_own(text: str, name: str, api_version: str, kind: str) -> None:
    (request,), _ = sent(text, name)
    metadata = {"name": "p", "namespace": "default"}
    assert request.object == {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    assert (request.operation, request.old_object, request.kind.kind) == ("CREATE", None, kind)


def test_objects_without_the_subresource_are_named_and_pods_of_workloads_left_out() -> None:
    requests, without = sent(f"{DEPLOYMENT}---\n{POD}", "scale")
    assert ([request.name for request in requests], without) == (["web"], ["Pod p"])
    requests, without = sent(f"{DEPLOYMENT}---\n{POD}", "eviction")
    assert ([request.name for request in requests], without) == (["p"], ["Deployment web"])


def test_the_crd_says_whether_a_custom_resource_can_be_scaled() -> None:
    requests, without = sent(f"{CRD}---\n{GADGET}", "scale")
    assert [request.object["spec"] for request in requests if request.object] == [{"replicas": 3}]
    assert without == ["CustomResourceDefinition gadgets.shop.example"]
    without_scale = CRD.replace("{scale: {specReplicasPath: .spec.replicas}}", "{status: {}}")
    assert len(sent(f"{without_scale}---\n{GADGET}", "scale")[1]) == 2


def test_a_deletion_has_no_subresource() -> None:
    assert sent(DEPLOYMENT, "status", "DELETE") == ([], [])
