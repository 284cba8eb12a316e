"""The manifests that the options of `check` and `explain` name, with the errors in terms of these options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from webhook.cli.options import NotGiven, Tool

if TYPE_CHECKING:
    from webhook.documents.ignoring import Ignoring
    from webhook.offline.inputs import Asked, Inputs
    from webhook.offline.rendering import Rendering
    from webhook.offline.requests import Options
    from webhook.policy.policyset import PolicySet


def rendering_of(render: Iterable[Tool], values: Sequence[str], namespace: str) -> Rendering | None:
    """What is rendered, of the options --render, --values and --namespace; None for nothing. Raises NotGiven."""
    tools = frozenset(each.value for each in render)
    if values and Tool.HELM.value not in tools:
        raise NotGiven("--values needs --render helm")
    if not tools:
        return None
    from webhook.offline.rendering import Rendering

    return Rendering(tools, tuple(values), namespace)


def excluding(ctx: typer.Context, patterns: Sequence[str] | None) -> Ignoring | None:
    """What the option --exclude leaves out, or `exclude` of the settings in its place. Raises NotGiven."""
    if not patterns:
        return None
    from webhook.documents.ignoring import Ignoring  # where there are patterns

    source = ctx.get_parameter_source("exclude")
    by_settings = source is not None and source.name == "DEFAULT_MAP"
    said_by = "exclude in the settings of the repository" if by_settings else "--exclude"
    try:
        return Ignoring(patterns, said_by)
    except ValueError as error:
        raise NotGiven(f"{said_by}: {error}") from None


def asked_of(
    inputs: Inputs, options: Options, policies: PolicySet, progress: Callable[[str], None] = lambda _file: None
) -> Asked:
    """See `webhook.offline.inputs.asked`. Raises NotGiven."""
    from webhook.git.repository import GitError
    from webhook.offline.inputs import asked

    try:
        return asked(inputs, options, policies, sys.stdin.buffer if sys.stdin is not None else None, progress)
    except GitError as error:
        raise NotGiven(f"--since: {error}") from None
