"""Syntax tree to one Python function.

The function takes an Activation and gives the expression's value. It is generated in one of three forms:

- plain: Python's own operators on plain JSON values, one expression wherever possible (native.py). Nothing is caught:
  any exception means only that the value has to be found the careful way.
- exact: one statement a node, through the functions of `operators`, with CEL's errors and their absorption by `&&`,
  `||` and the macros. It is what a program runs after the plain form raised, so the plain form may give up at will,
  but may never give a value that the exact form would not.
- recording: the exact form, which also keeps the value of each node and the place of each loop in `a.record`.

Nothing of a policy enters the generated source as text: constants, field names and functions are bound through a table
of globals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Literal

from webhook.cel import native, operators, types
from webhook.cel.ast import (
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
)
from webhook.cel.errors import BudgetExceeded, EvaluationError, no_such_overload
from webhook.cel.functions import Functions
from webhook.cel.library.regex import compiled
from webhook.cel.macros import Fold, recognise
from webhook.cel.messages import constructor
from webhook.cel.values import NONE, Optional
from webhook.cel.writer import Operand, Writer

Form = Literal["plain", "exact", "recording"]

_BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "_==_": operators.equal,
    "_<_": operators.less,
    "_<=_": operators.less_equal,
    "_>_": operators.greater,
    "_>=_": operators.greater_equal,
    "_+_": operators.add,
    "_-_": operators.subtract,
    "_*_": operators.multiply,
    "_/_": operators.divide,
    "_%_": operators.modulo,
    "@in": operators.contains,
    "_in_": operators.contains,
    "_[_]": operators.index,
    "_?._": operators.optional_select,
    "_[?_]": operators.optional_index,
}
_UNARY: Final[Mapping[str, Callable[[Any], Any]]] = {"!_": operators.invert, "-_": operators.negate}


_DEEP: Final = frozenset({"dyn", "list", "map"})
_SIZED: Final = frozenset({"dyn", "list", "map", "string", "bytes"})


def generate(tree: Expr, functions: Functions, form: Form) -> Callable[[Any], Any]:
    """The Python function of a tree, in one of the forms."""
    return _Generator(functions, form).function(tree)


class _Generator:
    def __init__(self, functions: Functions, form: Form) -> None:
        self.functions = functions
        self.plain = form == "plain"
        self.recording = form == "recording"
        self.out = Writer(statements=not self.plain)
        self.scope: dict[str, str] = {}  # the variables of the loops around, and their locals
        self.loops = 0

    def function(self, tree: Expr) -> Callable[[Any], Any]:
        return self.out.function(self.value(tree))

    # --------------------------------------------------------------------------------------------------- the nodes

    def value(self, node: Expr) -> Operand:
        """Python for the value of a node, after emitting what statements it needs."""
        if self.out.full():
            return self.out.outlined(set(self.scope.values()), lambda: self.value(node))
        operand = self.node(node)
        if self.recording:
            self.out.emit(f"a.record[{self.out.bind(id(node))}] = {operand.text}")
        return operand

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
                return self.map_literal(node, constructor(node))
            case MapLiteral():
                return self.map_literal(node, _map_with_optionals)
            case Comprehension():
                return self.comprehension(node)

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
        name = self.out.bind(node.name.removeprefix("."))  # `.x` is the variable x, whatever loops call theirs
        if not self.plain:
            return self.out.expression(f"{self.out.bind(_variable)}(a, {name})")
        if node.name.startswith("variables."):
            # A composited variable is evaluated at its first use, which may never come.
            return Operand(f"a[{name}]", 1)
        return self.out.hoisted(name)

    def select(self, node: Select) -> Operand:
        written = native.select(self.out, node, self.value) if self.plain else None
        if written is not None:
            return written
        function = operators.has if node.test else operators.select
        return self.out.call(function, self.value(node.operand), Operand(self.out.bind(node.field)))

    def list_literal(self, node: ListLiteral) -> Operand:
        if all(isinstance(element, Const) for element in node.elements):
            return self.constant([element.value for element in node.elements if isinstance(element, Const)])
        parts = [self.value(element) for element in node.elements]
        if not node.optional:
            return self.out.expression(f"[{', '.join(part.text for part in parts)}]", *parts)
        items = (f"({int(place in node.optional)}, {part.text})" for place, part in enumerate(parts))
        return self.out.expression(f"{self.out.bind(_with_optionals)}([{', '.join(items)}])", *parts)

    def map_literal(self, node: MapLiteral, make: Callable[..., Any]) -> Operand:
        parts: list[Operand] = []
        items: list[str] = []
        for entry in node.entries:
            key, value = self.value(entry.key), self.value(entry.value)
            parts += (key, value)
            items.append(f"({int(entry.optional)}, ({key.text}, {value.text}))")
        return self.out.expression(f"{self.out.bind(make)}([{', '.join(items)}])", *parts)

    # --------------------------------------------------------------------------------------------------- the calls

    def call(self, node: Call) -> Operand:
        match node.function:
            case "_&&_" | "_||_":
                return self.logical(node)
            case "_?_:_":
                return self.conditional(node)
            case "_!=_":
                return self.negated(self.equality(node))
            case "_==_":
                return self.equality(node)
            case "or" | "orValue" if node.member and len(node.args) == 2:
                return self.optional_default(node)
            case "@not_strictly_false":
                return self.not_strictly_false(node)
        if node.function in _BINARY and len(node.args) == 2:
            return self.binary(node)
        if node.function in _UNARY and len(node.args) == 1:
            operand = self.value(node.args[0])
            if node.function == "!_" and self.plain and node.args[0].type == types.BOOL:
                return self.negated(operand)
            return self.out.call(_UNARY[node.function], operand)
        return self.function_call(node)

    def negated(self, operand: Operand) -> Operand:
        return self.out.expression(f"(not {operand.text})", operand)

    def binary(self, node: Call) -> Operand:
        if node.function == "@in" and isinstance(node.args[1], ListLiteral) and not node.args[1].elements:
            return self.constant(False)  # the API server does not look at the item then, not even for errors
        searches = node.function in ("@in", "_in_") and self.loops and not isinstance(node.args[1], ListLiteral)
        written = native.binary(self.out, node, self.value) if self.plain and not searches else None
        if written is not None:
            return written
        function = _BINARY[node.function]
        args = [self.value(arg) for arg in node.args]
        return self.charged(function, args) if searches else self.out.call(function, *args)

    def equality(self, node: Call) -> Operand:
        written = native.equality(self.out, node, self.value) if self.plain else None
        if written is not None:
            return written
        left, right = (self.value(arg) for arg in node.args)
        if self.loops and node.args[0].type.name in _DEEP:
            return self.out.call(_charged_equal, Operand("a", atomic=True), left, right)
        return self.out.call(operators.equal, left, right)

    def function_call(self, node: Call) -> Operand:
        # Within a loop, work that grows with a value is charged for; sets compare each element with each, anywhere.
        charged = node.function.startswith("sets.") or (self.loops > 0 and any(map(_grows, node.args)))
        written = native.function(self.out, node, self.value) if self.plain and not charged else None
        if written is not None:
            return written
        function = self.implementation(node)
        args = [self.value(arg) for arg in node.args]
        return self.charged(function, args) if charged else self.out.call(function, *args)

    def implementation(self, node: Call) -> Callable[..., Any]:
        if node.function == "matches" and isinstance(node.args[-1], Const) and type(node.args[-1].value) is str:
            with suppress(EvaluationError):  # a bad pattern that nobody checked fails when it is used
                return _matching(node.args[-1].value)
        function = self.functions.resolve(node.function, node.member, tuple(arg.type for arg in node.args))
        return function or _unbound(node.function)

    def charged(self, function: Callable[..., Any], args: list[Operand]) -> Operand:
        return self.out.call(_charged, Operand("a", atomic=True), Operand(self.out.bind(function)), *args)

    def optional_default(self, node: Call) -> Operand:
        """a.or(b) and a.orValue(b): b is evaluated only where a is absent."""
        written = native.optional_value(self.out, node, self.value) if self.plain else None
        if written is not None:
            return written
        optional = self.out.spill(self.value(node.args[0]))
        target = self.out.fresh()
        with self.out.block(f"if {self.out.bind(_is_absent)}({optional.text}):"):
            default = self.value(node.args[1])
            if node.function == "or":
                default = self.out.call(_must_be_optional, default)
            self.out.emit(f"{target} = {default.text}")
        with self.out.block("else:"):
            self.out.emit(f"{target} = {optional.text}{'.value' if node.function == 'orValue' else ''}")
        return Operand(target, atomic=True)

    # ------------------------------------------------------------------------------------- conditions and absorption

    def logical(self, node: Call) -> Operand:
        terms = list(logical_terms(node, node.function))
        conjunction = node.function == "_&&_"
        return self.logical_exact(terms, conjunction) if not self.plain else self.logical_plain(terms, conjunction)

    def logical_plain(self, terms: list[Expr], conjunction: bool) -> Operand:
        target = ""
        written: list[Operand] = []
        word = " and " if conjunction else " or "
        for term in terms:
            with self.out.captured() as lines:
                operand = self.boolean(term)
            if not lines:
                written.append(operand)
                continue
            # This term needs statements: what came before is decided first, and they run only if it leaves it open.
            if not target:
                target = self.out.fresh()
                start = word.join(each.text for each in written) if written else repr(conjunction)
                self.out.emit(f"{target} = {start}")
            elif written:
                self.out.emit(f"{target} = {target}{word}{word.join(each.text for each in written)}")
            written = []
            with self.out.block(f"if {'' if conjunction else 'not '}{target}:"):
                self.out.splice(lines)
                self.out.emit(f"{target} = {operand.text}")
        if target and written:
            self.out.emit(f"{target} = {target}{word}{word.join(each.text for each in written)}")
        if target:
            return Operand(target, atomic=True)
        return self.out.expression(f"({word.join(each.text for each in written)})", *written)

    def logical_exact(self, terms: list[Expr], conjunction: bool) -> Operand:
        target, error = self.out.fresh(), self.out.fresh("e")
        self.out.emit(f"{target} = {conjunction}")
        self.out.emit(f"{error} = None")
        still_open = f"if {'' if conjunction else 'not '}{target}"
        self.forget(terms)
        for term in terms:
            with self.out.block(f"{still_open}:"):
                with self.out.block("try:", counted=True):
                    self.out.emit(f"{target} = {self.boolean(term).text}")
                with self.out.block("except EvaluationError as x:"):
                    self.out.emit(f"{error} = {error} or x")
        self.out.emit(f"{still_open} and {error} is not None: raise {error}")
        return Operand(target, atomic=True)

    def boolean(self, node: Expr) -> Operand:
        """The value of a node, which must be a bool."""
        operand = self.value(node)
        return operand if node.type == types.BOOL else self.out.call(operators.truth, operand)

    def conditional(self, node: Call) -> Operand:
        condition = self.boolean(node.args[0])
        condition = self.out.spill(condition) if not self.plain else condition
        self.forget(node.args[1:])
        branches: list[tuple[Operand, list[str]]] = []
        for branch in node.args[1:]:
            with self.out.captured() as lines:
                operand = self.value(branch)
            branches.append((operand, lines))
        (yes, yes_lines), (no, no_lines) = branches
        if not yes_lines and not no_lines:
            return self.out.expression(f"({yes.text} if {condition.text} else {no.text})", condition, yes, no)
        target = self.out.fresh()
        with self.out.block(f"if {condition.text}:"):
            self.out.splice(yes_lines)
            self.out.emit(f"{target} = {yes.text}")
        with self.out.block("else:"):
            self.out.splice(no_lines)
            self.out.emit(f"{target} = {no.text}")
        return Operand(target, atomic=True)

    def forget(self, nodes: Iterable[Expr]) -> None:
        """Drops what an earlier round of a loop recorded of nodes that this round may not reach."""
        if self.recording:
            for node in nodes:
                self.out.emit(f"a.record.pop({self.out.bind(id(node))}, None)")

    def not_strictly_false(self, node: Call) -> Operand:
        target = self.out.fresh()
        with self.out.block("try:", counted=True):
            self.out.emit(f"{target} = {self.value(node.args[0]).text} is not False")
        with self.out.block("except EvaluationError:"):
            self.out.emit(f"{target} = True")
        return Operand(target, atomic=True)

    # --------------------------------------------------------------------------------------------------- the macros

    def comprehension(self, node: Comprehension) -> Operand:
        fold = recognise(node)
        if fold.kind == "bind":
            return self.binding(node)
        source = self.out.spill(self.value(node.range))
        variables = self.enter(node)
        target = self.out.fresh()
        loop = self.loop_header(node, source)
        self.loops += 1
        match fold.kind:
            case "all" | "exists":
                self.quantifier(fold, loop, target)
            case "exists_one":
                self.exactly_one(fold, loop, target)
            case "list":
                self.out.emit(f"{target} = []")
                self.collecting(node, fold, loop, lambda: self.appended(fold, target))
            case "map":
                self.out.emit(f"{target} = {{}}")
                self.collecting(node, fold, loop, lambda: self.inserted(fold, target))
            case _:
                self.general(node, loop, target)
        self.loops -= 1
        self.leave(variables)
        return Operand(target, atomic=True)

    def enter(self, node: Comprehension) -> dict[str, str | None]:
        """Declares the loop's variables; what they shadow comes back, for `leave`."""
        shadowed: dict[str, str | None] = {}
        for name in filter(None, (node.var, node.var2)):
            shadowed[name] = self.scope.get(name)
            self.scope[name] = self.out.fresh("v")
        return shadowed

    def leave(self, shadowed: dict[str, str | None]) -> None:
        for name, local in shadowed.items():
            if local is None:
                del self.scope[name]
            else:
                self.scope[name] = local

    def loop_header(self, node: Comprehension, source: Operand) -> str:
        """Statements that charge for the loop, and its `for` line."""
        names = [self.scope[name] for name in (node.var, node.var2) if name]
        text, items = source.text, self.out.fresh()
        if not node.var2:
            plain = f"type({text}) is list or type({text}) is dict"
            self.out.emit(f"{items} = {text} if {plain} else {self.out.bind(operators.elements)}({text})")
            text = items
        elif self.plain:
            careful = f"{self.out.bind(operators.pairs)}({text})"
            otherwise = f"{text}.items() if type({text}) is dict else {careful}"
            items = f"enumerate({text}) if type({text}) is list else {otherwise}"
        else:
            self.out.emit(f"{items} = {self.out.bind(operators.pairs)}({text})")
            text = items
        # Every round is charged for before the first: the loop cannot get longer.
        self.out.emit(f"a.cost += len({text}) * {_weight(node)}")
        self.out.emit("if a.cost > a.limit: raise BudgetExceeded")
        if self.recording:
            items = f"{self.out.bind(_tracked)}(a.record, {self.out.bind(place_key(node))}, {items})"
        return f"for {', '.join(names)} in {items}:"

    def quantifier(self, fold: Fold, loop: str, target: str) -> None:
        """all and exists: the first element that decides ends the loop; errors count only if none does."""
        holds = fold.kind == "all"
        decided = f"if not {{}}: {target} = False; break" if holds else f"if {{}}: {target} = True; break"
        self.out.emit(f"{target} = {holds}")
        if self.plain:
            with self.out.block(loop, counted=True):
                condition = self.boolean(fold.value)
                self.out.emit(decided.format(condition.text))
            return
        error = self.out.fresh("e")
        self.out.emit(f"{error} = None")
        with self.out.block(loop, counted=True):
            with self.out.block("try:", counted=True):
                condition = Operand(self.out.fresh(), atomic=True)
                self.out.emit(f"{condition.text} = {self.boolean(fold.value).text}")
            with self.out.block("except EvaluationError as x:"):
                self.out.emit(f"{error} = {error} or x")
                self.out.emit("continue")
            self.out.emit(decided.format(condition.text))
        self.out.emit(f"if {'' if holds else 'not '}{target} and {error} is not None: raise {error}")

    def exactly_one(self, fold: Fold, loop: str, target: str) -> None:
        count = self.out.fresh()
        self.out.emit(f"{count} = 0")
        with self.out.block(loop, counted=True):
            condition = self.boolean(fold.value)
            self.out.emit(f"if {condition.text}: {count} += 1")
        self.out.emit(f"{target} = {count} == 1")

    def collecting(self, node: Comprehension, fold: Fold, loop: str, collect: Callable[[], None]) -> None:
        """map, filter and the transforming macros: elements that pass the filter are collected."""
        if self.recording:
            self.out.emit(f"a.record[{self.out.bind(chosen_key(node))}] = []")
        with self.out.block(loop, counted=True):
            if fold.filter is None:
                collect()
                return
            condition = self.boolean(fold.filter)
            with self.out.block(f"if {condition.text}:"):
                collect()
                if self.recording:
                    keys = f"{self.out.bind(place_key(node))}, {self.out.bind(chosen_key(node))}"
                    self.out.emit(f"{self.out.bind(_keep)}(a.record, {keys})")

    def appended(self, fold: Fold, target: str) -> None:
        self.out.emit(f"{target}.append({self.value(fold.value).text})")

    def inserted(self, fold: Fold, target: str) -> None:
        if fold.key is None:
            self.out.emit(f"{target} = {self.out.bind(operators.insert_all)}({target}, {self.value(fold.value).text})")
            return
        key = self.out.spill(self.value(fold.key)) if not self.plain else self.value(fold.key)
        value = self.value(fold.value)
        self.out.emit(f"{target} = {self.out.bind(operators.insert)}({target}, {key.text}, {value.text})")

    def binding(self, node: Comprehension) -> Operand:
        """A fold over nothing: the value of `init` under a name. optMap and optFlatMap expand to it."""
        shadowed = self.scope.get(node.accu)
        bound = self.out.spill(self.value(node.init))
        self.scope[node.accu] = bound.text
        # A constant is no local: what is outlined takes it as a parameter of that name, which does no harm.
        result = self.value(node.result)
        if shadowed is None:
            del self.scope[node.accu]
        else:
            self.scope[node.accu] = shadowed
        return result

    def general(self, node: Comprehension, loop: str, target: str) -> None:
        """Any fold that is none of the macros known above."""
        accu = self.out.fresh("v")
        loop_variables = {name: self.scope.pop(name) for name in (node.var, node.var2) if name in self.scope}
        self.out.emit(f"{accu} = {self.value(node.init).text}")
        self.scope.update(loop_variables)
        shadowed = self.scope.get(node.accu)
        self.scope[node.accu] = accu
        with self.out.block(loop, counted=True):
            condition = self.boolean(node.condition)
            self.out.emit(f"if not {condition.text}: break")
            self.out.emit(f"{accu} = {self.value(node.step).text}")
        self.out.emit(f"{target} = {self.value(node.result).text}")
        del self.scope[node.accu]
        if shadowed is not None:
            self.scope[node.accu] = shadowed


