"""The input of `bench.overload`: a Pod, and a policy that takes about a millisecond on it."""

from __future__ import annotations

import json
from typing import Any

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: distinct-variables
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: [CREATE]
      resources: [pods]
  validations:
  - expression: >-
      object.spec.containers.all(c, c.env.all(e,
        object.spec.containers.all(d, c.name == d.name || d.env.all(f, f.name != e.name))))
    message: containers share a variable
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: distinct-variables
spec:
  policyName: distinct-variables
  validationActions: [Deny]
"""

_CONTAINERS, _VARIABLES = 10, 6


def review(verdict: str) -> bytes:
    """A review that is `allowed` or `denied` by POLICY; its uid is this word."""
    containers: list[dict[str, Any]] = [
        {
            "name": f"c{index}",
            "image": "registry.example/app:1",
            "env": [{"name": f"VARIABLE_{index}_{number}", "value": "x"} for number in range(_VARIABLES)],
        }
        for index in range(_CONTAINERS)
    ]
    if verdict == "denied":
        containers[-1]["env"][-1]["name"] = containers[-2]["env"][-1]["name"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "d"},
        "spec": {"containers": containers},
    }
    request = {
        "uid": verdict,
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "d",
        "name": "p",
        "userInfo": {"username": "alice"},
        "object": pod,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
