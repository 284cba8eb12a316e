"""What the API server is given of a tree. tests/e2e/test_handover.py gives it to a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.documents import reader
from webhook.documents.document import Document
from webhook.policy.load.loading import load
from webhook.registration.native import ALL, Handover, NativeError, admission_configuration, handover, text

POLICIES = Path(__file__).parent.parent.parent / "policies"
EXEMPT = ("gatewright-system", "kube-system")
NOT_IN = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(EXEMPT)}
RULES = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": RULES, "validations": [{"expression": "true"}], **spec},
    }


def binding(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"], **spec},
    }


def given(folder: Path, *objects: dict[str, Any], names: tuple[str, ...] = ("one",), static: bool = False) -> Handover:
    file = folder / "policies.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return of_tree(folder, *names, static=static)


def of_tree(folder: Path, *names: str, static: bool = False) -> Handover:
    return handover(load(folder), documents(folder), names, EXEMPT, static=static)


def documents(folder: Path) -> list[Document]:
    read, _ = reader.read([str(each) for each in sorted(folder.rglob("*.yaml")) if not each.name.startswith("_")])
    return read


def namespaces(value: dict[str, Any]) -> Any:
    return value["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]


def test_a_policy_is_given_as_the_tree_has_it(tmp_path: Path) -> None:
    own = policy("one", variables=[{"name": "long", "expression": "'x'\n+ '" + "long " * 30 + "'"}])
    found = given(tmp_path, own, binding("one"), policy("two"), binding("two"))
    assert found.names == ("one",)
    assert found.validating[0] == own
    assert [(each["kind"], each["metadata"]["name"]) for each in found.validating[1:]] == [
        ("ValidatingAdmissionPolicyBinding", "one")
    ]


def test_bindings_leave_out_the_exempt_namespaces(tmp_path: Path) -> None:
    (_, bound) = given(tmp_path, policy("one"), binding("one")).validating
    assert namespaces(bound) == [NOT_IN]


def test_what_a_binding_selects_stays(tmp_path: Path) -> None:
    team = {"key": "team", "operator": "Exists"}
    resources = {"namespaceSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [team]}, "objectSelector": {}}
    (_, bound) = given(tmp_path, policy("one"), binding("one", matchResources=resources)).validating
    assert namespaces(bound) == [team, NOT_IN]
    assert bound["spec"]["matchResources"]["namespaceSelector"]["matchLabels"] == {"a": "b"}
    assert bound["spec"]["matchResources"]["objectSelector"] == {}


@pytest.mark.parametrize(("values", "added"), [
    (["kube-system", "gatewright-system", "more"], False),
    (["kube-system"], True),
])  # fmt: skip
def test_a_binding_that_leaves_them_out_already_stays_the_same(values: list[str], added: bool, tmp_path: Path) -> None:
    own = binding("one", matchResources={"namespaceSelector": {"matchExpressions": [{**NOT_IN, "values": values}]}})
    (_, bound) = given(tmp_path, policy("one"), own).validating
    assert (bound != own) == added
    assert (NOT_IN in namespaces(bound)) == added


def test_params_of_the_tree_come_along_and_missing_ones_are_named(tmp_path: Path) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"namespace": "shop", "parameterNotFoundAction": "Deny"}
    param = {**kind, "metadata": {"name": "bounds", "namespace": "shop"}, "data": {"a": "1"}}
    other = {**kind, "metadata": {"name": "other", "namespace": "shop"}}
    second = {**binding("one", paramRef={**ref, "name": "gone"}), "metadata": {"name": "second"}}
    objects = (policy("one", paramKind=kind), binding("one", paramRef={**ref, "name": "bounds"}), second)
    found = given(tmp_path, *objects, param, other)
    assert found.params == (param,)
    assert ["shop/gone must be in the cluster" in each.message for each in found.notes] == [True]


def test_a_policy_without_a_binding_is_named(tmp_path: Path) -> None:
    (note,) = given(tmp_path, policy("one"), policy("two"), binding("two")).notes
    assert (note.line, note.message) == (
        1, "ValidatingAdmissionPolicy 'one' has no binding, so the API server applies it to nothing",
    )  # fmt: skip


def test_of_all_policies_those_without_a_binding_are_left_out(tmp_path: Path) -> None:
    found = given(tmp_path, policy("one"), policy("two"), binding("two"), names=(ALL,))
    assert (found.names, found.notes) == (("two",), ())


EXCEPTION = {
    "apiVersion": "gatewright.dev/v1",
    "kind": "PolicyException",
    "metadata": {"name": "agent"},
    "spec": {
        "policies": [{"name": "one"}],
        "objects": {"namespaces": ["monitoring"]},
        "reason": "an agent",
        "approvedBy": "security",
        "expires": "2099-01-01",
    },
}


def test_exceptions_keep_a_policy_with_the_webhook(tmp_path: Path) -> None:
    """The API server would refuse what the exception lets pass."""
    with pytest.raises(NativeError) as raised:
        given(tmp_path, policy("one"), binding("one"), EXCEPTION)
    (problem,) = raised.value.problems
    assert "has the PolicyException 'agent'" in problem.message
    assert problem.line == 1


def test_what_the_api_server_cannot_run_is_refused_by_name_and_left_out_of_all() -> None:
    with pytest.raises(NativeError) as raised:
        of_tree(POLICIES, "finalizer-enforcement", "no-host-path", "no-host-pat")
    messages = sorted(str(each) for each in raised.value.problems)
    assert len(messages) == 3
    assert messages[0] == "--native no-host-pat: there is no such policy; did you mean no-host-path?"
    assert all("finalizer-enforcement' is written in Python" in each for each in messages[1:])
    found = of_tree(POLICIES, ALL)
    assert {"no-host-path", "replica-bounds"} <= set(found.names)
    assert "finalizer-enforcement" not in found.names
    assert any(
        "finalizer-enforcement" in note.message and "stays with the webhook" in note.message for note in found.notes
    )


def test_files_of_the_api_server_have_names_of_their_own(tmp_path: Path) -> None:
    found = given(tmp_path, policy("one"), binding("one"), static=True)
    assert [each["metadata"]["name"] for each in found.validating] == ["one.static.k8s.io"] * 2
    assert found.validating[1]["spec"]["policyName"] == "one.static.k8s.io"


def test_files_of_the_api_server_have_no_params_and_no_long_names(tmp_path: Path) -> None:
    long = ".".join(["a" * 60] * 4)  # 243 characters, and 14 of the suffix
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    with pytest.raises(NativeError) as raised:
        given(tmp_path, policy("one", paramKind=kind), policy(long), names=("one", long), static=True)
    assert sorted(each.message.partition("' ")[2][:20] for each in raised.value.problems) == [
        "has params (spec.par", "has the name 'aaaaaa",
    ]  # fmt: skip


def test_the_text_is_what_was_given() -> None:
    found = of_tree(POLICIES, ALL)
    objects = (*found.params, *found.validating, *found.mutating)
    written = text(objects, "gatewright manifests\n- x: y", "Words.\nkind: Secret")
    assert tuple(yaml.safe_load_all(written)) == objects


def test_the_configuration_names_a_folder_for_each_plugin() -> None:
    plugins = ("ValidatingAdmissionPolicy", "MutatingAdmissionWebhook")
    value = yaml.safe_load(admission_configuration("/etc/k", plugins, "gatewright"))
    assert [(each["name"], each["configuration"]) for each in value["plugins"]] == [
        (
            "ValidatingAdmissionPolicy",
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicyConfiguration",
                "staticManifestsDir": "/etc/k/validating-policies",
            },
        ),
        (
            "MutatingAdmissionWebhook",
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "WebhookAdmissionConfiguration",
                "staticManifestsDir": "/etc/k/mutating-webhooks",
            },
        ),
    ]
