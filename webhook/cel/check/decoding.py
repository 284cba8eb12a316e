"""Decodes the checker's result, a serialised CheckedExpr or ParsedExpr, into a syntax tree.

The messages are those of cel-spec (proto/cel/expr/checked.proto and syntax.proto). The protobuf runtime decodes them
with a descriptor that declares only the fields that are read. Nested expressions are declared as bytes and decoded
level by level, as the runtime rejects messages that are nested more than 100 levels deep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from msgspec import Struct
from msgspec.structs import replace

from webhook.cel.library.resolution import Functions
from webhook.cel.tree import types
from webhook.cel.tree.ast import (
    Call,
    Comprehension,
    Const,
    Entry,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    StructLiteral,
)
from webhook.cel.tree.errors import CompileError, Issue, issue_at
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import UInt

MAX_DEPTH = 250
"""Levels of a syntax tree; the API server's limit. The parser itself stops at 32 levels of nested source."""

MAX_NODES = 20_000
"""The most nodes of a syntax tree with expanded macros. More would take seconds to compile; policies have hundreds."""

_PACKAGE = "gatewright.cel.expr"  # own names, to avoid conflicts with the runtime's default pool
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


class Scope(Struct, frozen=True):
    """Resolves names: those of functions, and in an unchecked expression all others too."""

    variables: frozenset[str]
    functions: Functions
    container: str
    renamed: Mapping[str, str]
    """The functions that the checker knows by another name: that name -> the function's own name."""
    messages: Mapping[str, str] | None = None
    """The types that may be constructed, if any: name in the checker -> own name if it differs."""


def decode(source: str, serialized: bytes, scope: Scope) -> Expr:
    wrapped = any_pb2.Any.FromString(serialized)
    checked = wrapped.type_url.endswith("CheckedExpr")
    root = _CLASSES["CheckedExpr" if checked else "ParsedExpr"].FromString(wrapped.value)
    decoder = _Decoder(source, root, scope, checked)
    return decoder.expr(root.expr, 1)


class _Decoder:
    """Decodes the messages of one expression into nodes, with the checker's types and references."""

    def __init__(self, source: str, root: Any, scope: Scope, checked: bool) -> None:
        self.source = source
        self.checked = checked
        self.scope = scope
        self.nodes = 0
        self.loops: list[str] = []  # the loop variables in scope, which shadow qualified names that begin with them
        self.offsets: dict[int, int] = {place.id: place.offset for place in root.source_info.positions}
        self.types: dict[int, Type] = {}
        self.references: dict[int, str] = {}
        if checked:
            self.types = {entry.id: _type(entry.type) for entry in root.types}
            if scope.messages:
                self.types = {id_: _renamed(found, scope.messages) for id_, found in self.types.items()}
            self.references = {entry.id: entry.reference.name for entry in root.references if entry.reference.name}

    def expr(self, encoded: bytes, depth: int) -> Expr:
        """The node of `encoded`, one Expr message, with its operands."""
        if depth > MAX_DEPTH:
            raise CompileError(self.source, [Issue(f"expression is nested too deeply: more than {MAX_DEPTH} levels")])
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise CompileError(
                self.source, [Issue(f"expression is too large: more than {MAX_NODES} syntax tree nodes")]
            )
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
        """The declared name of a name in an unchecked expression: in the container, an outer one, or the root."""
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
            return self._bound(place, call.function, args, member=False)
        target = self.expr(call.target, depth)
        if not self.checked:
            name = f"{_qualified_name(target)}.{call.function}"
            if name in self.scope.functions.names(member=False):
                return self._bound(place, name, args, member=False)
        return self._bound(place, call.function, (target, *args), member=True)

    def _bound(self, place: tuple[int, Type, int], name: str, args: tuple[Expr, ...], *, member: bool) -> Call:
        function = self.scope.renamed.get(name, name)
        declared = self.scope.functions.declared(function, member, tuple([arg.type for arg in args]))
        return Call(*place, function=function, args=args, member=member, declared=declared)

    def _struct(self, struct: Any, place: tuple[int, Type, int], depth: int) -> Expr:
        if struct.message_name and self.scope.messages is not None:
            return self._message(struct, place, depth, self.scope.messages)
        if struct.message_name:
            text = f"undeclared reference to '{struct.message_name}': no message types are declared here"
            raise CompileError(self.source, [issue_at(self.source, place[2], text)])
        entries = tuple(
            Entry(self.expr(entry.map_key, depth), self.expr(entry.value, depth), entry.optional)
            for entry in struct.entries
        )
        return MapLiteral(*place, entries=entries)

    def _message(self, struct: Any, place: tuple[int, Type, int], depth: int, names: Mapping[str, str]) -> Expr:
        entries = tuple(
            Entry(
                Const(entry.id, types.STRING, self.offsets.get(entry.id, place[2]), value=entry.field_key),
                self.expr(entry.value, depth),
                entry.optional,
            )
            for entry in struct.entries
        )
        name = struct.message_name.removeprefix(".")
        return StructLiteral(*place, entries=entries, name=names.get(name, name))


def _renamed(found: Type, names: Mapping[str, str]) -> Type:
    params = tuple(_renamed(param, names) for param in found.params)
    return replace(found, name=names.get(found.name, found.name), params=params)


def _qualified_name(node: Expr) -> str:
    """a.b.c for a chain of selections on an identifier, else ""."""
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
