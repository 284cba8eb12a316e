"""Syntax tree to one Python function.

The function takes an Activation and gives the expression's value. It is generated in one of two forms:

- plain: Python's own operators on plain JSON values, one expression wherever possible. Where Python's operator would
  not raise on operands that CEL refuses, or would call equal what CEL does not (True and 1), the type is tested first.
  Nothing is caught: any exception means only that the value has to be found the careful way.
- exact: one statement a node, through the functions of `operators`, with CEL's errors and their absorption by `&&`,
  `||` and the macros. It is what a program runs after the plain form raised, so the plain form may give up at will,
  but may never give a value that the exact form would not.

Nothing of a policy enters the generated source as text: constants, field names and functions are bound through a table
of globals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from webhook.cel import operators, types
from webhook.cel.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select, children
from webhook.cel.errors import BudgetExceeded, EvaluationError, no_such_overload
from webhook.cel.functions import Functions
from webhook.cel.library.regex import compiled
from webhook.cel.macros import Fold, recognise
from webhook.cel.types import Type
from webhook.cel.values import INT_MAX, INT_MIN, NONE, Optional, UInt

# CPython allows 20 nested blocks (loops, try) and 100 levels of indentation in one function, and about 90 levels of
# brackets in one expression on the way to its own limits. Beyond these the generator opens a new function or statement.
_MAX_BLOCKS: Final = 14
_MAX_INDENT: Final = 60
_MAX_BRACKETS: Final = 40

_INDENT: Final = " "

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
_PYTHON: Final = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_+_": "+", "_-_": "-", "_*_": "*"}

# Integers up to here are doubles too: equality with them is exact either way, while CEL compares by converting.
_EXACT_DOUBLE: Final = 2**53
_SELF_EQUAL: Final = frozenset({"string", "bytes", "timestamp", "duration"})
_CONTAINERS: Final = frozenset({"list", "map", "string", "bytes"})


@dataclass(frozen=True, slots=True)
class Operand:
    """Generated Python for a value: an expression that needs no brackets around it, and how deep its own go."""

    text: str
    depth: int = 0
    atomic: bool = False
    """A name: costs nothing to write twice."""


class _Frame:
    """One Python function being written."""

    def __init__(self, name: str, params: list[str]) -> None:
        self.name = name
        self.params = params
        self.lines: list[str] = []
        self.indent = 1
        self.blocks = 0
        self.hoisted: dict[str, str] = {}


def generate(tree: Expr, functions: Functions, *, exact: bool) -> Callable[[Any], Any]:
    """The Python function of a tree, in the exact or the plain form."""
    return _Generator(functions, exact).function(tree)


class _Generator:
    def __init__(self, functions: Functions, exact: bool) -> None:
        self.functions = functions
        self.exact = exact
        self.globals: dict[str, Any] = {"__builtins__": {}}
        self.bound: dict[tuple[str, int], str] = {}
        self.kept: list[Any] = []  # what `bound` knows by id() stays alive
        self.counter = 0
        self.scope: dict[str, str] = {}
        self.finished: list[str] = []
        self.frame = _Frame("run", ["a"])
        for name, value in (("type", type), ("len", len), ("enumerate", enumerate), ("list", list), ("dict", dict)):
            self.globals[name] = value
        self.globals.update(
            int=int, str=str, float=float, BudgetExceeded=BudgetExceeded, EvaluationError=EvaluationError
        )

    # ------------------------------------------------------------------------------------------------ the function

    def function(self, tree: Expr) -> Callable[[Any], Any]:
        result = self.value(tree)
        self.emit(f"return {result.text}")
        self.finish(self.frame)
        source = "\n".join(self.finished)
        exec(compile(source, "<cel>", "exec"), self.globals)  # noqa: S102 - only generated names and operators, see above
        run: Callable[[Any], Any] = self.globals["run"]
        return run

    def finish(self, frame: _Frame) -> None:
        self.finished.append(f"def {frame.name}({', '.join(frame.params)}):")
        self.finished.extend(f"{_INDENT}{local} = a[{name}]" for name, local in frame.hoisted.items())
        self.finished.extend(frame.lines)

    def emit(self, statement: str) -> None:
        self.frame.lines.append(_INDENT * self.frame.indent + statement)

    def fresh(self, prefix: str = "t") -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def bind(self, value: Any) -> str:
        """The global name of a Python value."""
        key = (type(value).__name__, id(value))
        name = self.bound.get(key)
        if name is None:
            name = self.bound[key] = self.fresh("k")
            self.kept.append(value)
            self.globals[name] = value
        return name

    @contextmanager
    def block(self, header: str, *, counted: bool = False) -> Iterator[None]:
        """An indented block under a header; `counted` for those that CPython limits to 20 (loops, try)."""
        self.emit(header)
        self.frame.indent += 1
        self.frame.blocks += counted
        yield
        self.frame.indent -= 1
        self.frame.blocks -= counted

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Statements emitted within are collected instead of written."""
        lines, self.frame.lines = self.frame.lines, []
        collected = self.frame.lines
        yield collected
        self.frame.lines = lines

    def spill(self, operand: Operand) -> Operand:
        """The operand in a local, unless it is one."""
        if operand.atomic:
            return operand
        name = self.fresh()
        self.emit(f"{name} = {operand.text}")
        return Operand(name, atomic=True)

    def expression(self, text: str, *parts: Operand) -> Operand:
        """An expression made of operands: a statement of its own in the exact form, or where brackets go too deep."""
        operand = Operand(text, 1 + max((part.depth for part in parts), default=0))
        return self.spill(operand) if self.exact or operand.depth > _MAX_BRACKETS else operand

    def call(self, function: Callable[..., Any], *args: Operand) -> Operand:
        return self.expression(f"{self.bind(function)}({', '.join(arg.text for arg in args)})", *args)

    # --------------------------------------------------------------------------------------------------- the nodes

    def value(self, node: Expr) -> Operand:
        """Python for the value of a node, after emitting what statements it needs."""
        if self.frame.blocks >= _MAX_BLOCKS or self.frame.indent >= _MAX_INDENT:
            return self.outlined(node)
        match node:
            case Const():
                return self.constant(node.value)
            case Ident():
                return self.identifier(node)
            case Select():
                return self.select(node)
            case Call():
                return self.call_node(node)
            case ListLiteral():
                return self.list_literal(node)
            case MapLiteral():
                return self.map_literal(node)
            case Comprehension():
                return self.comprehension(node)

    def outlined(self, node: Expr) -> Operand:
        """The value of a node, found by a function of its own: Python's nesting is limited."""
        outer = self.frame
        names = sorted(set(self.scope.values()))
        self.frame = _Frame(self.fresh("f"), ["a", *names])
        result = self.value(node)
        self.emit(f"return {result.text}")
        self.finish(self.frame)
        name, self.frame = self.frame.name, outer
        return self.expression(f"{name}({', '.join(['a', *names])})")

    def constant(self, value: Any) -> Operand:
        if value is None or value is True or value is False:
            return Operand(repr(value), atomic=True)
        return Operand(self.bind(value), atomic=True)

    def identifier(self, node: Ident) -> Operand:
        local = self.scope.get(node.name)
        if local is not None:
            return Operand(local, atomic=True)
        named = operators.TYPE_NAMES.get(node.name)
        if named is not None and node.type.name in ("type", "dyn"):
            return self.constant(named)
        name = self.bind(node.name.removeprefix("."))  # `.x` is the variable x, whatever loops call theirs
        if self.exact:
            return self.expression(f"{self.bind(_variable)}(a, {name})")
        if node.name.startswith("variables."):
            # A composited variable is evaluated at its first use, which may never come.
            return Operand(f"a[{name}]", 1)
        if name not in self.frame.hoisted:
            self.frame.hoisted[name] = self.fresh("h")
        return Operand(self.frame.hoisted[name], atomic=True)

    def select(self, node: Select) -> Operand:
        operand = self.value(node.operand)
        field = self.bind(node.field)
        function = operators.has if node.test else operators.select
        kind = node.operand.type.name
        if self.exact or kind not in ("dyn", "map"):
            return self.call(function, operand, Operand(field))
        if not node.test:
            return self.expression(f"{operand.text}[{field}]", operand)
        once = self.once(operand)
        return self.expression(
            f"({field} in {once.again} if type({once.first}) is dict"
            f" else {self.bind(operators.has)}({once.again}, {field}))",
            operand,
        )

    def list_literal(self, node: ListLiteral) -> Operand:
        if all(isinstance(element, Const) for element in node.elements):
            return self.constant([element.value for element in node.elements if isinstance(element, Const)])
        parts = [self.value(element) for element in node.elements]
        if not node.optional:
            return self.expression(f"[{', '.join(part.text for part in parts)}]", *parts)
        items = (f"({int(place in node.optional)}, {part.text})" for place, part in enumerate(parts))
        return self.expression(f"{self.bind(_with_optionals)}([{', '.join(items)}])", *parts)

    def map_literal(self, node: MapLiteral) -> Operand:
        parts: list[Operand] = []
        items: list[str] = []
        for entry in node.entries:
            key, value = self.value(entry.key), self.value(entry.value)
            parts += (key, value)
            items.append(f"({int(entry.optional)}, ({key.text}, {value.text}))")
        return self.expression(f"{self.bind(_map_with_optionals)}([{', '.join(items)}])", *parts)

    # --------------------------------------------------------------------------------------------------- the calls

    def call_node(self, node: Call) -> Operand:
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
            if not self.exact:
                native = self.native_binary(node)
                if native is not None:
                    return native
            return self.call(_BINARY[node.function], *map(self.value, node.args))
        if node.function in _UNARY and len(node.args) == 1:
            operand = self.value(node.args[0])
            if node.function == "!_" and not self.exact and node.args[0].type == types.BOOL:
                return self.negated(operand)
            return self.call(_UNARY[node.function], operand)
        return self.function_call(node)

    def negated(self, operand: Operand) -> Operand:
        return self.expression(f"(not {operand.text})", operand)

    def function_call(self, node: Call) -> Operand:
        if not self.exact:
            native = self.native_function(node)
            if native is not None:
                return native
        function = self.functions.resolve(node.function, node.member, tuple(arg.type for arg in node.args))
        if function is None:
            function = _unbound(node.function)
        return self.call(function, *map(self.value, node.args))

    def native_function(self, node: Call) -> Operand | None:
        """Python's own operation for the commonest functions, where it raises whenever CEL would."""
        name, args = node.function, node.args
        if name == "size" and len(args) == 1:
            operand = self.value(args[0])
            return self.expression(f"len({operand.text})", operand)
        if len(args) != 2 or args[1].type != types.STRING:
            return None
        if name == "matches" and isinstance(args[1], Const):
            try:
                search = compiled(args[1].value).search
            except EvaluationError:
                return None
            text = self.value(args[0])
            return (
                self.expression(f"({self.bind(search)}({text.text}) is not None)", text)
                if _is(args[0], "string")
                else None
            )
        if name in ("startsWith", "endsWith") and node.member and args[0].type.name in ("string", "dyn"):
            text, part = self.value(args[0]), self.value(args[1])
            return self.expression(f"{text.text}.{name.lower()}({part.text})", text, part)
        if name == "contains" and node.member and _is(args[0], "string"):
            text, part = self.value(args[0]), self.value(args[1])
            return self.expression(f"({part.text} in {text.text})", text, part)
        return None

    def native_binary(self, node: Call) -> Operand | None:
        left, right = node.args
        name = node.function
        if name in ("@in", "_in_"):
            return self.native_in(left, right)
        if name == "_[_]":
            string_key = _is(right, "string") and left.type.name in ("map", "dyn")
            list_place = (
                _is(left, "list") and isinstance(right, Const) and type(right.value) is int and right.value >= 0
            )
            if not string_key and not list_place:
                return None
            container, key = self.value(left), self.value(right)
            return self.expression(f"{container.text}[{key.text}]", container, key)
        if name in ("_<_", "_<=_", "_>_", "_>=_"):
            return self.native_order(node)
        if name in ("_+_", "_-_", "_*_") and left.type == right.type == types.INT:
            a, b = self.value(left), self.value(right)
            total = self.fresh()
            low, high, overflow = self.bind(INT_MIN), self.bind(INT_MAX), self.bind(operators.checked_int)
            made = f"({total} := {a.text} {_PYTHON[name]} {b.text})"
            text = f"({total} if {low} <= {made} <= {high} else {overflow}({total}))"
            return self.expression(text, a, b)
        if name in ("_+_", "_-_", "_*_") and left.type == right.type == types.DOUBLE:
            a, b = self.value(left), self.value(right)
            return self.expression(f"({a.text} {_PYTHON[name]} {b.text})", a, b)
        return None

    def native_in(self, item: Expr, container: Expr) -> Operand | None:
        if isinstance(container, ListLiteral) and _all_strings(container) and not container.optional:
            wanted = self.value(item)
            strings = frozenset(element.value for element in container.elements if isinstance(element, Const))
            return self.expression(f"({wanted.text} in {self.bind(strings)})", wanted)
        if not _is(item, "string"):
            return None
        wanted, held = self.value(item), self.value(container)
        if container.type.name in ("list", "map"):
            return self.expression(f"({wanted.text} in {held.text})", wanted, held)
        if container.type != types.DYN:
            return None
        once = self.once(held)
        careful = f"{self.bind(operators.contains)}({wanted.text}, {once.again})"
        return self.expression(
            f"({wanted.text} in {once.again}"
            f" if type({once.first}) is list or type({once.again}) is dict else {careful})",
            wanted,
            held,
        )

    def native_order(self, node: Call) -> Operand | None:
        left, right = node.args
        symbol = _PYTHON[node.function]
        kinds = left.type.name, right.type.name
        if kinds in (("string", "string"), ("int", "int"), ("uint", "uint")):
            a, b = self.value(left), self.value(right)
            return self.expression(f"({a.text} {symbol} {b.text})", a, b)
        classes = {"int": "int", "string": "str"}
        careful = self.bind(_BINARY[node.function])
        if kinds[0] == "dyn" and kinds[1] in classes:
            once, b = self.once(self.value(left)), self.spill(self.value(right))
            test = f"type({once.first}) is {classes[kinds[1]]}"
            text = f"({once.again} {symbol} {b.text} if {test} else {careful}({once.again}, {b.text}))"
            return self.expression(text, once.operand, b)
        if kinds[1] == "dyn" and kinds[0] in classes:
            a, b = self.value(left), self.value(right)
            a, once = self.spill(a), self.once(b)
            test = f"type({once.first}) is {classes[kinds[0]]}"
            text = f"({a.text} {symbol} {once.again} if {test} else {careful}({a.text}, {once.again}))"
            return self.expression(text, a, b)
        return None

    def equality(self, node: Call) -> Operand:
        left, right = node.args
        if not self.exact:
            if isinstance(left, Const):
                left, right = right, left
            kinds = {left.type.name, right.type.name}
            if isinstance(right, Const) and (right.value is None or type(right.value) is bool):
                operand = self.value(left)
                return self.expression(f"({operand.text} is {right.value!r})", operand)
            if kinds & _SELF_EQUAL or left.type == right.type in types.NUMBERS:
                a, b = self.value(left), self.value(right)
                return self.expression(f"({a.text} == {b.text})", a, b)
            if _exact_number(right):
                a, b = self.value(left), self.value(right)
                value = right.value if isinstance(right, Const) else None
                if value not in (0, 1):
                    return self.expression(f"({a.text} == {b.text})", a, b)
                once = self.once(a)
                alike = bool(value)
                return self.expression(f"({once.first} == {b.text} and {once.again} is not {alike})", a, b)
        return self.call(operators.equal, self.value(left), self.value(right))

    def optional_default(self, node: Call) -> Operand:
        """a.or(b) and a.orValue(b): b is evaluated only where a is absent."""
        optional = self.spill(self.value(node.args[0]))
        target = self.fresh()
        with self.block(f"if {self.bind(_is_absent)}({optional.text}):"):
            default = self.value(node.args[1])
            if node.function == "or":
                default = self.call(_must_be_optional, default)
            self.emit(f"{target} = {default.text}")
        with self.block("else:"):
            self.emit(f"{target} = {optional.text}{'.value' if node.function == 'orValue' else ''}")
        return Operand(target, atomic=True)

    # ------------------------------------------------------------------------------------- conditions and absorption

    def logical(self, node: Call) -> Operand:
        terms = list(_terms(node, node.function))
        conjunction = node.function == "_&&_"
        return self.logical_exact(terms, conjunction) if self.exact else self.logical_plain(terms, conjunction)

    def logical_plain(self, terms: list[Expr], conjunction: bool) -> Operand:
        target = ""
        written: list[Operand] = []
        word = " and " if conjunction else " or "
        for term in terms:
            with self.captured() as lines:
                self.frame.indent += 1
                operand = self.boolean(term)
                self.frame.indent -= 1
            if not lines:
                written.append(operand)
                continue
            # This term needs statements: what came before is decided first, and they run only if it leaves it open.
            if not target:
                target = self.fresh()
                start = word.join(each.text for each in written) if written else repr(conjunction)
                self.emit(f"{target} = {start}")
            elif written:
                self.emit(f"{target} = {target}{word}{word.join(each.text for each in written)}")
            written = []
            with self.block(f"if {'' if conjunction else 'not '}{target}:"):
                self.frame.lines.extend(lines)
                self.emit(f"{target} = {operand.text}")
        if target and written:
            self.emit(f"{target} = {target}{word}{word.join(each.text for each in written)}")
        if target:
            return Operand(target, atomic=True)
        return self.expression(f"({word.join(each.text for each in written)})", *written)

    def logical_exact(self, terms: list[Expr], conjunction: bool) -> Operand:
        target, error = self.fresh(), self.fresh("e")
        self.emit(f"{target} = {conjunction}")
        self.emit(f"{error} = None")
        still_open = f"if {'' if conjunction else 'not '}{target}"
        for term in terms:
            with self.block(f"{still_open}:"):
                with self.block("try:", counted=True):
                    self.emit(f"{target} = {self.boolean(term).text}")
                with self.block("except EvaluationError as x:"):
                    self.emit(f"{error} = {error} or x")
        self.emit(f"{still_open} and {error} is not None: raise {error}")
        return Operand(target, atomic=True)

    def boolean(self, node: Expr) -> Operand:
        """The value of a node, which must be a bool."""
        operand = self.value(node)
        return operand if node.type == types.BOOL else self.call(operators.truth, operand)

    def conditional(self, node: Call) -> Operand:
        condition = self.boolean(node.args[0])
        condition = self.spill(condition) if self.exact else condition
        branches: list[tuple[Operand, list[str]]] = []
        for branch in node.args[1:]:
            with self.captured() as lines:
                self.frame.indent += 1
                operand = self.value(branch)
                self.frame.indent -= 1
            branches.append((operand, lines))
        (yes, yes_lines), (no, no_lines) = branches
        if not yes_lines and not no_lines:
            return self.expression(f"({yes.text} if {condition.text} else {no.text})", condition, yes, no)
        target = self.fresh()
        with self.block(f"if {condition.text}:"):
            self.frame.lines.extend(yes_lines)
            self.emit(f"{target} = {yes.text}")
        with self.block("else:"):
            self.frame.lines.extend(no_lines)
            self.emit(f"{target} = {no.text}")
        return Operand(target, atomic=True)

    def not_strictly_false(self, node: Call) -> Operand:
        target = self.fresh()
        with self.block("try:", counted=True):
            self.emit(f"{target} = {self.value(node.args[0]).text} is not False")
        with self.block("except EvaluationError:"):
            self.emit(f"{target} = True")
        return Operand(target, atomic=True)

    # --------------------------------------------------------------------------------------------------- the macros

    def comprehension(self, node: Comprehension) -> Operand:
        fold = recognise(node)
        if fold.kind == "bind":
            return self.binding(node)
        source = self.spill(self.value(node.range))
        variables = self.enter(node)
        target = self.fresh()
        loop = self.loop_header(source, variables, _weight(node), pairs=bool(node.var2))
        match fold.kind:
            case "all" | "exists":
                self.quantifier(fold, loop, target)
            case "exists_one":
                self.exactly_one(fold, loop, target)
            case "list":
                self.emit(f"{target} = []")
                self.collecting(fold, loop, lambda: self.emit(f"{target}.append({self.value(fold.value).text})"))
            case "map":
                self.emit(f"{target} = {{}}")
                self.collecting(fold, loop, lambda: self.inserted(fold, target))
            case _:
                self.general(node, loop, target)
        self.leave(node, variables)
        return Operand(target, atomic=True)

    def enter(self, node: Comprehension) -> dict[str, str | None]:
        """Declares the loop's variables; what they shadow comes back, for `leave`."""
        shadowed: dict[str, str | None] = {}
        for name in filter(None, (node.var, node.var2)):
            shadowed[name] = self.scope.get(name)
            self.scope[name] = self.fresh("v")
        return shadowed

    def leave(self, node: Comprehension, shadowed: dict[str, str | None]) -> None:
        for name, local in shadowed.items():
            if local is None:
                del self.scope[name]
            else:
                self.scope[name] = local

    def loop_header(self, source: Operand, variables: dict[str, str | None], weight: int, *, pairs: bool) -> str:
        """Statements that charge for the loop, and its `for` line."""
        names = [self.scope[name] for name in variables]
        text = source.text
        if pairs:
            careful = f"{self.bind(operators.pairs)}({text})"
            items = careful
            if not self.exact:
                otherwise = f"{text}.items() if type({text}) is dict else {careful}"
                items = f"enumerate({text}) if type({text}) is list else {otherwise}"
            names = names if len(names) == 2 else [*names, *names]
        else:
            items = self.fresh()
            plain = "type({0}) is list or type({0}) is dict".format(text)  # noqa: UP032
            careful = f"{self.bind(operators.elements)}({text})"
            self.emit(f"{items} = {text} if {plain} else {careful}")
            text = items
        self.charge(text, weight, sized=not pairs)
        return f"for {', '.join(names)} in {items}:"

    def charge(self, text: str, weight: int, *, sized: bool) -> None:
        """Charges for every round of a loop before it begins: it cannot get longer."""
        length = f"len({text})" if sized or not self.exact else f"len({self.bind(operators.pairs)}({text}))"
        self.emit(f"a.cost += {length} * {weight}")
        self.emit("if a.cost > a.limit: raise BudgetExceeded")

    def quantifier(self, fold: Fold, loop: str, target: str) -> None:
        """all and exists: the first element that decides ends the loop; errors count only if none does."""
        holds = fold.kind == "all"
        decided = f"if not {{}}: {target} = False; break" if holds else f"if {{}}: {target} = True; break"
        self.emit(f"{target} = {holds}")
        if not self.exact:
            with self.block(loop, counted=True):
                condition = self.boolean(fold.value)
                self.emit(decided.format(condition.text))
            return
        error = self.fresh("e")
        self.emit(f"{error} = None")
        with self.block(loop, counted=True):
            with self.block("try:", counted=True):
                condition = Operand(self.fresh(), atomic=True)
                self.emit(f"{condition.text} = {self.boolean(fold.value).text}")
            with self.block("except EvaluationError as x:"):
                self.emit(f"{error} = {error} or x")
                self.emit("continue")
            self.emit(decided.format(condition.text))
        self.emit(f"if {'' if holds else 'not '}{target} and {error} is not None: raise {error}")

    def exactly_one(self, fold: Fold, loop: str, target: str) -> None:
        count = self.fresh()
        self.emit(f"{count} = 0")
        with self.block(loop, counted=True):
            condition = self.boolean(fold.value)
            self.emit(f"if {condition.text}: {count} += 1")
        self.emit(f"{target} = {count} == 1")

    def collecting(self, fold: Fold, loop: str, collect: Callable[[], None]) -> None:
        """map, filter and the transforming macros: elements that pass the filter are collected."""
        with self.block(loop, counted=True):
            if fold.filter is None:
                collect()
                return
            condition = self.boolean(fold.filter)
            with self.block(f"if {condition.text}:"):
                collect()

    def inserted(self, fold: Fold, target: str) -> None:
        if fold.key is None:
            self.emit(f"{target} = {self.bind(operators.insert_all)}({target}, {self.value(fold.value).text})")
            return
        key = self.spill(self.value(fold.key)) if self.exact else self.value(fold.key)
        value = self.value(fold.value)
        self.emit(f"{target} = {self.bind(operators.insert)}({target}, {key.text}, {value.text})")

    def binding(self, node: Comprehension) -> Operand:
        """A fold over nothing: the value of `init` under a name. optMap and optFlatMap expand to it."""
        shadowed = self.scope.get(node.accu)
        bound = self.spill(self.value(node.init))
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
        accu = self.fresh("v")
        loop_variables = {name: self.scope.pop(name) for name in (node.var, node.var2) if name in self.scope}
        self.emit(f"{accu} = {self.value(node.init).text}")
        self.scope.update(loop_variables)
        shadowed = self.scope.get(node.accu)
        self.scope[node.accu] = accu
        with self.block(loop, counted=True):
            condition = self.boolean(node.condition)
            self.emit(f"if not {condition.text}: break")
            self.emit(f"{accu} = {self.value(node.step).text}")
        self.emit(f"{target} = {self.value(node.result).text}")
        del self.scope[node.accu]
        if shadowed is not None:
            self.scope[node.accu] = shadowed

    def once(self, operand: Operand) -> _Once:
        """An operand that the text names more than once."""
        if operand.atomic:
            return _Once(operand, operand.text, operand.text)
        name = self.fresh()
        return _Once(operand, f"({name} := {operand.text})", name)


