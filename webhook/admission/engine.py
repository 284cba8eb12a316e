"""The only way to a verdict: `mutate`, `validate`, and `decide`, which is both in order.

Pure and synchronous. What the request may see of the cluster comes from the ClusterView that is handed in; policies are
handed Namespaces and params, which are looked up here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from webhook.admission import excepting
from webhook.admission.decision import (
    MUTATING,
    REASON_CODES,
    Action,
    Decision,
    Excepted,
    Finding,
    Mutation,
    shown_warnings,
)
from webhook.admission.params import NONE, ConfigurationError, collect, resource_of
from webhook.cluster.view import NotCached, UnknownKind
from webhook.policy.conditions import ConditionError
from webhook.policy.evaluation import PASSED, Evaluation, Failure, MutationFault, Mutator
from webhook.policy.json_values import differs
from webhook.policy.matching import ALWAYS, NamespaceNotFound, RequestNamespace
from webhook.policy.policyset import Binding, Candidate, Evaluator_co, Policy, PolicySet
from webhook.policy.request import Request

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView

MAX_AUDITED = 50
"""The most failures that the audit annotation lists, as Kubernetes has it from 1.37."""

MAX_ANNOTATION = 10 * 1024
"""The most bytes of one value of an audit annotation; what is over is cut."""


def decide(request: Request, policies: PolicySet, cluster: ClusterView) -> Decision:
    """Mutate, then validate what came of it. A mutation that is denied is the verdict; nothing is validated then."""
    mutation = mutate(request, policies, cluster)
    if not mutation.allowed:
        return Decision(
            allowed=False,
            findings=mutation.findings,
            code=mutation.code,
            reason=mutation.reason,
            message=mutation.message,
            causes=mutation.causes,
            mutation=mutation,
            evaluated=mutation.evaluated,
            excepted=mutation.excepted,
        )
    if mutation.changed:
        request = request.with_object(mutation.object)
    return _validate(request, policies, cluster, mutation)


def mutate(request: Request, policies: PolicySet, cluster: ClusterView) -> Mutation:
    """Apply the mutating policies, by policy name, then binding name; each sees what the ones before it did.

    Which policies match is decided on the object as it was sent. If they changed it, those that ran and are to be
    reinvoked run once more, in the same order, where they match the object as it is then. The request's own object is
    not changed.
    """
    candidates = policies.mutators_for(request)
    if not candidates or request.object is None:
        return Mutation(request.object)
    request.cluster = cluster
    mutating = _Mutating(request, candidates, cluster)
    mutating.run()
    if mutating.changed and not mutating.findings:
        mutating.run_again()
    return mutating.mutation()


_Invocation = tuple[str, str, str, str]
"""What runs, or runs again: the names of a policy and a binding, namespace and name of a param object."""


def _invocation(policy: Policy[Mutator], binding: Binding, param: Any) -> _Invocation:
    metadata = (param or {}).get("metadata") or {}
    return policy.name, binding.name, metadata.get("namespace", ""), metadata.get("name", "")


class _Mutating:
    """The mutating policies at work on one request."""

    __slots__ = (
        "_again",
        "_candidates",
        "_changed",
        "_cluster",
        "_current",
        "_evaluated",
        "_excepted",
        "_sent",
        "findings",
    )

    def __init__(self, request: Request, candidates: Iterable[Candidate[Mutator]], cluster: ClusterView) -> None:
        self._sent = request
        self._candidates = candidates
        self._cluster = cluster
        self._current = request
        self._changed: list[str] = []
        self._evaluated: dict[tuple[str, str], Binding] = {}
        self._again: set[_Invocation] = set()
        self._excepted: dict[tuple[str, str, str], Excepted] = {}
        self.findings: list[Finding] = []

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def run(self) -> None:
        """Every policy that matches."""
        for policy, binding, param, namespace in self._matching():
            self._evaluated[policy.name, binding.name] = binding
            if self._apply(policy, binding, param, namespace) and policy.evaluator.reinvoked:
                self._again.add(_invocation(policy, binding, param))

    def run_again(self) -> None:
        """Those that ran before and are to be reinvoked."""
        if not self._again:
            return
        for policy, binding, param, namespace in self._matching():
            if _invocation(policy, binding, param) in self._again:
                self._apply(policy, binding, param, namespace)

    def _matching(self) -> Iterator[tuple[Policy[Mutator], Binding, Any, RequestNamespace]]:
        request = self._current
        namespace = RequestNamespace(request, partial(_namespace, self._cluster))
        fault = _mutation_fault(self.findings)
        for policy, binding, params in _matches(self._candidates, request, namespace, self._cluster, fault):
            for param in params:
                yield policy, binding, param, namespace

    def _apply(self, policy: Policy[Mutator], binding: Binding, param: Any, namespace: RequestNamespace) -> bool:
        """Run one policy; whether its matchConditions let it."""
        result = policy.evaluator.mutate(self._current, param, namespace)
        if policy.exceptions and (result.faults or result.object is not None):
            left_out = result.faults[0].message if result.faults else _LEFT_OUT
            if self._is_excepted(policy, binding, left_out):
                return result.ran
        for fault in result.faults:
            if fault.internal or policy.failure_policy == "Fail":
                self.findings.append(_mutation_finding(policy, binding, fault))
        if result.object is not None:
            self._current = self._current.with_object(result.object)
            if policy.name not in self._changed:
                self._changed.append(policy.name)
        return result.ran

    def _is_excepted(self, policy: Policy[Mutator], binding: Binding, message: str) -> bool:
        """Whether an exception leaves the mutation out, one that failed too; it is noted then."""
        exception = excepting.in_force(policy, binding.name, self._sent, None)
        if exception is None:
            return False
        finding = _mutation_finding(policy, binding, MutationFault(message), "Forbidden")
        key = (policy.name, binding.name, message)
        self._excepted.setdefault(key, Excepted(exception, replace(finding, error=False)))
        return True

    def mutation(self) -> Mutation:
        """What came of it all."""
        evaluated, excepted = tuple(self._evaluated.values()), tuple(self._excepted.values())
        if self.findings:
            findings = tuple(self.findings)
            return Mutation(self._sent.object, findings=findings, evaluated=evaluated, excepted=excepted)
        if not self._changed or not differs(self._sent.object, self._current.object):
            return Mutation(self._sent.object, evaluated=evaluated, excepted=excepted)
        return Mutation(self._current.object, True, tuple(self._changed), evaluated=evaluated, excepted=excepted)


_LEFT_OUT = "the object would be changed"


def validate(request: Request, policies: PolicySet, cluster: ClusterView) -> Decision:
    """The verdict of the validating policies on the request's object as it is."""
    return _validate(request, policies, cluster, None)


