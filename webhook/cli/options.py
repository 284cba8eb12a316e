"""The options that subcommands share, their colours, and error output. webhook.cli.readoptions reads what they name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from webhook.excerpts import columns

if TYPE_CHECKING:
    from webhook.documents.reader import Problem

DEFAULT_TREE: Final = "policies"
TREES: Final = "GATEWRIGHT_POLICIES"
NO_SETTINGS: Final = "GATEWRIGHT_NO_SETTINGS"
TREE: Final = "a folder or file, or a bundle, oci://REGISTRY/REPOSITORY:TAG or …@sha256:DIGEST"

KubernetesVersion = Annotated[
    str,
    typer.Option(
        "--kubernetes-version",
        metavar="VERSION",
        envvar="GATEWRIGHT_KUBERNETES_VERSION",
        help="Kubernetes version of the cluster. Policies that use a later feature are refused; manifests are judged "
        "as that version judges them.",
    ),
]

PolicyImports = Annotated[
    str,
    typer.Option(
        "--policy-imports",
        metavar="MODULES",
        envvar="GATEWRIGHT_POLICY_IMPORTS",
        help="Modules that Python policies may import beside the default list, comma-separated.",
    ),
]

VerifyKey = Annotated[
    Path | None,
    typer.Option(
        "--verify-key",
        metavar="FILE",
        envvar="GATEWRIGHT_VERIFY_KEY",
        help="Public keys of cosign, PEM; a bundle must be signed by one of them.",
    ),
]

RegistryCA = Annotated[
    Path | None,
    typer.Option(
        "--registry-ca",
        metavar="FILE",
        envvar="GATEWRIGHT_REGISTRY_CA",
        help="CA certificates to trust for registries, PEM, instead of the system's.",
    ),
]

PlainRegistry = Annotated[
    bool,
    typer.Option(
        "--registry-plain-http",
        envvar="GATEWRIGHT_REGISTRY_PLAIN_HTTP",
        help="Use HTTP without TLS for registries. Registries on loopback always use it.",
    ),
]

Authorizations = Annotated[
    Path | None,
    typer.Option(
        "--authorizations", metavar="FILE", help="YAML file with the authorizer's answers, under `authorizations`."
    ),
]

SETTINGS_PATHS: Final = "`paths` in .gatewright.toml"

MISSING_PATH: Final = f"Missing argument 'PATH': name files and folders with manifests, or set {SETTINGS_PATHS}"

Manifests = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Files, folders (*.yaml, *.yml, *.json) or `-` for stdin.")
]

PolicyTrees = Annotated[
    list[str] | None,
    typer.Option(
        "--policies",
        metavar="TREE",
        help=f"The policy tree: {TREE}. May be repeated; several make one tree. (default {DEFAULT_TREE}; {TREES})",
    ),
]

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NS", help="The namespace of objects that name none.")
]

AsUser = Annotated[
    str, typer.Option("--as", metavar="USER", help="The user who applies them. [default: an empty user]")
]

AsGroups = Annotated[
    list[str] | None, typer.Option("--as-group", metavar="GROUP", help="A group of that user; may be repeated.")
]

Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Leave these files and folders out, as a line of .gitignore would; may be repeated.",
    ),
]

Strict = Annotated[bool, typer.Option("--strict", help="A file of a folder that cannot be checked is an error.")]

Old = Annotated[
    str,
    typer.Option(
        "--old",
        metavar="PATH",
        help="The file or folder with the old objects: each object is updated, created or deleted.",
    ),
]

Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="REV",
        help="Take the objects that differ from a git revision: each is created, updated or deleted.",
    ),
]

Until = Annotated[
    str, typer.Option("--until", metavar="REV", help="With --since: compare with this revision, not the work tree.")
]


class Tool(StrEnum):
    """What renders charts and kustomizations."""

    KUSTOMIZE = "kustomize"
    HELM = "helm"


Render = Annotated[
    list[Tool] | None,
    typer.Option(
        "--render",
        help="Check the output of charts or kustomizations, by the installed tool; may be repeated.",
    ),
]

Values = Annotated[
    list[str] | None,
    typer.Option("--values", metavar="FILE", help="A file with values for --render helm; may be repeated."),
]

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="A file with podTemplates of custom workloads. [default: gatewright.yaml, if it is there]",
    ),
]

Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also name every file that is left out, and show tracebacks of Python policies."
    ),
]


Watch = Annotated[
    bool, typer.Option("--watch", help="Run again whenever a file of the policies or of the input changes.")
]


class Format(StrEnum):
    """The format of the report."""

    TEXT = "text"
    JSON = "json"


class Color(StrEnum):
    """When the report has colours. `auto`: on a terminal, unless NO_COLOR is set or TERM is dumb."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Operation(StrEnum):
    """The operation of the requests."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


Output = Annotated[Format, typer.Option("--output", "-o", help="The format of the report.")]

Colors = Annotated[Color, typer.Option(help="When the report has colours.")]


FAILED = 2


def fail(message: str, color: Color = Color.AUTO) -> int:
    """Write an error to stderr. Returns the exit code."""
    from webhook.cli.report.problems import error_line

    sys.stderr.write(error_line(message, colored(color, sys.stderr)))
    return FAILED


def fail_with(problems: Iterable[Problem], color: Color = Color.AUTO) -> int:
    """Write problems to stderr, each with its line of the file. Returns the exit code."""
    from webhook.cli.report.problems import error_text

    with_colors, width = colored(color, sys.stderr), columns(sys.stderr)
    sys.stderr.write("".join(error_text(problem, with_colors, width) for problem in problems))
    sys.stderr.flush()
    return FAILED


def colored(color: Color, stream: TextIO) -> bool:
    """Whether output on a stream has colours."""
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
