"""The declarations of CEL's operators, in the form of function declarations.

Their costs depend on the types of both operands: see webhook.cel.cost.charging. The code generator itself writes the
operators that do not evaluate every operand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from webhook.cel.tree.declared import Declared, Privacy, Shape, written
from webhook.cel.value import operators

OPERATORS: Final[Mapping[str, Declared]] = {
    "_&&_": Declared(written, lazy=True),
    "_||_": Declared(written, lazy=True),
    "_?_:_": Declared(written, lazy=True, privacy=Privacy.PASSED, shape=Shape.CHOSEN),
    "!_": Declared(operators.invert),
    "-_": Declared(operators.negate),
    "_==_": Declared(operators.equal),
    "_!=_": Declared(written),
    "_<_": Declared(operators.less),
    "_<=_": Declared(operators.less_equal),
    "_>_": Declared(operators.greater),
    "_>=_": Declared(operators.greater_equal),
    "_+_": Declared(operators.add, shape=Shape.JOINED),
    "_-_": Declared(operators.subtract),
    "_*_": Declared(operators.multiply),
    "_/_": Declared(operators.divide),
    "_%_": Declared(operators.modulo),
    "@in": Declared(operators.contains),
    "_in_": Declared(operators.contains),
    "_[_]": Declared(operators.index, privacy=Privacy.PASSED, shape=Shape.PART),
    "_[?_]": Declared(operators.optional_index, privacy=Privacy.PASSED, shape=Shape.PART),
    "_?._": Declared(operators.optional_select, privacy=Privacy.PASSED, shape=Shape.PART),
    "@not_strictly_false": Declared(written),
}
"""The checker's name of an operator -> its declaration. Macros expand to the last one."""
