"""The subcommands of `gatewright`. Each subcommand is a function in its own module, imported when it is used.

`gatewright --help` imports none of them, and no library that lays out text.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from webhook.cli.optionvalues import HELP, HELP_OPTIONS, Command, Group
from webhook.nearest import nearest

COMMANDS: Final = {
    "audit": ("webhook.cli.audit", "Judge what a cluster already runs."),
    "bench": ("webhook.cli.bench", "Measure what each policy takes on manifests."),
    "bundle": ("webhook.cli.bundle", "Pack a policy tree into an OCI artifact."),
    "check": ("webhook.cli.check", "Check manifests as if they were applied."),
    "convert": ("webhook.cli.convert", "Convert policies of Kyverno and Gatekeeper into standard ones."),
    "exceptions": ("webhook.cli.exceptions", "Write and list exceptions, with owner and expiry."),
    "explain": ("webhook.cli.explain", "Show how a policy comes to its verdict on manifests."),
    "impact": ("webhook.cli.impact", "Show what a change of policies changes, and for whom."),
    "lint": ("webhook.cli.lint", "Look for what is probably wrong with policies."),
    "manifests": ("webhook.cli.manifests", "Write the webhook configurations and roles of policies."),
    "mutate": ("webhook.cli.mutate", "Print manifests as mutating policies leave them."),
    "new": ("webhook.cli.new", "Write the files of a new policy, with tests that pass."),
    "policies": ("webhook.cli.policies", "List the policies of the library, copy and enable them."),
    "replay": ("webhook.cli.replay", "Decide recorded reviews again, and show what differs."),
    "rollout": ("webhook.cli.rollout.command", "Propose the next step of each binding, by evidence."),
    "serve": ("webhook.cli.serve", "Serve the admission webhook."),
    "test": ("webhook.cli.test", "Run the tests of the policies."),
}
"""Subcommand -> its module, which has a function with the same name, and its line in `--help`, in this order."""

COMPLETE: Final = "_GATEWRIGHT_COMPLETE"
"""The variable by which a shell asks for completions."""


class _Commands(Group):
    """The subcommands. Each is imported when it is called, so that `check` does not wait for the server's packages."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The name and the summary of a subcommand, for help and for suggestions."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, short_help=COMMANDS[cmd_name][1], rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The subcommand that the arguments call, with its options."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS and (close := nearest(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close!r}?")
        name, _, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, None, rest
        command = subcommand(name)
        known = {option for param in command.params for option in param.opts}
        above = {option for param in self.params for option in param.opts if option.startswith("--")} - known
        for argument in rest[: rest.index("--") if "--" in rest else None]:
            if argument.partition("=")[0] in above:
                ctx.fail(f"{argument} is for all subcommands, and stands before them: gatewright {argument} {name} …")
        if ctx.params.get("no_settings"):
            from webhook.cli.options import NO_SETTINGS

            os.environ[NO_SETTINGS] = "1"
        asked = not ctx.resilient_parsing and not any(each in HELP for each in rest)
        if asked and any(os.path.lexists(each) for each in (".gatewright.toml", "pyproject.toml")):
            from webhook.cli import defaults

            below = getattr(command, "commands", {})
            ctx.default_map = {
                name: {
                    **defaults.of(name, {param.name for param in command.params}, rest),
                    **{each: defaults.of(name, {param.name for param in below[each].params}, rest) for each in below},
                }
            }
        return name, command, rest


def subcommand(name: str) -> Any:
    """The click command of a subcommand. Imports its module, which may also have subcommands of its own."""
    _import_msgspec()
    found = getattr(import_module(COMMANDS[name][0]), name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    app.command(name, cls=Command, context_settings=dict(HELP_OPTIONS))(found)
    return typer.main.get_command(app)


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, of which it would take what typing has since Python 3.11."""
    name = "typing_extensions"
    if name not in sys.modules:
        sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
        try:
            import msgspec  # noqa: F401
        finally:
            del sys.modules[name]


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=dict(HELP_OPTIONS),
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # imported here, because it imports the email package

        typer.echo(f"gatewright {version('gatewright')}")
        raise typer.Exit


class Shell(StrEnum):
    """A shell that completes commands."""

    BASH = "bash"
    FISH = "fish"
    ZSH = "zsh"


def _completion(shell: Shell | None) -> None:
    if shell is not None:
        from typer._completion_shared import get_completion_script  # typer offers no other way to print it alone

        typer.echo(get_completion_script(prog_name="gatewright", complete_var=COMPLETE, shell=shell.value))
        raise typer.Exit


@app.callback()
def gatewright(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
    completion: Annotated[
        Shell | None,
        typer.Option(
            "--completion",
            metavar="SHELL",
            help="Print the script with which a shell (bash, fish, zsh) completes commands and options, and exit.",
            is_eager=True,
            callback=_completion,
        ),
    ] = None,
    no_settings: Annotated[
        bool,
        typer.Option(
            "--no-settings",
            help="Ignore the settings of the repository: .gatewright.toml, or [tool.gatewright] in pyproject.toml.",
        ),
    ] = False,
) -> None:
    """Policy as code for Kubernetes admission: one verdict on a laptop, in a pull request and in the cluster."""
