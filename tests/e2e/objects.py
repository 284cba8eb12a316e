"""Objects that the tests send."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def definition(group: str, plural: str, kind: str, *versions: str, scope: str = "Namespaced") -> Object:
    """A CustomResourceDefinition that takes every object of its kind; it stores the first version."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},  # groups of Kubernetes need it
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {"name": each, "served": True, "storage": each == versions[0], "schema": schema} for each in versions
            ],
        },
    }


def pod(name: str, namespace: str = "default", host_path: bool = False, **metadata: Any) -> Object:
    volumes = [{"name": "h", "hostPath": {"path": "/var/log"}}] if host_path else [{"name": "h", "emptyDir": {}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/web:1"}], "volumes": volumes},
    }


def deployment(name: str, replicas: int, namespace: str = "default") -> Object:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/web:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def service(name: str, port: Object, kind: str = "NodePort", namespace: str = "default", **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [port]},
    }
