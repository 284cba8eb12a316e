"""Ways round a policy, as a tenant tries them: requests that pass, and a last one that is refused."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from tests.e2e.apiserver import Client, Reply

Object = dict[str, Any]

PATCHES = {
    "MERGE": "application/merge-patch+json",
    "JSON": "application/json-patch+json",
    "APPLY": "application/apply-patch+yaml",
}
GROUPS = {
    "": "/api/v1",
    "apps": "/apis/apps/v1",
    "batch": "/apis/batch/v1",
    "autoscaling": "/apis/autoscaling/v2",
    "networking.k8s.io": "/apis/networking.k8s.io/v1",
    "rbac.authorization.k8s.io": "/apis/rbac.authorization.k8s.io/v1",
    "argoproj.io": "/apis/argoproj.io/v1alpha1",
    "kustomize.toolkit.fluxcd.io": "/apis/kustomize.toolkit.fluxcd.io/v1",
}
CLUSTER_SCOPED = {"namespaces", "persistentvolumes", "clusterroles"}


TEMPLATE: Object = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {"containers": [{"name": "c", "image": "registry.example.com/web:1"}]},
}
KINDS = {
    "Deployment": "apps/deployments",
    "StatefulSet": "apps/statefulsets",
    "DaemonSet": "apps/daemonsets",
    "ReplicaSet": "apps/replicasets",
    "ReplicationController": "replicationcontrollers",
    "Job": "batch/jobs",
    "CronJob": "batch/cronjobs",
    "PodTemplate": "podtemplates",
}


def workload(kind: str, *, pod_spec: Object | None = None, **spec: Any) -> Object:
    """A workload `x` with one container, with more in its Pod spec and its own spec."""
    path = KINDS[kind]
    group = path.rpartition("/")[0]
    template = copy.deepcopy(TEMPLATE)
    template["spec"] |= pod_spec or {}
    head = {"apiVersion": f"{group}/v1".lstrip("/"), "kind": kind, "metadata": {"name": "x"}}
    if kind == "PodTemplate":
        return {**head, "template": template}
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
        job = {"template": template, **spec}
        return {**head, "spec": job if kind == "Job" else {"schedule": "* * * * *", "jobTemplate": {"spec": job}}}
    selector = {"app": "x"} if kind == "ReplicationController" else {"matchLabels": {"app": "x"}}
    needed = {"serviceName": "x"} if kind == "StatefulSet" else {}
    return {**head, "spec": {"selector": selector, "template": template, **needed, **spec}}


class Way(NamedTuple):
    """`before`: what has to pass first. `last`: what has to be refused, with this text.

    A request is a verb, a path such as apps/deployments/NAME/scale, and a body.
    """

    name: str
    says: str
    last: tuple[str, str, Any]
    before: tuple[tuple[str, str, Any], ...] = ()


def send(client: Client, where: str, verb: str, path: str, body: Any) -> Reply:
    """Send a request of a Way, in the Namespace `where` if its kind has one."""
    group, _, rest = path.partition("/") if path.partition("/")[0] in GROUPS else ("", "", path)
    plural = rest.partition("/")[0]
    scope = "" if plural in CLUSTER_SCOPED else f"/namespaces/{where}"
    root = GROUPS[group]
    if isinstance(body, dict) and body.get("apiVersion") == "autoscaling/v1" and plural == "horizontalpodautoscalers":
        root = "/apis/autoscaling/v1"
    url = f"{root}{scope}/{rest}"
    if verb in PATCHES:
        query = "?fieldManager=dora&force=true" if verb == "APPLY" else ""
        return client.request("PATCH", url + query, body, content_type=PATCHES[verb])
    return client.request(verb, url, body)


def is_refused(client: Client, where: str, policy: str, way: Way) -> None:
    """Fail unless what goes before passes, and the last request is refused by the policy, with the text."""
    for verb, path, body in way.before:
        passed = send(client, where, verb, path, body)
        assert passed.ok, (path, passed.message)
    refused = send(client, where, *way.last)
    assert not refused.ok, refused.body
    assert f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: " in refused.message
    assert way.says in refused.message
