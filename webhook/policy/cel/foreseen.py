"""The form of the code for an evaluation that will probably fail: it records at once what its witnesses take.

In a tree of manifests one policy often fails on many objects. Evaluated in the plain form, each of them is evaluated
once more to find the place of its finding. In this form, expressions whose witnesses were asked for before are
evaluated by their outlines (webhook.cel.why.shapes), the others as in the plain form. Whatever goes wrong, an error of
the policy too, it gives up, and the plain form decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from webhook.cel.program import Outlining, Program
from webhook.cel.tree.errors import BudgetExceeded, LimitExceeded
from webhook.cel.why.shapes import CHEAP

if TYPE_CHECKING:
    from webhook.cel.cost.metering import Deadline
    from webhook.cel.program import Form
    from webhook.cel.why.shapes import Outlines

_NONE: Final[Mapping[str, Any]] = {}

Keyed = tuple[tuple[str, bytes], ...]
"""Variables whose values policies share: see webhook.policy.cel.sharing."""


class GaveUp(Exception):
    """The plain form has to decide."""


class Foreseen:
    """A Form for one evaluation of a policy. `last`: the activation that was made last."""

    __slots__ = ("_expressions", "last", "outlines")

    def __init__(self, outlines: Outlines) -> None:
        self.outlines = outlines
        self._expressions = outlines.expressions
        self.last: Outlining | None = None

    def activation(
        self,
        bindings: Mapping[str, Any],
        lazy: Mapping[str, Callable[[], Any]] = _NONE,
        variables: Mapping[str, Program] = _NONE,
        deadline: Deadline | None = None,
    ) -> Outlining:
        """See Form."""
        made = self.last = Outlining(self.outlines.variables, bindings, lazy, variables, deadline)
        return made

    def evaluate(self, program: Program, activation: Outlining, /) -> Any:
        """See Form. Raises GaveUp for every error."""
        run = self._expressions.get(id(program)) or program.plain
        activation.begun = activation.cost
        try:
            value = run(activation)
        except (Exception, BudgetExceeded, LimitExceeded):
            raise GaveUp from None
        if activation.failed or activation.cost > CHEAP:
            raise GaveUp
        return value

    def exactly(self) -> Form:
        """See Form."""
        raise GaveUp

    def unasked(self, names: Keyed) -> Keyed:
        """Those of these variables of whose parts nothing was asked, so that their values are enough."""
        asked = self.outlines.variables
        return tuple([each for each in names if each[0] not in asked])
