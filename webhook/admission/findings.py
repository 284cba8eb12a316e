"""What a decision says of evaluations: failures as findings, under the actions of the bindings, with warnings and audit
annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

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
from webhook.admission.skipping import configuration_text
from webhook.policy.evaluation import Evaluation, Failure, MutationFault, Mutator
from webhook.policy.policyset import Binding, Policy

if TYPE_CHECKING:
    from webhook.admission.record import Evaluated, Observer
    from webhook.admission.redaction import Confidential

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


class Report:
    """Collects the failures of the validating policies into a Decision."""

    __slots__ = ("_annotations", "_audited", "_confidential", "_excepted", "_findings", "_observer", "_warnings")

    def __init__(self, observer: Observer | None, confidential: Confidential | None) -> None:
        self._observer = observer
        self._confidential = confidential
        self._findings: list[Finding] = []
        self._warnings: list[str] = []
        self._audited: list[dict[str, Any]] = []
        self._annotations: dict[str, list[str]] = {}
        self._excepted: list[Excepted] = []

    def add(self, evaluated: Evaluated, evaluation: Evaluation) -> None:
        """Add the failures of one evaluation under each of the binding's actions, except those that are excepted."""
        if self._confidential is not None:
            evaluation = self._confidential.evaluation(evaluated, evaluation)
        policy, binding, failures = evaluated.policy, evaluated.binding, evaluation.failures
        if policy.exceptions:
            failures = self._not_excepted(evaluated, failures)
        for failure in failures:
            for action in binding.actions:
                finding = _finding(evaluated, action, failure)
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
        for failure in evaluation.annotation_errors:
            self._findings.append(_finding(evaluated, "Deny", failure))

    def _not_excepted(self, evaluated: Evaluated, failures: Sequence[Failure]) -> Sequence[Failure]:
        """The failures that no exception covers. The others are added to the excepted ones."""
        policy, binding = evaluated.policy, evaluated.binding
        left, covered = excepting.without_excepted(policy, binding.name, evaluated.request, failures)
        action = "Deny" if "Deny" in binding.actions else binding.actions[0]
        for failure, exception in covered:
            excepted = Excepted(exception, _finding(evaluated, action, failure))
            self._excepted.append(excepted)
            if self._observer is not None:
                self._observer.excepted(excepted)
        return left

    def fault(self, policy: Policy[Any], binding: Binding | None, text: str) -> None:
        """Add a configuration error. It denies regardless of the binding's actions, unless failurePolicy is Ignore."""
        if policy.failure_policy == "Fail":
            if self._confidential is not None:
                text = self._confidential.text(text)
            self._findings.append(
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
