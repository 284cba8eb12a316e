"""What several subcommands have in common: options, colours, failing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from webhook.excerpts import columns

if TYPE_CHECKING:
    from webhook.documents.reader import Problem

KubernetesVersion = Annotated[
    str,
    typer.Option(
        "--kubernetes-version",
        metavar="VERSION",
        envvar="GATEWRIGHT_KUBERNETES_VERSION",
        help="The Kubernetes that the policies are for: what it does not have yet is refused.",
    ),
]

Authorizations = Annotated[
    Path | None,
    typer.Option(
        "--authorizations", metavar="FILE", help="YAML with what the authorizer answers, under authorizations."
    ),
]


Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the traceback of an exception in a Python policy, too.")
]


class Format(StrEnum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"


class Color(StrEnum):
    """When the report has colours. `auto`: on a terminal, unless NO_COLOR is set."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Operation(StrEnum):
    """What is done to the objects."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


FAILED = 2


def fail(message: str, color: Color = Color.AUTO) -> int:
    """Write to stderr what keeps the run from going on; the exit code."""
    from webhook.cli.report.problems import error_line

    sys.stderr.write(error_line(message, colored(color, sys.stderr)))
    return FAILED


def fail_with(problems: Iterable[Problem], color: Color = Color.AUTO) -> int:
    """Write to stderr all that is wrong with files, each with the line that it is in; the exit code."""
    from webhook.cli.report.problems import error_text

    with_colors, width = colored(color, sys.stderr), columns(sys.stderr)
    sys.stderr.write("".join(error_text(problem, with_colors, width) for problem in problems))
    sys.stderr.flush()
    return FAILED


def colored(color: Color, stream: TextIO) -> bool:
    """Whether what is written to a stream has colours."""
    if color is Color.AUTO:
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return color is Color.ALWAYS


def draws(stream: TextIO) -> bool:
    """Whether line art can be written to a stream."""
    try:
        "✗├│└─…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
