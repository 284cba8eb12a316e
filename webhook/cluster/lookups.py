"""The lookups of policies in a cluster: the objects to cache, and whether access checks are needed.

The cache (live.py) and the RBAC that the server needs (permissions.py) both derive from this list, so they agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

NAMESPACES_KIND: Final = ("v1", "Namespace")
ACCESS_KIND: Final = ("authorization.k8s.io/v1", "SubjectAccessReview")


class Target(NamedTuple):
    """Objects of one kind. `namespace` and `name` narrow it; "" is any."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""

    def covers(self, other: Target) -> bool:
        """Whether every object of the other target belongs to this one."""
        return self[:2] == other[:2] and self.namespace in ("", other.namespace) and self.name in ("", other.name)

    def __str__(self) -> str:
        """For example, v1/ConfigMap replica-bounds in gatewright-system."""
        text = f"{self.api_version}/{self.kind}"
        if self.name:
            text += f" {self.name}"
        return f"{text} in {self.namespace}" if self.namespace else text


NAMESPACES: Final = Target(*NAMESPACES_KIND)


class Lookups(NamedTuple):
    """All lookups of a policy set. `targets`: sorted; none covers another. `access`: whether the authorizer is used."""

    targets: tuple[Target, ...] = ()
    access: bool = False

    @classmethod
    def of(cls, targets: Iterable[Target], access: bool = False) -> Lookups:
        """The lookups of these targets, without those that another one covers."""
        every = set(targets)
        widest = (target for target in every if not any(other != target and other.covers(target) for other in every))
        return cls(tuple(sorted(widest)), access)
