"""Composited variables that depend on nothing but the params, kept between requests.

Policies read their params in variables (`int(params.data.max)`), and the params are the same object request after
request. Such a variable is evaluated once a param object. Errors are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.cel import Activation, Program
from webhook.cel.tree.ast import variables_in
from webhook.policy.request import JSONObject

_KEPT = 64
"""Param objects whose values are kept."""


class ParamValues:
    """The values of a policy's variables that depend on the params alone, by param object."""

    __slots__ = ("_names", "_values")

    def __init__(self, variables: Mapping[str, Program]) -> None:
        names: set[str] = set()
        for name, program in variables.items():  # each sees those before it only
            if variables_in(program.tree) <= {"params", *names}:
                names.add(name)
        self._names = frozenset(names)
        # By identity, with the object itself so that its identity stays its own.
        self._values: dict[int, tuple[JSONObject, dict[str, Any]]] = {}

    def of(self, params: Any) -> dict[str, Any] | None:
        """What is known of a param object, by `variables.NAME`; to be given to `keep` after the evaluation.

        None where there is nothing to know.
        """
        if not self._names or params is None:
            return None
        found = self._values.get(id(params))
        if found is None:
            if len(self._values) >= _KEPT:
                self._values.clear()
            found = self._values[id(params)] = (params, {})
        return found[1]

    def keep(self, known: dict[str, Any], activation: Activation) -> None:
        """Notes what an evaluation found out."""
        if len(known) < len(self._names):
            known.update((name, activation[name]) for name in self._names if name in activation)
