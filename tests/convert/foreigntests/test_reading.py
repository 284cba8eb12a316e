"""Foreign tests that cannot be run are named with the reason, and the others are run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.convert.converted import POLICY, SOURCES
from webhook.convert import whole
from webhook.convert.whole import Converted
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load

GOOD = "{apiVersion: v1, kind: ConfigMap, metadata: {name: good, labels: {a: b}}}"
BAD = "{apiVersion: v1, kind: ConfigMap, metadata: {name: bad}}"


def converted(tmp_path: Path, **files: str) -> Converted:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return whole.convert([str(folder)], tmp_path / "tree")


def results(found: Converted) -> list[tuple[str, bool, bool, str]]:
    return [(test.name, test.passed, test.run, test.reason) for each in found.outcomes for test in each.tests]


def chainsaw(*operations: str) -> str:
    head = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\nspec:\n  steps:\n  - try:\n"
    return head + "".join(f"    - {each}\n" for each in operations)


@pytest.mark.parametrize(
    ("check", "fails"),
    [("($error != null): true", True), ("($error == null): false", True), ("$error: {x: y}", True), ("x: y", False)],
)
def test_chainsaw_applies(tmp_path: Path, check: str, fails: bool) -> None:
    test = chainsaw(
        "apply: {file: policy.yaml}",
        "assert: {resource: {apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}}}",
        f"apply: {{resource: {GOOD}}}",
        f"create: {{resource: {BAD if fails else GOOD}, expect: [{{check: {{{check}}}}}]}}",
    )
    found = converted(tmp_path, policy=POLICY, test=test)
    assert [each[1:] for each in results(found)] == [(True, True, ""), (True, True, "")]
    assert found.notes == []


def test_chainsaw_that_is_not_met(tmp_path: Path) -> None:
    found = converted(
        tmp_path, policy=POLICY, test=chainsaw("apply: {file: policy.yaml}", f"apply: {{resource: {BAD}}}")
    )
    ((name, passed, run, reason),) = results(found)
    assert (name, passed, run) == ("ConfigMap bad is allowed", False, True)
    assert reason.startswith("expected pass-or-skip, found p: deny (ValidatingAdmissionPolicy 'p'")


def test_chainsaw_that_cannot_be_run(tmp_path: Path) -> None:
    test = chainsaw(
        "script: {content: rm}",
        "apply: {file: nothing.yaml}",
        "apply: {resource: {kind: X}}",
        f"assert: {{resource: {GOOD}}}",
    )
    found = converted(tmp_path, policy=POLICY, test=test)
    assert [each.message.replace(str(tmp_path), "") for each in found.notes] == [
        "the operation script of a chainsaw test is not run",
        "/in/nothing.yaml: cannot be read: No such file or directory",
        "a resource without apiVersion and kind",
        "an assert about ConfigMap good, which the test did not apply",
    ]


def test_what_chainsaw_does_beside_is_said(tmp_path: Path) -> None:
    beside = (
        "    use: {template: step.yaml}\n    catch:\n    - events: {}\n"
        "    cleanup:\n    - delete: {ref: {}}\n    finally:\n    - apply: {file: policy.yaml}\n"
    )
    understood = "expect: [{check: {(length($error)): true}}]"
    test = chainsaw(
        "apply: {file: policy.yaml}",
        f"apply: {{resource: {BAD}, {understood}}}",
        f"apply: {{resource: {GOOD.replace('a: b', 'a: ($b)')}}}",
    )
    found = converted(tmp_path, policy=POLICY, test=test + beside)
    assert [each.message.replace(str(tmp_path), "") for each in found.notes] == [
        "use of a step template: /in/step.yaml: cannot be read: No such file or directory",
        "finally of a step of a chainsaw test: not run",
    ]
    assert results(found) == [
        ("ConfigMap bad is allowed", False, False, "what is expected of the error is an expression"),
        ("ConfigMap good is allowed", False, False, "an expression of chainsaw: ($b)"),
    ]


def test_a_test_of_chainsaw_that_skips_itself_is_not_run(tmp_path: Path) -> None:
    test = chainsaw("apply: {file: policy.yaml}", f"apply: {{resource: {BAD}}}").replace("spec:", "spec:\n  skip: true")
    found = converted(tmp_path, policy=POLICY, test=test)
    assert ([each.message for each in found.notes], results(found)) == (["the chainsaw test skips itself"], [])


def test_one_of_two_policies_must_deny(tmp_path: Path) -> None:
    """What the test does not say: which. The case is of the one that does."""
    two = POLICY + "---\n" + POLICY.replace("name: p", "name: q").replace("a: b", "c: d")
    error = "expect: [{check: {($error != null): true}}]"
    test = chainsaw("apply: {file: policy.yaml}", f"apply: {{resource: {GOOD}, {error}}}")
    found = converted(tmp_path, policy=two, test=test)
    assert [(each.name, [test.passed for test in each.tests]) for each in found.outcomes] == [("p", []), ("q", [True])]
    assert [list(each.cases) for each in found.outcomes] == [[], ["q"]]


def test_none_of_two_policies_denies(tmp_path: Path) -> None:
    two = POLICY + "---\n" + POLICY.replace("name: p", "name: q")
    error = "expect: [{check: {($error != null): true}}]"
    test = chainsaw("apply: {file: policy.yaml}", f"apply: {{resource: {GOOD}, {error}}}")
    found = converted(tmp_path, policy=two, test=test)
    assert results(found) == [("ConfigMap good is denied", False, True, "expected a failure, found p: allow")]


SUITE = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
metadata: {name: s}
tests:
- {name: skipped, skip: true}
- {name: expanded, expansion: templates.yaml, constraint: constraint.yaml}
- {name: lost, constraint: none.yaml}
- {name: other, constraint: object.yaml}
- name: t
  constraint: constraint.yaml
  cases:
  - {name: skipped, skip: true, object: object.yaml, assertions: [{violations: yes}]}
  - {name: inventory, inventory: [none.yaml], object: object.yaml}
  - {name: no-file, object: none.yaml}
  - {name: two, object: two.yaml}
  - {name: message, object: object.yaml, assertions: [{violations: yes, message: something else}]}
  - {name: fine, object: object.yaml, assertions: [{message: NodePort}]}
  - {name: one, object: object.yaml, assertions: [{violations: 1, message: "(?i)nodeport|another"}]}
  - {name: five, object: object.yaml, assertions: [{violations: 5}]}
  - {name: text, object: object.yaml, assertions: [{violations: yes, message: "no: such"}]}
  - {name: none, object: object.yaml, assertions: [{violations: yes}, {violations: no, message: "Node.*"}]}
  - {name: others, object: object.yaml, assertions: [{violations: no, message: "no: such"}]}
  - {name: broken, object: object.yaml, assertions: [{violations: no, message: "("}]}
  - {name: much, object: object.yaml, assertions: [{violations: much}]}
"""


