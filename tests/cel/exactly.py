"""Values, errors and costs of all forms of the generated code, in the form of the answers of a kube-apiserver's CEL.

Values are tagged as in kubernetes/exact.go, so that no two types look alike.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from webhook.cel import Activation, EvaluationError
from webhook.cel.library.quantity import Quantity
from webhook.cel.program import Counting, Program, Recording
from webhook.cel.tree.types import Type
from webhook.cel.value.aggregates import elements
from webhook.cel.value.numbers import UInt
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import NONE, Optional


class Outcome(NamedTuple):
    """kind: value, error or compile; content: the tagged value, or the text of the error."""

    kind: str
    content: Any


def of_answer(answer: Mapping[str, Any]) -> Outcome:
    """The outcome of an answer of the program in kubernetes/."""
    if "compile" in answer:
        return Outcome("compile", "")
    if "error" in answer:
        return Outcome("error", answer["error"])
    return Outcome("value", _ordered(answer["exact"]))


def _ordered(value: Any) -> Any:
    """The tagged value with the entries of its maps in order."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    content = {tag: _ordered(held) for tag, held in value.items()}
    return {tag: sorted(held, key=json.dumps) if tag == "map" else held for tag, held in content.items()}


def tagged(value: Any) -> Any:
    """One of our values in the form of kubernetes/exact.go."""
    if isinstance(value, list):
        return {"list": [tagged(item) for item in value]}
    if isinstance(value, dict):
        entries = [_entry(key, held) for key, held in zip(elements(value), value.values(), strict=True)]
        return {"map": sorted(entries, key=json.dumps)}
    tag = _TAGS.get(type(value))
    return _opaque(value) if tag is None else tag(value)


def _entry(key: Any, value: Any) -> list[Any]:
    # Go does not find a key that is not a number.
    return [tagged(key), "not found" if isinstance(key, float) and math.isnan(key) else tagged(value)]


def _double(value: float) -> dict[str, Any]:
    return {"double": "NaN" if math.isnan(value) else struct.pack(">d", value).hex()}


_TAGS: Mapping[type, Callable[[Any], Any]] = {
    type(None): lambda _: None,
    bool: bool,
    int: lambda value: {"int": str(value)},
    UInt: lambda value: {"uint": str(int(value))},
    float: _double,
    str: lambda value: {"string": value},
    bytes: lambda value: {"bytes": value.hex()},
    Timestamp: lambda value: {"timestamp": str(value)},
    Duration: lambda value: {"duration": str(value.ns)},
    Type: lambda value: {"type": value.name},
    Optional: lambda value: {"optional": [] if value is NONE else [tagged(value.value)]},
}
_SHOWN = ("kubernetes.Semver", "net.IP", "net.CIDR", "kubernetes.URL")


def _opaque(value: Any) -> dict[str, Any]:
    if isinstance(value, Quantity):
        return {"opaque": [value.cel_type, f"{value.value.numerator}/{value.value.denominator}"]}
    return {"opaque": [value.cel_type, str(value) if value.cel_type in _SHOWN else ""]}


def forms(program: Program, bindings: Mapping[str, Any]) -> dict[str, tuple[Outcome, int]]:
    """The outcome and the cost of each form of the code."""
    evaluations: list[tuple[str, type[Activation], Callable[[Any], Any]]] = [
        ("plain", Activation, program.evaluate),
        ("exact", Activation, program.evaluate_exactly),
        ("counted", Counting, program.evaluate_counting),
        ("recording", Recording, program.evaluate_recording),
    ]
    found: dict[str, tuple[Outcome, int]] = {}
    for name, kind, evaluate in evaluations:
        activation = kind(bindings)
        try:
            outcome = Outcome("value", tagged(evaluate(activation)))
        except EvaluationError as error:
            outcome = Outcome("error", str(error))
        found[name] = outcome, activation.cost
    return found


_PANICS = (
    "internal error: interface conversion: *types.Err is not traits.Lister",
    "internal error: interface conversion: ref.Val is ",
    "internal error: runtime error: hash of unhashable type",
)
_NATIVE = {"[]interface {}": "*types.baseList", "map[string]interface {}": "*types.baseMap", "<nil>": "types.Null"}
_UNFIT = "invalid qualifier type: "
# Texts that the API server writes with the address of a function, or as the quantity was written.
_UNSTABLE = re.compile(r"\{\w+ 0x[0-9a-f]+ \d+\}|format\.\w+|quantity\('[^']*'\)")


def agree(mine: Outcome, theirs: Outcome) -> bool:
    """Whether two outcomes are the same, but for what docs/conformance.md names."""
    if mine == theirs:
        return True
    if mine.kind != "error" or theirs.kind != "error":
        return False
    if theirs.content.startswith(_PANICS):
        return True  # here it is the error that an operand gave
    if theirs.content.startswith("operation cancelled: "):
        return True  # an operand failed, and the call is charged before its error counts
    if theirs.content.startswith(_UNFIT):
        name = mine.content.removeprefix(_UNFIT)
        return bool(_NATIVE.get(name, name) == theirs.content.removeprefix(_UNFIT))
    if theirs.content.replace("<nil>", "0") == mine.content:
        return True  # a null in a list of the object
    if _UNSTABLE.search(mine.content):
        return bool(mine.content.partition(":")[0].split()[0] == theirs.content.partition(":")[0].split()[0])
    # Go writes the entries of a map in any order.
    return "{" in mine.content and sorted(mine.content) == sorted(theirs.content)
