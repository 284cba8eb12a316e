"""The verdicts on planned requests, told of the places in the files that they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from webhook.admission.decision import VALIDATING, Finding
from webhook.admission.engine import decide
from webhook.cluster.view import ClusterView
from webhook.documents.reader import Document
from webhook.offline.explaining import ExplainedPolicy, behind, explain_binding, shown_message
from webhook.offline.requests import Identity, PlannedRequest
from webhook.offline.secrets import Redaction, SecretsSeen
from webhook.offline.witness import witness
from webhook.paths import ROOT, Path, parse
from webhook.policy.evaluation import Validator
from webhook.policy.exceptions import PolicyException
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import Request


@dataclass(frozen=True, slots=True)
class Located:
    """A finding and where it belongs. `path` is in the file, None if not known; line and column are then the object's.

    `message` is fit to be shown: it holds nothing of a Secret. `known`: whether it is known where; else `path` is
    at most the Pod template that the finding is about. `explained`: the policy's evaluation, where that was asked for
    and the policy is in CEL.
    """

    finding: Finding
    identity: Identity
    file: str
    stream: str
    line: int
    column: int
    path: Path | None
    message: str
    of_template: bool
    known: bool
    explained: LocatedExplanation | None = None


@dataclass(frozen=True, slots=True)
class LocatedExplanation:
    """Why a finding came about, and the request that it is about: its Paths are those of the request's object."""

    evaluated: ExplainedPolicy
    policy: Policy[Validator]
    planned: PlannedRequest


@dataclass(frozen=True, slots=True)
class Change:
    """What mutation made of a request's object. `template` is the place of a workload's Pod template, else ().

    `redaction`: of the Secrets that policies saw, for whoever shows the objects.
    """

    identity: Identity
    file: str
    line: int
    template: Path
    policies: tuple[str, ...]
    before: dict[str, Any]
    after: dict[str, Any]
    redaction: Redaction


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one document: its findings in the order of the file, and what mutation would change.

    `excepted`: what exceptions cover of it, which is no finding.
    """

    document: Document
    identity: Identity
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]
    excepted: tuple[tuple[Located, PolicyException], ...] = ()


def verdicts(
    requests: Iterable[PlannedRequest], policies: PolicySet, cluster: ClusterView, *, explain: bool = False
) -> Iterator[Verdict]:
    """The verdict on each document, in order. The requests of one document must follow each other.

    explain: findings of CEL policies bring their explanation along.
    """
    watched = SecretsSeen(cluster)
    for _, group in groupby(requests, key=lambda planned: id(planned.document)):
        yield _verdict(list(group), policies, watched, explain)


def _verdict(group: list[PlannedRequest], policies: PolicySet, cluster: SecretsSeen, explain: bool) -> Verdict:
    first = group[0]
    findings: list[Located] = []
    changes: list[Change] = []
    excepted: list[tuple[Located, PolicyException]] = []
    for planned in group:
        cluster.forget()
        decision = decide(planned.request, policies, cluster)
        mutation = decision.mutation
        changed = mutation is not None and mutation.changed
        redaction = Redaction()
        if decision.findings or decision.excepted or changed:
            after = mutation.object if mutation is not None else None
            redaction = Redaction.of(planned.request.object, planned.request.old_object, after, *cluster.seen)
        if decision.findings or decision.excepted:
            validated = planned.request if after is None else planned.request.with_object(after)
            told = _Told(planned, validated, policies, cluster, redaction, explain)
            for finding in decision.findings:
                located = told.located(finding)
                if not any(_same(located, earlier) for earlier in findings):
                    findings.append(located)
            for exception, finding in decision.excepted:
                located = told.located(finding)
                if not any(_same(located, earlier) for earlier, _ in excepted):
                    excepted.append((located, exception))
        before = planned.request.object
        if mutation is not None and mutation.changed and mutation.object is not None and before is not None:
            prefix = planned.prefix if planned.of_template else ROOT
            line = planned.document.position(prefix).line
            file, names = planned.document.file, mutation.policies
            changes.append(Change(planned.identity, file, line, prefix, names, before, mutation.object, redaction))
    findings.sort(key=lambda located: (located.line, located.column))
    excepted.sort(key=lambda each: (each[0].line, each[0].column))
    return Verdict(first.document, first.identity, tuple(findings), tuple(changes), tuple(excepted))


class _Told:
    """The findings on one request as they are told: each at its place, and with nothing of a Secret."""

    def __init__(
        self,
        planned: PlannedRequest,
        validated: Request,
        policies: PolicySet,
        cluster: SecretsSeen,
        redaction: Redaction,
        explain: bool,
    ) -> None:
        self._planned = planned
        self._request = validated
        self._policies = policies
        self._cluster = cluster
        self._redaction = redaction
        self._explain = explain
        self._asked = _Asked(planned, validated, policies, cluster) if explain or redaction else None

    def located(self, finding: Finding) -> Located:
        explained = self._asked.why(finding) if self._asked else None
        message = self._redaction.applied(shown_message(finding, explained.evaluated if explained else None))
        place = finding.path or _place(finding, message, self._request, self._policies, self._cluster, explained)
        if place and self._redaction.names(place):
            place = None
        return _located(finding, self._planned, message, place, explained if self._explain else None)


class _Asked:
    """Why the findings on one request came about. Each evaluation is explained once, whatever its findings."""

    def __init__(self, planned: PlannedRequest, validated: Request, policies: PolicySet, cluster: SecretsSeen) -> None:
        self._planned = planned
        self._request = validated
        self._policies = {policy.name: policy for policy in policies.validating}
        self._cluster = cluster
        self._known: dict[tuple[str, str], tuple[ExplainedPolicy, ...]] = {}

    def why(self, finding: Finding) -> LocatedExplanation | None:
        """None where no expression is behind a finding."""
        policy = self._policies.get(finding.policy) if finding.kind == VALIDATING else None
        binding = next((each for each in policy.bindings if each.name == finding.binding), None) if policy else None
        if policy is None or binding is None:
            return None
        key = (finding.policy, finding.binding)
        if key not in self._known:
            self._known[key] = explain_binding(policy, binding, self._request, self._cluster)
        evaluated = behind(finding, self._known[key])
        return LocatedExplanation(evaluated, policy, self._planned) if evaluated else None


def _place(
    finding: Finding,
    message: str,
    request: Request,
    policies: PolicySet,
    cluster: ClusterView,
    explained: LocatedExplanation | None,
) -> Path | None:
    """What the message names; the part of that which decided, where the policy's expression tells."""
    named = named_path(message, request.object or request.old_object)
    decided = explained.evaluated.witness(finding) if explained else witness(finding, request, policies, cluster)
    if named and (decided is None or decided[: len(named)] != named):
        return named
    return decided


