"""The code of `&&`, `||` and `?:`: which operands are evaluated, and which errors are absorbed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from webhook.cel.code.writer import Account, Operand
from webhook.cel.tree.ast import Call, Expr, logical_terms

if TYPE_CHECKING:
    from webhook.cel.code.codegen import Generator


class Branches:
    """Generates the code of conditions and logical operators in a generator's tree."""

    def __init__(self, generator: Generator) -> None:
        self.code = generator
        self.out = generator.out

    def logical(self, node: Call) -> Operand:
        terms = list(logical_terms(node, node.function))
        conjunction = node.function == "_&&_"
        return self.logical_plain(terms, conjunction) if self.code.native else self.logical_exact(terms, conjunction)

    def logical_plain(self, terms: list[Expr], conjunction: bool) -> Operand:
        target = ""
        written: list[Operand] = []
        word = " and " if conjunction else " or "
        for term in terms:
            if self.code.bounds and term is terms[0]:  # whatever it needs runs in any case
                written.append(self.code.boolean(term))
                continue
            with self.out.captured() as lines, self.code.account():
                operand = self.code.boolean(term)
            if not lines:
                written.append(operand)
                continue
            # This term needs statements. They must run only if the earlier terms do not decide.
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
        self.code.forget(terms)
        for term in terms:
            with self.out.block(f"{still_open}:"):
                with self.out.block("try:", counted=True), self.code.account():
                    self.out.emit(f"{target} = {self.code.boolean(term).text}")
                with self.out.block("except EvaluationError as x:"):
                    self.out.emit(f"{error} = {error} or x")
                    self.code.absorbed(term)
        self.out.emit(f"{still_open} and {error} is not None: raise {error}")
        return Operand(target, atomic=True)

    def conditional(self, node: Call, value: Callable[[Expr], Operand] | None = None) -> Operand:
        """value: writes a branch."""
        value = value or self.code.value
        condition = self.code.boolean(node.args[0])
        condition = condition if self.code.native else self.out.spill(condition)
        self.code.forget(node.args[1:])
        branches: list[tuple[Operand, list[str | Account]]] = []
        for branch in node.args[1:]:
            with self.out.captured() as lines, self.code.account():
                operand = value(branch)
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

    def not_strictly_false(self, node: Call) -> Operand:
        target = self.out.fresh()
        with self.out.block("try:", counted=True):
            self.out.emit(f"{target} = {self.code.value(node.args[0]).text} is not False")
        with self.out.block("except EvaluationError:"):
            self.out.emit(f"{target} = True")
        return Operand(target, atomic=True)