def place_key(node: Comprehension) -> tuple[str, int]:
    """The key in a record of the place, from 0, that a loop is at or ended at."""
    return ("place", id(node))


def chosen_key(node: Comprehension) -> tuple[str, int]:
    """The key in a record of the elements that passed a filter, each as its place and the record at that time."""
    return ("chosen", id(node))


def logical_terms(node: Expr, function: str) -> Iterator[Expr]:
    """The operands of a chain of one logical operator; it associates."""
    if isinstance(node, Call) and node.function == function:
        for arg in node.args:
            yield from logical_terms(arg, function)
    else:
        yield node


def _weight(node: Comprehension) -> int:
    """What one round of a loop is charged: the nodes of its body, those of inner loops included once."""
    return sum(1 + _nodes(part) for part in (node.condition, node.step))


def _nodes(node: Expr) -> int:
    return sum(1 + _nodes(child) for child in children(node))


def _grows(node: Expr) -> bool:
    """Whether work on a value can take long: it is not a literal, and of a type that has a length."""
    return not isinstance(node, Const | ListLiteral) and node.type.name in _SIZED


# ------------------------------------------------------------------------- what generated code calls, and nobody else


def _tracked(record: dict[Any, Any], key: tuple[str, int], items: Iterable[Any]) -> Iterator[Any]:
    for record[key], item in enumerate(items):
        yield item


