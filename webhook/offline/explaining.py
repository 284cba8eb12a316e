"""Why a CEL policy came to its verdict: its expressions evaluated once more, recording, in the order of the engine.

The verdict itself is the engine's; here it is only asked why. What is said of a request that a Secret is part of holds
nothing of the Secret: texts come out of here fit to be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.admission.decision import Finding
from webhook.admission.params import NONE, ConfigurationError, collect, resource_of
from webhook.cel import Program
from webhook.cel.program import Recording
from webhook.cel.why.explanation import Explanation, Step
from webhook.cel.why.privacy import CLEAN, Private
from webhook.cluster.view import ClusterView
from webhook.offline.secrets import hidden, private_parts
from webhook.paths import Path
from webhook.policy.cel.validating import CELValidator
from webhook.policy.matching import RequestNamespace
from webhook.policy.policyset import Binding, Policy
from webhook.policy.request import Request

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
    """A policy evaluated for one param (None where it has none).

    conditions: matchConditions, up to the first that is false; then nothing else was evaluated. messages: the
    messageExpression of each validation that failed and has one, by its index. private: what must not be shown of the
    values.
    """

    param: Any
    private: Private
    conditions: tuple[Explained, ...]
    validations: tuple[Explained, ...]
    annotations: tuple[Explained, ...]
    messages: Mapping[int, Explained]

    @property
    def matched(self) -> bool:
        """Whether the matchConditions let the policy run."""
        return all(condition.holds for condition in self.conditions)

    def witness(self, finding: Finding) -> Path | None:
        """The place in the object that the validation behind a finding turned on, None if it is not known."""
        if finding.error or finding.index >= len(self.validations):
            return None
        explanation = self.validations[finding.index].explanation
        return next(iter(explanation.witnesses), None) if explanation.value is False else None

    def behind(self, finding: Finding) -> tuple[Explained, ...]:
        """The expressions that a finding comes from: its validation, or what could not be evaluated."""
        if self.matched and finding.index < len(self.validations):
            validation = self.validations[finding.index]
            if not validation.holds:
                return (validation,)
        return tuple(each for each in (*self.conditions, *self.annotations) if each.explanation.failed)

    def hidden_errors(self) -> Iterator[tuple[str, str]]:
        """The errors that must not be shown as they are, each with what is shown instead."""
        for each in (*self.conditions, *self.validations, *self.annotations):
            root = each.explanation.root
            if root.outcome == "error" and root.error_level != CLEAN:
                yield root.error, error_of(root)


def explain_policy(
    validator: CELValidator, request: Request, param: Any, cluster: ClusterView, private: Private
) -> ExplainedPolicy:
    """The policy's expressions on a request as validation saw it: after mutation."""
    bindings = {"object": request.object, "oldObject": request.old_object, "params": param}
    conditions = _conditions(validator, request, bindings, private)
    validations: list[Explained] = []
    annotations: list[Explained] = []
    messages: dict[int, Explained] = {}
    if all(condition.holds for condition in conditions):
        namespace = RequestNamespace(request, lambda name: cluster.namespace(name).value)
        recording = Recording(bindings, validator.lazy(request, namespace), validator.variables)
        bare = recording
        if validator.authorizing is not None:  # of which messages and auditAnnotations know nothing
            lazy = validator.lazy(request, namespace, authorizer=False)
            bare = Recording(bindings, lazy, validator.variables)
        for index, validation in enumerate(validator.validations):
            place: Path = ("spec", "validations", index, "expression")
            explained = _explained(validation.program, recording, private, place)
            validations.append(explained)
            if explained.explanation.value is False and validation.message_program is not None:
                place = ("spec", "validations", index, "messageExpression")
                messages[index] = _explained(validation.message_program, bare, private, place)
        for annotation in validator.annotations:
            place = ("spec", "auditAnnotations", annotation.key)
            annotations.append(_explained(annotation.program, bare, private, place, annotation.key))
    return ExplainedPolicy(param, private, tuple(conditions), tuple(validations), tuple(annotations), messages)


def _conditions(
    validator: CELValidator, request: Request, bindings: dict[str, Any], private: Private
) -> list[Explained]:
    recording = Recording({**bindings, "namespaceObject": None}, validator.lazy(request, None))
    explained: list[Explained] = []
    for index, condition in enumerate(validator.conditions):
        place = ("spec", "matchConditions", index, "expression")
        explained.append(_explained(condition.program, recording, private, place, condition.name))
        if explained[-1].explanation.value is False:
            break
    return explained


def _explained(program: Program, recording: Recording, private: Private, place: Path, name: str = "") -> Explained:
    return Explained(place, name, program.explain(recording, private))


def params_of(policy: Policy[Any], binding: Binding, request: Request, cluster: ClusterView) -> tuple[Any, ...]:
    """The params that a binding has the policy evaluated for. Raises ConfigurationError."""
    if policy.param_kind is None:
        return NONE
    return collect(policy.param_kind, resource_of(policy.param_kind, cluster), binding, request.namespace, cluster)


def explain_binding(
    policy: Policy[Any], binding: Binding, request: Request, cluster: ClusterView
) -> tuple[ExplainedPolicy, ...]:
    """The evaluations of a policy under a binding, one a param; none of Python policies and configuration errors."""
    if not isinstance(policy.evaluator, CELValidator):
        return ()
    try:
        params = params_of(policy, binding, request, cluster)
    except ConfigurationError:
        return ()
    private = private_parts(request.object, request.old_object, *params)
    return tuple(explain_policy(policy.evaluator, request, param, cluster, private) for param in params)


def behind(finding: Finding, evaluated: Iterable[ExplainedPolicy]) -> ExplainedPolicy | None:
    """The first of the evaluations under its binding that a finding may come from."""
    return next((each for each in evaluated if _failed(each, finding)), None)


def _failed(evaluated: ExplainedPolicy, finding: Finding) -> bool:
    """Whether the finding may be of this evaluation."""
    if not evaluated.matched or finding.index >= len(evaluated.validations):
        return finding.error
    found = evaluated.validations[finding.index].explanation
    return found.failed if finding.error else found.value is False


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
