"""Witnesses: the places in the object that made an expression false."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import ENVIRONMENT, with_variables
from webhook.cel import types
from webhook.cel.program import Recording
from webhook.cel.tree.ast import Expr
from webhook.cel.why.origins import Frame
from webhook.cel.why.witness import Search
from webhook.paths import Path, render

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


# ---------------------------------------------------------------------------------- where a person would look first

POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web", "team": "x"},
        "annotations": {"owner": "", "allow": "no"},
    },
    "spec": {
        "hostNetwork": True,
        "os": {"name": "linux"},
        "type": "LoadBalancer",
        "replicas": 1,
        "serviceAccountName": "default",
        "securityContext": {"runAsNonRoot": False},
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/var"}}],
        "initContainers": [{"name": "init", "image": "ok.io/init:1"}],
        "containers": [
            {
                "name": "app",
                "image": "ok.io/app:1.0",
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                "securityContext": {"privileged": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
                "ports": [{"containerPort": 80, "name": "http"}],
            },
            {
                "name": "side",
                "image": "bad.io/side:latest",
                "securityContext": {
                    "privileged": True,
                    "capabilities": {"add": ["NET_BIND", "SYS_ADMIN"], "drop": ["ALL"]},
                },
                "ports": [{"containerPort": 80, "hostPort": 8080, "name": "http"}],
                "env": [{"name": "A", "value": "1"}, {"name": "PASSWORD", "value": "x"}],
            },
        ],
    },
}
X: dict[str, Any] = {
    "data": {"max": "3"},
    "repos": ["ok.io/", "docker.io/"],
    "exempt": ["ok.io/exempt"],
    "labels": ["team", "cost"],
    "none": [],
}
ALL = "object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([])"


def first(expression: str, **variables: str) -> str:
    program, programs = with_variables(expression, **variables)
    return next(map(render, program.witnesses(Recording({"object": POD, "x": X}, variables=programs))), "")


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("object.kind != 'Pod' || !object.spec.hostNetwork", "spec.hostNetwork"),
        ("!object.spec.hostNetwork || object.kind != 'Pod'", "spec.hostNetwork"),
        ("!(object.kind == 'Pod' && object.spec.hostNetwork)", "spec.hostNetwork"),
        (
            "object.spec.os.name == 'windows' || (has(object.spec.securityContext.seccompProfile))",
            "spec.securityContext.seccompProfile",
        ),
        (
            "object.metadata.namespace in ['kube-system'] || object.spec.containers.all(c, has(c.livenessProbe))",
            "spec.containers[0].livenessProbe",
        ),
        (
            "(has(object.spec.securityContext.runAsNonRoot) && object.spec.securityContext.runAsNonRoot)"
            " || object.spec.containers.all(c, has(c.securityContext.runAsNonRoot) && c.securityContext.runAsNonRoot)",
            "spec.securityContext.runAsNonRoot",
        ),
        ("object.spec.containers.all(c, x.repos.exists(r, c.image.startsWith(r)))", "spec.containers[1].image"),
        (
            "object.spec.containers.all(c, c.image in x.exempt || (has(c.resources) && has(c.resources.limits)))",
            "spec.containers[1].resources",
        ),
        (
            "object.spec.containers.filter(c, has(c.resources)).size() == object.spec.containers.size()",
            "spec.containers[1].resources",
        ),
        ("size(object.spec.containers.filter(c, !has(c.resources))) == 0", "spec.containers[1].resources"),
        (
            "object.spec.containers.map(c, c.image).filter(i, i.endsWith(':latest')).size() == 0",
            "spec.containers[1].image",
        ),
        ("object.spec.containers.map(c, c.image.split(':')[1]).all(t, t != 'latest')", "spec.containers[1].image"),
        (
            "object.spec.containers.map(c, {'t': c.image.split(':')[1]}).all(t, t.t != 'latest')",
            "spec.containers[1].image",
        ),
        (
            "[object.spec.containers, object.spec.?initContainers.orValue([])].flatten().all(c, has(c.ports))",
            "spec.initContainers[0].ports",
        ),
        (
            "object.spec.containers.map(c, c.?ports.orValue([])).flatten().all(p, !has(p.hostPort))",
            "spec.containers[1].ports[0].hostPort",
        ),
        (
            "[object.spec.?hostPID, object.spec.?hostNetwork, object.spec.?hostIPC].all(h, !h.orValue(false))",
            "spec.hostNetwork",
        ),
        ("object.spec.?securityContext.?runAsNonRoot.orValue(false)", "spec.securityContext.runAsNonRoot"),
        ("object.spec.?securityContext.?runAsUser.orValue(0) > 0", "spec.securityContext.runAsUser"),
        (
            "object.spec.containers.all(c, c.?securityContext.?allowPrivilegeEscalation.orValue(true) == false)",
            "spec.containers[0].securityContext.allowPrivilegeEscalation",
        ),
        (
            "object.spec.containers.all(c, !('SYS_ADMIN' in c.?securityContext.?capabilities.?add.orValue([])))",
            "spec.containers[1].securityContext.capabilities.add[1]",
        ),
        (
            "object.spec.containers.all(c, c.securityContext.?capabilities.?add.orValue([]).all(a, a in ['NET_BIND']))",
            "spec.containers[1].securityContext.capabilities.add[1]",
        ),
        (
            "object.spec.containers.all(c, c.?securityContext.?capabilities.?drop.orValue([]).exists(a, a == 'NONE'))",
            "spec.containers[0].securityContext.capabilities.drop",
        ),
        ("x.labels.all(l, l in object.metadata.labels)", "metadata.labels"),
        (
            "x.labels.all(l, has(object.metadata.labels) && l in object.metadata.labels)",
            "metadata.labels",
        ),
        ("x.labels.filter(l, !(l in object.metadata.labels)).size() == 0", "metadata.labels"),
        ("x.labels.all(l, object.metadata.labels[?l].hasValue())", "metadata.labels.cost"),
        ("object.metadata.?annotations['owner'].orValue('') != ''", "metadata.annotations.owner"),
        ("object.metadata.?annotations['contact'].orValue('') != ''", "metadata.annotations.contact"),
        (
            "object.spec.type != 'LoadBalancer' || has(object.metadata.annotations.internal)",
            "metadata.annotations.internal",
        ),
        ("object.metadata.labels.app == 'web' ? object.spec.replicas >= 2 : true", "spec.replicas"),
        (
            "object.metadata.?annotations['allow'].orValue('no') == 'yes' || !object.spec.hostNetwork",
            "spec.hostNetwork",
        ),
        ("object.spec.containers.all(c, c.name == 'x' || c.image.startsWith('ok'))", "spec.containers[1].image"),
        ("object.spec.containers.all(c, c.image.startsWith('ok') || c.name == 'x')", "spec.containers[1].image"),
        (
            "object.spec.containers.all(c, !has(c.env) || c.env.all(e, e.name != 'PASSWORD' || has(e.valueFrom)))",
            "spec.containers[1].env[1].valueFrom",
        ),
        (
            "object.spec.containers.all(c, object.spec.containers.exists_one(d, d.ports[0].name == c.ports[0].name))",
            "spec.containers[1].ports[0].name",
        ),
        ("object.spec.volumes.exists(v, v.name == 'zzz')", "spec.volumes"),
        ("object.spec.?tolerations.orValue([]).exists(v, v.key == 'zzz')", "spec.tolerations"),
        ("x.none.exists(r, object.spec.serviceAccountName == r)", "spec.serviceAccountName"),
        ("object.spec.serviceAccountName in x.none", "spec.serviceAccountName"),
        ("int(x.data.max) < object.spec.replicas", "spec.replicas"),
        ("object.spec.containers[1].image.endsWith(':1')", "spec.containers[1].image"),
        (
            "!object.spec.containers.exists(c, c.?securityContext.?privileged.orValue(false))",
            "spec.containers[1].securityContext.privileged",
        ),
        (
            "object.spec.containers.map(c, c.?securityContext.?privileged.orValue(false)).exists_one(p, p) == false",
            "spec.containers[1].securityContext.privileged",
        ),
        (
            "sets.contains(['NET_BIND'], object.spec.containers[1].securityContext.capabilities.add)",
            "spec.containers[1].securityContext.capabilities.add[1]",
        ),
        (
            "!sets.intersects(object.spec.containers[1].securityContext.capabilities.add, ['SYS_ADMIN'])",
            "spec.containers[1].securityContext.capabilities.add[1]",
        ),
        ("object.spec.containers.map(c, c.image).distinct().all(i, i.startsWith('ok'))", "spec.containers[1].image"),
        (
            "object.spec.volumes.filter(v, has(v.hostPath)).map(v, v.hostPath.path).all(p, p.startsWith('/data'))",
            "spec.volumes[1].hostPath.path",
        ),
        ("object.spec.volumes.filter(v, has(v.hostPath)).map(v, v.name).join(', ') == ''", "spec.volumes[1].hostPath"),
        (
            "object.spec.containers.all(c, has(c.resources) ? has(c.resources.limits) : false)",
            "spec.containers[1].resources",
        ),
        ("object.spec.?template.?spec.?hostNetwork.optMap(h, !h).orValue(false)", "spec.template.spec.hostNetwork"),
        ("object.?spec.?replicas.optMap(r, r > 2).orValue(true)", "spec.replicas"),
        ("object.spec.?replicas.hasValue() && object.spec.replicas > 2", "spec.replicas"),
        ("object.metadata.labels.all(k, k.startsWith('a'))", "metadata.labels.team"),
        ("object.spec.containers.all(c, ('x/' + c.name) in object.metadata.annotations)", "metadata.annotations"),
        (
            "object.spec.containers.map(c, c.ports[0].name).distinct().size() == object.spec.containers.size()",
            "spec.containers[1].ports[0].name",
        ),
        ("object.spec.containers.filter(c, has(c.ports)).size() < 2", "spec.containers[0].ports"),
        ("object.spec.containers.filter(c, has(c.ports)).size() <= 1", "spec.containers[1].ports"),
        ("object.spec.volumes.all(v, v.all(k, k in ['name', 'emptyDir']))", "spec.volumes[1].hostPath"),
        ("object.spec.volumes.all(v, ['emptyDir', 'configMap'].exists(t, t in v))", "spec.volumes[1]"),
        ("object.spec.containers.all(c, object.spec.volumes.exists(v, v.name == c.name))", "spec.containers[0].name"),
        ("object.spec.hostNetwork == false || object.spec.serviceAccountName in ['operator']", "spec.hostNetwork"),
        ("object.metadata.labels.transformList(k, v, v).all(v, v == 'web')", "metadata.labels.team"),
        ("object.spec.containers.sortBy(c, c.image).all(c, c.image.startsWith('ok'))", "spec.containers[1].image"),
    ],
)
def test_the_best_of_the_places_comes_first(expression: str, path: str) -> None:
    assert first(expression) == path


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("object.metadata.annotations['contact'] != ''", "metadata.annotations.contact"),
        ("object.spec.tolerations.exists(v, v.key == 'zzz')", "spec.tolerations"),
        (
            "object.spec.containers.all(c, quantity(c.resources.limits.memory).isLessThan(quantity('2Gi')))",
            "spec.containers[1].resources",
        ),
        ("object.spec.containers.all(c, quantity(c.name).isLessThan(quantity('2Gi')))", "spec.containers[0].name"),
        ("object.spec.containers[5].image == ''", "spec.containers[5]"),
        ("object.nope.all(v, v)", "nope"),
        (
            "object.spec.containers.all(c, c.securityContext.runAsNonRoot)",
            "spec.containers[1].securityContext.runAsNonRoot",
        ),
        ("object.spec.containers.filter(c, c.env.size() > 0).size() == 0", "spec.containers[0].env"),
        ("object.spec.replicas + 'x' == 'y'", "spec.replicas"),
        ("has(object.spec.affinity.nodeAffinity)", "spec.affinity"),
        ("object.spec.serviceAccountName ? true : false", "spec.serviceAccountName"),
    ],
)
def test_an_error_is_about_a_place(expression: str, path: str) -> None:
    assert first(expression) == path


@pytest.mark.parametrize(
    ("expression", "variables", "path"),
    [
        ("variables.all.all(c, c.image.startsWith('ok'))", {"all": ALL}, "spec.containers[1].image"),
        ("variables.all.all(c, has(c.ports))", {"all": ALL}, "spec.initContainers[0].ports"),
        (
            "variables.bad.size() == 0",
            {"all": ALL, "bad": "variables.all.filter(c, !has(c.resources))"},
            "spec.containers[1].resources",
        ),
        (
            "variables.bad == []",
            {"all": ALL, "bad": "variables.all.filter(c, !has(c.resources)).map(c, c.name)"},
            "spec.containers[1].resources",
        ),
        (
            "variables.exempt || variables.bad.size() == 0",
            {
                "exempt": "object.metadata.name in x.exempt",
                "all": ALL,
                "bad": "variables.all.filter(c, !has(c.resources))",
            },
            "spec.containers[1].resources",
        ),
        (
            "variables.isPod ? variables.spec.hostNetwork == false : true",
            {"isPod": "object.kind == 'Pod'", "spec": "variables.isPod ? object.spec : object.spec.template.spec"},
            "spec.hostNetwork",
        ),
        (
            "variables.bad.size() == 0",
            {
                "exempt": "object.spec.containers.filter(c, c.image in x.exempt).map(c, c.image)",
                "bad": "object.spec.containers.filter(c, !(c.image in variables.exempt) && !has(c.resources))",
            },
            "spec.containers[1].resources",
        ),
        ("variables.ok", {"ok": "object.spec.containers.all(c, c.image.startsWith('ok'))"}, "spec.containers[1].image"),
    ],
)
def test_the_best_place_is_found_through_variables(expression: str, variables: dict[str, str], path: str) -> None:
    assert first(expression, **variables) == path


def test_where_a_budget_ran_out_nothing_is_to_blame() -> None:
    expression = "x.all(a, x.all(b, x.all(c, object.n.all(d, a + b + c + d >= 0))))"
    program, _ = with_variables(expression)
    numbers = list(range(300))
    assert program.witnesses(Recording({"object": {"n": numbers}, "x": numbers})) == ()


def test_names_that_stand_for_much_cost_little() -> None:
    same = {f"v{at}": f"variables.v{at - 1} == variables.v{at - 1}" for at in range(1, 60)}
    assert first("!variables.v59", v0="x.data.max == '3'", **same) == ""
    nested = "x.labels.map(e, e != '')"
    for _ in range(20):
        nested = f"{nested}.map(e, e == e)"
    assert first(f"!{nested}.exists(e, e)") == ""


def test_rounds_beyond_those_that_are_shown_are_told_of_too() -> None:
    images = [{"image": f"ok.io/{at}:1"} for at in range(40)]
    images[33]["image"] = "bad.io/x:1"
    program, _ = with_variables("object.c.map(e, e.image.split('/')[0]).all(r, r == 'ok.io')")
    assert program.witnesses(Recording({"object": {"c": images}})) == (("c", 33, "image"),)


def test_of_names_that_repeat_the_later_one_is_at_fault_though_lists_were_joined() -> None:
    value = {"a": [{"n": "x"}, {"n": "y"}], "b": [{"n": "z"}, {"n": "y"}]}
    for expression in (
        "(object.a + object.b).all(e, (object.a + object.b).exists_one(o, o.n == e.n))",
        "(object.a + object.b).map(e, e.n).all(n, (object.a + object.b).exists_one(o, o.n == n))",
        "(object.a + object.b).all(e, (object.a + object.b).filter(o, o.n == e.n).size() == 1)",
        "(object.a + object.b).map(e, e.n).distinct().size() == (object.a + object.b).size()",
    ):
        program, _ = with_variables(expression)
        assert program.witnesses(Recording({"object": value}))[0] == ("b", 1, "n"), expression


def test_the_kind_of_something_else_is_a_field_like_others() -> None:
    value = {"kind": "RoleBinding", "subjects": [{"kind": "User", "name": "ann"}], "roleRef": {"name": "admin"}}
    program, _ = with_variables("object.kind == 'Role' || object.subjects.all(s, s.kind in ['Group'])")
    assert program.witnesses(Recording({"object": value}))[0] == ("subjects", 0, "kind")


def test_a_deletion_and_what_was_there_before_have_places_too() -> None:
    before = {"metadata": {"labels": {"keep": "1"}}}
    environment = ENVIRONMENT.extend({"oldObject": types.DYN, "request": types.DYN, "namespaceObject": types.DYN})

    def places(expression: str, **bindings: Any) -> tuple[Path, ...]:
        return environment.compile(expression).witnesses(Recording({"object": None, **bindings}))

    assert places("!has(oldObject.metadata.labels.keep)", oldObject=before) == (("metadata", "labels", "keep"),)
    assert places("oldObject.metadata.labels.keep == '2'", object={}, oldObject=before) == (
        ("metadata", "labels", "keep"),
    )
    assert places("request.name.size() < 3", request={"name": "long"}) == (("metadata", "name"),)
    assert places("request.namespace != 'a' && true", request={"namespace": "a"}) == (("metadata", "namespace"),)
    labels = {"metadata": {"labels": {"env": "test"}}}
    assert places("namespaceObject.metadata.labels.env == 'x'", namespaceObject=labels) == (("metadata", "namespace"),)
    assert places("request.userInfo.username == 'x'", request={"userInfo": {"username": "y"}}) == ()


@pytest.mark.parametrize("expression", [
    "object.spec.volumes.map(v, {'n': v.name + 'x', 'at': v.name + 'y'}).filter(i, i.n + i.n != 'tmpx').size() == 0",
    "(object.spec.replicas > 10 ? [object.spec.replicas + 1] : []).filter(n, n + n > 1).size() == 0",
])  # fmt: skip
def test_no_node_is_searched_twice_in_a_frame(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked about from several sides would be searched with all below it each time."""
    searched: list[tuple[int, Frame]] = []
    search = Search._decisive

    def counted(self: Search, node: Expr, frame: Frame) -> list[Path]:
        searched.append((id(node), frame))
        return search(self, node, frame)

    monkeypatch.setattr(Search, "_decisive", counted)
    assert found(expression)
    assert len(searched) == len({(node, id(frame)) for node, frame in searched})
    rounds = {(node, tuple(map(str, frame.scope.items()))) for node, frame in searched}
    assert len(searched) == len(rounds)
