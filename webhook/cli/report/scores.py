"""Scores: how well objects comply with the policies, for each namespace and for the whole, and whether a gate passes.

The formula, in whole points:

- An object has 100 points, less the weight of each policy that it violates, and at least 0. A policy counts once an
  object, whatever its findings, levels and bindings. Its weight is that of its severity (WEIGHTS).
- The score of a namespace is the mean of its objects' points, and that of the whole is the mean of all objects'; both
  are cut to a tenth, so that 100 says that nothing is violated. Where nothing was judged there is no score: what is
demanded of it is not met.

What exceptions cover takes no points, and neither does a policy that could not be evaluated: such errors are counted
beside the score. What a baseline knows is violated all the same: compute scores before it is taken away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.document import Problem
from webhook.nearest import nearest

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding, Rule

FULL: Final = 100

WEIGHTS: Final[Mapping[str, int]] = MappingProxyType({"critical": 100, "high": 40, "medium": 15, "low": 5})
"""Severity -> the points that a violated policy takes from an object."""

UNRATED: Final = "medium"
"""The severity of a policy that names none."""


class Veto(Struct, frozen=True):
    """A finding that fails a score whatever its value. A finding must match every field; an empty field matches any.

    `name`: how reports call it. `policies`: names, with `*` for any characters. `levels`: those of findings.
    """

    name: str
    policies: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    def hits(self, finding: Finding, severity: str) -> bool:
        return (
            (not self.policies or any(fnmatchcase(finding.rule, each) for each in self.policies))
            and (not self.severities or severity in self.severities)
            and (not self.levels or finding.level in self.levels)
        )


class Threshold(Struct, frozen=True):
    """The demand on a score. `least`: its least value; None for any. `environment`: the environment that demands it."""

    environment: str = ""
    least: int | None = None
    vetoes: tuple[Veto, ...] = ()


class Named(Struct, frozen=True):
    """Where a gate's file names policies. `text`: a name, with `*` for any characters. `where`: the place, with the
    field as its message."""

    text: str
    where: Problem


class Environment(Struct, frozen=True):
    """Namespaces with the same demand. `namespaces`: names, with `*` for any characters."""

    namespaces: tuple[str, ...]
    threshold: Threshold

    def has(self, namespace: str) -> bool:
        return any(fnmatchcase(namespace, each) for each in self.namespaces)


NOTHING: Final = Threshold()


class Gate(Struct, frozen=True):
    """The demands on scores. `name`: the name of the file, as given. `vetoes`: apply to every namespace and to the
    whole. A namespace has the demand of the first environment that lists it. `named`: the policies of all vetoes.
    """

    name: str
    weights: Mapping[str, int] = WEIGHTS
    vetoes: tuple[Veto, ...] = ()
    environments: tuple[Environment, ...] = ()
    cluster: Threshold = NOTHING
    named: tuple[Named, ...] = ()

    def unknown(self, policies: Collection[str]) -> list[Problem]:
        """A problem for each name of a veto that is of no policy: the veto would never be hit. policies: all names."""
        return [
            replace(each.where, message=f"{each.where.message}: {_no_policy(each.text, policies)}")
            for each in self.named
            if not any(fnmatchcase(name, each.text) for name in policies)
        ]

    def of(self, namespace: str) -> Threshold:
        """The demand on a namespace. For "", the cluster-scoped objects, it has no least value."""
        if namespace:
            for each in self.environments:
                if each.has(namespace):
                    return each.threshold
        return NOTHING


def _no_policy(text: str, policies: Collection[str]) -> str:
    close = nearest(text, policies)
    return f"there is no policy {text!r}{f'; did you mean {close}?' if close else ''}"


class Vetoed(Struct, frozen=True):
    """A veto that findings match. `count`: how many. `policies`: their policies, sorted."""

    name: str
    count: int
    policies: tuple[str, ...]


class Score(Struct, frozen=True):
    """The score of a namespace, of objects without one (namespace ""), or of the whole.

    `tenths`: its value, 0 to 1000; None if no object was judged. `objects`: how many were judged, `violating` how many
    of them violate a policy. `errors`: findings that say that a policy could not be evaluated. `threshold`: the score
    that is required. `vetoed`: the vetoes that are hit. `lost`: the points that the objects lack of 100 each, together,
    so that scores of parts can be added up.
    """

    namespace: str
    tenths: int | None
    objects: int
    violating: int
    errors: int
    threshold: Threshold = NOTHING
    vetoed: tuple[Vetoed, ...] = ()
    lost: int = 0

    @property
    def value(self) -> float | None:
        return None if self.tenths is None else self.tenths / 10

    @property
    def below(self) -> bool:
        """Whether the value is less than the demand, or there is none."""
        least = self.threshold.least
        return least is not None and (self.tenths is None or self.tenths < 10 * least)

    @property
    def failed(self) -> bool:
        return self.below or bool(self.vetoed)

    def whys(self) -> Iterator[str]:
        """The reasons why it fails, as plain text."""
        if self.below:
            of = f" ({self.threshold.environment})" if self.threshold.environment else ""
            yield f"{'nothing was judged, for' if self.tenths is None else 'below'} {self.threshold.least}{of}"
        for each in self.vetoed:
            more = f" and {len(each.policies) - _NAMED} more" if len(each.policies) > _NAMED else ""
            yield f"veto {each.name}: {each.count:,} of {', '.join(each.policies[:_NAMED])}{more}"


_NAMED: Final = 3


class Scores(Struct, frozen=True):
    """The scores of a run. `namespaces`: the worst first. `gate`: the name of the gate's file; "" for none. `unmet`:
    environments without a namespace."""

    cluster: Score
    namespaces: tuple[Score, ...]
    gate: str = ""
    unmet: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any score fails, or there is a gate and nothing was judged."""
        return self.without_objects or self.cluster.failed or any(each.failed for each in self.namespaces)

    @property
    def without_objects(self) -> bool:
        """Whether there is a gate and nothing was judged."""
        return bool(self.gate) and self.cluster.tenths is None


