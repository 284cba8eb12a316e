"""Changes that the schema of a custom resource allows and its operator cannot carry out are refused.

A disk does not shrink, a database does not go back to an older version, and a storage class does not change under it.
Most operators say so in their log, hours later; some begin, and stop half way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gatewright import Request, Violation, validate

ANNOTATIONS = {
    "kubernetes.io/description": "Changes of operators' objects that cannot be carried out are refused: smaller disks, "
    "older versions, other storage classes.",
    "gatewright.dev/title": "Semantic errors in custom resources",
    "gatewright.dev/category": "operators",
    "gatewright.dev/severity": "high",
    "gatewright.dev/rationale": "An operator that is told to shrink a disk or to go back to an older version fails "
    "hours later, or begins and stops half way. What it manages is data.",
    "gatewright.dev/remediation": "Leave the field as it was, or make a new object and move the data.",
}

_STEP = re.compile(r"([A-Za-z0-9_-]+)((?:\[\*\])?)")
# All that Kubernetes reads as a quantity: what is not read could be made less.
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([numkMGTPE]?|[KMGTPE]i)|[eE]([+-]?[0-9]+))")
_SUFFIXES = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 10**3),
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_VERSION = re.compile(r"(?:.*[:/])?v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?:[-+_].*)?")

JSON = dict[str, Any]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """What a field of some resources must not do.

    resources: as kubectl writes them, in every version: `clusters.postgresql.cnpg.io`. path: such as
    `spec.storage.size`, or `spec.nodeSets[*].size`, for each item of a list (by its name, else by its number). never:
    `shrink` (a quantity), `downgrade` (a version, also that in an image's tag), `change` (anything, once it is set).
    """

    resources: Annotated[tuple[str, ...], Meta(min_length=1)]
    path: str
    never: Literal["shrink", "downgrade", "change"]

    def __post_init__(self) -> None:
        if not all(_STEP.fullmatch(step) for step in self.path.split(".")):
            raise ValueError(
                f"path: {self.path!r} is no path; expected a form such as spec.storage.size or spec.sets[*].size"
            )

    def problem(self, before: Any, after: Any) -> str:
        """What is wrong with a change; empty if it is right."""
        if after == before:
            return ""
        if self.never == "change":
            return f"cannot change from {_shown(before)} to {_shown(after)}"
        if after is None:
            return f"was {_shown(before)}; what is taken where it is not set may be less, so set it"
        read = _quantity if self.never == "shrink" else _version
        old, new = read(before), read(after)
        if new is None:
            return f"is {_shown(after)}, which cannot be compared with {_shown(before)}"
        if old is None or new >= old:
            return ""
        return f"cannot {'shrink' if self.never == 'shrink' else 'go back'} from {_shown(before)} to {_shown(after)}"


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """The `data` of the ConfigMap."""

    rules: tuple[Rule, ...]


# The resources of the params have to be among these, or the policy is not asked about them.
@validate(
    resources=[
        "acid.zalan.do/*/postgresqls",
        "elasticsearch.k8s.elastic.co/*/elasticsearches",
        "k8s.mariadb.com/*/mariadbs",
        "kafka.strimzi.io/*/kafkas",
        "kafka.strimzi.io/*/kafkanodepools",
        "postgresql.cnpg.io/*/clusters",
    ],
    operations=["UPDATE"],
    param_kind="v1/ConfigMap",
    annotations=ANNOTATIONS,
)
def operator_semantic_errors(request: Request, params: Params) -> Iterator[Violation]:
    """What an operator manages does not shrink, go back to an older version, or change what cannot change."""
    name = f"{request.resource.resource}.{request.resource.group}"
    for rule in params.rules:
        if name not in rule.resources:
            continue
        after = _found(request.object, rule.path)
        for place, before in _found(request.old_object, rule.path).items():
            # An item that is gone from its list is for the operator to remove, with its data.
            if before is not None and place in after and (problem := rule.problem(before, after[place])):
                yield Violation(f"{place} {problem}")


def _found(obj: JSON | None, path: str) -> dict[str, Any]:
    """The values at a path, each with its place. What is not set is None; a list that is not set has no items."""
    found: list[tuple[str, Any]] = [("", obj)]
    for step in path.split("."):
        key, _, every = step.partition("[")
        inside = [(f"{at}.{key}", value.get(key) if isinstance(value, dict) else None) for at, value in found]
        if every:
            inside = [
                (f"{at}[{_name(item, index)}]", item)
                for at, items in inside
                for index, item in enumerate(items if isinstance(items, list) else [])
            ]
        found = inside
    return {at[1:]: value for at, value in found}


def _name(item: Any, index: int) -> str:
    """What tells an item of a list from the others, wherever it stands."""
    return str(item.get("name", index)) if isinstance(item, dict) else str(index)


def _quantity(value: Any) -> Fraction | None:
    found = _QUANTITY.fullmatch(str(value))
    if not found:
        return None
    if found[3] is None:
        return Fraction(found[1]) * _SUFFIXES[found[2]]
    # Numbers of a thousand digits are the same to an operator, and bounded here.
    return Fraction(found[1]) * Fraction(10) ** max(-999, min(int(found[3]), 999))


def _version(value: Any) -> tuple[int, ...] | None:
    """The numbers of a version; `15` and `15.0` are the same."""
    found = _VERSION.fullmatch(str(value).partition("@")[0])  # an image may have a digest
    if not found:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)[:200]
