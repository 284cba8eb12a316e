"""`oci://REGISTRY/REPOSITORY:TAG` and `oci://REGISTRY/REPOSITORY@sha256:…`: where a bundle is.

Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

SCHEME: Final = "oci://"

_EXPECTED = f"expected {SCHEME}REGISTRY/REPOSITORY:TAG or {SCHEME}REGISTRY/REPOSITORY@sha256:DIGEST"
_REGISTRY = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_COMPONENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST = 512  # characters
_SHOWN_DIGITS = 12


class Reference(Struct, frozen=True):
    """A tag or a digest in a repository of a registry; one of both is empty.

    registry: host, and port if one is named.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.registry}/{self.repository}{f'@{self.digest}' if self.digest else f':{self.tag}'}"

    @property
    def shown(self) -> str:
        """The reference in names of files: with the beginning of a digest."""
        text = str(self)
        return text[: -64 + _SHOWN_DIGITS] if self.digest else text

    @property
    def target(self) -> str:
        """The tag or the digest."""
        return self.digest or self.tag

    @property
    def loopback(self) -> bool:
        """Whether the registry is on this host."""
        return is_loopback(re.sub(r":[0-9]+$", "", self.registry))

    def with_digest(self, digest: str) -> Reference:
        return Reference(self.registry, self.repository, digest=digest)


def is_reference(tree: str) -> bool:
    """Whether the name of a policy tree is that of a bundle in a registry."""
    return tree.startswith(SCHEME)


def is_digest(text: object) -> bool:
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Whether a host, without port, is this one."""
    host = host.strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse(text: str) -> Reference:
    """The reference. A missing tag is `latest`. Raises ValueError, which says what was expected."""
    rest = text.removeprefix(SCHEME)
    if rest == text or len(text) > _MOST:
        raise ValueError(f"{text[:_MOST]!r}: {_EXPECTED}")
    registry, _, path = rest.partition("/")
    path, at, digest = path.partition("@")
    repository, colon, tag = path.partition(":")
    if not registry or not _REGISTRY.fullmatch(registry):
        raise ValueError(f"{text!r}: {registry!r} is no host of a registry; {_EXPECTED}")
    if not all(_COMPONENT.fullmatch(each) for each in repository.split("/")):
        raise ValueError(f"{text!r}: {repository!r} is no repository; {_EXPECTED}")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r}: {digest!r} is no digest; expected sha256: and 64 hexadecimal digits")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(f"{text!r}: {tag!r} is no tag; {_EXPECTED}")
    if at:  # a tag beside a digest says nothing more
        return Reference(registry, repository, digest=digest)
    return Reference(registry, repository, tag=tag or "latest")
