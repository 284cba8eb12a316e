"""What is looked up in a cluster: which objects are to be at hand, and whether access is asked about.

Whoever keeps objects at hand (live.py) and whoever is given the right to read them (permissions.py) start from the same
list, so that neither is more than the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

NAMESPACES_KIND: Final = ("v1", "Namespace")
ACCESS_KIND: Final = ("authorization.k8s.io/v1", "SubjectAccessReview")


class Target(NamedTuple):
    """Objects of one kind: in one `namespace` and of one `name`, or of all ("")."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""

    def covers(self, other: Target) -> bool:
        """Whether everything that is in the other is in this."""
        return self[:2] == other[:2] and self.namespace in ("", other.namespace) and self.name in ("", other.name)

    def __str__(self) -> str:
        """As a person says it: v1/ConfigMap replica-bounds in gatewright-system."""
        text = f"{self.api_version}/{self.kind}"
        if self.name:
            text += f" {self.name}"
        return f"{text} in {self.namespace}" if self.namespace else text


NAMESPACES: Final = Target(*NAMESPACES_KIND)


@dataclass(frozen=True, slots=True)
class Lookups:
    """All that is looked up. `targets`: none of them covers another, sorted. `access`: the authorizer is asked."""

    targets: tuple[Target, ...] = ()
    access: bool = False

    @classmethod
    def of(cls, targets: Iterable[Target], access: bool = False) -> Lookups:
        wanted = set(targets)
        needed = (each for each in wanted if not any(other != each and other.covers(each) for other in wanted))
        return cls(tuple(sorted(needed)), access)
