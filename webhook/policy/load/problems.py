"""Makes the problems of a policy tree: a message with object and field, its line, and an excerpt of the line."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from webhook.cel import Issue
from webhook.documents import syntax
from webhook.documents.reader import Document, Problem
from webhook.nearest import nearest
from webhook.paths import ROOT, Path, render
from webhook.policy.load.expressionplaces import folded_comment
from webhook.policy.load.expressionplaces import place as place_of

FOLDED: Final = "YAML folds these lines into one, so the comment extends to their end; write | instead of >"


def order(problem: Problem) -> tuple[str, int, int, str]:
    """The key that sorts problems: by file and position."""
    return problem.file, problem.line or 0, problem.column or 0, problem.message


def problem(document: Document, path: Path, message: str) -> Problem:
    """A problem of the field at `path`."""
    field = f"{render(path)}: " if path != ROOT else ""
    return document.problem(path, f"{subject(document)}: {field}{message}")


def warning(document: Document, path: Path, message: str, rule: str = "") -> Problem:
    """A warning at `path`, with the excerpt of its line."""
    position = document.position(path)
    return replace(document.problem(path, message), excerpt=document.excerpt(position), rule=rule)


def in_expression(document: Document, path: Path, issue: Issue) -> Problem:
    """The problem of an issue in the expression at `path`, at its position in the file."""
    found = place_of(document, path, issue)
    where = "" if found.exact else f" (at {issue.line}:{issue.column} of the expression)"
    if issue.message.startswith("Syntax error") and (comment := document.comment_behind(path)):
        where += f"; YAML reads the # in column {comment.column} as the start of a comment; {syntax.misread.QUOTE}"
    if issue.message.startswith("Syntax error") and (folded := folded_comment(document, path)):
        where += f"; {FOLDED} (line {folded.line})"
    found_at = problem(document, path, f"{issue.message}{where}")
    return replace(found_at, line=found.position.line, column=found.position.column, excerpt=found.excerpt)


def subject(document: Document) -> str:
    """The kind and name of the document's object."""
    name = (document.value.get("metadata") or {}).get("name")
    return f"{document.value['kind']} '{name}'" if name else str(document.value["kind"])


def place(document: Document) -> str:
    """Where the document begins: FILE:LINE."""
    return f"{document.stream}:{document.line}"


def expected(name: str, names: list[str]) -> str:
    """The nearest of the names, or all of them."""
    close = nearest(name, names)
    return f"did you mean {close}?" if close else f"expected one of: {', '.join(names) or '(none is defined)'}"
