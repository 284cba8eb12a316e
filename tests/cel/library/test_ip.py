"""IP addresses: values, errors, and what the types refuse, also beside what Python has."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cel.evaluating import has_error, has_value, is_refused
from tests.cel.library.properties import ADDRESSES, value_of

VALUES: list[tuple[str, Any]] = [
    ("ip('192.168.0.1').family()", 4),
    ("ip('2001:db8::68').family()", 6),
    ("string(ip('2001:DB8:0:0:0:0:0:68'))", "2001:db8::68"),
    ("string(ip('1:0:0:2:0:0:0:3'))", "1:0:0:2::3"),
    ("isIP('127.0.0.1') && isIP('::1') && isIP('::127.0.0.1')", True),
    ("isIP('127.0.0.256') || isIP('127.0.0.01') || isIP('127.1') || isIP('')", False),
    ("isIP('fe80::1%eth0') || isIP('::ffff:1.2.3.4') || isIP('10.0.0.0/8')", False),
    ("ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::abcd')", True),
    ("ip.isCanonical('2001:DB8::ABCD') || ip.isCanonical('2001:db8:0::1')", False),
    ("ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified()", True),
    ("ip('127.9.9.9').isLoopback() && ip('::1').isLoopback() && !ip('128.0.0.1').isLoopback()", True),
    ("ip('224.0.0.255').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()", True),
    ("ip('224.0.1.0').isLinkLocalMulticast() || ip('ff05::1').isLinkLocalMulticast()", False),
    ("ip('169.254.0.1').isLinkLocalUnicast() && ip('febf::1').isLinkLocalUnicast()", True),
    ("ip('fec0::1').isLinkLocalUnicast()", False),
    ("ip('10.0.0.1').isGlobalUnicast() && ip('fd00::1').isGlobalUnicast()", True),
    ("['255.255.255.255', '224.0.0.1', '127.0.0.1', '::'].exists(a, ip(a).isGlobalUnicast())", False),
    ("ip('10.0.0.1') in [ip('10.0.0.2'), ip('10.0.0.1')]", True),
    ("type(ip('::1')) == net.IP && type(cidr('::/0')) == net.CIDR", True),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("ip('::ffff:1.2.3.4')", 'IPv4-mapped IPv6 address "::ffff:1.2.3.4" is not allowed'),
    ("ip('fe80::1%eth0')", 'IP address "fe80::1%eth0" with zone value is not allowed'),
    (
        "ip('10.0.0.01')",
        'IP Address "10.0.0.01" parse error during conversion from string: ParseAddr("10.0.0.01"): '
        "IPv4 field has octet with leading zero",
    ),
    ("ip(dyn(1))", "no such overload: ip(int)"),
    ("dyn(ip('::1')) == dyn('::1')", "no such overload"),
    ("dyn(ip('::1')) < dyn(ip('::2'))", "no such overload: _<_"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


REFUSED: list[tuple[str, str]] = [
    ("ip(1)", "found no matching overload for 'ip' applied to '(int)'"),
    ("ip('::1').prefixLength()", "found no matching overload for 'prefixLength' applied to 'net.IP.()'"),
    ("ip('::1') == '::1'", "found no matching overload for '_==_' applied to '(net.IP, string)'"),
]


@pytest.mark.parametrize(("expression", "text"), REFUSED)
def test_what_the_types_rule_out_is_refused_when_compiled(expression: str, text: str) -> None:
    is_refused(expression, text)


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
    assert value_of("isIP(x)", text) is (address is not None)
    if address is not None:
        canonical = value_of("string(ip(x))", text)
        assert ipaddress.ip_address(canonical) == address
        assert value_of("ip(x).family()", text) == address.version
        assert value_of("ip.isCanonical(x)", text) is (canonical == text)
        assert value_of("ip.isCanonical(x)", canonical) is True


@given(ADDRESSES)
def test_questions_about_an_address_are_answered_as_by_ipaddress(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    text = str(address)
    assert value_of("string(ip(x))", text) == address.compressed
    assert value_of("ip(x).isUnspecified()", text) is address.is_unspecified
    assert value_of("ip(x).isLoopback()", text) is address.is_loopback
    assert value_of("ip(x).isLinkLocalUnicast()", text) is address.is_link_local
    broadcast = address == ipaddress.IPv4Address("255.255.255.255")
    none_of = (address.is_unspecified, address.is_loopback, address.is_link_local, address.is_multicast, broadcast)
    assert value_of("ip(x).isGlobalUnicast()", text) is not any(none_of)


@given(ADDRESSES, ADDRESSES, st.booleans())
def test_addresses_are_equal_if_they_are_one(
    one: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    same: bool,
) -> None:
    second = one.exploded if same else str(other)
    assert value_of("ip(x) == ip(y)", str(one), second) is (same or one == other)
