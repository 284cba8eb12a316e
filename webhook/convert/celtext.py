"""Writes CEL: literals, fields, conjunctions, and comparisons of text with wildcards.

Every text of a foreign policy that enters an expression is quoted here, as a literal or a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from webhook.convert.model import Unsupported
from webhook.lazypatterns import lazily

_NAME: Final = lazily(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN: Final = lazily(r"'(?P<text>[^'\\]*)'")
_RESERVED: Final = frozenset({"in", "true", "false", "null"})
_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WIDTH: Final = 100  # columns of an expression, before its terms get a line each
_WORD: Final = 40
_DEEPEST: Final = 24
"""The most nested levels of a literal. Kubernetes' parser refuses literals that are much deeper."""
SCALARS: Final = ("string", "int", "double", "bool")


def text(value: str) -> str:
    """A text as a literal in single quotes."""
    return "'" + "".join(_ESCAPES.get(each) or _printable(each) for each in value) + "'"


def _printable(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def constant(expression: str) -> str | None:
    """The text of an expression that is one literal without escapes, else None."""
    found = _PLAIN.fullmatch(expression)
    return found["text"] if found else None


def literal(value: Any, depth: int = 0) -> str:
    """A JSON value as a literal. Items of different types are wrapped in dyn(): Kubernetes refuses mixed lists."""
    if depth > _DEEPEST:
        raise Unsupported(f"a value of more than {_DEEPEST} levels")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    items = list(value.values()) if isinstance(value, dict) else value
    written = [literal(each, depth + 1) for each in items]
    if len({type(each) for each in items}) > 1 or any(isinstance(each, dict | list) for each in items):
        written = [f"dyn({each})" for each in written]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(key)}: {each}" for key, each in zip(value, written, strict=True)) + "}"
    return "[" + ", ".join(written) + "]"


def is_name(key: str) -> bool:
    """Whether a key can follow a dot."""
    return _NAME.fullmatch(key) is not None and key not in _RESERVED


def select(subject: str, key: str) -> str:
    """The value of a key that is present."""
    return f"{subject}.{key}" if is_name(key) else f"{subject}[{text(key)}]"


def has(subject: str, key: str) -> str:
    """Whether a key is present."""
    return f"has({subject}.{key})" if is_name(key) else f"{text(key)} in {subject}"


def optional(subject: str, *keys: str) -> str:
    """A chain of optional fields: an optional value."""
    return subject + "".join(f".?{key}" if is_name(key) else f"[?{text(key)}]" for key in keys)


def conjunction(terms: Iterable[str]) -> str:
    """The terms joined by &&, each enclosed where it must be; "true" if there are none."""
    return _joined(terms, "&&", "true")


def disjunction(terms: Iterable[str]) -> str:
    """The terms joined by ||, each enclosed where it must be; "false" if there are none."""
    return _joined(terms, "||", "false")


def _joined(terms: Iterable[str], operator: str, empty: str) -> str:
    kept = [each for each in terms if each != ("true" if operator == "&&" else "false")]
    if not kept:
        return empty
    if len(kept) == 1:
        return kept[0]
    enclosed = [enclose(each, operator) for each in dict.fromkeys(kept)]
    line = f" {operator} ".join(enclosed)
    return line if len(line) <= _WIDTH else f" {operator}\n".join(enclosed)


def enclose(term: str, within: str = "") -> str:
    """The term, in parentheses if its operators bind less tightly than `within`; without `within`, if it has any."""
    if len(term) < _WORD and is_name(term):
        return term
    operators = _outer(term)
    loose = {"&&": {"||", "?"}, "||": {"?"}}.get(within, operators)
    return f"({term})" if operators & loose else term


def negation(term: str) -> str:
    """The opposite of a term."""
    if term in ("true", "false"):
        return "false" if term == "true" else "true"
    if term.startswith("!") and not _outer(term):
        inner = term[1:]
        return inner[1:-1] if inner.startswith("(") and _closing(inner) == len(inner) - 1 else inner
    return f"!{term}" if not _outer(term) else f"!({term})"


def implies(condition: str, consequence: str) -> str:
    """The implication: the consequence holds if the condition does."""
    if condition == "true" or consequence == "true":
        return consequence
    return disjunction([negation(condition), consequence])


def _closing(term: str) -> int:
    """The offset of the parenthesis that closes the first one in the text."""
    depth = 0
    for offset, character in _code(term):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return offset
    return -1


def embedded(expression: str) -> str:
    """A foreign expression without comments, so that another one can contain it. Raises Unsupported if that fails."""
    depth, kept, end = 0, [], 0
    for offset, character in _code(expression):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            break
        if character == "/" and expression.startswith("//", offset) and offset >= end:
            kept.append(expression[end:offset])
            line = expression.find("\n", offset)
            end = len(expression) if line < 0 else line
    if depth:
        raise Unsupported("an expression whose parentheses do not match")
    return "".join([*kept, expression[end:]]).strip()


