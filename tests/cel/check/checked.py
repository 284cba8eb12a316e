"""The results of parser and checker for an expression, beside the API server's: trees and errors as JSON."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from tests import goprograms
from webhook.cel import CompileError, Environment
from webhook.cel.check.checking import Checker
from webhook.cel.check.lexing import first_token
from webhook.cel.check.literals import check_literals
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
)
from webhook.cel.tree.parsed import CALL, Parsed
from webhook.cel.tree.stack import deep_stack
from webhook.cel.value.numbers import UInt
from webhook.cel.value.wellknown import NULL_VALUE
from webhook.policy.cel.declared import base_environment

TYPES = {
    "x": "dyn",
    "y": "dyn",
    "object": "dyn",
    "i": "int",
    "u": "uint",
    "d": "double",
    "b": "bool",
    "s": "string",
    "by": "bytes",
    "t": "timestamp",
    "du": "duration",
    "nu": "null",
    "l": "list(int)",
    "ls": "list(string)",
    "ld": "list(dyn)",
    "ll": "list(list(int))",
    "m": "map(string, int)",
    "md": "map(string, dyn)",
    "ty": "type(int)",
    "variables.foo": "string",
    "variables.bar": "list(int)",
    "o": "optional_type(int)",
    "q": "kubernetes.Quantity",
}
"""The variables of the program in ../kubernetes/checking.go, beside request, namespaceObject and authorizer."""

ENVIRONMENT = base_environment(with_params=False).extend({name: types.parse(each) for name, each in TYPES.items()})


def asked(program: Path, expressions: Iterable[str]) -> list[dict[str, Any]]:
    """The API server's answers: {"tree"} or {"errors", "text"}."""
    return goprograms.answers(program, ({"expression": each} for each in expressions), "check")


def outcome(expression: str, environment: Environment = ENVIRONMENT) -> dict[str, Any]:
    """Our answer, in the form of `theirs`."""
    try:
        tree = environment._checker().check(expression)
        check_literals(expression, tree)
    except CompileError as error:
        return {"errors": [[each.line, each.column, each.message] for each in error.issues]}
    return {"tree": written(tree)}


def theirs(answer: dict[str, Any]) -> dict[str, Any]:
    """The API server's answer without overloads, and its errors with columns from 1 and without its container."""
    if "tree" in answer:
        return {"tree": _plain(answer["tree"])}
    return {
        "errors": [
            [max(line, 1), max(column, 1), text.removesuffix(" (in container '')")]
            for line, column, text in answer["errors"]
        ]
    }


def choices(program: Path) -> Callable[[str, dict[str, Any]], tuple[Any, Any]]:
    """Compares the overloads that both checkers chose, by what they declare: (expression, the API server's answer) ->
    the number of each call's node -> its overloads, of ours and of theirs."""
    (answer,) = asked(program, [""])
    names = ENVIRONMENT._checker()._names
    ours = {
        each.id: declared(name, each.member, "; ".join(map(str, each.params)))
        for name, overloads in names.functions.items()
        for each in overloads
    }
    theirs = {
        overload: declared(name, member, arguments)
        for name, overloads in sorted(answer["functions"].items(), reverse=True)  # @in is declared as `in`, too
        for overload, member, arguments, _ in overloads
    }

    def compared(expression: str, answer: dict[str, Any]) -> tuple[Any, Any]:
        mine, other = chosen(expression), their_choice(answer)
        return (
            {number: sorted(ours[each] for each in ids) for number, ids in mine.items()},
            {number: sorted(theirs[each] for each in ids) for number, ids in other.items()},
        )

    return compared


def declared(name: str, member: bool, arguments: str) -> str:
    """What an overload declares, with its type parameters by their order."""
    order: dict[str, str] = {}
    known = re.sub(r"\b[A-Z]\b", lambda match: order.setdefault(match[0], f"T{len(order)}"), arguments)
    return f"{name}({known}){' of its receiver' if member else ''}"


def chosen(expression: str, environment: Environment = ENVIRONMENT) -> dict[int, list[str]]:
    """The overloads that our checker chose for each call: the number of its node -> their ids."""
    frontend = environment._checker()
    found: dict[int, list[str]] = {}
    with deep_stack(expression):
        parsed = frontend._parsed(expression)
        Checker(frontend._names).check(parsed)
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        if node.kind == CALL and hasattr(node, "overloads"):
            found[node.id] = sorted(node.overloads)
        if node.target is not None:
            waiting.append(node.target)
        for each in node.args:
            waiting += [part for part in each if isinstance(part, Parsed)] if isinstance(each, tuple | list) else [each]
    return found


