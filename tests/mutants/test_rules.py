"""The changes of a policy's rules, selectors and failurePolicy."""

from __future__ import annotations

from typing import Any

import yaml

from webhook.mutants.rules import changes


def changed(spec: str) -> list[tuple[str, Any]]:
    """The kind of each change, and the spec after it."""
    document = {"spec": yaml.safe_load(spec)}
    before = yaml.safe_dump(document)
    found = [(each.change, each.applied(document)["spec"]) for each in changes(document)]
    assert yaml.safe_dump(document) == before, "the document itself does not change"
    return found


def of(kind: str, spec: str) -> list[Any]:
    return [after for change, after in changed(spec) if change == kind]


RULE = (
    "{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments, deployments/scale]}"
)


def test_each_entry_of_a_rule_is_left_out() -> None:
    spec = f"{{failurePolicy: Fail, matchConstraints: {{resourceRules: [{RULE}]}}}}"
    rule = yaml.safe_load(RULE)
    assert changed(spec) == [
        (kind, {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{**rule, kind: left}]}})
        for kind, left in (
            ("operations", ["UPDATE"]),
            ("operations", ["CREATE"]),
            ("resources", ["deployments/scale"]),
            ("resources", ["deployments"]),
        )
    ] + [("failurePolicy", {"failurePolicy": "Ignore", "matchConstraints": {"resourceRules": [rule]}})]


def test_the_one_operation_is_exchanged() -> None:
    for one, other in (("CREATE", "UPDATE"), ("UPDATE", "CREATE"), ("DELETE", "CREATE"), ("CONNECT", "CREATE")):
        (after,) = of("operations", f"{{matchConstraints: {{resourceRules: [{{operations: [{one}]}}]}}}}")
        assert after["matchConstraints"]["resourceRules"][0]["operations"] == [other]
    assert of("operations", '{matchConstraints: {resourceRules: [{operations: ["*"]}]}}') == []


def test_a_rule_is_left_out_if_others_stay() -> None:
    one, other = {"resources": ["pods"]}, {"resources": ["services"]}
    rules = [after["matchConstraints"]["resourceRules"] for after in of("rule", yaml.safe_dump(
        {"matchConstraints": {"resourceRules": [one, other]}}
    ))]  # fmt: skip
    assert rules == [[other], [one]]
    assert of("rule", "{matchConstraints: {resourceRules: [{resources: [pods]}]}}") == []
    (after,) = of("rule", "{matchConstraints: {excludeResourceRules: [{resources: [pods]}]}}")
    assert after["matchConstraints"]["excludeResourceRules"] == []


def test_scope_and_selectors_are_taken_away() -> None:
    (after,) = of("scope", "{matchConstraints: {resourceRules: [{scope: Namespaced}]}}")
    assert after["matchConstraints"]["resourceRules"] == [{"scope": "*"}]
    assert of("scope", '{matchConstraints: {resourceRules: [{scope: "*"}]}}') == []
    spec = "{matchConstraints: {namespaceSelector: {matchLabels: {a: b}}, objectSelector: {}}}"
    assert of("selector", spec) == [
        {"matchConstraints": {"objectSelector": {}}},
    ]


def test_the_failure_policy_is_turned_around_even_if_it_is_not_written() -> None:
    assert of("failurePolicy", "{}") == [{"failurePolicy": "Ignore"}]
    assert of("failurePolicy", "{failurePolicy: Ignore}") == [{"failurePolicy": "Fail"}]
