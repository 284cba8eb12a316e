"""Structs, the types of variables with known fields.

A struct is a plain dict at run time. The checker reports unknown fields of a struct, and knows the types of the others.
"""

from __future__ import annotations

from webhook.cel.tree.types import Type


class StructType:
    """A struct: its qualified name ("kubernetes.UserInfo") and its fields by name. A field may be another struct.

    A struct only equals itself. Each is declared once, and checkers are cached by their structs, so comparing is fast.
    """

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: tuple[tuple[str, Type], ...]) -> None:
        self.name = name
        self.fields = fields

    @property
    def type(self) -> Type:
        """The type of a variable or field that holds this struct."""
        return Type(self.name)
