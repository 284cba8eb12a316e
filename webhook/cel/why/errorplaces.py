"""Finds the parts of the object that caused an evaluation error: the map without the key, the malformed value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from webhook.cel.code.recording import Rounds, error_key, rounds_key
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, Select, children, logical_terms
from webhook.cel.tree.macros import recognise
from webhook.cel.why.origins import Frame
from webhook.cel.why.privacy import reaches
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.why.witness import Search


class ErrorPlaces:
    """Finds the node where an error arose, and from there the places that caused it, by the search for witnesses."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def of(self, node: Expr, frame: Frame) -> list[Path]:
        """The places that caused the error of a node."""
        match node:
            case Ident():
                variable = self.search.activation.variables.get(node.name)
                if variable is None or node.name in frame.scope:
                    return []
                base = self.search.origins.base
                if id(variable.tree) in base.record:
                    return self.search.decisive(variable.tree, base)
                return self.of(variable.tree, base)
            case Call(function="_&&_" | "_||_"):
                for term in logical_terms(node, node.function):
                    if error_key(term) in frame.record:
                        return self._failed_or_unfit(term, frame)
                return self._raised(children(node), frame)
            case Comprehension():
                return self._failed_loop(node, frame)
            case Call(function="_?_:_"):
                held = self.search.origins.value(node.args[0], frame)
                if isinstance(held, bool):
                    return self.of(node.args[1 if held else 2], frame)
                return self._failed_or_unfit(node.args[0], frame)
            case Select() | Call() if reaches(node):
                parts = children(node)[:1] if isinstance(node, Select) or node.function == "_?._" else children(node)
                broken = self._broken(parts, frame)
                if broken is not None:
                    return self.of(broken, frame)
                place = self.search.origins.place(node, frame)  # the place of the missing field
                return [place] if place is not None else self.search.decisive(parts[0], frame)
            case Call() if node.declared.pattern is not None and self._broken(node.args, frame) is None:
                # Only a pattern that is none lets such a call fail.
                return self.search.decisive(node.args[node.declared.pattern], frame) or self.search.all_of(
                    node.args, frame
                )
            case _:
                return self._raised(children(node), frame)

    def _broken(self, nodes: Iterable[Expr], frame: Frame) -> Expr | None:
        """The first node without a value, of nodes that are evaluated in order."""
        return next((node for node in nodes if not isinstance(node, Const) and id(node) not in frame.record), None)

    def _raised(self, nodes: Sequence[Expr], frame: Frame) -> list[Path]:
        broken = self._broken(nodes, frame)
        return self.of(broken, frame) if broken is not None else self.search.all_of(nodes, frame)

    def _failed_or_unfit(self, node: Expr, frame: Frame) -> list[Path]:
        """The places of a node that has no value, or a value of the wrong type."""
        return self.search.decisive(node, frame) if id(node) in frame.record else self.of(node, frame)

    def _failed_loop(self, node: Comprehension, frame: Frame) -> list[Path]:
        fold = recognise(node)
        if fold.kind == "bind":
            if id(node.init) not in frame.record and not isinstance(node.init, Const):
                return self.of(node.init, frame)
            inner = Frame(frame.record, {**frame.scope, node.accu: self.search.origins.of(node.init, frame)})
            return self.of(node.result, inner)
        if id(node.range) not in frame.record and not isinstance(node.range, Const):
            return self.of(node.range, frame)
        rounds = frame.record.get(rounds_key(node))
        if not isinstance(rounds, Rounds) or rounds.place < 0:
            return self.search.decisive(node.range, frame)
        # A loop reports the first error in its values, but the last one in its filter.
        for part, pick in ((fold.filter, -1), (fold.value, 0)):
            if part is None:
                continue
            failed = [at for at, record in rounds.records.items() if error_key(part) in record]
            if failed:
                inner = self.search.origins.inside(node, failed[pick], frame)
                return self._failed_or_unfit(part, inner) or self.search.of_origin(inner.scope[node.var2 or node.var])
        inner = self.search.origins.inside(node, rounds.place, frame)
        return self.search.of_origin(inner.scope[node.var2 or node.var]) or self.search.decisive(node.range, frame)
