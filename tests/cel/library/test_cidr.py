"""Networks: values and errors, also beside what Python has."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cel.evaluating import has_error, has_value
from tests.cel.library.properties import ADDRESSES, value_of

CIDR = "network address parse error during conversion from string: "

VALUES: list[tuple[str, Any]] = [
    ("cidr('192.168.0.0/24').containsIP('192.168.0.255')", True),
    ("cidr('192.168.0.0/24').containsIP(ip('192.168.1.0'))", False),
    ("cidr('0.0.0.0/0').containsIP('::1')", False),
    ("cidr('::/0').containsIP('2001:db8::1')", True),
    ("cidr('10.0.0.1/32').containsIP('10.0.0.1')", True),
    ("cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25')", True),
    ("cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))", False),
    ("cidr('192.168.0.0/24').containsCIDR('192.168.0.0/24')", True),
    ("cidr('192.168.0.1/24').ip() == ip('192.168.0.1')", True),
    ("cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')", True),
    ("cidr('192.168.0.1/24') == cidr('192.168.0.0/24')", False),
    ("string(cidr('192.168.0.1/24'))", "192.168.0.1/24"),
    ("cidr('::1/128').prefixLength()", 128),
    ("isCIDR('10.0.0.0/8') && isCIDR('::/0')", True),
    ("isCIDR('10.0.0.0/33') || isCIDR('10.0.0.0/08') || isCIDR('10.0.0.0') || isCIDR('::ffff:1.2.3.4/96')", False),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("cidr('10.0.0.0')", f"{CIDR}{CIDR}netip.ParsePrefix(\"10.0.0.0\"): no '/'"),
    ("cidr('::ffff:1.2.3.4/96')", f'{CIDR}IPv4-mapped IPv6 address "::ffff:1.2.3.4/96" is not allowed'),
    ("cidr('10.0.0.0/8').containsIP('x')", "no such overload"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


@st.composite
def networks(draw: st.DrawFn) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    address = draw(ADDRESSES)
    interface = ipaddress.ip_interface(f"{address}/{draw(st.integers(0, address.max_prefixlen))}")
    assume(interface.version == 4 or interface.network.network_address.ipv4_mapped is None)
    return interface


@given(networks())
def test_a_network_is_read_as_ipaddress_reads_it(network: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> None:
    text = network.with_prefixlen
    assert value_of("isCIDR(x)", text) is True
    assert value_of("string(cidr(x).masked())", text) == network.network.with_prefixlen
    assert value_of("string(cidr(x).ip())", text) == str(network.ip)
    assert value_of("cidr(x).prefixLength()", text) == network.network.prefixlen
    assert value_of("cidr(x) == cidr(x).masked()", text) is (network.ip == network.network.network_address)


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
        assert value_of("cidr(x).containsIP(y)", network.with_prefixlen, str(each)) is expected
        assert value_of("cidr(x).containsIP(ip(y))", network.with_prefixlen, str(each)) is expected


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
        assert value_of("cidr(x).containsCIDR(y)", network.with_prefixlen, str(each)) is expected
        assert value_of("cidr(x).containsCIDR(cidr(y))", network.with_prefixlen, str(each)) is expected
