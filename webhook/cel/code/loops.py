"""Loops of generated code: what macros expand to is recognised, and written as loops that Python is quick at.

How a loop is charged: in the plain form before its first round, for all rounds; in the others round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from webhook.cel.code import runtime
from webhook.cel.code.recording import Body, chosen_key, place_key, tracked
from webhook.cel.code.writer import Operand
from webhook.cel.cost import charging
from webhook.cel.tree.ast import Comprehension, Expr
from webhook.cel.tree.macros import Fold, recognise
from webhook.cel.value import operators

if TYPE_CHECKING:
    from webhook.cel.code.codegen import Generator

CHECK: Final = "if a.cost > a.limit: a.checkpoint()"
"""The statement that follows a charge."""

_END: Final = object()


class Loops:
    """Writes the loops of a generator's tree."""

    def __init__(self, generator: Generator) -> None:
        self.code = generator
        self.out = generator.out

    def comprehension(self, node: Comprehension) -> Operand:
        fold = recognise(node)
        if fold.kind == "bind":
            return self.binding(node)
        source = self.out.spill(self.code.value(node.range))
        variables = self.enter(node)
        target = self.out.fresh()
        counted, loop = self.loop_header(node, source)
        self.out.charge(charging.loop_costs(fold).whole)
        with self.rounds(counted):
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
        self.leave(variables)
        return Operand(target, atomic=True)

    def enter(self, node: Comprehension) -> dict[str, str | None]:
        """Declares the loop's variables; what they shadow comes back, for `leave`."""
        shadowed: dict[str, str | None] = {}
        for name in filter(None, (node.var, node.var2)):
            shadowed[name] = self.code.scope.get(name)
            self.code.scope[name] = self.out.fresh("v")
        return shadowed

    def leave(self, shadowed: dict[str, str | None]) -> None:
        for name, local in shadowed.items():
            if local is None:
                del self.code.scope[name]
            else:
                self.code.scope[name] = local

    @contextmanager
    def rounds(self, counted: str) -> Iterator[None]:
        """The loop is written within. In the plain form all its rounds are charged for here, before the first, since it
        cannot get longer."""
        if not self.code.bounds:
            yield
            return
        with self.out.account(f"a.cost += len({counted}) * {{units}}"):
            self.out.emit(CHECK)
            yield

    @contextmanager
    def looping(self, loop: str, fold: Fold) -> Iterator[None]:
        """The body of a loop is written within. But for the plain form a round is charged for when it begins."""
        with self.out.block(loop, counted=True), self.code.account():
            if not self.code.bounds:
                self.out.emit(CHECK)
            self.out.charge(charging.loop_costs(fold).round)
            yield

    def loop_header(self, node: Comprehension, source: Operand) -> tuple[str, str]:
        """What has as many elements as the loop has rounds, and the loop's `for` line."""
        names = [self.code.scope[name] for name in (node.var, node.var2) if name]
        text, items = source.text, self.out.fresh()
        if not node.var2:
            plain = f"type({text}) is list or type({text}) is dict"
            self.out.emit(f"{items} = {text} if {plain} else {self.out.bind(operators.elements)}({text})")
            text = items
        elif self.code.native:
            careful = f"{self.out.bind(operators.pairs)}({text})"
            otherwise = f"{text}.items() if type({text}) is dict else {careful}"
            items = f"enumerate({text}) if type({text}) is list else {otherwise}"
        else:
            self.out.emit(f"{items} = {self.out.bind(operators.pairs)}({text})")
            text = items
        if self.code.recording:
            items = f"{self.out.bind(tracked)}(a.record, {self.out.bind(Body.of(node))}, {items})"
        return text, f"for {', '.join(names)} in {items}:"

    def quantifier(self, fold: Fold, loop: str, target: str) -> None:
        """all and exists: the first element that decides ends the loop; errors count only if none does."""
        holds = fold.kind == "all"
        last = ""
        if not self.code.bounds:  # a round more finds that all is decided, unless no element is left
            last = f"; a.cost += {charging.loop_costs(fold).last}"
            if not self.code.recording:
                items, end = self.out.fresh(), self.out.bind(_END)
                head, _, text = loop.rstrip(":").partition(" in ")
                self.out.emit(f"{items} = iter({text})")
                loop, last = f"{head} in {items}:", f"{last} * (next({items}, {end}) is not {end})"
        decided = f"if not {{}}: {target} = False{last}; break" if holds else f"if {{}}: {target} = True{last}; break"
        self.out.emit(f"{target} = {holds}")
        if self.code.native:
            with self.looping(loop, fold):
                condition = self.code.boolean(fold.value)
                self.out.emit(decided.format(condition.text))
            return
        error = self.out.fresh("e")
        self.out.emit(f"{error} = None")
        with self.looping(loop, fold):
            with self.out.block("try:", counted=True):
                condition = Operand(self.out.fresh(), atomic=True)
                self.out.emit(f"{condition.text} = {self.code.boolean(fold.value).text}")
            with self.out.block("except EvaluationError as x:"):
                self.out.emit(f"{error} = {error} or x")
                self.code.absorbed(fold.value)
                self.out.emit("continue")
            self.out.emit(decided.format(condition.text))
        self.out.emit(f"if {'' if holds else 'not '}{target} and {error} is not None: raise {error}")

    def exactly_one(self, fold: Fold, loop: str, target: str) -> None:
        count = self.out.fresh()
        self.out.emit(f"{count} = 0")
        with self.failing(loop, fold) as failed:
            condition = self.condition(fold.value, failed)
            with self.out.block(f"if {condition.text}:"), self.code.account():
                self.out.charge(charging.loop_costs(fold).passing)
                self.out.emit(f"{count} += 1")
        self.out.emit(f"{target} = {count} == 1")

    @contextmanager
    def failing(self, loop: str, fold: Fold) -> Iterator[str]:
        """The body of a loop, written within, that goes on after an error and raises it in the end. Gives the local of
        the error; in native code nothing goes on."""
        error = self.out.fresh("e")
        if self.code.native:
            with self.looping(loop, fold):
                yield ""
            return
        self.out.emit(f"{error} = None")
        with self.looping(loop, fold):
            yield error
        self.out.emit(f"if {error} is not None: raise {error}")

    def condition(self, node: Expr, error: str) -> Operand:
        """The value of a filter; an error in it takes the place of earlier ones, and the loop goes on."""
        if not error:
            return self.code.boolean(node)
        condition = Operand(self.out.fresh(), atomic=True)
        with self.out.block("try:", counted=True):
            self.out.emit(f"{condition.text} = {self.code.boolean(node).text}")
        with self.out.block("except EvaluationError as x:"):
            self.out.emit(f"{error} = x")
            self.code.absorbed(node)
            self.out.emit("continue")
        return condition

    def collecting(self, node: Comprehension, fold: Fold, loop: str, collect: Callable[[], None]) -> None:
        """map, filter and the transforming macros: elements that pass the filter are collected."""
        if self.code.recording:
            self.out.emit(f"a.record[{self.out.bind(chosen_key(node))}] = []")
        with self.failing(loop, fold) as failed:
            if fold.filter is None:
                self.collected(fold, failed, collect)
                return
            condition = self.condition(fold.filter, failed)
            with self.out.block(f"if {condition.text}:"), self.code.account():
                self.collected(fold, failed, collect)
                if self.code.recording:
                    keys = f"{self.out.bind(place_key(node))}, {self.out.bind(chosen_key(node))}"
                    self.out.emit(f"{self.out.bind(runtime.keep)}(a.record, {keys})")

    def collected(self, fold: Fold, error: str, collect: Callable[[], None]) -> None:
        """One element; of errors in it the first counts."""
        if not error:
            self.out.charge(charging.loop_costs(fold).passing)
            collect()
            return
        if fold.kind == "map":  # nothing is inserted into an error, so that the rest is not evaluated
            self.out.charge(1)
            self.out.emit(f"if {error} is not None: continue")
        with self.out.block("try:", counted=True), self.code.account():
            self.out.charge(charging.loop_costs(fold).passing - (fold.kind == "map"))
            collect()
        with self.out.block("except EvaluationError as x:"):
            self.out.emit(f"{error} = {error} or x")
            self.code.absorbed(fold.value)

    def appended(self, fold: Fold, target: str) -> None:
        self.out.emit(f"{target}.append({self.code.value(fold.value).text})")

    def inserted(self, fold: Fold, target: str) -> None:
        if fold.key is None:
            self.out.emit(
                f"{target} = {self.out.bind(operators.insert_all)}({target}, {self.code.value(fold.value).text})"
            )
            return
        key = self.code.value(fold.key) if self.code.native else self.out.spill(self.code.value(fold.key))
        value = self.code.value(fold.value)
        self.out.emit(f"{target} = {self.out.bind(operators.insert)}({target}, {key.text}, {value.text})")

    def binding(self, node: Comprehension) -> Operand:
        """A fold over nothing: the value of `init` under a name. optMap and optFlatMap expand to it."""
        shadowed = self.code.scope.get(node.accu)
        bound = self.out.spill(self.code.value(node.init))
        self.code.scope[node.accu] = bound.text
        # A constant is no local: what is outlined takes it as a parameter of that name, which does no harm.
        result = self.code.value(node.result)
        if shadowed is None:
            del self.code.scope[node.accu]
        else:
            self.code.scope[node.accu] = shadowed
        return result

    def general(self, node: Comprehension, loop: str, target: str) -> None:
        """Any fold that is none of the macros known above."""
        accu = self.out.fresh("v")
        loop_variables = {name: self.code.scope.pop(name) for name in (node.var, node.var2) if name in self.code.scope}
        self.out.emit(f"{accu} = {self.code.value(node.init).text}")
        self.code.scope.update(loop_variables)
        shadowed = self.code.scope.get(node.accu)
        self.code.scope[node.accu] = accu
        with self.looping(loop, Fold("general", node.step)):
            condition = self.code.boolean(node.condition)
            self.out.emit(f"if not {condition.text}: break")
            self.out.emit(f"{accu} = {self.code.value(node.step).text}")
        self.out.emit(f"{target} = {self.code.value(node.result).text}")
        del self.code.scope[node.accu]
        if shadowed is not None:
            self.code.scope[node.accu] = shadowed
