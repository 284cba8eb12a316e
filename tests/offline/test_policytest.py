"""PolicyTests: what a case sends, when it passes, and what is said of one that is written wrongly."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from webhook.offline import policytest
from webhook.offline.policytest import Result
from webhook.policy.load import load

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


def tree(tmp_path: Path, cases: str, *, expression: str = "false", binding: str = BINDING, head: str = "") -> Path:
    """A policy tree with one policy, whose validation is `expression`, and one PolicyTest with these cases."""
    (tmp_path / "policy.yaml").write_text(POLICY.replace("EXPRESSION", repr(expression)))
    if binding:
        (tmp_path / "binding.yaml").write_text(binding)
    test = head or "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: named\n"
    (tmp_path / "tests.yaml").write_text(f"{test}cases:\n{indent(dedent(cases), '')}")
    return tmp_path


def run(root: Path) -> list[Result]:
    policies = load(root)
    planned, problems = policytest.plan(root, policies)
    assert problems == []
    return list(policytest.run(planned, policies))


def one(tmp_path: Path, case: str, **options: Any) -> Result:
    (result,) = run(tree(tmp_path, f"- {indent(dedent(case), '  ').strip()}\n", **options))
    return result


def problems(root: Path) -> list[str]:
    planned, found = policytest.plan(root, load(root))
    assert planned == []
    return [str(problem).removeprefix(f"{root}/") for problem in found]


def test_a_case_passes_if_the_verdict_is_the_expected_one(tmp_path: Path) -> None:
    result = one(tmp_path, f"name: c\n{POD}\nexpect: deny\nmessage: not so")
    assert result.passed
    assert result.verdict == "deny"
    assert result.texts == ("ValidatingAdmissionPolicy 'named' with binding 'named' denied request: not so",)


def test_a_case_fails_on_another_verdict(tmp_path: Path) -> None:
    result = one(tmp_path, f"name: c\n{POD}\nexpect: allow")
    assert not result.passed
    assert result.failures == ("expected allow, got deny",)
    assert result.planned.line == 6


def test_a_case_fails_on_another_message(tmp_path: Path) -> None:
    result = one(tmp_path, f"name: c\n{POD}\nexpect: deny\nmessage: because")
    assert result.failures == ("expected a message with 'because'",)


@pytest.mark.parametrize(
    ("expression", "actions", "verdict"),
    [
        ("true", "Deny", "allow"),
        ("false", "Warn", "warn"),
        ("false", "Audit", "audit"),
        ("false", "Warn, Audit", "warn"),
        ("false", "Deny, Audit", "deny"),
        ("object.nope == 1", "Deny", "error"),
    ],
)
def test_verdicts(tmp_path: Path, expression: str, actions: str, verdict: str) -> None:
    binding = BINDING.replace("[Deny]", f"[{actions}]")
    assert one(tmp_path, f"name: c\n{POD}\nexpect: {verdict}", expression=expression, binding=binding).passed


def test_a_policy_without_a_binding_is_tested_as_if_bound_with_deny(tmp_path: Path) -> None:
    assert one(tmp_path, f"name: c\n{POD}\nexpect: deny", binding="").passed


@pytest.mark.parametrize(
    ("case", "expression"),
    [
        (POD, "request.operation == 'CREATE' && request.namespace == 'default' && request.name == 'web'"),
        (POD, "request.resource.resource == 'pods' && request.kind.kind == 'Pod' && !has(request.subResource)"),
        (POD, "request.options.kind == 'CreateOptions'"),
        (POD + "\nnamespace: {name: shop, labels: {tier: gold}}", "namespaceObject.metadata.labels.tier == 'gold'"),
        (POD + "\nnamespace: {name: shop}", "namespaceObject.metadata.labels['kubernetes.io/metadata.name'] == 'shop'"),
        (POD + "\nsubResource: status", "request.subResource == 'status'"),
        (POD + "\nuser: {username: ada, uid: '7', groups: [dev]}", "request.userInfo.username == 'ada'"),
        (POD + "\nuser: {username: ada, uid: '7', groups: [dev]}", "request.userInfo.groups == ['dev']"),
        (POD.replace("object", "oldObject"), "request.operation == 'DELETE' && object == null"),
        (POD + "\n" + POD.replace("object", "oldObject"), "request.operation == 'UPDATE' && oldObject == object"),
        (
            "resource: apps/v1/deployments\nsubResource: scale\n"
            "object: {apiVersion: autoscaling/v1, kind: Scale, metadata: {name: web}}",
            "request.resource.group == 'apps' && request.resource.resource == 'deployments' "
            "&& request.kind.kind == 'Scale'",
        ),
        (
            "operation: CONNECT\nresource: v1/pods\nsubResource: exec\nobject: {apiVersion: v1, kind: PodExecOptions}",
            "request.operation == 'CONNECT' && request.kind.kind == 'PodExecOptions'",
        ),
        (
            "object: {apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
            "request.namespace == 'shop' && namespaceObject == null",
        ),
        (
            "object: {apiVersion: v1, kind: PersistentVolume, metadata: {name: disk}}",
            "!has(request.namespace) && request.resource.resource == 'persistentvolumes'",
        ),
        ("object: {apiVersion: example.com/v1, kind: Policy}", "request.resource.resource == 'policies'"),
    ],
)
def test_what_a_case_sends(tmp_path: Path, case: str, expression: str) -> None:
    result = one(tmp_path, f"name: c\n{case}\nexpect: allow", expression=expression)
    assert result.passed, result.texts


def test_an_object_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "_pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: from-file}\n")
    case = "name: c\nobject: {file: _pod.yaml}\nexpect: allow"
    assert one(tmp_path, case, expression="object.metadata.name == 'from-file'").passed


def test_only_the_policy_of_the_test_is_asked(tmp_path: Path) -> None:
    other = (POLICY + "---\n" + BINDING).replace("named", "other").replace("EXPRESSION", "'false'")
    (tmp_path / "other.yaml").write_text(other)
    assert one(tmp_path, f"name: c\n{POD}\nexpect: allow", expression="true").passed


PARAMS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: limits, namespace: conf}
data: {max: "1"}
"""


