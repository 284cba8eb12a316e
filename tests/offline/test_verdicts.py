from tests.offline.judged import WORKLOAD, checked
from tests.policy.trees import loaded_text
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import parse
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import Located, verdicts

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


def found(text: str) -> list[Located]:
    policies = loaded_text(POLICY)
    planned = plan(parse(text, "f.yaml")[0], Options())
    params = [document.value for document in parse(PARAMS, "params.yaml")[0]]
    cluster = ManifestsView([*params, *planned.objects])
    return [located for verdict in verdicts(planned.requests, policies, cluster) for located in verdict.findings]


def test_a_finding_of_a_cel_policy_stands_at_what_decided_it_whichever_param_it_was() -> None:
    assert [(located.line, located.path, located.message) for located in found(WORKLOAD)] == [
        (9, ("spec", "template", "spec", "hostNetwork"), "Deployment on the network of its node"),
        (14, ("spec", "template", "spec", "containers", 1, "image"), "images come from the registry"),
    ]


def test_what_no_part_of_the_object_decided_stands_at_the_object() -> None:
    (located,) = found("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    assert (located.line, located.path, located.message) == (2, None, "no ConfigMaps")


def test_of_a_bare_pod_the_pods_own_places_are_told() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: x}\n"
    (located,) = found(pod)
    assert (located.line, located.path) == (6, ("spec", "containers", 0, "image"))


# ----------------------------------------------------------------------------- of several params, each its own finding

SUFFIXES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: suffixes}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [pods]}
  validations:
  - expression: "object.spec.containers.all(c, !c.image.endsWith(params.data.suffix))"
    message: a suffix that is forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: suffixes}
spec:
  policyName: suffixes
  validationActions: [Deny]
  paramRef: {selector: {matchLabels: {suffixes: "yes"}}, namespace: default, parameterNotFoundAction: Deny}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: dev, namespace: default, labels: {suffixes: "yes"}}
data: {suffix: ":dev"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: latest, namespace: default, labels: {suffixes: "yes"}}
data: {suffix: ":latest"}
"""

TWO_TAGS = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: a
    image: one:latest
  - name: b
    image: two:dev
"""


def test_each_of_several_params_has_its_own_finding_and_explanation() -> None:
    (verdict,) = checked(SUFFIXES, TWO_TAGS, explain=True)
    shown = []
    for located in verdict.findings:
        assert located.explained is not None
        evaluated = located.explained.evaluated
        (behind,) = evaluated.behind(located.finding)
        decided = "".join(behind.explanation.root.rounds[0].children[0].children[0].children[0].value)
        shown.append((located.line, evaluated.param["data"]["suffix"], decided))
    assert shown == [(7, ":latest", "one:latest"), (9, ":dev", "two:dev")]


def test_what_two_params_find_at_one_place_in_the_same_words_is_one_finding() -> None:
    (verdict,) = checked(SUFFIXES.replace(":dev", "latest"), TWO_TAGS)
    assert [located.line for located in verdict.findings] == [7]


# --------------------------------------------------------------------------------------- the Pod of a mutated workload

LABELLING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: label-templates}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >-
        Object{spec: Object.spec{template: Object.spec.template{
          metadata: Object.spec.template.metadata{labels: {'team': 'blue'}}}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: label-templates}
spec: {policyName: label-templates}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: team}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
  - {expression: "has(object.metadata.labels) && has(object.metadata.labels.team)", message: a Pod has a team}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: team}
spec: {policyName: team, validationActions: [Deny]}
"""


def test_the_pod_of_a_template_is_that_of_the_mutated_workload() -> None:
    (verdict,) = checked(LABELLING, WORKLOAD)
    assert [located.message for located in verdict.findings] == []
    (unlabelled,) = checked(LABELLING.replace("deployments", "daemonsets"), WORKLOAD)
    assert [located.message for located in unlabelled.findings] == ["a Pod has a team"]


def test_a_mutation_that_removes_the_template_leaves_no_pod() -> None:
    start, _, rest = LABELLING.partition("  - patchType: ApplyConfiguration\n")
    removing = """\
  - patchType: JSONPatch
    jsonPatch: {expression: "[JSONPatch{op: 'remove', path: '/spec/template/spec'}]"}
"""
    tree = f"{start}{removing}---\n{rest.partition('---')[2]}"
    assert checked(tree, WORKLOAD, Options(as_written=True))[0].findings == ()
    (located,) = checked(tree, WORKLOAD)[0].findings  # nothing of a Pod: there is none
    assert (located.finding.kind, located.message) == ("schema", "spec.template.spec.containers: Required value")
