"""Values for the properties of libraries, beside what Python has: addresses, sets and lists."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

from tests.cel.evaluating import ENVIRONMENT
from webhook.cel import Activation, Program

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


@functools.cache
def program(expression: str) -> Program:
    return ENVIRONMENT.compile(expression)


def value_of(expression: str, x: Any, y: Any = None) -> Any:
    """The value with x and y given; plain and exact agree."""
    compiled = program(expression)
    found = compiled.evaluate(Activation({"x": x, "y": y}))
    assert repr(found) == repr(compiled.evaluate_exactly(Activation({"x": x, "y": y})))
    return found


ADDRESSES = st.ip_addresses().filter(lambda each: each.version == 4 or each.ipv4_mapped is None)

SCALARS = st.one_of(st.integers(-5, 5), st.sampled_from(["a", "b", "c", "1"]), st.booleans(), st.none())
LISTS = st.lists(SCALARS, max_size=8)


def same(a: Any, b: Any) -> bool:
    """CEL's equality in Python: true is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
