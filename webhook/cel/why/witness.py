"""Finds the witnesses of an expression: the parts of the object that decided its value or error.

After a recorded evaluation, the search follows the tree from its root to the nodes that decided: the false term of a
conjunction, the failing element of `all`, the operands of a comparison, the field that `has` tested. If several parts
decided together, as the terms of a false `||` do, they are ranked (webhook.cel.why.ranking).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from webhook.cel.code.recording import SPENT, Rounds, rounds_key
from webhook.cel.tree.ast import (
    Call,
    Comprehension,
    Const,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    children,
    logical_terms,
)
from webhook.cel.tree.declared import Deciding, Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.macros import Fold, recognise
from webhook.cel.value import aggregates, operators
from webhook.cel.value.values import NONE
from webhook.cel.why.asked import TEXT, Asked
from webhook.cel.why.errorplaces import ErrorPlaces
from webhook.cel.why.origins import At, Frame, Made, Origin, Origins
from webhook.cel.why.ranking import NAMESPACE, Alternative, Ranking, speaks_of_exemptions
from webhook.paths import Path

if TYPE_CHECKING:  # an import at run time would be circular
    from webhook.cel.program import Program, Recording

MAX_PATHS: Final = 50
_MAX_STEPS: Final = 20_000
_MAX_FOUND: Final = 1_000_000
_MAX_KEPT: Final = 500  # places of one node

_COMPARISONS: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})


def witnesses(
    program: Program, activation: Recording, root: str, *, private: bool = False, asked: Asked | None = None
) -> tuple[Path, ...]:
    """The Paths into `root` that decided the value of a program just recorded on this activation, the best first.

    After an error: the places that caused it. A Path may name an absent field that the expression tested. private: the
    variables have private parts; asked: see Origins.
    """
    if activation.record.get(SPENT) == id(program.tree):
        return ()  # no place causes an exceeded budget
    found = dict.fromkeys(Search(activation, root, private=private, asked=asked).of(program.tree))
    if not found and root == "object":  # a DELETE has only oldObject, and an expression may test oldObject alone
        if asked is not None:
            asked.by_shape = False
        found = dict.fromkeys(Search(activation, "oldObject", private=private).of(program.tree))
    # A guard such as `!has(c.ports) || c.ports.all(…)` gives ports as well; the place inside it is more precise.
    inner = [path for path in found if not any(other[: len(path)] == path for other in found if other != path)]
    return tuple(inner[:MAX_PATHS])


class Search:
    """Searches the record for the places that decided: see witnesses."""

    def __init__(self, activation: Recording, root: str, *, private: bool = False, asked: Asked | None = None) -> None:
        self.origins = Origins(activation, root, private=private, asked=asked)
        self.activation = activation
        self.ranking = Ranking(self.origins.asked)
        self._variables: dict[str, list[Path]] = {}
        # What was decided before, by node and frame. A part of a conditional, or of a list that a filter made, is asked
        # about from several sides, and whatever it was computed from with it. The frames stay alive, so no other gets
        # the same id.
        self._decided: dict[tuple[int, int], tuple[Frame, list[Path]]] = {}
        self._steps = 0
        self._found = 0  # places of all nodes

    def of(self, tree: Expr) -> list[Path]:
        """The places that decided the value or error of a whole expression."""
        base = self.origins.base
        recorded = isinstance(tree, Const) or id(tree) in base.record
        return self.ranking.in_the_end(self.decisive(tree, base) if recorded else ErrorPlaces(self).of(tree, base))

    # ------------------------------------------------------------------------------------------------------- by node

    def decisive(self, node: Expr, frame: Frame) -> list[Path]:
        """The places that decide a node's value, each once."""
        key = id(node), id(frame)
        if (known := self._decided.get(key)) is not None:
            return known[1]
        self._steps += 1
        if self._steps > _MAX_STEPS or self._found > _MAX_FOUND:
            return []
        found = self._decisive(node, frame)
        self._found += len(found)
        # A variable that names another one twice has its places twice, and so on: they double with each variable.
        found = list(islice(dict.fromkeys(found), _MAX_KEPT)) if len(found) > 1 else found
        self._decided[key] = frame, found
        return found

    def _decisive(self, node: Expr, frame: Frame) -> list[Path]:
        origin = self.origins.of(node, frame)
        if isinstance(origin, At):
            return [origin.path]
        match node:
            case Const():
                return []
            case Ident():
                return self._named(node, frame)
            case Select():
                return self._selected(node, origin, frame)
            case Call():
                return self._called(node, origin, frame)
            case Comprehension():
                return self._looped(node, frame)
            case ListLiteral() | MapLiteral():
                return self.all_of(children(node), frame)

    def of_origin(self, origin: Origin) -> list[Path]:
        """The places that decide a value of this origin."""
        match origin:
            case At(path):
                return [path]
            case Made(node, frame):
                return self.decisive(node, frame)
            case None:
                return []

    def all_of(self, nodes: Iterable[Expr], frame: Frame) -> list[Path]:
        return self.ranking.together(self.decisive(node, frame) for node in nodes)

    def _named(self, node: Ident, frame: Frame) -> list[Path]:
        if node.name in frame.scope:
            return self.of_origin(frame.scope[node.name])
        variable = self.activation.variables.get(node.name)
        if variable is None:
            return [NAMESPACE] if node.name == "namespaceObject" else []
        if node.name not in self._variables:
            self._variables[node.name] = []
            self._variables[node.name] = self.decisive(variable.tree, self.origins.base)
        return self._variables[node.name]

    def _selected(self, node: Select, origin: Origin, frame: Frame) -> list[Path]:
        operand = self.origins.of(node.operand, frame)
        if isinstance(operand, At):
            return [(*operand.path, node.field)]  # of has(): the field may be absent
        return self._part(node, node.operand, origin, frame)

    def _part(self, node: Expr, operand: Expr, origin: Origin, frame: Frame) -> list[Path]:
        """The places that decide a part of a value which the expression computed."""
        if isinstance(origin, Made) and origin.node is not node:
            found = self.of_origin(origin)
            if found:
                return found
        return self.decisive(operand, frame)

    def _called(self, node: Call, origin: Origin, frame: Frame) -> list[Path]:
        function, args = node.function, node.args
        if function in ("_&&_", "_||_"):
            return self._logical(node, frame)
        if node.declared.shape is Shape.CHOSEN:
            return self._conditional(node, frame)
        if node.declared.shape is Shape.EITHER:
            return self._defaulted(node, frame)
        if function in ("@in", "_in_"):
            return self._member(node, frame)
        if function in _COMPARISONS:
            return self._compared(node, frame)
        if node.declared.shape is Shape.PART:
            found = self._part(node, args[0], origin, frame)
            return found or self.decisive(args[1], frame)
        if node.declared.deciding is not None:
            return self._by_elements(node, node.declared.deciding, frame)
        return self.all_of(args, frame)

    def _logical(self, node: Call, frame: Frame) -> list[Path]:
        decides = node.function == "_||_"
        terms = list(logical_terms(node, node.function))
        deciding = [term for term in terms if self.origins.value(term, frame) is decides]
        if deciding and frame.record.get(id(node)) is decides:
            return self.decisive(deciding[0], frame)
        return self.ranking.of_alternatives(
            Alternative(self.decisive(term, frame), self._is_condition(term, frame), speaks_of_exemptions(term))
            for term in terms
        )

    def _is_condition(self, term: Expr, frame: Frame) -> bool:
        """Whether a term selects the objects that the others apply to, and the object is one: in
        `type != 'LoadBalancer' || …` for an object of type LoadBalancer."""
        if not isinstance(term, Call):
            return False
        if term.function == "!_":
            return self._is_condition(term.args[0], frame)
        if term.function not in ("_==_", "_!=_"):
            return False
        texts = [arg.value for arg in term.args if isinstance(arg, Const) and isinstance(arg.value, str) and arg.value]
        return bool(texts) and any(
            self.origins.read(frame, partial(_is_text, arg, texts[0]))
            for arg in term.args
            if not isinstance(arg, Const)
        )

    def _conditional(self, node: Call, frame: Frame) -> list[Path]:
        condition, yes, no = node.args
        held = self.origins.value(condition, frame)
        branch = self.decisive(yes if held is True else no, frame)
        if not isinstance(held, bool):
            branch = self.all_of((yes, no), frame)
        asked = self.decisive(condition, frame)
        return self.ranking.of_branch(branch, asked)

    def _defaulted(self, node: Call, frame: Frame) -> list[Path]:
        """a.orValue(b)"""
        optional, default = node.args
        found = self.decisive(optional, frame)
        if frame.record.get(id(optional)) is NONE:
            return self.ranking.together([found, self.decisive(default, frame)])
        return found

    def _member(self, node: Call, frame: Frame) -> list[Path]:
        """item in container"""
        item, container = node.args
        found = self.decisive(item, frame)
        if self.origins.value(node, frame) is not True:
            holder = self.decisive(container, frame)
            is_key = isinstance(self.origins.value(container, frame), dict)
            if holder and is_key and not isinstance(self.origins.of(item, frame), At):
                return holder  # it lacks a computed key, which has no place
            return self.ranking.together([found, holder])
        items = self.origins.value(container, frame)
        at = self.origins.read(frame, partial(_index, container, item))
        computed = isinstance(items, dict) and not isinstance(item, Const)
        if at is not None and not (computed and self.origins.private):
            inner = self.origins.item(self.origins.of(container, frame), at)
            return self.ranking.together([found, self.of_origin(inner)])
        return self.ranking.together([found, self.decisive(container, frame)])

    def _compared(self, node: Call, frame: Frame) -> list[Path]:
        """A comparison. For sizes of lists: the elements that are too many, or the ones that are missing."""
        found: list[list[Path]] = []
        for one, other in (node.args, node.args[::-1]):
            counted, against = _counted(one, other), _counted(other, one)
            size, wanted = (_size(self.origins.value(each, frame)) for each in (one, other))
            if counted is None or size is None or wanted is None or size == wanted:
                found.append(self.decisive(one, frame))
            elif size > wanted:
                found.append(self._excess(counted, wanted, frame) or self.decisive(one, frame))
            elif against is None:
                found.append(self._whole(counted, frame))
            else:
                left_out = self._left_out(counted, frame)
                if left_out:
                    return left_out
                found.append(self.decisive(one, frame))
        return self.ranking.together(found)

    def _excess(self, node: Expr, wanted: int, frame: Frame) -> list[Path]:
        """The places that let too many elements pass a filter. Elements beyond the number `wanted` come first."""
        made, inner = self._filtered(node, frame)
        if made is None:
            return []
        chosen = self.origins.chosen(made, inner)
        return self._of_rounds(made, recognise(made).filter, [*chosen[wanted:], *chosen[:wanted]], inner)

    def _left_out(self, node: Expr, frame: Frame) -> list[Path]:
        """The places that kept elements out of a filtered list, or the duplicates that distinct() removed."""
        made, inner = self._filtered(node, frame)
        if made is None:
            return self._repeated(node, frame)
        fold = recognise(made)
        chosen = set(self.origins.chosen(made, inner))
        size = _size(self.origins.value(made.range, inner)) or 0
        return self._of_rounds(made, fold.filter, [at for at in range(size) if at not in chosen], inner)

    def _repeated(self, node: Expr, frame: Frame) -> list[Path]:
        """The elements that a call such as distinct() left out of its list."""
        origin = self.origins.of(node, frame)
        if not (isinstance(origin, Made) and isinstance(origin.node, Call)):
            return []
        left_out = self.origins.left_out(origin.node, origin.frame)[:MAX_PATHS]
        return [path for element in left_out for path in self.of_origin(element)]

    def _whole(self, node: Expr, frame: Frame) -> list[Path]:
        """The places of the list from which a filter selected too few elements."""
        made, inner = self._filtered(node, frame)
        if made is None:
            return self.decisive(node, frame)
        return self._ranged(made, recognise(made), inner)

    def _filtered(self, node: Expr, frame: Frame) -> tuple[Comprehension | None, Frame]:
        origin = self.origins.of(node, frame)
        if isinstance(origin, Made) and isinstance(origin.node, Comprehension):
            fold = recognise(origin.node)
            if fold.kind == "list" and fold.filter is not None:
                return origin.node, origin.frame
        return None, frame

    def _by_elements(self, node: Call, deciding: Deciding, frame: Frame) -> list[Path]:
        """A function whose result some elements of its arguments decided, such as sets.intersects."""
        origins = [self.origins.of(arg, frame) for arg in node.args]
        parts = tuple(map(self._has_parts, origins))
        found = [
            self.of_origin(self.origins.item(origins[argument], at))
            for argument, at in self.origins.read(frame, partial(_elements, node, deciding, parts))
        ]
        return self.ranking.together([*found, self.all_of(node.args, frame)])

    def _has_parts(self, origin: Origin) -> bool:
        """Whether a text of this origin may have parts of other origins. Then it matters where in it something is."""
        if isinstance(origin, At):
            return self.origins.asked.kind(origin.path) != TEXT
        return origin is not None and isinstance(origin.node, Call)

    # --------------------------------------------------------------------------------------------------------- loops

    def _looped(self, node: Comprehension, frame: Frame) -> list[Path]:
        fold = recognise(node)
        if fold.kind == "bind":
            inner = Frame(frame.record, {**frame.scope, node.accu: self.origins.of(node.init, frame)})
            return self.decisive(node.result, inner) or self.decisive(node.init, frame)
        value = self.origins.value(node, frame)
        rounds = frame.record.get(rounds_key(node))
        if not isinstance(rounds, Rounds):
            return self._ranged(node, fold, frame)
        if (fold.kind == "all" and value is False) or (fold.kind == "exists" and value is True):
            return self._of_rounds(node, fold.value, [rounds.place], frame) or self.decisive(node.range, frame)
        if fold.kind == "exists_one":
            chosen = [at for at, record in rounds.records.items() if record.get(id(fold.value)) is True]
            if chosen and (len(chosen) > 1 or value is True):
                return self._of_rounds(node, fold.value, [*chosen[1:], chosen[0]], frame)
        if fold.kind == "list" and fold.filter is not None:
            found = self._of_rounds(node, fold.filter, self.origins.chosen(node, frame), frame)
            if found:
                return found
        return self._ranged(node, fold, frame)

    def _of_rounds(
        self, node: Comprehension, condition: Expr | None, places: Sequence[int], frame: Frame
    ) -> list[Path]:
        """The places that decided a condition in some rounds of a loop; the elements if there are no such places."""
        found: list[Path] = []
        for at in places[:MAX_PATHS]:
            inner = self.origins.inside(node, at, frame)
            element = inner.scope[node.var2 or node.var]
            decided = self.decisive(condition, inner) if condition is not None else []
            found += decided or self.of_origin(element)
            if len(found) >= MAX_PATHS:
                break
        return found

    def _ranged(self, node: Comprehension, fold: Fold, frame: Frame) -> list[Path]:
        """The places that decided a loop in which no round did: the list, or the operands its elements met."""
        found = self.decisive(node.range, frame)
        if fold.kind not in ("all", "exists", "exists_one", "list"):
            return found
        if found and fold.kind == "list" and fold.filter is None:
            return found
        condition = fold.filter if fold.filter is not None else fold.value
        rounds = frame.record.get(rounds_key(node))
        last = rounds.place if isinstance(rounds, Rounds) else -1
        inner = self.origins.inside(node, max(last, 0), frame)
        around = [path for path in self.decisive(condition, inner) if not any(path[: len(p)] == p for p in found)]
        # Of `containers.all(c, volumes.exists(v, v.name == c.volume))` the container is at fault, not the volumes.
        elements = [origin.path for origin in frame.scope.values() if isinstance(origin, At)]
        at_fault = [path for path in around if any(path[: len(element)] == element for element in elements)]
        return [*at_fault, *self.ranking.together([found, [path for path in around if path not in at_fault]])]


