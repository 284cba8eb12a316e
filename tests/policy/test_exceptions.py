"""PolicyExceptions as they are loaded: what is refused, and where; what an expired one tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import (
    BINDING,
    POLICY,
    binding,
    exception,
    loaded,
    loaded_files,
    mutating_binding,
    policy,
    problems,
    wrong,
)
from webhook.policy.exceptions import moment


def refused(**spec: Any) -> list[str]:
    return problems(policy(), binding(), exception(**spec))


def test_a_whole_exception_is_loaded_with_its_policy() -> None:
    policies = loaded(policy(), binding(), exception())
    [exemption] = policies.validating[0].exceptions
    assert exemption.exception.name == "x"
    assert policies.exceptions == (exemption.exception,)
    assert policies.notes == ()
    assert policies.objects == ()  # it is none of a cluster's


@pytest.mark.parametrize("field", ["policies", "objects", "reason", "approvedBy", "expires"])
def test_what_is_required(field: str) -> None:
    [message] = refused(**{field: ...})
    assert message.startswith(f"PolicyException 'x': spec.{field}: required")


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ({}, "names no object; expected namespaces, names or labelSelector, or it would cover everything"),
        ({"resources": ["pods"]}, "names no object; expected namespaces, names or labelSelector"),
        ({"labelSelector": {}}, "names no object; expected labels that an object must have"),
        (
            {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}},
            "names no object; expected labels that an object must have",
        ),
        ({"namespaces": []}, "objects.namespaces: must not be empty"),
        ({"names": []}, "objects.names: must not be empty"),
        ({"names": ["a"], "resources": []}, "objects.resources: must not be empty"),
        ({"names": ["web-*"]}, "objects.names[0]: expected a whole name, without wildcards, found 'web-*'"),
        ({"namespaces": ["*"]}, "objects.namespaces[0]: expected a whole name, without wildcards, found '*'"),
        ({"namespaces": ["A"]}, "objects.namespaces[0]: expected the name of a namespace, found 'A'"),
        ({"names": ["a"], "resources": ["*.apps"]}, "objects.resources[0]: expected a resource such as pods"),
        ({"names": ["a"], "labelSelector": {"matchLabels": {"/": "x"}}}, "labelSelector.matchLabels"),
        ({"name": "a"}, "objects.name: unknown field; did you mean names?"),
    ],
)
def test_it_names_objects_and_never_all_of_them(objects: dict[str, Any], told: str) -> None:
    assert any(told in message for message in refused(objects=objects))


@pytest.mark.parametrize("field", ["operations", "users"])
def test_empty_lists_are_refused(field: str) -> None:
    assert refused(**{field: []})[0].startswith(f"PolicyException 'x': spec.{field}: must not be empty")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"name": "q"}, "spec.policies[0].name: there is no policy 'q'; expected one of: p"),
        ({"name": "p", "kind": "MutatingAdmissionPolicy"}, "there is no MutatingAdmissionPolicy 'p'"),
        (
            {"name": "p", "bindings": ["bb"]},
            "policies[0].bindings[0]: there is no binding 'bb' of 'p'; did you mean b?",
        ),
        ({"name": "p", "bindings": []}, "policies[0].bindings: must not be empty"),
        ({"name": "p", "validations": []}, "policies[0].validations: must not be empty"),
        ({"name": "p", "validations": [1]}, "policies[0].validations[0]: expected 0 to 0, found 1"),
        ({"name": "p", "validations": [-1]}, "policies[0].validations[0]: expected 0 to 0, found -1"),
        ({"bindings": ["b"]}, "policies[0].name: required"),
    ],
)
def test_what_it_names_of_policies_is_there(named: dict[str, Any], told: str) -> None:
    assert told in refused(policies=[named])[0]


def test_an_unknown_policy_is_told_with_the_nearest_name() -> None:
    [message] = problems(policy("no-host-path"), binding("no-host-path"), exception(policies=[{"name": "no-hostpath"}]))
    assert message.endswith("spec.policies[0].name: there is no policy 'no-hostpath'; did you mean no-host-path?")


def test_a_policy_with_errors_of_its_own_is_not_blamed_on_the_exception() -> None:
    broken = policy(validations=[{"expression": "1"}])
    assert not any("PolicyException" in message for message in problems(broken, binding(), exception()))


def test_python_policies_have_no_numbered_validations(tmp_path: Path) -> None:
    python = """\
        from gatewright import validate

        @validate(resources=["v1/pods"])
        def p(request):
            yield "no"
        """
    text = f"{exception(policies=[{'name': 'p', 'validations': [0]}])}"
    [problem] = wrong(tmp_path, p_py=python, binding_yaml=BINDING, exception_yaml=text)
    assert "spec.policies[0].validations: 'p' has no numbered validations" in problem.message


def test_two_of_one_name_are_refused() -> None:
    [message] = problems(policy(), binding(), exception(), exception())
    assert "PolicyException 'x' is already defined in tree.yaml" in message


def test_another_version_of_the_kind_is_refused() -> None:
    [message] = problems(policy(), binding(), exception() | {"apiVersion": "gatewright.dev/v2"})
    assert message == "PolicyException 'x': apiVersion: expected gatewright.dev/v1, found 'gatewright.dev/v2'"


def test_the_kind_of_another_project_is_an_object() -> None:
    other = exception() | {"apiVersion": "policies.example.com/v2"}
    assert loaded(policy(), binding(), other).objects == (other,)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 86400.0),  # the whole day
        ("1970-01-02T00:00:00Z", 86400.0),
        ("1970-01-02T01:00:00+01:00", 86400.0),
        ("1970-01-01T00:00:00.123456789z", 0.123456),
    ],
)
def test_the_end_is_a_day_or_a_time(text: str, seconds: float) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    "text", ["never", "2027", "2027-02-30", "2027-13-01", "2027-01-01T00:00:00", "1y", "9999-12-31"]
)
def test_what_is_neither_is_refused(text: str) -> None:
    assert moment(text) is None
    assert "spec.expires: expected a date such as 2027-03-31" in refused(expires=text)[0]


def test_an_expired_one_says_so_where_it_stands(tmp_path: Path) -> None:
    text = """\
        apiVersion: gatewright.dev/v1
        kind: PolicyException
        metadata: {name: old}
        spec:
          policies: [{name: p}]
          objects: {namespaces: [legacy]}
          reason: r
          approvedBy: s
          expires: 2020-01-31
        """
    policies = loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, exception_yaml=text)
    [note] = policies.notes
    assert (Path(note.file).name, note.line) == ("exception.yaml", 9)
    assert note.message == (
        "PolicyException 'old' expired (2020-01-31) and has no effect: remove it, or renew its approval"
    )


def test_a_name_stands_for_the_policies_of_both_kinds_unless_it_says_which(tmp_path: Path) -> None:
    python = """\
        from gatewright import mutate, validate

        @validate(resources=["v1/pods"], name="p")
        def check(request):
            yield "no"

        @mutate(resources=["v1/pods"], name="p")
        def change(request):
            request.object["metadata"]["labels"] = {"a": "b"}
        """
    named = [{"name": "p", "kind": "MutatingAdmissionPolicy"}]
    files = {"p_py": python, "binding_yaml": BINDING, "mutating_yaml": str(mutating_binding("p"))}
    both = loaded_files(tmp_path, **files, exception_yaml=str(exception()))
    assert [len(each.exceptions) for each in both.policies] == [1, 1]
    one = loaded_files(tmp_path, **files, exception_yaml=str(exception(policies=named)))
    assert [len(each.exceptions) for each in one.policies] == [0, 1]
