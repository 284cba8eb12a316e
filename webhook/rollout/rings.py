"""Rings: groups of namespaces, selected by labels, that take a step one after the other. This module says which part of
a binding is in a ring, and which bindings decide there.

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
from webhook.policy.selectors import Requirement, SelectorOperator
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
    """The namespaces whose labels meet all of these requirements. `text`: as kubectl writes a selector,
    `env=prod,tier=canary` or `env in (dev,test)`."""

    text: str
    requirements: tuple[Requirement, ...]

    def has(self, labels: Mapping[str, Any]) -> bool:
        """Whether a namespace with these labels is in the ring."""
        return all(each.matches(labels) for each in self.requirements)

    def is_part_of(self, other: Ring) -> bool:
        """Whether its namespaces are a proper subset of those of another ring."""
        inside = all(_implied(self.requirements, each) for each in other.requirements)
        return inside and not all(_implied(other.requirements, each) for each in self.requirements)

    @property
    def suffix(self) -> str:
        """The suffix of the names of its bindings: the values of its labels, else their keys."""
        words = "-".join(map(_worded, self.requirements))
        return _OTHERS.sub("-", words.lower())[:_LONGEST_SUFFIX].strip("-")


def parse(text: str) -> Ring:
    """The ring of a label selector in kubectl's form: `env=prod`, `env in (dev,test)`, `env notin (prod)`, `env!=prod`,
    `env`, `!env`, several with commas. Raises ValueError, which says what was expected."""
    found: dict[str, Requirement] = {}
    for part in _parts(text):
        made = _requirement(part)
        if made is None:
            raise ValueError(
                "expected labels of namespaces, such as env=prod, env=prod,tier=canary or env in (dev,test), "
                f"got {text!r}"
            )
        if made.key in found:
            raise ValueError(f"{text!r} names {made.key} twice")
        found[made.key] = made
    requirements = tuple(found[key] for key in sorted(found))
    return Ring(",".join(map(_written, requirements)), requirements)


def _parts(text: str) -> list[str]:
    """The requirements of a selector, split at commas outside parentheses."""
    parts, inside = [""], False
    for each in text:
        inside = (inside or each == "(") and each != ")"
        if each == "," and not inside:
            parts.append("")
        else:
            parts[-1] += each
    return [each.strip() for each in parts]


def _requirement(part: str) -> Requirement | None:
    """The requirement that a part of a selector states; None if the part is invalid."""
    head, parenthesis, rest = part.partition("(")
    key, operator, values = part.removeprefix("!").strip(), "Exists", list[str]()
    if parenthesis:
        key, _, word = head.strip().partition(" ")
        if word.strip() not in ("in", "notin") or not rest.endswith(")"):
            return None
        operator = "In" if word.strip() == "in" else "NotIn"
        values = [each.strip() for each in rest[:-1].split(",")]
    elif part.startswith("!"):
        operator = "DoesNotExist"
    elif "=" in part:
        key, _, value = part.partition("=")
        operator = "NotIn" if key.endswith("!") else "In"
        key, values = key.removesuffix("!").strip(), [value.removeprefix("=").strip()]
    if not is_qualified_name(key) or not all(map(is_label_value, values)):
        return None
    return Requirement(key, operator, frozenset(values))  # type: ignore[arg-type]


def _written(each: Requirement) -> str:
    if each.operator in ("Exists", "DoesNotExist"):
        return each.key if each.operator == "Exists" else f"!{each.key}"
    values = sorted(each.values)
    if len(values) == 1:
        return f"{each.key}{'=' if each.operator == 'In' else '!='}{values[0]}"
    return f"{each.key} {each.operator.lower()} ({','.join(values)})"


def _worded(each: Requirement) -> str:
    name = each.key.rpartition("/")[2]
    words = "-".join(value or name for value in sorted(each.values)) or name
    return words if each.operator in ("In", "Exists") else f"not-{words}"


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
    """The ring that all namespaces of a binding are in: of several one that is part of no other of them, with most
    labels; None if there is none."""
    wanted = _match(binding).namespace_selector.requirements
    inside = [ring for ring in rings if all(_implied(wanted, each) for each in ring.requirements)]
    innermost = [ring for ring in inside if not any(each.is_part_of(ring) for each in inside)]
    return max(innermost, key=lambda ring: len(ring.requirements), default=None)


def reaches(binding: Binding, ring: Ring) -> bool:
    """Whether the binding can select a namespace of the ring."""
    return _satisfiable((*_match(binding).namespace_selector.requirements, *ring.requirements))


def covers(other: Binding, binding: Binding, own: Ring | None, ring: Ring) -> bool:
    """Whether another binding of the same policy applies to all that the binding is about, in the ring.

    own: the ring that the binding is of: then it stands for what it would be in the other ring.
    """
    if other.param_ref != binding.param_ref or _conditions(other) != _conditions(binding):
        return False
    theirs, ours = _match(other), _match(binding)
    of_own = {each.key for each in own.requirements} if own is not None else set()
    known = (*(each for each in ours.namespace_selector.requirements if each.key not in of_own), *ring.requirements)
    return (
        theirs.match_policy == ours.match_policy
        and (not theirs.rules or theirs.rules == ours.rules)
        and set(theirs.excludes) <= {*ours.excludes, _EXCLUDED}
        and set(theirs.object_selector.requirements) <= set(ours.object_selector.requirements)
        and all(_implied(known, wanted) for wanted in theirs.namespace_selector.requirements)
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
    """A free name for the binding of the ring that is derived from the binding."""
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


_OPPOSITE: Final[Mapping[SelectorOperator, SelectorOperator]] = {
    "In": "NotIn",
    "NotIn": "In",
    "Exists": "DoesNotExist",
    "DoesNotExist": "Exists",
}


def _implied(known: Iterable[Requirement], wanted: Requirement) -> bool:
    """Whether the known requirements imply the wanted one."""
    otherwise = Requirement(wanted.key, _OPPOSITE[wanted.operator], wanted.values)
    return not _satisfiable((*(each for each in known if each.key == wanted.key), otherwise))


def _satisfiable(requirements: Iterable[Requirement]) -> bool:
    """Whether some set of labels meets all of the requirements."""
    by_key: dict[str, list[Requirement]] = {}
    for each in requirements:
        by_key.setdefault(each.key, []).append(each)
    return all(_has_value(key, of_key) or all(each.matches({}) for each in of_key) for key, of_key in by_key.items())


def _has_value(key: str, requirements: Sequence[Requirement]) -> bool:
    named = [each.values for each in requirements if each.operator == "In"]
    if named:
        return any(all(each.matches({key: value}) for each in requirements) for value in named[0])
    return all(each.operator != "DoesNotExist" for each in requirements)  # there are more values than NotIn names


def _is_cluster_scoped(rule: Rule, kinds: Kinds) -> bool:
    """Whether the rule can match cluster-scoped objects. For an unknown kind the answer is true."""
    if rule.scope == "Namespaced":
        return False
    for plural, _ in rule.resources:
        known = [each for each in kinds if each.plural == plural and each.group in rule.groups]
        if plural == "*" or "*" in rule.groups or not known or not all(each.namespaced for each in known):
            return True
    return False