def _located(
    finding: Finding,
    planned: PlannedRequest,
    message: str,
    place: Path | None,
    explained: LocatedExplanation | None,
) -> Located:
    document = planned.document
    path = None
    if place:
        path = planned.place(place)
    elif planned.of_template:
        path = planned.prefix
    position = document.position(path or ROOT)
    return Located(
        finding=finding,
        identity=planned.identity,
        file=document.file,
        stream=document.stream,
        line=position.line,
        column=position.column,
        path=path,
        message=message,
        of_template=planned.of_template,
        known=bool(place),
        explained=explained,
    )


def _same(later: Located, earlier: Located) -> bool:
    """Whether one policy says one thing twice: in one verdict, or of a workload and again of its Pod."""
    one, other = later.finding, earlier.finding
    if (one.policy, one.binding, one.action, one.kind) != (other.policy, other.binding, other.action, other.kind):
        return False
    if later.of_template == earlier.of_template:
        return (later.path, later.message) == (earlier.path, earlier.message)
    if not (later.known and earlier.known):
        return one.index == other.index  # the same validation; where, it does not say
    return later.path == earlier.path


_LEADING_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[[0-9]{1,9}\]|\['[^']*'\]|\[\"[^\"]*\"\])+")


def named_path(message: str, value: dict[str, Any] | None) -> Path | None:
    """The place that a message names: the path, of two steps or more, that it begins with, as the API server's own do.

    `spec.replicas is 50; …` is about spec.replicas. None where the message begins otherwise, or the first step is no
    field of the object.
    """
    match = _LEADING_PATH.match(message)
    if match is None or value is None:
        return None
    try:
        path = parse(match[0])
    except ValueError:
        return None
    return path if path[0] in value else None