@dataclass(frozen=True, slots=True)
class _Once:
    """Where the value is named first in the order of evaluation, and where again."""

    operand: Operand
    first: str
    again: str


def _is(node: Expr, kind: str) -> bool:
    return node.type.name == kind


def _exact_number(node: Expr) -> bool:
    return isinstance(node, Const) and type(node.value) in (int, UInt, float) and abs(node.value) < _EXACT_DOUBLE


def _all_strings(node: ListLiteral) -> bool:
    return all(isinstance(element, Const) and type(element.value) is str for element in node.elements)


def _terms(node: Expr, function: str) -> Iterator[Expr]:
    """The operands of a chain of one logical operator; it associates."""
    if isinstance(node, Call) and node.function == function:
        for arg in node.args:
            yield from _terms(arg, function)
    else:
        yield node


def _weight(node: Comprehension) -> int:
    """What one round of a loop is charged: the nodes of its body, those of inner loops included once."""
    return sum(1 + _nodes(part) for part in (node.condition, node.step))


def _nodes(node: Expr) -> int:
    return sum(1 + _nodes(child) for child in children(node))


# ------------------------------------------------------------------------- what generated code calls, and nobody else


def _variable(activation: Mapping[str, Any], name: str) -> Any:
    try:
        return activation[name]
    except KeyError:
        raise EvaluationError(f"no such attribute(s): {name}") from None


def _unbound(name: str) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise EvaluationError(f"no such overload: {name}")

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


__all__ = ["Operand", "Type", "generate"]
