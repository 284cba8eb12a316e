"""The object that a real API server would store, by a dry run, to compare the effects of different policies."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace

Object = dict[str, Any]

UNDER: Final = "gatewright.test/under"
"""The label by which an object names the one policy that is about it: so all of them can be there at once."""

PATHS: Final = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
}


def space(cluster: ControlPlane, name: str, **labels: str) -> None:
    """Make a Namespace in which Pods can be created."""
    cluster.apply(namespace(name, **labels))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
    cluster.apply(account | {"automountServiceAccountToken": False})


def bound(policy: str, binding: Object) -> Object:
    """A binding that is only about objects that name the policy."""
    own = {"matchResources": {"objectSelector": {"matchLabels": {UNDER: policy}}}}
    return binding | {"spec": binding["spec"] | own}


def under(policy: str, value: Object) -> Object:
    """An object that names the policy."""
    made = copy.deepcopy(value)
    made["metadata"].setdefault("labels", {})[UNDER] = policy
    return made


def sent(cluster: ControlPlane, value: Object) -> Reply:
    """What the server answers if the object is created, without its status."""
    path = PATHS[value["kind"]].format(value["metadata"]["namespace"])
    return cluster.client().post(f"{path}?dryRun=All", {key: each for key, each in value.items() if key != "status"})


def stored(cluster: ControlPlane, value: Object, order: Callable[[Any], Any] = lambda made: made) -> Any:
    """The object without what is new with each request, and without the label of the policy; None if it is refused.

    order: makes lists comparable of which the order means nothing.
    """
    reply = sent(cluster, value)
    if not reply.ok:
        return None
    made = copy.deepcopy(reply.body)
    for field in ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation"):
        made["metadata"].pop(field, None)
    labels = made["metadata"].get("labels", {})
    labels.pop(UNDER, None)
    if not labels:
        made["metadata"].pop("labels", None)
    made["spec"] = made.get("spec", {})
    for field in ("clusterIP", "clusterIPs"):
        made["spec"].pop(field, None)
    # A plugin of the server adds two before policies run, so that they are among what a policy replaces.
    tolerations = made["spec"].pop("tolerations", [])
    made["spec"]["tolerations"] = [each for each in tolerations if not each["key"].startswith("node.kubernetes.io/")]
    return order(made)