def with_params(tmp_path: Path, ref: str, case: str) -> Result:
    """A policy that wants `max` of its params to be 2, which the tree's params do not have."""
    root = tree(tmp_path, f"- name: c\n  {POD}\n{indent(dedent(case), '  ')}", expression="params.data.max == '2'")
    policy = root / "policy.yaml"
    policy.write_text(policy.read_text().replace("spec:\n", "spec:\n  paramKind: {apiVersion: v1, kind: ConfigMap}\n"))
    (root / "binding.yaml").write_text(BINDING.replace("[Deny]", f"[Deny], paramRef: {ref}"))
    (root / "params.yaml").write_text(PARAMS)
    (result,) = run(root)
    return result


BY_NAME = "{name: limits, namespace: conf, parameterNotFoundAction: Deny}"
BY_LABEL = "{selector: {matchLabels: {a: b}}, namespace: conf, parameterNotFoundAction: Deny}"


def test_params_are_those_of_the_tree(tmp_path: Path) -> None:
    assert with_params(tmp_path, BY_NAME, "expect: deny\n").passed


@pytest.mark.parametrize("metadata", ["", "metadata: {labels: {a: b}}, "])
@pytest.mark.parametrize("ref", [BY_NAME, BY_LABEL])
def test_params_of_a_case_stand_where_the_binding_looks(tmp_path: Path, ref: str, metadata: str) -> None:
    result = with_params(tmp_path, ref, f"params: {{{metadata}data: {{max: '2'}}}}\nexpect: allow\n")
    if ref == BY_LABEL and not metadata:
        assert result.verdict == "error"
        assert "no params found" in result.texts[0]
    else:
        assert result.passed, result.texts


MUTATION = """\
from gatewright import mutate, validate, Violation

@mutate(resources=["v1/pods", "v1/secrets"], operations=["CREATE"])
def stamped(request):
    request.object["metadata"].setdefault("labels", {})["seen"] = "yes"
    if "data" in request.object:
        request.object["data"] = {"password": "swordfish"}

@validate(name="stamped", resources=["v1/pods"])
def has_stamp(request):
    labels = request.object["metadata"].get("labels") or {}
    if "seen" not in labels:
        yield Violation("not stamped", path="metadata.labels")
"""


def mutated(tmp_path: Path, case: str) -> Result:
    (tmp_path / "stamped.py").write_text(MUTATION)
    head = "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: stamped\n"
    return one(tmp_path, case, head=head)


def test_mutation_comes_before_validation(tmp_path: Path) -> None:
    expected = "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {seen: 'yes'}}}"
    assert mutated(tmp_path, f"name: c\n{POD}\nexpect: allow\nexpectObject: {expected}").passed


def test_validation_alone(tmp_path: Path) -> None:
    assert mutated(tmp_path, f"name: c\n{POD}\nvalidateOnly: true\nexpect: deny\nmessage: not stamped").passed


@pytest.mark.parametrize(
    ("expected", "failure"),
    [
        ("{name: web}", 'metadata.labels: expected nothing, found {"seen":"yes"}'),
        ("{name: web, labels: {seen: 'no'}}", 'metadata.labels.seen: expected "no", found "yes"'),
        (
            "{name: web, labels: {seen: 'yes', a: b}}",
            'metadata.labels.a: expected "b", and it is not there',
        ),
        ("{name: web, labels: []}", 'metadata.labels: expected [], found {"seen":"yes"}'),
    ],
)
def test_the_first_difference_is_told(tmp_path: Path, expected: str, failure: str) -> None:
    case = f"name: c\n{POD}\nexpect: allow\nexpectObject: {{apiVersion: v1, kind: Pod, metadata: {expected}}}"
    assert mutated(tmp_path, case).failures == (f"after mutation, {failure}",)


