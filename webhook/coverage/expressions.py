"""The coverage of policies in CEL, with the positions of its points in the files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from webhook.cel import Program
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.sourcespans import Spans
from webhook.coverage.model import Covered, Figure, Mark, Place
from webhook.coverage.points import EVALUATED, Point, Points, points
from webhook.coverage.recording import Seen
from webhook.documents.reader import Document
from webhook.paths import Path, render
from webhook.policy.policyset import Policy, PolicySet

_DECIDING: Final = frozenset({"matchConditions", "validations"})
"""The fields of which the expressions must be bools."""


class Expressions:
    """The expressions of all policies in CEL of a set. `seen` collects their outcomes, as the engine's recording."""

    def __init__(self, policies: PolicySet) -> None:
        self.seen = Seen()
        self._policies = [policy for policy in policies.policies if policy.language == "cel"]
        self._points: dict[int, Points] = {}
        for policy in self._policies:
            for path, program in policy.evaluator.programs():
                found = program.followed(partial(points, program.tree, decides=_decides(path)))
                self._points[id(program)] = found
                self.seen.watch(found)

    def covered(self, documents: Mapping[tuple[str, int], Document], cases: Mapping[str, int]) -> list[Covered]:
        """The coverage of each policy. documents: by file and line. cases: the number of cases by policy."""
        return [
            self._of(policy, documents[policy.file, policy.line], cases.get(policy.name, 0))
            for policy in self._policies
        ]

    def _of(self, policy: Policy[Any], document: Document, cases: int) -> Covered:
        marks: list[Mark] = []
        undecided: list[Mark] = []
        ran: list[bool] = []
        terms: list[bool] = []
        for path, program in policy.evaluator.programs():
            found = self._points[id(program)]
            places = _Places(document, path, program)
            each = sorted((self._mark(point, places) for point in found.points), key=_order)
            marks += each
            ran.append(any(mark.ran for mark in each))
            for copies in found.terms:
                how = self._seen_of(self.seen.decided, copies)
                terms.append(how == 3)
                if how != 3:
                    undecided.append(places.mark(copies[0], "term", (how & 1, how & 2)))
        return Covered(
            (policy.name,),
            "cel",
            policy.kind,
            policy.file,
            policy.line,
            cases,
            tuple(sorted(marks, key=_order)),
            Figure(sum(ran), len(ran)),
            Figure(sum(terms), len(terms)),
            tuple(sorted(undecided, key=_order)),
        )

    def _mark(self, point: Point, places: _Places) -> Mark:
        bits = self._seen_of(self.seen.outcomes, point.nodes)
        if point.kind == "evaluation":
            held: tuple[int, ...] = (bits & EVALUATED,)
        else:
            held = bits & 1, bits & 2
        return places.mark(point.node, point.role, held, point.kind, point.sides, ran=bool(bits & EVALUATED))

    @staticmethod
    def _seen_of(bits: Mapping[int, int], nodes: tuple[Expr, ...]) -> int:
        found = 0
        for node in nodes:
            found |= bits[id(node)]
        return found


class _Places:
    """The places of an expression's nodes in its file."""

    def __init__(self, document: Document, path: Path, program: Program) -> None:
        self._document = document
        self._path = path
        self._program = program
        self._spans = Spans(program.source)

    def mark(
        self,
        node: Expr,
        role: str,
        held: tuple[int, ...],
        kind: Any = "decision",
        sides: tuple[str, ...] = ("true", "false"),
        *,
        ran: bool = True,
    ) -> Mark:
        start, end = self._program.followed(lambda: self._spans.of(node))
        text = " ".join(self._program.source[start:end].split())
        return Mark(
            self._place(start),
            self._place(max(end - 1, start)),
            render(self._path),
            text,
            kind,
            role,
            sides,
            tuple(side for side, seen in zip(sides, held, strict=True) if seen),
            ran,
        )

    def _place(self, offset: int) -> Place:
        position = self._document.position_in(self._path, offset) or self._document.position(self._path)
        return position.line, position.column


def _decides(path: Path) -> bool:
    return path[1] in _DECIDING and path[-1] == "expression"


def _order(mark: Mark) -> tuple[Place, Place, str]:
    """Outer spans before those that they contain."""
    return mark.start, (-mark.end[0], -mark.end[1]), mark.kind
