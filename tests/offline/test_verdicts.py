from typing import Any

import pytest

from tests.policy.trees import loaded_text
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import parse
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import Located, named_path, verdicts

OBJECT: dict[str, Any] = {"spec": {"replicas": 50, "ports": [{"name": "a"}]}, "metadata": {"labels": {"a.b/c": "x"}}}


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("spec.replicas is 50; set it lower", ("spec", "replicas")),
        ("spec.ports[0].name: must be https", ("spec", "ports", 0, "name")),
        ("metadata.labels['a.b/c'] is wrong", ("metadata", "labels", "a.b/c")),
        ("spec.missing must be set", ("spec", "missing")),
        ("spec.replicas. Also other things", ("spec", "replicas")),
        ("spec is wrong", None),
        ("image tags must be pinned", None),
        ("example.com is no registry", None),
        ("", None),
        ("spec['a", None),
    ],
)
def test_a_message_that_begins_with_a_path_names_its_place(message: str, path: Any) -> None:
    assert named_path(message, OBJECT) == path


def test_without_an_object_there_is_no_place() -> None:
    assert named_path("spec.replicas is 50", None) is None


POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limits}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: ["", apps], apiVersions: [v1], operations: ["*"], resources: [pods, deployments, configmaps]}
  variables:
  - name: pod
    expression: "object.kind == 'Pod' ? object.spec : object.kind == 'Deployment' ? object.spec.template.spec : null"
  validations:
  - expression: "variables.pod == null || variables.pod.containers.all(c, c.image.startsWith(params.data.registry))"
    message: images come from the registry
  - expression: "variables.pod == null || !variables.pod.?hostNetwork.orValue(false)"
    messageExpression: "object.kind + ' on the network of its node'"
  - expression: "request.resource.resource != 'configmaps'"
    message: no ConfigMaps
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: limits}
spec:
  policyName: limits
  validationActions: [Deny]
  paramRef: {selector: {matchLabels: {limits: "yes"}}, namespace: default, parameterNotFoundAction: Deny}
"""

PARAMS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a-open, labels: {limits: "yes"}}
data: {registry: ""}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b-strict, labels: {limits: "yes"}}
data: {registry: "registry.example.com/"}
"""

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      hostNetwork: true
      containers:
      - name: good
        image: registry.example.com/web
      - name: bad
        image: nginx
"""


def found(text: str) -> list[Located]:
    policies = loaded_text(POLICY)
    planned = plan(parse(text, "f.yaml")[0], Options())
    params = [document.value for document in parse(PARAMS, "params.yaml")[0]]
    cluster = ManifestsView([*params, *planned.objects])
    return [located for verdict in verdicts(planned.requests, policies, cluster) for located in verdict.findings]


def test_a_finding_of_a_cel_policy_stands_at_what_decided_it_whichever_param_it_was() -> None:
    assert [(located.line, located.path, located.message) for located in found(WORKLOAD)] == [
        (7, ("spec", "template", "spec", "hostNetwork"), "Deployment on the network of its node"),
        (12, ("spec", "template", "spec", "containers", 1, "image"), "images come from the registry"),
    ]


def test_what_no_part_of_the_object_decided_stands_at_the_object() -> None:
    (located,) = found("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    assert (located.line, located.path, located.message) == (2, None, "no ConfigMaps")


def test_of_a_bare_pod_the_pods_own_places_are_told() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: x}\n"
    (located,) = found(pod)
    assert (located.line, located.path) == (6, ("spec", "containers", 0, "image"))
