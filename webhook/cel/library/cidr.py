"""Kubernetes' CIDR library: networks, parsed like Go's net/netip prefixes.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cidr-library
"""

from __future__ import annotations

from math import ceil
from typing import Any

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.estimates import Estimate, Sizes, Span
from webhook.cel.library.declaring import Library, function, method, remembered, where_fixed
from webhook.cel.library.ip import IP, AddressError, is_mapped, parse_address, parse_ip, text_read
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.value.quoting import quoted


class CIDR:
    """A network: an address with its host bits, and the length of the prefix."""

    __slots__ = ("address", "length")
    cel_type = "net.CIDR"
    go_type = "cel.CIDR"
    cel_key = "value"

    def __init__(self, address: IP, length: int) -> None:
        self.address = address
        self.length = length

    def __eq__(self, other: object) -> bool:
        if type(other) is not CIDR:
            raise no_such_overload()
        return self.length == other.length and self.address == other.address

    def __hash__(self) -> int:
        return hash((self.address, self.length))

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    @property
    def cel_size(self) -> int:
        """The size for costs: the bytes of the prefix."""
        return ceil(self.length / 8)

    __repr__ = __str__


@remembered
def parse_cidr(text: str) -> CIDR:
    """Parse a network. Raises EvaluationError with the API server's text."""
    try:
        return _parsed(text)
    except ValueError as error:
        # The API server repeats this prefix.
        words = "network address parse error during conversion from string: "
        raise EvaluationError(f"{words}{words if str(error).startswith('netip.') else ''}{error}") from None


def _parsed(text: str) -> CIDR:
    head, slash, length = text.rpartition("/")

    def wrong(message: str) -> ValueError:
        return ValueError(f"netip.ParsePrefix({quoted(text)}): {message}")

    if not slash:
        raise wrong("no '/'")
    try:
        address, zone = parse_address(head)
    except AddressError as error:
        raise wrong(str(error)) from None
    if zone:
        raise wrong("IPv6 zones cannot be present in a prefix")
    if not (length.isascii() and length.isdigit()) or (len(length) > 1 and length[0] == "0") or len(length) > 18:
        raise wrong(f"bad bits after slash: {quoted(length)}")
    if int(length) > address.bits:
        raise wrong("prefix length out of range")
    if is_mapped(address):
        raise ValueError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return CIDR(address, int(length))


def _is_cidr(text: str) -> bool:
    try:
        parse_cidr(text)
    except EvaluationError:
        return False
    return True


def _contains_ip(network: CIDR, address: IP) -> bool:
    bits = network.address.bits
    return address.bits == bits and (address.number ^ network.address.number) >> (bits - network.length) == 0


def _contains_ip_of_text(network: CIDR, text: str) -> bool:
    try:
        address = parse_ip(text)
    except EvaluationError:
        raise no_such_overload() from None  # the API server's text
    return _contains_ip(network, address)


def _contains_cidr(network: CIDR, other: CIDR) -> bool:
    return network.length <= other.length and _contains_ip(network, other.address)


def _masked(network: CIDR) -> CIDR:
    host = network.address.bits - network.length
    return CIDR(IP(network.address.number >> host << host, network.address.bits), network.length)


# ---------------------------------------------------------------------------------------------------------------- cost


def _holds_ip(network: Any, _: Any) -> int:
    """At most 1 for an IPv4 network, and 4 for an IPv6 one."""
    return ceil(2 * costs.size(network) * 0.1)


def _holds_ip_of_text(network: Any, address: Any) -> int:
    """As of an address, and a tenth of the size of the text."""
    return _holds_ip(network, address) + (costs.text(address) if type(address) is str else 0)


def _holds_cidr(network: Any, _: Any) -> int:
    """At most 3 for an IPv4 network, and 7 for an IPv6 one."""
    return ceil(2 * costs.size(network) * 0.1) + ceil(costs.size(network) * 0.1) + 1


def _holds_cidr_of_text(network: Any, other: Any) -> int:
    """As of a network, and a tenth of the size of the text."""
    return _holds_cidr(network, other) + (costs.text(other) if type(other) is str else 0)


_ADDRESS = Span(4, 16)  # bytes


