"""`gatewright new policy`: the files of a new policy, with tests that pass."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from webhook.cli.options import (
    DEFAULT_TREE,
    FAILED,
    TREES,
    PolicyImports,
    fail,
)
from webhook.cli.readoptions import (
    NotGiven,
    is_bundle,
    loaded,
    trees,
)


class What(StrEnum):
    """The kinds of files that can be written."""

    POLICY = "policy"


def new(
    what: Annotated[What, typer.Argument(metavar="policy", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the policy, and of its folder.")],
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policies",
            metavar="DIR",
            help=f"The policy tree, which gets the folder NAME. (default {DEFAULT_TREE}; {TREES})",
        ),
    ] = None,
    cel: Annotated[bool, typer.Option("--cel", help="In CEL, which kubectl applies as it is; the default.")] = False,
    python: Annotated[bool, typer.Option("--python", help="In Python.")] = False,
    mutating: Annotated[
        bool, typer.Option("--mutating", help="One that changes objects, and does not refuse them.")
    ] = False,
    policy_imports: PolicyImports = "",
) -> None:
    """Write a new policy to a folder of its own in the policy tree: policy, binding, params, tests that pass, README.

    It is an example to be rewritten, bound with Audit: nothing is refused.

    Exit code: **0** written, **2** not: something of this name is there, a bad name, a folder that cannot be written.
    """
    del what  # there is only one so far
    raise typer.Exit(_new(name, trees(policies), cel, python, mutating, policy_imports))


def _new(name: str, named: tuple[str, ...], cel: bool, python: bool, mutating: bool, imports: str) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.streams import put_text
    from webhook.scaffold import writing

    if cel and python:
        return fail("--cel and --python: a policy is written in one of them; leave the other out")
    if wrong := writing.wrong_name(name, python=python):
        return fail(wrong)
    if len(named) > 1 or is_bundle(named[0]):
        return fail(f"--policies: expected one folder, which gets {name}; got {', '.join(named)}")
    tree = Path(named[0])
    if tree.exists() and not tree.is_dir():
        return fail(f"--policies: {tree} is no folder")
    try:
        if taken := _taken(name, tree, imports):
            return fail(taken)
        written = writing.write(name, tree, python=python, mutating=mutating)
    except NotGiven as error:
        return fail(str(error))
    except writing.NotWritten as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename or tree}: cannot be written: {error.strerror}")
    option = "" if named == (DEFAULT_TREE,) else f" --policies {shlex.quote(str(tree))}"
    lines = [*map(str, written), "", f"Run its tests: gatewright test{option} -k {name}"]
    return 0 if put_text("\n".join(lines) + "\n") else FAILED


def _taken(name: str, tree: Path, imports: str) -> str:
    """The error that the tree has a policy of this name; empty if it has none, or if it does not load, which `check`
    reports."""
    from webhook.policy.load.loading import PolicyTreeError

    if not tree.exists():
        return ""
    try:
        found, _ = loaded((str(tree),), imports=imports)
    except PolicyTreeError:
        return ""
    for policy in found.policies:
        if policy.name == name:
            return f"{policy.file}:{policy.line}: {policy.kind} {name!r} already exists; choose another name"
    return ""
