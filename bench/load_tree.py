"""Loading a tree of 200 policies with three variables each: time and memory for each policy.

The policies vary as in a real organisation: most use the same few names for their variables, and so share type
checkers; every fourth has its own names. Loading compiles every expression and checks it against the schemas of the
kinds that the policy matches. Each run is a new process. Loading uses one thread, so its CPU time is measured. For
comparison, PyYAML reads the same files.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import keep

POLICIES = 200
ROUNDS = 5
LIMIT_MS = 1.2
"""The limit for loading one policy, in milliseconds."""
LIMIT_KB = 40.0
"""The limit for the memory that one policy holds, in kB."""

_SUBJECTS = (
    ("apps", "deployments", "object.spec.template.spec"),
    ("apps", "statefulsets", "object.spec.template.spec"),
    ("", "pods", "object.spec"),
    ("batch", "jobs", "object.spec.template.spec"),
)

_MEASURED = """
import gc, pathlib, sys, time

import webhook.policy.load.loading
from webhook.cel import Environment, types

def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[2] == "yaml":
    import yaml
    start = time.process_time()
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
        list(yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader))
    print(time.process_time() - start, 0)
else:
    Environment({}).compile("true")  # the libraries' own start is no policy's
    gc.collect()
    gc.disable()  # as `gatewright check` does
    before, start = resident(), time.process_time()
    tree = webhook.policy.load.treefiles.read_tree(sys.argv[1])
    loaded = webhook.policy.load.loading.load_tree(tree, trusting=sys.argv[2] == "load")
    elapsed = time.process_time() - start
    assert not loaded.warnings and not loaded.notes, (loaded.warnings, loaded.notes)
    gc.collect()
    print(elapsed, resident() - before)
"""


def generate(folder: Path, count: int, registry: str = "registry-{number}.example.com") -> None:
    """Write `count` files, each with a policy (three variables, a validation, a messageExpression) and a binding.

    registry: where images must come from, with the number of the policy.
    """
    for number in range(count):
        group, resource, spec = _SUBJECTS[number % len(_SUBJECTS)]
        suffix = f"_{number}" if number % 4 == 3 else ""
        containers, exempt, named = f"containers{suffix}", f"exempt{suffix}", f"named{suffix}"
        name, images = f"policy-{number:03d}", registry.format(number=number)
        (folder / f"{name}.yaml").write_text(f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {name}
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: ["{group}"]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [{resource}]
  variables:
  - name: {containers}
    expression: {spec}.containers + {spec}.?initContainers.orValue([])
  - name: {exempt}
    expression: object.metadata.?labels['policy-{number}.example.com/exempt'].orValue('no') == 'yes'
  - name: {named}
    expression: variables.{containers}.filter(c, c.name.startsWith('team-{number}-'))
  validations:
  - expression: >-
      variables.{exempt} || size(variables.{named}) <= {number} &&
      variables.{containers}.all(c, c.image.startsWith('{images}/')
      && !c.image.endsWith(':latest'))
    messageExpression: "'images of ' + object.metadata.name + ' come from {images}'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {name}
spec:
  policyName: {name}
  validationActions: [Deny]
""")


def measured(folder: Path, what: str) -> tuple[float, int]:
    """CPU seconds of a run, and bytes of memory in use at its end.

    what: `load`, `compile` (files that are known to be faultless are compiled too) or `yaml`.
    """
    command = [sys.executable, "-c", _MEASURED, str(folder), what]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    seconds, held = run.stdout.split()
    return float(seconds), int(held)


def main() -> None:
    print(f"Loading a tree of {POLICIES} policies with three variables each: CPU time, median of {ROUNDS} processes\n")
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), POLICIES)
        reading = statistics.median(measured(Path(folder), "yaml")[0] for _ in range(ROUNDS))
        runs = [measured(Path(folder), "load") for _ in range(ROUNDS)]
    loading = statistics.median(seconds for seconds, _ in runs)
    held = statistics.median(size for _, size in runs)
    each = loading / POLICIES * 1000
    keep("loading a policy with three variables", each, "ms", at_most=LIMIT_MS)
    keep("memory held by a policy with three variables", held / POLICIES / 1000, "kB", at_most=LIMIT_KB)
    verdict = "within" if each <= LIMIT_MS else "over"
    print(f"{'gatewright':24}{loading * 1000:8.0f} ms   {each:.2f} ms a policy ({verdict} {LIMIT_MS} ms)")
    print(f"{'PyYAML reads the files':24}{reading * 1000:8.0f} ms   {reading / POLICIES * 1000:.2f} ms a policy")
    print(f"{'memory held':24}{held / 1e6:8.1f} MB   {held / POLICIES / 1000:.0f} kB a policy\n")
