"""The command `gatewright`. Each subcommand is a function in its own module, imported when it is used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from webhook.cli.streams import ensure

COMMANDS: Final = {
    "check": "webhook.cli.check",
    "explain": "webhook.cli.explain",
    "manifests": "webhook.cli.manifests",
    "serve": "webhook.cli.serve",
    "test": "webhook.cli.test",
}
"""Subcommand -> module, which has a function with the same name. `--help` shows them in this order."""

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}


class _Commands(TyperGroup):
    """The subcommands. Each is imported on first use, so that `check` does not wait for the server's packages."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
        app.command(cmd_name, context_settings=dict(HELP_OPTIONS))(getattr(import_module(COMMANDS[cmd_name]), cmd_name))
        return typer.main.get_command(app)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings=dict(HELP_OPTIONS),
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # imported here, because it imports the email package

        typer.echo(f"gatewright {version('gatewright')}")
        raise typer.Exit


@app.callback()
def gatewright(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Policy as code for Kubernetes admission: one verdict on a laptop, in a pull request and in the cluster."""


def main() -> None:
    """The entry point. Wrong usage exits with 2, as do all failures of the run itself."""
    ensure()
    if hasattr(sys.stdout, "reconfigure"):
        # Text from a policy or a file may contain characters that the terminal's encoding lacks: escape them.
        sys.stdout.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
