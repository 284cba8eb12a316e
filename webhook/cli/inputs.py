"""The manifests that the options of `check` and `explain` name, with the errors in terms of these options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from webhook.cli.options import Operation, Tool
from webhook.cli.readoptions import NotGiven

if TYPE_CHECKING:
    from webhook.documents.ignoring import Ignoring
    from webhook.offline.inputs import Asked, Inputs
    from webhook.offline.rendering import Rendering
    from webhook.offline.requests import Options, PlannedRequest
    from webhook.policy.policyset import PolicySet

SubresourceName = Annotated[
    str,
    typer.Option(
        "--subresource",
        metavar="NAME",
        help="Send the requests to a subresource: scale, status, eviction and others.",
    ),
]


def rendering_of(render: Iterable[Tool], values: Sequence[str], namespace: str) -> Rendering | None:
    """The rendering that --render, --values and --namespace ask for; None for none. Raises NotGiven."""
    tools = frozenset(each.value for each in render)
    if values and Tool.HELM.value not in tools:
        raise NotGiven("--values needs --render helm")
    if not tools:
        return None
    from webhook.offline.rendering import Rendering

    return Rendering(tools, tuple(values), namespace)


def excluding(ctx: typer.Context, patterns: Sequence[str] | None) -> Ignoring | None:
    """The patterns of --exclude, or else of `exclude` in the settings. Raises NotGiven."""
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


def operation_on(subresource: str, operation: Operation | None, *, compared: bool) -> Operation | None:
    """The operation of --operation, or the usual one of the subresource. compared: whether --old or --since is given,
    which determines the operation. Raises NotGiven for an unknown subresource.
    """
    if not subresource:
        return operation
    from webhook.offline.subresources import SUBRESOURCES

    if subresource not in SUBRESOURCES:
        raise NotGiven(f"--subresource: expected one of {', '.join(SUBRESOURCES)}, got {subresource!r}")
    return Operation(SUBRESOURCES[subresource].operation) if operation is None and not compared else operation


def sent_to(
    subresource: str, found: Asked, policies: PolicySet, *, compared: bool
) -> tuple[Sequence[PlannedRequest], list[str]]:
    """The requests to a subresource in place of the given ones, and a note that names the objects without it. compared:
    whether --old or --since is given; then only updates are sent, as objects are created and deleted whole.
    """
    if not subresource:
        return found.requests, []
    from webhook.offline.subresources import of_subresource

    requests = found.requests
    if compared:
        requests = [each for each in requests if each.request.operation == Operation.UPDATE.value]
    requests, without = of_subresource(requests, subresource, [*policies.objects, *found.planned.objects])
    some = f"{', '.join(without[:3])}{' and others' if without[3:] else ''}"
    return requests, [f"without a subresource {subresource}, and left out: {some}"] if without else []


def asked_of(
    inputs: Inputs, options: Options, policies: PolicySet, progress: Callable[[str], None] = lambda _file: None
) -> Asked:
    """See `webhook.offline.inputs.asked`. Raises NotGiven."""
    from webhook.git.repository import GitError
    from webhook.offline.inputs import asked

    try:
        return asked(inputs, options, policies, standard_input(), progress)
    except GitError as error:
        raise NotGiven(f"--since: {error}") from None


def standard_input() -> BinaryIO | None:
    """The standard input; None if there is none."""
    return sys.stdin.buffer if sys.stdin is not None else None
