"""Loops of generated code. The folds that macros expand to are recognised and generated as fast Python loops.

The plain form charges for all rounds of a loop before the first one; the other forms charge round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from webhook.cel.code import runtime
from webhook.cel.code.recording import Body, chosen_key, place_key, rounds_key, tracked
from webhook.cel.code.writer import Operand
from webhook.cel.cost import charging
from webhook.cel.tree.ast import Comprehension, Expr
from webhook.cel.tree.macros import Fold, recognise
from webhook.cel.value import aggregates

if TYPE_CHECKING:
    from webhook.cel.code.codegen import Generator

CHECK: Final = "if a.cost > a.limit: a.checkpoint()"
"""The statement that follows a charge."""

_END: Final = object()


class Loops:
    """Generates the loops of a generator's tree."""

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
        """Declare the loop's variables. Returns the locals of the variables that they shadow, for `leave`."""
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
        """The block that contains the loop. The plain form charges for all its rounds here, as their number is known
        before the first one."""
        if not self.code.bounds:
            yield
            return
        with self.out.account(f"a.cost += len({counted}) * {{units}}"):
            self.out.emit(CHECK)
            yield

    @contextmanager
    def looping(self, loop: str, fold: Fold) -> Iterator[None]:
        """The block that contains the body of a loop. All forms except plain charge for a round when it begins."""
        with self.out.block(loop, counted=True), self.code.account():
            if not self.code.bounds:
                self.out.emit(CHECK)
            self.out.charge(charging.loop_costs(fold).round)
            yield

    def loop_header(self, node: Comprehension, source: Operand) -> tuple[str, str]:
        """A Python expression with one element a round, and the loop's `for` line."""
        names = [self.code.scope[name] for name in (node.var, node.var2) if name]
        text, items = source.text, self.out.fresh()
        if not node.var2:
            plain = f"type({text}) is list or type({text}) is dict"
            self.out.emit(f"{items} = {text} if {plain} else {self.out.bind(runtime.keys)}(a, {text})")
            text = items
        elif self.code.native:
            careful = f"{self.out.bind(aggregates.pairs)}({text})"
            otherwise = f"{text}.items() if type({text}) is dict else {careful}"
            items = f"enumerate({text}) if type({text}) is list else {otherwise}"
        else:
            self.out.emit(f"{items} = {self.out.bind(aggregates.pairs)}({text})")
        if self.code.recording or self.code.wanted:
            body = Body.of(node)
            if self.code.recording or not self.code.wanted.isdisjoint((rounds_key(node), chosen_key(node), *body.keys)):
                self.code.recorded.add(rounds_key(node))
                items = f"{self.out.bind(tracked)}(a.record, {self.out.bind(body)}, {items})"
        return text, f"for {', '.join(names)} in {items}:"

    def quantifier(self, fold: Fold, loop: str, target: str) -> None:
        """all and exists. The first element that decides ends the loop; an error counts only if no element decides."""
        holds = fold.kind == "all"
        last = ""
        if not self.code.bounds:  # the API server begins one more round to see the result, unless no element is left
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
        """The body of a loop that continues after an error and raises it at the end. Yields the local of the error.
        Native code does not continue."""
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
        """The value of a filter. Its error replaces earlier ones, and the loop continues."""
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
        """map, filter and the transforming macros. They collect the elements that pass the filter."""
        if self.code.records(chosen_key(node)):
            self.code.recorded.add(chosen_key(node))
            self.out.emit(f"a.record[{self.out.bind(chosen_key(node))}] = []")
        with self.failing(loop, fold) as failed:
            if fold.filter is None:
                self.collected(fold, failed, collect)
                return
            condition = self.condition(fold.filter, failed)
            with self.out.block(f"if {condition.text}:"), self.code.account():
                self.collected(fold, failed, collect)
                if self.code.records(chosen_key(node)):
                    keys = f"{self.out.bind(place_key(node))}, {self.out.bind(chosen_key(node))}"
                    self.out.emit(f"{self.out.bind(runtime.keep)}(a.record, {keys})")

    def collected(self, fold: Fold, error: str, collect: Callable[[], None]) -> None:
        """Collect one element. The first error in an element counts."""
        if not error:
            self.out.charge(charging.loop_costs(fold).passing)
            collect()
            return
        if fold.kind == "map":  # after an error nothing is inserted or evaluated
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
                f"{target} = {self.out.bind(runtime.inserted_all)}(a, {target}, {self.code.value(fold.value).text})"
            )
            return
        key = self.code.value(fold.key) if self.code.native else self.out.spill(self.code.value(fold.key))
        value = self.code.value(fold.value)
        self.out.emit(f"{target} = {self.out.bind(aggregates.insert)}({target}, {key.text}, {value.text})")

    def binding(self, node: Comprehension) -> Operand:
        """A fold over an empty list, which binds `init` to a name. optMap and optFlatMap expand to it."""
        shadowed = self.code.scope.get(node.accu)
        bound = self.out.spill(self.code.value(node.init))
        self.code.scope[node.accu] = bound.text
        # A constant is not a local. An outlined function takes it as a parameter of the same name, which is harmless.
        result = self.code.value(node.result)
        if shadowed is None:
            del self.code.scope[node.accu]
        else:
            self.code.scope[node.accu] = shadowed
        return result

    def general(self, node: Comprehension, loop: str, target: str) -> None:
        """Any fold that does not come from one of the macros above."""
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
