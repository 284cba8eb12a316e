"""Witnesses: the places in the object that made an expression false."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import with_variables
from webhook.cel.program import Recording
from webhook.paths import render

OBJECT: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"a.b/c": "1", "team": "x"}},
    "spec": {
        "replicas": 50,
        "volumes": [
            {"name": "tmp"},
            {"name": "h", "hostPath": {"path": "/"}},
            {"name": "i", "hostPath": {"path": "/i"}},
        ],
        "containers": [{"name": "c", "ports": [{"protocol": "TCP"}, {"protocol": "SCTP"}]}],
    },
}
VOLUMES = "object.?spec.?volumes.orValue([])"


def found(expression: str, **variables: str) -> list[str]:
    program, programs = with_variables(expression, **variables)
    paths = program.witnesses(Recording({"object": OBJECT, "x": 10}, variables=programs))
    return [render(path) for path in paths]


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("object.spec.replicas <= x", ["spec.replicas"]),
        ("object.spec.replicas >= 1 && object.spec.replicas <= 10", ["spec.replicas"]),
        ("object.spec.volumes.all(v, !has(v.hostPath))", ["spec.volumes[1].hostPath"]),
        ("!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.hostPath))", ["spec.volumes[1].hostPath"]),
        ("!object.spec.volumes.exists(v, has(v.hostPath))", ["spec.volumes[1].hostPath"]),
        (
            "object.spec.containers.all(c, !has(c.ports) || c.ports.all(p, p.protocol in ['TCP', 'UDP']))",
            ["spec.containers[0].ports[1].protocol"],
        ),
        ("object.spec.containers.all(i, c, c.name != 'c')", ["spec.containers[0].name"]),
        ("has(object.metadata.annotations)", ["metadata.annotations"]),
        ("object.metadata.labels['a.b/c'] == '2'", ["metadata.labels['a.b/c']"]),
        ("object.metadata.labels.all(k, v, v == '1')", ["metadata.labels.team"]),
        ("'owner' in object.metadata.labels", ["metadata.labels"]),
        (
            "object.spec.volumes.filter(v, has(v.hostPath)).size() == 0",
            ["spec.volumes[1].hostPath", "spec.volumes[2].hostPath"],
        ),
        ("object.spec.volumes.map(v, v.name).all(n, n == 'tmp')", ["spec.volumes[1].name"]),
        ("object.?spec.?replicas.optMap(r, r < 10).orValue(true)", ["spec.replicas"]),
        ("(object.spec.replicas > 10 ? object.metadata.name : 'x') == 'x'", ["metadata.name"]),
        ("x == 11", []),
    ],
)
def test_the_place_that_decided(expression: str, paths: list[str]) -> None:
    assert found(expression) == paths


def test_witnesses_are_found_through_variables() -> None:
    hosts = "variables.volumes.filter(v, v.?hostPath.?path.orValue('') == '/')"
    assert found("variables.hosts.size() == 0", volumes=VOLUMES, hosts=hosts) == ["spec.volumes[1].hostPath.path"]
    assert found("variables.volumes.all(v, !has(v.hostPath))", volumes=VOLUMES) == ["spec.volumes[1].hostPath"]


def test_witnesses_are_found_through_lists_that_were_joined() -> None:
    joined = "[{'name': 'a'}].map(n, dyn(n)).filter(n, false) + object.spec.volumes + object.spec.containers"
    assert found("variables.all.all(v, v.name != 'h')", all=joined) == ["spec.volumes[1].name"]
    assert found("variables.all.all(v, v.name != 'c')", all=joined) == ["spec.containers[0].name"]


def test_what_an_earlier_round_recorded_does_not_count() -> None:
    expression = "object.spec.volumes.all(v, !(has(v.hostPath) && v.hostPath.path == '/i'))"
    assert found(expression) == ["spec.volumes[2].hostPath.path"]


def test_an_expression_that_fails_has_no_witness() -> None:
    assert found("object.nope.all(v, v)") == []
