"""Source text → checked syntax tree, by the CEL project's own parser and type checker (cel-expr-python).

The declarations are the API server's: all functions of Kubernetes, and no others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cel_expr_python import cel
from msgspec.structs import replace

from webhook.cel.check.decoding import Scope, decode
from webhook.cel.check.structs import Struct, descriptors
from webhook.cel.library.declaring import FunctionDeclaration, Macro
from webhook.cel.library.resolution import Functions
from webhook.cel.tree.ast import Call, Expr, children
from webhook.cel.tree.errors import CompileError, Issue, issue_at
from webhook.cel.tree.types import Type

MAX_LENGTH = 100_000
"""Code points in an expression; the API server's limit."""


# ------------------------------------------------------------------------------------------------ the checker's side

_VERSIONS = {"lists": 2}
"""The versions of the parser's extensions that are not the first one."""

_PRIMITIVES: dict[str, Any] = {
    "dyn": cel.Type.DYN,
    "null": cel.Type.NULL,
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "bytes": cel.Type.BYTES,
    "duration": cel.Type.DURATION,
    "timestamp": cel.Type.TIMESTAMP,
    "type": cel.Type.TYPE,
}


def _checker_type(declared: Type, structs: frozenset[Type]) -> Any:
    if declared in structs:
        return cel.Type(declared.name)
    params = [_checker_type(param, structs) for param in declared.params]
    match declared.name:
        case "list":
            return cel.Type.List(params[0]) if params else cel.Type.LIST
        case "map":
            return cel.Type.Map(*params) if params else cel.Type.MAP
        case "type" if params:
            return cel.Type.Type(params[0])
        case name if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        case name:
            return cel.Type.AbstractType(name, params)


def _described(declared: Type) -> dict[str, Any]:
    """A type in the form of the checker's configuration."""
    if declared.is_param:
        return {"type_name": declared.name, "is_type_param": True}
    described: dict[str, Any] = {"type_name": declared.name}
    if declared.params:
        described["params"] = [_described(param) for param in declared.params]
    return described


class Declarations:
    """The declarations that environments share: extensions and functions. Building them takes milliseconds."""

    def __init__(
        self,
        functions: Iterable[FunctionDeclaration],
        excluded: Iterable[str] = (),
        *,
        extensions: Iterable[str] = ("optional", "two-var-comprehensions"),
        named_types: Collection[str] = (),
        macros: Iterable[Macro] = (),
        bound: Functions | None = None,
    ) -> None:
        """bound: resolves calls to the declarations of their functions, which code generation needs."""
        # Functions are declared in the configuration (YAML, so JSON too), as only it supports type parameters.
        overloads: dict[str, list[dict[str, Any]]] = {}
        self.renamed: dict[str, str] = {}
        self.respelled = {(each.name, each.arguments): each.parser_name for each in macros if each.parser_name}
        for function in functions:
            params = [_described(param) for param in function.params]
            overload = {"id": function.id, "args": params, "return": _described(function.result)}
            if function.member:
                overload |= {"target": params[0], "args": params[1:]}
            overloads.setdefault(function.parser_name or function.name, []).append(overload)
            if function.parser_name:
                # The name has the same length, which keeps all positions in the source.
                self.renamed[function.name] = function.parser_name
        self.named_types = frozenset(named_types)
        self._config: dict[str, Any] = {
            "stdlib": {"exclude_functions": [{"name": name} for name in excluded]},
            "extensions": [
                {"name": name, **({"version": _VERSIONS[name]} if name in _VERSIONS else {})} for name in extensions
            ],
            "functions": [{"name": name, "overloads": each} for name, each in overloads.items()],
            "variables": [
                {"name": name, "type_name": "type", "params": [{"type_name": name}]}
                for name in sorted(self.named_types)
            ],
        }
        self.bound = Functions(()) if bound is None else bound
        self._shared = cel.NewEnvConfigFromYaml(json.dumps(self._config))

    def config(self, optionals: Mapping[str, Type]) -> Any:
        """The configuration with variables whose types contain optionals. Such types only work in a configuration."""
        if not optionals:
            return self._shared
        variables = [{"name": name, **_described(declared)} for name, declared in optionals.items()]
        variables += self._config["variables"]
        return cel.NewEnvConfigFromYaml(json.dumps({**self._config, "variables": variables}))


def _holds_optional(declared: Type) -> bool:
    return declared.name == "optional_type" or any(map(_holds_optional, declared.params))


