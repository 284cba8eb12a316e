"""Runs the cases of policy tests (webhook.offline.cases.policytest) and compares the results with the expected ones."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from msgspec import Struct
from msgspec.structs import replace

from webhook.admission import excepting
from webhook.admission.decision import MUTATING, Decision, Excepted, Finding
from webhook.admission.engine import decide, validate
from webhook.admission.findings import left_out
from webhook.admission.record import Record
from webhook.admission.redaction import Redaction, SecretsSeen
from webhook.apiserver import admitted, completion
from webhook.apiserver.admitted import ApiServer
from webhook.apiserver.completion import Creation
from webhook.apiserver.problems import FieldProblem
from webhook.offline.cases.policytest import Case, Expectation, PlannedCase
from webhook.offline.cases.setup import Setup, Setups, Unmatched, why_unmatched
from webhook.offline.explaining import Explanations
from webhook.paths import Path, render
from webhook.policy.exceptions import PolicyException
from webhook.policy.json_values import differs
from webhook.policy.policyset import PolicySet
from webhook.policy.request import CREATE, UPDATE, JSONObject, Request
from webhook.policy.reviewing import Recording
from webhook.schema import Resource
from webhook.versions import Version

_SHOWN = 200  # characters of a value in a failure


class Exempted(NamedTuple):
    """A finding that an exception covers. `text`: the API server's."""

    exception: PolicyException
    text: str


