"""Evaluates and explains one policy on requests, for `gatewright explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from webhook.admission.decision import MUTATING, SCHEMA, VALIDATING
from webhook.admission.record import Record
from webhook.admission.redaction import Redaction, SecretsSeen
from webhook.offline.explaining import ExplainedPolicy, explained
from webhook.offline.requests import PlannedRequest, by_document
from webhook.offline.verdicts import Change, Located, decided

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.policy.evaluation import Mutator, Validator
    from webhook.policy.exceptions import PolicyException
    from webhook.policy.policyset import Binding, Policy, PolicySet


class BindingExplained(Struct, frozen=True):
    """A policy under one binding.

    unmatched: the reason why the binding does not match the request; None if it does. evaluated: the evaluations, one
    a param object.
    """

    binding: Binding
    unmatched: str | None
    evaluated: tuple[ExplainedPolicy, ...] = ()


class RequestExplained(Struct, frozen=True):
    """The verdict of a policy on one request.

    unmatched: the reason why the policy does not match the request; None if it does. findings, changes: the engine's
    verdict. excepted: the findings that exceptions cover. refused: what the API server refuses of the object.
    unjudged: whether it refuses the object before the policy is asked.
    """

    planned: PlannedRequest
    unmatched: str | None
    bindings: tuple[BindingExplained, ...]
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]
    excepted: tuple[tuple[Located, PolicyException], ...] = ()
    refused: tuple[Located, ...] = ()
    unjudged: bool = False

    @property
    def matched(self) -> bool:
        """Whether the policy was evaluated on the request."""
        return not self.unjudged and self.unmatched is None and any(bound.unmatched is None for bound in self.bindings)

    @property
    def denied(self) -> bool:
        """Whether the policy denies the request, or the API server refuses its object."""
        return bool(self.refused) or any(located.finding.action == "Deny" for located in self.findings)


def explain_requests(
    policy: Policy[Validator | Mutator], requests: Iterable[PlannedRequest], policies: PolicySet, cluster: ClusterView
) -> Iterator[RequestExplained]:
    """Evaluate one policy on each request. A validating policy sees the object after all mutating policies ran."""
    kept = {id(policy)}
    if policy.kind == VALIDATING:
        kept.update(map(id, policies.mutating))
    alone = policies.where(lambda each: id(each) in kept)
    watched = SecretsSeen(cluster)
    for group in by_document(requests):
        for each in decided(group, alone, watched, recording="everything", record=Record):
            record = each.record
            refused = tuple(located for located in each.findings if located.finding.kind == SCHEMA)
            if record is None or (each.refused and policy.kind == VALIDATING):
                yield RequestExplained(each.planned, None, (), (), (), (), refused, unjudged=True)
                continue
            skipped = record.skip(policy)
            unmatched = skipped.why if skipped is not None and not skipped.faulty else None
            yield RequestExplained(
                each.planned,
                unmatched,
                tuple(
                    _bound(policy, binding, record, each.redaction) for binding in policy.bindings if unmatched is None
                ),
                tuple(located for located in each.findings if _is_of(located, policy)),
                each.changes if policy.kind == MUTATING else (),
                tuple(pair for pair in each.excepted if _is_of(pair[0], policy)),
                refused,
            )


def _bound(policy: Policy[Any], binding: Binding, record: Record, redaction: Redaction) -> BindingExplained:
    skipped = record.skip(policy, binding)
    if skipped is not None and not skipped.faulty:
        return BindingExplained(binding, skipped.why)
    found = (explained(each, redaction) for each in record.evaluations(policy, binding))
    return BindingExplained(binding, None, tuple(each for each in found if each is not None))


def _is_of(located: Located, policy: Policy[Any]) -> bool:
    return (located.finding.kind, located.finding.policy) == (policy.kind, policy.name)
