"""Source text to checked syntax tree, by the CEL project's own parser and type checker (cel-expr-python).

The checker's result comes serialised as a CheckedExpr (cel-spec, proto/cel/expr/checked.proto). It is decoded here
with the protobuf runtime and a descriptor that declares only what is read. Nested expressions are declared as bytes and
decoded level by level, since the runtime refuses messages nested more than 100 deep.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from webhook.cel import types
from webhook.cel.ast import Call, Comprehension, Const, Entry, Expr, Ident, ListLiteral, MapLiteral, Select
from webhook.cel.errors import CompileError, Issue
from webhook.cel.types import Type
from webhook.cel.values import UInt

MAX_LENGTH = 100_000
"""Code points in an expression; the API server's limit."""

MAX_DEPTH = 250
"""Levels of a syntax tree; the API server's limit. The parser itself stops at 32 levels of nested source."""


@dataclass(frozen=True, slots=True)
class FunctionDeclaration:
    """A function overload as the checker needs it. `id` is unique among all overloads."""

    id: str
    name: str
    params: tuple[Type, ...]
    result: Type
    member: bool


# ------------------------------------------------------------------------------------------------ the checker's side

_EXTENSIONS = [{"name": "optional"}, {"name": "two-var-comprehensions"}]

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


def _checker_type(declared: Type) -> Any:
    params = [_checker_type(param) for param in declared.params]
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
    """A type as the checker's configuration writes it."""
    if declared.is_param:
        return {"type_name": declared.name, "is_type_param": True}
    described: dict[str, Any] = {"type_name": declared.name}
    if declared.params:
        described["params"] = [_described(param) for param in declared.params]
    return described


class Frontend:
    """A checker for one set of declarations. Building one takes milliseconds: share it."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        functions: Collection[FunctionDeclaration],
        excluded: Iterable[str] = (),
        container: str = "",
    ) -> None:
        self._scope = Scope(frozenset(variables), frozenset(each.name for each in functions), container)
        # Declared through the configuration, which is YAML and so JSON too: only that takes type parameters.
        overloads: dict[str, list[dict[str, Any]]] = {}
        for function in functions:
            params = [_described(param) for param in function.params]
            overload = {"id": function.id, "args": params, "return": _described(function.result)}
            if function.member:
                overload |= {"target": params[0], "args": params[1:]}
            overloads.setdefault(function.name, []).append(overload)
        config = {
            "stdlib": {"exclude_functions": [{"name": name} for name in excluded]},
            "extensions": _EXTENSIONS,
            "functions": [{"name": name, "overloads": found} for name, found in overloads.items()],
        }
        self._env = cel.NewEnv(
            config=cel.NewEnvConfigFromYaml(json.dumps(config)),
            variables={name: _checker_type(declared) for name, declared in variables.items()},
            container=container,
        )

    def check(self, source: str) -> Expr:
        """The checked tree of `source`. Raises CompileError with every issue that the checker found."""
        source = self._prepared(source)
        quoted = _back_quote(source)
        if quoted is not None:
            raise CompileError(source, [_issue_at(source, quoted, "unsupported syntax: '`'")])
        try:
            serialized = self._env.compile(source).serialize()
        except RuntimeError as error:
            raise CompileError(source, _issues(str(error))) from None
        return _decode(source, serialized, self._scope)

    def parse(self, source: str) -> Expr:
        """The unchecked tree: every type is dyn, and names are resolved against the declared variables."""
        source = self._prepared(source)
        try:
            serialized = self._env.compile(source, disable_check=True).serialize()
        except RuntimeError as error:
            raise CompileError(source, _issues(str(error))) from None
        return _decode(source, serialized, self._scope)

    def _prepared(self, source: str) -> str:
        if len(source) > MAX_LENGTH:
            raise CompileError(source, [Issue(f"expression is longer than {MAX_LENGTH} code points: {len(source)}")])
        if not source.strip():
            raise CompileError(source, [Issue("expression is empty; expected a CEL expression")])
        try:
            source.encode()
        except UnicodeEncodeError as error:
            raise CompileError(
                source, [_issue_at(source, error.start, "not valid Unicode: a lone surrogate")]
            ) from None
        if "exists_one" in source:
            source = self._with_two_variable_exists_one(source)
        return source

    def _with_two_variable_exists_one(self, source: str) -> str:
        # Kubernetes also spells the two-variable form exists_one; the parser's macro is existsOne. The blank keeps
        # every position in the source as it was.
        try:
            parsed = self._env.compile(source, disable_check=True).serialize()
        except RuntimeError:
            return source
        for node in _calls(_decode(source, parsed, self._scope)):
            if node.function == "exists_one" and node.member and len(node.args) == 4:
                start = source.rfind("exists_one", 0, node.offset + 1)
                source = f"{source[:start]}existsOne {source[start + 10 :]}"
        return source


# String literals of every form and comments, so that what stands in them is not taken for source.
_LITERAL_OR_COMMENT = re.compile(
    r"""(?P<raw>[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""|\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|//[^\n]*""",
    re.DOTALL,
)


def _back_quote(source: str) -> int | None:
    """Where a field name is written in back quotes, which this parser reads and Kubernetes does not."""
    if "`" not in source:
        return None
    bare = _LITERAL_OR_COMMENT.sub(lambda match: " " * len(match[0]), source)
    place = bare.find("`")
    return place if place >= 0 else None


_ISSUE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?=\n \||\nERROR: <input>:|\Z)", re.DOTALL)
_STATUS = re.compile(r"\s*\[[A-Z_]+\]$")
_TOO_DEEP = re.compile(r"recursion (?:limit|depth)")


