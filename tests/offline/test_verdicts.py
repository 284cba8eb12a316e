from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import parse
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import Located, verdicts
from webhook.policy.load.loading import load_documents

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
    policies = load_documents(parse(POLICY, "policy.yaml")[0])
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
