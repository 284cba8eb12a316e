"""`gatewright check --jobs`: several processes write what one writes, byte for byte."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests import forking
from tests.cli.running import gatewright
from tests.timing import HANGING
from webhook.cli.jobsoption import processes
from webhook.cli.report.writing import FORMATS

POLICIES = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: images}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["", apps], apiVersions: [v1], operations: [CREATE], resources: [pods, deployments]}
  variables:
  - name: containers
    expression: "(object.kind == 'Pod' ? object.spec : object.spec.template.spec).containers"
  validations:
  - expression: variables.containers.all(c, c.image.startsWith('registry.example.com/'))
    messageExpression: "'images of ' + object.metadata.name + ' come from registry.example.com'"
  - expression: variables.containers.all(c, !c.image.endsWith(':latest'))
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: images}
spec: {policyName: images, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: tier}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: ["", apps], apiVersions: [v1], operations: [CREATE], resources: ["*"]}
  validations:
  - expression: namespaceObject.metadata.labels['tier'] == params.data.tier
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: tier}
spec:
  policyName: tier
  validationActions: [Warn, Audit]
  paramRef: {name: tier, parameterNotFoundAction: Deny}
  matchResources:
    namespaceSelector: {matchLabels: {checked: "yes"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: in-error}
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validations:
  - expression: object.data.missing == request.userInfo.username
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: in-error}
spec: {policyName: in-error, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: owner}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: "Object{metadata: Object.metadata{labels: {'owner': 'shop'}}}"
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: owner}
spec: {policyName: owner}
"""

PYTHON = """
from collections.abc import Iterator

from gatewright import Request, Violation, validate


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def small_settings(request: Request) -> Iterator[Violation]:
    if len(request.object.get("data") or {}) > 2:
        yield Violation("data: at most two settings", path=("data",))
"""

BOUND = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small-settings}
spec: {policyName: small-settings, validationActions: [Deny]}
"""

SLOW = PYTHON.replace("    if len", "    sum(range(20_000_000))\n    if len")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "policies.yaml").write_text(POLICIES)
    (folder / "policy.py").write_text(PYTHON)
    (folder / "binding.yaml").write_text(BOUND)
    return folder


def manifest(source: random.Random, number: int) -> dict[str, object]:
    """An object, good or bad, of one of several namespaces."""
    namespace = source.choice(["shop", "web", "ops", "nowhere"])
    metadata = {"name": f"x-{number}", "namespace": namespace, "labels": {"app": source.choice("ab")}}
    images = [source.choice(["registry.example.com/a:1", "a:latest", "b"]) for _ in range(source.randint(1, 3))]
    spec = {"containers": [{"name": f"c{at}", "image": image} for at, image in enumerate(images)]}
    match source.randrange(6):
        case 0:
            return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        case 1 | 2:
            template = {"metadata": {"labels": {"app": "a"}}, "spec": spec}
            chosen = {"matchLabels": {"app": source.choice("aab")}}  # which the API server may refuse
            return {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": metadata,
                "spec": {"selector": chosen, "template": template},
            }
        case 3:
            return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": f"s3cr3t-{number}"}}
        case 4 if number % 3:
            labels = {"checked": source.choice(["yes", "no"]), "tier": source.choice("ab")}
            return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        case _:
            data = dict.fromkeys("abcd"[: source.randrange(5)], "v")
            name = "tier" if source.random() < 0.1 else f"x-{number}"
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "name": name}, "data": data}


def generate(folder: Path, seed: int, count: int) -> None:
    source = random.Random(seed)
    number = 0
    while number < count:
        some = [manifest(source, number + at) for at in range(source.randint(1, 4))]
        number += len(some)
        below = folder / source.choice("abc")
        below.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump_all(some, sort_keys=False)
        (below / f"{number}.yaml").write_text(text + ("---\nkind: 1\n" if source.random() < 0.02 else ""))


@pytest.mark.parametrize("seed", range(3))
def test_several_processes_write_what_one_writes(tmp_path: Path, tree: Path, seed: int) -> None:
    generate(tmp_path / "files", seed, 120)
    formats = [part for name in FORMATS if name != "text" for part in ("-o", f"{name}=out.{name}")]
    options = ("--policies", str(tree), *formats, "-o", "text", "--diff", *(["--as-written"] if seed == 2 else []))
    found = []
    for jobs in ("1", "2", "3"):
        run = gatewright("check", "files", *options, "--jobs", jobs, cwd=tmp_path)
        written = {name: (tmp_path / f"out.{name}").read_bytes() for name in FORMATS if name != "text"}
        found.append((run.returncode, run.stdout, run.stderr, written))
    assert "denied" in found[0][1]
    assert "'in-error' is in error and lets" in found[0][2]
    assert found[0][0] in (1, 2)
    assert found[1] == found[0]
    assert found[2] == found[0]


@pytest.mark.parametrize("option", ["--explain", "--verbose"])
def test_what_only_one_process_can_say_is_said_with_several(tmp_path: Path, tree: Path, option: str) -> None:
    generate(tmp_path / "files", 7, 40)
    runs = [gatewright("check", "files", "--policies", tree, option, "--jobs", jobs, cwd=tmp_path) for jobs in "12"]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].returncode == runs[1].returncode == 1


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stopped(tree: Path, folder: Path, stop: Callable[[int], None]) -> tuple[int, bytes, list[int]]:
    """The exit code and stderr of a run that is stopped once it has workers, and the workers that are left."""
    generate(folder / "files", 1, 120)
    (tree / "policy.py").write_text(SLOW)
    options = ("--policies", str(tree), "--jobs", "2")
    with (folder / "stderr").open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        run = forking.start(
            "check", "files", *options, cwd=folder, env=os.environ, stdout=stdout.fileno(), stderr=stderr.fileno()
        )
        workers = list[int]()
        while len(workers) < 2 and run.poll() is None:
            workers = children(run.pid)
        stop(workers[-1] if stop is killed else run.pid)
        code = run.wait(HANGING)
    assert (folder / "stdout").read_bytes() == b""
    return code, (folder / "stderr").read_bytes(), [each for each in workers if Path(f"/proc/{each}").exists()]


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def interrupted(pid: int) -> None:
    os.kill(pid, signal.SIGINT)


def test_a_process_that_dies_is_an_error(tmp_path: Path, tree: Path) -> None:
    code, said, left = stopped(tree, tmp_path, killed)
    assert code == 2
    assert b"error: a worker process was ended by SIGKILL before its work was done" in said
    assert b"--jobs 1" in said
    assert not left


def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path, tree: Path) -> None:
    code, said, left = stopped(tree, tmp_path, interrupted)
    assert (code, said, left) == (130, b"", [])


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "257", "\N{ARABIC-INDIC DIGIT TWO}", "9" * 5000])
def test_a_number_of_processes_is_expected(tmp_path: Path, tree: Path, jobs: str) -> None:
    run = gatewright("check", ".", "--policies", tree, "--jobs", jobs, cwd=tmp_path)
    assert run.returncode == 2
    assert "--jobs: expected a number from 1 to 256" in run.stderr


def test_few_documents_are_not_worth_a_process() -> None:
    assert processes(None, 0) == 1
