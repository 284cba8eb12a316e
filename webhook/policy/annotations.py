"""The annotations of policies: their keys that have a meaning here, and how records keep them."""

from __future__ import annotations

from typing import Final

Annotations = tuple[tuple[str, str], ...]
"""Keys with their values, by key."""

DESCRIPTION: Final = "kubernetes.io/description"
"""What a policy ensures, in one sentence."""

MAX_ANNOTATIONS: Final = 256 * 1024
"""The most bytes that the keys and values of an object's annotations may have, as in the API server."""
