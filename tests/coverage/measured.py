"""Policy trees for tests of coverage, and their sides as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent, indent

from webhook.coverage.measuring import Measured
from webhook.coverage.model import Coverage, Covered
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load

VALIDATING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: ["*"]}
"""
MUTATING = VALIDATING.replace("Validating", "Mutating")


def written(root: Path, spec: str, objects: Iterable[str], head: str = VALIDATING) -> Path:
    """A tree with the policy `p`, and a case for each object: the fields of a ConfigMap beside name and kind, in YAML's
    flow style. Whether the cases pass is of no interest."""
    root.mkdir(exist_ok=True)
    (root / "policy.yaml").write_text(head + indent(dedent(spec), "  "))
    start = "apiVersion: v1, kind: ConfigMap, metadata: {name: cm}"
    cases = "".join(
        f"- {{name: '{number}', expect: allow, object: {{{start}{fields}}}}}\n"
        for number, fields in enumerate(f", {each}" if each else "" for each in objects)
    )
    if cases:
        test = "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: p\ncases:\n"
        (root / "tests.yaml").write_text(test + cases)
    return root


def coverage(root: Path) -> Coverage:
    """What the tests of a tree cover."""
    policies = load(root)
    planned, problems = policytest.plan([str(root)], policies)
    assert not problems, problems
    measured = Measured(policies)
    with measured.running() as recording:
        list(runs.run(planned, policies, recording))
    return measured.coverage([str(root)], planned)


def only(root: Path) -> Covered:
    """The coverage of the tree's one policy."""
    (covered,) = coverage(root).policies
    return covered


def sides(covered: Covered) -> list[str]:
    """`text: true -false`: each mark with its sides, a minus before those that were not seen."""
    return [
        f"{mark.shown}: {' '.join(side if side in mark.seen else f'-{side}' for side in mark.sides)}"
        for mark in covered.marks
    ]


def listed(text: str) -> list[str]:
    """The lines of a count by hand."""
    return [line.strip() for line in text.strip().splitlines()]