class Frontend:
    """A checker for one set of variables."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        declarations: Declarations,
        container: str = "",
        structs: tuple[Struct, ...] = (),
    ) -> None:
        self._renamed = declarations.renamed
        self._respelled = declarations.respelled
        self._otherwise_named = frozenset((*self._renamed, *(name for name, _ in self._respelled)))
        original = {renamed: name for name, renamed in self._renamed.items()}
        self._scope = Scope(frozenset(variables) | declarations.named_types, declarations.bound, container, original)
        known = frozenset(struct.type for struct in structs)
        optionals = {name: declared for name, declared in variables.items() if _holds_optional(declared)}
        self._env = cel.NewEnv(
            config=declarations.config(optionals),
            descriptor_pool=descriptors(structs) if structs else None,
            variables={name: _checker_type(each, known) for name, each in variables.items() if name not in optionals},
            container=container,
        )

    def check(self, source: str, messages: Mapping[str, str] | None = None) -> Expr:
        """The checked tree of `source`. Raises CompileError with all issues of the checker.

        messages: see Scope.
        """
        source = self._prepared(source)
        quoted = _back_quote(source)
        if quoted is not None:
            raise CompileError(source, [issue_at(source, quoted, "unsupported syntax: '`'")])
        try:
            serialized = self._env.compile(source).serialize()
        except RuntimeError as error:
            raise CompileError(source, _issues(str(error), self._renamed)) from None
        return decode(source, serialized, replace(self._scope, messages=messages))

    def parse(self, source: str, messages: Mapping[str, str] | None = None) -> Expr:
        """The unchecked tree. Every type is dyn, and names are resolved against the declared variables."""
        source = self._prepared(source)
        try:
            serialized = self._env.compile(source, disable_check=True).serialize()
        except RuntimeError as error:
            raise CompileError(source, _issues(str(error), self._renamed)) from None
        return decode(source, serialized, replace(self._scope, messages=messages))

    def _prepared(self, source: str) -> str:
        if len(source) > MAX_LENGTH:
            raise CompileError(source, [Issue(f"expression is longer than {MAX_LENGTH} code points: {len(source)}")])
        if not source.strip():
            raise CompileError(source, [Issue("expression is empty; expected a CEL expression")])
        try:
            source.encode()
        except UnicodeEncodeError as error:
            raise CompileError(source, [issue_at(source, error.start, "not valid Unicode: a lone surrogate")]) from None
        if any(name in source for name in self._otherwise_named):
            source = self._as_declared(source)
        if _HAS_VARIABLE.search(source):
            source = self._with_variables_there(source)
        return source

    def _with_variables_there(self, source: str) -> str:
        """The source with `true` for has(variables.NAME), which this checker mistakes for the variable's value."""
        bare = LITERAL_OR_COMMENT.sub(lambda match: " " * len(match[0]), source)
        for match in _HAS_VARIABLE.finditer(bare):
            if f"variables.{match[1]}" in self._scope.variables:
                source = f"{source[: match.start()]}{'true'.ljust(len(match[0]))}{source[match.end() :]}"
        return source

    def _as_declared(self, source: str) -> str:
        """The source with the checker's names of functions. All positions stay the same."""
        try:
            parsed = self._env.compile(source, disable_check=True).serialize()
        except RuntimeError:
            return source
        for node in _calls(decode(source, parsed, replace(self._scope, messages={}))):
            if not node.member:
                continue
            macro = self._respelled.get((node.function, len(node.args) - 1))
            parser_name = macro or self._renamed.get(node.function)
            if parser_name:
                source = _respelled(source, node, parser_name.ljust(len(node.function)))
        return source


# String literals of every form, and comments, so that their content is not mistaken for code.
LITERAL_OR_COMMENT = re.compile(
    r"""(?P<raw>[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""|\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|//[^\n]*""",
    re.DOTALL,
)


_HAS_VARIABLE = re.compile(r"\bhas\s{0,99}\(\s{0,99}variables\s{0,99}\.\s{0,99}(\w+)\s{0,99}\)")


def _back_quote(source: str) -> int | None:
    """The offset of a field name in back quotes, which this parser accepts and Kubernetes does not; else None."""
    if "`" not in source:
        return None
    bare = LITERAL_OR_COMMENT.sub(lambda match: " " * len(match[0]), source)
    place = bare.find("`")
    return place if place >= 0 else None


def _respelled(source: str, call: Call, name: str) -> str:
    """The source with another name, of the same length, for the function of a call."""
    start = source.rfind(call.function, 0, call.offset + 1)
    return f"{source[:start]}{name}{source[start + len(name) :]}"


_ISSUE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \||\nERROR: <input>:|\Z)", re.DOTALL)
_STATUS = re.compile(r"\s*\[[A-Z_]+\]$")
_TOO_DEEP = re.compile(r"recursion (?:limit|depth)")


def _issues(text: str, renamed: Mapping[str, str]) -> list[Issue]:
    if _TOO_DEEP.search(text):
        return [Issue("expression is nested too deeply: at most 32 levels can be parsed")]
    issues = [
        Issue(_worded(match[3], renamed), max(int(match[1]), 1), max(int(match[2]), 1))
        for match in _ISSUE.finditer(text)
    ]
    if issues:
        # An issue about the type *error* only follows from an undefined field.
        return [issue for issue in issues if "*error*" not in issue.message] or issues
    first = _STATUS.sub("", text.split("\n", 1)[0]).removeprefix("INVALID_ARGUMENT: ")
    return [Issue(first)]


def _worded(message: str, renamed: Mapping[str, str]) -> str:
    """The API server's text for a message of the checker."""
    message = _STATUS.sub("", message).replace(" (in container '')", "")
    for name, parser_name in renamed.items():
        message = message.replace(f"'{parser_name}'", f"'{name}'")
    return message


def _calls(node: Expr) -> Iterable[Call]:
    if isinstance(node, Call):
        yield node
    for child in children(node):
        yield from _calls(child)
