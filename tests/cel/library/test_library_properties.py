"""The function libraries beside what Python has: fractions, ipaddress, sets and lists."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cel.evaluating import ENVIRONMENT
from webhook.cel import Activation, EvaluationError, Program
from webhook.cel.library.quantity import parse_quantity

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


@functools.cache
def program(expression: str) -> Program:
    return ENVIRONMENT.compile(expression)


def value(expression: str, x: Any, y: Any = None) -> Any:
    """The value with x and y given; plain and exact agree."""
    compiled = program(expression)
    found = compiled.evaluate(Activation({"x": x, "y": y}))
    assert repr(found) == repr(compiled.evaluate_exactly(Activation({"x": x, "y": y})))
    return found


# ----------------------------------------------------------------------------------------------------- quantities

SUFFIXES: dict[str, Fraction] = {
    **{suffix: Fraction(10) ** power for suffix, power in zip("num kMGTPE", range(-9, 21, 3), strict=True)},
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
    "e3": Fraction(1000),
    "E-3": Fraction(1, 1000),
}
SUFFIXES[""] = SUFFIXES.pop(" ")


@st.composite
def amounts(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A text and the amount it shows, exactly: of no more than nine places, so that nothing is rounded."""
    whole, places = draw(st.integers(0, 10**15)), draw(st.integers(0, 3))
    suffix = draw(st.sampled_from([suffix for suffix in SUFFIXES if places == 0 or suffix not in ("n", "u")]))
    fraction = draw(st.integers(0, 10**places - 1)) if places else 0
    number = f"{whole}.{fraction:0{places}d}" if places else str(whole)
    sign = draw(st.sampled_from(["", "-", "+"]))
    amount = (Fraction(whole) + Fraction(fraction, 10**places)) * SUFFIXES[suffix]
    # Amounts in powers of two are cut at the largest int64.
    assume(not (suffix.endswith("i") and amount > INT_MAX))
    return f"{sign}{number}{suffix}", -amount if sign == "-" else amount


@given(amounts())
def test_a_quantity_is_the_rational_that_its_text_shows(amount: tuple[str, Fraction]) -> None:
    text, exact = amount
    assert value("isQuantity(x)", text) is True
    assert parse_quantity(text).value == exact
    assert value("sign(quantity(x))", text) == (exact > 0) - (exact < 0)


@given(amounts(), amounts())
def test_quantities_compare_as_rationals_do(one: tuple[str, Fraction], other: tuple[str, Fraction]) -> None:
    (a, left), (b, right) = one, other
    assert value("quantity(x).compareTo(quantity(y))", a, b) == (left > right) - (left < right)
    assert value("quantity(x) == quantity(y)", a, b) is (left == right)
    assert value("quantity(x).isLessThan(quantity(y))", a, b) is (left < right)
    assert value("quantity(x).isGreaterThan(quantity(y))", a, b) is (left > right)


@given(amounts(), amounts(), st.integers(INT_MIN + 1, INT_MAX))
def test_sums_and_differences_are_exact(one: tuple[str, Fraction], other: tuple[str, Fraction], number: int) -> None:
    (a, left), (b, right) = one, other
    assert value("quantity(x).add(quantity(y))", a, b).value == left + right
    assert value("quantity(x).sub(quantity(y))", a, b).value == left - right
    assert value("quantity(x).add(y)", a, number).value == left + number
    assert value("quantity(x).sub(y)", a, number).value == left - number


@given(amounts())
def test_an_integer_is_the_amount_and_no_amount_with_a_fraction_is_one(amount: tuple[str, Fraction]) -> None:
    text, exact = amount
    if value("quantity(x).isInteger()", text):
        assert value("quantity(x).asInteger()", text) == exact
    else:
        with pytest.raises(EvaluationError, match="cannot convert value to integer"):
            value("quantity(x).asInteger()", text)
    if exact.denominator != 1:
        assert value("quantity(x).isInteger()", text) is False


@given(amounts())
def test_the_approximate_float_is_near(amount: tuple[str, Fraction]) -> None:
    text, exact = amount
    assert value("quantity(x).asApproximateFloat()", text) == pytest.approx(float(exact), rel=1e-14)


@given(st.text(alphabet="0123456789.+-eEnumkMGTPiK ", max_size=12))
def test_whatever_a_text_is_both_functions_say_the_same_of_it(text: str) -> None:
    try:
        value("quantity(x)", text)
    except EvaluationError:
        assert value("isQuantity(x)", text) is False
    else:
        assert value("isQuantity(x)", text) is True


