"""What the mutating policies of a Kyverno test make of its objects before a policy is asked: they are all applied.

The rules of ClusterPolicies come first, in the order of the test's files, then MutatingPolicies. A policy that mutates
is given what the ones before it made, and one that validates, what all of its generation made.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from webhook.admission.engine import decide
from webhook.apiserver import admitted
from webhook.convert import writing
from webhook.convert.foreigntests.expected import Expected, case
from webhook.convert.kyverno import celkinds
from webhook.convert.model import JSONObject, Outcome
from webhook.convert.standard import MUTATING
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest
from webhook.offline.cases.setup import Setups
from webhook.policy.json_values import differs
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.versions import Version


def earlier(outcome: Outcome, policies: Sequence[str], all_of: Sequence[Outcome]) -> tuple[list[str], list[str]]:
    """The mutating policies that are applied before a rule is asked, and those of its own policy after it.

    policies: what became of the rule. all_of: the outcomes of the test, in the order in which it names them.
    """
    in_cel = outcome.kind in celkinds.CONVERTED
    mutates = any(name in policies for name in mutating(outcome))
    before: list[str] = []
    for each in sorted(all_of, key=lambda one: one.kind in celkinds.CONVERTED):
        if each is outcome and mutates:
            names = mutating(each)
            at = next(index for index, name in enumerate(names) if name in policies)
            return [*before, *names[:at]], names[at + 1 :]
        if in_cel or each.kind not in celkinds.CONVERTED:
            before += mutating(each)
    return before, []


def mutating(outcome: Outcome) -> list[str]:
    """The names of the mutating policies that an outcome became, in order."""
    return [each["metadata"]["name"] for each in outcome.policies if each["kind"] == MUTATING]


def apply(expected: Iterable[Expected], outcomes: Sequence[Outcome], target: Version) -> None:
    """Give each expectation the object as the policies before it leave it. One that cannot be run says why."""
    chained = [
        each
        for each in expected
        if (each.before or each.after or each.partial is not None) and each.object and not each.unrun
    ]
    if not chained:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing.stage([each for each in outcomes if mutating(each)], folder)
        try:
            policies = load(str(folder), target)
        except PolicyTreeError as error:
            for each in chained:
                each.unrun = f"what was made does not load: {error.problems[0].message}"
            return
        for each in chained:
            _apply(each, policies, folder / "chain.yaml", target)


def _apply(one: Expected, policies: Any, tests: Path, target: Version) -> None:
    value = one.object
    for policy in one.before:
        value = value and _mutated(one, value, policy, policies, tests)
    if value is None:
        one.unrun = "a policy that the test applies before refuses the object"
        return
    one.object = value
    if one.wanted != "mutated" or (one.partial is None and (one.patched is None or not one.after)):
        return
    own = final = _mutated(one, value, one.policies[0], policies, tests)
    for policy in one.after:
        final = final and _mutated(one, final, policy, policies, tests)
    if own is None:
        one.unrun = "the policy refuses the object" if one.partial is not None else ""
    elif final is None:
        one.unrun = "a later rule of the policy refuses the object"
    elif one.partial is not None:
        one.patched = own if holds(final, one.partial) else merged(own, one.partial)
    elif one.patched is not None and not differs(final, admitted.read(one.patched, target).object):
        one.patched = own  # the rules after it make the rest of it


def holds(value: Any, partial: Any) -> bool:
    """Whether a value has all that a part of it says; lists by position, as Chainsaw compares them."""
    if isinstance(partial, dict):
        return isinstance(value, dict) and all(
            key in value and holds(value[key], each) for key, each in partial.items()
        )
    if isinstance(partial, list):
        return isinstance(value, list) and len(value) == len(partial) and all(map(holds, value, partial))
    return type(value) is type(partial) and bool(value == partial)


def merged(value: Any, partial: Any) -> Any:
    """The value with what a part of it says."""
    if isinstance(value, dict) and isinstance(partial, dict):
        return value | {key: merged(value.get(key), each) for key, each in partial.items()}
    if isinstance(value, list) and isinstance(partial, list) and len(value) == len(partial):
        return [merged(one, other) for one, other in zip(value, partial, strict=True)]
    return partial


def _mutated(one: Expected, value: JSONObject, policy: str, policies: Any, tests: Path) -> JSONObject | None:
    """What one policy makes of an object; None if it is refused."""
    asked = Expected(one.outcome, [policy], "chain", one.document, one.line, "pass", value)
    asked.operation, asked.user, asked.old = one.operation, one.user, one.old
    asked.namespace_labels, asked.params = one.namespace_labels, one.params
    tests.write_text(dumped(writing.policy_test(policy, [case(asked, "allow")])), encoding="utf-8")
    planned, problems = policytest.plan([str(tests)], policies)
    if problems:
        return None
    setup = Setups(policies).of(planned[0])
    decision = decide(planned[0].request, setup.policies, setup.view)
    if not decision.allowed:
        return None
    return (decision.mutation.object if decision.mutation else None) or value
