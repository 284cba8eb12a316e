"""Generates one Python function from a syntax tree.

The function takes an Activation and returns the value of the expression. It is generated in one of four forms:

- plain: uses Python's own operators on plain JSON values, in one Python expression if possible (pythonoperators.py).
  It catches nothing; any exception means that the exact form must run. It charges an upper bound of the cost: for a
  loop before its first round, and nothing for nodes without loops and text searches.
- counted: the same code, but it charges what the API server charges, for each round when it begins. A program runs it
  if the upper bound exceeded the budget.
- exact: one statement a node, through the functions of `operators`, with CEL's errors and their absorption by `&&`,
  `||` and the macros. A program runs it after the plain form raised. So the plain form may raise at any time, but it
  must never return another value than the exact form.
- recording: the exact form, which also stores in `a.record` the value of each node, the absorbed errors, and the
  position and some rounds of each loop (recording.py).
- outline: the plain form, which also stores in `a.record` what is wanted of that, for some nodes and loops.

No text of a policy enters the generated source. Constants, field names and functions are bound as global variables.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, Literal

from webhook.cel.code import pythonoperators, runtime
from webhook.cel.code.branches import Branches
from webhook.cel.code.loops import CHECK, Loops
from webhook.cel.code.optionals import Optionals, indexes_optional
from webhook.cel.code.recording import error_key, recordable
from webhook.cel.code.writer import Operand, Writer
from webhook.cel.cost import charging
from webhook.cel.library.operation import OPERATORS
from webhook.cel.library.regex import MAX_KNOWN
from webhook.cel.tree import types
from webhook.cel.tree.ast import (
    Call,
    Comprehension,
    Const,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    StructLiteral,
    children,
    nodes,
)
from webhook.cel.tree.declared import Cost, Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.types import Type, Wrapper
from webhook.cel.value import aggregates, operators, wellknown
from webhook.cel.value.messages import constructor

Form = Literal["plain", "counted", "exact", "recording", "outline"]


def generate(tree: Expr, form: Form) -> tuple[Callable[[Any], Any], int]:
    """The Python function of a tree in one form, and the fixed cost: a bound on the cost that it does not charge.

    The fixed cost is the same for every evaluation. Only the plain form has one.
    """
    return Generator(form, trusting=not is_doubtful(tree)).function(tree)


def outline(tree: Expr, wanted: Set[Any]) -> Callable[[Any], Any] | None:
    """The outline form: it records only the keys that are wanted. None if it cannot record all of them as the recording
    form does.

    It may raise where the recording form does not. An evaluation that ends without an exception has the same values
    under these keys, but for how many rounds of very long loops are kept.
    """
    generator = Generator("outline", trusting=not is_doubtful(tree), wanted=wanted)
    run, _ = generator.function(tree)
    return run if generator.recorded >= recordable(tree, wanted) else None


class Generator:
    """Generates the code of one tree."""

    def __init__(self, form: Form, *, trusting: bool, wanted: Set[Any] = frozenset()) -> None:
        """trusting: rely on the types that the checker inferred. wanted: the keys that the outline form records."""
        self.trusting = trusting
        self.native = trusting and form in ("plain", "counted", "outline")
        self.bounds = form in ("plain", "outline")
        self.recording = form == "recording"
        self.wanted = wanted
        self.recorded: set[Any] = set()  # of them
        self.out = Writer(statements=not self.native)
        self.scope: dict[str, str] = {}  # variables of the enclosing loops -> their Python locals
        self.fixed: Mapping[int, int] = {}

    def function(self, tree: Expr) -> tuple[Callable[[Any], Any], int]:
        self.fixed = charging.fixed(tree)
        with self.account():
            result = self.value(tree)
        if not self.bounds:
            self.out.emit(CHECK)
        return self.out.function(result), self.out.charged

    def account(self) -> AbstractContextManager[None]:
        """A block whose charges are made at its start. In the plain form the enclosing loop makes them, for all code of
        a round, which gives an upper bound."""
        return nullcontext() if self.bounds else self.out.account()

    # --------------------------------------------------------------------------------------------------- the nodes

    def value(self, node: Expr) -> Operand:
        """The Python expression of a node's value, after emitting the statements that it needs."""
        if self.out.full():
            return self.out.outlined(set(self.scope.values()), lambda: self.value(node))
        self.out.charge(self.fixed[id(node)])
        operand = self.node(node)
        if not self.bounds:
            operand = Optionals(self).charged(node, operand)
        if self.records(id(node)):
            self.recorded.add(id(node))
            operand = self.out.spill(operand)
            self.out.emit(f"a.record[{self.out.bind(id(node))}] = {operand.text}")
        return operand

    def records(self, key: Any) -> bool:
        """Whether this form records what has a key."""
        return self.recording or key in self.wanted

    def node(self, node: Expr) -> Operand:
        match node:
            case Const():
                return self.constant(node.value)
            case Ident():
                return self.identifier(node)
            case Select():
                return self.select(node)
            case Call():
                return self.call(node)
            case ListLiteral():
                return self.list_literal(node)
            case StructLiteral():
                known = node.name in wellknown.TYPES
                if known:  # it converts its fields, with all that is in them
                    return self.map_literal(node, wellknown.constructor(node.name), runtime.converted)
                return self.map_literal(node, constructor(node))
            case MapLiteral():
                return self.map_literal(node, aggregates.make_map)
            case Comprehension():
                return Loops(self).comprehension(node)

    def constant(self, value: Any) -> Operand:
        if value is None or value is True or value is False:
            return Operand(repr(value), atomic=True)
        return Operand(self.out.bind(value), atomic=True)

    def identifier(self, node: Ident) -> Operand:
        local = self.scope.get(node.name)
        if local is not None:
            return Operand(local, atomic=True)
        named = operators.TYPE_NAMES.get(node.name)
        if named is not None and node.type.name in ("type", "dyn"):
            return self.constant(named)
        name = self.out.bind(node.name.removeprefix("."))  # `.x` is the global x, not a loop variable
        if not self.native:
            return self.out.expression(f"{self.out.bind(runtime.variable)}(a, {name})")
        if node.name.startswith("variables."):
            # A composited variable is evaluated at its first use, so it is not read in advance.
            return Operand(f"a[{name}]", 1)
        return self.out.hoisted(name)

    def select(self, node: Select) -> Operand:
        written = pythonoperators.select(self.out, node, self.value) if self.native else None
        if written is not None:
            return written
        function = aggregates.has if node.test else aggregates.select
        return self.out.call(function, self.value(node.operand), Operand(self.out.bind(node.field)))

    def list_literal(self, node: ListLiteral) -> Operand:
        if all(isinstance(element, Const) for element in node.elements):
            return self.constant([element.value for element in node.elements if isinstance(element, Const)])
        parts = [self.value(element) for element in node.elements]
        if not node.optional:
            text = f"[{', '.join(part.text for part in parts)}]"
            return self.out.expression(self.counted(runtime.listed, len(parts), text), *parts)
        items = (f"({int(place in node.optional)}, {part.text})" for place, part in enumerate(parts))
        text = f"{self.out.bind(runtime.with_optionals)}([{', '.join(items)}])"
        return self.out.expression(self.counted(runtime.listed, len(parts), text), *parts)

    def counted(self, count: Callable[..., None], size: int, text: str) -> str:
        """The code of a literal. A large one is counted when it is made, as it costs no more than a small one."""
        return text if size <= runtime.FEW else f"({self.out.bind(count)}(a, {size}) or {text})"

    def map_literal(
        self, node: MapLiteral, make: Callable[..., Any], metered: Callable[..., Any] | None = None
    ) -> Operand:
        parts: list[Operand] = []
        items: list[str] = []
        for entry in node.entries:
            key, value = self.value(entry.key), self.value(entry.value)
            parts += (key, value)
            items.append(f"({int(entry.optional)}, {key.text}, {value.text})")
        entries = f"[{', '.join(items)}]"
        text = f"{self.out.bind(make)}({entries})"
        if metered is not None:
            text = f"{self.out.bind(metered)}(a, {self.out.bind(make)}, {entries})"
        return self.out.expression(self.counted(runtime.mapped, len(node.entries), text), *parts)

    # --------------------------------------------------------------------------------------------------- the calls

    def call(self, node: Call) -> Operand:
        match node.function:
            case "_&&_" | "_||_":
                return Branches(self).logical(node)
            case "_?_:_":
                return Branches(self).conditional(node)
            case "_!=_":
                return self.negated(self.equality(node))
            case "_==_":
                return self.equality(node)
            case "@not_strictly_false":
                return Branches(self).not_strictly_false(node)
        if node.declared.otherwise:
            return Optionals(self).default(node)
        if node.function not in OPERATORS:
            return self.function_call(node)
        if not self.bounds and indexes_optional(node):
            return Optionals(self).index(node)
        if len(node.args) == 2:
            return self.binary(node)
        operand = self.value(node.args[0])
        if node.function == "!_" and self.native and node.args[0].type == types.BOOL:
            return self.negated(operand)
        return self.out.call(node.declared.call, operand)

    def negated(self, operand: Operand) -> Operand:
        return self.out.expression(f"(not {operand.text})", operand)

    def binary(self, node: Call) -> Operand:
        if node.function == "@in" and isinstance(node.args[1], ListLiteral) and not node.args[1].elements:
            return self.constant(False)  # the API server does not evaluate the item then
        looked_up = node.function in ("@in", "_in_") and pythonoperators.literal_texts(node.args[1]) is not None
        apart = looked_up and self.records(id(node.args[1]))
        written = None if apart else self.written(node, pythonoperators.binary)
        if written is not None:
            return written
        cost = charging.call_cost(node)
        if node.function in ("@in", "_in_"):
            texts = pythonoperators.literal_texts(node.args[1])
            if texts is not None:
                item = self.value(node.args[0])
                if self.records(id(node.args[1])):
                    self.value(node.args[1])  # the look-up does not need it, but it was used
                return self.out.call(runtime.in_texts, item, *self.bound(texts))
            args = self.operands(node)
            if charging.is_set(node.args[1]):
                return self.in_constants(node, args)
            return self.metered(runtime.contains if cost is None else runtime.contains_charged, args)
        if node.function == "_+_" and self.bounds and self.native and node.type == types.STRING:
            parts = self.summands(node)
            if len(parts) > 2:
                return self.joined(parts)
        args = self.operands(node)
        if node.function == "_+_":
            if cost is None and node.args[0].type in types.NUMBERS:
                return self.out.call(operators.add, *args)
            return self.metered(runtime.added if cost is None else runtime.concatenated, args)
        function = node.declared.call
        if cost is not None:
            return self.charged(cost, function, args)
        if node.function in ("_[_]", "_[?_]") and _may_be_long(node.args[1]):
            return self.metered(runtime.keyed, [*self.bound(function), *args])
        if node.function in charging.ORDER and any(arg.type == types.DYN for arg in node.args):
            return self.metered(runtime.ordered, [*self.bound(function), *args])
        return self.out.call(function, *args)

    def summands(self, node: Call) -> list[Expr]:
        """The operands of a sum of texts, from left to right: a, b and c of `a + b + c`. Charges what the sums in it
        are charged."""
        parts: list[Expr] = []
        left: Expr = node
        while isinstance(left, Call) and left.function == "_+_" and left.type == types.STRING:
            if left is not node:
                if self.records(id(left)):
                    break
                self.out.charge(self.fixed[id(left)])
            left, right = left.args
            parts.append(right)
        return [left, *reversed(parts)]

    def joined(self, parts: list[Expr]) -> Operand:
        """The sum of texts, in one step."""
        values = [self.value(part) for part in parts]
        text = f"{self.out.bind(runtime.joined)}(a, ({', '.join(value.text for value in values)}))"
        return self.out.expression(text, *values)

    def in_constants(self, node: Call, args: list[Operand]) -> Operand:
        """item in a list literal of constants, which the API server looks up in a set, at no cost."""
        container = node.args[1]
        if isinstance(container, ListLiteral) and all(isinstance(each, Const) for each in container.elements):
            held = runtime.Constants(each.value for each in container.elements if isinstance(each, Const))
            return self.out.call(runtime.in_constants, args[0], *self.bound(held))
        return self.metered(runtime.in_set, args)

    def operands(self, node: Call) -> list[Operand]:
        """The arguments of a call. After an error in the first one, the API server still evaluates the second one and
        charges for it."""
        if self.native or len(node.args) != 2 or not _loops(node.args[1]) or isinstance(node.args[0], Const):
            return [self.value(arg) for arg in node.args]
        left, error = self.out.fresh(), self.out.fresh("e")
        self.out.emit(f"{error} = None")
        with self.out.block("try:", counted=True):
            self.out.emit(f"{left} = {self.value(node.args[0]).text}")
        with self.out.block("except EvaluationError as x:"):
            self.out.emit(f"{error} = x")
            self.absorbed(node.args[0])
        with self.out.block("try:", counted=True):
            right = self.out.spill(self.value(node.args[1]))
        with self.out.block("finally:"):
            self.out.emit(f"if {error} is not None: raise {error}")
        return [Operand(left, atomic=True), right]

    def written(
        self, node: Call, write: Callable[[Writer, Call, pythonoperators.Value], Operand | None]
    ) -> Operand | None:
        """A call as a Python operator; None if that is not possible, or if its cost depends on the values.

        The plain form needs only an upper bound of the cost.
        """
        cost = charging.at_most(node) if self.bounds else charging.known_cost(node)
        if not self.native or cost is None:
            return None
        operand = write(self.out, node, self.value)
        if operand is not None:
            self.out.charge(cost)
        return operand

    def equality(self, node: Call) -> Operand:
        written = self.written(node, pythonoperators.equality)
        if written is not None:
            return written
        args = self.operands(node)
        unequal = node.function == "_!=_"  # an error of equality, as of opaque values, counts as unequal
        if charging.call_cost(node) is None:
            if all(arg.type.name in charging.SCALARS for arg in node.args):
                return self.out.call(operators.equal, *args)
            return self.metered(runtime.same_or_unequal if unequal else runtime.same, args)
        return self.metered(runtime.alike if unequal else runtime.equal, args)

    def function_call(self, node: Call) -> Operand:
        written = (
            Optionals(self).presence(node) or self.searched(node) or self.prefixed(node)
            if self.native and self.bounds
            else None
        )
        written = written or self.written(node, pythonoperators.function)
        if written is not None:
            return written
        function, cost, known = self.implementation(node), charging.call_cost(node), charging.known_cost(node)
        args = self.operands(node)
        declared = node.declared
        if declared.metered is not None and not _has_light_pattern(node):
            literal = _literal_pattern(node) is not None
            return self.metered(declared.metered, [*self.bound(function), Operand(repr(literal), atomic=True), *args])
        makes = node.type.name in _MADE
        if declared.work is not None:
            call = runtime.worked_made if makes else runtime.worked
            return self.metered(call, [*self.bound(cost or _nothing, declared.work, function), *args])
        if cost is None or known is not None:
            self.out.charge(known or 0)
            return self.out.call(function, *args)
        return self.charged(cost, function, args, runtime.charged_made if makes else runtime.charged)

    def searched(self, node: Call) -> Operand | None:
        """A search for a literal, or a match with a literal pattern, in the plain form. Texts up to some length are
        charged a common upper bound; longer ones are charged their own cost."""
        literal, cost = node.args[-1] if node.args else None, node.declared.cost
        searches = pythonoperators.implementation(node) is operator.contains
        if not searches and node.declared.of_pattern is None:
            return None
        if cost is None or not isinstance(literal, Const) or type(literal.value) is not str:
            return None
        if not searches and not _has_light_pattern(node):
            return None
        longest = _SEARCHED if searches else MAX_KNOWN
        self.out.charge(cost("-" * longest, literal.value))
        text, part = self.out.repeated(self.value(node.args[0])), self.value(literal).text
        charge, cost_of, function = (each.text for each in self.bound(runtime.charged, cost, self.implementation(node)))
        careful = f"{charge}(a, {cost_of}, {function}, {text.again}, {part})"
        if not searches and node.type == types.STRING:
            careful = f"a.hold({careful})"
        if searches:
            test, quick = f"type({text.first}) is str and len({text.again})", f"{part} in {text.again}"
        else:
            test, quick = f"len({text.first})", f"{function}({text.again}, {part})"
        return self.out.expression(f"({quick} if {test} <= {longest} else {careful})", text.operand)

    def prefixed(self, node: Call) -> Operand | None:
        """text.startsWith(part) and text.endsWith(part) in the plain form, for a part that is not a literal."""
        name, cost = pythonoperators.prefix_method(node), node.declared.cost
        if not name or cost is None or charging.known_cost(node) is not None:
            return None
        self.out.charge(cost("", "-" * _PREFIX))
        text, part = self.value(node.args[0]), self.out.repeated(self.value(node.args[1]))
        charge, cost_of, function = (each.text for each in self.bound(runtime.charged, cost, self.implementation(node)))
        careful = f"{charge}(a, {cost_of}, {function}, {text.text}, {part.again})"
        test = f"type({part.first}) is str and len({part.again}) <= {_PREFIX}"
        quick = f"{text.text}.{name}({part.again})"
        return self.out.expression(f"({quick} if {test} else {careful})", text, part.operand)

    def implementation(self, node: Call) -> Callable[..., Any]:
        pattern = _literal_pattern(node)
        if node.declared.of_pattern is not None and pattern is not None:
            with suppress(EvaluationError):  # an invalid pattern raises its error when it is used
                return node.declared.of_pattern(pattern)
        return node.declared.call

    def metered(self, function: Callable[..., Any], args: list[Operand]) -> Operand:
        """A call of a function that makes its own charges."""
        return self.out.call(function, _ACTIVATION, *args)

    def charged(
        self,
        cost: Cost,
        function: Callable[..., Any],
        args: list[Operand],
        call: Callable[..., Any] = runtime.charged,
    ) -> Operand:
        return self.metered(call, [*self.bound(cost, function), *args])

    def bound(self, *values: Any) -> list[Operand]:
        return [Operand(self.out.bind(value), atomic=True) for value in values]

    # --------------------------------------------------------------------------------------- what branches share

    def boolean(self, node: Expr) -> Operand:
        """The value of a node that must be a bool."""
        operand = self.value(node)
        return operand if self.trusting and node.type == types.BOOL else self.out.call(operators.truth, operand)

    def forget(self, nodes: Iterable[Expr]) -> None:
        """Remove the values that an earlier round recorded for nodes that this round may not evaluate."""
        for node in nodes:
            if self.records(id(node)):
                self.out.emit(f"a.record.pop({self.out.bind(id(node))}, None)")

    def absorbed(self, node: Expr) -> None:
        """Record the error of a node that the value of another node may absorb."""
        if self.records(error_key(node)):
            self.out.emit(f"a.record[{self.out.bind(error_key(node))}] = x")


