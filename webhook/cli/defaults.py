"""The defaults of a subcommand's parameters, by the settings of the repository."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any, Final

import typer

from webhook.cli.options import NO_SETTINGS, TREES, fail_with

_COMMANDS: Final = (
    *("audit", "check", "explain", "impact", "lint", "manifests", "mutate", "new", "policies", "replay", "rollout"),
    "test",
)
_READING: Final = ("check", "explain", "impact", "mutate")  # those whose PATH is a manifest, and may be left out
_ALONE: Final = frozenset({"--cluster", "--recordings", "--snapshot", "--test"})
"""Options that name the objects to judge in place of a PATH."""


def of(command: str, parameters: Collection[str | None], arguments: Sequence[str]) -> dict[str, Any]:
    """Parameter -> its default, for the parameters that the settings set. An option or its variable overrides it.
    arguments: the arguments of the subcommand. Ends the run if the settings are wrong.
    """
    if command not in _COMMANDS or os.environ.get(NO_SETTINGS):
        return {}
    from webhook.cli import repositorysettings  # where a command has settings

    found, problems = repositorysettings.read()
    if problems:
        raise typer.Exit(fail_with(problems))
    given = {argument.partition("=")[0] for argument in arguments}
    elsewhere = bool(os.environ.get(TREES)) or (command == "impact" and bool(given & {"--old", "--new"}))
    reads = command in _READING and not given & _ALONE
    case = (
        command == "explain" and "--test" in given
    )  # only the case is judged: there are no manifests, and nothing to exclude
    said = {
        "policies": [] if elsewhere else list(found.policies),
        "paths": list(found.paths) if reads else [],
        "exclude": [] if case else list(found.exclude),
        "version": found.kubernetes_version,
        "owner_label": found.owner_label,
        "ring": list(found.rings),
    }
    return {name: value for name, value in said.items() if value and name in parameters}