def their_choice(answer: dict[str, Any]) -> dict[int, list[str]]:
    """The same of the API server's answer, whose tree has the overloads of each node. `.?` has only one."""
    found: dict[int, list[str]] = {}
    waiting = [answer["tree"]]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            if len(each) > 5 and isinstance(each[3], list) and each[3] and each[4] == "call" and each[5] != "_?._":
                found[each[0]] = sorted(each[3])
            waiting += each
    return found


def _plain(tree: Any) -> Any:
    if not isinstance(tree, list):
        return tree
    if len(tree) > 4 and isinstance(tree[0], int) and isinstance(tree[2], str) and isinstance(tree[3], list):
        # The name of an optional field is a constant that is not checked.
        declared = tree[2] or ("string" if tree[4] == "const" else "")
        tree = [tree[0], tree[1], declared, *tree[4:]]
        if tree[4] == NULL_VALUE:  # the one constant with a name, which our tree has as its value
            tree[3:] = ["const", "int 0"]
    return [_plain(each) for each in tree]


def written(node: Expr) -> list[Any]:
    """A tree in the form of the API server's: [id, offset, type, kind, …]."""
    head: list[Any] = [node.id, node.offset, str(node.type)]
    match node:
        case Const():
            return [*head, "const", _constant(node.value)]
        case Ident():
            return [*head, "ident", node.name]
        case Select():
            return [*head, "select", written(node.operand), node.field, node.test]
        case Call():
            return [*head, "call", node.function, node.member, [written(each) for each in node.args]]
        case ListLiteral():
            return [*head, "list", [written(each) for each in node.elements], sorted(node.optional)]
        case StructLiteral():
            fields = [[getattr(e.key, "value", ""), written(e.value), e.optional] for e in node.entries]
            return [*head, "struct", node.name, fields]
        case MapLiteral():
            return [*head, "map", [[written(e.key), written(e.value), e.optional] for e in node.entries]]
        case Comprehension():
            return [*head, "fold", node.var, node.var2, node.accu, [written(each) for each in children(node)]]


def _constant(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"bool {str(value).lower()}"
        case UInt():
            return f"uint {int(value)}"
        case int():
            return f"int {value}"
        case float():
            return f"double {struct.unpack('>Q', struct.pack('>d', value))[0]:x}"
        case bytes():
            return f"bytes {value.hex()}"
    return f"string {value}"


_INSERTED = (
    *("(", ")", "[", "]", "{", "}", ".", ",", "-", "!", "?", ":", "+", "*", "/", "%", "&&", "||", "==", "<", "in"),
    *("true", "null", "1", "1u", "1.5", "'a'", "b'a'", "x", "as", "for", "`a`", "has(", "all(", ".map(", "0x", "1e"),
    *("&", "|", "=", "#", "@", "'", '"', "'''", "\\", "é", "r'", "é'", "===", "\n", "\t", "//c\n", " ", "\r\n"),
)


class Broken:
    """Makes expressions that are nearly right: tokens of others left out, repeated, exchanged, put in. seed: the same
    gives the same ones."""

    def __init__(self, seed: int, sources: list[str]) -> None:
        self._random = Random(seed)
        self._sources = sources

    def one(self) -> str:
        random = self._random
        parts = _parts(random.choice(self._sources))
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            if not parts:
                break
            place, kind = random.randrange(len(parts)), random.random()
            if kind < 0.3:
                del parts[place]
            elif kind < 0.6:
                parts.insert(place, random.choice(_INSERTED))
            elif kind < 0.75:
                parts[place] = random.choice(_INSERTED)
            elif kind < 0.85:
                del parts[place:]
            elif kind < 0.95:
                other = random.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
            else:
                parts.insert(place, random.choice(parts))
        return "".join(parts)


def _parts(source: str) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(source):
        blank, token = first_token(source, place)
        text = blank + (token[1] if token else source[place + len(blank) : place + len(blank) + 1])
        found.append(text)
        place += len(text) or 1
    return found


_NAMED = re.compile(r"\bx(?:\.\w+)?\b")


def typed(seed: int, expressions: Iterable[str]) -> list[str]:
    """The expressions with variables of other types in place of x and its fields."""
    random = Random(seed)
    names = [*TYPES, "request", "request.userInfo", "namespaceObject.metadata.labels"]
    return [_NAMED.sub(lambda _: random.choice(names), each) for each in expressions]
