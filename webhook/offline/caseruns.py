"""Runs the cases of policy tests (webhook.offline.policytest) and compares the results with the expected ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from msgspec import Struct
from msgspec.structs import replace

from webhook.admission import excepting
from webhook.admission.decision import MUTATING, Decision, Excepted, Finding
from webhook.admission.engine import decide, left_out, validate
from webhook.admission.redaction import Redaction, SecretsSeen
from webhook.apiserver import admitted, completion
from webhook.apiserver.admitted import ApiServer
from webhook.apiserver.completion import Creation
from webhook.apiserver.problems import FieldProblem
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.authorizations import rules
from webhook.offline.explaining import Explanations
from webhook.offline.policytest import Case, Expectation, PlannedCase
from webhook.paths import Path, render
from webhook.policy.exceptions import PolicyException
from webhook.policy.json_values import differs
from webhook.policy.policyset import Binding, ParamRef, Policy, PolicySet
from webhook.policy.request import CREATE, UPDATE, JSONObject, Request
from webhook.policy.reviewing import Recording
from webhook.schema import Kinds, Resource
from webhook.versions import Version

_SHOWN = 200  # characters of a value in a failure
_UNBOUND = ParamRef(name="params", namespace="default")


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
    the verdict: a test asks the policy, often with an object that shows one thing only.
    """

    planned: PlannedCase
    verdict: Expectation
    texts: tuple[str, ...]
    failures: tuple[str, ...]
    excepted: tuple[Exempted, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


def run(planned: Iterable[PlannedCase], policies: PolicySet, recording: Recording = "failures") -> Iterator[Result]:
    """Run the cases, one by one. recording: see webhook.admission.record."""
    tested: dict[tuple[str, bool, bool], PolicySet] = {}
    for each in planned:
        # A binding's conditions belong to the params that it names; they do not apply to the case's own params.
        key = (each.policy, each.case.params is None, bool(each.case.excepted_by))
        if key not in tested:
            tested[key] = _tested(each.policy, policies, with_conditions=key[1], with_exceptions=key[2])
        yield _run(each, tested[key], policies, recording)


def _tested(name: str, policies: PolicySet, *, with_conditions: bool, with_exceptions: bool) -> PolicySet:
    """The set with only the policies of this name: a validating one, a mutating one, or both."""
    alone = policies.where(lambda policy: policy.name == name)
    changes: list[Callable[[Policy[Any]], Policy[Any]]] = []
    if not alone.bindings:
        changes.append(_bound)
    if not with_exceptions:  # a test checks the policy without its exceptions
        changes.append(_unexcepted)
    if not with_conditions:
        changes.append(_unconditional)
    validating, mutating = alone.validating, alone.mutating
    for change in changes:
        validating, mutating = tuple(map(change, validating)), tuple(map(change, mutating))
    return PolicySet(validating, mutating, objects=policies.objects, target=policies.target)


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


def _run(planned: PlannedCase, policies: PolicySet, tree: PolicySet, recording: Recording) -> Result:
    case, request = planned.case, planned.request
    objects = [*policies.objects, *case.cluster]
    if case.params is not None:
        kinds = {(kind.api_version, kind.kind) for policy in policies.policies if (kind := policy.param_kind)}
        objects = [each for each in objects if (each.get("apiVersion"), each.get("kind")) not in kinds]
        objects += _params(case.params, policies, request)
    if request.namespace:
        metadata = {"name": request.namespace, "labels": case.namespace.labels}
        # First in the list: a Namespace object of the tree or the case replaces this one.
        objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    view = ManifestsView(
        objects,
        Kinds.builtin(policies.target).with_crds(objects),
        assume_namespaces=True,
        access_rules=rules(case.authorizations),
    )
    cluster = SecretsSeen(view)
    server = ApiServer(objects, lambda: view, policies.target)
    refused: list[FieldProblem] = []

    def completed(mutated: Request) -> Request:
        whole = _completed(mutated, policies.target)
        refused.extend(_refused(whole, server))
        return whole

    if case.validate_only:
        decision = validate(request, policies, cluster, recording=recording)
        completed(request)
    else:
        decision = decide(request, policies, cluster, recording=recording, completed=completed)
    after = decision.mutation.object if decision.mutation else None
    redaction = Redaction.of(request.object, request.old_object, after, *cluster.seen)
    verdict = _verdict(decision.findings)
    explanations = Explanations(redaction)  # they say which parts of a message come from a Secret
    texts = tuple(explanations.text(finding) for finding in decision.findings)
    covered = decision.excepted if case.excepted_by else _covered(decision, request, tree)
    excepted = tuple(Exempted(each.exception, explanations.text(each.finding)) for each in covered)
    failures = [
        *_failures(case, policies.target, verdict, texts, after, excepted, redaction),
        *_not_excepted(case, excepted, tree),
    ]
    outside = tuple(redaction.applied(each.message) + each.afterword for each in refused)
    return Result(planned, verdict, texts, tuple(failures), excepted, decision.findings, outside)


def _completed(request: Request, target: Version) -> Request:
    """The request as it is validated: an object that is created has its name, uid and time, and no status."""
    if request.operation != CREATE or request.subresource or request.object is None:
        return request
    resource = _resource(request)
    user = request.user
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    creation = Creation(now, user.username, user.uid, user.groups, user.extra, target)
    value = completion.created(request.object, resource, creation)
    return replace(request, object=value, name=request.name or value["metadata"].get("name") or "")


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


def _params(params: JSONObject, policies: PolicySet, request: Request) -> Iterator[JSONObject]:
    """The case's params, as one object for each name that a binding looks up."""
    for policy in policies.policies:
        if policy.param_kind is None:
            continue
        for binding in policy.bindings:
            ref = binding.param_ref
            if ref is None:
                continue
            metadata = dict(params.get("metadata") or {})
            if ref.selector is None:
                metadata["name"] = ref.name
            metadata.setdefault("name", "params")
            metadata["namespace"] = ref.namespace or request.namespace
            kind = policy.param_kind
            yield {**params, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


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
    redaction: Redaction,
) -> Iterator[str]:
    searched = [*texts, *(each.text for each in excepted)] if case.excepted_by else texts
    if verdict != case.expect:
        yield f"expected {case.expect}, got {verdict}"
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