def _code(term: str) -> Iterable[tuple[int, str]]:
    """The characters outside text literals and comments, and the first character of each comment."""
    offset = 0
    while offset < len(term):
        character = term[offset]
        if character in "'\"":
            offset = _after_text(term, offset)
            continue
        yield offset, character
        if character == "/" and term.startswith("//", offset):
            line = term.find("\n", offset)
            offset = len(term) if line < 0 else line
        else:
            offset += 1


def _after_text(term: str, start: int) -> int:
    """The offset after the text literal that begins with the quote at an offset."""
    quote = term[start] * 3 if term.startswith(term[start] * 3, start) else term[start]
    raw = (
        start > 0 and term[start - 1] in "rR" and (start < 2 or not is_name(term[start - 2]) or term[start - 2] in "bB")
    )
    offset = start + len(quote)
    while offset < len(term) and not term.startswith(quote, offset):
        offset += 2 if term[offset] == "\\" and not raw else 1
    return offset + len(quote)


def _outer(term: str) -> set[str]:
    """The binary operators of a term outside parentheses; `?` stands for a conditional."""
    found: set[str] = set()
    depth = 0
    for offset, character in _code(term):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth == 0:
            pair = term[offset : offset + 2]
            if pair in ("&&", "||", "==", "!=", "<=", ">="):
                found.add(pair)
            elif character == "?" and term[offset - 1 : offset] != ".":
                found.add("?")
            elif character in "<>+*/%" or (character == "-" and offset and term[offset - 1] == " "):
                found.add(character)
            elif term[offset : offset + 4] == " in ":
                found.add("in")
    return found


def scalar(subject: str) -> str:
    """Whether a value is text, a number or a boolean."""
    return "(" + " || ".join(f"type({subject}) == {each}" for each in SCALARS) + ")"


def regular_expression(pattern: str) -> str:
    """The regular expression of a text with wildcards: * any characters, ? exactly one."""
    parts = ["^"]
    for piece in re.split(r"([*?])", pattern):
        parts.append({"*": "(?s:.*)", "?": "(?s:.)"}.get(piece) or _quoted(piece))
    return "".join([*parts, "$"])


def _quoted(piece: str) -> str:
    return "".join("\\" + each if each in r"\.+*?()[]{}^$|" else each for each in piece)


def is_wild(pattern: str) -> bool:
    """Whether a text has wildcards."""
    return "*" in pattern or "?" in pattern


def matches(pattern: str, value: str) -> bool:
    """Whether a value matches a pattern with wildcards. Each piece between `*` is matched at the first place where it
    fits."""
    first, *rest = pattern.split("*")
    if not rest:
        return len(value) == len(first) and _fits(first, value)
    last = rest.pop()
    end = len(value) - len(last)
    if end < len(first) or not _fits(first, value) or not _fits(last, value[end:]):
        return False
    at = len(first)
    for piece in rest:
        at = next((each for each in range(at, end - len(piece) + 1) if _fits(piece, value[each:end])), -1)
        if at < 0:
            return False
        at += len(piece)
    return True


def _fits(piece: str, value: str) -> bool:
    """Whether a text begins with a piece, in which ? matches any character."""
    return len(piece) <= len(value) and all(a in ("?", b) for a, b in zip(piece, value, strict=False))


def like(subject: str, pattern: str) -> str:
    """Whether a text matches a text with wildcards."""
    if not is_wild(pattern):
        return f"{subject} == {text(pattern)}"
    if set(pattern) == {"*"}:
        return "true"
    if pattern in ("?*", "*?"):
        return f"{subject} != ''"
    inner = pattern.strip("*")
    if inner and not is_wild(inner):
        if pattern == f"{inner}*":
            return f"{subject}.startsWith({text(inner)})"
        if pattern == f"*{inner}":
            return f"{subject}.endsWith({text(inner)})"
        if pattern == f"*{inner}*":
            return f"{subject}.contains({text(inner)})"
    return f"{subject}.matches({text(regular_expression(pattern))})"


def like_written(subject: str, patterns: str) -> str:
    """Whether a text matches one of the patterns in a list. patterns: an expression for the list, whose values are
    known at evaluation."""
    # \Q…\E quotes what is between wildcards.
    escaped = r"w.replace('\\E', '\\E\\\\E\\Q').replace('?', '\\E.\\Q').replace('*', '\\E.*\\Q')"
    expression = rf"'(?s)^\\Q' + {escaped} + '\\E$'"
    return f"{patterns}.exists(w, string({subject}).matches({expression}))"


def like_any(subject: str, patterns: Sequence[str]) -> str:
    """Whether a text matches one of several texts with wildcards."""
    plain = [each for each in patterns if not is_wild(each)]
    terms = [like(subject, each) for each in patterns if is_wild(each)]
    if "true" in terms:
        return "true"
    if len(plain) == 1:
        terms.insert(0, like(subject, plain[0]))
    elif plain:
        terms.insert(0, f"{subject} in {literal(plain)}")
    return disjunction(terms)