class _Sum:
    """The sums of one namespace, or of all."""

    def __init__(self) -> None:
        self.objects: dict[object, set[str]] = {}
        self.errors = 0
        self.hits: dict[str, list[str]] = {}

    def add(self, finding: Finding, vetoes: Iterable[str]) -> None:
        if finding.error:
            self.errors += 1
            return
        self.objects.setdefault(finding.object, set()).add(finding.rule)
        for name in vetoes:
            self.hits.setdefault(name, []).append(finding.rule)

    def score(self, namespace: str, judged: int, severities: Mapping[str, str], gate: Gate, limit: Threshold) -> Score:
        judged = max(judged, len(self.objects))
        lost = sum(
            min(FULL, sum(gate.weights[severities.get(each, UNRATED)] for each in violated))
            for violated in self.objects.values()
        )
        vetoed = tuple(Vetoed(name, len(rules), tuple(sorted(set(rules)))) for name, rules in sorted(self.hits.items()))
        tenths = None if not judged else 10 * (FULL * judged - lost) // judged
        return Score(namespace, tenths, judged, len(self.objects), self.errors, limit, vetoed, lost)


def scores(
    findings: Iterable[Finding], judged: Mapping[str, int], rules: Mapping[str, Rule], gate: Gate | None = None
) -> Scores:
    """The scores of what was judged.

    findings: without those that exceptions cover; findings about no object count for nothing. judged: namespace ("" for
    objects without one) -> how many of its objects were judged. rules: with the severities of policies, by name. gate:
    what is demanded; None for nothing.
    """
    demanded = gate if gate is not None else Gate("")
    severities = {each.id: each.severity or UNRATED for each in rules.values()}
    limits: dict[str, Threshold] = {}
    sums = {namespace: _Sum() for namespace in judged}
    whole = _Sum()
    for each in findings:
        if each.object is None:
            continue
        namespace = each.namespace
        if namespace not in limits:
            limits[namespace] = demanded.of(namespace)
        severity = severities.get(each.rule, UNRATED)
        everywhere = [veto.name for veto in demanded.vetoes if veto.hits(each, severity)]
        own = [veto.name for veto in limits[namespace].vetoes if veto.hits(each, severity)]
        of_cluster = [veto.name for veto in demanded.cluster.vetoes if veto.hits(each, severity)]
        sums.setdefault(namespace, _Sum()).add(each, [*everywhere, *own])
        whole.add(each, [*everywhere, *of_cluster])
    found = [
        total.score(namespace, judged.get(namespace, 0), severities, demanded, demanded.of(namespace))
        for namespace, total in sums.items()
    ]
    found.sort(key=lambda each: (not each.failed, each.tenths is None, each.tenths or 0, each.namespace))
    objects = sum(each.objects for each in found)
    cluster = whole.score("", objects, severities, demanded, demanded.cluster)
    unmet = tuple(
        each.threshold.environment
        for index, each in enumerate(demanded.environments)
        if not any(_first(demanded, name) == index for name in sums)
    )
    return Scores(cluster, tuple(found), demanded.name, unmet)


def _first(gate: Gate, namespace: str) -> int | None:
    """The index of the environment that a namespace belongs to."""
    if not namespace:
        return None
    return next((index for index, each in enumerate(gate.environments) if each.has(namespace)), None)
