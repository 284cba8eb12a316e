"""The names of objects in reports."""

from __future__ import annotations

from webhook.offline.requests import Identity
from webhook.visible import visible


def object_name(identity: Identity) -> str:
    """`Deployment shop/web`; `PersistentVolume disk` where there is no namespace."""
    name = identity.name or "(no name)"
    return visible(f"{identity.kind} {identity.namespace}/{name}" if identity.namespace else f"{identity.kind} {name}")
