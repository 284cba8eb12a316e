"""When a case of a PolicyTest passes, and what is said where it does not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.offline.cases.policytests import BINDING, POD, POLICY, one, run, tree
from webhook.offline.cases.runs import Result


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


def test_only_the_policy_of_the_test_is_asked(tmp_path: Path) -> None:
    other = (POLICY + "---\n" + BINDING).replace("named", "other").replace("EXPRESSION", "'false'")
    (tmp_path / "other.yaml").write_text(other)
    assert one(tmp_path, f"name: c\n{POD}\nexpect: allow", expression="true").passed


EXCEPTION = """\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: spared}
spec: {policies: [{name: named}], objects: {names: [web]}, reason: r, approvedBy: s, expires: 2999-01-31}
"""


def test_an_exception_that_covers_what_a_case_expects_is_named(tmp_path: Path) -> None:
    (tmp_path / "exception.yaml").write_text(EXCEPTION)
    assert one(tmp_path, f"name: c\n{POD}\nexpect: allow\nexceptedBy: spared").passed
    assert one(tmp_path, f"name: c\n{POD}\nexpect: deny\nexceptedBy: spared").failures == (
        "expected deny, got allow: the exception 'spared' covers what the policy finds",
    )


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
        ("{name: web, labels: }", 'metadata.labels: expected nothing, found {"seen":"yes"}'),
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


MAY_SCALE = "authorizer.group('apps').resource('deployments').subresource('scale').check('update').allowed()"


@pytest.mark.parametrize(
    ("authorizations", "verdict"),
    [
        ("[{allowed: true}]", "allow"),
        ("[{allowed: false}]", "deny"),
        ("[{user: ann, allowed: true}, {allowed: false}]", "allow"),
        ("[{user: bob, allowed: true}, {allowed: false}]", "deny"),
        ("[{groups: [staff], verb: update, allowed: true}, {allowed: false}]", "allow"),
        ("[{groups: [staff, admins], allowed: true}, {allowed: false}]", "deny"),
        ("[{group: apps, resource: deployments, subresource: scale, allowed: true}]", "allow"),
        ("[{path: /scale, allowed: true}, {allowed: false}]", "deny"),
        ("[{resource: pods, allowed: true}]", "error"),
        ("[]", "error"),
    ],
)
def test_the_authorizer_answers_what_the_case_declares(tmp_path: Path, authorizations: str, verdict: str) -> None:
    user = "user: {username: ann, groups: [staff, dev]}"
    case = f"name: c\n{POD}\n{user}\nauthorizations: {authorizations}\nexpect: {verdict}"
    assert one(tmp_path, case, expression=MAY_SCALE).passed


COUNTED = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: named}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"]}
  validations:
  - {expression: EXPRESSION, message: one is wrong}
  - {expression: EXPRESSION, message: two is wrong}
  - {expression: "true", message: three is wrong}
"""


@pytest.mark.parametrize(
    ("findings", "failures"),
    [
        ("[{count: 2}]", ()),
        ("[{}]", ()),
        ("[{matches: wrong}, {matches: '^two', count: 1}, {matches: three, count: 0}]", ()),
        ("[{count: 3}]", ("expected 3 findings, found 2",)),
        ("[{count: 0}, {matches: '^wrong'}]", (
            "expected 0 findings, found 2", "expected one finding or more that match '^wrong', found 0",
        )),
    ],
)  # fmt: skip
def test_findings_are_counted(tmp_path: Path, findings: str, failures: tuple[str, ...]) -> None:
    binding = BINDING.replace("[Deny]", "[Warn, Audit]")
    case = f"name: c\n{POD}\nexpect: warn\nfindings: {findings}"
    assert one(tmp_path, case, policy=COUNTED, binding=binding).failures == failures
