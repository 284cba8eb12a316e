"""The pull policy that follows from an image's name: Always for the tag latest, else IfNotPresent.

Names are read as github.com/distribution/reference does, whose grammar this is. A name that it refuses has no tag.
"""

from __future__ import annotations

import re
from typing import Final

_HOST_PART: Final = r"[a-zA-Z0-9]++(?:-++[a-zA-Z0-9]++)*+"
_HOST: Final = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*+|\[[a-fA-F0-9:]++\])(?::[0-9]++)?+"
_PART: Final = r"[a-z0-9]++(?:(?:__|[._]|-++)[a-z0-9]++)*+"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}+"
_DIGEST: Final = r"[A-Za-z][A-Za-z0-9]*+(?:[-_+.][A-Za-z][A-Za-z0-9]*+)*+:[0-9a-fA-F]{32,}+"
_REFERENCE: Final = re.compile(
    rf"(?:{_HOST}/)?(?P<path>{_PART}(?:/{_PART})*+)(?::(?P<tag>{_TAG}))?+(?:@(?P<digest>{_DIGEST}))?+"
)
"""Nothing in it is tried twice, so that a hostile name takes time by its length only."""
_IDENTIFIER: Final = re.compile(r"[a-f0-9]{64}")
_DIGESTS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Algorithms, and the number of hexadecimal digits of each; others are refused."""
_LOWER_HEX: Final = re.compile(r"[0-9a-f]+")
_LONGEST: Final = 255
"""Of the name without its host, in bytes."""


def pull_policy(image: str) -> str:
    """Always or IfNotPresent."""
    return "Always" if _tag(image) == "latest" else "IfNotPresent"


def _tag(image: str) -> str:
    """The tag; latest if there is neither a tag nor a digest; "" if there is only a digest, or the name is invalid."""
    if _IDENTIFIER.fullmatch(image):
        return ""
    found = _REFERENCE.fullmatch(_with_host(image))
    if found is None or len(found["path"]) > _LONGEST or not _known(found["digest"]):
        return ""
    tag: str = found["tag"] or ("" if found["digest"] else "latest")
    return tag


def _with_host(image: str) -> str:
    """The name with its host: docker.io, and its folder library, where they are left out."""
    host, slash, rest = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    if host == "index.docker.io":
        host = "docker.io"
    elif host != "localhost" and not ("." in host or ":" in host or host.lower() != host):
        host, rest = "docker.io", image
    if host == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return f"{host}/{rest}"


def _known(digest: str | None) -> bool:
    """Whether a digest, if there is one, is of a known algorithm and of its length."""
    if not digest:
        return True
    algorithm, _, encoded = digest.partition(":")
    return _DIGESTS.get(algorithm) == len(encoded) and _LOWER_HEX.fullmatch(encoded) is not None
