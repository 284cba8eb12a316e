"""Errors, warnings and notes on stderr, which every command writes alike, each with its line."""

from __future__ import annotations

from webhook.cli.report.style import DIM, ERROR, WARNING, Style
from webhook.documents.reader import Problem, full_text
from webhook.visible import no_commands, visible


def error_text(problem: Problem, color: bool, width: int | None = None) -> str:
    """An error, with the line that it is in and a caret below the place.

    `width`: the columns of the terminal that it is shown on, None if it is not.
    """
    return f"{Style(color)(ERROR, 'error:')} {no_commands(full_text(problem, width))}\n"


def warning_text(problem: Problem, color: bool, width: int | None = None) -> str:
    """A warning, in the form of `error_text`."""
    return f"{Style(color)(WARNING, 'warning:')} {no_commands(full_text(problem, width))}\n"


def error_line(message: str, color: bool) -> str:
    """An error that stands in no file, on one line."""
    return f"{Style(color)(ERROR, 'error:')} {visible(message)}\n"


def note_line(message: str, color: bool) -> str:
    """A note, on one line."""
    return f"{Style(color)(DIM, 'note:')} {visible(message)}\n"
