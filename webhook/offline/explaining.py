"""Why a CEL policy came to its verdict: the trace of its evaluation, as steps that may be shown.

Nothing is evaluated here: the record of the engine (webhook.admission.record) is read. What is said of a request that a
Secret is part of holds nothing of the Secret: texts come out of here fit to be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from webhook.cel.why.explanation import Explanation, Step
from webhook.cel.why.privacy import CLEAN, Private
from webhook.offline.secrets import hidden, private_parts
from webhook.paths import Path
from webhook.policy.cel.validating import CELValidator

if TYPE_CHECKING:
    from webhook.admission.decision import Finding
    from webhook.admission.record import Evaluated
    from webhook.policy.trace import Trace

HIDDEN_ERROR: Final = "(hidden: the text is made from the content of a Secret)"


@dataclass(frozen=True, slots=True)
class Explained:
    """One expression of a policy: its place in the policy (`spec.validations[1].expression`), its name if it has one,
    and why it came out as it did.
    """

    place: Path
    name: str
    explanation: Explanation

    @property
    def holds(self) -> bool:
        """Whether it let the request pass."""
        return self.explanation.value is True

    @property
    def error(self) -> str | None:
        """The text of its error, fit to be shown; None where it has a value."""
        return error_of(self.explanation.root) if self.explanation.failed else None


@dataclass(frozen=True, slots=True)
class ExplainedPolicy:
    """One evaluation of a policy in CEL, explained: for one param (None where it has none).

    Where everything was recorded: conditions are the matchConditions, up to the first that is false; then nothing else
    was evaluated. messages: the messageExpression of each validation that failed and has one, by its index. Where only
    failures were recorded, conditions and validations that hold are left out. private: what must not be shown of the
    values.
    """

    evaluated: Evaluated
    private: Private
    conditions: tuple[Explained, ...]
    validations: tuple[Explained, ...]
    annotations: tuple[Explained, ...]
    messages: Mapping[int, Explained]

    @property
    def param(self) -> Any:
        """The param object that the policy was evaluated for; None where it has none."""
        return self.evaluated.param

    @property
    def matched(self) -> bool:
        """Whether the matchConditions let the policy run."""
        return all(condition.holds for condition in self.conditions)

    def witnesses(self, finding: Finding) -> tuple[Path, ...]:
        """The places in the object that a finding of this evaluation turned on, the best first."""
        return tuple(path for each in self.behind(finding) for path in each.explanation.witnesses)

    def behind(self, finding: Finding) -> tuple[Explained, ...]:
        """The expressions that a finding of this evaluation comes from: its validation, or what is in error."""
        if finding.expression is None:
            return tuple(each for each in self.conditions if each.explanation.failed)
        return tuple(each for each in (*self.validations, *self.annotations) if each.place == finding.expression)

    def is_behind(self, finding: Finding, each: Explained) -> bool:
        """Whether a finding is of this evaluation, and comes from one of its expressions."""
        return finding.evaluated is self.evaluated and finding.expression == each.place

    def hidden_errors(self) -> Iterator[tuple[str, str]]:
        """The errors that must not be shown as they are, each with what is shown instead."""
        for each in (*self.conditions, *self.validations, *self.annotations):
            root = each.explanation.root
            if root.outcome == "error" and root.error_level != CLEAN:
                yield root.error, error_of(root)


def explained(evaluated: Evaluated) -> ExplainedPolicy | None:
    """The explanation of an evaluation; None where there is no trace of it: of policies in Python and mutating ones."""
    validator, trace = evaluated.policy.evaluator, evaluated.result.trace
    if trace is None or not isinstance(validator, CELValidator):
        return None
    private = private_parts(evaluated.request.object, evaluated.request.old_object, evaluated.param)
    names = {condition.place: condition.name for condition in validator.conditions.conditions}
    names |= {annotation.place: annotation.key for annotation in validator.annotations}
    validations = _below(trace, "validations", "expression", names, private)
    failed = {each.place[2] for each in validations if not each.holds}
    messages = _below(trace, "validations", "messageExpression", names, private)
    return ExplainedPolicy(
        evaluated,
        private,
        _below(trace, "matchConditions", "expression", names, private),
        validations,
        _below(trace, "auditAnnotations", "valueExpression", names, private),
        {int(each.place[2]): each for each in messages if each.place[2] in failed},
    )


def _below(trace: Trace, field: str, part: str, names: Mapping[Path, str], private: Private) -> tuple[Explained, ...]:
    return tuple(
        Explained(each.place, names.get(each.place, ""), each.explained(private))
        for each in trace.below("spec", field)
        if each.place[-1] == part
    )


# -------------------------------------------------------------------------------------------------- fit to be shown


def error_of(step: Step) -> str:
    """The error of a step, fit to be shown."""
    return step.error if step.error_level == CLEAN else HIDDEN_ERROR


def shown_message(finding: Finding, evaluated: ExplainedPolicy | None) -> str:
    """The message of a finding, where it is made from Secrets with their lengths instead."""
    message = finding.message
    if evaluated is None:
        return message
    made = evaluated.messages.get(finding.index)
    if made is not None and isinstance(made.explanation.value, str) and made.explanation.value.strip() == message:
        return _told(made.explanation.root, made.explanation).strip()
    for error, shown in evaluated.hidden_errors():
        message = message.replace(error, shown)
    return message


def _told(step: Step, explanation: Explanation) -> str:
    if step.outcome == "value" and step.level == CLEAN:
        return step.value if isinstance(step.value, str) else ""
    variable = explanation.variables.get(step.name)
    if variable is not None:
        return _told(variable, explanation)
    if step.name == "+" and isinstance(step.value, str):
        return "".join(_told(part, explanation) for part in step.children)
    if step.name == "?:":
        return "".join(_told(part, explanation) for part in step.children[1:] if part.outcome == "value")
    return hidden(step.value) if step.outcome == "value" else ""


def param_name(param: Any) -> str:
    """`ConfigMap gatewright-system/replica-bounds`; "" for no param."""
    if not isinstance(param, dict):
        return ""
    metadata = param.get("metadata")
    name, namespace = (metadata.get("name"), metadata.get("namespace")) if isinstance(metadata, dict) else ("", "")
    kind = param.get("kind", "")
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
