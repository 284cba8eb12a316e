"""`gatewright lint`: what is probably wrong with a policy tree."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import (
    DEFAULT_TREE,
    FAILED,
    TREE,
    TREES,
    Bundles,
    Color,
    Colors,
    Format,
    KubernetesVersion,
    NotGiven,
    Output,
    PlainRegistry,
    PolicyImports,
    RegistryCA,
    VerifyKey,
    colored,
    fail,
    read,
    refuse,
    trees,
)
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.documents.reader import Document
    from webhook.lint.linting import Linted
    from webhook.policy.load.treefiles import Tree
    from webhook.versions import Version


class FailOn(StrEnum):
    """The least severity with which an alarm makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


def lint(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TREE",
            help=f"The policy tree: {TREE}. Several make one tree. (default {DEFAULT_TREE}; {TREES})",
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend in the files what can be mended safely, and report the rest.")
    ] = False,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="The least severity that makes the exit code 1.", case_sensitive=False)
    ] = FailOn.WARNING,
    registration: Annotated[
        list[Path] | None,
        typer.Option(
            "--registration",
            metavar="FILE",
            help="A file with webhook configurations, to be compared with the policies; may be repeated.",
        ),
    ] = None,
    output: Output = Format.TEXT,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    color: Colors = Color.AUTO,
) -> None:
    """Look for what is probably wrong with policies: rules that match nothing, conditions that are always true, reads
    of null, exceptions that nobody needs. Each rule has an id and a page in the documentation; the comment
    `# gatewright: ignore ID REASON` silences it in place.

    Exit code: **0** nothing found, **1** something found of the severity of --fail-on, **2** the run itself failed: a
    tree that does not load, a bad file, a bad option.
    """
    try:
        target = parse_version(version)
    except ValueError as error:
        raise typer.Exit(fail(f"--kubernetes-version: {error}, got {version!r}", color)) from None
    try:
        tree = read(trees(policies), policy_imports, Bundles(registry_ca, registry_plain_http, verify_key))
        registrations = _registrations(registration or ())
        code = _lint(tree, target, registrations, fix, fail_on, output, color)
    except NotGiven as error:
        code = refuse(error, color)
    raise typer.Exit(code)


def _lint(
    tree: Tree,
    target: Version,
    registrations: tuple[Document, ...],
    fix: bool,
    fail_on: FailOn,
    output: Format,
    color: Color,
) -> int:
    # Imported here so that `gatewright --help` and wrong options answer at once.
    import time

    from webhook.cli.report import lintjson, linttext
    from webhook.cli.streams import put
    from webhook.lint import fixing
    from webhook.lint.linting import lint as linted
    from webhook.lint.linting import loaded

    now = time.time()
    found = linted(tree, target, now=now, registrations=registrations)
    mended: tuple[int, list[str]] = (0, [])
    if fix:
        after = fixing.fixed(tree, found.alarms)
        try:
            written = fixing.write(tree, after, lambda each: len(loaded(each, target)[1]))
        except fixing.NotFixed as error:
            raise NotGiven(f"--fix: {error}") from None
        if written:
            mended = len(after.alarms), written
            found = linted(after.tree, target, now=now, registrations=registrations)
    if output is Format.JSON:
        done = put(lintjson.report(found, mended))
    else:
        done = put(linttext.report(found, mended, colored(color, sys.stdout), columns(sys.stdout)))
    if not done or not found.loads:
        return FAILED
    return 1 if _fails(found, fail_on) else 0


def _fails(found: Linted, fail_on: FailOn) -> bool:
    from webhook.lint.table import RULES

    counted = {FailOn.ERROR: ("error",), FailOn.WARNING: ("error", "warning"), FailOn.NEVER: ()}[fail_on]
    return any(RULES[alarm.rule].severity in counted for alarm in found.alarms)


def _registrations(paths: list[Path] | tuple[()]) -> tuple[Document, ...]:
    """The objects in the files of --registration. Raises NotGiven."""
    from webhook.documents import reader

    documents, problems = reader.read(map(str, paths))
    found, wrong = reader.objects(documents)
    if problems or wrong:
        raise NotGiven(problems=[*problems, *wrong])
    return tuple(found)
