"""Source text → syntax tree, by cel-go's grammar: its nodes, numbers, offsets, expanded macros and limits.

The parser only handles source without syntax errors; webhook.cel.check.recovery finds all errors of other source. It
keeps its own stacks of operators and choices, so that Python's stack only grows with brackets, by two frames for each.
"""

from __future__ import annotations

from webhook.cel.check.lexing import BYTES, END, FLOAT, ID, INT, QUOTED, STRING, UINT, Tokens
from webhook.cel.check.nodes import AND, BINARY, MAX_DEPTH, RELATION, RESERVED, Builder, balanced
from webhook.cel.tree.parsed import CALL, CONST, LIST, MAP, SELECT, STRUCT, Parsed


class SyntaxFault(Exception):
    """The source has a syntax error."""


class TooDeep(Exception):
    """The source is nested too deeply. str(error) is the API server's text."""


def parse(tokens: Tokens, builder: Builder) -> Parsed:
    """The tree. Raises SyntaxFault, TooDeep and TooLarge; `builder.faults` are the other errors."""
    parser = _Parser(tokens, builder)
    node = parser.expression(0, 0, 0)
    if parser.kinds[parser.at] != END:
        raise SyntaxFault
    if builder.deep:
        raise TooDeep("max recursion depth exceeded")
    return node