class Result(Struct, frozen=True):
    """The result of a case.

    `texts`: the API server's texts of all `findings`. `failures`: why the case did not pass; empty if it passed.
    `excepted`: the findings that exceptions of the tree cover. If the case states its exception (`exceptedBy`), they
    are no part of the verdict and the texts. Otherwise they are, as a test checks the policy without its exceptions.
    `refused`: why the API server refuses the object whatever the policy says, as mutation left it. It does not change
    the verdict: a test asks the policy, often with an object that shows one thing only. `unmatched`: why the policy was
    not evaluated, one reason for each binding; empty if it was.
    """

    planned: PlannedCase
    verdict: Expectation
    texts: tuple[str, ...]
    failures: tuple[str, ...]
    excepted: tuple[Exempted, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: tuple[str, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def matched(self) -> bool:
        """Whether the policy was evaluated on the request, under any binding."""
        return not self.unmatched


def run(planned: Iterable[PlannedCase], policies: PolicySet, recording: Recording = "failures") -> Iterator[Result]:
    """Run the cases, one by one. recording: see webhook.admission.record."""
    setups = Setups(policies)
    for each in planned:
        yield run_one(setups.of(each), policies, recording)


def completed(request: Request, target: Version) -> Request:
    """The request as it is validated: an object that is created has its name, uid and time, and no status."""
    if request.operation != CREATE or request.subresource or request.object is None:
        return request
    resource = _resource(request)
    user = request.user
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    creation = Creation(now, user.username, user.uid, user.groups, user.extra, target)
    value = completion.created(request.object, resource, creation)
    return replace(request, object=value, name=request.name or value["metadata"].get("name") or "")


def run_one(setup: Setup, tree: PolicySet, recording: Recording = "failures") -> Result:
    """Run one case. tree: the policies that it was set up from. recording: see webhook.admission.record."""
    planned, policies, server = setup.planned, setup.policies, setup.server
    case, request = planned.case, planned.request
    cluster, record = SecretsSeen(setup.view), Record()
    refused: list[FieldProblem] = []

    def whole(mutated: Request) -> Request:
        whole = completed(mutated, policies.target)
        refused.extend(_refused(whole, server))
        return whole

    if case.validate_only:
        decision = validate(request, policies, cluster, recording=recording, observer=record)
        whole(request)
    else:
        decision = decide(request, policies, cluster, recording=recording, observer=record, completed=whole)
    after = decision.mutation.object if decision.mutation else None
    redaction = Redaction.of(request.object, request.old_object, after, *cluster.seen)
    unmatched = () if decision.findings or decision.excepted else why_unmatched(setup, record, redaction)
    verdict: Expectation = "no-match" if unmatched else _verdict(decision.findings)
    explanations = Explanations(redaction)  # they say which parts of a message come from a Secret
    texts = tuple(explanations.text(finding) for finding in decision.findings)
    covered = decision.excepted if case.excepted_by else _covered(decision, request, tree)
    excepted = tuple(Exempted(each.exception, explanations.text(each.finding)) for each in covered)
    failures = [
        *_failures(case, policies.target, verdict, texts, after, excepted, unmatched, redaction, bool(planned.actions)),
        *_counted(case, decision.findings),
        *_not_excepted(case, excepted, tree),
    ]
    outside = tuple(redaction.applied(each.message) + each.afterword for each in refused)
    return Result(planned, verdict, texts, tuple(failures), excepted, decision.findings, outside, unmatched)


def _refused(request: Request, server: ApiServer) -> Sequence[FieldProblem]:
    """What the API server refuses of a case's object, before a validating policy sees it."""
    if request.object is None or request.subresource:
        return ()
    resource = _resource(request)
    value = _within(request.object, request, resource)
    if request.operation == UPDATE and request.old_object is not None:
        return server.updated(value, _within(request.old_object, request, resource), resource)
    return server.refused(value, resource) if request.operation == CREATE else ()


def _within(value: JSONObject, request: Request, resource: Resource) -> JSONObject:
    """The object in the namespace of its request, if it names none."""
    metadata = value.get("metadata") or {}
    if not resource.namespaced or metadata.get("namespace"):
        return value
    return {**value, "metadata": {**metadata, "namespace": request.namespace}}


def _resource(request: Request) -> Resource:
    is_namespace = (request.kind.group, request.kind.kind) == ("", "Namespace")
    namespaced = bool(request.namespace) and not is_namespace
    return Resource(*request.kind, request.resource.resource, namespaced)


def _covered(decision: Decision, request: Request, tree: PolicySet) -> Iterator[Excepted]:
    """The findings and mutations of a decision made without exceptions that the tree's exceptions would cover."""
    policies = {(policy.kind, policy.name): policy for policy in tree.policies}
    for finding in decision.findings:
        seen = finding.evaluated.request if finding.evaluated is not None else None
        if seen is None or finding.binding == "":
            continue  # exceptions do not cover configuration errors
        sent = request if finding.kind == MUTATING else seen
        index = None if finding.error else finding.index
        exception = excepting.in_force(policies[finding.kind, finding.policy], finding.binding, sent, index)
        if exception is not None:
            yield Excepted(exception, finding)
    mutation = decision.mutation
    if mutation is None or not mutation.changed:
        return
    for binding in mutation.evaluated:
        if binding.policy in mutation.policies:
            exception = excepting.in_force(policies[MUTATING, binding.policy], binding.name, request, None)
            if exception is not None:
                yield Excepted(exception, left_out(binding))


def _not_excepted(case: Case, excepted: Sequence[Exempted], tree: PolicySet) -> Iterator[str]:
    """The failure of a case that states an exception (`exceptedBy`) which covered nothing."""
    if not case.excepted_by or any(each.exception.name == case.excepted_by for each in excepted):
        return
    words = f"expected the exception {case.excepted_by!r} to let it pass"
    known = next((each for each in tree.exceptions if each.name == case.excepted_by), None)
    if known is not None and known.expires <= time.time():
        yield f"{words}; it expired ({known.until})"
    elif excepted:
        yield f"{words}, and {excepted[0].exception.name!r} did"
    else:
        yield f"{words}, and no exception covers anything here"


def _verdict(findings: Sequence[Finding]) -> Expectation:
    """The verdict of the most severe finding."""
    if any(finding.error for finding in findings):
        return "error"
    actions = {finding.action for finding in findings}
    for action, verdict in _GRAVITY:
        if action in actions:
            return verdict
    return "allow"


_GRAVITY: tuple[tuple[str, Expectation], ...] = (("Deny", "deny"), ("Warn", "warn"), ("Audit", "audit"))


def _failures(
    case: Case,
    target: Version,
    verdict: Expectation,
    texts: Sequence[str],
    after: JSONObject | None,
    excepted: Sequence[Exempted],
    unmatched: Sequence[Unmatched],
    redaction: Redaction,
    acting: bool,
) -> Iterator[str]:
    searched = [*texts, *(each.text for each in excepted if case.excepted_by), *(each.why for each in unmatched)]
    if verdict != case.expect:
        yield f"expected {case.expect}, got {verdict}{_why_so(case, verdict, excepted, acting)}"
    elif case.message and not any(case.message in text for text in searched):
        yield f"expected a message with {case.message!r}"
    if case.expect_object is not None:
        difference = _difference(_read(case.expect_object, target), after, ())
        if difference is not None:
            path, words = difference
            words = redaction.applied(words)
            if case.expect_object.get("kind") == "Secret" and path[:1] in (("data",), ("stringData",)):
                words = "not as expected (the values of a Secret are not shown)"
            yield f"after mutation, {redaction.applied(render(path)) or 'the object'}: {words}"


def _counted(case: Case, findings: Sequence[Finding]) -> Iterator[str]:
    """Why there are not as many findings as the case states. One under several actions counts once."""
    apart = {(each.policy, each.binding, each.index, each.message): each.message for each in findings}
    for each in case.findings:
        if missed := each.missed(list(apart.values())):
            yield missed


def _why_so(case: Case, verdict: Expectation, excepted: Sequence[Exempted], acting: bool) -> str:
    """What hides behind a verdict that is not the expected one: a policy that did not run, an exception, an action.

    acting: whether the PolicyTest says which actions the bindings have.
    """
    if verdict == "no-match" and case.expect == "allow":
        return ": the policy lets pass what it does not match; a case that is to show this says expect: no-match"
    if verdict == "allow" and case.excepted_by and excepted:
        return f": the exception {excepted[0].exception.name!r} covers what the policy finds"
    actions = {expectation: action for action, expectation in _GRAVITY}
    if verdict in actions and case.expect in actions:
        if acting:
            return f": so say the `actions` beside `policy`; correct them, or write expect: {verdict}"
        return (
            f": so say the policy's bindings; write expect: {verdict}, or actions: [{actions[case.expect]}] beside "
            "`policy`, in place of theirs"
        )
    return ""


def _read(expected: JSONObject, target: Version) -> JSONObject:
    """The expected object with the defaults that the API server sets."""
    if not all(isinstance(expected.get(field), str) for field in ("apiVersion", "kind")):
        return expected
    return admitted.read(expected, target).object


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