def test_a_suite(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: NodePort, ports: [{port: 80}]}\n"
    constraint = (
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sBlockNodePort\nmetadata: {name: c}\nspec: {}\n"
    )
    found = converted(tmp_path, suite=SUITE, constraint=constraint, object=service, two=f"{service}---\n{service}")
    assert [each.message.replace(str(tmp_path), "") for each in found.notes] == [
        "the suite skips this test",
        "/in/templates.yaml: cannot be read: No such file or directory",
        "/in/none.yaml: cannot be read: No such file or directory",
        "its constraint is not among the sources",
    ]
    assert [(name, passed, run, reason.replace(str(tmp_path), "")) for name, passed, run, reason in results(found)] == [
        ("t: skipped", False, False, "the suite skips it"),
        ("t: inventory", False, False, "/in/none.yaml: cannot be read: No such file or directory"),
        ("t: no-file", False, False, "/in/none.yaml: cannot be read: No such file or directory"),
        ("t: two", False, False, "expected one object, found 2"),
        ("t: message", False, True, "expected 1 or more violations whose message matches 'something else', found 0"),
        ("t: fine", True, True, ""),
        ("t: one", True, True, ""),
        ("t: five", False, True, "expected 5 violations, found 1"),
        ("t: text", False, True, "expected 1 or more violations whose message matches 'no: such', found 0"),
        ("t: none", False, True, "expected 0 violations whose message matches 'Node.*', found 1"),
        ("t: others", True, True, ""),
        ("t: broken", False, False, "the message of an assertion: error parsing regexp: missing closing ): `(`"),
        ("t: much", False, False, "the violations of an assertion are neither yes, no nor a number: 'much'"),
    ]
    assert capfd.readouterr().err == ""


