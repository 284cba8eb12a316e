"""What an expression may use, and its compilation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from webhook.cel import messages, types
from webhook.cel.ast import Expr
from webhook.cel.errors import CompileError, Issue
from webhook.cel.frontend import Declarations, Frontend, FunctionDeclaration
from webhook.cel.functions import Functions
from webhook.cel.library import LIBRARIES, jsonpatch, later_library
from webhook.cel.literals import check_literals
from webhook.cel.program import Program
from webhook.cel.structs import Struct
from webhook.cel.suggestions import Names, explained
from webhook.cel.types import Type

# CEL's own checker compares only values of one type. Kubernetes compares numbers across types since 1.28, so these
# operators are declared anew, with all their overloads.
_ORDER = ("_<_", "_<=_", "_>_", "_>=_")
_ORDERED = (
    *((a, b) for a in types.NUMBERS for b in types.NUMBERS),
    *((same, same) for same in (types.BOOL, types.STRING, types.BYTES, types.TIMESTAMP, types.DURATION)),
)
_COMPARISONS = [
    FunctionDeclaration(f"{name}{a}_{b}", name, (a, b), types.BOOL, False) for name in _ORDER for a, b in _ORDERED
]


@lru_cache(maxsize=2)
def _functions(constructs: bool = False) -> Functions:
    return Functions((*LIBRARIES, jsonpatch.LIBRARY) if constructs else LIBRARIES)


@lru_cache(maxsize=2)
def _declarations(constructs: bool) -> Declarations:
    return Declarations([*_functions(constructs).declarations, *_COMPARISONS], excluded=_ORDER)


@lru_cache(maxsize=256)
def _frontend(
    variables: tuple[tuple[str, Type], ...], container: str, structs: tuple[Struct, ...], constructs: bool
) -> Frontend:
    return Frontend(dict(variables), _declarations(constructs), container, structs)


class Environment:
    """The variables that expressions may use, with their types, besides Kubernetes' functions.

    structs: those that the variables' types name. constructs: whether expressions may construct objects and JSON
    patches (`Object{…}`, `JSONPatch{…}`; see webhook.cel.messages), and have jsonpatch.escapeKey.

    Environments that declare the same variables share their checker.
    """

    def __init__(
        self,
        variables: Mapping[str, Type],
        *,
        container: str = "",
        structs: tuple[Struct, ...] = (),
        constructs: bool = False,
    ) -> None:
        self.variables = dict(variables)
        self._container = container
        self._structs = structs
        self._constructs = constructs
        self._checkers: dict[bool, Frontend] = {}

    def extend(self, variables: Mapping[str, Type]) -> Environment:
        """An environment that has these variables too."""
        return Environment(
            {**self.variables, **variables},
            container=self._container,
            structs=self._structs,
            constructs=self._constructs,
        )

    def constructing(self) -> Environment:
        """The same environment for expressions that construct objects and JSON patches."""
        structs = (*self._structs, messages.JSON_PATCH)
        return Environment(self.variables, container=self._container, structs=structs, constructs=True)

    def compile(self, source: str, expect: tuple[Type, ...] = ()) -> Program:
        """The program of an expression, whose type must be one of `expect` if any are given.

        Raises CompileError with every issue and its place.
        """
        functions = _functions(self._constructs)
        try:
            tree = self._constructed(source) if self._constructs else self._checker(source).check(source)
        except CompileError as error:
            told = CompileError(error.source, [_named(each) for each in error.issues])
            raise explained(told, self._names()) from None
        check_literals(source, tree, functions)
        if expect and tree.type not in expect:
            wanted = " or ".join(map(str, expect))
            message = f"must evaluate to {wanted} but got {tree.type}"
            raise CompileError(source, [Issue(message)])
        return Program(source, tree, functions)

    def compile_unchecked(self, source: str) -> Program:
        """The program of an expression whose types nobody checked: everything is decided at run time."""
        return Program(source, self._checker(source).parse(source), _functions(self._constructs))

    def _constructed(self, source: str) -> Expr:
        """The checked tree of an expression that may construct messages, whose types it declares by using them."""
        disguised = messages.disguise(source, self._checker(source).parse(source, {}))
        # Not shared: another expression names other types.
        frontend = Frontend(
            self.variables,
            _declarations(self._constructs),
            self._container,
            (*self._structs, *disguised.structs),
        )
        try:
            tree = frontend.check(disguised.source, disguised.names)
        except CompileError as error:
            raise disguised.revealed(error, source) from None
        messages.check_names(source, tree)
        return tree

    def _names(self) -> Names:
        return Names(
            frozenset(self.variables),
            _functions(self._constructs).names(member=False),
            _functions(self._constructs).names(member=True),
            {struct.name: tuple(name for name, _ in struct.fields) for struct in self._structs},
        )

    def _checker(self, source: str) -> Frontend:
        # A checker takes a millisecond and 300 kB: one that knows a policy's own variables is only made for expressions
        # that may use them.
        qualified = "variables" in source
        checker = self._checkers.get(qualified)
        if checker is None:
            known = [each for each in self.variables.items() if qualified or not each[0].startswith("variables.")]
            checker = _frontend(tuple(sorted(known, key=_first)), self._container, self._structs, self._constructs)
            self._checkers[qualified] = checker
        return checker


def _first(item: tuple[str, Type]) -> str:
    return item[0]


_CONSTRUCTED = frozenset({messages.OBJECT, messages.JSON_PATCH.name, jsonpatch.LIBRARY.name})


def _named(found: Issue) -> Issue:
    """The issue, which says of a function that comes later that it does."""
    prefix = "undeclared reference to '"
    if found.message.startswith(prefix):
        name = found.message[len(prefix) :].split("'", 1)[0]
        if name.partition(".")[0] in _CONSTRUCTED:
            return Issue(f"{found.message}: only the expressions of mutations have it", found.line, found.column)
        library = later_library(name)
        if library:
            text = f"{found.message}: Kubernetes' {library} library is not supported yet"
            return Issue(text, found.line, found.column)
    return found
