"""Records the sides of points while tests run, by the recording form of the generated code.

`Seen` is given to the engine as its `recording`. The record of each evaluation (webhook.cel.program.Recording) is then
a dict that looks at the values that the code puts into it: every value of every node, in every round of a loop. The
code is that of traces, so nothing is generated for coverage, and evaluations that record nothing know nothing of it.

Generated code ends `&&` and `||` at the first term that decides. So a term has an outcome only where it was evaluated,
and it *decided* a chain where its value cannot be changed without the outcome changing, as far as was evaluated: each
term of a true `&&`, the one false term of a false one. A term that decided its chain both ways is covered by MC/DC,
in its masking form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from webhook.cel import Program, Recording
from webhook.cel.tree.ast import Expr
from webhook.cel.value.values import NONE, Optional
from webhook.coverage.points import EVALUATED, Points, bare, branches, logical, terms
from webhook.paths import Path
from webhook.policy.trace import Recorder


class Seen:
    """The outcomes of points, over all evaluations. See webhook.policy.reviewing.Recorders."""

    def __init__(self) -> None:
        self.outcomes: dict[int, int] = {}
        """id(node of a point) -> the bits of its sides (webhook.coverage.points), and EVALUATED"""
        self.decided: dict[int, int] = {}
        """id(term) -> how it decided its chain: 1 by being true, 2 by being false"""
        self._chains: dict[int, Expr] = {}

    def watch(self, points: Points) -> None:
        """See the outcomes of these points from now on. The trees must live as long as this."""
        self.outcomes.update((id(node), 0) for point in points.points for node in point.nodes)
        self.decided.update((id(term), 0) for copies in points.terms for term in copies)
        self._chains.update((id(chain), chain) for chain in points.chains)

    def recorder(self, sources: Iterable[tuple[Path, Program]]) -> Recorder:
        """See Recorders."""
        return _SeeingRecorder(self, sources)

    def note(self, key: int, value: Any, record: dict[Any, Any]) -> None:
        """A node of a point has this value; record: those of its sub-expressions."""
        self.outcomes[key] |= EVALUATED | _side(value)
        chain = self._chains.get(key)
        if chain is not None and type(value) is bool:
            self._decide(chain, value, record)

    def _decide(self, chain: Expr, value: bool, record: dict[Any, Any]) -> None:
        pending = [(chain, value)]
        while pending:
            given, value = pending.pop()
            node, negated = bare(given)
            value = value is not negated
            if parts := branches(node):
                pending.append((parts[1] if record.get(id(parts[0])) is True else parts[2], value))
            elif logical(node):
                # All terms together, or the one that ended it: in both cases those with the value of the whole.
                pending += ((term, value) for term in terms(node) if record.get(id(term)) is value)
            elif id(node) in self.decided:
                self.decided[id(node)] |= 1 if value else 2


def _side(value: Any) -> int:
    if value is True:
        return 1
    if value is False or value is NONE:
        return 2
    return 1 if type(value) is Optional else 0


class _Record(dict[Any, Any]):
    """The record of an evaluation, which passes the values of points on."""

    __slots__ = ("_note", "_outcomes")

    def __init__(self, seen: Seen) -> None:
        self._outcomes, self._note = seen.outcomes, seen.note

    def __setitem__(self, key: Any, value: Any) -> None:
        dict.__setitem__(self, key, value)
        if key in self._outcomes:
            self._note(key, value, self)


class _Seeing(Recording):
    """A Recording of which the values are seen."""

    __slots__ = ()

    def __init__(self, seen: Seen, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.record = _Record(seen)


class _SeeingRecorder(Recorder):
    def __init__(self, seen: Seen, sources: Iterable[tuple[Path, Program]]) -> None:
        super().__init__(sources, everything=True)
        self._seen = seen

    @property
    def activation(self) -> Callable[..., Recording]:
        """See Form."""
        return partial(_Seeing, self._seen)
