"""Rings: groups of namespaces, by labels, that take a step one after the other. Says which part of a binding is in a
ring, and which bindings decide there.

The binding of a ring is an ordinary binding: its namespaceSelector requires the labels of the ring. A namespaceSelector
leaves no cluster-scoped object out but Namespaces, so that it also has to exclude these (CLUSTER_SCOPED).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.lazypatterns import lazily
from webhook.policy.matching import Match, Rule
from webhook.policy.policyset import Action, Binding
from webhook.policy.selectors import Requirement, Selector
from webhook.policy.written.names import is_label_value, is_qualified_name
from webhook.schema import Kinds

CLUSTER_SCOPED: Final[dict[str, Any]] = {
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "operations": ["*"],
    "resources": ["*/*"],
    "scope": "Cluster",
}
"""The rule of excludeResourceRules that leaves all cluster-scoped objects out, Namespaces too."""

_EXCLUDED: Final = Rule(frozenset("*"), frozenset("*"), (("*", "*"),), frozenset("*"), "Cluster")
_LONGEST: Final = 253  # characters of a name
_LONGEST_SUFFIX: Final = 100
_OTHERS = lazily(r"[^a-z0-9]+")  # than a name has anywhere
_MOST: Final = 100


class Ring(Struct, frozen=True):
    """The namespaces that have all of these labels. `text`: as they are given, `env=prod,tier=canary`."""

    text: str
    labels: tuple[tuple[str, str], ...]

    def has(self, labels: Mapping[str, Any]) -> bool:
        """Whether a namespace with these labels is in the ring."""
        return all(labels.get(key) == value for key, value in self.labels)

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The requirements of a namespaceSelector that selects the ring."""
        return Selector.compile(dict(self.labels)).requirements

    @property
    def suffix(self) -> str:
        """The end of the names of its bindings: the values of its labels, else their keys."""
        words = "-".join(value or key.rpartition("/")[2] for key, value in self.labels)
        return _OTHERS.sub("-", words.lower())[:_LONGEST_SUFFIX].strip("-")


def parse(text: str) -> Ring:
    """The ring of `KEY=VALUE`, or of several with commas. Raises ValueError, which says what was expected."""
    labels: dict[str, str] = {}
    for each in text.split(","):
        key, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not is_qualified_name(key) or not is_label_value(value):
            raise ValueError(f"expected labels of namespaces, such as env=prod or env=prod,tier=canary, got {text!r}")
        if key in labels:
            raise ValueError(f"{text!r} names {key} twice")
        labels[key] = value
    pairs = tuple(sorted(labels.items()))
    return Ring(",".join(f"{key}={value}" for key, value in pairs), pairs)


def parse_all(texts: Iterable[str]) -> tuple[Ring, ...]:
    """The rings in order. Raises ValueError."""
    rings = tuple(map(parse, texts))
    if len(rings) > _MOST:
        raise ValueError(f"expected at most {_MOST} rings, got {len(rings)}")
    for each in rings:
        if rings.count(each) > 1:
            raise ValueError(f"{each.text!r} is given twice")
    return rings


def level(actions: Sequence[Action]) -> int:
    """How strict the actions are: 0 for Audit, 1 for Warn, 2 for Deny."""
    return 2 if "Deny" in actions else 1 if "Warn" in actions else 0


def of_binding(binding: Binding, rings: Iterable[Ring]) -> Ring | None:
    """The ring that all namespaces of a binding are in: of several the one with most labels; None if there is none."""
    wanted = set(_match(binding).namespace_selector.requirements)
    inside = [ring for ring in rings if wanted.issuperset(ring.requirements)]
    return max(inside, key=lambda ring: len(ring.labels), default=None)


def reaches(binding: Binding, ring: Ring) -> bool:
    """Whether a namespace of the ring can be selected by the binding."""
    labels = dict(ring.labels)
    selector = _match(binding).namespace_selector
    return all(each.matches(labels) for each in selector.requirements if each.key in labels)


def covers(other: Binding, binding: Binding, own: Ring | None, ring: Ring) -> bool:
    """Whether another binding of the same policy applies to all that the binding is about, in the ring.

    own: the ring that the binding is of: then it stands for what it would be in the other ring.
    """
    if other.param_ref != binding.param_ref or _conditions(other) != _conditions(binding):
        return False
    theirs, ours = _match(other), _match(binding)
    mine = [each for each in ours.namespace_selector.requirements if own is None or each not in own.requirements]
    return (
        theirs.match_policy == ours.match_policy
        and (not theirs.rules or theirs.rules == ours.rules)
        and set(theirs.excludes) <= {*ours.excludes, _EXCLUDED}
        and set(theirs.object_selector.requirements) <= set(ours.object_selector.requirements)
        and all(
            any(_implies(known, wanted) for known in (*mine, *ring.requirements))
            for wanted in theirs.namespace_selector.requirements
        )
    )


def is_wider(other: Binding, binding: Binding, own: Ring) -> bool:
    """Whether another binding of the same policy applies to all of the binding of a ring, and is of no ring itself."""
    leaves_out = set(_match(other).excludes) - set(_match(binding).excludes)
    return not leaves_out and of_binding(other, [own]) is None and covers(other, binding, None, own)


def may_be_cluster_scoped(match: Match, binding: Binding, kinds: Kinds) -> bool:
    """Whether a policy with this match, under the binding, can be about cluster-scoped objects."""
    bound = _match(binding)
    if any(replace(each, names=frozenset()) == _EXCLUDED for each in bound.excludes):
        return False
    return all(any(_is_cluster_scoped(each, kinds) for each in rules) for rules in (match.rules, bound.rules) if rules)


def name_of(binding: Binding, ring: Ring, taken: Iterable[str]) -> str:
    """The name of the binding's binding for the ring; one that is not taken."""
    names = set(taken)
    number, made = 1, ""
    while not made or made in names:
        end = f"-{ring.suffix}{f'-{number}' if number > 1 else ''}"
        made = binding.name[: _LONGEST - len(end)].rstrip("-.") + end
        number += 1
    return made


def _match(binding: Binding) -> Match:
    return binding.match if binding.match is not None else Match()


def _conditions(binding: Binding) -> list[tuple[str, str]]:
    conditions = binding.conditions.conditions if binding.conditions else ()
    return [(each.name, each.program.source) for each in conditions]


def _implies(known: Requirement, wanted: Requirement) -> bool:
    """Whether whatever has the known requirement has the wanted one."""
    if known == wanted:
        return True
    if known.key != wanted.key or known.operator != "In":
        return False
    return all(wanted.matches({wanted.key: value}) for value in known.values)


def _is_cluster_scoped(rule: Rule, kinds: Kinds) -> bool:
    """Whether the rule can be about cluster-scoped objects. Of a kind that is not known it can."""
    if rule.scope == "Namespaced":
        return False
    for plural, _ in rule.resources:
        known = [each for each in kinds if each.plural == plural and each.group in rule.groups]
        if plural == "*" or "*" in rule.groups or not known or not all(each.namespaced for each in known):
            return True
    return False