_MAX_KEPT: Final = 50


def _keep(record: dict[Any, Any], place: tuple[str, int], chosen: tuple[str, int]) -> None:
    kept = record[chosen]
    kept.append((record[place], dict(record) if len(kept) < _MAX_KEPT else {}))


def _variable(activation: Mapping[str, Any], name: str) -> Any:
    try:
        return activation[name]
    except KeyError:
        raise EvaluationError(f"no such attribute(s): {name}") from None


def _unbound(name: str) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise EvaluationError(f"no such overload: {name}")

    return call


_MAX_KNOWN: Final = 128


def _matching(pattern: str) -> Callable[[Any, str], bool]:
    """matches() with a literal pattern, which is compiled once."""
    search = compiled(pattern).search
    # Crossing over to RE2 costs microseconds, and policies ask the same of the same names and params again and again.
    known = lru_cache(maxsize=512)(lambda text: search(text) is not None)

    def call(text: Any, _: str) -> bool:
        if type(text) is not str:
            raise no_such_overload()
        return known(text) if len(text) <= _MAX_KNOWN else search(text) is not None

    return call


def _is_absent(optional: Any) -> bool:
    if type(optional) is not Optional:
        raise no_such_overload()
    return optional is NONE


def _must_be_optional(value: Any) -> Optional:
    if type(value) is not Optional:
        raise no_such_overload()
    return value


