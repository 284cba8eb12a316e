"""One Python function for all expressions of a policy: its matchConditions, validations and messages.

A policy is usually evaluated without an error and at a small part of its budgets. For that, the function made here has
the plain form of all its expressions in it: a composited variable is a local, and its code stands where it is first
used. The function may raise at any time, and does where anything else would have to be done: then the policy is
evaluated as if there were no such function. It must never return what that evaluation would not come to.

It charges upper bounds, as the plain form does, on a `Quick`, which lets all expressions of a policy come to no more
than a checkpoint of one expression would allow. So no budget of the API server's can be exceeded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct

from webhook.cel.code import pythonoperators, runtime
from webhook.cel.code.codegen import Generator, is_doubtful
from webhook.cel.code.writer import Account, Operand, Writer
from webhook.cel.cost import charging, costs
from webhook.cel.cost.metering import RESERVE, SMALL, STEP, Metered
from webhook.cel.tree import types
from webhook.cel.tree.ast import Call, Const, Expr, Ident, Select, nodes
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import BudgetExceeded
from webhook.cel.value.extent import extent, nests
from webhook.cel.value.values import MISSING

_LARGEST: Final = 5_000  # nodes of all expressions
_KEPT: Final = 1_000  # values of one request
_PER_UNIT: Final = 8  # bytes that are charged as a unit
_UNSET: Final = "U"


class Quick(Metered):
    """What the functions of all policies evaluate one request on: the object, the old object, and values in common.

    Its cost and limit belong to the policy that is evaluated: see `begin`.
    """

    __slots__ = ()

    def begin(self, limit: int = STEP) -> None:
        """Begin with another policy, which may come to `limit` units."""
        self.cost = 0
        self.limit = limit

    def checkpoint(self) -> None:
        raise BudgetExceeded

    def meter(self) -> Any:
        raise BudgetExceeded  # there is none: whoever asks for it counts what is not counted here

    def walk(self, values: tuple[Any, ...]) -> None:
        """Give up before values are visited of which the limit allows no visit."""
        for value in values:
            if nests(value) and extent(value, STEP) > STEP:
                raise BudgetExceeded

    def make(self, size: int) -> None:
        self.cost += size // _PER_UNIT
        if self.cost > self.limit:
            raise BudgetExceeded

    def make_sums(self, texts: tuple[str, ...], length: int) -> None:
        self.make((len(texts) - 1) * length * 4)


class Judged(Struct, frozen=True):
    """A validation: its expression, and that of its message, if it has one."""

    tree: Expr
    message: Expr | None


class Plan(Struct, frozen=True):
    """What a function is made of.

    conditions: the matchConditions. variables: `variables.NAME` -> expression. validations: in their order. shared: the
    keys of variables whose values the functions of other policies use too, by name. known: the variables whose values
    come with the params. constant: the values of variables that are the same always.
    """

    conditions: Sequence[Expr]
    variables: Mapping[str, Expr]
    validations: Sequence[Judged]
    shared: Mapping[str, Any] = {}
    known: frozenset[str] = frozenset()
    constant: Mapping[str, Any] = {}


Run = Callable[[Quick, Any, Any, Any], Any]
"""(activation, review, params, known) -> True if all validations hold; the index of the first matchCondition that is
false; else the validations that do not hold, as a list of (index, value of the message's expression, None without one).

review: what has the values of `request` and `namespaceObject`, see `_ASKED`. known: the values of `Plan.known`.
"""

_ASKED: Final = {"request": "review.cel()", "namespaceObject": "review.namespace.object()"}
_ASKED_BY_CONDITIONS: Final = {"request": "review.cel_in_conditions()", "namespaceObject": ""}  # null


class _Declined(Exception):
    """There is no such function for the policy."""


def fuse(plan: Plan) -> Run | None:
    """The function of a policy. None if its expressions are too large or too deep."""
    trees = [*plan.conditions, *plan.variables.values()]
    for each in plan.validations:
        trees += [each.tree] if each.message is None else [each.tree, each.message]
    size = 0
    for tree in trees:
        for _ in nodes(tree):
            size += 1
            if size > _LARGEST:
                return None
    fixed: dict[int, int] = {}
    for tree in trees:
        fixed.update(charging.fixed(tree))
    try:
        return _Fusion(plan, fixed, {}).policy()
    except _Declined:
        return None


class _Frames(Writer):
    """Writes a function with functions inside it, and knows which code runs only under a condition, or in a loop."""

    def __init__(self, params: str) -> None:
        super().__init__(statements=False)
        self._frame.params = params.split(", ")
        self._outermost = self._frame
        self.inner: list[str | Account] = []
        self.unset: list[str] = []
        self.base: dict[str, str] = {}  # what the function has from here on, whatever it has gone through
        self.locals = self.base  # the locals of values that the code which is being written surely has, by name
        self.nesting = 0
        self.looping = 0
        self._globals[_UNSET] = MISSING

    @property
    def is_outermost(self) -> bool:
        """Whether the code that is being written stands in the function itself, and not in one inside it."""
        return self._frame is self._outermost

    @contextmanager
    def _conditional(self, *, loops: bool = False) -> Iterator[None]:
        held = self.locals
        self.locals = dict(held)
        self.nesting += 1
        self.looping += loops
        yield
        self.looping -= loops
        self.nesting -= 1
        self.locals = held

    @contextmanager
    def block(self, header: str, *, counted: bool = False) -> Iterator[None]:
        with self._conditional(loops=counted), super().block(header, counted=counted):
            yield

    @contextmanager
    def captured(self) -> Iterator[list[str | Account]]:
        with self._conditional(), super().captured() as lines:
            yield lines

    def hoisted(self, name: str) -> Operand:
        local = self._outermost.hoisted.get(name)
        if local is None:
            local = self._outermost.hoisted[name] = self.fresh("h")
        return Operand(local, atomic=True)

    def outlined(self, names: set[str], body: Callable[[], Operand]) -> Operand:
        raise _Declined  # its code would not see the locals

    def function_inside(self, name: str, assigned: str, value: Callable[[], Operand]) -> None:
        """A function inside the outermost one, which gives a local of that one its value, and returns it."""
        outer = self._frame, self.locals, self.nesting, self.looping, self._accounts
        self._frame = type(outer[0])(name, [])
        self._frame.indent = 2
        self.locals = dict(self.base)  # it is first called after this
        self.nesting = self.looping = 0
        self._accounts = [Account("")]
        result = value()
        self.emit(f"{assigned} = {result.text}")
        self.emit(f"return {assigned}")
        written, fixed = self._frame.lines, self._accounts[0].units
        self._frame, self.locals, self.nesting, self.looping, self._accounts = outer
        self.inner += [f" def {name}():", f"  nonlocal {assigned}", *written]
        self._accounts[0].units += fixed

    def forget(self) -> None:
        """Read again what is read from here on."""
        self.base = self.locals = {}

    def _finish(self) -> None:
        frame = self._frame
        unset = [f" {' = '.join(self.unset)} = {_UNSET}"] if self.unset else []
        frame.lines = [*unset, *self.inner, *frame.lines]
        super()._finish()


class _Fusion(Generator):
    """Generates the function of a policy."""

    out: _Frames

    def __init__(
        self,
        plan: Plan,
        fixed: Mapping[int, int],
        functions: dict[str, Callable[[Quick, Any], Any]],
        params: str = "a, review, params, known",
    ) -> None:
        """fixed: see webhook.cel.cost.charging. functions: those of variables whose values are shared, by name."""
        super().__init__("plain", trusting=True)
        self.plan = plan
        self.out = _Frames(params)
        self.fixed = fixed
        self.functions = functions
        self.sites: Counter[str] = Counter()
        self.asked: Mapping[str, str] = _ASKED
        self.written_once: dict[str, str] = {}  # variables whose code stands at one place only -> their locals
        self.called: dict[str, tuple[str, str]] = {}  # variables that have a function -> it, and their locals
        self.lenient = False  # whether a variable that has no value yet is a reason to give up

    def policy(self) -> Run:
        plan, out = self.plan, self.out
        self.sites = self._counted([each.tree for each in plan.validations])
        later = self._counted([each.message for each in plan.validations if each.message is not None])
        for name, count in later.items():
            if name not in self.sites:
                self.sites[name] = count
        self.asked = _ASKED_BY_CONDITIONS
        for index, tree in enumerate(plan.conditions):
            out.emit(f"if {self._expression(tree).text} is False: return {index}")
        self.asked = _ASKED
        out.forget()
        held = [out.spill(self._expression(each.tree)) for each in plan.validations]
        if held:
            out.emit(f"if {' and '.join(f'{each.text} is True' for each in held)}: return True")
        else:
            out.emit("return True")
        out.emit("d = []")
        for index, (each, result) in enumerate(zip(plan.validations, held, strict=True)):
            with out.block(f"if {result.text} is not True:"):
                self.lenient = True
                text = "None" if each.message is None else self._expression(each.message).text
                out.emit(f"d.append(({index}, {text}))")
        run: Run = self._made(Operand("d", atomic=True))
        return run

    def shared_value(self, name: str, key: Any) -> Callable[[Quick, Any], Any]:
        """The function of a variable whose values are shared, which also keeps its value."""
        self.sites = self._counted([self.plan.variables[name]])
        result = self.out.spill(self._expression(self.plan.variables[name]))
        self.out.emit(f"if len(a) < {_KEPT}: a[{self.out.bind(key)}] = {result.text}")
        run: Callable[[Quick, Any], Any] = self._made(result)
        return run

    def _made(self, result: Operand) -> Any:
        run = self.out.function(result)
        if self.out.charged > RESERVE:
            raise _Declined
        return run

    def _expression(self, tree: Expr) -> Operand:
        """The code of an expression, which sees no variables of loops around it."""
        outer = self.scope, self.trusting
        self.scope = {}
        self.trust(trusting=not is_doubtful(tree))
        operand = self.value(tree)
        self.scope = outer[0]
        self.trust(trusting=outer[1])
        return operand

    def trust(self, *, trusting: bool) -> None:
        """Rely, or do not rely, on the types that the checker inferred."""
        self.trusting = self.native = trusting
        self.out.write_statements(not trusting)

    # -------------------------------------------------------------------------------------------------- the variables

    def _counted(self, trees: Sequence[Expr]) -> Counter[str]:
        """At how many places each variable is used, in these expressions and in those of the variables."""
        found: Counter[str] = Counter()
        pending = list(trees)
        steps = 0
        while pending:
            for node in nodes(pending.pop()):
                steps += 1
                if steps > 4 * _LARGEST:
                    raise _Declined
                if isinstance(node, Ident) and node.name in self.plan.variables:
                    found[node.name] += 1
                    if self._is_own(node.name) and (found[node.name] == 1 or _is_path(self.plan.variables[node.name])):
                        pending.append(self.plan.variables[node.name])
        return found

    def _is_own(self, name: str) -> bool:
        return not (name in self.plan.constant or name in self.plan.known or name in self.plan.shared)

    def identifier(self, node: Ident) -> Operand:
        name = node.name
        if name in self.scope or name not in self.plan.variables:
            return self._of_request(node)
        plan, out = self.plan, self.out
        if name in plan.constant:
            return Operand(out.bind(plan.constant[name]), atomic=True)
        if name in plan.known:
            return Operand(f"known[{out.bind(name)}]", 1)
        local = out.locals.get(name)
        if local is not None:
            return Operand(local, atomic=True)
        if name in plan.shared:
            return self._kept(name, self._shared(name))
        tree = plan.variables[name]
        if _is_path(tree):
            return self._expression(tree)
        return self._own(name, tree)

    def _of_request(self, node: Ident) -> Operand:
        name = node.name.removeprefix(".")
        if node.name in self.scope:
            return super().identifier(node)
        if name == "params":
            return Operand("params", atomic=True)
        if name in self.asked and node.type.name != "type":
            if not self.asked[name]:
                return Operand(self.out.bind(None), atomic=True)  # a name: Python warns of None[…]
            local = self.out.locals.get(name)
            if local is not None:
                return Operand(local, atomic=True)
            return self._kept(name, Operand(self.asked[name], 1))
        return super().identifier(node)

    def _kept(self, name: str, operand: Operand) -> Operand:
        """A value that is used again, in a local; in a loop, where it might have none, as it is."""
        if self.out.looping:
            return operand
        operand = self.out.spill(operand)
        self.out.locals[name] = operand.text
        return operand

    def _shared(self, name: str) -> Operand:
        key = self.plan.shared[name]
        run = self.functions.get(name)
        if run is None:
            made = _Fusion(self.plan, self.fixed, self.functions, "a, review")
            run = self.functions[name] = made.shared_value(name, key)
        bound = self.out.bind(key)
        return Operand(f"(a[{bound}] if {bound} in a else {self.out.bind(run)}(a, review))", 1)

    def _own(self, name: str, tree: Expr) -> Operand:
        """A variable that no other policy has: in a local of the function."""
        out = self.out
        once = self.written_once.get(name)
        if once is not None:  # only messages come here, or a loop after all
            if not self.lenient:
                raise _Declined
            return out.expression(f"({once} if {once} is not {_UNSET} else {out.bind(_give_up)}())")
        called = self.called.get(name)
        if called is None and (out.looping or (self.sites[name] > 1 and (out.nesting or not out.is_outermost))):
            local, function = out.fresh("v"), out.fresh("f")
            called = self.called[name] = function, local
            out.unset.append(local)
            out.function_inside(function, local, lambda: self._expression(tree))
        if called is not None:
            function, local = called
            operand = out.expression(f"({local} if {local} is not {_UNSET} else {function}())")
            if out.nesting == 0 and out.is_outermost:
                out.emit(f"if {local} is {_UNSET}: {function}()")
                out.locals[name] = local
                return Operand(local, atomic=True)
            return operand
        operand = self._expression(tree)
        local = out.fresh("v")
        out.emit(f"{local} = {operand.text}")
        if out.is_outermost:
            self.written_once[name] = local
            if out.nesting:
                out.unset.append(local)
        out.locals[name] = local
        return Operand(local, atomic=True)

    # ---------------------------------------------------------------------------------------- what is known of values

    def binary(self, node: Call) -> Operand:
        if self.native and node.function in ("@in", "_in_"):
            written = self._membership(*node.args)
            if written is not None:
                return written
        return super().binary(node)

    def function_call(self, node: Call) -> Operand:
        written = self._quick_call(node) if self.native else None
        return written or super().function_call(node)

    def _quick_call(self, node: Call) -> Operand | None:
        """A call that makes a short text of one, or whose declaration says how it is made quickly."""
        declared = node.declared
        if declared.quick is not None:
            return self.metered(declared.quick, [self.value(arg) for arg in node.args])
        function = pythonoperators.implementation(node)
        of_text = declared.cost is costs.text and declared.work is None and len(node.args) == 1
        if function is None or not of_text or node.type != types.STRING:
            return None
        self.out.charge(2 * costs.text("-" * SMALL))
        text = self.out.repeated(self.value(node.args[0]))
        charge = f"{self.out.bind(runtime.charged_made)}(a, {self.out.bind(costs.text)}, {self.out.bind(declared.call)}"
        quick, test = f"{self.out.bind(function)}({text.again})", f"type({text.first}) is str and len({text.again})"
        return self.out.expression(f"({quick} if {test} <= {SMALL} else {charge}, {text.again}))", text.operand)

    def _membership(self, item: Expr, container: Expr) -> Operand | None:
        """item in a list of a variable: of texts that are known, or a short one, without a call."""
        if not isinstance(container, Ident) or container.name in self.scope or container.type.name != "list":
            return None
        if isinstance(item, Call) and item.declared.shape is Shape.SAME:
            return None
        texts = self.plan.constant.get(container.name)
        if type(texts) is list and all(type(each) is str for each in texts):
            self.out.charge(len(texts))
            wanted = self.value(item)
            return self.out.expression(f"({wanted.text} in {self.out.bind(frozenset(texts))})", wanted)
        if item.type.name not in ("string", "dyn"):
            return None
        self.out.charge(runtime.FEW)
        wanted, held = self.out.spill(self.value(item)), self.out.repeated(self.value(container))
        test = f"type({held.first}) is list and len({held.again}) <= {runtime.FEW} "
        test += f"and type({wanted.text}) is str and len({wanted.text}) <= {costs.COMPARED}"
        careful = f"{self.out.bind(runtime.contains_charged)}(a, {wanted.text}, {held.again})"
        return self.out.expression(f"({wanted.text} in {held.again} if {test} else {careful})", wanted, held.operand)


def _give_up() -> Any:
    raise BudgetExceeded


def _is_path(node: Expr) -> bool:
    """Whether an expression is the way to a field or a literal, which is found as quickly as a local that is tested."""
    while isinstance(node, Select) and not node.test:
        node = node.operand
    return isinstance(node, Ident | Const)
