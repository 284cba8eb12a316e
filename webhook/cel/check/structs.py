"""Structs, the types of variables with known fields.

A struct is a plain dict at run time. The checker reports unknown fields of a struct, and knows the types of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.cel.tree.types import Type


@dataclass(frozen=True, slots=True, eq=False)
class StructType:
    """A struct: its qualified name ("kubernetes.UserInfo") and its fields by name. A field may be another struct.

    A struct only equals itself. Each is declared once, and checkers are cached by their structs, so comparing is fast.
    """

    name: str
    fields: tuple[tuple[str, Type], ...]

    @property
    def type(self) -> Type:
        """The type of a variable or field that holds this struct."""
        return Type(self.name)