def _estimated_ip(sizes: Sizes, _: Expr, other: Expr) -> Estimate:
    cost = _ADDRESS.plus(_ADDRESS).scaled(estimates.TRAVERSAL)
    if other.type.name in ("string", "dyn"):
        cost = cost.plus(sizes.size(other).scaled(estimates.TRAVERSAL))
    return Estimate(cost)


def _estimated_cidr(sizes: Sizes, network: Expr, other: Expr) -> Estimate:
    cost = _estimated_ip(sizes, network, other).cost
    return Estimate(cost.plus(_ADDRESS.scaled(estimates.TRAVERSAL)).plus(estimates.ONE))


def _reading(_: Any, text: Any) -> int:
    return costs.size(text) if type(text) is str else 0


LIBRARY = Library(
    "cidr",
    (1, 30),
    (
        function(
            "cidr",
            "string -> net.CIDR",
            parse_cidr,
            "The network of a text, IPv4 or IPv6. Host bits are kept.",
            "cidr('10.0.0.1/8').masked() == cidr('10.0.0.0/8')",
            error=(
                "cidr('10.0.0.0/33')",
                "network address parse error during conversion from string: network address parse error during "
                'conversion from string: netip.ParsePrefix("10.0.0.0/33"): prefix length out of range',
            ),
            cost=costs.text,
            estimate=estimates.text,
        ),
        function(
            "isCIDR",
            "string -> bool",
            _is_cidr,
            "Whether a text is a network that `cidr` accepts.",
            "isCIDR('2001:db8::/32') && !isCIDR('10.0.0.0')",
            cost=costs.text,
            estimate=estimates.text,
        ),
        method(
            "containsIP",
            "net.CIDR, string -> bool",
            _contains_ip_of_text,
            "Whether the address of a text is in the network.",
            "cidr('10.0.0.0/8').containsIP('10.1.2.3')",
            error=("cidr('10.0.0.0/8').containsIP('10')", "no such overload"),
            cost=where_fixed(_holds_ip_of_text, otherwise=_holds_ip),
            estimate=_estimated_ip,
            work=_reading,
        ),
        method(
            "containsIP",
            "net.CIDR, net.IP -> bool",
            _contains_ip,
            "Whether an address is in the network. An address of the other family never is.",
            "!cidr('10.0.0.0/8').containsIP(ip('::1'))",
            cost=_holds_ip,
            estimate=_estimated_ip,
        ),
        method(
            "containsCIDR",
            "net.CIDR, string -> bool",
            lambda network, text: _contains_cidr(network, parse_cidr(text)),
            "Whether the network of a text is inside this one.",
            "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
            cost=where_fixed(_holds_cidr_of_text, otherwise=_holds_cidr),
            estimate=_estimated_cidr,
            work=_reading,
        ),
        method(
            "containsCIDR",
            "net.CIDR, net.CIDR -> bool",
            _contains_cidr,
            "Whether another network is inside this one.",
            "!cidr('10.0.0.0/8').containsCIDR(cidr('0.0.0.0/0'))",
            cost=_holds_cidr,
            estimate=_estimated_cidr,
        ),
        method(
            "ip",
            "net.CIDR -> net.IP",
            lambda network: network.address,
            "The address before the slash.",
            "cidr('10.0.0.1/8').ip() == ip('10.0.0.1')",
            cost=text_read,
        ),
        method(
            "prefixLength",
            "net.CIDR -> int",
            lambda network: network.length,
            "The length of the prefix: the number after the slash.",
            "cidr('10.0.0.0/8').prefixLength() == 8",
        ),
        method(
            "masked",
            "net.CIDR -> net.CIDR",
            _masked,
            "The network without host bits.",
            "string(cidr('10.1.2.3/8').masked()) == '10.0.0.0/8'",
        ),
        function(
            "string",
            "net.CIDR -> string",
            str,
            "The canonical form, with host bits.",
            "string(cidr('2001:DB8::1/32')) == '2001:db8::1/32'",
            folds=True,
        ),
    ),
    opaque={"net.CIDR": CIDR},
    title="CIDR",
    named_types=("net.CIDR",),
)
