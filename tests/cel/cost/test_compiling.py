"""The limits of the expressions of one policy together."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT
from webhook.cel import CompileError
from webhook.cel.cost import compiling
from webhook.policy.cel.compilation import compile_policy
from webhook.policy.written.model import ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec, Validation, Variable


def test_the_expressions_of_a_policy_have_a_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MAX_STEPS", 1_000_000)
    monkeypatch.setattr(compiling, "MAX_EXPRESSIONS", 50)
    limits = compiling.Compiling()
    with pytest.raises(CompileError, match="up to 100,000 syntax tree nodes"):
        for _ in range(20):
            ENVIRONMENT.compile(" && ".join(f"x.a{n} == {n}" for n in range(200)), (), limits)
    assert limits.exceeded
    many = compiling.Compiling()
    with pytest.raises(CompileError, match="up to 1,000 of one policy"):
        for n in range(51):
            ENVIRONMENT.compile(f"x == {n}", (), many)


def test_literal_patterns_count_for_the_limit_of_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MAX_STEPS", 1_000_000)
    limits = compiling.Compiling()
    ENVIRONMENT.compile("x.matches('^[a-z]+$')", (), limits)
    assert limits.steps < 10_000
    with pytest.raises(CompileError, match="regular expressions of as much work"):
        for n in range(10):
            ENVIRONMENT.compile(f"x.matches('{'a?' * 3_000}{n}')", (), limits)


def policy(variables: int, validation: str = "true") -> ValidatingAdmissionPolicy:
    return ValidatingAdmissionPolicy(
        spec=ValidatingAdmissionPolicySpec(
            variables=[Variable(name=f"v{n}", expression=str(n)) for n in range(variables)],
            validations=[Validation(expression=validation, message_expression="'a' + string(1)")],
        )
    )


def test_a_policy_with_too_many_expressions_has_one_issue() -> None:
    assert compile_policy(policy(50))[1] == []
    ((place, issue),) = compile_policy(policy(5_000))[1]
    assert place == ("spec", "variables", compiling.MAX_EXPRESSIONS, "expression")
    assert "split it into several policies" in issue.message


def test_messages_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MAX_EXPRESSIONS", 11)
    ((place, _),) = compile_policy(policy(10))[1]
    assert place == ("spec", "validations", 0, "messageExpression")
