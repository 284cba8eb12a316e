"""Shards: the part of a cluster that one of several audits judges, such as the Pods of an Indexed Job.

A namespace belongs to one shard, with all its kinds: its reports are written by one audit, and a workload is read
together with its Pods. Cluster-scoped objects belong to one shard, that of the namespace "".
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from msgspec import Struct

MOST: Final = 1000
"""Shards, at most."""


class Shard(Struct, frozen=True):
    """One of `number` shards. `index`: which, from 0 on, as an Indexed Job counts."""

    index: int = 0
    number: int = 1

    def has(self, namespace: str) -> bool:
        """Whether the objects of a namespace belong to it; of "", those without one.

        The answer is the same in every process, whatever namespaces there are.
        """
        return int.from_bytes(sha256(namespace.encode()).digest()[:8]) % self.number == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.number}"


WHOLE: Final = Shard()
"""Everything."""
