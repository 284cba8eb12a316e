"""The options of `audit` that would have no effect beside others: they are refused, not passed over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import typer

from webhook.cli.readoptions import NotGiven

FILE: Final = "FILE"
"""The argument, as the help calls it."""

_OF_A_CLUSTER: Final[tuple[str, ...]] = ("--kubeconfig", "--context", "--qps")
_WRITING: Final = ("--snapshot", "--write-reports", "--configmap")
_OF_JUDGING: Final = (
    *("--snapshot", "--as", "--as-group", "--authorizations", "--settings", "--owner-label", "--scores", "--explain"),
    *("--gate", "--history", "--configmap", "--shard", "--shards"),
)
_OF_POLICIES: Final = (
    *("--native", "--assume-bound", "--policies", "--policy-imports"),
    *("--verify-key", "--registry-ca", "--registry-plain-http"),
)
_OF_REPORTS: Final = (
    *("--output", "--concise", "--fail-on", "--only", "--baseline", "--write-baseline"),
    *("--write-reports", "--max-reports", "--metrics"),
)


def given(context: typer.Context) -> frozenset[str]:
    """What the command line gives, and no variable, setting or default: options by their long names, and FILE."""
    return frozenset(
        next((each for each in param.opts if each.startswith("--")), FILE)
        for param in context.command.params
        if (source := context.get_parameter_source(param.name or "")) is not None and source.name == "COMMANDLINE"
    )


def refuse(given: Collection[str], contexts: int) -> None:
    """Raises NotGiven if an option that is given would have no effect beside another. contexts: how many there are."""
    if "--log" in given:
        cluster: tuple[str, ...] = () if "--write-reports" in given else _OF_A_CLUSTER
        _refuse(
            given,
            (FILE, *cluster, "--rbac", *_OF_POLICIES, *_OF_JUDGING),
            "--log: expected no {}: a log has requests, not the objects of a cluster",
        )
    if FILE in given:
        _refuse(given, (*_OF_A_CLUSTER, *_WRITING), "a snapshot is judged without a cluster; leave {} out")
    if "--rbac" in given:
        cluster = () if "--native" in given else (FILE, *_OF_A_CLUSTER)
        _refuse(given, (*cluster, *_OF_JUDGING, *_OF_REPORTS), "--rbac writes roles and judges nothing; leave {} out")
        if contexts > 1:
            raise NotGiven("--rbac: writes the roles for one cluster; give one --context")


def _refuse(given: Collection[str], unused: Iterable[str], text: str) -> None:
    if named := [each for each in unused if each in given]:
        raise NotGiven(text.format(", ".join(named)))
