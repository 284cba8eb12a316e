"""Compiles the policies that conversion made, as loading does: what the API server would refuse is not written."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.convert.model import JSONObject, Outcome
from webhook.convert.standard import MUTATING
from webhook.policy.load.made import mutating_policy, validating_policy
from webhook.policy.written import model, refusals
from webhook.versions import Version


def keep_what_compiles(outcome: Outcome, target: Version) -> None:
    """Take out the policies that do not compile, each with the reason; their bindings too."""
    for policy in list(outcome.policies):
        name = policy["metadata"]["name"]
        faults = list(_faults(policy, outcome, target))
        if not faults:
            continue
        outcome.policies.remove(policy)
        outcome.bindings = [each for each in outcome.bindings if each["spec"]["policyName"] != name]
        rule = ""
        for own, made in list(outcome.rules.items()):
            if name in made:
                made.remove(name)
                rule = own
        outcome.refuse(_place(outcome, rule), f"{f'rule {rule}: ' if rule else ''}{faults[0]}")


def _place(outcome: Outcome, rule: str) -> tuple[str | int, ...]:
    rules = (outcome.document.value.get("spec") or {}).get("rules") if rule else None
    for index, each in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(each, dict) and each.get("name") == rule:
            return ("spec", "rules", index)
    return ("spec",)


def _faults(policy: JSONObject, outcome: Outcome, target: Version) -> Iterator[str]:
    """Why the API server would refuse a policy."""
    mutating = policy["kind"] == MUTATING
    if mutating:
        mutation, faults = model.decode(model.MutatingAdmissionPolicy, policy)
        yield from (f"{'.'.join(map(str, path))}: {message}" for path, message in faults)
        if faults:
            return
        yield from (f"{'.'.join(map(str, path))}: {message}" for path, message in refusals.of_mutating_policy(mutation))
        _, issues = mutating_policy(mutation, target, outcome.document.stream, outcome.document.line)
    else:
        validation, faults = model.decode(model.ValidatingAdmissionPolicy, policy)
        yield from (f"{'.'.join(map(str, path))}: {message}" for path, message in faults)
        if faults:
            return
        yield from (f"{'.'.join(map(str, path))}: {message}" for path, message in refusals.of_policy(validation))
        _, issues = validating_policy(validation, target, outcome.document.stream, outcome.document.line)
    for path, issue in issues:
        yield f"{'.'.join(map(str, path))}: {issue.message}"
