"""Structs, the types of variables with known fields, and their descriptors for the checker.

A struct is a plain dict at run time. The checker reports unknown fields of a struct, and knows the types of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

from webhook.cel.tree.types import Type

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, Any] = {
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
    "int": _FIELD.TYPE_INT64,
    "double": _FIELD.TYPE_DOUBLE,
    "bytes": _FIELD.TYPE_BYTES,
}
_MESSAGES = {
    "dyn": ".google.protobuf.Value",
    # As elements of a list and values of a map. Their own elements are dyn to this checker.
    "list": ".google.protobuf.ListValue",
    "map": ".google.protobuf.Struct",
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
}


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A struct: its qualified name ("kubernetes.UserInfo") and its fields by name. A field may be another struct.

    A struct only equals itself. Each is declared once, and checkers are cached by their structs, so comparing is fast.
    """

    name: str
    fields: tuple[tuple[str, Type], ...]

    @property
    def type(self) -> Type:
        """The type of a variable or field that holds this struct."""
        return Type(self.name)


@lru_cache(maxsize=16)
def descriptors(structs: tuple[Struct, ...]) -> Any:
    """The descriptor pool that declares the structs to the checker."""
    pool = descriptor_pool.DescriptorPool()
    dependencies = []
    for module in (struct_pb2, timestamp_pb2, duration_pb2):
        known = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(known)
        pool.Add(known)
        dependencies.append(known.name)
    names = {struct.name for struct in structs}
    for struct in _inner_first(structs):
        package, _, name = struct.name.rpartition(".")
        file = descriptor_pb2.FileDescriptorProto(name=f"{struct.name}.proto", package=package, syntax="proto3")
        file.dependency.extend([*dependencies, *(f"{other}.proto" for other in sorted(_used(struct) & names))])
        message = file.message_type.add(name=name)
        for number, (field, declared) in enumerate(struct.fields, 1):
            _add_field(message, field, number, declared, struct.name)
        pool.Add(file)
    return pool


def _used(struct: Struct) -> set[str]:
    """The names of the types of a struct's fields, and of the elements of these."""
    return {part.name for _, declared in struct.fields for part in (declared, *declared.params)}


def _inner_first(structs: tuple[Struct, ...]) -> list[Struct]:
    """The structs in an order in which each comes after those that its fields have. No struct contains itself."""
    by_name = {struct.name: struct for struct in structs}
    placed: dict[str, Struct] = {}

    def place(struct: Struct) -> None:
        if struct.name not in placed:
            for name in sorted(_used(struct) & by_name.keys()):
                place(by_name[name])
            placed[struct.name] = struct

    for struct in structs:
        place(struct)
    return list(placed.values())


def _add_field(message: Any, name: str, number: int, declared: Type, owner: str) -> None:
    field = message.field.add(name=name, json_name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
    if declared.name == "list":
        field.label = _FIELD.LABEL_REPEATED
        _set_type(field, declared.params[0])
    elif declared.name == "map":
        entry = message.nested_type.add(name=f"{name[:1].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        for place, (part, of) in enumerate((("key", declared.params[0]), ("value", declared.params[1])), 1):
            _set_type(entry.field.add(name=part, json_name=part, number=place, label=_FIELD.LABEL_OPTIONAL), of)
        field.label = _FIELD.LABEL_REPEATED
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{owner}.{entry.name}"
    else:
        _set_type(field, declared)


def _set_type(field: Any, declared: Type) -> None:
    if declared.name in _SCALARS:
        field.type = _SCALARS[declared.name]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, _MESSAGES.get(declared.name, f".{declared.name}")
