"""Policy trees with their tests, and the results for their mutants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from webhook.mutants.mutant import Outcome
from webhook.mutants.running import USUAL, Mutated, run
from webhook.mutants.stopping import Times
from webhook.offline.cases import policytest
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree

CASE_HEAD = "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: NAME\n"
DOCUMENTED = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: one-container
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
  - expression: size(object.spec.containers) <= 1
"""
"""The policy of which docs/policies.md shows runs."""


def pod(name: str = "web", **spec: object) -> str:
    """A Pod, in the flow style of YAML."""
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [], **spec}}
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()


def case(name: str, expect: str, value: str, more: str = "") -> str:
    """One case; `more`: further lines of it."""
    return f"- {{name: {name!r}, object: {value}, expect: {expect}{', ' + more if more else ''}}}\n"


def policy_test(policy: str, *cases: str, mutants: str = "") -> str:
    """A PolicyTest."""
    return CASE_HEAD.replace("NAME", policy) + mutants + "cases:\n" + "".join(cases)


def mutated(root: Path, *names: str, times: Times = USUAL, jobs: int = 1) -> list[Mutated]:
    """What became of the mutants of these policies; of all policies if none is named."""
    tree = read_tree(root)
    policies = load_tree(tree)
    planned, problems = policytest.plan([str(root)], policies)
    assert problems == []
    return list(run(names or sorted(policies.names), planned, policies, tree, times=times, jobs=jobs))


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Each mutant as `CHANGE: LINE` with its changed line, without blanks around it."""
    found = []
    for each in outcomes:
        shown = each.mutant.show()
        text = " / ".join(line.strip() for line in shown.after) or f"- {shown.before[0].strip()}"
        found.append(f"{each.mutant.change}: {text}")
    return found
