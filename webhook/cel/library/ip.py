"""Kubernetes' IP address library. It parses addresses like Go's net/netip.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library. It rejects zones, IPv4 addresses in
IPv6 form, and leading zeros.
"""

from __future__ import annotations

import re
from typing import Any

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.estimates import Estimate, Sizes
from webhook.cel.library.declaring import Library, function, method, remembered
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import EvaluationError, cut, no_such_overload
from webhook.cel.value.quoting import quoted

_TELLING = re.compile("[.:%]")  # the first of these determines the kind of address
_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")


class IP:
    """An address: its bits as an integer, and their number, 32 or 128."""

    __slots__ = ("bits", "number")
    cel_type = "net.IP"
    go_type = "cel.IP"
    cel_key = "value"

    def __init__(self, number: int, bits: int) -> None:
        self.number = number
        self.bits = bits

    def __eq__(self, other: object) -> bool:
        if type(other) is not IP:
            raise no_such_overload()
        return self.number == other.number and self.bits == other.bits

    def __hash__(self) -> int:
        return hash((self.number, self.bits))

    def __str__(self) -> str:
        """The canonical form: 10.0.0.1, 2001:db8::1."""
        if self.bits == 32:
            return ".".join(str(self.number >> shift & 255) for shift in (24, 16, 8, 0))
        return _shown_v6([self.number >> shift & 0xFFFF for shift in range(112, -1, -16)])

    __repr__ = __str__

    @property
    def cel_size(self) -> int:
        """The size for costs: its bytes."""
        return self.bits // 8


def _shown_v6(groups: list[int]) -> str:
    """Eight groups in hexadecimal, the first of the longest runs of two zeros or more as `::`."""
    start, length = 0, 1
    at = 0
    while at < 8:
        end = at
        while end < 8 and groups[end] == 0:
            end += 1
        if end - at > length:
            start, length = at, end - at
        at = max(end, at + 1)
    if length < 2:
        return ":".join(f"{group:x}" for group in groups)
    head = ":".join(f"{group:x}" for group in groups[:start])
    tail = ":".join(f"{group:x}" for group in groups[start + length :])
    return f"{head}::{tail}"


class AddressError(ValueError):
    """A text is not an address; str(error) is the text of Go's ParseAddr."""

    def __init__(self, text: str, message: str, at: str = "") -> None:
        super().__init__(f"ParseAddr({quoted(cut(text))}): {message}{f' (at {quoted(at)})' if at else ''}")


def parse_address(text: str) -> tuple[IP, str]:
    """The address and its zone, "" if there is none. Raises AddressError."""
    first = _TELLING.search(text)
    if first is None:
        raise AddressError(text, "unable to parse IP")
    if first[0] == "%":
        raise AddressError(text, "missing IPv6 address")
    return (IP(_v4(text, text), 32), "") if first[0] == "." else _v6(text)


def _v4(text: str, part: str) -> int:
    """The integer of the dotted form `part` inside `text`."""
    number = octet = octets = digits = 0
    for place, character in enumerate(part):
        if character in _DIGITS:
            if digits == 1 and octet == 0:
                raise AddressError(text, "IPv4 field has octet with leading zero")
            octet = octet * 10 + int(character)
            digits += 1
            if octet > 255:
                raise AddressError(text, "IPv4 field has value >255")
        elif character == ".":
            if place in (0, len(part) - 1) or part[place - 1] == ".":
                raise AddressError(text, "IPv4 field must have at least one digit", part[place:])
            if octets == 3:
                raise AddressError(text, "IPv4 address too long")
            number, octet, digits = number << 8 | octet, 0, 0
            octets += 1
        else:
            raise AddressError(text, "unexpected character", part[place:])
    if octets < 3:
        raise AddressError(text, "IPv4 address too short")
    return number << 8 | octet


def _v6(text: str) -> tuple[IP, str]:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        raise AddressError(text, "zone must be a non-empty string")
    groups: list[int] = []
    gap = -1  # the index of the group after `::`
    if rest.startswith("::"):
        gap = 0
        rest = rest[2:]
        if not rest:
            return IP(0, 128), zone
    while len(groups) < 8:
        size = _hex_digits(text, rest)
        if rest[size : size + 1] == ".":
            if gap < 0 and len(groups) != 6:
                raise AddressError(text, "embedded IPv4 address must replace the final 2 fields of the address", rest)
            if len(groups) > 6:
                message = "too many hex fields to fit an embedded IPv4 at the end of the address"
                raise AddressError(text, message, rest)
            number = _v4(text, rest)
            groups += (number >> 16, number & 0xFFFF)
            rest = ""
            break
        groups.append(int(rest[:size], 16))
        rest = rest[size:]
        if not rest:
            break
        if rest[0] != ":":
            raise AddressError(text, "unexpected character, want colon", rest)
        if len(rest) == 1:
            raise AddressError(text, "colon must be followed by more characters", rest)
        rest = rest[1:]
        if rest[0] == ":":
            if gap >= 0:
                raise AddressError(text, "multiple :: in address", rest)
            gap = len(groups)
            rest = rest[1:]
            if not rest:
                break
    if rest:
        raise AddressError(text, "trailing garbage after address", rest)
    if len(groups) < 8:
        if gap < 0:
            raise AddressError(text, "address string too short")
        groups[gap:gap] = [0] * (8 - len(groups))
    elif gap >= 0:
        raise AddressError(text, "the :: must expand to at least one field of zeros")
    number = 0
    for group in groups:
        number = number << 16 | group
    return IP(number, 128), zone


