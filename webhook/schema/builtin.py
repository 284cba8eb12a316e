"""The built-in kinds of a Kubernetes version that can be created or listed."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.schema import shipped
from webhook.versions import NEWEST, Version


def served(target: Version = NEWEST) -> Iterator[tuple[str, str, str, bool]]:
    """(apiVersion, kind, plural, namespaced) of each kind that a version can serve.

    Kinds that exist only as subresources (Scale, Eviction, TokenRequest) are not among them.
    """
    for (api_version, kind), found in shipped.kinds(target).items():
        if found.plural is not None:
            yield api_version, kind, found.plural, found.namespaced
