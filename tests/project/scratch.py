"""A repository of somebody who uses Gatewright: policies, manifests and settings, in git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cli.running import gatewright

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: no-latest
  annotations: {kubernetes.io/description: Images name a version.}
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [apps]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [deployments]
  validations:
  - expression: >-
      (object.spec.template.spec.containers + object.spec.template.spec.?initContainers.orValue([])).all(c,
        !c.image.endsWith(':latest'))
    message: images name a version, never latest
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-latest}
spec: {policyName: no-latest, validationActions: [Deny]}
"""
TESTS = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: no-latest}
policy: no-latest
cases:
- name: latest is denied
  object: &web {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {a: b}},
    template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: "web:latest"}]}}}}
  expect: deny
- name: a version is allowed
  object: {<<: *web, spec: {selector: {matchLabels: {a: b}},
    template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: "web:1"}]}}}}
  expect: allow
- name: so do images of what runs before
  object: {<<: *web, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}},
    spec: {containers: [{name: c, image: "web:1"}], initContainers: [{name: i, image: "web:latest"}]}}}}
  expect: deny
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: shop, labels: {team: cart}}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: web
        image: IMAGE
"""
SETTINGS = 'policies = ["policies"]\npaths = ["deploy"]\nowner-label = "team"\n'


def deployment(name: str, image: str) -> str:
    return DEPLOYMENT.replace("NAME", name).replace("IMAGE", image)


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Variables under which git and others read nothing of the person who runs the tests."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{who}_{what}": f"{what}@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        **variables,
    }


def git(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What git writes to stdout. Raises CalledProcessError."""
    command = ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=env or environment(folder.parent),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def made(folder: Path) -> Path:
    """The repository, at its first commit on `main`: everything passes."""
    (folder / "policies" / "no-latest").mkdir(parents=True)
    (folder / "policies" / "no-latest" / "policy.yaml").write_text(POLICY)
    (folder / "policies" / "no-latest" / "tests.yaml").write_text(TESTS)
    assert gatewright("new", "policy", "team-label", cwd=folder).returncode == 0
    (folder / "deploy").mkdir()
    (folder / "deploy" / "web.yaml").write_text(deployment("web", "web:1"))
    (folder / ".gatewright.toml").write_text(SETTINGS)
    git(folder, "init", "--quiet")
    commit(folder, "first")
    return folder


def commit(folder: Path, message: str) -> str:
    """Commit everything; the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")
