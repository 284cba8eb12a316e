"""`audit --shard` and `--shards`: the part of a cluster that this process judges, and the options that need the
whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final

import typer

from webhook.cli.readoptions import NotGiven

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.audit.shards import Shard

INDEX: Final = "JOB_COMPLETION_INDEX"
"""The environment variable by which the Pods of an Indexed Job know which they are: 0, 1 and so on."""

OneShard = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Judge only the namespaces of the shard I of N; I is 0 to N-1. All N write the reports that one would.",
    ),
]

Shards = Annotated[
    int,
    typer.Option(
        "--shards", metavar="N", help=f"Judge a shard of N: that of {INDEX}, which the Pods of an Indexed Job have."
    ),
]


def shard_of(shard: str, shards: int, environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard of the two options; everything if neither was given ("" and 0). Raises NotGiven."""
    from webhook.audit.shards import MOST, WHOLE, Shard

    if shard and shards:
        raise NotGiven("--shard and --shards exclude each other: --shard I/N says both numbers")
    if shard:
        index, _, number = shard.partition("/")
        found = Shard(_number(index), _number(number))
        if not 0 <= found.index < found.number <= MOST:
            raise NotGiven(f"--shard: expected I/N, with N from 1 to {MOST} and I from 0 to N-1, got {shard!r}")
        return found
    if not shards:
        return WHOLE
    if not 1 <= shards <= MOST:
        raise NotGiven(f"--shards: expected a number from 1 to {MOST}, got {shards}")
    given = environment.get(INDEX, "0" if shards == 1 else "")
    found = Shard(_number(given), shards)
    if not 0 <= found.index < shards:
        raise NotGiven(
            f"--shards {shards}: expected 0 to {shards - 1} in {INDEX}, got {given!r}: run it as an Indexed Job with "
            f"{shards} completions, or say --shard I/{shards}"
        )
    return found


def refuse_shard(shard: Shard, given: Iterable[tuple[str, bool]]) -> None:
    """Raises NotGiven if an option needs the whole cluster. given: such options, and whether each was given."""
    if shard.number > 1 and (named := [option for option, was in given if was]):
        raise NotGiven(f"--shard: leave {', '.join(named)} out, of which a shard is only a part")


def said(shard: Shard, namespaces: Iterable[str] | None) -> str:
    """A note on the part that was judged. namespaces: the names of all namespaces; None if unknown."""
    every = list(namespaces or ())
    own = sum(map(shard.has, every))
    besides = " and cluster-scoped objects" if shard.has("") else ""
    of = f"{own:,} of {len(every):,} namespaces{besides}" if namespaces is not None else "its namespaces alone"
    return f"shard {shard}: {of}; every other namespace is in another shard"


def _number(text: str) -> int:
    """The number, of digits alone; -1 if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else -1
