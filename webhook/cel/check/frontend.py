"""Source text → checked syntax tree.

The grammar, the macros, the types and the texts of errors are those of cel-go as the API server configures it; the
declarations are the API server's: all functions of Kubernetes, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from webhook.cel.check.building import TreeBuilder
from webhook.cel.check.checking import Checker
from webhook.cel.check.declarations import OPTIONAL_NAME, TYPE_NAMES, Calls, Names, Signature, signature
from webhook.cel.check.lexing import tokens
from webhook.cel.check.nodes import MAX_NODES, Builder, Fault, Macros, TooLarge
from webhook.cel.check.parsing import SyntaxFault, TooDeep, parse
from webhook.cel.check.structs import StructType
from webhook.cel.check.unchecked import resolve
from webhook.cel.check.unifying import Substitution, TypesTooLarge
from webhook.cel.cost.compiling import PER_NODE, Compiling
from webhook.cel.library.declaring import FunctionDeclaration, Macro
from webhook.cel.library.operation import signatures
from webhook.cel.library.resolution import Functions
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import CompileError, Issue, issue_at
from webhook.cel.tree.parsed import Parsed
from webhook.cel.tree.stack import deep_stack, with_stack
from webhook.cel.tree.types import Type
from webhook.cel.value import wellknown
from webhook.lazypatterns import lazily
from webhook.versions import NEWEST, OPTIONAL_TYPES, QUOTED_FIELDS, Version

MAX_LENGTH = 100_000
"""Code points in an expression; the API server's limit."""

MAX_ISSUES = 100
"""The most errors that the API server reports for an expression."""


class Declarations:
    """The declarations that environments share: functions, operators, macros and the names of types.

    bound: resolves calls to the declarations of their functions, which code generation needs. version: the Kubernetes
    version, which decides on the syntax.
    """

    def __init__(
        self,
        functions: Iterable[FunctionDeclaration],
        *,
        named_types: Collection[str] = (),
        macros: Iterable[Macro] = (),
        bound: Functions | None = None,
        version: Version = NEWEST,
    ) -> None:
        overloads: dict[str, list[Signature]] = {}
        for function in (*signatures(version), *functions):
            overloads.setdefault(function.name, []).append(signature(function))
        self.functions = {name: tuple(each) for name, each in overloads.items()}
        self.namespaces = _first_parts(self.functions)
        self.named_types = frozenset(named_types)
        self.types = {**TYPE_NAMES, **{name: Type("type", (Type(name),)) for name in self.named_types}}
        self.optionals = version >= OPTIONAL_TYPES
        if self.optionals:
            self.types |= OPTIONAL_NAME
        self.quotes = version >= QUOTED_FIELDS
        self.macros: Macros = {(each.name, each.member, each.arguments): each.expand for each in macros}
        self.bound = Functions(()) if bound is None else bound
        self.calls: Calls = {}


def _first_parts(names: Iterable[str]) -> frozenset[str]:
    return frozenset([name.partition(".")[0] for name in names if "." in name])