def test_values_of_secrets_are_not_told(tmp_path: Path) -> None:
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {seen: 'yes'}}, data: {password: hunter22}}"
    result = mutated(tmp_path, f"name: c\nobject: {secret}\nexpect: allow\nexpectObject: {secret}")
    (failure,) = result.failures
    assert failure.startswith("after mutation, data.password: not as expected")
    assert "swordfish" not in failure
    assert "hunter22" not in failure


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "{name: c, object: {apiVersion: v1, kind: Pod}}",
            "6:3: PolicyTest 't': cases[0].expect: expected one of allow",
        ),
        ("{name: c, expect: allow}", "6:3: PolicyTest 't': cases[0]: expected an object, or for DELETE an oldObject"),
        (
            "{name: '', object: {apiVersion: v1, kind: Pod}, expect: deny}",
            "6:4: PolicyTest 't': cases[0].name: expected",
        ),
        (
            "{name: c, object: {kind: Pod}, expect: deny}",
            "6:13: PolicyTest 't': cases[0].object: apiVersion must be given",
        ),
        ("{name: c, object: [], expect: deny}", "6:13: PolicyTest 't': cases[0].object: expected a mapping"),
        (
            "{name: c, objekt: {}, expect: deny}",
            "6:13: PolicyTest 't': cases[0].objekt: unknown field; did you mean object?",
        ),
        (
            "{name: c, expect: maybe}",
            "6:13: PolicyTest 't': cases[0].expect: expected 'allow', 'deny', 'warn', 'audit' or",
        ),
        (
            "{name: c, object: {apiVersion: v1, kind: Pod}, expect: allow, message: x}",
            "6:65: PolicyTest 't': cases[0].message: a request that nothing is found wrong with has no message",
        ),
        (
            "{name: c, object: {apiVersion: autoscaling/v1, kind: Scale}, expect: deny}",
            "6:3: PolicyTest 't': cases[0].resource: a Scale does not tell whose it is; give resource",
        ),
        (
            "{name: c, resource: pods, object: {apiVersion: v1, kind: Pod}, expect: deny}",
            "6:13: PolicyTest 't': cases[0].resource: 'pods' names no resource",
        ),
        (
            "{name: c, operation: UPDATE, object: {apiVersion: v1, kind: Pod}, expect: deny}",
            "6:3: PolicyTest 't': cases[0].oldObject: UPDATE has an oldObject",
        ),
        (
            "{name: c, operation: DELETE, object: {apiVersion: v1, kind: Pod}, expect: deny}",
            "6:32: PolicyTest 't': cases[0].object: DELETE has no object",
        ),
        (
            "{name: c, object: {file: ../../etc/passwd}, expect: deny}",
            "6:22: PolicyTest 't': cases[0].object.file: '../../etc/passwd' leads out of the policy tree",
        ),
        ("{name: c, object: {file: _no.yaml}, expect: deny}", "6:22: PolicyTest 't': cases[0].object.file: "),
        ("{name: c, object: {file: 1}, expect: deny}", "6:22: PolicyTest 't': cases[0].object.file: expected the path"),
    ],
)
def test_a_wrong_case_is_told_with_its_place(tmp_path: Path, case: str, expected: str) -> None:
    (problem,) = problems(tree(tmp_path, f"- {case}\n"))
    assert problem.startswith(f"tests.yaml:{expected}")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    cases = f"""\
    - {{name: a, {POD}, expect: nope}}
    - {{name: a, {POD}, expect: deny, user: ada}}
    - {{name: b, {POD}, expect: deny, params: 1}}
    - {{name: b, {POD}, expect: deny}}
    """
    found = problems(tree(tmp_path, cases))
    assert [problem.split(": ")[2] for problem in found] == [
        "cases[0].expect",
        "cases[1].user",
        "cases[2].params",
        "cases[1].name",
        "cases[3].name",
    ]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            "policy: nobody",
            "tests.yaml:4:1: PolicyTest 't': policy: there is no policy 'nobody'; expected one of: named",
        ),
        ("polcy: named", "tests.yaml:4:1: PolicyTest 't': polcy: unknown field; did you mean policy?"),
    ],
)
def test_a_wrong_policy_is_told(tmp_path: Path, head: str, expected: str) -> None:
    start = f"apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {{name: t}}\n{head}\n"
    found = problems(tree(tmp_path, f"- {{name: c, {POD}, expect: deny}}\n", head=start))
    assert found[0] == expected


def test_another_version_of_the_kind_is_refused(tmp_path: Path) -> None:
    start = "apiVersion: gatewright.dev/v2\nkind: PolicyTest\npolicy: named\n"
    assert problems(tree(tmp_path, "- {}\n", head=start)) == [
        "tests.yaml:1:1: PolicyTest: apiVersion: expected gatewright.dev/v1, found gatewright.dev/v2"
    ]
