"""The errors of expressions: when they are compiled, and when they are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from webhook.cel.tree.types import Type
from webhook.excerpts import Excerpt, marked


class Issue(Struct, frozen=True):
    """One fault of an expression. `line` and `column` are 1-based, in code points of the expression's text.

    about: the type of the operand, if its field is not defined.
    """

    message: str
    line: int = 1
    column: int = 1
    about: str = ""

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


class Checked(Struct, frozen=True):
    """The checker's result for an expression: its type, and the variables that it reads."""

    type: Type
    variables: frozenset[str]


class CompileError(ValueError):
    """An expression does not compile. It has all issues with their positions, and the source."""

    checked: Checked | None
    """Of an expression that the checker accepts, and of which no program can be built; else None."""

    def __init__(self, source: str, issues: Sequence[Issue], checked: Checked | None = None) -> None:
        self.source = source
        self.issues = tuple(issues)
        self.checked = checked
        super().__init__("; ".join(issue.message for issue in self.issues))

    def render(self) -> str:
        """The issues as text, each with its source line and a caret below it."""
        lines = self.source.split("\n")
        parts: list[str] = []
        for issue in self.issues:
            line, caret = marked(Excerpt(lines[min(issue.line, len(lines)) - 1], issue.column))
            parts.append(f"{issue}\n  | {line}\n  | {caret}")
        return "\n".join(parts)


class EvaluationError(Exception):
    """An evaluation failed. str(error) is the API server's text, such as `no such key: nope`."""


class BudgetExceeded(BaseException):
    """Raised inside generated code when the budget is exceeded.

    It is not an Exception, so that `&&`, `||` and the macros, which absorb errors, do not absorb it. Program.evaluate
    converts it to an EvaluationError.
    """


class LimitExceeded(BudgetExceeded):
    """Raised inside generated code at a limit that only Gatewright has (work, memory, time). `text` names the limit."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def issue_at(source: str, offset: int, message: str, about: str = "") -> Issue:
    """An issue at an offset, in code points, of its source."""
    before = source[:offset]
    return Issue(message, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, about)


def offset_of(source: str, issue: Issue) -> int:
    """The offset of an issue in its source, in code points: the inverse of `issue_at`."""
    lines = source.split("\n")
    return sum(len(line) + 1 for line in lines[: issue.line - 1]) + issue.column - 1


BUDGET_TEXT = "operation cancelled: actual cost limit exceeded"


class CostError(EvaluationError):
    """The cost budget of an evaluation is exceeded."""

    def __init__(self) -> None:
        super().__init__(BUDGET_TEXT)


class LimitError(EvaluationError):
    """An evaluation was cancelled at a limit that only Gatewright has. str(error) names the limit."""


def no_such_overload() -> EvaluationError:
    """The error of an operation without an overload for its operands."""
    return EvaluationError("no such overload")


def no_such_key(key: str) -> EvaluationError:
    """The error of a missing map key or field. key: in CEL's notation."""
    return EvaluationError(f"no such key: {cut(key)}")


MOST_NAMED: Final = 1_000
"""The most characters of a value that an error names. The API server names all of it."""


def cut(text: str) -> str:
    """A text for an error, cut after MOST_NAMED characters."""
    return text if len(text) <= MOST_NAMED else f"{text[:MOST_NAMED]}…"