class Frontend:
    """A checker for one set of variables.

    structs: those that the types of the variables name. open: the first part of the names of messages that may be
    constructed with any fields; constructs: the names of structs that may be constructed.
    """

    def __init__(
        self,
        variables: Mapping[str, Type],
        declarations: Declarations,
        container: str = "",
        structs: tuple[StructType, ...] = (),
        constructs: str = "",
    ) -> None:
        self._declarations = declarations
        known = {**declarations.types, **variables}
        self._names = Names(
            known,
            declarations.functions,
            {**wellknown.FIELDS, **{struct.name: dict(struct.fields) for struct in structs}},
            declarations.named_types,
            constructs,
            container,
            {name: each for name, each in declarations.types.items() if each.name == "type"},
            _first_parts((*known, *(struct.name for struct in structs))),
            declarations.namespaces,
            declarations.calls,
        )

    def check(self, source: str, compiling: Compiling | None = None) -> Expr:
        """The checked tree of `source`. Raises CompileError with all issues of the parser or the checker."""
        return self.checked(source, compiling)[0]

    def checked(self, source: str, compiling: Compiling | None = None) -> tuple[Expr, int]:
        """The checked tree, and its height as the API server counts it, which macros and operators exceed."""
        with deep_stack(source):
            parsed = self._parsed(source, compiling)
            checker = Checker(self._names)
            try:
                checker.check(parsed)
                if checker.faults:
                    raise CompileError(source, _issues(source, checker.faults))
                return TreeBuilder(self._declarations.bound, checker.substitution).built(parsed), parsed.height
            except TypesTooLarge:
                raise CompileError(source, [Issue("the types of the expression are too large to compare")]) from None

    def parse(self, source: str) -> Expr:
        """The unchecked tree. Every type is dyn, and names are resolved against the declared variables."""
        with deep_stack(source):
            parsed = self._parsed(source)
            resolve(parsed, self._names)
            return TreeBuilder(self._declarations.bound, Substitution()).built(parsed)

    def _parsed(self, source: str, compiling: Compiling | None = None) -> Parsed:
        if len(source) > MAX_LENGTH:
            text = f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_LENGTH}"
            raise CompileError(source, [Issue(text)])
        if not source.strip():
            raise CompileError(source, [Issue("expression is empty; expected a CEL expression")])
        try:
            source.encode()
        except UnicodeEncodeError as error:
            raise CompileError(source, [issue_at(source, error.start, "not valid Unicode: a lone surrogate")]) from None
        declared = self._declarations
        builder = Builder(declared.macros, optionals=declared.optionals, quotes=declared.quotes)
        found = tokens(source)
        try:
            if found is None:
                raise SyntaxFault
            parsed = parse(found, builder)
        except SyntaxFault:
            from webhook.cel.check.recovery import faults  # loaded on first use, as most runs have no error

            again = Builder(declared.macros, optionals=declared.optionals, quotes=declared.quotes)
            raise CompileError(source, _issues(source, with_stack(source, lambda: faults(source, again)))) from None
        except TooDeep as error:
            raise CompileError(source, [Issue(f"{error}: the expression is nested too deeply")]) from None
        except TooLarge:
            raise _too_large(source) from None
        if builder.faults:
            raise CompileError(source, _issues(source, builder.faults))
        if builder.count > MAX_NODES:
            raise _too_large(source)
        if compiling is not None:
            compiling.spend(builder.count * PER_NODE, source)
        return parsed


def _too_large(source: str) -> CompileError:
    return CompileError(source, [Issue(f"expression is too large: more than {MAX_NODES} syntax tree nodes")])


def _issues(source: str, faults: Sequence[Fault]) -> list[Issue]:
    """The issues in the order of their places; those that cel-go reports without a place come first."""
    issues = [
        issue_at(source, max(each.offset, 0), each.text.removesuffix(" (in container '')"), each.about)
        for each in sorted(faults[:MAX_ISSUES], key=lambda each: each.offset)
    ]
    more = len(faults) - MAX_ISSUES
    return [*issues, Issue(f"{more} more errors were truncated")] if more > 0 else issues


# String literals of every form, and comments, so that their content is not mistaken for code. One that is not closed
# goes to the end of its line, in three quotes to the end of the text: so no part of the text is read twice.
LITERAL_OR_COMMENT = lazily(
    r"""(?P<raw>[rR][bB]?|[bB][rR])"""
    r"""(?:\"{3}(?:[^"]|"(?!""))*+(?:\"{3})?|'{3}(?:[^']|'(?!''))*+(?:'{3})?|"[^"\n]*+"?|'[^'\n]*+'?)"""
    r"""|\"{3}(?:[^\\"]|\\.|"(?!""))*+(?:\"{3})?|'{3}(?:[^\\']|\\.|'(?!''))*+(?:'{3})?"""
    r"""|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?|//[^\n]*+""",
    re.DOTALL,
)