def _hex_digits(text: str, rest: str) -> int:
    """The number of hexadecimal digits at the start of `rest`, from 1 to 4."""
    size = 0
    while size < len(rest) and rest[size] in _HEX:
        size += 1
        if size > 4:
            raise AddressError(text, "each group must have 4 or less digits", rest)
    if size == 0:
        raise AddressError(text, "each colon-separated field must have at least one digit", rest)
    return size


def is_mapped(address: IP) -> bool:
    """Whether an IPv6 address is an IPv4-mapped one, in ::ffff:0:0/96."""
    return address.bits == 128 and address.number >> 32 == 0xFFFF


@remembered
def parse_ip(text: str) -> IP:
    """Parse an address. Raises EvaluationError with the API server's text."""
    try:
        address, zone = parse_address(text)
    except AddressError as error:
        message = f"IP Address {quoted(cut(text))} parse error during conversion from string: {error}"
        raise EvaluationError(message) from None
    if zone:
        raise EvaluationError(f"IP address {quoted(cut(text))} with zone value is not allowed")
    if is_mapped(address):
        raise EvaluationError(f"IPv4-mapped IPv6 address {quoted(cut(text))} is not allowed")
    return address


def _is_ip(text: str) -> bool:
    try:
        parse_ip(text)
    except EvaluationError:
        return False
    return True


def _is_loopback(address: IP) -> bool:
    return address.number >> 24 == 127 if address.bits == 32 else address.number == 1


def _is_multicast(address: IP) -> bool:
    return address.number >> 28 == 0xE if address.bits == 32 else address.number >> 120 == 0xFF


def _is_link_local_multicast(address: IP) -> bool:
    if address.bits == 32:
        return address.number >> 8 == 0xE00000
    return address.number >> 112 & 0xFF0F == 0xFF02


def _is_link_local_unicast(address: IP) -> bool:
    if address.bits == 32:
        return address.number >> 16 == 0xA9FE
    return address.number >> 118 == 0xFE80 >> 6


def _is_global_unicast(address: IP) -> bool:
    if address.number == 0 or (address.bits == 32 and address.number == 0xFFFFFFFF):
        return False
    return not (_is_loopback(address) or _is_multicast(address) or _is_link_local_unicast(address))


def text_read(value: Any) -> int:
    """A tenth of the size of a text, 1 of a network."""
    return costs.text(value) if type(value) is str else 1


def _read_twice(sizes: Sizes, text: Expr) -> Estimate:
    return Estimate(sizes.size(text).scaled(2 * estimates.TRAVERSAL))


_BAD = (
    "ip('10.0.0')",
    'IP Address "10.0.0" parse error during conversion from string: ParseAddr("10.0.0"): IPv4 address too short',
)

LIBRARY = Library(
    "ip",
    (1, 30),
    (
        function(
            "ip",
            "string -> net.IP",
            parse_ip,
            "The address of a text, IPv4 or IPv6.",
            "ip('::1') == ip('0:0:0:0:0:0:0:1')",
            error=_BAD,
            cost=text_read,
            estimate=estimates.text,
        ),
        function(
            "isIP",
            "string -> bool",
            _is_ip,
            "Whether a text is an address that `ip` accepts.",
            "isIP('10.0.0.1') && !isIP('10.0.0.01') && !isIP('::ffff:10.0.0.1')",
            cost=costs.text,
            estimate=estimates.text,
        ),
        function(
            "ip.isCanonical",
            "string -> bool",
            lambda text: str(parse_ip(text)) == text,
            "Whether a text is the canonical form of its address, as `string(ip)` returns it.",
            "ip.isCanonical('2001:db8::a') && !ip.isCanonical('2001:DB8::A')",
            error=(
                "ip.isCanonical('x')",
                'IP Address "x" parse error during conversion from string: ParseAddr("x"): unable to parse IP',
            ),
            cost=costs.text_twice,
            estimate=_read_twice,
        ),
        method(
            "family",
            "net.IP -> int",
            lambda address: 4 if address.bits == 32 else 6,
            "The family: 4 or 6.",
            "ip('10.0.0.1').family() == 4",
        ),
        method(
            "isUnspecified",
            "net.IP -> bool",
            lambda address: address.number == 0,
            "Whether the address is 0.0.0.0 or ::.",
            "ip('::').isUnspecified()",
        ),
        method(
            "isLoopback",
            "net.IP -> bool",
            _is_loopback,
            "Whether the address is in 127.0.0.0/8, or ::1.",
            "ip('127.0.0.1').isLoopback()",
        ),
        method(
            "isLinkLocalMulticast",
            "net.IP -> bool",
            _is_link_local_multicast,
            "Whether the address is in 224.0.0.0/24, or in ff02::/16 with any flags.",
            "ip('224.0.0.1').isLinkLocalMulticast()",
        ),
        method(
            "isLinkLocalUnicast",
            "net.IP -> bool",
            _is_link_local_unicast,
            "Whether the address is in 169.254.0.0/16 or fe80::/10.",
            "ip('fe80::1').isLinkLocalUnicast()",
        ),
        method(
            "isGlobalUnicast",
            "net.IP -> bool",
            _is_global_unicast,
            "Whether the address is none of the above, no multicast address and not 255.255.255.255. Private addresses "
            "are global unicast addresses too.",
            "ip('192.168.0.1').isGlobalUnicast()",
        ),
        function(
            "string",
            "net.IP -> string",
            str,
            "The canonical form.",
            "string(ip('2001:DB8::0A')) == '2001:db8::a'",
            folds=True,
        ),
    ),
    opaque={"net.IP": IP},
    title="IP",
    named_types=("net.IP",),
)
