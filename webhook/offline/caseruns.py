"""What comes of running the cases of policy tests (webhook.offline.policytest)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from webhook.admission.decision import Finding
from webhook.admission.engine import decide, validate
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.authorizations import rules
from webhook.offline.policytest import Case, Expectation, PlannedCase
from webhook.offline.secrets import Redaction, SecretsSeen
from webhook.paths import Path, render
from webhook.policy.json_values import differs
from webhook.policy.policyset import Binding, ParamRef, Policy, PolicySet
from webhook.policy.request import JSONObject, Request
from webhook.schema import Kinds

_SHOWN = 200  # characters of a value in a failure
_UNBOUND = ParamRef(name="params", namespace="default")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case. `texts` are all `findings`, as the API server words them; `failures` why it did not pass."""

    planned: PlannedCase
    verdict: Expectation
    texts: tuple[str, ...]
    failures: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


def run(planned: Iterable[PlannedCase], policies: PolicySet) -> Iterator[Result]:
    """Run the cases, one by one."""
    alone: dict[tuple[str, bool], PolicySet] = {}
    for each in planned:
        # The conditions of a binding go by the params that it names; with params of the case's own they mean nothing.
        key = (each.policy, each.case.params is None)
        if key not in alone:
            alone[key] = _alone(each.policy, policies, with_conditions=key[1])
        yield _run(each, alone[key])


def _alone(name: str, policies: PolicySet, *, with_conditions: bool) -> PolicySet:
    """The set with the policies of one name only: a validating one, a mutating one, or both."""
    validating = [policy for policy in policies.validating if policy.name == name]
    mutating = [policy for policy in policies.mutating if policy.name == name]
    if not any(policy.bindings for policy in policies.policies if policy.name == name):
        validating, mutating = [*map(_bound, validating)], [*map(_bound, mutating)]
    # A test is about what the policy says, whoever is excepted from it.
    validating, mutating = [*map(_unexcepted, validating)], [*map(_unexcepted, mutating)]
    if not with_conditions:
        validating, mutating = [*map(_unconditional, validating)], [*map(_unconditional, mutating)]
    return PolicySet(validating, mutating, objects=policies.objects)


def _unexcepted(policy: Policy[Any]) -> Policy[Any]:
    return replace(policy, exceptions=())


def _unconditional(policy: Policy[Any]) -> Policy[Any]:
    return replace(policy, bindings=tuple(replace(binding, conditions=None) for binding in policy.bindings))


def _bound(policy: Policy[Any]) -> Policy[Any]:
    """The policy, bound with Deny to everything it matches."""
    binding = Binding(
        kind=f"{policy.kind}Binding",
        name=policy.name,
        policy=policy.name,
        actions=("Deny",),
        param_ref=_UNBOUND if policy.param_kind else None,
        match=None,
        file=policy.file,
        line=policy.line,
    )
    return replace(policy, bindings=(binding,))


def _run(planned: PlannedCase, policies: PolicySet) -> Result:
    case, request = planned.case, planned.request
    objects = [*policies.objects, *case.cluster]
    if case.params is not None:
        kinds = {(kind.api_version, kind.kind) for policy in policies.policies if (kind := policy.param_kind)}
        objects = [each for each in objects if (each.get("apiVersion"), each.get("kind")) not in kinds]
        objects += _params(case.params, policies, request)
    if request.namespace:
        metadata = {"name": request.namespace, "labels": case.namespace.labels}
        # Before the others: a Namespace among them, with all that it has, is the one that counts.
        objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    view = ManifestsView(
        objects,
        Kinds.builtin().with_crds(objects),
        assume_namespaces=True,
        access_rules=rules(case.authorizations),
    )
    cluster = SecretsSeen(view)
    decision = (validate if case.validate_only else decide)(request, policies, cluster)
    after = decision.mutation.object if decision.mutation else None
    redaction = Redaction.of(request.object, request.old_object, after, *cluster.seen)
    verdict = _verdict(decision.findings)
    texts = tuple(redaction.applied(finding.text()) for finding in decision.findings)
    return Result(planned, verdict, texts, tuple(_failures(case, verdict, texts, after)), decision.findings)


def _params(given: JSONObject, policies: PolicySet, request: Request) -> Iterator[JSONObject]:
    """The case's params, under each name that a binding looks them up by."""
    for policy in policies.policies:
        if policy.param_kind is None:
            continue
        for binding in policy.bindings:
            ref = binding.param_ref
            if ref is None:
                continue
            metadata = dict(given.get("metadata") or {})
            if ref.selector is None:
                metadata["name"] = ref.name
            metadata.setdefault("name", "params")
            metadata["namespace"] = ref.namespace or request.namespace
            kind = policy.param_kind
            yield {**given, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _verdict(findings: Sequence[Finding]) -> Expectation:
    """The gravest of what was found."""
    if any(finding.error for finding in findings):
        return "error"
    actions = {finding.action for finding in findings}
    for action, verdict in _GRAVITY:
        if action in actions:
            return verdict
    return "allow"


_GRAVITY: tuple[tuple[str, Expectation], ...] = (("Deny", "deny"), ("Warn", "warn"), ("Audit", "audit"))


def _failures(case: Case, verdict: Expectation, texts: Sequence[str], after: JSONObject | None) -> Iterator[str]:
    if verdict != case.expect:
        yield f"expected {case.expect}, got {verdict}"
    elif case.message and not any(case.message in text for text in texts):
        yield f"expected a message with {case.message!r}"
    if case.expect_object is not None:
        difference = _difference(case.expect_object, after, ())
        if difference is not None:
            path, words = difference
            if case.expect_object.get("kind") == "Secret" and path[:1] in (("data",), ("stringData",)):
                words = "not as expected (the values of a Secret are not shown)"
            yield f"after mutation, {render(path) or 'the object'}: {words}"


def _difference(expected: Any, found: Any, path: Path) -> tuple[Path, str] | None:
    """The first place where two JSON values differ, and how; None if they are equal."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in (*expected, *(key for key in found if key not in expected)):
            if key not in found:
                return (*path, key), f"expected {_shown(expected[key])}, and it is not there"
            if key not in expected:
                return (*path, key), f"expected nothing, found {_shown(found[key])}"
            difference = _difference(expected[key], found[key], (*path, key))
            if difference is not None:
                return difference
        return None
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (wanted, got) in enumerate(zip(expected, found, strict=True)):
            difference = _difference(wanted, got, (*path, index))
            if difference is not None:
                return difference
        return None
    return (path, f"expected {_shown(expected)}, found {_shown(found)}") if differs(expected, found) else None


def _shown(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