def _issues(text: str) -> list[Issue]:
    if _TOO_DEEP.search(text):
        return [Issue("expression is nested too deeply: at most 32 levels can be parsed")]
    issues = [
        Issue(_STATUS.sub("", match[3]).replace(" (in container '')", ""), max(int(match[1]), 1), max(int(match[2]), 1))
        for match in _ISSUE.finditer(text)
    ]
    if issues:
        return issues
    first = _STATUS.sub("", text.split("\n", 1)[0]).removeprefix("INVALID_ARGUMENT: ")
    return [Issue(first)]


def _issue_at(source: str, offset: int, message: str) -> Issue:
    before = source[:offset]
    return Issue(message, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def issue(source: str, node: Expr, message: str) -> Issue:
    """An issue at the place of a node in its source."""
    return _issue_at(source, node.offset, message)


# ------------------------------------------------------------------------------------------------------- the decoder

_PACKAGE = "gatewright.cel.expr"  # names of our own: the runtime's default pool is not touched
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "uint64": _FIELD.TYPE_UINT64,
    "double": _FIELD.TYPE_DOUBLE,
    "bool": _FIELD.TYPE_BOOL,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}
# message -> fields as "name number type", `*` for repeated. Field numbers are those of cel-spec's syntax.proto and
# checked.proto. `bytes` stands for a nested Expr, see above.
_MESSAGES = {
    "Constant": "null 1 int32, bool 2 bool, int 3 int64, uint 4 uint64, double 5 double, string 6 string, "
    "bytes 7 bytes",
    "Ident": "name 1 string",
    "Select": "operand 1 bytes, field 2 string, test_only 3 bool",
    "Call": "target 1 bytes, function 2 string, args 3 *bytes",
    "CreateList": "elements 1 *bytes, optional_indices 2 *int32",
    "Entry": "id 1 int64, field_key 2 string, map_key 3 bytes, value 4 bytes, optional 5 bool",
    "CreateStruct": "message_name 1 string, entries 2 *Entry",
    "Comprehension": "iter_var 1 string, iter_range 2 bytes, accu_var 3 string, accu_init 4 bytes, "
    "loop_condition 5 bytes, loop_step 6 bytes, result 7 bytes, iter_var2 8 string",
    "Expr": "id 2 int64, const 3 Constant, ident 4 Ident, select 5 Select, call 6 Call, list 7 CreateList, "
    "struct 8 CreateStruct, comprehension 9 Comprehension",
    "Position": "id 1 int64, offset 2 int32",
    "SourceInfo": "positions 4 *Position",
    "Empty": "",
    "ListType": "element 1 Type",
    "MapType": "key 1 Type, value 2 Type",
    "AbstractType": "name 1 string, params 2 *Type",
    "Type": "dyn 1 Empty, null 2 int32, primitive 3 int32, wrapper 4 int32, well_known 5 int32, list 6 ListType, "
    "map 7 MapType, message 9 string, param 10 string, type 11 Type, error 12 Empty, abstract 14 AbstractType",
    "TypeEntry": "id 1 int64, type 2 Type",
    "Reference": "name 1 string",
    "ReferenceEntry": "id 1 int64, reference 2 Reference",
    "CheckedExpr": "references 2 *ReferenceEntry, types 3 *TypeEntry, expr 4 bytes, source_info 5 SourceInfo",
    "ParsedExpr": "expr 2 bytes, source_info 3 SourceInfo",
}


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="gatewright_cel.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for declared in filter(None, fields.split(", ")):
            field_name, number, field_type = declared.split()
            scalar = _SCALARS.get(field_type.lstrip("*"))
            field = message.field.add(
                name=field_name,
                number=int(number),
                label=_FIELD.LABEL_REPEATED if field_type.startswith("*") else _FIELD.LABEL_OPTIONAL,
                type=scalar if scalar is not None else _FIELD.TYPE_MESSAGE,
            )
            if scalar is None:
                field.type_name = f".{_PACKAGE}.{field_type.lstrip('*')}"
            elif field_type == "*int32":
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _message_classes()
_EXPR = _CLASSES["Expr"]
_PRIMITIVE_TYPES = (types.DYN, types.BOOL, types.INT, types.UINT, types.DOUBLE, types.STRING, types.BYTES)
_WELL_KNOWN_TYPES = (types.DYN, types.DYN, types.TIMESTAMP, types.DURATION)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names of an unchecked expression may mean."""

    variables: frozenset[str]
    functions: frozenset[str]
    container: str


# Namespaced functions that the checker itself declares.
_NAMESPACED = frozenset({"optional.of", "optional.none", "optional.ofNonZeroValue"})


def _decode(source: str, serialized: bytes, scope: Scope) -> Expr:
    wrapped = any_pb2.Any.FromString(serialized)
    checked = wrapped.type_url.endswith("CheckedExpr")
    root = _CLASSES["CheckedExpr" if checked else "ParsedExpr"].FromString(wrapped.value)
    decoder = _Decoder(source, root, scope, checked)
    return decoder.expr(root.expr, 1)


class _Decoder:
    """One expression's messages to nodes, with the checker's types and references joined in."""

    def __init__(self, source: str, root: Any, scope: Scope, checked: bool) -> None:
        self.source = source
        self.checked = checked
        self.scope = scope
        self.loops: list[str] = []  # the loop variables in scope, which hide qualified names that begin like them
        self.offsets: dict[int, int] = {place.id: place.offset for place in root.source_info.positions}
        self.types: dict[int, Type] = {}
        self.references: dict[int, str] = {}
        if checked:
            self.types = {entry.id: _type(entry.type) for entry in root.types}
            self.references = {entry.id: entry.reference.name for entry in root.references if entry.reference.name}

    def expr(self, encoded: bytes, depth: int) -> Expr:
        """The node that `encoded`, one Expr message, holds, with all below it."""
        if depth > MAX_DEPTH:
            raise CompileError(self.source, [Issue(f"expression is nested too deeply: more than {MAX_DEPTH} levels")])
        message = _EXPR.FromString(encoded)
        node_id: int = message.id
        place = (node_id, self.types.get(node_id, types.DYN), self.offsets.get(node_id, 0))
        depth += 1
        if message.HasField("const"):
            return Const(*place, value=_constant(message.const))
        if message.HasField("ident"):
            return Ident(*place, name=self.references.get(node_id) or self._resolved(message.ident.name))
        if message.HasField("select"):
            return self._select(message, place, depth)
        if message.HasField("call"):
            return self._call(message.call, place, depth)
        if message.HasField("list"):
            elements = tuple(self.expr(element, depth) for element in message.list.elements)
            return ListLiteral(*place, elements=elements, optional=frozenset(message.list.optional_indices))
        if message.HasField("struct"):
            return self._struct(message.struct, place, depth)
        if message.HasField("comprehension"):
            return self._comprehension(message.comprehension, place, depth)
        raise CompileError(self.source, [Issue("the parser gave an expression of an unknown form")])

    def _comprehension(self, fold: Any, place: tuple[int, Type, int], depth: int) -> Comprehension:
        outer, init = self.expr(fold.iter_range, depth), self.expr(fold.accu_init, depth)
        self.loops += (fold.iter_var, fold.iter_var2, fold.accu_var)
        node = Comprehension(
            *place,
            var=fold.iter_var,
            var2=fold.iter_var2,
            range=outer,
            accu=fold.accu_var,
            init=init,
            condition=self.expr(fold.loop_condition, depth),
            step=self.expr(fold.loop_step, depth),
            result=self.expr(fold.result, depth),
        )
        del self.loops[-3:]
        return node

    def _resolved(self, name: str) -> str:
        """A name of an unchecked expression as it was declared: in the container, in one around it, or at the root."""
        if self.checked or name.partition(".")[0] in self.loops:
            return name
        prefix = self.scope.container
        while prefix:
            if f"{prefix}.{name}" in self.scope.variables:
                return f"{prefix}.{name}"
            prefix = prefix.rpartition(".")[0]
        return name

    def _select(self, message: Any, place: tuple[int, Type, int], depth: int) -> Expr:
        if place[0] in self.references:
            return Ident(*place, name=self.references[place[0]])
        operand = self.expr(message.select.operand, depth)
        select = Select(*place, operand=operand, field=message.select.field, test=message.select.test_only)
        if not self.checked and not select.test:
            name = self._resolved(_qualified_name(select))
            if name in self.scope.variables and name.partition(".")[0] not in self.loops:
                return Ident(*place, name=name)
        return select

    def _call(self, call: Any, place: tuple[int, Type, int], depth: int) -> Expr:
        args = tuple(self.expr(arg, depth) for arg in call.args)
        if not call.HasField("target"):
            return Call(*place, function=call.function, args=args, member=False)
        target = self.expr(call.target, depth)
        if not self.checked:
            name = f"{_qualified_name(target)}.{call.function}"
            if name in self.scope.functions or name in _NAMESPACED:
                return Call(*place, function=name, args=args, member=False)
        return Call(*place, function=call.function, args=(target, *args), member=True)

    def _struct(self, struct: Any, place: tuple[int, Type, int], depth: int) -> Expr:
        if struct.message_name:
            text = f"undeclared reference to '{struct.message_name}': no message types are declared here"
            raise CompileError(self.source, [_issue_at(self.source, place[2], text)])
        entries = tuple(
            Entry(self.expr(entry.map_key, depth), self.expr(entry.value, depth), entry.optional)
            for entry in struct.entries
        )
        return MapLiteral(*place, entries=entries)


def _qualified_name(node: Expr) -> str:
    """a.b.c for a chain of selections on an identifier, else the empty text."""
    fields: list[str] = []
    while isinstance(node, Select) and not node.test:
        fields.append(node.field)
        node = node.operand
    return ".".join([node.name, *reversed(fields)]) if isinstance(node, Ident) else ""


def _constant(constant: Any) -> Any:
    for name in ("bool", "int", "double", "string", "bytes"):
        if constant.HasField(name):
            return getattr(constant, name)
    return UInt(constant.uint) if constant.HasField("uint") else None


def _type(message: Any) -> Type:
    if message.HasField("primitive") or message.HasField("wrapper"):
        return _PRIMITIVE_TYPES[message.primitive or message.wrapper]
    if message.HasField("null"):
        return types.NULL
    if message.HasField("list"):
        return types.list_of(_type(message.list.element))
    if message.HasField("map"):
        return types.map_of(_type(message.map.key), _type(message.map.value))
    if message.HasField("well_known"):
        return _WELL_KNOWN_TYPES[message.well_known]
    if message.HasField("type"):
        inner = _type(message.type)
        return Type("type", (inner,))
    if message.HasField("abstract"):
        return Type(message.abstract.name, tuple(_type(param) for param in message.abstract.params))
    if message.HasField("message"):
        return Type(message.message)
    return types.DYN


def _calls(node: Expr) -> Iterable[Call]:
    from webhook.cel.ast import children

    if isinstance(node, Call):
        yield node
    for child in children(node):
        yield from _calls(child)
