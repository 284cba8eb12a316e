"""Why a policy was not evaluated in a case: by its rules, selectors, conditions, bindings and params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.offline.cases.policytests import BINDING, POD, POLICY, one

SELECTOR = "{matchLabels: {tier: gold}}"


def changed(text: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize(
    ("policy", "binding", "case", "by", "why"),
    [
        (
            ('operations: ["*"]', "operations: [UPDATE]"),
            (),
            "",
            "",
            "matchConstraints.resourceRules are about UPDATE of these, not about CREATE",
        ),
        (
            ("  validations", f"    objectSelector: {SELECTOR}\n  validations"),
            (),
            "",
            "",
            "matchConstraints.objectSelector wants tier=gold (there is none)",
        ),
        (
            ("  validations", f"    namespaceSelector: {SELECTOR}\n  validations"),
            (),
            "namespace: {name: shop, labels: {tier: silver}}",
            "",
            "matchConstraints.namespaceSelector wants tier=gold (it is 'silver') of the Namespace",
        ),
        (
            ("  validations", "  matchConditions: [{name: mine, expression: 'false'}]\n  validations"),
            (),
            "",
            "named",
            "its matchCondition mine is false",
        ),
        (
            (
                "spec:\n",
                "spec:\n  failurePolicy: Ignore\n"
                "  matchConditions: [{name: mine, expression: object.spec.nodeName == 'a'}]\n",
            ),
            (),
            "",
            "named",
            "its matchConditions are in error; failurePolicy Ignore lets the request pass",
        ),
        (
            (),
            ("[Deny]", f"[Deny], matchResources: {{objectSelector: {SELECTOR}}}"),
            "",
            "named",
            "matchResources.objectSelector wants tier=gold (there is none)",
        ),
        (
            ("  validations", "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  validations"),
            ("[Deny]", "[Deny], paramRef: {name: a, namespace: b, parameterNotFoundAction: Allow}"),
            "",
            "named",
            "the binding selects no param object, and its parameterNotFoundAction is Allow",
        ),
        (
            ("spec:\n", "spec:\n  failurePolicy: Ignore\n  paramKind: {apiVersion: v1, kind: ConfigMap}\n"),
            ("[Deny]", "[Deny], paramRef: {name: a, namespace: b, parameterNotFoundAction: Deny}"),
            "",
            "named",
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction; "
            "failurePolicy Ignore lets the request pass",
        ),
    ],
)
def test_a_case_says_why_the_policy_was_not_evaluated(
    tmp_path: Path, policy: Any, binding: Any, case: str, by: str, why: str
) -> None:
    changed_policy = changed(POLICY, policy) if policy else POLICY
    changed_binding = changed(BINDING, binding) if binding else BINDING
    result = one(
        tmp_path,
        f"name: c\n{POD}\n{case}\nexpect: no-match\nmessage: {why[:20]!r}",
        binding=changed_binding,
        policy=changed_policy,
    )
    assert [(each.kind, each.binding, each.why) for each in result.unmatched] == [
        ("ValidatingAdmissionPolicy", by, why)
    ]
    assert (result.matched, result.verdict, result.failures) == (False, "no-match", ())


def test_one_binding_that_matches_is_enough(tmp_path: Path) -> None:
    other = BINDING.replace("{name: named}", "{name: other}").replace(
        "[Deny]", f"[Deny], matchResources: {{objectSelector: {SELECTOR}}}"
    )
    result = one(tmp_path, f"name: c\n{POD}\nexpect: allow", expression="true", binding=f"{BINDING}---\n{other}")
    assert result.matched
    assert result.passed


def test_the_reason_must_be_the_expected_one(tmp_path: Path) -> None:
    case = f"name: c\n{POD}\nexpect: no-match\nmessage: objectSelector"
    result = one(tmp_path, case, policy=POLICY.replace('operations: ["*"]', "operations: [UPDATE]"))
    assert result.failures == ("expected a message with 'objectSelector'",)


def test_labels_that_come_from_a_secret_are_not_shown(tmp_path: Path) -> None:
    """A reason holds labels, and a label may repeat a Secret's value."""
    secret = (
        "object: {apiVersion: v1, kind: Secret, metadata: {name: s, labels: {tier: swordfish}},"
        " stringData: {password: swordfish}}"
    )
    policy = POLICY.replace("  validations", f"    objectSelector: {SELECTOR}\n  validations")
    (why,) = one(tmp_path, f"name: c\n{secret}\nexpect: no-match", policy=policy).unmatched
    assert "swordfish" not in why.why
    assert "matchConstraints.objectSelector wants tier=gold" in why.why