def _counted(node: Expr, other: Expr) -> Expr | None:
    """The list whose size is compared, in `size(list) == 0` and in `list == []`."""
    if isinstance(node, Call) and node.declared.call is aggregates.size:
        return node.args[0]
    if isinstance(other, ListLiteral) and not other.elements:
        return node
    return None


def _size(value: Any) -> int | None:
    if isinstance(value, list | dict):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_text(node: Expr, text: str, value: Callable[[Expr], Any]) -> bool:
    return bool(value(node) == text)


def _index(container: Expr, item: Expr, value: Callable[[Expr], Any]) -> Any:
    """The index or key of an item in a container; None if the container does not have it."""
    items, wanted = value(container), value(item)
    if isinstance(items, dict):
        return wanted if isinstance(wanted, str | int) and wanted in items else None
    for at, each in enumerate(items if isinstance(items, list) else ()):
        try:
            if operators.equal(each, wanted):
                return at
        except EvaluationError:
            continue
    return None


def _elements(
    node: Call, deciding: Deciding, parts: tuple[bool, ...], value: Callable[[Expr], Any]
) -> tuple[tuple[int, int], ...]:
    """The elements that decided a call. parts: see Search._has_parts; of a text without parts, its start stands for
    all of it."""
    values = [value(arg) for arg in node.args]
    found = deciding(value(node), *values)
    return tuple((at, place if parts[at] or not isinstance(values[at], str) else 0) for at, place in found)