def _validate(request: Request, policies: PolicySet, cluster: ClusterView, mutation: Mutation | None) -> Decision:
    candidates = policies.validators_for(request)
    if not candidates:
        return Decision(allowed=True, mutation=mutation)
    request.cluster = cluster
    namespace = RequestNamespace(request, partial(_namespace, cluster))
    report = _Report()
    evaluated: list[Binding] = []
    for policy, binding, params in _matches(candidates, request, namespace, cluster, report.fault):
        evaluated.append(binding)
        for param in params:
            evaluation = policy.evaluator.evaluate(request, param, namespace)
            if evaluation is not PASSED:
                if policy.exceptions:
                    evaluation = report.except_from(policy, binding, request, evaluation)
                report.add(policy, binding, evaluation)
    return report.decision(mutation, tuple(evaluated))


def _namespace(cluster: ClusterView, name: str) -> Any:
    try:
        return cluster.namespace(name).value
    except (NotCached, UnknownKind) as error:
        raise NamespaceNotFound(name, str(error)) from None


Fault = Callable[[Policy[Any], Binding | None, str], None]
"""Takes a configuration error: the policy, the binding where it is the binding's, and the API server's text."""


def _matches(
    candidates: Iterable[Candidate[Evaluator_co]],
    request: Request,
    namespace: RequestNamespace,
    cluster: ClusterView,
    fault: Fault,
) -> Iterator[tuple[Policy[Evaluator_co], Binding, tuple[Any, ...]]]:
    """The policies and bindings that match, each with the params to evaluate it for."""
    for policy, residual, bindings in candidates:
        kind = policy.param_kind
        try:
            if residual is not ALWAYS and not residual.matches(request, namespace):
                continue
            resource = resource_of(kind, cluster) if kind is not None else None
        except (NamespaceNotFound, ConfigurationError) as error:
            fault(policy, None, str(error))
            continue
        for binding, bound in bindings:
            try:
                if bound is not ALWAYS and not bound.matches(request, namespace):
                    continue
                params: tuple[Any, ...] = NONE
                if kind is not None and resource is not None:
                    params = collect(kind, resource, binding, request.namespace, cluster)
            except (NamespaceNotFound, ConditionError, ConfigurationError) as error:
                fault(policy, binding, str(error))
                continue
            yield policy, binding, params


def _configuration_text(binding: Binding | None, text: str) -> str:
    return f"failed to configure {'policy' if binding is None else 'binding'}: {text}"


def _mutation_finding(
    policy: Policy[Mutator], binding: Binding | None, fault: MutationFault, reason: str = "Invalid"
) -> Finding:
    return Finding(
        policy=policy.name,
        binding=binding.name if binding else "",
        action="Deny",
        reason="InternalError" if fault.internal else reason,
        code=500 if fault.internal else 403,
        message=fault.message,
        error=True,
        kind=MUTATING,
    )


