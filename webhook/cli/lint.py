"""`gatewright lint`: probable mistakes in a policy tree."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import (
    DEFAULT_TREE,
    TREE,
    TREES,
    Color,
    Colors,
    KubernetesVersion,
    PlainRegistry,
    PolicyImports,
    RegistryCA,
    VerifyKey,
    fail,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    read,
    refuse,
    trees,
)
from webhook.cli.reporting import BaselineFile, Concise, Outputs, Reporting, WriteBaseline, finish, reporting
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.documents.reader import Document
    from webhook.policy.load.treefiles import Tree
    from webhook.versions import Version


class Severity(StrEnum):
    """How grave an alarm is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


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
    output: Outputs = None,
    concise: Concise = False,
    only: Annotated[
        list[Severity] | None,
        typer.Option("--only", help="Show only alarms of this severity; may be repeated.", case_sensitive=False),
    ] = None,
    baseline: BaselineFile = "",
    write_baseline: WriteBaseline = False,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what comments silence, too.")] = False,
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
        how = reporting(
            output, concise=concise, color=color, only=only, baseline=baseline, write_baseline=write_baseline
        )
        tree = read(trees(policies), policy_imports, Bundles(registry_ca, registry_plain_http, verify_key))
        registrations = _registrations(registration or ())
        code = _lint(tree, target, registrations, fix, fail_on, how, verbose)
    except NotGiven as error:
        code = refuse(error, color)
    raise typer.Exit(code)


def _lint(
    tree: Tree,
    target: Version,
    registrations: tuple[Document, ...],
    fix: bool,
    fail_on: FailOn,
    how: Reporting,
    verbose: bool,
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    import time

    from webhook.cli.report.linted import finding, rules
    from webhook.cli.report.model import Report
    from webhook.counts import counted
    from webhook.documents.document import Problem
    from webhook.lint import fixing
    from webhook.lint.linting import lint as linted
    from webhook.lint.linting import loaded

    now = time.time()
    found = linted(tree, target, now=now, registrations=registrations)
    notes: list[str] = []
    if fix:
        after = fixing.fixed(tree, found.alarms)
        try:
            written = fixing.write(tree, after, lambda each: len(loaded(each, target)[1]))
        except fixing.NotFixed as error:
            raise NotGiven(f"--fix: {error}") from None
        if written:
            notes.append(f"{counted(len(after.alarms), 'alarm')} mended in {', '.join(written)}")
            found = linted(after.tree, target, now=now, registrations=registrations)
    problems = []
    if not found.loads:
        problems.append(Problem(tree.names[0], None, None, "does not load, so most rules were not run"))
    report = Report(
        command="lint",
        findings=list(map(finding, found.alarms)),
        suppressed=list(map(finding, found.silenced)),
        rules=rules(),
        problems=problems,
        notes=notes,
        scope={"policies": found.policies, "files": found.files},
        verbose=verbose,
    )
    fails = {FailOn.ERROR: ("error",), FailOn.WARNING: ("error", "warning"), FailOn.NEVER: ()}[fail_on]
    return finish(report, how, lambda each: each.severity in fails)


def _registrations(paths: list[Path] | tuple[()]) -> tuple[Document, ...]:
    """The objects in the files of --registration. Raises NotGiven."""
    from webhook.documents import reader

    documents, problems = reader.read(map(str, paths))
    found, wrong = reader.objects(documents)
    if problems or wrong:
        raise NotGiven(problems=[*problems, *wrong])
    return tuple(found)
