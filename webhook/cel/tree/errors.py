"""What can go wrong with an expression: when it is compiled, and when it is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webhook.excerpts import Excerpt, marked


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with an expression. `line` and `column` are 1-based, in code points of the expression's text."""

    message: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


class CompileError(ValueError):
    """An expression that does not compile: every issue found, with its position, and the source."""

    def __init__(self, source: str, issues: Sequence[Issue]) -> None:
        self.source = source
        self.issues = tuple(issues)
        super().__init__("; ".join(issue.message for issue in self.issues))

    def render(self) -> str:
        """The issues as a person reads them: each with its line of source and a caret below it."""
        lines = self.source.split("\n")
        parts: list[str] = []
        for issue in self.issues:
            line, caret = marked(Excerpt(lines[min(issue.line, len(lines)) - 1], issue.column))
            parts.append(f"{issue}\n  | {line}\n  | {caret}")
        return "\n".join(parts)


class EvaluationError(Exception):
    """An evaluation that gave no value. str(error) is the API server's text, such as `no such key: nope`."""


class BudgetExceeded(BaseException):
    """Raised inside generated code when the budget is used up.

    Not an Exception, so that `&&`, `||` and the macros, which absorb errors, never absorb it; Program.evaluate turns
    it into an EvaluationError.
    """


class LimitExceeded(BudgetExceeded):
    """Raised inside generated code at a limit that only this server has (work, memory, time): `text` says which."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def issue_at(source: str, offset: int, message: str) -> Issue:
    """An issue at an offset, in code points, of its source."""
    before = source[:offset]
    return Issue(message, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def offset_of(source: str, issue: Issue) -> int:
    """The offset of an issue in its source, in code points: the way back from `issue_at`."""
    lines = source.split("\n")
    return sum(len(line) + 1 for line in lines[: issue.line - 1]) + issue.column - 1


BUDGET_TEXT = "operation cancelled: actual cost limit exceeded"


class CostError(EvaluationError):
    """The budget of an evaluation is used up."""

    def __init__(self) -> None:
        super().__init__(BUDGET_TEXT)


class LimitError(EvaluationError):
    """An evaluation was cut off at a limit of this server's own: str(error) tells which."""


def no_such_overload() -> EvaluationError:
    """The error of an operation on operands that it is not defined for."""
    return EvaluationError("no such overload")


def no_such_key(key: object) -> EvaluationError:
    """The error of a missing map key or field; `key` as CEL shows it."""
    return EvaluationError(f"no such key: {key}")
