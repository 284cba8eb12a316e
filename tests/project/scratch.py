"""A repository of somebody who uses Gatewright: policies, manifests and settings, in git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cli.running import gatewright
from tests.timing import HANGING

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


def shadowing(folder: Path, *packages: str) -> None:
    """Lay files into a folder that Python or pip takes there for modules, or for one of the packages that pip is to
    install. Each leaves a file `ran` beside it."""
    code = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    files = [Path(f"{name}.py") for name in ("venv", "ensurepip", "runpy", "subprocess", "sitecustomize")]
    files += [Path("pip", name) for name in ("__init__.py", "__main__.py")]
    for package in packages:
        place = Path(*(part for part in package.split("/") if part))
        files.append(place / "backend.py")
        (folder / place).mkdir(parents=True)
        (folder / place / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(code)


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
        timeout=HANGING,
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


def enforced(repository: Path, name: str) -> str:
    """Commit a change that enforces the label, and adds a manifest `name` without it. Returns the base."""
    base = git(repository, "rev-parse", "HEAD")
    for file, was, now in (("binding.yaml", "[Audit]", "[Deny]"), ("tests.yaml", "&finding audit", "&finding deny")):
        path = repository / "policies" / "team-label" / file
        path.write_text(path.read_text().replace(was, now))
    (repository / "deploy" / name).write_text(deployment("bare", "bare:1").replace(", labels: {team: cart}", ""))
    commit(repository, "enforce the label")
    return base
