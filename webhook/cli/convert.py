"""`gatewright convert`: policies of Kyverno and Gatekeeper as standard ones, with their tests."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from webhook.cli.options import (
    FAILED,
    Format,
    KubernetesVersion,
    Output,
    fail,
)
from webhook.versions import NEWEST_TEXT, parse_version


def convert(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Files, folders (*.yaml, *.yml, *.json) or `-` for stdin.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The policy tree, which gets a folder for each policy.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the files of policies whose folders already exist.")
    ] = False,
    version: KubernetesVersion = NEWEST_TEXT,
    output: Output = Format.TEXT,
) -> None:
    """Convert policies of Kyverno and Gatekeeper into standard ones: policy, binding and tests of each in a folder.

    Says of each policy what differs and what could not be converted, and runs the tests that came with it.

    Exit code: **0** everything is converted, and its own tests pass, **1** something is not, or a test fails, **2**
    nothing is, or nothing could be written.
    """
    raise typer.Exit(_convert(sources, out, force, version, output))


def _convert(names: list[str], out: Path, force: bool, version: str, output: Format) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report import converted as report
    from webhook.cli.streams import put_text
    from webhook.convert import whole, writing

    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}")
    try:
        found = whole.convert(names, out, force=force, target=target, stdin=sys.stdin.buffer)
    except writing.NotWritten as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename or out}: cannot be written: {error.strerror}")
    text = report.json_text(found) if output is Format.JSON else report.text(found, shlex.quote(str(out)))
    if not put_text(text):
        return FAILED
    if not found.any_made:
        return FAILED
    return 0 if report.whole(found) else 1