MUTATOR = """\
from gatewright import mutate, validate

@mutate(resources=["v1/pods"], operations=["CREATE"])
def named(request):
    request.object["metadata"]["labels"] = {"seen": "yes"}
"""
OTHERS = POLICY.replace('operations: ["*"]', "operations: [DELETE]").replace("EXPRESSION", "'true'")


def test_of_two_policies_of_one_name_one_has_to_match(tmp_path: Path) -> None:
    (tmp_path / "named.py").write_text(MUTATOR)
    assert one(tmp_path, f"name: c\n{POD}\nexpect: allow", policy=OTHERS, binding="").passed
    result = one(tmp_path, f"name: c\n{POD}\nvalidateOnly: true\nexpect: no-match", policy=OTHERS, binding="")
    assert result.passed
    assert [each.kind for each in result.unmatched] == ["ValidatingAdmissionPolicy"]


PARAM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: named, namespace: policies}\ndata: {most: '3'}\n"


@pytest.mark.parametrize(
    ("params", "binding", "verdict"),
    [
        (PARAM, "", "allow"),
        (
            PARAM,
            BINDING.replace(
                "[Deny]", "[Deny], paramRef: {name: other, namespace: policies, parameterNotFoundAction: Deny}"
            ),
            "error",
        ),
        (PARAM.replace("name: named", "name: other"), "", "error"),
        (f"{PARAM}---\n{PARAM.replace('namespace: policies', 'namespace: others')}", "", "error"),
    ],
)
def test_an_unbound_policy_gets_the_param_of_its_name(params: str, binding: str, verdict: str, tmp_path: Path) -> None:
    """A library's policies lie beside their params without a binding, which would name these."""
    (tmp_path / "params.yaml").write_text(params)
    policy = changed(POLICY, ("  validations", "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  validations"))
    case = f"name: named\n{POD}\nexpect: {verdict}"
    result = one(tmp_path, case, policy=policy, binding=binding, expression="params.data.most == '3'")
    assert result.failures == (), result.texts


def test_the_params_of_a_case_replace_it(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAM)
    policy = changed(POLICY, ("  validations", "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  validations"))
    case = f"name: named\n{POD}\nparams: {{data: {{most: '4'}}}}\nexpect: deny"
    result = one(tmp_path, case, policy=policy, binding="", expression="params.data.most == '3'")
    assert result.failures == (), result.texts


@pytest.mark.parametrize(
    ("bound", "actions", "verdict"),
    [
        ("[Warn]", "", "warn"),
        ("[Warn, Audit]", "actions: [Deny]\n", "deny"),
        ("[Deny]", "actions: [Warn, Audit]\n", "warn"),
        ("[Deny]", "actions: [Audit]\n", "audit"),
    ],
)
def test_the_actions_of_a_test_take_the_place_of_the_bindings(
    bound: str, actions: str, verdict: str, tmp_path: Path
) -> None:
    """So the cases of a policy hold while it is rolled out with Audit and Warn."""
    head = f"apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {{name: t}}\npolicy: named\n{actions}"
    case = f"name: c\n{POD}\nexpect: {verdict}"
    result = one(tmp_path, case, head=head, binding=BINDING.replace("[Deny]", bound))
    assert result.failures == (), result.texts


def test_a_finding_with_another_action_is_told_who_says_so(tmp_path: Path) -> None:
    head = "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\npolicy: named\n"
    case = f"name: c\n{POD}\nexpect: deny"
    audit = BINDING.replace("[Deny]", "[Audit]")
    assert one(tmp_path, case, head=head, binding=audit).failures == (
        "expected deny, got audit: so say the policy's bindings; write expect: audit, or actions: [Deny] beside "
        "`policy`, in place of theirs",
    )
    assert one(tmp_path, case, head=f"{head}actions: [Warn]\n", binding=audit).failures == (
        "expected deny, got warn: so say the `actions` beside `policy`; correct them, or write expect: warn",
    )
