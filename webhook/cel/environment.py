"""The environment of expressions: their variables and functions, and the compilation of expressions in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from webhook.cel.check import construction
from webhook.cel.check.frontend import Declarations, Frontend
from webhook.cel.check.literals import check_literals
from webhook.cel.check.structs import StructType
from webhook.cel.check.suggestions import Names, explained
from webhook.cel.cost.compiling import Compiling
from webhook.cel.functions import came_later, form, libraries_of
from webhook.cel.library import jsonpatch
from webhook.cel.library.resolution import Functions
from webhook.cel.program import Program
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import CompileError, Issue
from webhook.cel.tree.stack import LOW, deep_stack, is_shallow, with_room
from webhook.cel.tree.types import Type
from webhook.lazypatterns import lazily
from webhook.versions import CROSS_TYPE_COMPARISON, NEWEST, Version, shown


@lru_cache(maxsize=32)
def _functions(version: Version, constructs: bool) -> Functions:
    libraries = libraries_of(version)
    return Functions((*libraries, jsonpatch.LIBRARY) if constructs else libraries)


@lru_cache(maxsize=32)
def _declarations(version: Version, constructs: bool) -> Declarations:
    libraries = libraries_of(version)
    bound = _functions(version, constructs)
    return Declarations(
        bound.declarations,
        named_types=[name for library in libraries for name in library.named_types],
        macros=[macro for library in libraries for macro in library.macros],
        bound=bound,
        version=version,
    )


# The cache keeps the checkers that many policies share.
@lru_cache(maxsize=24)
def _frontend(
    variables: tuple[tuple[str, Type], ...],
    container: str,
    structs: tuple[StructType, ...],
    version: Version,
    constructs: bool,
) -> Frontend:
    declarations = _declarations(version, constructs)
    return Frontend(dict(variables), declarations, container, structs, construction.OBJECT if constructs else "")


class Environment:
    """The variables of expressions with their types, and the functions of a Kubernetes version.

    structs: those that the types of the variables name. version: the Kubernetes version whose functions are declared.
    constructs: whether expressions may construct objects and JSON patches (`Object{…}`, `JSONPatch{…}`; see
    webhook.cel.check.construction), and have jsonpatch.escapeKey.

    Environments that declare the same variables share their checker.
    """

    def __init__(
        self,
        variables: Mapping[str, Type],
        *,
        container: str = "",
        structs: tuple[StructType, ...] = (),
        version: Version = NEWEST,
        constructs: bool = False,
    ) -> None:
        self.variables = dict(variables)
        self._container = container
        self._structs = structs
        self._version = version
        self._constructs = constructs
        self._frontend: Frontend | None = None

    def extend(self, variables: Mapping[str, Type]) -> Environment:
        """The environment with further variables."""
        return Environment(
            {**self.variables, **variables},
            container=self._container,
            structs=self._structs,
            version=self._version,
            constructs=self._constructs,
        )

    def constructing(self) -> Environment:
        """The same environment for expressions that construct objects and JSON patches."""
        structs = (*self._structs, construction.JSON_PATCH)
        return Environment(
            self.variables, container=self._container, structs=structs, version=self._version, constructs=True
        )

    def compile(self, source: str, expect: tuple[Type, ...] = (), compiling: Compiling | None = None) -> Program:
        """Compile an expression. Its type must be one of `expect`, unless that is empty.

        compiling: the limits of all expressions of a policy together.

        Raises CompileError with all issues and their positions.
        """
        with deep_stack(source):
            try:
                return self._compiled(source, expect, compiling or Compiling())
            except RecursionError:
                raise CompileError(source, [Issue("the expression is nested too deeply")]) from None

    def _compiled(self, source: str, expect: tuple[Type, ...], compiling: Compiling) -> Program:
        compiling.begin(source)
        try:
            tree, height = self._checker().checked(source, compiling)
            if self._constructs:
                with_room(source, tree, lambda: construction.check_names(source, tree))
        except CompileError as error:
            dated = CompileError(error.source, _dated(error, self._version))
            raise explained(dated, self._names()) from None
        # What the height does not count is at most as many levels as there are brackets; else the tree says.
        if (height <= LOW and sum(map(source.count, "([{?!-")) <= 24) or is_shallow(tree):
            return _built(source, tree, expect, compiling, small=True)
        return with_room(source, tree, lambda: _built(source, tree, expect, compiling, small=False))

    def _names(self) -> Names:
        functions = _functions(self._version, self._constructs)
        return Names(
            frozenset(self.variables),
            functions.names(member=False),
            functions.names(member=True),
            {struct.name: tuple(name for name, _ in struct.fields) for struct in self._structs},
        )

    def _checker(self) -> Frontend:
        if self._frontend is None:
            known = tuple(sorted(self.variables.items(), key=_first))
            self._frontend = _frontend(known, self._container, self._structs, self._version, self._constructs)
        return self._frontend


def _built(source: str, tree: Expr, expect: tuple[Type, ...], compiling: Compiling, *, small: bool) -> Program:
    check_literals(source, tree, compiling)
    if expect and tree.type not in expect:
        wanted = " or ".join(map(str, expect))
        message = f"must evaluate to {wanted} but got {tree.type}"
        raise CompileError(source, [Issue(message)])
    return Program(source, tree, small=small)


def _first(item: tuple[str, Type]) -> str:
    return item[0]


_UNDECLARED = lazily(r"undeclared reference to '([^']*)'")
_QUALIFIED = lazily(r"[A-Za-z_][\w.]*")
_UNORDERED = lazily(
    r"found no matching overload for '_[<>]=?_' applied to '\((?:int|uint|double), (?:int|uint|double)\)'"
)
_CONSTRUCTED = frozenset({construction.OBJECT, construction.JSON_PATCH.name, jsonpatch.LIBRARY.name})


def _dated(error: CompileError, version: Version) -> list[Issue]:
    """The issues. Those about a feature of a later Kubernetes version name that version."""
    issues: list[Issue] = []
    undeclared: list[Issue] = []
    dated = False
    for issue in error.issues:
        match = _UNDECLARED.search(issue.message)
        reason = _later(issue, match, error.source, version)
        dated = dated or bool(reason)
        if reason:
            issues.append(Issue(f"{issue.message}: {reason}", issue.line, issue.column))
        else:
            (undeclared if match else issues).append(issue)
    # The variables of a missing macro are undeclared too. These issues only follow from the missing macro.
    return issues if dated else sorted([*issues, *undeclared], key=lambda issue: (issue.line, issue.column))


def _later(issue: Issue, match: re.Match[str] | None, source: str, version: Version) -> str:
    """The text that names the Kubernetes version with the missing feature; "" if the issue has another cause."""
    if match is not None:
        if match[1].partition(".")[0] in _CONSTRUCTED:
            return "only the expressions of mutations have it"
        found = came_later(_name_at(source, issue) if "." not in match[1] else match[1], version)
        found = found or came_later(match[1], version)
        if found is None:
            return ""
        return f"Kubernetes has {form(*found)} since {shown(found[1])}; the target is {shown(version)}"
    if version < CROSS_TYPE_COMPARISON:
        since = f"since {shown(CROSS_TYPE_COMPARISON)}; the target is {shown(version)}"
        if _UNORDERED.search(issue.message):
            return f"Kubernetes compares numbers of different types {since}"
        if "unsupported syntax" in issue.message and "?" in issue.message:
            return f"Kubernetes has optional types {since}"
    return ""


def _name_at(source: str, issue: Issue) -> str:
    """The qualified name at the position of the issue."""
    lines = source.split("\n")
    match = _QUALIFIED.match(lines[issue.line - 1], issue.column - 1) if issue.line <= len(lines) else None
    return match[0] if match else ""
