"""Thirty policies in the idiom of public policy libraries, as a tree that benchmarks load.

Each policy matches Pods and every workload that makes them, and finds the Pod's spec by the object's kind; gathers the
containers, init containers and ephemeral containers in a variable; leaves out those that an exemption list names; says
which containers are wrong in a messageExpression. Every third takes its exemptions from a ConfigMap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

COUNT = 30

_WORKLOADS = """\
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [pods]
    - apiGroups: [apps]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [deployments, statefulsets, daemonsets, replicasets]
    - apiGroups: [batch]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [jobs, cronjobs]
"""

_SPEC = (
    "object.kind == 'Pod' ? object.spec : object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template.spec : "
    "object.spec.template.spec"
)
_CONTAINERS = (
    "variables.podSpec.containers + variables.podSpec.?initContainers.orValue([]) "
    "+ variables.podSpec.?ephemeralContainers.orValue([])"
)

_KINDS = "['Pod', 'Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'CronJob']"

_RIGHT = (
    ("tagged", "c.image.contains(':') && !c.image.endsWith(':latest')", "name a version of their image"),
    ("registry", "c.image.startsWith('registry.example.com/')", "come from registry.example.com"),
    ("requests", "c.?resources.?requests.?cpu.hasValue()", "request processor time"),
    ("memory", "c.?resources.?limits.?memory.hasValue()", "limit their memory"),
    ("privileged", "!c.?securityContext.?privileged.orValue(false)", "are not privileged"),
    ("escalation", "c.?securityContext.?allowPrivilegeEscalation.orValue(false) == false", "do not escalate"),
    ("readonly", "c.?securityContext.?readOnlyRootFilesystem.orValue(true)", "do not write to their root"),
    ("hostports", "c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0)", "use no port of the node"),
    ("pullpolicy", "c.?imagePullPolicy.orValue('Always') != 'Never'", "pull their image"),
    ("secrets", "c.?env.orValue([]).all(e, !e.name.lowerAscii().contains('password'))", "have no secret in env"),
)
"""Name, what is true of a container c that is right, and what is said of the others."""


def generate(folder: Path) -> None:
    """Write the policies with their bindings, and the ConfigMap of exemptions."""
    for number in range(COUNT):
        name, right, text = _RIGHT[number % len(_RIGHT)]
        name = f"{name}-{number // len(_RIGHT)}"
        with_params = number % 3 == 2
        kind = "\n  paramKind: {apiVersion: v1, kind: ConfigMap}" if with_params else ""
        ref = (
            "\n  paramRef: {name: exemptions, namespace: platform, parameterNotFoundAction: Deny}"
            if with_params
            else ""
        )
        exempt = (
            "params.data.?names.orValue('').split(',')"
            if with_params
            else f"['istio-proxy', 'linkerd-proxy', 'vault-agent-{number}']"
        )
        (folder / f"{name}.yaml").write_text(f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {name}
spec:{kind}
  matchConstraints:
    resourceRules:
{_WORKLOADS}\
  variables:
  - name: podSpec
    expression: "{_SPEC}"
  - name: containers
    expression: "{_CONTAINERS}"
  - name: exempt
    expression: "{exempt}"
  - name: bad
    expression: "variables.containers.filter(c, !(c.name in variables.exempt) && !({right}))"
  validations:
  - expression: "!(object.kind in {_KINDS}) || size(variables.bad) == 0"
    messageExpression: "'containers {text}: ' + variables.bad.map(c, c.name).join(', ')"
    message: "containers {text}"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {name}
spec:
  policyName: {name}
  validationActions: [Deny]{ref}
""")
    (folder / "exemptions.yaml").write_text("""\
apiVersion: v1
kind: ConfigMap
metadata: {name: exemptions, namespace: platform}
data: {names: "istio-proxy,linkerd-proxy,vault-agent"}
""")


def deployment(*, right: bool) -> dict[str, Any]:
    """A Deployment of three containers that all policies allow, or (right=False) that nine of them deny."""
    container: dict[str, Any] = {
        "image": "registry.example.com/shop/web:1.4.2" if right else "nginx:latest",
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": not right,
            "runAsNonRoot": True,
        },
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "MODE", "value": "production"}, {"name": "LOG_LEVEL", "value": "info"}],
    }
    spec: dict[str, Any] = {
        "containers": [{**container, "name": "web"}, {**container, "name": "metrics"}],
        "initContainers": [{**container, "name": "migrate"}],
        "restartPolicy": "Always",
    }
    labels = {"app": "web", "team": "shop"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
