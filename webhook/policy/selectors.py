"""Label selectors: what a namespaceSelector, an objectSelector or the selector of params matches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

SelectorOperator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


class Requirement(Struct, frozen=True):
    """A requirement of a label selector. `values`: only for In and NotIn. NotIn also matches if the label is absent."""

    key: str
    operator: SelectorOperator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, Any]) -> bool:
        if self.operator == "In":
            value = labels.get(self.key)
            return isinstance(value, str) and value in self.values
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        value = labels.get(self.key)
        return not (isinstance(value, str) and value in self.values)


class Selector(Struct, frozen=True):
    """A label selector: all requirements must match. An empty selector is false and matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def compile(cls, labels: dict[str, str], expressions: Iterable[Requirement] = ()) -> Selector:
        """The selector with these matchLabels and matchExpressions."""
        exact = (Requirement(key, "In", frozenset((value,))) for key, value in sorted(labels.items()))
        return cls((*exact, *expressions))

    def matches(self, labels: dict[str, Any]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)


EVERYTHING = Selector()
