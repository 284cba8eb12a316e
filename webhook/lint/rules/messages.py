"""GW206: messages that never show. GW207: audit annotations that are always written. GW403: no message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.lint.alarms import Alarm, Rule
from webhook.lint.outcomes import Known
from webhook.lint.subject import Subject
from webhook.paths import lookup
from webhook.policy.cel.validating import CELValidator

HIDDEN: Final = "GW206"
ANNOTATED: Final = "GW207"
WITHOUT: Final = "GW403"

RULES: Final = (
    Rule(HIDDEN, "hidden-message", "warning", "a message that never shows"),
    Rule(ANNOTATED, "always-annotated", "warning", "an auditAnnotation is written for every request"),
    Rule(WITHOUT, "no-message", "note", "a validation has no message"),
)


def check(subject: Subject) -> Iterator[Alarm]:
    for policy, document in subject.in_cel():
        evaluator = policy.evaluator
        if not isinstance(evaluator, CELValidator):
            continue
        outcomes = subject.outcomes(policy, Known())
        for validation in evaluator.validations:
            at = validation.place[:-1]
            message = lookup(document.value, (*at, "message"))
            program = validation.message_program
            if program is None:
                if not (isinstance(message, str) and message.strip()):
                    text = "there is no message, so a denied user sees the expression; say what to do instead"
                    yield subject.alarm(WITHOUT, document, (*at, "expression"), text)
                continue
            outcome = outcomes.of(program, (*at, "messageExpression"))
            constant = outcome.constant
            if isinstance(constant, str) and (not constant.strip() or "\n" in constant):
                why = "is empty" if not constant.strip() else "has a line break"
                text = f"this messageExpression never shows: its text {why}, so the API server shows message instead"
                yield subject.in_expression(HIDDEN, document, (*at, "messageExpression"), program, program.tree, text)
            elif message and outcome.filled and not outcome.fails:
                text = "this message never shows: messageExpression always has a text, which is shown instead"
                yield subject.alarm(HIDDEN, document, (*at, "message"), text)
        for annotation in evaluator.annotations:
            outcome = outcomes.of(annotation.program, annotation.place)
            if outcome.filled and outcome.present:
                text = (
                    f"{annotation.key} is written for every request, allowed ones included: its text is "
                    "never empty. Write CONDITION ? TEXT : ''"
                )
                yield subject.in_expression(
                    ANNOTATED, document, annotation.place, annotation.program, annotation.program.tree, text
                )
