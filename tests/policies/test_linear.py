"""Every shipped policy takes time that is linear in the size of the object, which its users choose.

Counted are the instructions of Python that an evaluation takes, and in objects that count: the elements that their
methods look at. Seconds would depend on the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.policy.trees import request
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request

TIMES = 4
SMALL = 100
MOST = TIMES * 1.25  # of four times the size; with a quadratic part it would be up to sixteen


class Steps:
    """How many elements counting objects have looked at."""

    def __init__(self) -> None:
        self.count = 0


def counting(value: Any, steps: Steps) -> Any:
    """A copy of a JSON value whose lists, mappings and texts count what their methods look at."""

    class List(list[Any]):
        def __contains__(self, item: object) -> bool:
            steps.count += len(self)
            return super().__contains__(item)

        def __getitem__(self, key: Any) -> Any:
            found = super().__getitem__(key)
            if isinstance(key, slice):
                steps.count += len(found)
                return List(found)
            return found

        def index(self, *args: Any) -> int:
            steps.count += len(self)
            return super().index(*args)

        def count(self, item: Any) -> int:
            steps.count += len(self)
            return super().count(item)

    class Mapping(dict[str, Any]):
        def __eq__(self, other: object) -> bool:
            steps.count += len(self)
            return super().__eq__(other)

        __hash__ = None

    class Text(str):
        __slots__ = ()

        def lower(self) -> str:
            steps.count += len(self)
            return Text(super().lower())

        def split(self, *args: Any) -> Any:
            steps.count += len(self)
            return List(map(Text, super().split(*args)))

        def startswith(self, start: Any, *args: Any) -> bool:
            steps.count += len(start)
            return super().startswith(start, *args)

    if isinstance(value, dict):
        return Mapping({key: counting(item, steps) for key, item in value.items()})
    if isinstance(value, list):
        return List(counting(item, steps) for item in value)
    return Text(value) if isinstance(value, str) else value


def taken(library: PolicySet, asked: Request) -> int:
    """The steps of all policies on a request."""
    steps = Steps()
    asked = request(
        counting(asked.object, steps),
        asked.operation,
        resource="/".join(filter(None, (*asked.resource, asked.subresource))),
        kind=asked.kind.kind,
        old_object=counting(asked.old_object, steps),
    )
    cluster = ManifestsView(library.objects, assume_namespaces=True)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        steps.count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        engine.mutate(asked, library, cluster)
        engine.validate(asked, library, cluster)
    finally:
        sys.settrace(before)
    return steps.count


def _pod(size: int, image: str = "a") -> dict[str, Any]:
    containers = [
        {"name": f"c{index}", "image": image if index == 0 else "a", "ports": [{"containerPort": 80}]}
        for index in range(size)
    ]
    volumes = [{"name": f"v{index}", "emptyDir": {}} for index in range(size)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "labels": {f"l{index}": "x" for index in range(size)}},
        "spec": {"containers": containers, "initContainers": containers, "volumes": volumes},
    }


def _service(ports: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def _replica_set(size: int, replicas: int = 2) -> dict[str, Any]:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": f"o{index}", "uid": str(index)} for index in range(size)]
    metadata = {"name": "r", "namespace": "default", "ownerReferences": owners}
    spec = {"replicas": replicas, "template": {"spec": _pod(size)["spec"]}}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}


def _finalizers(size: int, more: int = 0) -> dict[str, Any]:
    metadata = {
        "name": "c",
        "namespace": "default",
        "labels": {f"l{index}": "x" for index in range(size)},
        "finalizers": [f"example.com/f{index}" for index in range(size + more)],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


REQUESTS: dict[str, Callable[[int], Request]] = {
    "a Pod is created": lambda size: request(_pod(size)),
    "one image of a Pod is patched": lambda size: request(_pod(size, "b"), "UPDATE", old_object=_pod(size)),
    "a Service with ports": lambda size: request(
        _service([{"port": 80, "name": f"http-{index}"} for index in range(size)]),
        resource="v1/services",
        kind="Service",
    ),
    "a Service with a port that is named by dashes": lambda size: request(
        _service([{"port": 80, "name": "-" * size * 10}]), resource="v1/services", kind="Service"
    ),
    "a ReplicaSet with owners": lambda size: request(
        _replica_set(size), resource="apps/v1/replicasets", kind="ReplicaSet"
    ),
    "a ReplicaSet is scaled": lambda size: request(
        _replica_set(size, 3),
        "UPDATE",
        resource="apps/v1/replicasets",
        kind="ReplicaSet",
        old_object=_replica_set(size),
    ),
    "an object with finalizers": lambda size: request(_finalizers(size), resource="v1/configmaps", kind="ConfigMap"),
    "one finalizer more": lambda size: request(
        _finalizers(size, 1), "UPDATE", resource="v1/configmaps", kind="ConfigMap", old_object=_finalizers(size)
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_steps_are_linear_in_the_size(library: PolicySet, name: str) -> None:
    build = REQUESTS[name]
    taken(library, build(2))  # what is done once: indexes, caches
    small, large = taken(library, build(SMALL)), taken(library, build(TIMES * SMALL))
    assert large <= MOST * small, f"{small} steps for {SMALL} elements, {large} for {TIMES} times as many"
