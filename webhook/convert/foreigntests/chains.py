"""Applies the mutating policies of a Kyverno test to its objects before a policy is evaluated.

The rules of ClusterPolicies come first, in the order of the test's files, then MutatingPolicies. A mutating policy gets
the object as the policies before it left it; a validating policy gets it after all mutating policies of its generation.
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
    """The mutating policies that are applied before a rule is evaluated, and those of its own policy after it.

    policies: the converted policies of the rule. all_of: the outcomes of the test, in the order in which the test names
    them.
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
    """The names of an outcome's mutating policies, in order."""
    return [each["metadata"]["name"] for each in outcome.policies if each["kind"] == MUTATING]


def apply(expected: Iterable[Expected], outcomes: Sequence[Outcome], target: Version) -> None:
    """Give each expectation the object as the earlier policies leave it. An expectation that cannot be run gets the
    reason."""
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
                each.unrun = f"the converted policies do not load: {error.problems[0].message}"
            return
        for each in chained:
            _apply(each, policies, folder / "chain.yaml", target)


def _apply(one: Expected, policies: Any, tests: Path, target: Version) -> None:
    value = one.object
    for policy in one.before:
        value = value and _mutated(one, value, policy, policies, tests)
    if value is None:
        one.unrun = "a policy that the test applies earlier refuses the object"
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
        one.patched = own  # later rules add the other fields


def holds(value: Any, partial: Any) -> bool:
    """Whether a value has every field of a partial value. Lists are compared by position, as in Chainsaw."""
    if isinstance(partial, dict):
        return isinstance(value, dict) and all(
            key in value and holds(value[key], each) for key, each in partial.items()
        )
    if isinstance(partial, list):
        return isinstance(value, list) and len(value) == len(partial) and all(map(holds, value, partial))
    return type(value) is type(partial) and bool(value == partial)


def merged(value: Any, partial: Any) -> Any:
    """The value, overwritten by the fields of a partial value."""
    if isinstance(value, dict) and isinstance(partial, dict):
        return value | {key: merged(value.get(key), each) for key, each in partial.items()}
    if isinstance(value, list) and isinstance(partial, list) and len(value) == len(partial):
        return [merged(one, other) for one, other in zip(value, partial, strict=True)]
    return partial


def _mutated(one: Expected, value: JSONObject, policy: str, policies: Any, tests: Path) -> JSONObject | None:
    """The object after one policy; None if the policy refuses it."""
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
