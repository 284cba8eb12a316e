"""The variable `images`: the parts of the references of a Pod's images, in CEL.

A reference is [REGISTRY/]PATH[:TAG][@DIGEST]. Its first part is a registry if it has a dot or a colon, or is localhost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from webhook.convert import celtext

CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_REGISTRY: Final = celtext.text("^(localhost|[^/]*[.:][^/]*)/")


def _registry(image: str) -> str:
    return f"({image}.matches({_REGISTRY}) ? {image}.split('/')[0] : 'docker.io')"


def _path(image: str) -> str:
    bare = f"{image}.split('@')[0]"
    return f"({bare}.matches({_REGISTRY}) ? {bare}.substring({bare}.indexOf('/') + 1) : {bare}).split(':')[0]"


def _name(image: str) -> str:
    return f"{image}.split('@')[0].find('[^/]+$').split(':')[0]"


def _tag(image: str) -> str:
    bare = f"{image}.split('@')[0]"
    tagged = f"{bare}.matches(':[^:/]+$') ? {bare}.find('[^:/]+$')"
    return f"({tagged} : {image}.contains('@') ? '' : 'latest')"


def _digest(image: str) -> str:
    return f"({image}.contains('@') ? {image}.split('@')[1] : '')"


def _tagless(image: str) -> str:
    return f"{image}.contains('@') && !{image}.split('@')[0].matches(':[^:/]+$')"


ABSENT: Final[dict[str, Callable[[str], str]]] = {
    "tag": _tagless,
    "digest": lambda image: f"!{image}.contains('@')",
}
"""A part that some references lack -> what writes whether one does."""
PARTS: Final[dict[str, Callable[[str], str]]] = {
    "registry": _registry,
    "path": _path,
    "name": _name,
    "tag": _tag,
    "digest": _digest,
}
"""The name of a part -> what writes its expression, given that of a reference."""
