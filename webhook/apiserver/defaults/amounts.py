"""The rounding of amounts of resources, which the API server keeps to a thousandth."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver import quantities

_THOUSANDTHS: Final = -3


def round_up_amounts(amounts: dict[str, Any]) -> None:
    """Rounds up the canonical quantities of a list of resources to thousandths: 100u → 1m."""
    for name, amount in amounts.items():
        if amount[-1:] in ("n", "u") or "e-" in amount:  # only such canonical quantities have smaller parts
            amounts[name] = quantities.rounded(amount, _THOUSANDTHS)
