"""PolicyTests: what a case sends, and what is said of one that is written wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.offline.cases.policytests import POD, one, problems, tree


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
            "6:13: PolicyTest 't': cases[0].object: apiVersion must be set",
        ),
        ("{name: c, object: [], expect: deny}", "6:13: PolicyTest 't': cases[0].object: expected a mapping"),
        (
            "{name: c, objekt: {}, expect: deny}",
            "6:13: PolicyTest 't': cases[0].objekt: unknown field; did you mean object?",
        ),
        (
            "{name: c, expect: maybe}",
            "6:13: PolicyTest 't': cases[0].expect: expected 'allow', 'deny', 'warn', 'audit', 'error' or 'no-match'",
        ),
        (
            "{name: c, object: {apiVersion: v1, kind: Pod}, expect: allow, message: x}",
            "6:65: PolicyTest 't': cases[0].message: an allowed request has no message",
        ),
        (
            "{name: c, object: {apiVersion: v1, kind: Pod}, expect: deny, findings: [{matches: '('}]}",
            "6:76: PolicyTest 't': cases[0].findings[0].matches: error parsing regexp: missing closing )",
        ),
        (
            "{name: c, object: {apiVersion: v1, kind: Pod}, expect: deny, findings: [{count: -1}]}",
            "6:76: PolicyTest 't': cases[0].findings[0].count: expected 0 or more, found -1",
        ),
        (
            "{name: c, object: {apiVersion: v1, kind: Pod}, expect: allow, findings: [{count: 1}]}",
            "6:76: PolicyTest 't': cases[0].findings[0]: a case that expects allow has no findings",
        ),
        (
            "{name: c, object: {apiVersion: autoscaling/v1, kind: Scale}, expect: deny}",
            "6:3: PolicyTest 't': cases[0].resource: the kind Scale does not determine the resource; set resource",
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


@pytest.mark.parametrize(
    ("mutants", "expected"),
    [
        ("[{reason: r}]", "5:11: PolicyTest 't': mutants[0].ids: expected the ids of mutants"),
        ("[{ids: [nine-dig], reason: r}]", "5:18: PolicyTest 't': mutants[0].ids[0]: expected the id of a mutant, as"),
        ("[{ids: [1234567a]}]", "5:11: PolicyTest 't': mutants[0].reason: expected the reason why no case can notice"),
        ("[{ids: [12345678], reason: r}]", "5:18: PolicyTest 't': mutants[0].ids[0]: expected text, found the number"),
    ],
)
def test_an_explanation_of_mutants_has_ids_and_a_reason(tmp_path: Path, mutants: str, expected: str) -> None:
    head = (
        f"apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {{name: t}}\npolicy: named\nmutants: {mutants}\n"
    )
    cases = "- {name: c, object: {apiVersion: v1, kind: Pod}, expect: deny}\n"
    (problem,) = problems(tree(tmp_path, cases, head=head))
    assert problem.startswith(f"tests.yaml:{expected}")
