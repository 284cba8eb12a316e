"""Expressions of any cost: nested loops."""

from __future__ import annotations

# Loops over literals: nothing has to be large for them.
TEN = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"


def in_tens(depth: int, innermost: str) -> str:
    for level in range(depth):
        innermost = f"{TEN}.all(v{level}, {innermost})"
    return innermost


def nested(variables: str = "abcde", innermost: str = "a > 0") -> str:
    """Loops in one another over ten elements: five cost 555,551 units."""
    expression = innermost
    for name in reversed(variables):
        expression = f"[1,2,3,4,5,6,7,8,9,10].all({name}, {expression})"
    return expression
