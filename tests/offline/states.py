"""The objects of a cluster after a commit, and the requests that lead from one state to another: by brute force, and as
`check --since` plans them."""

from __future__ import annotations

from typing import Final

from webhook.offline.changes import changes, differing
from webhook.offline.rendering import Rendering
from webhook.offline.requests import Options, plan
from webhook.offline.revisions import Reading, read

NOTHING: Final = Rendering()
Identity = tuple[str, str, str]  # kind, namespace, name
State = dict[Identity, tuple[str, int]]  # the file and the content of each object


def manifest(identity: Identity, content: int, comment: int) -> str:
    kind, namespace, name = identity
    versions = {"Deployment": "apps/v1", "ClusterRole": "rbac.authorization.k8s.io/v1"}
    place = f", namespace: {namespace}" if namespace else ""
    bodies = {
        "ConfigMap": f"data: {{a: '{content}'}}",
        "Secret": f"stringData: {{a: '{content}'}}",
        "Service": f"spec: {{ports: [{{port: {content + 1}}}]}}",
        "ClusterRole": f"rules: [{{apiGroups: [''], resources: [pods], verbs: [v{content}]}}]",
        "Deployment": f"spec: {{replicas: {content}, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: "
        "{labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}",
    }
    return (
        f"# {comment}\napiVersion: {versions.get(kind, 'v1')}\nkind: {kind}\n"
        f"metadata: {{name: {name}{place}}}\n{bodies[kind]}\n"
    )


def expected(old: State, new: State) -> set[tuple[str, Identity]]:
    """By brute force."""
    return {
        *(("CREATE", each) for each in new.keys() - old.keys()),
        *(("DELETE", each) for each in old.keys() - new.keys()),
        *(("UPDATE", each) for each in new.keys() & old.keys() if new[each][1] != old[each][1]),
    }


def sent(since: str, until: str, paths: list[str], rendering: Rendering = NOTHING) -> list[tuple[str, Identity]]:
    sides = read(paths, since, until, Reading(rendering=rendering))
    assert sides.new.problems == sides.warnings == []
    differ = differing(sides.new.documents, sides.old.documents, sides.file)
    planned = plan(sides.new.documents, Options())
    before = plan(differ.old, Options(operation="DELETE"))
    found = changes(planned, before, differ, sides.file)
    assert found.problems == []
    requests = [each for each in found.requests if not each.of_template]
    for each in requests:
        if each.request.operation == "UPDATE":
            assert each.request.object is not None
            assert each.request.old_object is not None
            assert each.request.object != each.request.old_object
    return [
        (each.request.operation, (each.identity.kind, each.identity.namespace, each.identity.name)) for each in requests
    ]
