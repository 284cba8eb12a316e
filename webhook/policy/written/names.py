"""The names that Kubernetes allows, as its validation has them (k8s.io/apimachinery, util/validation)."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")

_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void"
    "|while"
)


def is_subdomain(text: str) -> bool:
    """A DNS-1123 subdomain: the name of a policy or a binding."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """A qualified name, `[PREFIX/]NAME`: the key of a label."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_subdomain(prefix):
        return False
    return len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """The value of a label; may be empty."""
    return not text or (len(text) <= 63 and _QUALIFIED.fullmatch(text) is not None)


def is_cel_identifier(text: str) -> bool:
    """The name of a variable: an identifier that CEL does not reserve."""
    return _IDENTIFIER.fullmatch(text) is not None and _RESERVED.fullmatch(text) is None
