"""`gatewright policies`: the policy library: lists its policies, and copies them into a policy tree."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import (
    DEFAULT_TREE,
    FAILED,
    TREES,
    fail,
    fail_with,
)
from webhook.cli.optionvalues import HELP_OPTIONS, Command, group
from webhook.cli.readoptions import NotGiven, is_bundle, trees

if TYPE_CHECKING:
    from webhook.library.catalog import Entry
    from webhook.library.placing import Placed

policies = group("policies", invoke_without_command=True)


class Severity(StrEnum):
    """The severity of the violations that a policy stops."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Bound(StrEnum):
    """The action of a binding. Mutate: for a policy that changes objects."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"
    MUTATE = "Mutate"


class Format(StrEnum):
    """How a list is written."""

    TEXT = "text"
    JSON = "json"


Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Policies of the library.")]
Library = Annotated[
    Path | None, typer.Option("--library", metavar="DIR", help="Another library than the one that ships.")
]
Tree = Annotated[
    list[str] | None,
    typer.Option("--policies", metavar="DIR", help=f"The policy tree. (default {DEFAULT_TREE}; {TREES})"),
]
Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="CONTROL",
        help="Policies for a control: `PCI-DSS`, `'CIS 5.2'`, `'CIS 5.2.4'`. May be repeated.",
    ),
]
Least = Annotated[Severity | None, typer.Option("--severity", help="Policies of this severity and above.")]
Categories = Annotated[
    list[str] | None,
    typer.Option("--category", metavar="CATEGORY", help="Policies of a category: `images`, `access`. May be repeated."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that already exist.")]


Enabled = Annotated[
    bool | None, typer.Option("--enabled/--disabled", help="Policies that the tree binds, or those that it does not.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How the list is written.")]


@policies.callback()
def _policies(
    context: typer.Context,
    control: Controls = None,
    severity: Least = None,
    category: Categories = None,
    enabled: Enabled = None,
    policies: Tree = None,
    library: Library = None,
    output: Output = Format.TEXT,
) -> None:
    """List the policies of the library, copy them into a policy tree, and enable them there.

    What is in the tree is not in force until it is enabled. Without a command, the policies are listed.
    """
    sources = [context.get_parameter_source(name) for name in context.params]
    if context.invoked_subcommand is None:
        listed(control, severity, category, enabled, policies, library, output)
    elif any(each is not None and each.name == "COMMANDLINE" for each in sources):
        raise typer.Exit(
            fail(f"options of a command stand behind it: gatewright policies {context.invoked_subcommand} …")
        )


@policies.command("list", cls=Command, context_settings=dict(HELP_OPTIONS))
def listed(
    control: Controls = None,
    severity: Least = None,
    category: Categories = None,
    enabled: Enabled = None,
    policies: Tree = None,
    library: Library = None,
    output: Output = Format.TEXT,
) -> None:
    """List the policies of the library, and how the policy tree binds them.

    Exit code: **0**; **2** the run itself failed: a bad option, a library that cannot be read.
    """

    def run() -> int:
        from webhook.cli.report.policylist import as_json, as_text
        from webhook.cli.streams import put_text
        from webhook.library import placing

        tree, entries = Path(trees(policies)[0]), _entries(library)
        states = {each.name: placing.state(tree, each.name) for each in entries}
        chosen = [
            each
            for each in _selected(entries, control, severity, category)
            if enabled is None or bool(states[each.name]) == enabled
        ]
        return 0 if put_text((as_json if output == Format.JSON else as_text)(chosen, states)) else FAILED

    raise typer.Exit(_code(run))


@policies.command(cls=Command, context_settings=dict(HELP_OPTIONS))
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A policy of the library.")], library: Library = None
) -> None:
    """Show the purpose of a library policy: its description, its bindings and its README.

    Exit code: **0**; **2** there is no such policy, or the library cannot be read.
    """

    def run() -> int:
        from webhook.cli.report.policylist import page
        from webhook.cli.streams import put_text
        from webhook.library import catalog

        (entry,) = catalog.named(_entries(library), [name])
        return 0 if put_text(page(entry)) else FAILED

    raise typer.Exit(_code(run))


@policies.command(cls=Command, context_settings=dict(HELP_OPTIONS))
def add(
    names: Names = None,
    control: Controls = None,
    severity: Least = None,
    category: Categories = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            "--policies",
            metavar="DIR",
            help=f"The policy tree that they go to. (default {DEFAULT_TREE}; {TREES})",
        ),
    ] = None,
    library: Library = None,
    force: Force = False,
) -> None:
    """Copy policies of the library into the policy tree, each into a folder of its name. They are not in force there.

    Exit code: **0** all were copied; **2** one was not: it already exists, there is no such policy, a bad option.
    """

    def run() -> int:
        from webhook.library import catalog, placing

        tree, known = _tree(policies, "--to"), _entries(library)
        chosen = {each.name: each for each in catalog.named(known, names or ())}
        chosen |= {each.name: each for each in _asked(known, names, control, severity, category)}
        return _each(
            chosen,
            lambda name: placing.add(chosen[name], tree, force=force),
            lambda added: _enabling(tree, [chosen[name] for name in added]),
        )

    raise typer.Exit(_code(run))


@policies.command(cls=Command, context_settings=dict(HELP_OPTIONS))
def enable(
    names: Names = None,
    action: Annotated[
        Bound | None,
        typer.Option(help="The action of the bindings. (default Warn; Mutate for policies that only change objects)"),
    ] = None,
    control: Controls = None,
    severity: Least = None,
    category: Categories = None,
    policies: Tree = None,
    force: Force = False,
) -> None:
    """Bind policies of the policy tree: write the binding of each, from the one that the library has for the action.

    By --control, --severity and --category, those that only change objects are left out, unless --action is Mutate.

    Exit code: **0** all are bound; **2** one is not: it has another binding, it is not in the tree, a bad option.
    """

    def run() -> int:
        from webhook.library import catalog, placing

        tree = _tree(policies, "--policies")
        known = catalog.entries(tree) if tree.is_dir() else []
        mutating = {each.name for each in known if not each.validating}
        chosen = list(names or ())
        for each in _asked(known, names, control, severity, category):
            if (each.name in mutating) == (action == Bound.MUTATE):
                chosen.append(each.name)
        wanted = action.lower() if action is not None else ""
        return _each(
            dict.fromkeys(chosen),
            lambda name: placing.enable(tree, name, wanted or ("mutate" if name in mutating else "warn"), force=force),
            lambda _: _registering(tree),
        )

    raise typer.Exit(_code(run))


@policies.command(cls=Command, context_settings=dict(HELP_OPTIONS))
def disable(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Policies of the policy tree.")],
    policies: Tree = None,
) -> None:
    """Take the bindings of policies away. They stay in the policy tree, and a binding that was changed is kept beside.

    Exit code: **0** none of them is bound; **2** one still is, or is not in the tree.
    """

    def run() -> int:
        from webhook.library import placing

        tree = _tree(policies, "--policies")
        return _each(dict.fromkeys(names), lambda name: placing.disable(tree, name), lambda _: _registering(tree))

    raise typer.Exit(_code(run))


def _code(run: Callable[[], int]) -> int:
    """The exit code of a run, whose errors are on stderr."""
    from webhook.documents import files
    from webhook.library.catalog import LibraryError

    try:
        return run()
    except LibraryError as error:
        return fail_with(error.problems)
    except (NotGiven, ValueError) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {files.reason(error)}")


def _each(names: Mapping[str, object], do: Callable[[str], Placed], after: Callable[[list[str]], str]) -> int:
    """Apply an action to each policy; print the written files and the command to run next. An error skips one policy.
    after: the names of policies with written files -> that command.
    """
    from webhook.cli.streams import put_text
    from webhook.documents import files
    from webhook.library.placing import NotPlaced

    code, written, said, of = 0, list[str](), list[str](), list[str]()
    for name in names:
        try:
            placed = do(name)
        except NotPlaced as error:
            code = fail(str(error))
            continue
        except OSError as error:
            code = fail(f"{error.filename}: {files.unwritten(error)}")
            continue
        written += map(str, placed.files)
        of += [name] if placed.files else []
        said += placed.said
    lines = [*written, *said]
    if written:
        lines += ["", f"Next: {after(of)}"]
    return code if put_text("".join(f"{line}\n" for line in lines)) else FAILED


def _entries(library: Path | None) -> list[Entry]:
    from webhook.library import catalog

    return catalog.entries(library or catalog.shipped())


def _selected(
    among: Sequence[Entry],
    controls: Sequence[str] | None,
    severity: Severity | None,
    categories: Sequence[str] | None,
) -> list[Entry]:
    """The policies that the options select. Raises NotGiven."""
    from webhook.library import catalog, metadata
    from webhook.nearest import nearest

    for each in categories or ():
        if each not in metadata.CATEGORIES:
            meant = nearest(each, metadata.CATEGORIES)
            advice = f"did you mean {meant}?" if meant else f"expected one of {', '.join(metadata.CATEGORIES)}"
            raise NotGiven(f"--category: {each!r} is unknown; {advice}")
    try:
        return list(
            catalog.selected(among, controls=controls or (), severity=severity or "", categories=categories or ())
        )
    except ValueError as error:
        raise NotGiven(f"--control: {error}") from None


def _asked(
    among: Sequence[Entry],
    names: Sequence[str] | None,
    controls: Sequence[str] | None,
    severity: Severity | None,
    categories: Sequence[str] | None,
) -> list[Entry]:
    """The policies that the options select besides the names; none without such an option. Raises NotGiven if neither
    selects any."""
    if not (controls or severity or categories):
        if not names:
            raise NotGiven("expected names of policies, or --control, --severity or --category")
        return []
    found = _selected(among, controls, severity, categories)
    if not found and not names:
        raise NotGiven("no policy has that control, severity and category; `gatewright policies list` shows all")
    return found


def _tree(named: Sequence[str] | None, option: str) -> Path:
    """The one folder that is written to. Raises NotGiven."""
    found = trees(named)
    if len(found) > 1 or is_bundle(found[0]):
        raise NotGiven(f"{option}: expected one folder, got {', '.join(found)}")
    tree = Path(found[0])
    if tree.exists() and not tree.is_dir():
        raise NotGiven(f"{option}: {tree} is no folder")
    return tree


def _option(tree: Path) -> str:
    return "" if str(tree) == DEFAULT_TREE else f" --policies {shlex.quote(str(tree))}"


def _enabling(tree: Path, added: Sequence[Entry]) -> str:
    """The command to run once policies are in the tree: it binds one of them, with the mildest action that users
    see."""
    entry = next((each for each in added if each.actions), added[0])
    action = "Warn" if "warn" in entry.actions else entry.actions[-1].capitalize() if entry.actions else ""
    option = f" --action {action}" if action else ""
    return f"gatewright policies enable{_option(tree)} {entry.name}{option}"


def _registering(tree: Path) -> str:
    """The command to run after bindings changed."""
    check = f"gatewright check{_option(tree)} PATH… shows the findings"
    manifests = f"gatewright manifests {shlex.quote(str(tree))} --all --write DIR"
    return f"{check}; {manifests} writes the registration for the cluster"
