"""Improves compile errors about unknown names: they point at the name, and suggest the most similar known one.

The checker points at the operator next to a name (the dot, the parenthesis), and also reports the errors that follow
from a misspelt macro. This module moves such an error to the name, and drops those that only follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from webhook.cel.check import idioms
from webhook.cel.functions import MEMBER_MACROS
from webhook.cel.tree.errors import CompileError, Issue, issue_at, offset_of
from webhook.lazypatterns import lazily
from webhook.nearest import LONGEST_NAME, nearest

_FEW = 12  # the most fields for an error that lists them all
_BEFORE = 200  # the characters before a function's name that are searched for its receiver

_UNDECLARED = lazily(r"undeclared reference to '(?P<name>[^']*)'")
_UNMATCHED = lazily(r"found no matching overload for '(?P<name>\w[\w.]*)' applied to '(?P<arguments>.*)'")
_UNDEFINED = lazily(r"undefined field '(?P<name>[^']*)'")


class Names(Struct, frozen=True):
    """The names that an expression may use. `namespaces`: the first parts of qualified function names (`sets`)."""

    variables: frozenset[str]
    functions: frozenset[str]
    methods: frozenset[str]
    fields: Mapping[str, tuple[str, ...]]
    """Struct name -> its fields."""

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.functions if "." in name)


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'object'?`; "" if no known name is similar."""
    similar = nearest(name, known)
    return f"; did you mean '{similar}'?" if similar and similar != name else ""


def field_hint(name: str, fields: Iterable[str]) -> str:
    """The same for the fields of an object. If none is similar and there are few, all are listed."""
    known = sorted(fields)
    few = f"; expected one of {', '.join(known)}" if 0 < len(known) <= _FEW else ""
    return hint(name, known) or few


def explained(error: CompileError, names: Names) -> CompileError:
    """The error with the position of each unknown name, and the most similar known one."""
    source, reported = error.source, error.issues
    habit = idioms.syntax(source, reported)
    if habit:
        return CompileError(source, [habit])  # the others follow from it
    calls: list[_Call] = []
    for issue in reported:
        unknown = _UNDECLARED.fullmatch(issue.message) or _UNMATCHED.fullmatch(issue.message)
        if "applied to '!error!" in issue.message:
            continue  # it only follows from the error in its receiver
        call = _call(source, issue, unknown["name"], names) if unknown else None
        if call:
            calls.append(call)
    loops = frozenset(each for match in _LOOP.finditer(source) for each in match.groups() if each)
    issues: list[Issue] = []
    for issue in reported:
        undeclared = _UNDECLARED.fullmatch(issue.message)
        undefined = _UNDEFINED.fullmatch(issue.message)
        if undeclared:
            rewritten = _undeclared(source, issue, undeclared["name"], names, calls, loops)
            issues += [rewritten] if rewritten else []
        elif undefined:
            issues.append(_undefined(source, issue, undefined["name"], issue.about, names))
        else:
            advice = _unmatched(issue, names, calls) or idioms.overload(issue.message)
            issues.append(replace(issue, message=f"{issue.message}; {advice}") if advice else issue)
    # An issue about an operand of the type !error! only follows from another one.
    issues = [issue for issue in issues if "!error!" not in issue.message] or issues
    return CompileError(source, list(dict.fromkeys(issues)) or error.issues)


def _unmatched(issue: Issue, names: Names, calls: list[_Call]) -> str | None:
    """The advice for a call of a known function in a form that it does not have; None if there is none."""
    found = _UNMATCHED.fullmatch(issue.message)
    if found is None:
        return None
    name, is_member = found["name"], not found["arguments"].startswith("(")
    binds = any(call.issue == issue and call.loop for call in calls)
    if is_member:
        known, other, form = names.methods, names.functions, f"{name}(…)"
        advice = idioms.method(name, binds) if binds or name not in known else None
    else:
        known, other, form = names.functions, names.methods, f"VALUE.{name}(…)"
        advice = idioms.function(name) if name not in known else None
    if advice or name in known or name not in other:
        return advice
    return f"it is written {form}"


class _Call(Struct, frozen=True):
    """A call of an unknown function. `start`: the offset of its name, which is `written` in the source.

    `macro`: the macro that was probably meant. `loop`: the names that the first arguments of such a macro bind.
    """

    issue: Issue
    start: int
    name: str
    written: str
    macro: str | None
    loop: frozenset[str]


_LOOP = lazily(rf"\.\s*(?:{'|'.join(sorted(MEMBER_MACROS))})\s*\(\s*([A-Za-z_]\w*)\s*,\s*(?:([A-Za-z_]\w*)\s*,)?")
_ARGUMENTS = lazily(r"\s*\(\s*([A-Za-z_]\w*)\s*,\s*(?:([A-Za-z_]\w*)\s*,)?")


