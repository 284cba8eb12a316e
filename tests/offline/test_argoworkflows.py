from typing import Any

import pytest
import yaml

from webhook.documents.reader import parse
from webhook.offline.podtemplates import pods_of
from webhook.offline.requests import Options, plan
from webhook.paths import parse as parse_path
from webhook.paths import render

WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: build}
spec:
  serviceAccountName: runner
  securityContext: {runAsNonRoot: true}
  podMetadata: {labels: {team: shop}}
  templateDefaults:
    container: {imagePullPolicy: Always}
  volumes:
  - {name: shared, emptyDir: {}}
  templates:
  - name: main
    steps:
    - - {name: a, template: make}
      - name: b
        inline: {container: {image: "registry.example/inline:1"}}
  - name: make
    metadata: {annotations: {a: b}}
    securityContext: {runAsUser: 0}
    volumes:
    - {name: host, hostPath: {path: /}}
    initContainers: [{name: i, image: "registry.example/i:1"}]
    sidecars: [{name: s, image: "registry.example/s:1"}]
    container: {image: "registry.example/make:1", command: [make]}
  - name: script
    script: {image: "registry.example/sh:1", source: "echo hi"}
  - name: set
    containerSet: {containers: [{name: x, image: "registry.example/x:1"}, {name: w, image: "registry.example/w:1"}]}
  - name: graph
    dag: {tasks: [{name: t, inline: {script: {image: "registry.example/t:1"}}}]}
"""


def test_each_template_with_containers_is_a_pod() -> None:
    pods = pods_of(yaml.safe_load(WORKFLOW))
    images = [[each["image"].rpartition("/")[2] for each in pod.object["spec"]["containers"]] for pod in pods]
    assert images == [["inline:1"], ["make:1", "s:1"], ["sh:1"], ["x:1", "w:1"], ["t:1"]]
    make = pods[1].object
    assert make["spec"]["containers"][0] == {
        "name": "main",
        "imagePullPolicy": "Always",
        "image": "registry.example/make:1",
        "command": ["make"],
    }
    assert [volume["name"] for volume in make["spec"]["volumes"]] == ["shared", "host"]
    assert (make["spec"]["securityContext"], make["spec"]["serviceAccountName"]) == ({"runAsUser": 0}, "runner")
    assert (make["metadata"]["labels"], make["metadata"]["annotations"]) == ({"team": "shop"}, {"a": "b"})
    assert "source" not in pods[2].object["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("of", "path", "line", "place"),
    [
        (2, "spec.containers[0].image", 25, "spec.templates[1].container.image"),
        (2, "spec.containers[1].image", 24, "spec.templates[1].sidecars[0].image"),
        (2, "spec.initContainers[0].image", 23, "spec.templates[1].initContainers[0].image"),
        (2, "spec.volumes[1].hostPath", 22, "spec.templates[1].volumes[0].hostPath"),
        (2, "spec.volumes[0].emptyDir", 11, "spec.volumes[0].emptyDir"),
        (2, "spec.securityContext", 20, "spec.templates[1].securityContext"),
        (1, "spec.securityContext.runAsNonRoot", 6, "spec.securityContext.runAsNonRoot"),
        (1, "spec.containers[0].image", 17, "spec.templates[0].steps[0][1].inline.container.image"),
        (4, "spec.containers[1].image", 29, "spec.templates[3].containerSet.containers[1].image"),
        (3, "metadata.ownerReferences", 26, "spec.templates[2]"),
    ],
)
def test_places_lead_back_to_the_workflow(of: int, path: str, line: int, place: str) -> None:
    (document,), _ = parse(WORKFLOW, "f.yaml")
    planned = plan([document], Options()).requests[of]
    found = planned.place(parse_path(path))
    assert (render(found), document.position(found).line) == (place, line)


@pytest.mark.parametrize("kind", ["WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"])
def test_other_kinds_that_hold_workflows(kind: str) -> None:
    value: dict[str, Any] = yaml.safe_load(WORKFLOW) | {"kind": kind}
    if kind == "CronWorkflow":
        value["spec"] = {"schedule": "* * * * *", "workflowSpec": value["spec"]}
    assert len(pods_of(value)) == 5
    value["spec"] = {"templates": [5, {"container": "x"}, {"steps": [5, [6]], "dag": {"tasks": [{"inline": 1}]}}]}
    assert pods_of(value) == []