def _with_optionals(items: list[tuple[int, Any]]) -> list[Any]:
    """The elements of a list literal, those marked optional only where present."""
    made: list[Any] = []
    for optional, value in items:
        if not optional:
            made.append(value)
        elif _must_be_optional(value) is not NONE:
            made.append(value.value)
    return made


def _map_with_optionals(items: list[tuple[int, tuple[Any, Any]]]) -> dict[Any, Any]:
    """The map of a literal, entries marked optional only where present."""
    entries: list[tuple[Any, Any]] = []
    for optional, (key, value) in items:
        if not optional:
            entries.append((key, value))
        elif _must_be_optional(value) is not NONE:
            entries.append((key, value.value))
    return operators.make_map(entries)


def _charged(activation: Any, function: Callable[..., Any], *args: Any) -> Any:
    """A call charged by the sizes of its arguments, a tenth of a unit an element, as cel-go charges most functions."""
    size = 1
    for arg in args:
        if isinstance(arg, str | bytes | list | dict):
            size *= len(arg) or 1
    activation.cost += size // 10
    if activation.cost > activation.limit:
        raise BudgetExceeded
    return function(*args)


def _charged_equal(activation: Any, a: Any, b: Any) -> bool:
    """Equality charged by the elements that are compared."""
    if type(a) is list and type(b) is list and len(a) == len(b):
        pairs = zip(a, b, strict=True)
    elif isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        pairs = zip(a.values(), map(b.__getitem__, a), strict=True)
    else:
        return operators.equal(a, b)
    activation.cost += len(a)
    if activation.cost > activation.limit:
        raise BudgetExceeded
    return all(_charged_equal(activation, left, right) for left, right in pairs)
