"""The options of `audit`, and the sources that they name: clusters or snapshots, with the cluster's own policies."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from webhook.cli.auditresults import Reports
from webhook.cli.options import Color
from webhook.cli.readoptions import Bundles, NotGiven
from webhook.cli.reporting import FailOn

if TYPE_CHECKING:
    from webhook.audit.shards import Shard
    from webhook.audit.sources import Source
    from webhook.cluster.connection import Connection
    from webhook.policy.policyset import PolicySet

THE_CLUSTER: Final = "the cluster"
"""The name in reports of a cluster that no option names."""


class Action(StrEnum):
    """The action of a binding that is assumed."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


class Asked(Struct, frozen=True, kw_only=True):
    """The values of the options."""

    policies: tuple[str, ...]
    kubeconfig: Path | None
    native: bool
    assume_bound: Action | None
    snapshots: tuple[Path, ...]
    snapshot: Path | None
    contexts: tuple[str, ...]
    rbac: bool
    qps: float
    user: str
    groups: tuple[str, ...]
    settings: Path | None
    fail_on: FailOn
    owner_label: str
    scores: bool
    gate: Path | None
    write_reports: Reports | None
    max_reports: int | None
    metrics: Path | None
    history: Path | None
    configmap: tuple[str, str] | None
    shard: Shard
    logs: tuple[str, ...]
    version: str
    policy_imports: str
    bundles: Bundles
    authorizations: Path | None
    explain: bool
    verbose: bool
    color: Color


def sources_of(asked: Asked) -> list[Source]:
    """The sources of the objects. Raises NotGiven."""
    from webhook.audit.snapshots import Snapshot, SnapshotError, Writing

    if asked.snapshots:
        try:
            return [Snapshot(each) for each in asked.snapshots]
        except SnapshotError as error:
            raise NotGiven(str(error)) from None
    if asked.snapshot is not None and len(asked.contexts) > 1:
        raise NotGiven("--snapshot: a snapshot is of one cluster; give one --context")
    found: list[Source] = [_cluster(asked, each) for each in asked.contexts or ("",)]
    return found if asked.snapshot is None else [Writing(found[0], asked.snapshot)]


def _cluster(asked: Asked, context: str) -> Source:
    """The cluster of a context; of "" the one of the current context, or that of the Pod in which this runs.

    Raises NotGiven.
    """
    from webhook.audit.reading import Reader
    from webhook.audit.sources import Cluster

    reader = Reader(connection_to(asked, context), asked.qps)
    return Cluster(reader, context or THE_CLUSTER, shard=asked.shard)


def connection_to(asked: Asked, context: str) -> Connection:
    """A connection of its own to that cluster. Raises NotGiven."""
    from webhook.cluster.connection import ConfigurationError, Connection, configuration, in_cluster

    named = asked.kubeconfig is not None or context or os.environ.get("KUBECONFIG")
    try:
        where = configuration("kubeconfig" if named or not in_cluster() else "in-cluster", asked.kubeconfig, context)
    except ConfigurationError as error:
        raise NotGiven(f"no cluster to audit: {error}") from None
    return Connection(where, 1)


def judging(source: Source, tree: PolicySet, asked: Asked, notes: list[str]) -> PolicySet:
    """The policies of the tree and of the cluster. The faults of the latter become problems of the source."""
    from webhook.audit.natives import beside, native
    from webhook.schema import Kinds

    served = source.served()
    if served is None:
        return tree
    kinds = Kinds.builtin(tree.target).with_resources(each.resource for each in served)
    found = native(source, kinds, tree.target, asked.assume_bound.value if asked.assume_bound is not None else "")
    source.problems += found.problems
    notes += found.notes
    policies, twice = beside(tree, found.policies)
    if twice:
        names = ", ".join(twice)
        notes.append(f"{source.name} has policies of the same names, for which those of --policies stand: {names}")
    return policies
