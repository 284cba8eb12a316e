"""Terms as text: on one line where it fits, else a line for each operand, indented as it is nested."""

from __future__ import annotations

from typing import Final

from webhook.convert import celtext
from webhook.convert.simplify.terms import Term, bound, is_op

_WIDTH: Final = 100
_BINDS: Final = {
    "?:": 1, "||": 2, "&&": 3, **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 4), "+": 5, "-": 5,
    "*": 6, "/": 6, "%": 6, "!": 7,
}  # fmt: skip
_MEMBER: Final = 8


def shown(term: Term) -> str:
    """The text of a term."""
    return _broken(term, 0)


def flat(term: Term) -> str:
    """The text of a term on one line."""
    match term.kind:
        case "const":
            return celtext.literal(term.value)
        case "name":
            return term.name
        case "field" | "field?":
            return _member(term, _operand(term.args[0], _MEMBER))
        case "index" | "index?":
            return f"{_operand(term.args[0], _MEMBER)}[{'?' * term.kind.endswith('?')}{flat(term.args[1])}]"
        case "call":
            return f"{term.name}({_listed(term.args)})"
        case "method":
            return f"{_operand(term.args[0], _MEMBER)}.{term.name}({_listed(term.args[1:])})"
        case "list":
            return f"[{_listed(term.args)}]"
        case "map" | "struct":
            pairs = zip(term.args[::2], term.args[1::2], strict=True)
            return term.name + "{" + ", ".join(f"{_key(term, key)}: {flat(value)}" for key, value in pairs) + "}"
    if term.name == "?:":
        chooser, first, second = term.args
        return f"{_operand(chooser, 2)} ? {_operand(first, 2)} : {flat(second)}"
    if len(term.args) == 1:
        return f"{term.name}{_operand(term.args[0], 7)}"
    level = _BINDS[term.name]
    return f" {term.name} ".join(_operand(each, level, first=not at) for at, each in enumerate(term.args))


def _member(term: Term, operand: str) -> str:
    if celtext.is_name(term.name):
        return f"{operand}{'.?' if term.kind.endswith('?') else '.'}{term.name}"
    return f"{operand}[{'?' * term.kind.endswith('?')}{celtext.text(term.name)}]"


def _key(term: Term, key: Term) -> str:
    return str(key.value) if term.kind == "struct" else flat(key)


def _listed(args: tuple[Term, ...]) -> str:
    return ", ".join(map(flat, args))


def _loose(term: Term, level: int, *, first: bool = True) -> bool:
    """Whether a term needs parentheses as an operand of what binds at a level."""
    if term.kind == "const":
        return level == _MEMBER and type(term.value) in (int, float)
    if term.kind != "op":
        return False
    own = 7 if len(term.args) == 1 else _BINDS[term.name]
    return own < level or (own == level and not first and own != 7)


def _operand(term: Term, level: int, *, first: bool = True) -> str:
    return f"({flat(term)})" if _loose(term, level, first=first) else flat(term)


def _broken(term: Term, indent: int) -> str:
    line = flat(term)
    if len(line) + indent <= _WIDTH:
        return line
    inner, pad, back = indent + 2, "\n" + " " * (indent + 2), "\n" + " " * indent
    if is_op(term, "?:"):
        chooser, first, second = term.args
        return (
            f"{_inside(chooser, 2, indent)} ?{pad}{_inside(first, 2, inner)} :"
            f"{back if is_op(second, '?:') else pad}{_broken(second, indent if is_op(second, '?:') else inner)}"
        )
    if term.kind == "op" and len(term.args) == 1:
        return f"{term.name}{_inside(term.args[0], 7, indent)}"
    if term.kind == "op":
        level = _BINDS[term.name]
        operands = _chained(term) if term.name == "+" else term.args
        lines = [_inside(each, level, indent, first=not at) for at, each in enumerate(operands)]
        return f" {term.name}{back}".join(lines)
    if term.kind in ("method", "call") and term.args:
        rest = term.args[1:] if term.kind == "method" else term.args
        head = term.name
        if term.kind == "method":
            head = f"{_inside(term.args[0], _MEMBER, indent)}.{term.name}"
        if not rest:
            return f"{head}()"
        names = bound(term)
        start = "".join(f"{each.name}, " for each in rest[:names])[:-1]
        if names:
            return f"{head}({start}{pad}" + f",{pad}".join(_broken(each, inner) for each in rest[names:]) + f"{back})"
        if sum(len(flat(each)) for each in rest) + indent < _WIDTH:
            return f"{head}({_listed(rest)})"
        return f"{head}({pad}" + f",{pad}".join(_broken(each, inner) for each in rest) + f"{back})"
    if term.kind == "list":
        return f"[{pad}" + f",{pad}".join(_broken(each, inner) for each in term.args) + f"{back}]"
    if term.kind in ("map", "struct"):
        pairs = zip(term.args[::2], term.args[1::2], strict=True)
        lines = [f"{_key(term, key)}: {_broken(value, inner)}" for key, value in pairs]
        return f"{term.name}{{{pad}" + f",{pad}".join(lines) + f"{back}}}"
    if term.kind in ("field", "field?"):
        return _member(term, _inside(term.args[0], _MEMBER, indent))
    if term.kind in ("index", "index?"):
        return f"{_inside(term.args[0], _MEMBER, indent)}[{'?' * term.kind.endswith('?')}{flat(term.args[1])}]"
    return line


def _chained(term: Term) -> tuple[Term, ...]:
    """The operands of a sum, which is read from the left."""
    first, second = term.args
    return (*_chained(first), second) if is_op(first, "+") else (first, second)


def _inside(term: Term, level: int, indent: int, *, first: bool = True) -> str:
    if not _loose(term, level, first=first):
        return _broken(term, indent)
    line = f"({flat(term)})"
    pad = " " * (indent + 2)
    return line if len(line) + indent <= _WIDTH else f"(\n{pad}{_broken(term, indent + 2)}\n{' ' * indent})"
