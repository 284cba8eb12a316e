"""The manifests that the options of `check` and `explain` name, with the errors in terms of these options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from webhook.cli.options import NotGiven, Tool

if TYPE_CHECKING:
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
    except ValueError as error:
        raise NotGiven(f"--exclude: {error}") from None
