"""What a policy of Kyverno says beside its rules: never passed over without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import only
from webhook.convert import writing
from webhook.documents.yamlwriting import stream
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load

HEAD = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n"
LABEL = "validate: {pattern: {metadata: {labels: {a: b}}}}"
MOON = f"moon: full\n    {LABEL}"


def rule(kinds: str = "ConfigMap", more: str = LABEL, name: str = "r") -> str:
    return f"  - name: {name}\n    match: {{any: [{{resources: {{kinds: [{kinds}]}}}}]}}\n    {more}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"  moon: full\n  rules:\n{rule()}", "spec.moon"),
        (f"  rules:\n{rule(more=MOON)}", "rule r: moon"),
        (f"  admission: false\n  rules:\n{rule()}", "admission: false"),
        (f"  rules:\n{rule()}{rule()}", "two rules with the name 'r'"),
        ("  rules: [{match: {}}]\n", "a rule without a name"),
        (f"  rules:\n{rule(more='context: []')}", "neither validate nor mutate"),
        ("  rules: [" + "{name: x}," * 200 + "]\n", "more than 100 rules"),
        ("  rules: [{name: r, match: {any: []}, " + LABEL + "}]\n", "a rule that matches nothing"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    outcome = only(tmp_path, HEAD + text)
    assert any(reason in note.message for note in outcome.refused), outcome.refused
    assert not outcome.policies


def test_the_first_rule_alone_is_a_difference(tmp_path: Path) -> None:
    outcome = only(tmp_path, f"{HEAD}  applyRules: One\n  rules:\n{rule()}{rule(name='s')}")
    assert [each.message for each in outcome.differences] == ["all rules that match apply, not only the first"]
    assert [each["metadata"]["name"] for each in outcome.policies] == ["p-r", "p-s"]


@pytest.mark.parametrize(
    ("spec", "actions"),
    [
        ("", ["Audit"]),
        ("  validationFailureAction: Enforce\n", ["Deny"]),
        ("  validationFailureAction: enforce\n", ["Deny"]),
        ("  validationFailureAction: audit\n  emitWarning: true\n", ["Warn", "Audit"]),
    ],
)
def test_the_binding_does_what_the_policy_says(tmp_path: Path, spec: str, actions: list[str]) -> None:
    (binding,) = only(tmp_path, f"{HEAD}{spec}  rules:\n{rule()}").bindings
    assert binding["spec"]["validationActions"] == actions


@pytest.mark.parametrize(
    ("kinds", "more", "operations"),
    [
        ("ConfigMap", LABEL, ["CREATE", "UPDATE"]),
        ("Pod/exec", LABEL, ["CREATE", "UPDATE", "CONNECT"]),
        ("ConfigMap], operations: [DELETE", LABEL, ["DELETE"]),
        (
            "ConfigMap",
            "validate: {deny: {conditions: [{key: '{{ request.operation }}', operator: Equals, value: DELETE}]}}",
            ["CREATE", "UPDATE", "DELETE"],
        ),
    ],
)
def test_the_operations(tmp_path: Path, kinds: str, more: str, operations: list[str]) -> None:
    (policy,) = only(tmp_path, f"{HEAD}  rules:\n{rule(kinds, more)}").policies
    (resources,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert resources["operations"] == operations


def matching(match: str, exclude: str = "{}") -> str:
    return f"  - name: r\n    match: {match}\n    exclude: {exclude}\n    {LABEL}\n"


@pytest.mark.parametrize(
    ("match", "exclude", "named"),
    [
        ('{any: [{resources: {kinds: ["*/v1/ConfigMap"]}}]}', "{}", "matches nothing"),
        ('{any: [{resources: {kinds: ["*/*/Deployment"]}}]}', "{}", "matches nothing"),
        ("{any: [{resources: {kinds: [apps/Deployment]}}]}", "{}", "matches nothing"),
        ('{any: [{resources: {kinds: ["v*/Pod"]}}]}', "{}", "matches nothing"),
        (
            "{any: [{resources: {kinds: [Pod]}}]}",
            "{any: [{resources: {kinds: [Pod], namespaces: [a]}}, {resources: {kinds: [Secret]}}]}",
            "CronJobs are judged",
        ),
    ],
)
def test_what_kyverno_matches_otherwise_is_named(tmp_path: Path, match: str, exclude: str, named: str) -> None:
    """Each was asked of its command."""
    (difference,) = only(tmp_path, f"{HEAD}  rules:\n{matching(match, exclude)}").differences
    assert named in difference.message


@pytest.mark.parametrize(
    "kinds", ["v1/ConfigMap", "apps/*/Deployment", "*/Deployment", "*/*/*", "*/Deployment/*", "Deployment/scale"]
)
def test_forms_of_kinds_that_kyverno_takes_so(tmp_path: Path, kinds: str) -> None:
    match = f'{{any: [{{resources: {{kinds: ["{kinds}"]}}}}]}}'
    assert only(tmp_path, f"{HEAD}  rules:\n{matching(match)}").differences == []


def test_all_controllers_are_the_default(tmp_path: Path) -> None:
    """As versions took it that knew the value all; without it rules for the controllers would be lost."""
    head = HEAD.replace("{name: p}", "{name: p, annotations: {pod-policies.kyverno.io/autogen-controllers: all}}")
    stated, default = (only(tmp_path, f"{each}  rules:\n{rule('Pod')}").policies for each in (head, HEAD))
    assert stated[0]["spec"]["matchConstraints"] == default[0]["spec"]["matchConstraints"]


def test_existing_violations_are_named_where_they_are_let_through(tmp_path: Path) -> None:
    validate = "validate: {allowExistingViolations: %s, pattern: {metadata: {labels: {a: b}}}}"
    stated = only(tmp_path, f"{HEAD}  rules:\n{rule(more=validate % 'true')}")
    assert [each.message for each in stated.differences] == [
        "an update of an object that violated the rule before is refused too, and not let through"
    ]
    assert only(tmp_path, f"{HEAD}  rules:\n{rule(more=validate % 'false')}").differences == []


SPACES = ("dev-1", "dev-2", "prod-1", "shop")


def verdicts(
    tmp_path: Path, overrides: str, action: str = "Audit", labels: dict[str, str] | None = None
) -> dict[str, str]:
    """What is said of a ConfigMap that breaks a rule, by its namespace. labels: of all namespaces."""
    text = (
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n"
        f"  validationFailureAction: {action}\n  rules:\n  - name: r\n"
        "    match: {any: [{resources: {kinds: [ConfigMap], operations: [CREATE]}}]}\n"
        f"    validate: {{failureActionOverrides: {overrides}, pattern: {{metadata: {{labels: {{a: b}}}}}}}}\n"
    )
    outcome = only(tmp_path, text)
    assert (outcome.status, outcome.refused) == ("whole", [])
    writing.stage([outcome], tmp_path)
    policies = load(tmp_path)
    found: dict[str, str] = {}
    for namespace in SPACES:
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}}
        case = {"name": "c", "object": made, "expect": "allow"}
        case["namespace"] = {"name": namespace, "labels": labels or {}}
        tests = [writing.policy_test(each, [case]) for each in outcome.made]
        (tmp_path / "p" / "tests.yaml").write_text(stream(tests))
        planned, problems = policytest.plan([str(tmp_path)], policies)
        assert problems == []
        said = {each.verdict for each in runs.run(planned, policies)} - {"no-match", "allow"}
        (found[namespace],) = said  # one policy judges it, and no other does
    return found


@pytest.mark.parametrize(
    ("overrides", "action", "dev_1", "dev_2", "prod", "shop"),
    [
        ("[{action: Enforce, namespaces: ['dev-*']}]", "Audit", "deny", "deny", "audit", "audit"),
        ("[{action: Audit, namespaces: ['dev-*', prod-1]}]", "Enforce", "audit", "audit", "audit", "deny"),
        ("[{action: Audit, namespaces: [dev-1]}, {action: Enforce, namespaces: ['dev-?']}]", "Audit",
         "audit", "deny", "audit", "audit"),
        ("[{action: Enforce, namespaces: ['dev-*']}, {action: Audit, namespaces: ['*-1']}]", "Enforce",
         "deny", "deny", "audit", "deny"),
        ("[{action: Enforce, namespaces: ['*']}]", "Audit", "deny", "deny", "deny", "deny"),
    ],
)  # fmt: skip
def test_an_override_of_the_action_may_have_wildcards(
    tmp_path: Path, overrides: str, action: str, dev_1: str, dev_2: str, prod: str, shop: str
) -> None:
    """Of overrides that name the same namespace the first counts."""
    wanted = {"dev-1": dev_1, "dev-2": dev_2, "prod-1": prod, "shop": shop}
    assert verdicts(tmp_path, overrides, action) == wanted


BY_LABELS = "namespaceSelector: {matchLabels: {x: 'y'}}"


@pytest.mark.parametrize(
    ("overrides", "action", "without", "labelled"),
    [
        (f"[{{action: Audit, namespaces: [shop], {BY_LABELS}}}]", "Enforce", {}, {"shop": "audit"}),
        (f"[{{action: Audit, {BY_LABELS}}}]", "Enforce", {}, dict.fromkeys(SPACES, "audit")),
        (f"[{{action: Enforce, namespaces: [shop], {BY_LABELS}}}]", "Audit", {}, {"shop": "deny"}),
        (f"[{{action: Audit, namespaces: ['dev-*'], {BY_LABELS}}}]", "Enforce", {},
         {"dev-1": "audit", "dev-2": "audit"}),
        (f"[{{action: Enforce, {BY_LABELS}}}, {{action: Audit, namespaces: [shop]}}]", "Enforce",
         {"shop": "audit"}, {}),
        (f"[{{action: Audit, namespaces: [shop]}}, {{action: Enforce, {BY_LABELS}}}]", "Enforce", {"shop": "audit"},
         {"shop": "audit"}),
        ("[{action: Enforce, namespaces: ['*-1']}, {action: Audit, namespaces: ['dev-*']}]", "Audit",
         {"dev-1": "deny", "prod-1": "deny"}, {"dev-1": "deny", "prod-1": "deny"}),
        ("[{action: Audit, namespaces: ['dev-*']}, {action: Enforce, namespaces: ['*-1']}]", "Audit",
         {"prod-1": "deny"}, {"prod-1": "deny"}),
    ],
)  # fmt: skip
def test_the_first_override_that_matches_counts(
    tmp_path: Path, overrides: str, action: str, without: dict[str, str], labelled: dict[str, str]
) -> None:
    """By its names and its selector, as Kyverno's command (1.19.1) says of the same."""
    usual = dict.fromkeys(SPACES, "deny" if action == "Enforce" else "audit")
    for name, labels, wanted in (("a", {}, without), ("b", {"x": "y"}, labelled)):
        folder = tmp_path / name
        folder.mkdir()
        assert verdicts(folder, overrides, action, labels) == usual | wanted
