"""The work of compiling the expressions of one policy, counted, with a limit for all of them together.

One expression has limits of its own: its length, its depth, the nodes of its tree with macros expanded, and the length
of a regular expression. A policy may have thousands of expressions.
"""

from __future__ import annotations

from typing import Final

from webhook.cel.tree.errors import CompileError, Issue

MAX_EXPRESSIONS: Final = 1_000
"""The most expressions of a policy. Each variable has an environment with all variables before it."""

MAX_STEPS: Final = 30_000_000
"""The most steps, of about 0.1 µs, of compiling all expressions of a policy."""

PER_NODE: Final = 300
"""The steps of a node of a syntax tree: checking it, and writing its code in up to four forms."""

_TOO_MANY = (
    f"the policy has too many expressions: Gatewright compiles up to {MAX_EXPRESSIONS:,} of one policy; "
    "split it into several policies"
)
_TOO_LARGE = (
    "the policy takes too much work to compile: all its expressions together may have up to "
    f"{MAX_STEPS // PER_NODE:,} syntax tree nodes, with macros expanded, or regular expressions of as much work; "
    "split it into several policies, or name what is repeated as a variable"
)


class Compiling:
    """The work that is left for the expressions of one policy. Give one instance to `Environment.compile` for each.

    exceeded: a limit was exceeded, and reported by a CompileError. Further expressions would only repeat it.
    """

    __slots__ = ("_expressions", "exceeded", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self._expressions = 0
        self.exceeded = False

    def begin(self, source: str) -> None:
        """Count an expression. Raises CompileError if there are too many."""
        self._expressions += 1
        if self._expressions > MAX_EXPRESSIONS:
            self.exceeded = True
            raise CompileError(source, [Issue(_TOO_MANY)])

    def spend(self, steps: int, source: str) -> None:
        """Count steps. Raises CompileError if they are too many."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            self.exceeded = True
            raise CompileError(source, [Issue(_TOO_LARGE)])
