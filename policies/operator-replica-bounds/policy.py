"""The objects of operators ask for a number of replicas within bounds, in their own fields and when they are scaled.

Operators call it replicas, instances, size or count, and have it in several places of an object. The params name these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from gatewright import Request, Violation, validate

ANNOTATIONS = {
    "kubernetes.io/description": "The replicas of operators' objects are within bounds, in their fields and "
    "when scaled.",
    "gatewright.dev/title": "Bounds of replicas of custom resources",
    "gatewright.dev/category": "operators",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": "One number in a custom resource makes an operator create as many Pods, disks and load "
    "balancers. Databases and queues also need an odd number, or at least three, to survive the loss of a node.",
    "gatewright.dev/remediation": "Set the number that the message names within the bounds, or have them changed in "
    "the ConfigMap operator-replica-bounds.",
}

_STEP = re.compile(r"([A-Za-z0-9_-]+)((?:\[\*\])?)")

JSON = dict[str, Any]
Path = tuple[str | int, ...]


class Bounds(Struct, frozen=True, forbid_unknown_fields=True):
    """The bounds of one field.

    resources: as kubectl writes them, in every version: `clusters.postgresql.cnpg.io`. path: such as `spec.replicas`,
    or `spec.nodeSets[*].count` for each item of a list. scaled: whether the scale subresource sets this field. odd: an
    even number is refused, for what votes.
    """

    resources: Annotated[tuple[str, ...], Meta(min_length=1)]
    path: str = "spec.replicas"
    min: int = 0
    max: int = 2_147_483_647
    odd: bool = False
    scaled: bool = True

    def __post_init__(self) -> None:
        if self.min > self.max:
            raise ValueError("min: must not be over max")
        if not all(_STEP.fullmatch(step) for step in self.path.split(".")):
            raise ValueError(
                f"path: {self.path!r} is no path; expected a form such as spec.replicas or spec.sets[*].count"
            )

    def wrong(self, number: int) -> str:
        """What is wrong with a number; empty if it is right."""
        if not self.min <= number <= self.max:
            return f"is {number}; set it from {self.min} to {self.max}"
        return f"is {number}; set an odd number" if self.odd and not number & 1 else ""


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """The `data` of the ConfigMap."""

    bounds: tuple[Bounds, ...]


# The resources of the params have to be among these, or the policy is not asked about them.
@validate(
    resources=[
        "*/scale",
        "acid.zalan.do/*/postgresqls",
        "argoproj.io/*/rollouts",
        "elasticsearch.k8s.elastic.co/*/elasticsearches",
        "k8s.mariadb.com/*/mariadbs",
        "kafka.strimzi.io/*/kafkas",
        "kafka.strimzi.io/*/kafkanodepools",
        "kafka.strimzi.io/*/kafkaconnects",
        "mongodbcommunity.mongodb.com/*/mongodbcommunity",
        "postgresql.cnpg.io/*/clusters",
        "rabbitmq.com/*/rabbitmqclusters",
    ],
    operations=["CREATE", "UPDATE"],
    param_kind="v1/ConfigMap",
    annotations=ANNOTATIONS,
)
def operator_replica_bounds(request: Request, params: Params) -> Iterator[Violation]:
    """The numbers of replicas that an operator's object asks for are within the bounds of the params."""
    name = f"{request.resource.resource}.{request.resource.group}"
    scale = request.subresource == "scale"
    for bounds in params.bounds:
        if name not in bounds.resources or (scale and not bounds.scaled):
            continue
        path = "spec.replicas" if scale else bounds.path
        before = dict(_found(request.old_object, path, scale))
        for place, number in _found(request.object, path, scale):
            # A number from before the policy may stay, so that its operator can go on.
            if before.get(place) == number and request.operation == "UPDATE":
                continue
            if not isinstance(number, int) or isinstance(number, bool):
                problem = f"is {number!r}; expected a number"
            else:
                problem = bounds.wrong(number)
            if problem:
                where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)[1:]
                yield Violation(
                    f"{where} {problem} (see ConfigMap gatewright-system/operator-replica-bounds)", path=place
                )


def _found(obj: JSON | None, path: str, scale: bool) -> list[tuple[Path, Any]]:
    """The values at a path, each with its place. A Scale without replicas has 0, which the API server leaves out."""
    found: list[tuple[Path, Any]] = [((), obj or {})]
    for step in path.split("."):
        key, _, every = step.partition("[")
        inside = [((*place, key), value[key]) for place, value in found if isinstance(value, dict) and key in value]
        if every:
            inside = [
                ((*place, index), item)
                for place, items in inside
                if isinstance(items, list)
                for index, item in enumerate(items)
            ]
        found = inside
    if scale and not found:
        return [(("spec", "replicas"), 0)]
    return [(place, value) for place, value in found if value is not None]