_MADE: Final = frozenset({"string", "bytes", "list", "dyn"})
"""The types of results that may be new texts or lists of any size."""

_SEARCHED: Final = 500  # code points
_PREFIX: Final = 100
_ACTIVATION: Final = Operand("a", atomic=True)


def _literal_pattern(node: Call) -> str | None:
    """The regular expression of a call if it is a literal, also in dyn(); else None."""
    if node.declared.pattern is None:
        return None
    pattern = node.args[node.declared.pattern]
    while isinstance(pattern, Call) and pattern.declared.folds and pattern.declared.shape is Shape.SAME:
        pattern = pattern.args[0]
    return pattern.value if isinstance(pattern, Const) and type(pattern.value) is str else None


def _has_light_pattern(node: Call) -> bool:
    """Whether a call searches once for a literal regular expression that is cheap."""
    pattern = _literal_pattern(node)
    return pattern is not None and node.declared.light is not None and node.declared.light(pattern)


def _may_be_long(node: Expr) -> bool:
    """Whether a key may be a text that is longer than the expression."""
    return not isinstance(node, Const) and node.type.name in ("string", "dyn")


def is_doubtful(tree: Expr) -> bool:
    """Whether a value in a tree may not have the type that the checker inferred.

    For `[1] + dyn(x)` that is list(int) for any x; a value of a wrapper's type may be null.
    """
    for node in nodes(tree):
        joins = isinstance(node, Call) and node.function == "_+_" and node.type.name == "list"
        if _wraps(node.type) or (joins and any(part.type == types.DYN for part in children(node))):
            return True
    return False


def _wraps(declared: Type) -> bool:
    return type(declared) is Wrapper or (bool(declared.params) and declared.wraps())


def _loops(tree: Expr) -> bool:
    return any(isinstance(node, Comprehension) for node in nodes(tree))


def _nothing(*_: Any) -> int:
    return 0
