"""The arithmetic of estimates, and which estimate a call gets. What the API server estimates is asked of it in
tests/apiserver/customresources/test_against_kubernetes.py."""

from __future__ import annotations

import pytest

from webhook.apiserver.customresources.estimating import estimated, exceeded
from webhook.apiserver.customresources.ruletypes import Declared
from webhook.cel import types
from webhook.cel.check.frontend import Declarations, Frontend
from webhook.cel.cost import estimates
from webhook.cel.cost.estimates import MOST, UNKNOWN, Entries, Estimate, Sizes, Span, fixed
from webhook.cel.functions import LIBRARIES
from webhook.cel.library import standard
from webhook.cel.library.declaring import Library, function, method
from webhook.cel.library.resolution import Functions
from webhook.cel.tree.ast import Expr


def test_sums_and_products_stop_at_what_is_unbounded() -> None:
    assert Span(1, MOST).plus(Span(2, 5)) == Span(3, MOST)
    assert Span(2, 2**40).times(Span(3, 2**40)) == Span(6, MOST)
    assert UNKNOWN.scaled(2) == UNKNOWN
    assert estimates.product(2**63, 2) == MOST
    assert estimates.product(2**31, 2) == 2**32


def test_a_part_of_a_unit_is_a_unit() -> None:
    assert Span(1, 11).scaled(0.1) == Span(1, 2)
    assert Span(0, 10).scaled(0.1) == Span(0, 1)


def test_a_union_holds_both() -> None:
    assert Span(3, 4).union(Span(1, 2)) == Span(1, 4)
    entries = Entries("list", fixed(1), Span(2, 3))
    assert entries.union(Entries("map", fixed(5), fixed(4))) == Entries("list", Span(1, 5), Span(2, 4))
    assert entries.union(None) is None


def _tens(sizes: Sizes, value: Expr, *_: Expr) -> Estimate:
    return Estimate(sizes.size(value).scaled(10), fixed(1000))


MINE = Library(
    "mine",
    (1, 30),
    (
        method("tens", "string -> string", str, "", estimate=_tens),
        method("tens", "int -> string", str, ""),
        function("plain", "string -> string", str, ""),
    ),
)
FUNCTIONS = Functions((standard.LIBRARY, MINE))
VARIABLES = {"self": types.parse("list(string)"), "oldSelf": types.parse("list(string)")}
FRONTEND = Frontend(VARIABLES, Declarations(FUNCTIONS.declarations, bound=FUNCTIONS))
ROOT = Declared(VARIABLES["self"], 2, 6, Declared(types.STRING, 2, 20))


@pytest.mark.parametrize(
    ("source", "most"),
    [
        ("self[0]", 2),
        ("self[0].tens()", 2 + 200),
        ("self[0].tens().tens()", 2 + 200 + 10_000),
        ("dyn(self[0]).tens()", 2 + 1 + 200),  # the values may choose the overload for strings
        ("dyn(self).tens()", 1 + 1 + 60),
        ("1.tens()", 1),
        ("plain(self[0])", 2 + 1),
        ("plain(self[0]).tens()", MOST),  # nothing is known of the result
    ],
)
def test_a_call_is_estimated_as_declared(source: str, most: int) -> None:
    assert estimated(FRONTEND.check(source), ROOT) == most


def test_overloads_that_only_values_tell_apart_share_an_estimate() -> None:
    """Else the first one would count for calls of any of them."""
    declared: dict[tuple[str, bool, int], set[object]] = {}
    for overload in (each for library in LIBRARIES for each in library.overloads):
        key = (overload.name, overload.member, len(overload.params))
        declared.setdefault(key, set()).add(overload.declared.estimate)
    assert [key for key, found in declared.items() if len(found - {None}) > 1] == []
    assert sum(found != {None} for found in declared.values()) > 50


@pytest.mark.parametrize(
    ("cost", "factor"),
    [(14_000_000, "1.400000x"), (40_000_000, "4.0x"), (2_000_000_000, "more than 100x")],
)
def test_a_cost_over_its_limit_is_told_with_its_factor(cost: int, factor: str) -> None:
    assert exceeded("estimated rule cost", cost, 10_000_000).startswith(
        f"estimated rule cost exceeds budget by factor of {factor} (try simplifying the rule"
    )