class _Parser:
    __slots__ = ("at", "builder", "kinds", "starts", "texts")

    def __init__(self, tokens: Tokens, builder: Builder) -> None:
        self.kinds, self.starts, self.texts = tokens
        self.at = 0
        self.builder = builder

    def expression(self, levels: int, relations: int, sums: int) -> Parsed:
        """An expression. levels, relations, sums: the rules that the API server's parser is in."""
        kinds, builder = self.kinds, self.builder
        choices: list[tuple[Parsed, int, int, Parsed]] = []
        condition: tuple[Parsed, int, int] | None = None
        while True:
            levels += condition is None
            if levels > MAX_DEPTH:
                raise TooDeep(f"expression recursion limit exceeded: {MAX_DEPTH}")
            operand = self.operand(levels, relations + 1, sums + 1)
            kind = kinds[self.at]
            if kind in BINARY:
                operand = self.operators(operand, levels, relations, sums)
                kind = kinds[self.at]
            if condition is None:
                if kind != "?":
                    break
                condition = (operand, builder.number(), self.starts[self.at])
            else:
                if kind != ":":
                    raise SyntaxFault
                choices.append((*condition, operand))
                condition = None
            self.at += 1
        for chooser, number, offset, first in reversed(choices):
            height = 1 + max(chooser.height, first.height, operand.height)
            builder.deep = builder.deep or height > MAX_DEPTH
            operand = Parsed(CALL, number, offset, height, "_?_:_", None, [chooser, first, operand])
        return operand

    def operators(self, operand: Parsed, levels: int, relations: int, sums: int) -> Parsed:
        """The operands and operators that follow a first operand."""
        kinds, starts, builder = self.kinds, self.starts, self.builder
        operands = [operand]
        waiting: list[tuple[int, str, int, int]] = []  # precedence, function, number, offset
        chains: list[tuple[list[Parsed], list[tuple[int, int]]]] = []  # of the && and || that wait
        while True:
            found = BINARY.get(kinds[self.at])
            precedence, function = found if found is not None else (0, "")
            while waiting and waiting[-1][0] >= precedence:
                top, name, number, offset = waiting[-1]
                right = operands.pop()
                if top <= AND:
                    terms, signs = chains[-1]
                    terms.append(right)
                    signs.append((builder.number(), offset))
                    if top == precedence:
                        break
                    chains.pop()
                    operands.append(balanced(name, terms, signs))
                else:
                    left = operands.pop()
                    height = 1 + (left.height if left.height > right.height else right.height)
                    builder.deep = builder.deep or height > MAX_DEPTH
                    operands.append(Parsed(CALL, number, offset, height, name, None, [left, right]))
                waiting.pop()
            if found is None:
                return operands[0]
            offset = starts[self.at]
            self.at += 1
            if precedence <= AND:
                if waiting and waiting[-1][0] == precedence:
                    waiting[-1] = (precedence, function, 0, offset)
                else:
                    chains.append(([operands.pop()], []))
                    waiting.append((precedence, function, 0, offset))
            else:
                waiting.append((precedence, function, builder.number(), offset))
            inner, outer = sums + 1, relations + 1
            for each in waiting:
                if each[0] == RELATION:
                    outer += 1
                elif each[0] > RELATION:
                    inner += 1
            operands.append(self.operand(levels, outer, inner))

    def operand(self, levels: int, relations: int, sums: int) -> Parsed:
        """A unary expression."""
        if relations > MAX_DEPTH or sums > MAX_DEPTH:
            raise TooDeep(f"expression recursion limit exceeded: {MAX_DEPTH}")
        kinds, starts, texts, builder = self.kinds, self.starts, self.texts, self.builder
        at = self.at
        kind = kinds[at]
        number = before = 0
        negation = ""
        if kind == "!" or (kind == "-" and kinds[at + 1] not in (INT, FLOAT)):
            first, before = at, starts[at]
            while kinds[at] == kind:
                at += 1
            if (at - first) % 2:
                negation = f"{kind}_"
                number = builder.number()
            self.at = at
            kind = kinds[at]
            if kind == "-" and kinds[at + 1] not in (INT, FLOAT):
                raise SyntaxFault
        offset = starts[at]
        # ------------------------------------------------------------------------------------------------- primary
        if kind == ID or (kind == "." and kinds[at + 1] == ID):
            node = self._named(levels, relations, sums)
        elif kind in (STRING, INT, FLOAT, UINT, BYTES):
            node = builder.literal(kind, texts[at], offset)
            self.at = at + 1
        elif kind == "(":
            self.at = at + 1
            node = self.expression(levels, relations, sums)
            self._expect(")")
        elif kind == "[":
            node = self._list(offset, levels, relations, sums)
        elif kind == "{":
            self.at = at + 1
            number_of_map = builder.number()
            entries = self._entries(levels, relations, sums, fields=False)
            height = max((each.height for entry in entries for each in (entry[2], entry[3])), default=0)
            node = Parsed(MAP, number_of_map, offset, height, args=entries)
        elif kind == "-":
            node = builder.literal(kinds[at + 1], texts[at + 1], offset, "-")
            self.at = at + 2
        elif kind in ("true", "false", "null"):
            node = Parsed(CONST, builder.number(), offset, value=None if kind == "null" else kind == "true")
            self.at = at + 1
        else:
            raise SyntaxFault
        # ------------------------------------------------------------------------------------------------- members
        while True:
            at = self.at
            kind = kinds[at]
            if kind == ".":
                node = self._member(node, levels, relations, sums)
            elif kind == "[":
                optional = kinds[at + 1] == "?"
                number_of_index = builder.number()
                self.at = at + 1 + optional
                index = self.expression(levels, relations, sums)
                self._expect("]")
                height = 1 + max(node.height, index.height)
                if optional and not builder.optionals:
                    node = builder.fault(starts[at], "unsupported syntax '[?'")
                    node.height = height
                else:
                    function = "_[?_]" if optional else "_[_]"
                    node = Parsed(CALL, number_of_index, starts[at], height, function, None, [node, index])
            else:
                break
            builder.deep = builder.deep or node.height > MAX_DEPTH
        if negation:
            return Parsed(CALL, number, before, node.height, negation, None, [node])
        return node

    def _named(self, levels: int, relations: int, sums: int) -> Parsed:
        """A name, a call of a global function, or a message."""
        kinds, starts, texts, builder = self.kinds, self.starts, self.texts, self.builder
        first = at = self.at
        dotted = kinds[at] == "."
        at += dotted
        name, start = texts[at], starts[at]
        at += 1
        kind = kinds[at]
        if kind == "(":
            offset = starts[at]
            self.at = at + 1
            if name in RESERVED:
                self._skip_arguments(levels, relations, sums)
                return builder.fault(starts[first], f"reserved identifier: {name}")
            number = builder.number()
            args = self._arguments(levels, relations, sums)
            height = max([each.height for each in args]) if args else 0
            return builder.expanded(number, offset, f".{name}" if dotted else name, None, args, height)
        if kind in (".", "{"):
            last = at
            while kinds[last] == "." and kinds[last + 1] == ID:
                last += 2
            if kinds[last] == "{":
                return self._message(first, last, levels, relations, sums)
        self.at = at
        return builder.name(start, name, dotted=dotted, at=starts[first])

    def _skip_arguments(self, levels: int, relations: int, sums: int) -> None:
        """Reads arguments that the API server does not look at."""
        builder = self.builder
        self.builder = Builder(builder.macros, optionals=builder.optionals, quotes=builder.quotes)
        self._arguments(levels, relations, sums)
        self.builder = builder

    def _message(self, first: int, brace: int, levels: int, relations: int, sums: int) -> Parsed:
        name = "".join(self.texts[first:brace])
        self.at = brace + 1
        number = self.builder.number()
        entries = self._entries(levels, relations, sums, fields=True)
        height = max((entry[3].height for entry in entries), default=0)
        return Parsed(STRUCT, number, self.starts[brace], height, name, args=entries)

    def _member(self, node: Parsed, levels: int, relations: int, sums: int) -> Parsed:
        """A selection or the call of a method."""
        kinds, starts, texts, builder = self.kinds, self.starts, self.texts, self.builder
        at = self.at
        dot = starts[at]
        at += 1
        kind = kinds[at]
        optional = kind == "?"
        if optional:
            at += 1
            kind = kinds[at]
        name, start = texts[at], starts[at]
        if kind == ID and kinds[at + 1] == "(" and not optional:
            number = builder.number()
            self.at = at + 2
            args = self._arguments(levels, relations, sums)
            height = 1 + max([node.height, *[each.height for each in args]])
            return builder.expanded(number, starts[at + 1], name, node, args, height)
        if kind == QUOTED:
            name = builder.quoted(name, start)
        elif kind != ID:
            raise SyntaxFault
        self.at = at + 1
        height = node.height + 1
        if not optional:
            return Parsed(SELECT, builder.number(), dot, height, name, node)
        if not builder.optionals:
            fault = builder.fault(dot, "unsupported syntax '.?'")
            fault.height = height
            return fault
        field = Parsed(CONST, builder.number(), start, value=name)
        return Parsed(CALL, builder.number(), dot, height, "_?._", None, [node, field])

    def _arguments(self, levels: int, relations: int, sums: int) -> list[Parsed]:
        args: list[Parsed] = []
        if self.kinds[self.at] == ")":
            self.at += 1
            return args
        while True:
            args.append(self.expression(levels, relations, sums))
            kind = self.kinds[self.at]
            self.at += 1
            if kind == ")":
                return args
            if kind != ",":
                raise SyntaxFault

    def _list(self, offset: int, levels: int, relations: int, sums: int) -> Parsed:
        kinds, builder = self.kinds, self.builder
        number = builder.number()
        elements: list[Parsed] = []
        optional: list[int] = []
        self.at += 1
        if kinds[self.at] == ",":  # the grammar allows [,]
            self.at += 1
            self._expect("]")
            return Parsed(LIST, number, offset, value=())
        height = 0
        while kinds[self.at] != "]":
            if kinds[self.at] == "?":
                place = self.starts[self.at]
                self.at += 1
                element = self.expression(levels, relations, sums)
                if builder.optionals:
                    optional.append(len(elements))
                else:
                    builder.fault(place, "unsupported syntax '?'")
            else:
                element = self.expression(levels, relations, sums)
            height = element.height if element.height > height else height
            elements.append(element)
            if kinds[self.at] == ",":
                self.at += 1
            elif kinds[self.at] != "]":
                raise SyntaxFault
        self.at += 1
        return Parsed(LIST, number, offset, height, args=elements, value=tuple(optional))

    def _entries(
        self, levels: int, relations: int, sums: int, *, fields: bool
    ) -> list[tuple[int, int, Parsed, Parsed, bool]]:
        """The entries of a map or the fields of a message, and the brace after them."""
        kinds, starts, texts, builder = self.kinds, self.starts, self.texts, self.builder
        entries: list[tuple[int, int, Parsed, Parsed, bool]] = []
        if kinds[self.at] == ",":  # the grammar allows {,}
            self.at += 1
            self._expect("}")
            return entries
        while kinds[self.at] != "}":
            number = builder.number()
            optional = kinds[self.at] == "?"
            place = starts[self.at]
            self.at += optional
            if optional and not builder.optionals:
                builder.fault(place, "unsupported syntax '?'")
            if fields:
                kind, name = kinds[self.at], texts[self.at]
                if kind == QUOTED:
                    name = builder.quoted(name, place)
                elif kind != ID:
                    raise SyntaxFault
                key = Parsed(CONST, 0, starts[self.at], value=name)
                self.at += 1
            else:
                key = self.expression(levels, relations, sums)
            colon = starts[self.at]
            self._expect(":")
            entries.append((number, colon, key, self.expression(levels, relations, sums), optional))
            if kinds[self.at] == ",":
                self.at += 1
            elif kinds[self.at] != "}":
                raise SyntaxFault
        self.at += 1
        return entries

    def _expect(self, kind: str) -> None:
        if self.kinds[self.at] != kind:
            raise SyntaxFault
        self.at += 1
