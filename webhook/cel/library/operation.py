"""The declarations of CEL's operators, in the form of function declarations.

Their costs depend on the types of both operands: see webhook.cel.cost.charging. The code generator itself writes the
operators that do not evaluate every operand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from webhook.cel.cost import estimates
from webhook.cel.library.declaring import FunctionDeclaration, split
from webhook.cel.tree import types
from webhook.cel.tree.declared import Declared, Privacy, Shape, written
from webhook.cel.value import aggregates, operators
from webhook.versions import CROSS_TYPE_COMPARISON, OPTIONAL_TYPES, Version

OPERATORS: Final[Mapping[str, Declared]] = {
    "_&&_": Declared(written, lazy=True),
    "_||_": Declared(written, lazy=True),
    "_?_:_": Declared(written, lazy=True, privacy=Privacy.PASSED, shape=Shape.CHOSEN),
    "!_": Declared(operators.invert),
    "-_": Declared(operators.negate),
    "_==_": Declared(operators.equal, estimate=estimates.equal),
    "_!=_": Declared(written, estimate=estimates.compared),
    "_<_": Declared(operators.less, estimate=estimates.ordered),
    "_<=_": Declared(operators.less_equal, estimate=estimates.ordered),
    "_>_": Declared(operators.greater, estimate=estimates.ordered),
    "_>=_": Declared(operators.greater_equal, estimate=estimates.ordered),
    "_+_": Declared(operators.add, shape=Shape.JOINED, estimate=estimates.added),
    "_-_": Declared(operators.subtract),
    "_*_": Declared(operators.multiply),
    "_/_": Declared(operators.divide),
    "_%_": Declared(operators.modulo),
    "@in": Declared(aggregates.contains, estimate=estimates.within),
    "_in_": Declared(aggregates.contains, estimate=estimates.within),
    "_[_]": Declared(aggregates.index, privacy=Privacy.PASSED, shape=Shape.PART),
    "_[?_]": Declared(aggregates.optional_index, privacy=Privacy.PASSED, shape=Shape.PART),
    "_?._": Declared(aggregates.optional_select, privacy=Privacy.PASSED, shape=Shape.PART),
    "@not_strictly_false": Declared(written),
}
"""The checker's name of an operator -> its declaration. Macros expand to the last one."""

_ORDER: Final = ("_<_", "_<=_", "_>_", "_>=_")
_ORDERED: Final = (
    ("bool", "bool"),
    *(("int", each) for each in ("int", "double", "uint")),
    *(("uint", each) for each in ("uint", "double", "int")),
    *(("double", each) for each in ("double", "int", "uint")),
    *((each, each) for each in ("string", "bytes", "timestamp", "duration")),
)
# The order of overloads decides on the types of calls with several possible ones.
_OVERLOADS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("_?_:_", ("bool, A, A -> A",)),
    ("_&&_", ("bool, bool -> bool",)),
    ("_||_", ("bool, bool -> bool",)),
    ("!_", ("bool -> bool",)),
    ("@not_strictly_false", ("bool -> bool",)),
    ("_==_", ("A, A -> bool",)),
    ("_!=_", ("A, A -> bool",)),
    (
        "_+_",
        (
            "bytes, bytes -> bytes",
            "double, double -> double",
            "duration, duration -> duration",
            "duration, timestamp -> timestamp",
            "timestamp, duration -> timestamp",
            "int, int -> int",
            "list(A), list(A) -> list(A)",
            "string, string -> string",
            "uint, uint -> uint",
        ),
    ),
    ("_/_", ("double, double -> double", "int, int -> int", "uint, uint -> uint")),
    ("_%_", ("int, int -> int", "uint, uint -> uint")),
    ("_*_", ("double, double -> double", "int, int -> int", "uint, uint -> uint")),
    ("-_", ("double -> double", "int -> int")),
    (
        "_-_",
        (
            "double, double -> double",
            "duration, duration -> duration",
            "int, int -> int",
            "timestamp, duration -> timestamp",
            "timestamp, timestamp -> duration",
            "uint, uint -> uint",
        ),
    ),
    ("@in", ("A, list(A) -> bool", "A, map(A, B) -> bool")),
    ("_in_", ("A, list(A) -> bool", "A, map(A, B) -> bool")),
    ("cel.@mapInsert", ("map(K, V), K, V -> map(K, V)", "map(K, V), map(K, V) -> map(K, V)")),
)
_INDEX: Final = ("list(A), int -> A", "map(A, B), A -> B")
_OPTIONAL_INDEX: Final = (
    "optional_type(list(V)), int -> optional_type(V)",
    "optional_type(map(K, V)), K -> optional_type(V)",
)
_OPTIONAL: Final = (
    "list(V), int -> optional_type(V)",
    "optional_type(list(V)), int -> optional_type(V)",
    "map(K, V), K -> optional_type(V)",
    "optional_type(map(K, V)), K -> optional_type(V)",
)


@lru_cache(maxsize=16)
def signatures(version: Version) -> tuple[FunctionDeclaration, ...]:
    """The overloads of all operators in a Kubernetes version. That of `a.?b` is the checker's own."""
    mixed = version >= CROSS_TYPE_COMPARISON
    optional = version >= OPTIONAL_TYPES
    declared = [
        *_OVERLOADS,
        ("_[_]", (*_INDEX, *(_OPTIONAL_INDEX if optional else ()))),
        *((("_[?_]", _OPTIONAL),) if optional else ()),
        *((name, tuple(f"{a}, {b} -> bool" for a, b in _ORDERED if mixed or a == b)) for name in _ORDER),
    ]
    return tuple(
        FunctionDeclaration(f"{name}{number}", name, tuple(split(params)), types.parse(result.strip()), False)
        for name, forms in declared
        for number, (params, _, result) in enumerate(form.partition("->") for form in forms)
    )
