"""Advice for idioms of other languages, and of other CEL environments, that Kubernetes' CEL does not have.

The checker only reports that a name, an operator or an overload does not exist. Each table maps an idiom to the advice
that is appended to the checker's message. The advice only names features of every supported Kubernetes version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from webhook.cel.check.frontend import LITERAL_OR_COMMENT
from webhook.cel.tree.errors import Issue, issue_at, offset_of
from webhook.lazypatterns import lazily

_CONDITION = "CONDITION ? A : B"
_NO_MATH = "Kubernetes' CEL has no math library"
_NO_CLOCK = "policies cannot read a clock"
_NO_BASE64 = "Kubernetes' CEL has no base64; data of a Secret stays encoded"
_PRESENT = "write has(object.FIELD)"
_EMPTY = "write size(VALUE) == 0"
_LOWER, _UPPER = "write VALUE.lowerAscii()", "write VALUE.upperAscii()"
_JOINED = "lists are joined by A + B"
_DEFAULT = "write has(object.FIELD) ? object.FIELD : DEFAULT"
_NULL = "write null"
_BEGINS = "write object.{name}: the object under review is the variable object"

MACROS: Final = {
    "forall": "write LIST.all(x, CONDITION)",
    "every": "write LIST.all(x, CONDITION)",
    "each": "write LIST.all(x, CONDITION)",
    "any": "write LIST.exists(x, CONDITION)",
    "some": "write LIST.exists(x, CONDITION)",
    "none": "write !LIST.exists(x, CONDITION)",
    "one": "write LIST.exists_one(x, CONDITION)",
    "find": "write LIST.filter(x, CONDITION)[0], or LIST.exists(x, CONDITION)",
    "count": "write LIST.filter(x, CONDITION).size()",
    "select": "write LIST.filter(x, CONDITION)",
    "where": "write LIST.filter(x, CONDITION)",
    "foreach": "write LIST.all(x, CONDITION), or LIST.map(x, VALUE)",
    "flatMap": "write LIST.map(x, LIST_OF_X), and flatten() where the target has it",
    "reduce": "CEL has no reduce; a list of numbers has sum(), min() and max()",
    "fold": "CEL has no fold; a list of numbers has sum(), min() and max()",
}
"""Methods of lists in other languages that bind a name."""

METHODS: Final = {
    "length": "write size(VALUE)",
    "len": "write size(VALUE)",
    "count": "write size(LIST)",
    "toLowerCase": _LOWER,
    "toLower": _LOWER,
    "lower": _LOWER,
    "toUpperCase": _UPPER,
    "toUpper": _UPPER,
    "upper": _UPPER,
    "strip": "write VALUE.trim()",
    "toString": "write string(VALUE)",
    "isEmpty": _EMPTY,
    "empty": _EMPTY,
    "has": "write KEY in MAP, or has(MAP.KEY)",
    "hasKey": "write KEY in MAP, or has(MAP.KEY)",
    "containsKey": "write KEY in MAP, or has(MAP.KEY)",
    "get": "write VALUE[KEY]",
    "keys": "a macro over a map goes over its keys: MAP.map(k, k)",
    "values": "write MAP.map(k, MAP[k])",
    "concat": _JOINED,
    "append": _JOINED,
    "push": _JOINED,
    "match": "write TEXT.matches(PATTERN)",
    "default": _DEFAULT,
    "includes": "write ELEMENT in LIST",
    "flat": "write LIST.flatten() where the target has it",
    "unique": "write LIST.distinct() where the target has it",
}

FUNCTIONS: Final = {
    "len": "write size(VALUE)",
    "length": "write size(VALUE)",
    "count": "write size(LIST)",
    "lower": _LOWER,
    "upper": _UPPER,
    "max": "write [A, B].max()",
    "min": "write [A, B].min()",
    "sum": "write LIST.sum()",
    "abs": f"{_NO_MATH}; write A < 0 ? -A : A",
    "any": "write LIST.exists(x, CONDITION)",
    "all": "write LIST.all(x, CONDITION)",
    "exists": _PRESENT,
    "isset": _PRESENT,
    "defined": _PRESENT,
    "hasKey": "write KEY in MAP, or has(MAP.KEY)",
    "empty": _EMPTY,
    "isEmpty": _EMPTY,
    "default": _DEFAULT,
    "coalesce": _DEFAULT,
    "str": "write string(VALUE)",
    "toString": "write string(VALUE)",
    "parseInt": "write int(VALUE)",
    "float": "write double(VALUE)",
    "typeof": "write type(VALUE)",
    "not": "write !CONDITION",
    "now": _NO_CLOCK,
    "uuid": "policies cannot make anything random",
    "rand": "policies cannot make anything random",
    "base64": _NO_BASE64,
}

NAMESPACES: Final = {
    "math": {
        "greatest": f"{_NO_MATH}; write [A, B].max()",
        "least": f"{_NO_MATH}; write [A, B].min()",
        "max": f"{_NO_MATH}; write [A, B].max()",
        "min": f"{_NO_MATH}; write [A, B].min()",
        "abs": f"{_NO_MATH}; write A < 0 ? -A : A",
        "": _NO_MATH,
    },
    "cel": {
        "bind": "Kubernetes' CEL has no bindings; declare it under spec.variables and write variables.NAME, "
        "or [VALUE].all(x, CONDITION)",
        "": "Kubernetes' CEL has no such library",
    },
    "base64": {"": _NO_BASE64},
    "regex": {"": "write TEXT.matches(PATTERN), TEXT.find(PATTERN) or TEXT.findAll(PATTERN)"},
    "re": {"": "write TEXT.matches(PATTERN), TEXT.find(PATTERN) or TEXT.findAll(PATTERN)"},
    "strings": {"": "these are methods of strings: TEXT.NAME(…)"},
    "time": {"": _NO_CLOCK},
    "timestamp": {"": _NO_CLOCK},
    "Math": {"": _NO_MATH},
    "json": {"": "Kubernetes' CEL reads no JSON"},
    "sets": {
        "union": "write A + B",
        "intersection": "write A.filter(x, x in B)",
        "difference": "write A.filter(x, !(x in B))",
    },
}
"""Namespaces that Kubernetes does not have, or not with these functions: function -> advice; "" for any other one."""

NAMES: Final = {
    **dict.fromkeys(("nil", "None", "none", "NULL", "Null", "undefined", "nullptr"), _NULL),
    **dict.fromkeys(("True", "TRUE"), "write true"),
    **dict.fromkeys(("False", "FALSE"), "write false"),
    **{name: _BEGINS.format(name=name) for name in ("spec", "metadata", "status", "data")},
    **dict.fromkeys(("self", "this", "resource", "input"), "the object under review is the variable object"),
}
"""Names that are used like variables."""

REQUEST_FIELDS: Final = {
    "object": "the object under review is the variable object",
    "oldObject": "the object as it was is the variable oldObject",
    "user": "write request.userInfo.username",
    "username": "write request.userInfo.username",
}


def _applied(function: str, arguments: str) -> str:
    return rf"found no matching overload for '{re.escape(function)}' applied to '\({arguments}\)'"


def _called(method: str, receiver: str, arguments: str) -> str:
    return rf"found no matching overload for '{method}' applied to '{receiver}\.\({arguments}\)'"


_OPAQUE = r"kubernetes\.(?:Quantity|Semver)"
_ORDER = r"_(?:<|<=|>|>=)_"
_NUMBERS = "(?:int|uint|double)"
# These patterns are not compiled in advance, as most runs have no error.
_OVERLOADS: Final[Sequence[tuple[str, str]]] = (
    (_called("contains", r"list\(.*\)", ".*"), "contains() is a method of strings; for a list, write ELEMENT in LIST"),
    (_called("contains", r"map\(.*\)", ".*"), "contains() is a method of strings; for a map, write KEY in MAP"),
    (
        rf"found no matching overload for '{_ORDER}' applied to '\((?P<a>{_OPAQUE}), (?P=a)\)'",
        "write A.isLessThan(B), A.isGreaterThan(B), or A.compareTo(B) <= 0",
    ),
    (
        rf"found no matching overload for '(?:{_ORDER}|_[!=]=_)' applied to '\(kubernetes\.Quantity, .*\)'",
        "a quantity is compared with a quantity: A.compareTo(quantity('1')) <= 0",
    ),
    (
        rf"found no matching overload for '(?:{_ORDER}|_[!=]=_)' applied to '\(.*, kubernetes\.Quantity\)'",
        "a quantity is compared with a quantity: quantity(A).compareTo(B) <= 0",
    ),
    (
        rf"found no matching overload for '(?:{_ORDER}|_[!=]=_)' applied to '\(kubernetes\.Semver, .*\)'",
        "a version is compared with a version: A.compareTo(semver('1.2.3')) <= 0",
    ),
    (
        r"found no matching overload for '_[-+]_' applied to '\(kubernetes\.Quantity, .*\)'",
        "write A.add(B) or A.sub(B)",
    ),
    (
        r"found no matching overload for '_[!=]=_' applied to '\(net\.(?P<type>IP|CIDR), string\)'",
        "compare string(A) with the text, or A with ip('…') or cidr('…')",
    ),
    (
        _applied("@in", "string, string"),
        "in works on lists and maps; for strings, write TEXT.contains(PART)",
    ),
    (_applied("@in", r"bool, (?:list|map)\(.*\)"), "! binds tighter than in; write !(ELEMENT in LIST)"),
    (_applied("_+_", r"string, .*"), "convert what is not a string with string(VALUE)"),
    (_applied("_+_", r".*, string"), "convert what is not a string with string(VALUE)"),
    (_applied("_%_", r"string, .*"), "write 'TEXT %s'.format([VALUE])"),
    (
        rf"found no matching overload for '_[-+*/%]_' applied to '\({_NUMBERS}, {_NUMBERS}\)'",
        "CEL does not mix number types; convert one with int(…) or double(…)",
    ),
    (
        r"expected type 'bool' but found '(?:string|list\(.*\))'",
        "both sides must be conditions; to compare with several values, write VALUE in ['a', 'b']",
    ),
    (
        r"found no matching overload for '_[!=]=_' applied to '\(type\(.*\), string\)'",
        "a type is written without quotes: type(VALUE) == string",
    ),
    (
        r"found no matching overload for '[^']+' applied to '\(?optional_type\(.*\).*\)'",
        "it is an optional; write VALUE.orValue(DEFAULT)",
    ),
    (_applied("_[_]", "string, int"), "write TEXT.charAt(INDEX)"),
    (_applied("!_", "string|int|dyn"), "! negates conditions only; compare instead, such as VALUE == ''"),
    (_called("format", "string", "(?!list).*"), "write 'TEXT %s'.format([VALUE])"),
    (
        r"type '(?:list\(.*\)|string)' does not support field selection",
        "it has no fields; its length is size(VALUE)",
    ),
    (r"invalid argument to has\(\) macro", "write has(object.FIELD), or KEY in MAP"),
)

_BLANK = lazily(r"\s*")
_COUNTED_MESSAGE = lazily(r"found no matching overload for '(\w+)'")
_SYNTAX_ERRORS = ("Syntax error", "reserved identifier")
_COUNTED: Final = {
    "all": "write LIST.all(x, CONDITION): a name for the element, and what holds of it",
    "exists": "write LIST.exists(x, CONDITION); whether a field is there is has(object.FIELD)",
    "exists_one": "write LIST.exists_one(x, CONDITION)",
    "filter": "write LIST.filter(x, CONDITION)",
    "map": "write LIST.map(x, VALUE)",
    "has": "write has(object.FIELD)",
    "find": MACROS["find"],
}
"""Advice for macros and functions that are called with a wrong number of arguments."""

_MACRO = "a macro is given a name and an expression: LIST.all(x, CONDITION)"

# Text that no CEL parser accepts outside of literals. The first match counts.
_NO_SYNTAX: Final[Sequence[tuple[str, str]]] = (
    (r"(?<![&])&(?![&])", "write && instead of &"),
    (r"(?<![|])\|(?![|])", "write || instead of |"),
    (r"===", "write == instead of ==="),
    (r"!==", "write != instead of !=="),
    (r"=~|!~|~", "write TEXT.matches(PATTERN)"),
    (r"->", _MACRO),
    (r"(?<=[({])\s*\w+\s*(?P<at>=>)|\(\s*\w+\s*\)\s*(?P<at2>=>)", _MACRO),
    (r"=>", "write >= instead of =>"),
    (r"=<", "write <= instead of =<"),
    (r"<>", "write != instead of <>"),
    (r":=|(?<![<>=!])=(?![=])", "write == to compare"),
    (r"\?\?", _DEFAULT),
    (
        r"\?\.(?!\d)",
        "for a field that may be absent, write has(object.FIELD) && …, or VALUE.?FIELD.orValue(…)",
    ),
    (r"\[\s{0,9}-?\w{0,9}\s{0,9}:\s{0,9}-?\w{0,9}\s{0,9}\]", "part of a text is TEXT.substring(FROM, TO)"),
    (r"\w\s*\(\s*[A-Za-z_]\w*\s*(?P<at>:)", _MACRO),
    (r";", "an expression ends without ;"),
    ("[\u201c\u201d\u201e\u2018\u2019«»]", "write quotes as ' or \""),
    (r"#", "a comment begins with //"),
    (r"\$\{|\$\(", "nothing is filled in; write object.FIELD"),
    (r"\*\*|\^", "CEL has no such operator"),
)

# Words that are operators elsewhere.
_NO_WORDS: Final[Sequence[tuple[str, str]]] = (
    (r"(?<![.\w])(?<=[\w)\]'\" ])\bnot\s+in\b", "write !(ELEMENT in LIST)"),
    (r"(?<![.\w])and\b(?!\s*[.(:])", "write && instead of and"),
    (r"(?<![.\w])or\b(?!\s*[.(:])", "write || instead of or"),
    (r"(?<![.\w])is\s+not\b", "write != instead of is not"),
    (r"(?<![.\w])is\b(?!\s*[.(:])", "write == instead of is"),
    (r"(?<![.\w])not\b(?!\s*[.:])", "write ! instead of not"),
    (r"(?<![.\w])instanceof\b", "write type(VALUE) == string"),
    (r"(?<![.\w])if\b", f"a choice is written {_CONDITION}"),
    (r"(?<![.\w])for\b", "write LIST.map(x, VALUE) or LIST.filter(x, CONDITION)"),
)


def method(name: str, binds: bool) -> str | None:
    """The advice for an unknown method; None if there is none. binds: its first argument is a name."""
    first, second = (_MACROS, _METHODS) if binds else (_METHODS, _MACROS)
    return first.get(name.lower()) or second.get(name.lower())


def binds(name: str) -> bool:
    """Whether a method of this name binds a name in other languages, as CEL's macros do."""
    return name.lower() in _MACROS


