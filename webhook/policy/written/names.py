"""Kubernetes' rules for names (k8s.io/apimachinery, util/validation)."""

from __future__ import annotations

from webhook.lazypatterns import lazily

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = lazily(rf"{_LABEL}(\.{_LABEL})*")
_QUALIFIED = lazily(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_IDENTIFIER = lazily(r"[_a-zA-Z][_a-zA-Z0-9]*")

_RESERVED = lazily(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void"
    "|while"
)


def is_subdomain(text: str) -> bool:
    """Whether it is a DNS-1123 subdomain, as names of policies and bindings must be."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """Whether it is a qualified name, `[PREFIX/]NAME`, as label keys must be."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_subdomain(prefix):
        return False
    return len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """Whether it is a valid label value, which may be empty."""
    return not text or (len(text) <= 63 and _QUALIFIED.fullmatch(text) is not None)


def is_cel_identifier(text: str) -> bool:
    """Whether it is a CEL identifier and not a reserved word, as names of variables must be."""
    return _IDENTIFIER.fullmatch(text) is not None and _RESERVED.fullmatch(text) is None
