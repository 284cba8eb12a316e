"""The objects of a cluster after a commit, and the requests that lead from one state to another: by brute force, and as
`check --since` plans them."""

from __future__ import annotations

import base64
from typing import Any, Final

from webhook.offline.changes import changes, differing
from webhook.offline.rendering import Rendering
from webhook.offline.requests import Options, plan
from webhook.offline.revisions import Reading, read

NOTHING: Final = Rendering()
Identity = tuple[str, str, str]  # kind, namespace, name
State = dict[Identity, tuple[str, int]]  # the file and the content of each object
Request = tuple[str, Identity, int | None, int | None]  # the operation, and the content of the old and the new object


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


def expected(old: State, new: State) -> set[Request]:
    """By brute force."""
    return {
        *(("CREATE", each, None, new[each][1]) for each in new.keys() - old.keys()),
        *(("DELETE", each, old[each][1], None) for each in old.keys() - new.keys()),
        *(
            ("UPDATE", each, old[each][1], new[each][1])
            for each in new.keys() & old.keys()
            if new[each][1] != old[each][1]
        ),
    }


def _content(value: Any, identity: Identity) -> int | None:
    """The content of an object that `manifest` wrote; None of no object."""
    if value is None:
        return None
    kind, namespace, name = identity
    metadata = value["metadata"]
    assert (value["kind"], metadata["name"]) == (kind, name)
    assert not namespace or metadata["namespace"] == namespace
    match kind:
        case "ConfigMap":
            text = value["data"]["a"]
        case "Secret":
            text = base64.b64decode(value["data"]["a"])
        case "Service":
            return int(value["spec"]["ports"][0]["port"]) - 1
        case "ClusterRole":
            text = value["rules"][0]["verbs"][0].removeprefix("v")
        case _:
            text = value["spec"]["replicas"]
    return int(text)


def sent(since: str, until: str, paths: list[str], rendering: Rendering = NOTHING) -> list[Request]:
    sides = read(paths, since, until, Reading(rendering=rendering))
    assert sides.new.problems == sides.warnings == []
    differ = differing(sides.new.documents, sides.old.documents, sides.file)
    planned = plan(sides.new.documents, Options())
    before = plan(differ.old, Options(operation="DELETE"))
    found = changes(planned, before, differ, sides.file)
    assert found.problems == []
    requests = [each for each in found.requests if not each.of_template]
    made: list[Request] = []
    for each in requests:
        identity = each.identity.kind, each.identity.namespace, each.identity.name
        request = each.request
        made.append(
            (request.operation, identity, _content(request.old_object, identity), _content(request.object, identity))
        )
    return made
