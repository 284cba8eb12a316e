"""The Pods of Argo Workflows: one for each template with a container, a script or a set of containers.

A Workflow has no Pod template: its controller puts a Pod together from fields of the workflow and of the template. The
containers that it adds itself (init and wait) are left out, and so is podSpecPatch. Source: Argo's API (WorkflowSpec,
Template) and its documentation of how steps run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from webhook.paths import Path, lookup

GROUP: Final = "argoproj.io"
KINDS: Final[dict[str, Path]] = {
    "Workflow": ("spec",),
    "WorkflowTemplate": ("spec",),
    "ClusterWorkflowTemplate": ("spec",),
    "CronWorkflow": ("spec", "workflowSpec"),
}
"""Kind -> the path of its WorkflowSpec."""

_OF_BOTH: Final = (  # fields of a Pod that a template has over its workflow
    *("affinity", "automountServiceAccountToken", "hostAliases", "nodeSelector", "priorityClassName"),
    *("schedulerName", "securityContext", "serviceAccountName", "tolerations"),
)
_OF_WORKFLOW: Final = ("dnsConfig", "dnsPolicy", "hostNetwork", "imagePullSecrets")
_MAX_DEPTH: Final = 10  # of templates within templates


class StepPod(Struct, frozen=True):
    """What a template makes of a Pod: its metadata and spec. `moved`: path in the Pod -> path in the workflow."""

    template: Path
    metadata: dict[str, Any]
    spec: dict[str, Any]
    moved: tuple[tuple[Path, Path], ...]


def step_pods(workflow: dict[str, Any]) -> Iterator[StepPod]:
    """The Pods of an object of one of KINDS."""
    at = KINDS[workflow["kind"]]
    spec = lookup(workflow, at)
    if not isinstance(spec, dict):
        return
    for path, template in _templates(spec, at, 0):
        pod = _pod(spec, at, template, path)
        if pod is not None:
            yield pod


def _templates(holder: dict[str, Any], at: Path, depth: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The templates of a workflow, and those that stand inline in steps and tasks."""
    for index, template in enumerate(_list(holder.get("templates"))):
        if isinstance(template, dict):
            yield from _with_inline(template, (*at, "templates", index), depth)


def _with_inline(template: dict[str, Any], at: Path, depth: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    yield at, template
    if depth >= _MAX_DEPTH:
        return
    for path, step in _steps(template):
        if isinstance(step, dict) and isinstance(step.get("inline"), dict):
            yield from _with_inline(step["inline"], (*at, *path, "inline"), depth + 1)


def _steps(template: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for index, group in enumerate(_list(template.get("steps"))):
        if isinstance(group, list):  # steps in parallel
            yield from ((("steps", index, place), step) for place, step in enumerate(group))
    dag = template.get("dag")
    for index, task in enumerate(_list(dag.get("tasks") if isinstance(dag, dict) else None)):
        yield ("dag", "tasks", index), task


def _pod(spec: dict[str, Any], at: Path, template: dict[str, Any], path: Path) -> StepPod | None:
    defaults = spec.get("templateDefaults")
    defaults = defaults if isinstance(defaults, dict) else {}
    kind = next(
        (each for each in ("container", "script", "containerSet") if isinstance(template.get(each), dict)), None
    )
    if kind is None:
        return None
    moved: list[tuple[Path, Path]] = []
    main = {**_mapping(defaults.get(kind)), **template[kind]}
    if kind == "containerSet":
        containers = list(_list(main.get("containers")))
        moved.append((("spec", "containers"), (*path, kind, "containers")))
    else:
        main.pop("source", None)  # of a script
        containers = [{"name": "main", **main}]
        moved.append((("spec", "containers", 0), (*path, kind)))
    for index, sidecar in enumerate(_list(template.get("sidecars"))):
        moved.append((("spec", "containers", len(containers)), (*path, "sidecars", index)))
        containers.append(sidecar)
    made: dict[str, Any] = {"containers": containers}
    for field in (*_OF_WORKFLOW, *_OF_BOTH, "initContainers"):
        holders = [(template, path), (defaults, (*at, "templateDefaults")), (spec, at)]
        for holder, place in holders[2:] if field in _OF_WORKFLOW else holders:
            if field in holder and (field != "initContainers" or holder is template):
                made[field] = holder[field]
                moved.append((("spec", field), (*place, field)))
                break
    if "podPriorityClassName" in spec and "priorityClassName" not in made:
        made["priorityClassName"] = spec["podPriorityClassName"]
        moved.append((("spec", "priorityClassName"), (*at, "podPriorityClassName")))
    volumes: list[Any] = []
    for holder, place in ((spec, at), (template, path)):
        for index, volume in enumerate(_list(holder.get("volumes"))):
            moved.append((("spec", "volumes", len(volumes)), (*place, "volumes", index)))
            volumes.append(volume)
    if volumes:
        made["volumes"] = volumes
    moved += [(("metadata", key), (*path, "metadata", key)) for key in ("labels", "annotations")]
    moved.sort(key=lambda pair: -len(pair[0]))
    metadata = _mapping(template.get("metadata"))
    podwide = _mapping(spec.get("podMetadata"))
    both = {key: {**_mapping(podwide.get(key)), **_mapping(metadata.get(key))} for key in ("labels", "annotations")}
    return StepPod(path, {key: entries for key, entries in both.items() if entries}, made, tuple(moved))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
