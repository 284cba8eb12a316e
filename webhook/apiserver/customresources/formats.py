"""The formats of texts in schemas, as kube-openapi's strfmt checks them.

A schema's format is ignored if the API server does not know it, or knows it for other types.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Final

from webhook.cel.library.named_format import is_date, is_datetime
from webhook.cel.library.re2 import compiled, with_groups
from webhook.cel.library.url import URLError, parse_request_uri
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.times import NANO, parse_duration
from webhook.versions import NEWEST, Version

Check = Callable[[str], bool]

_NAMES_SINCE: Final[Version] = (1, 34)
_NUMERIC: Final = {"integer": ("int32", "int64"), "number": ("float", "double")}


def effective(name: str, kinds: tuple[str, ...], version: Version = NEWEST) -> str:
    """The format as it takes effect in a schema of these types; "" if the API server ignores it."""
    kind = kinds[0] if len(kinds) == 1 else ""
    if kind in ("", "string"):
        return name if check_of(name, version) is not None else ""
    return name if name in _NUMERIC.get(kind, ()) else ""


def check_of(name: str, version: Version = NEWEST) -> Check | None:
    """The check of a format of strings; None if the API server does not know it. Dashes in names do not count."""
    normalized = name.replace("-", "")
    if normalized.startswith("k8s") and version < _NAMES_SINCE:
        return None
    return _CHECKS.get(normalized)


def _matching(pattern: str) -> Check:
    return lambda text: compiled(pattern).search(text) is not None


def _is_uri(text: str) -> bool:
    try:
        parse_request_uri(text)
    except (URLError, UnicodeEncodeError):
        return False
    return True


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x{80}-\x{10FFFF}-]+"
_DOTTED = rf"{_ATOM}(?:\.{_ATOM})*"
_EMAIL = rf"^[ \t]*(?:{_DOTTED}@{_DOTTED}|(?:{_ATOM}(?:[ \t.]+{_ATOM})*[ \t.]*)?[ \t]*<{_DOTTED}@{_DOTTED}>)[ \t]*$"
_RARE = re.compile(r'["()\[\]\\=?\r\n]')


def _is_email(text: str) -> bool:
    """Go's mail.ParseAddress. Its rare forms (quoted words, comments, literal domains) are accepted unread."""
    if _RARE.search(text):
        return "@" in text
    return compiled(_EMAIL).search(text) is not None


_HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|"
    r"([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)


def _is_hostname(text: str) -> bool:
    if compiled(_HOSTNAME).search(text) is None:
        return False
    encoded = text.encode()
    return len(encoded) <= 255 and all(len(part) <= 63 for part in encoded.split(b"."))


_OCTET = re.compile(r"0*([0-9]{1,3})")


def _sloppy_v4(text: str) -> str | None:
    """The address without leading zeros, which Go's sloppy parser accepts; None if it is none."""
    parts = text.split(".")
    found = [_OCTET.fullmatch(part) for part in parts]
    if len(parts) != 4 or any(match is None or int(match[1]) > 255 for match in found):
        return None
    return ".".join(str(int(match[1])) for match in found if match)


def _is_v6(text: str, *, sloppy: bool = False) -> bool:
    if "%" in text or not text.isascii() or "/" in text or "_" in text:
        return False
    if sloppy and "." in text:
        head, colon, tail = text.rpartition(":")
        plain = _sloppy_v4(tail)
        if not colon or plain is None:
            return False
        text = f"{head}:{plain}"
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_ipv4(text: str) -> bool:
    return "." in text and (_sloppy_v4(text) is not None or (":" in text and _is_v6(text, sloppy=True)))


def _is_ipv6(text: str) -> bool:
    return ":" in text and _is_v6(text)


_DIGITS = re.compile("[0-9]{1,8}")


def _is_cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or _DIGITS.fullmatch(length) is None:
        return False
    if _sloppy_v4(address) is not None:
        return int(length) <= 32
    return ":" in address and int(length) <= 128 and _is_v6(address, sloppy=True)


_MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}(?P<mark>[:-])(?:[0-9A-Fa-f]{2}(?P=mark))+[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4})+)"
)


def _is_mac(text: str) -> bool:
    return len(text) <= 59 and _MAC.fullmatch(text) is not None and len(re.sub(r"[:.-]", "", text)) in (12, 16, 40)


_SPACES = re.compile(r"[\t\n\f\r -]+")


def _is_isbn10(text: str) -> bool:
    plain = _SPACES.sub("", text)
    if re.fullmatch("[0-9]{9}X|[0-9]{10}", plain) is None:
        return False
    return sum((place + 1) * (10 if digit == "X" else int(digit)) for place, digit in enumerate(plain)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    plain = _SPACES.sub("", text)
    if re.fullmatch("[0-9]{13}", plain) is None:
        return False
    return int(plain[12]) == (10 - sum((1, 3)[place % 2] * int(plain[place]) for place in range(12)) % 10) % 10


_CARD = re.compile(
    "(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    "|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})"
)


def _is_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if _CARD.fullmatch(digits) is None:
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


_UNITS: Final[tuple[tuple[tuple[str, ...], int], ...]] = (
    (("ns", "nano"), 1),
    (("us", "µs", "micro"), 1_000),
    (("ms", "milli"), 1_000_000),
    (("s", "sec"), NANO),
    (("m", "min"), 60 * NANO),
    (("h", "hr", "hour"), 3_600 * NANO),
    (("d", "day"), 86_400 * NANO),
    (("w", "wk", "week"), 7 * 86_400 * NANO),
)
_PART = r"((\d+)\s*([A-Za-zµ]+))"


def duration(text: str) -> int | None:
    """The nanoseconds of a duration such as 1h30m, `22 ns` or `3 days`; None if it is none."""
    try:
        return parse_duration(text).ns
    except EvaluationError:
        pass
    total, known = 0, False
    for match in with_groups(_PART).finditer(text):
        factor, unit = match[2], match[3].lower()
        if len(factor.lstrip("0")) > 19 or int(factor) >= 2**63:
            return None
        for variants, nanoseconds in _UNITS:
            for variant in variants:
                if variant.lower() == unit or (variant is variants[-1] and unit.startswith(variant)):
                    known = True
                    total += int(factor) * nanoseconds
    total = (total + 2**63) % 2**64 - 2**63
    return total if known else None


def _is_object_id(text: str) -> bool:
    try:
        return len(binascii.unhexlify(text)) == 12
    except (binascii.Error, ValueError):
        return False


_UUID = "(?i)^[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{}-?{}-?[0-9a-f]{{12}}$"
_ANY, _VARIANT = "[0-9a-f]{4}", "[89ab][0-9a-f]{3}"
_RGB = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"
_SHORT_NAME = _matching("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_LONG_NAME = _matching(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")

_CHECKS: Final[dict[str, Check]] = {
    "bsonobjectid": _is_object_id,
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "cidr": _is_cidr,
    "mac": _is_mac,
    "uuid": _matching(_UUID.format(_ANY, _ANY)),
    "uuid3": _matching(_UUID.format("3[0-9a-f]{3}", _ANY)),
    "uuid4": _matching(_UUID.format("4[0-9a-f]{3}", _VARIANT)),
    "uuid5": _matching(_UUID.format("5[0-9a-f]{3}", _VARIANT)),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_card,
    "ssn": lambda text: len(text.encode()) == 11 and compiled(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$").search(text) is not None,
    "hexcolor": _matching("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    "rgbcolor": _matching(rf"^rgb\(\s*{_RGB}\s*,\s*{_RGB}\s*,\s*{_RGB}\s*\)$"),
    "byte": _matching(r"^(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=|[A-Za-z0-9+\/]{4})$"),
    "password": lambda _: True,
    "date": is_date,
    "duration": lambda text: duration(text) is not None,
    "datetime": is_datetime,
    "k8sshortname": lambda text: len(text.encode()) <= 63 and _SHORT_NAME(text),
    "k8slongname": lambda text: len(text.encode()) <= 253 and _LONG_NAME(text),
}
