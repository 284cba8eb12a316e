"""Kyverno's PolicyException -> a condition under which the rules that it names do not apply.

A PolicyException of ours needs an approver and a date, and knows no wildcards; a condition is exact, and any API server
evaluates it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from msgspec import Struct

from webhook.convert import celtext, standard
from webhook.convert.kyverno import match
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping, texts


class Exempted(Struct, frozen=True):
    """What an exception takes out of the rules of a policy. rules: with wildcards; none are all. condition: in CEL."""

    policy: str
    rules: tuple[str, ...]
    condition: str
    name: str


def exempted(outcome: Outcome) -> list[Exempted]:
    """What a PolicyException of either API group takes out. Notes in the outcome what cannot be converted."""
    value = outcome.document.value
    try:
        spec = mapping(value.get("spec"), "spec", ("spec",))
        found = _in_cel(spec, outcome) if value["apiVersion"].startswith("policies.") else _matched(spec, outcome)
    except Unsupported as error:
        outcome.refuse(error.path or ("spec",), f"{error}; the policy applies without the exception")
        return []
    outcome.absorbed = True
    return found


def _matched(spec: dict[str, object], outcome: Outcome) -> list[Exempted]:
    if unknown := sorted(spec.keys() - {"background", "match", "exceptions"}):
        raise Unsupported(f"{unknown[0]} of an exception", ("spec", unknown[0]))
    condition = match.condition_of(spec.get("match"), ("spec", "match"))
    found = []
    for index, each in enumerate(listing(spec.get("exceptions"), "exceptions", ("spec", "exceptions"))):
        at = ("spec", "exceptions", index)
        entry = mapping(each, "an exception", at)
        name = str(entry.get("policyName", "")).rpartition("/")[2]
        rules = tuple(texts(entry.get("ruleNames"), "ruleNames", at))
        found.append(Exempted(name, rules, condition, standard.name_of(outcome.name)))
    if not found:
        raise Unsupported("an exception that names no policy", ("spec",))
    return found


def _in_cel(spec: dict[str, object], outcome: Outcome) -> list[Exempted]:
    if unknown := sorted(spec.keys() - {"policyRefs", "matchConditions"}):
        raise Unsupported(f"{unknown[0]} of an exception", ("spec", unknown[0]))
    given = listing(spec.get("matchConditions"), "matchConditions", ("spec", "matchConditions"))
    terms = [
        str(mapping(each, "a condition", ("spec", "matchConditions", index)).get("expression"))
        for index, each in enumerate(given)
    ]
    condition = " && ".join(f"({each})" for each in terms) if terms else "true"
    references = listing(spec.get("policyRefs"), "policyRefs", ("spec", "policyRefs"))
    named = [mapping(each, "a reference", ("spec", "policyRefs", index)) for index, each in enumerate(references)]
    if not named:
        raise Unsupported("an exception that names no policy", ("spec",))
    return [Exempted(str(each.get("name")), (), condition, standard.name_of(outcome.name)) for each in named]


def conditions(exceptions: list[Exempted], policy: str) -> list[tuple[str, str]]:
    """The conditions that the exceptions of a whole policy add to it."""
    return [
        (f"not-{each.name}", celtext.negation(celtext.enclose(each.condition)))
        for each in exceptions
        if each.policy == policy and not each.rules
    ]


def absent_rules(exception: Exempted, policy: JSONObject) -> list[str]:
    """Which of the rules that an exception names the policy does not have. A rule for Pods has others, made of it."""
    spec = policy.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    if not isinstance(rules, list):
        return []  # a policy without rules
    there = [str(each.get("name")) for each in rules if isinstance(each, dict)]
    there += [f"{prefix}{each}" for each in there for prefix in ("autogen-", "autogen-cronjob-")]
    return [each for each in exception.rules if not any(fnmatchcase(name, each) for name in there)]