# ------------------------------------------------------------------------------------------- addresses and networks

ADDRESSES = st.ip_addresses().filter(lambda each: each.version == 4 or each.ipv4_mapped is None)
TEXTS = st.one_of(
    ADDRESSES.map(str),
    ADDRESSES.map(lambda address: address.exploded.upper()),
    st.text(alphabet="0123456789abcdefAF:./%", max_size=24),
)


def python_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    refused = address.version == 6 and (address.ipv4_mapped is not None or address.scope_id is not None)
    return None if refused else address


@given(TEXTS)
def test_ip_takes_what_ipaddress_takes_but_for_zones_and_mapped_addresses(text: str) -> None:
    address = python_address(text)
    assert value("isIP(x)", text) is (address is not None)
    if address is not None:
        canonical = value("string(ip(x))", text)
        assert ipaddress.ip_address(canonical) == address
        assert value("ip(x).family()", text) == address.version
        assert value("ip.isCanonical(x)", text) is (canonical == text)
        assert value("ip.isCanonical(x)", canonical) is True


@given(ADDRESSES)
def test_questions_about_an_address_are_answered_as_by_ipaddress(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    text = str(address)
    assert value("string(ip(x))", text) == address.compressed
    assert value("ip(x).isUnspecified()", text) is address.is_unspecified
    assert value("ip(x).isLoopback()", text) is address.is_loopback
    assert value("ip(x).isLinkLocalUnicast()", text) is address.is_link_local
    broadcast = address == ipaddress.IPv4Address("255.255.255.255")
    none_of = (address.is_unspecified, address.is_loopback, address.is_link_local, address.is_multicast, broadcast)
    assert value("ip(x).isGlobalUnicast()", text) is not any(none_of)


@given(ADDRESSES, ADDRESSES, st.booleans())
def test_addresses_are_equal_if_they_are_one(
    one: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    same: bool,
) -> None:
    second = one.exploded if same else str(other)
    assert value("ip(x) == ip(y)", str(one), second) is (same or one == other)


@st.composite
def networks(draw: st.DrawFn) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    address = draw(ADDRESSES)
    interface = ipaddress.ip_interface(f"{address}/{draw(st.integers(0, address.max_prefixlen))}")
    assume(interface.version == 4 or interface.network.network_address.ipv4_mapped is None)
    return interface


@given(networks())
def test_a_network_is_read_as_ipaddress_reads_it(network: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> None:
    text = network.with_prefixlen
    assert value("isCIDR(x)", text) is True
    assert value("string(cidr(x).masked())", text) == network.network.with_prefixlen
    assert value("string(cidr(x).ip())", text) == str(network.ip)
    assert value("cidr(x).prefixLength()", text) == network.network.prefixlen
    assert value("cidr(x) == cidr(x).masked()", text) is (network.ip == network.network.network_address)


@given(networks(), ADDRESSES, st.integers(0, 2**128))
def test_a_network_contains_what_ipaddress_says(
    network: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    offset: int,
) -> None:
    inside = network.network[offset % network.network.num_addresses]
    for each in (address, inside):
        if each.version == 6 and each.ipv4_mapped is not None:
            continue
        expected = each.version == network.version and each in network.network
        assert value("cidr(x).containsIP(y)", network.with_prefixlen, str(each)) is expected
        assert value("cidr(x).containsIP(ip(y))", network.with_prefixlen, str(each)) is expected


@given(networks(), networks(), st.integers(0, 128))
def test_a_network_contains_its_subnets(
    network: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    other: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    longer: int,
) -> None:
    length = min(network.network.prefixlen + longer, network.max_prefixlen)
    subnet = ipaddress.ip_network(f"{network.ip}/{length}", strict=False)
    for each in (other.network, subnet):
        expected = each.version == network.version and each.subnet_of(network.network)  # type: ignore[arg-type]
        assert value("cidr(x).containsCIDR(y)", network.with_prefixlen, str(each)) is expected
        assert value("cidr(x).containsCIDR(cidr(y))", network.with_prefixlen, str(each)) is expected


# ------------------------------------------------------------------------------------------------- sets and lists

SCALARS = st.one_of(st.integers(-5, 5), st.sampled_from(["a", "b", "c", "1"]), st.booleans(), st.none())
LISTS = st.lists(SCALARS, max_size=8)


def same(a: Any, b: Any) -> bool:
    """CEL's equality in Python: true is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def keyed(items: list[Any]) -> set[tuple[bool, Any]]:
    return {(isinstance(item, bool), item) for item in items}


@given(LISTS, LISTS)
def test_sets_are_compared_as_python_compares_them(one: list[Any], other: list[Any]) -> None:
    a, b = keyed(one), keyed(other)
    assert value("sets.contains(x, y)", one, other) is (a >= b)
    assert value("sets.equivalent(x, y)", one, other) is (a == b)
    assert value("sets.intersects(x, y)", one, other) is bool(a & b)


@given(LISTS, SCALARS)
def test_elements_are_found_as_in_python(items: list[Any], wanted: Any) -> None:
    places = [place for place, item in enumerate(items) if same(item, wanted)]
    assert value("x.indexOf(y)", items, wanted) == (places[0] if places else -1)
    assert value("x.lastIndexOf(y)", items, wanted) == (places[-1] if places else -1)
    assert value("x.includes(y)", items, wanted) is bool(places)
    assert value("y in x", items, wanted) is bool(places)


@given(LISTS)
def test_distinct_keeps_the_first_of_each(items: list[Any]) -> None:
    expected: list[Any] = []
    for item in items:
        if not any(same(item, other) for other in expected):
            expected.append(item)
    assert value("x.distinct()", items) == expected


@given(st.lists(st.lists(st.integers(), max_size=3), max_size=4), st.lists(st.floats(allow_nan=False), max_size=4))
def test_distinct_compares_numbers_across_types_and_lists_by_value(lists: list[Any], doubles: list[float]) -> None:
    items = [*lists, *doubles, *map(int, (each for each in doubles if abs(each) < 2**53))]
    expected: list[Any] = []
    for item in items:
        if item not in expected:
            expected.append(item)
    assert value("x.distinct()", items) == expected


@given(LISTS)
def test_reverse_is_pythons(items: list[Any]) -> None:
    assert value("x.reverse()", items) == items[::-1]
    assert value("x.reverse().reverse()", items) == items


@given(LISTS, st.integers(-2, 10), st.integers(-2, 10))
def test_slice_is_pythons_within_the_list(items: list[Any], start: int, end: int) -> None:
    bounds = [start, end]
    if 0 <= start <= end <= len(items):
        assert value("x.slice(y[0], y[1])", items, bounds) == items[start:end]
    else:
        with pytest.raises(EvaluationError, match=rf"cannot slice\({start}, {end}\), "):
            value("x.slice(y[0], y[1])", items, bounds)


NESTED = st.recursive(st.integers(0, 9), lambda inner: st.lists(inner, max_size=4), max_leaves=12).filter(
    lambda made: isinstance(made, list)
)


@given(NESTED, st.integers(0, 4))
def test_flatten_unwraps_so_many_levels(nested: list[Any], depth: int) -> None:
    expected = nested
    for _ in range(depth):
        expected = [each for item in expected for each in (item if isinstance(item, list) else [item])]
    assert value("x.flatten(y)", nested, depth) == expected


ORDERED: list[st.SearchStrategy[list[Any]]] = [
    st.lists(st.integers(INT_MIN, INT_MAX)),
    st.lists(st.text()),
    st.lists(st.booleans()),
    st.lists(st.floats(allow_nan=False)),
    st.lists(st.binary()),
]


@given(st.one_of(ORDERED))
def test_sort_orders_as_python_does(items: list[Any]) -> None:
    ordered = sorted(items)
    assert value("x.sort()", items) == ordered
    assert value("x.isSorted()", items) is (items == ordered)
    if items:
        assert value("x.min()", items) == ordered[0]
        assert value("x.max()", items) == ordered[-1]


KEYS: list[tuple[str, Callable[[int], Any]]] = [("-e", lambda e: -e), ("e % 3", lambda e: e % 3), ("string(e)", str)]


@given(st.lists(st.integers(0, 1000)), st.sampled_from(KEYS))
def test_sort_by_orders_by_the_keys(items: list[int], key: tuple[str, Callable[[int], Any]]) -> None:
    expression, python = key
    assert value(f"x.sortBy(e, {expression})", items) == sorted(items, key=python)


@given(st.integers(0, 300))
def test_range_is_pythons(size: int) -> None:
    assert value("lists.range(x)", size) == list(range(size))


@given(st.lists(st.integers(-1000, 1000)))
def test_sum_is_pythons(items: list[int]) -> None:
    assert value("x.sum()", items) == sum(items)
