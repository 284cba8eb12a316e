"""Kyverno's kinds of policies: which are in CEL, which are in a namespace, which have no equivalent."""

from __future__ import annotations

from typing import Final

from webhook.convert.model import Outcome

NOT_CONVERTED: Final = {
    "ImageValidatingPolicy": "image verification",
    "NamespacedImageValidatingPolicy": "image verification",
    "GeneratingPolicy": "generate: objects are made in the background",
    "NamespacedGeneratingPolicy": "generate: objects are made in the background",
    "DeletingPolicy": "cleanup: objects are deleted on a schedule",
    "NamespacedDeletingPolicy": "cleanup: objects are deleted on a schedule",
    "CleanupPolicy": "cleanup: objects are deleted on a schedule",
    "ClusterCleanupPolicy": "cleanup: objects are deleted on a schedule",
    "GlobalContextEntry": "data that Kyverno keeps of the cluster or of HTTP calls",
}
CONVERTED: Final = ("ValidatingPolicy", "MutatingPolicy", "NamespacedValidatingPolicy", "NamespacedMutatingPolicy")
"""The kinds in CEL that become standard ones."""


def is_namespaced(kind: str) -> bool:
    """Whether policies of a kind are about the namespace that they are in."""
    return kind == "Policy" or kind.startswith("Namespaced")


def namespace(outcome: Outcome) -> str:
    """The namespace that the document of a policy or an exception names."""
    return str((outcome.document.value.get("metadata") or {}).get("namespace") or "default")
