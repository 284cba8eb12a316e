"""Makes findings of evaluations: failures under the actions of the bindings, with warnings and audit annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct, field

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
from webhook.admission.skipping import configuration_text
from webhook.digests import sha256
from webhook.policy.evaluation import Evaluation, Failure, MutationFault, Mutator
from webhook.policy.policyset import Binding, Policy

if TYPE_CHECKING:
    from webhook.admission.confidential import Confidential
    from webhook.admission.record import Evaluated, Observer

MAX_AUDITED = 50
"""The most failures that the audit annotation lists, as in Kubernetes 1.37."""

MAX_ANNOTATION = 10 * 1024
"""The most bytes of one audit annotation value; longer values are cut."""


Fault = Callable[[Policy[Any], Binding | None, str], None]
"""Takes a configuration error: the policy, the binding (None if the error is the policy's), the API server's text."""


def mutation_finding(
    policy: Policy[Mutator],
    binding: Binding | None,
    fault: MutationFault,
    reason: str = "Invalid",
    evaluated: Evaluated | None = None,
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
        expression=fault.expression,
        evaluated=evaluated,
    )


LEFT_OUT: Final = MutationFault("the object would be changed")


def left_out(binding: Binding, fault: MutationFault = LEFT_OUT, evaluated: Evaluated | None = None) -> Finding:
    """The finding that reports a mutation which an exception suppressed."""
    return Finding(
        policy=binding.policy,
        binding=binding.name,
        action="Deny",
        reason="Forbidden",
        code=403,
        message=fault.message,
        kind=MUTATING,
        expression=fault.expression,
        evaluated=evaluated,
    )


def mutation_fault(findings: list[Finding], confidential: Confidential | None) -> Fault:
    def fault(policy: Policy[Any], binding: Binding | None, text: str) -> None:
        if policy.failure_policy == "Fail":
            if confidential is not None:
                text = confidential.text(text)
            fault = MutationFault(configuration_text(binding, text))
            findings.append(mutation_finding(policy, binding, fault, "Forbidden"))

    return fault


class Report(Struct, eq=False):
    """Collects the failures of the validating policies into a Decision."""

    observer: Observer | None
    confidential: Confidential | None
    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    audited: list[dict[str, Any]] = field(default_factory=list)
    annotations: dict[str, list[str]] = field(default_factory=dict)
    excepted: list[Excepted] = field(default_factory=list)

    def add(self, evaluated: Evaluated, evaluation: Evaluation) -> None:
        """Add the failures of one evaluation under each of the binding's actions, except those that are excepted."""
        if self.confidential is not None:
            evaluation = self.confidential.evaluation(evaluated, evaluation)
        policy, binding, failures = evaluated.policy, evaluated.binding, evaluation.failures
        if policy.exceptions:
            failures = self._not_excepted(evaluated, failures)
        findings = self.findings
        for failure in failures:
            for action in binding.actions:
                finding = _finding(evaluated, action, failure)
                findings.append(finding)
                if action == "Deny":
                    continue
                if action == "Warn":
                    self.warnings.append(finding.text())
                elif len(self.audited) < MAX_AUDITED:
                    self.audited.append(
                        {
                            "message": failure.message,
                            "policy": policy.name,
                            "binding": binding.name,
                            "expressionIndex": failure.index,
                            "validationActions": binding.actions,
                        }
                    )
        for key, value in evaluation.annotations:
            values = self.annotations.setdefault(_annotation_key(policy.name, key), [])
            cut = _cut(value)
            if cut not in values:
                values.append(cut)
        for failure in evaluation.annotation_errors:
            self.findings.append(_finding(evaluated, "Deny", failure))

    def _not_excepted(self, evaluated: Evaluated, failures: Sequence[Failure]) -> Sequence[Failure]:
        """The failures that no exception covers. The others are added to the excepted ones."""
        policy, binding = evaluated.policy, evaluated.binding
        left, covered = excepting.without_excepted(policy, binding.name, evaluated.request, failures)
        action = "Deny" if "Deny" in binding.actions else binding.actions[0]
        for failure, exception in covered:
            excepted = Excepted(exception, _finding(evaluated, action, failure))
            self.excepted.append(excepted)
            if self.observer is not None:
                self.observer.excepted(excepted)
        return left

    def fault(self, policy: Policy[Any], binding: Binding | None, text: str) -> None:
        """Add a configuration error. It denies regardless of the binding's actions, unless failurePolicy is Ignore."""
        if policy.failure_policy == "Fail":
            if self.confidential is not None:
                text = self.confidential.text(text)
            self.findings.append(
                Finding(
                    policy=policy.name,
                    binding=binding.name if binding else "",
                    action="Deny",
                    reason="Invalid",
                    code=REASON_CODES["Invalid"],
                    message=configuration_text(binding, text),
                    error=True,
                )
            )

    def decision(self, mutation: Mutation | None, evaluated: tuple[Binding, ...]) -> Decision:
        """The verdict on everything that was added."""
        excepted = mutation.excepted if mutation is not None else ()
        if not self.findings and not self.annotations and not self.excepted:
            return Decision(True, mutation=mutation, evaluated=evaluated, excepted=excepted)
        denials = [finding for finding in self.findings if finding.action == "Deny"]
        causes = tuple([finding.text() for finding in denials])
        annotations = {key: ", ".join(values) for key, values in self.annotations.items()}
        if self.audited:
            annotations["validation_failure"] = orjson.dumps(self.audited).decode()
        if self.excepted:
            annotations[excepting.ANNOTATION] = excepting.annotation(self.excepted)
            self.warnings += excepting.warnings(self.excepted)
        return Decision(
            allowed=not denials,
            findings=tuple(self.findings),
            warnings=shown_warnings(self.warnings),
            audit_annotations=annotations,
            code=denials[0].code if denials else 200,
            reason=denials[0].reason if denials else "",
            message=causes[0] if causes else "",
            causes=causes,
            mutation=mutation,
            evaluated=evaluated,
            excepted=(*excepted, *self.excepted),
        )


def _finding(evaluated: Evaluated, action: Action, failure: Failure) -> Finding:
    return Finding(
        policy=evaluated.policy.name,
        binding=evaluated.binding.name,
        action=action,
        reason=failure.reason,
        code=REASON_CODES[failure.reason],
        message=failure.message,
        path=failure.path,
        error=failure.error,
        index=failure.index,
        expression=failure.expression,
        evaluated=evaluated,
    )


def _annotation_key(policy: str, key: str) -> str:
    """`POLICY.KEY`, of at most 63 characters. The API server prepends the webhook's name and a slash."""
    name = f"{policy}.{key}"
    if len(name) <= 63:
        return name
    return f"{name[:52]}-{sha256(name.encode()).hexdigest()[:10]}"


def _cut(text: str) -> str:
    """The text cut at MAX_ANNOTATION bytes as Go does: each byte of a split character becomes U+FFFD."""
    encoded = text.encode()
    if len(encoded) <= MAX_ANNOTATION:
        return text
    whole = encoded[:MAX_ANNOTATION].decode(errors="ignore")
    return whole + "\ufffd" * (MAX_ANNOTATION - len(whole.encode()))