KYVERNO = """\
apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {name: t}
resources: [objects.yaml]
variables: values.yaml
results:
- {policy: p, rule: r, resource: bad, kind: ConfigMap, status: fail}
- {policy: p, rule: r, resources: [default/good], kind: ConfigMap, result: pass}
- {policy: p, rule: r, resources: [elsewhere/good], kind: ConfigMap, result: pass}
- {policy: p, rule: r, resources: [good], kind: ConfigMap, result: sometimes}
- {policy: p, rule: r, resources: [good], kind: ConfigMap, result: error}
- {policy: p, rule: other, resources: [good], kind: ConfigMap, result: pass}
- {policy: nobody, rule: r, resources: [good], kind: ConfigMap, result: pass}
- {policy: p, rule: r, resources: [valued], kind: ConfigMap, result: fail}
- {policy: p, rule: r, resources: [twice], kind: ConfigMap, result: pass}
- {policy: p, rule: r, kind: ConfigMap, result: pass}
checks:
- match: {resource: {kind: ConfigMap}}
  assert: {status: pass}
"""


def test_a_test_of_kyverno(tmp_path: Path) -> None:
    values = """\
apiVersion: cli.kyverno.io/v1alpha1
kind: Values
metadata: {name: v}
spec: {policies: [{name: p, resources: [{name: valued, values: {request.roles: [y]}}]}]}
"""
    twice = [GOOD.replace("good", "twice"), BAD.replace("bad", "twice, namespace: other")]
    objects = "\n---\n".join([GOOD, BAD, BAD.replace("bad", "valued"), *twice])
    found = converted(tmp_path, policy=POLICY, test=KYVERNO, objects=objects, values=values)
    assert [(*each[:3], each[3].partition(" (")[0]) for each in results(found)] == [
        ("r: bad (fail)", True, True, ""),
        ("r: default/good (pass)", True, True, ""),
        ("r: elsewhere/good (pass)", False, False, "none of the test's resources is elsewhere/good"),
        ("r: good (sometimes)", False, False, "the result 'sometimes'"),
        ("r: good (error)", False, True, "expected an error, found p: allow"),
        ("other: good (pass)", False, False, "the policy has no rule other"),
        ("r: valued (fail)", False, False, "the test sets request.roles, which has no place in a request"),
        ("r: twice (pass)", True, True, ""),
        ("r: twice (pass)", False, True, "expected pass, found p: deny"),
        ("r: good (pass)", True, True, ""),
        ("r: bad (pass)", False, True, "expected pass, found p: deny"),
        ("r: valued (pass)", False, False, "the test sets request.roles, which has no place in a request"),
        ("r: twice (pass)", True, True, ""),
        ("r: twice (pass)", False, True, "expected pass, found p: deny"),
    ]
    assert [each.message for each in found.notes] == [
        "checks on reports are not run",
        "a result for the policy 'nobody', which is not among the sources",
    ]


def test_a_malformed_test_does_not_stop_the_conversion(tmp_path: Path) -> None:
    test = KYVERNO.replace("resources: [objects.yaml]\nvariables: values.yaml\nresults:", "results: 5\nother:")
    found = converted(tmp_path, policy=POLICY, test=test)
    assert [each.message for each in found.notes][-1] == "a malformed test: not run"
    assert found.written


def test_the_assertions_of_a_suite_are_kept(tmp_path: Path) -> None:
    """Counts, messages, and the Namespaces of an inventory stand in the cases, and a case that breaks one fails."""
    whole.convert([str(SOURCES / "gatekeeper" / "suites")], tmp_path / "tree")
    file = tmp_path / "tree" / "production-images" / "tests.yaml"
    (test,) = yaml.safe_load_all(file.read_text())
    assert [each["expect"] for each in test["cases"]] == ["deny", "allow", "no-match"]
    assert test["cases"][0]["findings"] == [
        {"count": 2},
        {"matches": "^not pinned: a, b$", "count": 1},
        {"matches": "elsewhere: a$", "count": 1},
        {"matches": "Rego", "count": 0},
    ]
    assert failures(tmp_path / "tree") == []
    file.write_text(file.read_text().replace("count: 2", "count: 3"))
    assert failures(tmp_path / "tree") == ["expected 3 findings, found 2"]


def failures(tree: Path) -> list[str]:
    policies = load(str(tree))
    planned, problems = policytest.plan([str(tree)], policies)
    assert problems == []
    return [failure for each in runs.run(planned, policies) for failure in each.failures]
