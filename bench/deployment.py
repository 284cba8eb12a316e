"""A Deployment as the API server sends it, with defaults, volumes, two containers and managedFields."""

from __future__ import annotations

from typing import Any

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "checkout",
        "namespace": "shop",
        "uid": "0b1c8d2e-6a55-4e1b-9a3d-0c6f2f6f9a10",
        "resourceVersion": "418113",
        "generation": 3,
        "creationTimestamp": "2026-05-04T08:15:30Z",
        "labels": {"app.kubernetes.io/name": "checkout", "app.kubernetes.io/part-of": "shop", "team": "payments"},
        "annotations": {"deployment.kubernetes.io/revision": "3"},
        "finalizers": ["example.com/audit", "example.com/external-state"],
        "managedFields": [
            {
                "manager": "kubectl",
                "operation": "Apply",
                "apiVersion": "apps/v1",
                "time": "2026-05-04T08:15:30Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:volumes": {}}}}},
            }
        ],
    },
    "spec": {
        "replicas": 3,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": {"app.kubernetes.io/name": "checkout"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": "checkout", "team": "payments"}},
            "spec": {
                "containers": [
                    {
                        "name": "server",
                        "image": "registry.example.com/shop/checkout:1.14.2",
                        "imagePullPolicy": "IfNotPresent",
                        "ports": [
                            {"name": "grpc", "containerPort": 8443, "protocol": "TCP"},
                            {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
                        ],
                        "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "eu-west-1"}],
                        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "250m", "memory": "256Mi"}},
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": 9090, "scheme": "HTTP"}},
                        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                        "volumeMounts": [
                            {"name": "config", "mountPath": "/etc/checkout", "readOnly": True},
                            {"name": "cache", "mountPath": "/var/cache/checkout"},
                        ],
                    },
                    {
                        "name": "proxy",
                        "image": "registry.example.com/mesh/proxy:2.3.0",
                        "imagePullPolicy": "IfNotPresent",
                        "ports": [{"name": "https", "containerPort": 15443, "protocol": "TCP"}],
                        "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                    },
                ],
                "volumes": [
                    {"name": "config", "configMap": {"name": "checkout", "defaultMode": 420}},
                    {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "tls", "secret": {"secretName": "checkout-tls", "defaultMode": 420}},
                ],
                "restartPolicy": "Always",
                "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "checkout",
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "schedulerName": "default-scheduler",
                "terminationGracePeriodSeconds": 30,
            },
        },
    },
}
