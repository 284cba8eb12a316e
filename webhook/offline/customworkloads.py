"""Where custom resources hold Pod templates: the well-known ones, and those that the settings file names.

A place is a path of fields: `spec.template`; `*` stands for every key of a mapping, `[*]` for every item of a list, and
`.` for the object itself. Sources: the CustomResourceDefinitions of the projects that the groups belong to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct, field

from webhook.lazypatterns import lazily
from webhook.paths import ROOT, Path

Controller = tuple[str, str]
"""The namespace and name of the service account that creates Pods."""

_REPLICA_SETS: Final = ("kube-system", "replicaset-controller")
_STATEFUL_SETS: Final = ("kube-system", "statefulset-controller")
_JOBS: Final = ("kube-system", "job-controller")
_KRUISE: Final = ("kruise-system", "kruise-manager")
_KUBEFLOW: Final = ("kubeflow", "training-operator")
_KUBERAY: Final = ("ray-system", "kuberay-operator")

_JOB_SET: Final = "spec.template.spec.replicatedJobs[*].template.spec.template"
_RAY: Final = ("headGroupSpec.template", "workerGroupSpecs[*].template")


class CustomWorkload(Struct, frozen=True):
    """A custom resource that makes Pods. `controller`: None if it is not known who creates them."""

    places: tuple[str, ...]
    controller: Controller | None = None


WELL_KNOWN: Final[Mapping[str, CustomWorkload]] = MappingProxyType(
    {
        # Argo Rollouts. With a workloadRef, the template is that of the Deployment, which is checked itself.
        "rollouts.argoproj.io": CustomWorkload(("spec.template",), _REPLICA_SETS),
        # Knative
        "services.serving.knative.dev": CustomWorkload(("spec.template",), _REPLICA_SETS),
        "configurations.serving.knative.dev": CustomWorkload(("spec.template",), _REPLICA_SETS),
        "revisions.serving.knative.dev": CustomWorkload((".",), _REPLICA_SETS),
        # Kubeflow. A TrainJob has no template: that of its runtime is checked.
        "tfjobs.kubeflow.org": CustomWorkload(("spec.tfReplicaSpecs.*.template",), _KUBEFLOW),
        "pytorchjobs.kubeflow.org": CustomWorkload(("spec.pytorchReplicaSpecs.*.template",), _KUBEFLOW),
        "mpijobs.kubeflow.org": CustomWorkload(("spec.mpiReplicaSpecs.*.template",), _KUBEFLOW),
        "xgboostjobs.kubeflow.org": CustomWorkload(("spec.xgbReplicaSpecs.*.template",), _KUBEFLOW),
        "paddlejobs.kubeflow.org": CustomWorkload(("spec.paddleReplicaSpecs.*.template",), _KUBEFLOW),
        "jaxjobs.kubeflow.org": CustomWorkload(("spec.jaxReplicaSpecs.*.template",), _KUBEFLOW),
        "notebooks.kubeflow.org": CustomWorkload(("spec.template",), _STATEFUL_SETS),
        "trainingruntimes.trainer.kubeflow.org": CustomWorkload((_JOB_SET,), _JOBS),
        "clustertrainingruntimes.trainer.kubeflow.org": CustomWorkload((_JOB_SET,), _JOBS),
        "jobsets.jobset.x-k8s.io": CustomWorkload(("spec.replicatedJobs[*].template.spec.template",), _JOBS),
        # OpenKruise
        "clonesets.apps.kruise.io": CustomWorkload(("spec.template",), _KRUISE),
        "statefulsets.apps.kruise.io": CustomWorkload(("spec.template",), _KRUISE),
        "daemonsets.apps.kruise.io": CustomWorkload(("spec.template",), _KRUISE),
        "broadcastjobs.apps.kruise.io": CustomWorkload(("spec.template",), _KRUISE),
        "advancedcronjobs.apps.kruise.io": CustomWorkload(
            ("spec.template.jobTemplate.spec.template", "spec.template.broadcastJobTemplate.spec.template"), _JOBS
        ),
        "uniteddeployments.apps.kruise.io": CustomWorkload(
            tuple(
                f"spec.template.{kind}Template.spec.template"
                for kind in ("statefulSet", "advancedStatefulSet", "cloneSet", "deployment")
            ),
            _KRUISE,
        ),
        "sidecarsets.apps.kruise.io": CustomWorkload((".",)),  # its containers get into Pods of others
        # Others
        "scaledjobs.keda.sh": CustomWorkload(("spec.jobTargetRef.template",), _JOBS),
        "jobs.batch.volcano.sh": CustomWorkload(("spec.tasks[*].template",), ("volcano-system", "volcano-controllers")),
        "rayclusters.ray.io": CustomWorkload(tuple(f"spec.{each}" for each in _RAY), _KUBERAY),
        "rayjobs.ray.io": CustomWorkload(tuple(f"spec.rayClusterSpec.{each}" for each in _RAY), _KUBERAY),
        "rayservices.ray.io": CustomWorkload(tuple(f"spec.rayClusterConfig.{each}" for each in _RAY), _KUBERAY),
        "leaderworkersets.leaderworkerset.x-k8s.io": CustomWorkload(
            ("spec.leaderWorkerTemplate.leaderTemplate", "spec.leaderWorkerTemplate.workerTemplate"), _STATEFUL_SETS
        ),
    }
)
"""By PLURAL.GROUP."""


class CustomWorkloads(Struct, frozen=True):
    """The custom resources that make Pods. `named`: by PLURAL.GROUP, those of the settings file, which come first."""

    named: Mapping[str, CustomWorkload] = field(default_factory=dict)

    def of(self, plural: str, group: str) -> CustomWorkload | None:
        """What is known of a resource; None if it makes no Pods."""
        key = f"{plural}.{group}"
        return self.named.get(key) or WELL_KNOWN.get(key)


NO_MORE: Final = CustomWorkloads()
"""The well-known custom workloads alone."""

_STEP = lazily(r"(?P<key>\*|[^.\[\]*]+)(?P<items>(?:\[\*\])*)(?:\.(?=.)|\Z)")


def parse_place(text: str) -> tuple[str | int, ...]:
    """The steps of a place: a key, "*" for every key, -1 for every item. Raises ValueError."""
    if text == ".":
        return ()
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"expected a path of fields such as spec.template or spec.tasks[*].template, got {text!r}")
        steps += [match["key"], *[-1] * (len(match["items"]) // 3)]
        at = match.end()
    if not steps:
        raise ValueError("expected a path of fields such as spec.template, got nothing")
    return tuple(steps)


def places(value: Any, place: str) -> Iterator[Path]:
    """The paths in an object that a place stands for, those that are there."""
    yield from _places(value, parse_place(place), ROOT)


def _places(value: Any, steps: tuple[str | int, ...], at: Path) -> Iterator[Path]:
    if not steps:
        yield at
    elif steps[0] == -1:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _places(item, steps[1:], (*at, index))
    elif isinstance(value, dict):
        for key in value if steps[0] == "*" else [steps[0]]:
            if key in value:
                yield from _places(value[key], steps[1:], (*at, key))