def _mutation_fault(findings: list[Finding]) -> Fault:
    def fault(policy: Policy[Any], binding: Binding | None, text: str) -> None:
        if policy.failure_policy == "Fail":
            fault = MutationFault(_configuration_text(binding, text))
            findings.append(_mutation_finding(policy, binding, fault, "Forbidden"))

    return fault


class _Report:
    """What the validating policies found, gathered into a Decision."""

    __slots__ = ("_annotations", "_audited", "_excepted", "_findings", "_warnings")

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._warnings: list[str] = []
        self._audited: list[dict[str, Any]] = []
        self._annotations: dict[str, list[str]] = {}
        self._excepted: list[Excepted] = []

    def except_from(
        self, policy: Policy[Any], binding: Binding, request: Request, evaluation: Evaluation
    ) -> Evaluation:
        """What is left of an evaluation without the failures that exceptions cover."""
        left, covered = excepting.without_excepted(policy, binding.name, request, evaluation)
        action = "Deny" if "Deny" in binding.actions else binding.actions[0]
        for failure, exception in covered:
            self._excepted.append(Excepted(exception, _finding(policy, binding, action, failure)))
        return left

    def add(self, policy: Policy[Any], binding: Binding, evaluation: Evaluation) -> None:
        """What one evaluation found, under each of the binding's actions."""
        for failure in evaluation.failures:
            for action in binding.actions:
                finding = _finding(policy, binding, action, failure)
                self._findings.append(finding)
                if action == "Warn":
                    self._warnings.append(finding.text())
                elif action == "Audit" and len(self._audited) < MAX_AUDITED:
                    self._audited.append(
                        {
                            "message": failure.message,
                            "policy": policy.name,
                            "binding": binding.name,
                            "expressionIndex": failure.index,
                            "validationActions": binding.actions,
                        }
                    )
        for key, value in evaluation.annotations:
            values = self._annotations.setdefault(_annotation_key(policy.name, key), [])
            cut = _cut(value)
            if cut not in values:
                values.append(cut)
        for text in evaluation.annotation_errors:
            self._deny(policy, binding, text)

    def fault(self, policy: Policy[Any], binding: Binding | None, text: str) -> None:
        """A configuration error: denies whatever the binding's actions say, unless failurePolicy is Ignore."""
        if policy.failure_policy == "Fail":
            self._deny(policy, binding, _configuration_text(binding, text))

    def _deny(self, policy: Policy[Any], binding: Binding | None, message: str) -> None:
        self._findings.append(
            Finding(
                policy=policy.name,
                binding=binding.name if binding else "",
                action="Deny",
                reason="Invalid",
                code=REASON_CODES["Invalid"],
                message=message,
                error=True,
            )
        )

    def decision(self, mutation: Mutation | None, evaluated: tuple[Binding, ...]) -> Decision:
        """The verdict on all that was added."""
        excepted = mutation.excepted if mutation is not None else ()
        if not self._findings and not self._annotations and not self._excepted:
            return Decision(True, mutation=mutation, evaluated=evaluated, excepted=excepted)
        denials = [finding for finding in self._findings if finding.action == "Deny"]
        causes = tuple(finding.text() for finding in denials)
        annotations = {key: ", ".join(values) for key, values in self._annotations.items()}
        if self._audited:
            annotations["validation_failure"] = orjson.dumps(self._audited).decode()
        if self._excepted:
            annotations[excepting.ANNOTATION] = excepting.annotation(self._excepted)
            self._warnings += excepting.warnings(self._excepted)
        return Decision(
            allowed=not denials,
            findings=tuple(self._findings),
            warnings=shown_warnings(self._warnings),
            audit_annotations=annotations,
            code=denials[0].code if denials else 200,
            reason=denials[0].reason if denials else "",
            message=causes[0] if causes else "",
            causes=causes,
            mutation=mutation,
            evaluated=evaluated,
            excepted=(*excepted, *self._excepted),
        )


def _finding(policy: Policy[Any], binding: Binding, action: Action, failure: Failure) -> Finding:
    return Finding(
        policy=policy.name,
        binding=binding.name,
        action=action,
        reason=failure.reason,
        code=REASON_CODES[failure.reason],
        message=failure.message,
        path=failure.path,
        error=failure.error,
        index=failure.index,
    )


def _annotation_key(policy: str, key: str) -> str:
    """`POLICY.KEY`; the API server puts the webhook's name and a slash before it, and allows 63 characters after it."""
    name = f"{policy}.{key}"
    if len(name) <= 63:
        return name
    return f"{name[:52]}-{sha256(name.encode()).hexdigest()[:10]}"


def _cut(text: str) -> str:
    """As Go cuts and then writes it: each byte of a character that was cut in two is a replacement character."""
    encoded = text.encode()
    if len(encoded) <= MAX_ANNOTATION:
        return text
    whole = encoded[:MAX_ANNOTATION].decode(errors="ignore")
    return whole + "\ufffd" * (MAX_ANNOTATION - len(whole.encode()))
