"""Explains the verdict of a CEL policy: the trace of its evaluation as steps with redacted texts.

Nothing is evaluated here; the steps come from the engine's record (webhook.admission.record). The texts contain no
content of a Secret, even if the policy read one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.admission.redaction import Redaction
from webhook.cel.why.explanation import Explanation, Step
from webhook.cel.why.privacy import CLEAN, Private
from webhook.offline.secrets import hidden, private_parts
from webhook.paths import Path
from webhook.policy.cel.validating import CELValidator

if TYPE_CHECKING:
    from webhook.admission.decision import Finding
    from webhook.admission.record import Evaluated
    from webhook.policy.trace import LaterTrace, Trace

HIDDEN_ERROR: Final = "(hidden: the text is made from the content of a Secret)"


class Explained(Struct, frozen=True):
    """The explanation of one expression.

    `place`: its path in the policy object, such as `spec.validations[1].expression`. `name`: of the matchCondition, or
    the key of the audit annotation; "" for other expressions.
    """

    place: Path
    name: str
    explanation: Explanation

    @property
    def holds(self) -> bool:
        """Whether the expression is true."""
        return self.explanation.value is True

    @property
    def error(self) -> str | None:
        """The redacted text of its error; None if it has a value."""
        return error_of(self.explanation.root) if self.explanation.failed else None


class ExplainedPolicy(Struct, frozen=True):
    """The explanation of one evaluation of a CEL policy, for one param object (None if it has no params).

    `conditions`: the matchConditions up to the first false one, after which nothing else was evaluated. `messages`: the
    messageExpressions of failed validations, by the validation's index. If only failures were recorded, conditions and
    validations that are true are left out. `private`: the parts of the values that must not be shown.
    """

    evaluated: Evaluated
    private: Private
    conditions: tuple[Explained, ...]
    validations: tuple[Explained, ...]
    annotations: tuple[Explained, ...]
    messages: Mapping[int, Explained]

    @property
    def param(self) -> Any:
        """The param object of the evaluation; None if the policy has no params."""
        return self.evaluated.param

    @property
    def matched(self) -> bool:
        """Whether the matchConditions matched."""
        return all(condition.holds for condition in self.conditions)

    def witnesses(self, finding: Finding) -> tuple[Path, ...]:
        """The places in the object that decided a finding of this evaluation, the best first."""
        return tuple(path for each in self.behind(finding) for path in each.explanation.witnesses)

    def behind(self, finding: Finding) -> tuple[Explained, ...]:
        """The expressions behind a finding of this evaluation: the validation, or the expressions in error."""
        if finding.expression is None:
            return tuple(each for each in self.conditions if each.explanation.failed)
        return tuple(each for each in (*self.validations, *self.annotations) if each.place == finding.expression)

    def is_behind(self, finding: Finding, each: Explained) -> bool:
        """Whether a finding belongs to this evaluation and comes from the expression `each`."""
        return finding.evaluated is self.evaluated and finding.expression == each.place

    def hidden_errors(self) -> Iterator[tuple[str, str]]:
        """The error texts that must be hidden, each with its replacement."""
        for each in (*self.conditions, *self.validations, *self.annotations):
            root = each.explanation.root
            if root.outcome == "error" and root.error_level != CLEAN:
                yield root.error, error_of(root)


def explained(evaluated: Evaluated, redaction: Redaction) -> ExplainedPolicy | None:
    """The explanation of an evaluation; None if it has no trace, as for Python policies and mutating ones.

    redaction: of all Secrets that policies of the request have read, which they may have copied into the object.
    """
    validator, trace = evaluated.policy.evaluator, evaluated.result.trace
    if trace is None or not isinstance(validator, CELValidator):
        return None
    request = evaluated.request
    private = private_parts(request.object, request.old_object, evaluated.param, redaction=redaction)
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


def _below(
    trace: Trace | LaterTrace, field: str, part: str, names: Mapping[Path, str], private: Private
) -> tuple[Explained, ...]:
    return tuple(
        Explained(each.place, names.get(each.place, ""), each.explained(private))
        for each in trace.below("spec", field)
        if each.place[-1] == part
    )


# --------------------------------------------------------------------------------------------------------- redaction


def error_of(step: Step) -> str:
    """The redacted error text of a step."""
    return step.error if step.error_level == CLEAN else HIDDEN_ERROR


def shown_message(finding: Finding, evaluated: ExplainedPolicy | None) -> str:
    """The message of a finding. Parts that are computed from a Secret are replaced by their lengths."""
    message = finding.message
    if evaluated is None:
        return message
    made = evaluated.messages.get(finding.index)
    if made is not None and isinstance(made.explanation.value, str) and made.explanation.value.strip() == message:
        return _redacted(made.explanation.root, made.explanation).strip()
    for error, shown in evaluated.hidden_errors():
        message = message.replace(error, shown)
    return message


def _redacted(step: Step, explanation: Explanation) -> str:
    if step.outcome == "value" and step.level == CLEAN:
        return step.value if isinstance(step.value, str) else ""
    variable = explanation.variables.get(step.name)
    if variable is not None:
        return _redacted(variable, explanation)
    if step.name == "+" and isinstance(step.value, str):
        return "".join(_redacted(part, explanation) for part in step.children)
    if step.name == "?:":
        return "".join(_redacted(part, explanation) for part in step.children[1:] if part.outcome == "value")
    return hidden(step.value) if step.outcome == "value" else ""


class Explanations:
    """The explanations of the evaluations of one request, each built once for all its findings.

    redaction: see `explained`.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._explained: dict[int, ExplainedPolicy | None] = {}  # by id() of the evaluation

    def of(self, evaluated: Evaluated | None) -> ExplainedPolicy | None:
        """See `explained`; None for no evaluation."""
        if evaluated is None:
            return None
        if id(evaluated) not in self._explained:
            self._explained[id(evaluated)] = explained(evaluated, self._redaction)
        return self._explained[id(evaluated)]

    def text(self, finding: Finding) -> str:
        """The text of a finding, as Finding.text(), without content of Secrets."""
        if not self._redaction:
            return finding.text()
        message = self._redaction.applied(shown_message(finding, self.of(finding.evaluated)))
        return replace(finding, message=message).text()


def param_name(param: Any) -> str:
    """`ConfigMap gatewright-system/replica-bounds`; "" for no param."""
    if not isinstance(param, dict):
        return ""
    metadata = param.get("metadata")
    name, namespace = (metadata.get("name"), metadata.get("namespace")) if isinstance(metadata, dict) else ("", "")
    kind = param.get("kind", "")
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
