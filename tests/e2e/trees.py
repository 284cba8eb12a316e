"""Policy trees by a few fields, and the output of `gatewright manifests` for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  failurePolicy: FAILURE
  matchConstraints:
    matchPolicy: MATCH
    resourceRules:
    - {apiGroups: [GROUP], apiVersions: [VERSION], operations: ["*"], resources: [RESOURCE], scope: "SCOPE"}
    excludeResourceRules:
    - {apiGroups: [""], apiVersions: ["*"], operations: [CREATE], resources: [events, pods/binding]}
  validations: [{expression: "false", message: refused}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec: {policyName: NAME, validationActions: [Deny]}
---
"""


def written(folder: Path, *fields: tuple[str, ...]) -> Path:
    names = ("NAME", "FAILURE", "MATCH", "GROUP", "VERSION", "RESOURCE", "SCOPE")
    text = ""
    for each in fields:
        one = POLICY
        for name, value in zip(names, each, strict=True):
            one = one.replace(name, value)
        text += one
    (folder / "policies.yaml").write_text(text)
    return folder


def rendered(tree: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "webhook.cli.main", "manifests", str(tree), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout
