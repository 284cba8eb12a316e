"""Policy trees with PolicyTests, for the tests of reading and of running them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from webhook.offline.cases import policytest, runs
from webhook.offline.cases.runs import Result
from webhook.policy.load.loading import load

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: named}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"]}
  validations:
  - {expression: EXPRESSION, message: not so}
"""
BINDING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: named}
spec: {policyName: named, validationActions: [Deny]}
"""
POD = "object: {apiVersion: v1, kind: Pod, metadata: {name: web}}"


def tree(
    tmp_path: Path,
    cases: str,
    *,
    expression: str = "false",
    binding: str = BINDING,
    head: str = "",
    policy: str = POLICY,
) -> Path:
    """A policy tree with one policy, whose validation is `expression`, and one PolicyTest with these cases."""
    (tmp_path / "policy.yaml").write_text(policy.replace("EXPRESSION", repr(expression)))
    if binding:
        (tmp_path / "binding.yaml").write_text(binding)
    test = head or "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: named\n"
    (tmp_path / "tests.yaml").write_text(f"{test}cases:\n{indent(dedent(cases), '')}")
    return tmp_path


def run(root: Path) -> list[Result]:
    policies = load(root)
    planned, problems = policytest.plan([str(root)], policies)
    assert problems == []
    return list(runs.run(planned, policies))


def one(tmp_path: Path, case: str, **options: Any) -> Result:
    (result,) = run(tree(tmp_path, f"- {indent(dedent(case), '  ').strip()}\n", **options))
    return result


def problems(root: Path) -> list[str]:
    planned, found = policytest.plan([str(root)], load(root))
    assert planned == []
    return [str(problem).removeprefix(f"{root}/") for problem in found]