def function(name: str) -> str | None:
    """The advice for an unknown function; None if there is none."""
    return _FUNCTIONS.get(name.lower())


def qualified(namespace: str, name: str, known: bool = False) -> str | None:
    """The advice for an unknown function in a namespace; None if there is none. known: the namespace exists."""
    names = NAMESPACES.get(namespace, {})
    return names.get(name) or (None if known else names.get(""))


def overload(message: str) -> str | None:
    """The advice for an operation without an overload for its operands; None if there is none."""
    for pattern, advice in _OVERLOADS:
        if re.fullmatch(pattern, message):
            return advice
    counted = _COUNTED_MESSAGE.fullmatch(message)
    return _COUNTED.get(counted[1]) if counted else None


def syntax(source: str, issues: Sequence[Issue]) -> Issue | None:
    """The issue behind syntax errors if it is an idiom of another language, with its position and advice; else None."""
    found = [offset_of(source, issue) for issue in issues if issue.message.startswith(_SYNTAX_ERRORS)]
    if not found:
        return None
    bare = LITERAL_OR_COMMENT.sub(lambda match: " " * len(match[0]), source)
    matches: list[tuple[int, str]] = []
    for pattern, advice in _NO_SYNTAX:
        match = re.search(pattern, bare)
        if match and match.start() <= max(found):
            matches.append((match.start(match.lastgroup or 0), advice))
    for pattern, advice in _NO_WORDS:
        for match in re.finditer(pattern, bare):
            # These words are valid names. They count only if the parser reports an error at one, or right after it.
            behind = _BLANK.match(bare, match.end())
            if any(match.start() <= at <= (behind.end() if behind else 0) for at in found):
                matches.append((match.start(), advice))
                break
    if not matches:
        return None
    at, advice = min(matches, key=lambda each: each[0])
    return issue_at(source, at, f"Syntax error: {advice}")


_MACROS, _METHODS, _FUNCTIONS = (
    {name.lower(): advice for name, advice in table.items()} for table in (MACROS, METHODS, FUNCTIONS)
)