def _call(source: str, issue: Issue, name: str, names: Names) -> _Call | None:
    """The call whose function is an undeclared reference; else None. The checker points at its parenthesis."""
    at = offset_of(source, issue)
    before = source[:at].rstrip()
    if not source.startswith("(", at) or not before.endswith(name):
        return None
    start = len(before) - len(name)
    nearby = max(0, start - _BEFORE)
    receiver = _receiver(source[nearby:start])
    written, macro, loop = name, None, frozenset[str]()
    arguments = _ARGUMENTS.match(source, at)
    bound = frozenset(each for each in arguments.groups() if each) if arguments else loop
    namespaces = names.namespaces | idioms.NAMESPACES.keys()
    if receiver in namespaces and receiver not in names.variables:
        start, written = source.rindex(receiver, nearby, start), f"{receiver}.{name}"
        loop = bound if written == "cel.bind" else loop
    elif receiver is not None:
        macro = nearest(name, MEMBER_MACROS | names.methods)
        macro = macro if macro in MEMBER_MACROS else None
        if macro or idioms.binds(name):
            loop = bound
    return _Call(issue, start, name, written, macro, loop)


def _receiver(before: str) -> str | None:
    """The name that a member is selected of, where a text ends with the point of the selection; "" if it is no name."""
    text = before.rstrip()
    if not text.endswith("."):
        return None
    text = text[:-1].rstrip()
    start = len(text)
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:]


def _undeclared(
    source: str, issue: Issue, name: str, names: Names, calls: list[_Call], loops: frozenset[str]
) -> Issue | None:
    for call in calls:
        if call.issue == issue:
            return _unknown_function(source, call, names)
    at = offset_of(source, issue)
    for call in calls:
        # The name is the variable of a misspelt macro, or the namespace of a misspelt function.
        if at > call.start and name.partition(".")[0] in call.loop:
            return None
        if at == call.start and call.written.startswith(f"{name}."):
            return None
    root = "." if name.startswith(".") else ""  # written with a leading point: no variable of a loop
    name = name.removeprefix(".")
    start = _start(source, at, name)
    first, dot, _ = name.partition(".")
    same = [each for each in names.variables if each.startswith(f"{first}.")]
    if dot and same:  # variables.replcas
        return issue_at(source, start, f"undeclared reference to '{root}{_cut(name)}'{hint(name, same)}")
    elsewhere = idioms.qualified(first, "") if source.startswith(".", at + len(first)) else None
    elsewhere = elsewhere or idioms.NAMES.get(first)
    if elsewhere and first not in names.variables | loops:
        return issue_at(source, start, f"undeclared reference to '{root}{_cut(first)}'; {elsewhere}")
    known = loops | {each.partition(".")[0] for each in names.variables}
    return issue_at(source, start, f"undeclared reference to '{root}{_cut(first)}'{hint(first, known)}")


def _unknown_function(source: str, call: _Call, names: Names) -> Issue:
    is_member = call.written == call.name and source[: call.start].rstrip().endswith(".")
    known = names.methods | MEMBER_MACROS if is_member else names.functions | {"has"}
    other = names.functions if is_member else names.methods | MEMBER_MACROS
    if call.written in known:
        message = f"found no matching overload for '{_cut(call.written)}'"
        advice = idioms.overload(message)
        return issue_at(source, call.start, f"{message}; {advice}" if advice else message)
    undeclared = f"undeclared reference to '{_cut(call.written)}'"
    namespace, dot, _ = call.written.rpartition(".")
    if dot:
        advice = idioms.qualified(namespace, call.name, namespace in names.namespaces)
    else:
        advice = idioms.method(call.name, bool(call.loop)) if is_member else idioms.function(call.name)
    if advice:
        return issue_at(source, call.start, f"{undeclared}; {advice}")
    if call.written in other:
        form = f"{call.name}(…)" if is_member else f"VALUE.{call.name}(…)"
        return issue_at(source, call.start, f"{undeclared}; it is written {form}")
    suggestion = f"; did you mean '{call.macro}'?" if call.macro else hint(call.written, known)
    return issue_at(source, call.start, undeclared + suggestion)


def _undefined(source: str, issue: Issue, name: str, struct: str, names: Names) -> Issue:
    start = field_offset(source, offset_of(source, issue), name)
    fields = names.fields.get(struct, ())
    if "userInfo" in fields and name in idioms.REQUEST_FIELDS:
        return issue_at(source, start, f"undefined field '{_cut(name)}'; {idioms.REQUEST_FIELDS[name]}")
    return issue_at(source, start, f"undefined field '{_cut(name)}'{field_hint(name, fields)}")


def field_offset(source: str, at: int, name: str) -> int:
    """The offset of the name of a field that is selected at `at`: after the dot, or in the parentheses of has().

    For a selection by index, the offset of the index.
    """
    if not source.startswith((".", "("), at):
        return at
    match = re.compile(rf"\.\s*(?:\?\s*)?({re.escape(name)})(?!\w)").search(source, at)
    return match.start(1) if match else at


def _start(source: str, at: int, name: str) -> int:
    """The offset of a qualified name whose last dot is at `at`, or the brace after it."""
    *before, last = name.split(".")
    if source.startswith("{", at):
        before.append(last)
        match = re.search(r"\s*\.\s*".join(map(re.escape, before)) + r"\s*$", source[:at])
        return match.start() if match else at
    if not before or not source.startswith(".", at):
        return at
    match = re.search(r"\s*\.\s*".join(map(re.escape, before)) + r"\s*$", source[:at])
    return match.start() if match else at


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
