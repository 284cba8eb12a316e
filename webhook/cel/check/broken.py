"""The errors in what could be parsed of source with syntax errors: reserved words, literals, macros.

A parse tree may lack any of its parts. The API server visits it after an error as it does without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.cel.check.lexing import BYTES, FLOAT, INT, STRING, UINT
from webhook.cel.check.nodes import BINARY, MAX_DEPTH, RESERVED, Builder, balanced
from webhook.cel.tree.parsed import CALL, CONST, FAULT, LIST, MAP, SELECT, STRUCT, Parsed


class TooManyLevels(Exception):
    """The tree is deeper than the API server allows."""


class Token:
    """A token. hidden: the blanks and comments before it. missing: it was inserted."""

    __slots__ = ("hidden", "kind", "missing", "offset", "text")

    def __init__(self, kind: str, offset: int, text: str, hidden: str = "", missing: bool = False) -> None:
        self.kind = kind
        self.offset = offset
        self.text = text
        self.hidden = hidden
        self.missing = missing


class Node:
    """A node of the parse tree. rule: its rule. name: the alternative. parts: what has a label."""

    __slots__ = ("begin", "name", "parts", "rule")

    def __init__(self, rule: str, begin: Token) -> None:
        self.rule = rule
        self.name = ""
        self.begin = begin
        self.parts: dict[str, Any] = {}

    def put(self, label: str, part: Token | Node) -> None:
        if label.endswith("+"):
            self.parts.setdefault(label[:-1], []).append(part)
        elif label:
            self.parts[label] = part


class Visitor:
    """Finds the other errors in what was parsed."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.depth = 0

    def nothing(self) -> Parsed:
        return Parsed(FAULT, self.builder.number(), 0)

    def visit(self, node: Node | None) -> Parsed:
        """The tree of a node."""
        node = _significant(node)
        if node is None:
            return self.nothing()
        counted = node.name in ("Binary", "Select", "MemberCall", "Index") or node.rule == "expr"
        if counted:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise TooManyLevels
        made = self._visited(node)
        self.depth -= counted
        return made

    def _visited(self, node: Node) -> Parsed:
        parts, builder = node.parts, self.builder
        match node.name or node.rule:
            case "start":
                return self.visit(parts.get("e"))
            case "expr":
                condition = self.visit(parts.get("e"))
                first, second = self.visit(parts.get("e1")), self.visit(parts.get("e2"))
                return Parsed(CALL, builder.number(), parts["op"].offset, name="_?_:_", args=[condition, first, second])
            case "conditionalOr" | "conditionalAnd" as rule:
                return self._chain(node, "||" if rule == "conditionalOr" else "&&")
            case "Binary":
                return self._binary(node)
            case "LogicalNot" | "Negate" as name:
                if len(parts["ops"]) % 2 == 0:
                    return self.visit(parts.get("member"))
                number, offset = builder.number(), parts["ops"][0].offset
                operand = self.visit(parts.get("member"))
                return Parsed(CALL, number, offset, name="!_" if name == "LogicalNot" else "-_", args=[operand])
            case "Select":
                return self._select(node)
            case "MemberCall":
                target = self.visit(parts["before"])
                if "id" not in parts:
                    return self.nothing()
                number, offset = self._numbered(parts.get("open"))
                args = self._all(parts.get("args"))
                return builder.expanded(number, offset, parts["id"].text, target, args, 0)
            case "Index":
                return self._index(node)
            case "Ident":
                if "id" not in parts:
                    return self.nothing()
                name = parts["id"]
                dotted = "leadingDot" in parts
                return builder.name(name.offset, name.text, dotted=dotted, at=node.begin.offset)
            case "GlobalCall":
                return self._call(node)
            case "CreateList":
                return self._list(node)
            case "CreateStruct":
                number, offset = self._numbered(parts.get("op"))
                entries = self._entries(parts.get("entries"))
                return Parsed(MAP, number, offset, args=entries)
            case "CreateMessage":
                number, offset = self._numbered(parts.get("op"))
                entries = self._fields(parts.get("entries"))
                return Parsed(
                    STRUCT, number, offset, name=".".join(each.text for each in parts.get("ids", ())), args=entries
                )
            case "Int" | "Uint" | "Double" | "String" | "Bytes" | "BoolTrue" | "BoolFalse" | "Null":
                return self._literal(node)
            case "unary":
                return Parsed(CONST, builder.number(), node.begin.offset, value="<<error>>")
        return self.nothing()

    def _numbered(self, token: Token | None) -> tuple[int, int]:
        return self.builder.number(), token.offset if token is not None else 0

    def _chain(self, node: Node, sign: str) -> Parsed:
        parts = node.parts
        terms = [self.visit(parts.get("e"))]
        signs: list[tuple[int, int]] = []
        rest = parts.get("e1", [])
        for place, sign_token in enumerate(parts["ops"]):
            if place >= len(rest):
                return self.builder.fault(node.begin.offset, f"unexpected character, wanted '{sign}'")
            terms.append(self.visit(rest[place]))
            signs.append(self._numbered(sign_token))
        return balanced(f"_{sign}_", terms, signs)

    def _binary(self, node: Node) -> Parsed:
        sign = node.parts.get("op")
        found = BINARY.get(sign.text) if sign is not None else None
        if found is None:
            return self.builder.fault(node.begin.offset, "operator not found")
        left = self.visit(node.parts["before"])
        number, offset = self._numbered(sign)
        right = self.visit(node.parts.get("right"))
        return Parsed(CALL, number, offset, name=found[1], args=[left, right])

    def _name(self, node: Node | None) -> str | None:
        """The name of a field; None if there is none, which has been reported."""
        token = node.parts.get("id") if node is not None else None
        if node is None or not node.name:
            return None
        if token is None:
            return ""
        if node.name == "SimpleIdentifier":
            return str(token.text)
        return self.builder.quoted(token.text, token.offset)

    def _select(self, node: Node) -> Parsed:
        parts, builder = node.parts, self.builder
        operand = self.visit(parts["before"])
        if "id" not in parts or "op" not in parts:
            return self.nothing()
        field, dot = parts["id"], parts["op"].offset
        name = self._name(field)
        if name is None:
            builder.fault(field.begin.offset, "unsupported ident kind")
        if "opt" not in parts:
            return Parsed(SELECT, builder.number(), dot, name=name or "", target=operand)
        if not builder.optionals:
            return builder.fault(dot, "unsupported syntax '.?'")
        constant = Parsed(CONST, builder.number(), field.begin.offset, value=name or "")
        return Parsed(CALL, builder.number(), dot, name="_?._", args=[operand, constant])

    def _index(self, node: Node) -> Parsed:
        parts, builder = node.parts, self.builder
        target = self.visit(parts["before"])
        if "op" not in parts:
            return self.nothing()
        number, offset = self._numbered(parts["op"])
        index = self.visit(parts.get("index"))
        if "opt" in parts and not builder.optionals:
            return builder.fault(offset, "unsupported syntax '[?'")
        return Parsed(CALL, number, offset, name="_[?_]" if "opt" in parts else "_[_]", args=[target, index])

    def _call(self, node: Node) -> Parsed:
        parts, builder = node.parts, self.builder
        if "id" not in parts:
            return self.nothing()
        name = parts["id"].text
        if name in RESERVED:
            return builder.fault(node.begin.offset, f"reserved identifier: {name}")
        number, offset = self._numbered(parts.get("op"))
        args = self._all(parts.get("args"))
        return builder.expanded(number, offset, f".{name}" if "leadingDot" in parts else name, None, args, 0)

    def _all(self, node: Node | None) -> list[Parsed]:
        return [self.visit(each) for each in node.parts.get("e", ())] if node is not None else []

    def _list(self, node: Node) -> Parsed:
        number, offset = self._numbered(node.parts.get("op"))
        inner = node.parts.get("elems")
        elements: list[Parsed] = []
        for each in inner.parts.get("elems", ()) if inner is not None else ():
            elements.append(self.visit(each.parts.get("e")))
            if "opt" in each.parts and not self.builder.optionals:
                self.builder.fault(each.parts["opt"].offset, "unsupported syntax '?'")
        return Parsed(LIST, number, offset, args=elements, value=())

    def _rows(self, node: Node | None) -> Iterator[tuple[Node, Token | None, Node | None]]:
        if node is None:
            return
        columns, values = node.parts.get("cols", []), node.parts.get("values", [])
        for place, key in enumerate(node.parts.get("keys", [])):
            column = columns[place] if place < len(columns) else None
            yield key, column, values[place] if place < len(values) else None

    def _entries(self, node: Node | None) -> list[tuple[int, int, Parsed, Parsed, bool]]:
        made: list[tuple[int, int, Parsed, Parsed, bool]] = []
        for key, column, value in self._rows(node):
            if column is None:
                break
            if value is None:
                return []
            number, offset = self._numbered(column)
            if "opt" in key.parts and not self.builder.optionals:
                self.builder.fault(key.begin.offset, "unsupported syntax '?'")
                continue
            name = self.visit(key.parts.get("e"))
            made.append((number, offset, name, self.visit(value), "opt" in key.parts))
        return made

    def _fields(self, node: Node | None) -> list[tuple[int, int, Parsed, Parsed, bool]]:
        made: list[tuple[int, int, Parsed, Parsed, bool]] = []
        for key, column, value in self._rows(node):
            if column is None or value is None:
                return []
            number, offset = self._numbered(column)
            if "opt" in key.parts and not self.builder.optionals:
                self.builder.fault(key.begin.offset, "unsupported syntax '?'")
                continue
            name = self._name(key.parts.get("id"))
            if name is None:
                self.builder.fault(node.begin.offset if node is not None else 0, "unsupported ident kind")
                continue
            field = Parsed(CONST, 0, key.begin.offset, value=name)
            made.append((number, offset, field, self.visit(value), "opt" in key.parts))
        return made

    def _literal(self, node: Node) -> Parsed:
        kinds = {"Int": INT, "Uint": UINT, "Double": FLOAT, "String": STRING, "Bytes": BYTES}
        token = node.parts.get("tok")
        if token is None or token.missing:
            return self.nothing()
        kind = kinds.get(node.name)
        if kind is None:
            return Parsed(CONST, self.builder.number(), node.begin.offset, value=None)
        sign = "-" if "minus" in node.parts else ""
        return self.builder.literal(kind, token.text, node.begin.offset, sign)


def _significant(node: Node | None) -> Node | None:
    """The first node, from a node down its left side, that is more than its only part."""
    while node is not None:
        parts = node.parts
        match node.name or node.rule:
            case "expr":
                if "op" in parts:
                    return node
                node = parts.get("e")
            case "conditionalOr" | "conditionalAnd":
                if parts.get("ops"):
                    return node
                node = parts.get("e")
            case "relation":
                node = parts.get("calc")
            case "calc":
                node = parts.get("unary")
            case "MemberExpr":
                node = parts.get("member")
            case "member":
                node = parts.get("primary")
            case "Nested":
                node = parts.get("e")
            case "ConstantLiteral":
                node = parts.get("literal")
            case _:
                return node
    return None
