"""Plugins that name a default class (DefaultStorageClass, DefaultIngressClass) and that protect storage in use."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.plugins.lookups import Run, metadata_of

_STORAGE_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_STORAGE_CLASS: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_INGRESS_CLASS: Final = "kubernetes.io/ingress.class"
_DEFAULT_INGRESS_CLASS: Final = ("ingressclass.kubernetes.io/is-default-class",)
_FINALIZERS: Final = {
    "PersistentVolume": "kubernetes.io/pv-protection",
    "PersistentVolumeClaim": "kubernetes.io/pvc-protection",
    "VolumeAttributesClass": "kubernetes.io/vac-protection",
}


def storage_class(claim: dict[str, Any], run: Run) -> None:
    spec = claim.setdefault("spec", {})
    if _STORAGE_CLASS not in metadata_of(claim, "annotations") and spec.get("storageClassName") is None:
        _set_default_class(spec, "storageClassName", ("storage.k8s.io/v1", "StorageClass"), _DEFAULT_STORAGE_CLASS, run)


def ingress_class(ingress: dict[str, Any], run: Run) -> None:
    spec = ingress.setdefault("spec", {})
    if _INGRESS_CLASS not in metadata_of(ingress, "annotations") and spec.get("ingressClassName") is None:
        _set_default_class(
            spec, "ingressClassName", ("networking.k8s.io/v1", "IngressClass"), _DEFAULT_INGRESS_CLASS, run
        )


def _set_default_class(
    spec: dict[str, Any], field: str, of: tuple[str, str], annotations: tuple[str, ...], run: Run
) -> None:
    """Of several defaults a cluster takes the newest; in one run of manifests, the first by name."""
    for each in run.at_hand.list(*of):
        if any(metadata_of(each, "annotations").get(name) == "true" for name in annotations):
            spec[field] = each["metadata"]["name"]
            return


def protect(value: dict[str, Any], _run: Run) -> None:
    finalizer = _FINALIZERS[value["kind"]]
    metadata = value.setdefault("metadata", {})
    if finalizer not in metadata.get("finalizers", ()):
        metadata["finalizers"] = [*metadata.get("finalizers", ()), finalizer]
