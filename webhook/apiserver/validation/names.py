"""Names, keys and values of labels, and other texts with a form (k8s.io/apimachinery, pkg/util/validation).

Each check returns the faults of a text, in the API server's words; none if it has the form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from webhook.apiserver.fielderrors import FieldError, invalid, required
from webhook.cel.library import named_format
from webhook.cel.library.named_format import as_prefix, dns_1035_label, regex_error
from webhook.cel.library.re2 import compiled
from webhook.paths import Path

Check = Callable[[str], list[str]]

__all__ = ["as_prefix", "dns_1035_label"]

# Nearly all names have the shortest of their forms, which Python's own patterns find faster than those of the
# functions that tell the faults.
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?", re.ASCII)
_MAX_PREFIX: Final = 253


def dns_label(text: str) -> list[str]:
    """The faults of a DNS label (RFC 1123)."""
    return [] if _LABEL.fullmatch(text) else named_format.dns_label(text)


def dns_subdomain(text: str) -> list[str]:
    """The faults of a DNS subdomain (RFC 1123)."""
    return [] if _LABEL.fullmatch(text) else named_format.dns_subdomain(text)


_UNDERSCORED: Final = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"


def dns_subdomain_with_underscores(text: str) -> list[str]:
    """The faults of a DNS subdomain whose labels may have underscores."""
    found: list[str] = []
    if len(text.encode()) > _MAX_PREFIX:
        found.append(f"must be no more than {_MAX_PREFIX} characters")
    if not all(map(_UNDERSCORED_LABEL.fullmatch, text.split("."))):
        words = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        form = rf"{_UNDERSCORED}(\.{_UNDERSCORED})*"
        found.append(regex_error(words, form, "example.com"))
    return found


_UNDERSCORED_LABEL: Final = re.compile(r"_?[a-z0-9](?:[-_a-z0-9]*+(?<=[a-z0-9]))?+", re.ASCII)


def qualified_name(text: str) -> list[str]:
    """The faults of a qualified name, the key of a label or annotation."""
    prefix, slash, name = text.partition("/")
    plain = _WORD.fullmatch(name if slash else prefix)
    if plain and (not slash or (len(prefix) <= _MAX_PREFIX and all(map(_LABEL.fullmatch, prefix.split("."))))):
        return []
    return named_format.qualified_name(text)


def label_value(text: str) -> list[str]:
    """The faults of the value of a label."""
    return [] if not text or _WORD.fullmatch(text) else named_format.label_value(text)


NAMES: Final[dict[str, Check]] = {
    "subdomain": dns_subdomain,
    "label": dns_label,
    "label1035": dns_1035_label,
}


def path_segment(text: str) -> list[str]:
    """The faults of a name that may be anything that stands in a URL's path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in text]


def path_segment_prefix(text: str) -> list[str]:
    """The faults of the prefix of such a name."""
    return [f"may not contain '{character}'" for character in "/%" if character in text]


def in_range(number: int, low: int, high: int) -> list[str]:
    """The fault of a number outside of a range."""
    return [] if low <= number <= high else [f"must be between {low} and {high}, inclusive"]


def port(number: int) -> list[str]:
    """The fault of a port's number."""
    return in_range(number, 1, 65535)


_PORT_NAME: Final = re.compile(r"(?=[-0-9]*[a-z])[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?", re.ASCII)


def port_name(text: str) -> list[str]:
    """The faults of an IANA service name, of at most 15 characters."""
    found: list[str] = []
    if _PORT_NAME.fullmatch(text) and "--" not in text:
        return found
    if len(text.encode()) > 15:
        found.append("must be no more than 15 characters")
    if not _has(text, "[-a-z0-9]+"):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= character <= "z" for character in text):
        found.append("must contain at least one letter (a-z)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        found.append("must not begin or end with a hyphen")
    return found


_UNPRINTABLE: Final = re.compile(r"[^ -<>-~]")


def environment_name(text: str) -> list[str]:
    """The faults of the name of an environment variable."""
    found = [] if text else ["environment variable name must be non-empty"]
    if _UNPRINTABLE.search(text):
        found.append("a valid environment variable name must consist only of printable ASCII characters other than '='")
    return found


_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
_CONFIG_KEYS: Final = re.compile(_CONFIG_KEY)  # without alternatives, so linear here too


_HEADER: Final = re.compile(r"[-A-Za-z0-9]+", re.ASCII)


def header_name(text: str) -> list[str]:
    """The faults of the name of an HTTP header."""
    words = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [] if _HEADER.fullmatch(text) else [regex_error(words, "[-A-Za-z0-9]+", "X-Header-Name")]


def config_key(text: str) -> list[str]:
    """The faults of a key in a ConfigMap or Secret."""
    found = ["must be no more than 253 characters"] if len(text.encode()) > 253 else []
    if _CONFIG_KEYS.fullmatch(text) is None:
        words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        found.append(regex_error(words, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text in (".", ".."):
        found.append(f"must not be '{text}'")
    elif text.startswith(".."):
        found.append("must not start with '..'")
    return found


_WILDCARD: Final = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


def wildcard(text: str) -> list[str]:
    """The faults of a DNS name that begins with `*.`."""
    found = ["must be no more than 253 characters"] if len(text.encode()) > 253 else []
    if not _has(text, _WILDCARD):
        words = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
        )
        found.append(regex_error(words, _WILDCARD, "*.example.com"))
    return found


def percent(text: str) -> list[str]:
    """The fault of a percentage such as 25%."""
    if _has(text, "[0-9]+%"):
        return []
    words = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(words, "[0-9]+%", "1%", "93%")]


def _has(text: str, pattern: str) -> bool:
    return compiled(pattern).fullmatch(text) is not None


_HTTP_PATH: Final = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def domain_path(text: str, path: Path) -> Iterator[FieldError]:
    """The refusals of a path with a domain before it, such as example.com/controller."""
    host, _, rest = text.partition("/")
    if not text:
        yield required(path)
    elif not host or not rest:
        yield invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from (invalid(path, host, fault) for fault in dns_subdomain(host))
        if not _has(rest, _HTTP_PATH):
            yield invalid(path, rest, regex_error("Invalid path", _HTTP_PATH))
