"""Caches the values of composited variables that depend only on the params.

Policies read their params in variables (`int(params.data.max)`), and many requests share the same param object. Such a
variable is evaluated once for each param object. Errors are not cached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.byidentity import ByIdentity
from webhook.cel import Activation, Program
from webhook.cel.tree.ast import variables_in
from webhook.cel.value.extent import extent

_KEPT = 64
"""The number of param objects for which values are cached."""

_LARGEST = 20_000
"""The most elements of all values of one param object (webhook.cel.value.extent); larger ones are not cached."""


class ParamValues:
    """A cache of the values of a policy's variables that depend only on the params, by param object."""

    __slots__ = ("_names", "_values")

    def __init__(self, variables: Mapping[str, Program]) -> None:
        names: set[str] = set()
        for name, program in variables.items():  # a variable can use only earlier ones
            if variables_in(program.tree) <= {"params", *names}:
                names.add(name)
        self._names = frozenset(names)
        self._values: ByIdentity[dict[str, Any]] = ByIdentity(_KEPT)

    def of(self, params: Any) -> dict[str, Any] | None:
        """The cached values for a param object, by `variables.NAME`. Pass them to `keep` after the evaluation.

        None if no variable depends only on the params, or if there are no params.
        """
        if not self._names or params is None:
            return None
        found = self._values.get(params)
        return self._values.keep(params, {}) if found is None else found

    def keep(self, known: dict[str, Any], activation: Activation) -> None:
        """Add the values that an evaluation computed. known: from `of`."""
        if len(known) < len(self._names):
            found = {name: activation[name] for name in self._names if name in activation and name not in known}
            if found and extent([*known.values(), *found.values()], _LARGEST) <= _LARGEST:
                known.update(found)
