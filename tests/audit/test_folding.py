"""Findings on the objects of a controller are reported once, with their workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.audit.clusters import Object, Server, audited, loaded, made, policy
from webhook.audit.folding import Folding


def pod(*images: str) -> dict[str, Any]:
    return {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}


BAD = policy(
    "images",
    "true",
    on="pods",
    validations=[
        {
            "expression": "object.spec.containers.all(c, c.image != 'bad')",
            "messageExpression": "'bad: ' + object.spec.containers.filter(c, c.image == 'bad').map(c, c.name).join()",
        },
        {"expression": "object.spec.containers.all(c, c.image != 'worse')", "message": "worse"},
    ],
)
EVERY = policy("every", "true", on="deployments,cronjobs,jobs")


def reported(objects: list[Object], *policies: str, folder: Path) -> tuple[list[tuple[str, str, str]], int]:
    """Workload, message and aside of each finding that is reported, and how many were reported already."""
    found, _ = audited(Server(objects), loaded(folder, *policies))
    folding, said = Folding(), []
    for each in found:
        verdict = each.verdict
        of = each.workload or verdict.identity
        new = folding.new(verdict.findings, of, verdict.identity if each.workload is not None else None)
        said += [(f"{of.kind} {of.name}", located.message, on) for located, on in new]
    return [(of, message, on.aside()) for of, message, on in said], folding.folded


def test_the_pods_of_a_deployment_say_what_its_template_says_once(tmp_path: Path) -> None:
    web = made("Deployment", "web", spec={"replicas": 5, "template": {"spec": pod("bad")}})
    set_ = made("ReplicaSet", "web-1", owner=web, spec={"replicas": 5, "template": {"spec": pod("bad")}})
    running = [made("Pod", f"web-1-{name}", owner=set_, spec=pod("bad")) for name in "abcde"]
    said, folded = reported([web, set_, *running], BAD, EVERY, folder=tmp_path)
    assert said == [("Deployment web", "bad: c0", "found on Pod web-1-a, Pod web-1-b, Pod web-1-c and 2 more")]
    assert folded == 5


def test_what_only_a_pod_has_is_reported_of_its_workload(tmp_path: Path) -> None:
    web = made("Deployment", "web", spec={"replicas": 2, "template": {"spec": pod("good")}})
    set_ = made("ReplicaSet", "web-1", owner=web, spec={"replicas": 2})
    injected = made("Pod", "web-1-a", owner=set_, spec=pod("good", "worse"))
    said, folded = reported(
        [web, set_, injected, made("Pod", "web-1-b", owner=set_, spec=pod("good"))], BAD, EVERY, folder=tmp_path
    )
    assert said == [("Deployment web", "worse", "found on Pod web-1-a")]
    assert folded == 0


def test_the_pods_of_a_job_of_a_cron_job(tmp_path: Path) -> None:
    nightly = made("CronJob", "nightly", spec={"jobTemplate": {"spec": {"template": {"spec": pod("good")}}}})
    jobs = [
        made("Job", f"nightly-{number}", owner=nightly, spec={"template": {"spec": pod("worse")}}) for number in "12"
    ]
    running = [made("Pod", f"{job['metadata']['name']}-x", owner=job, spec=pod("worse")) for job in jobs]
    said, folded = reported([nightly, *jobs, *running], BAD, EVERY, folder=tmp_path)
    assert said == [("CronJob nightly", "worse", "found on Pod nightly-1-x, Pod nightly-2-x")]
    assert folded == 1


def test_a_controller_that_nobody_has_seen_is_named_by_its_reference(tmp_path: Path) -> None:
    cluster = made("Deployment", "db")
    cluster |= {"apiVersion": "sql.example/v1", "kind": "Cluster"}
    running = [made("Pod", f"db-{number}", owner=cluster, spec=pod("bad")) for number in range(2)]
    said, _ = reported(running, BAD, folder=tmp_path)
    assert said == [("Cluster db", "bad: c0", "found on Pod db-0, Pod db-1")]


def test_a_static_pod_is_reported_of_itself_and_not_of_its_node(tmp_path: Path) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n"}}
    found, audit = audited(Server([made("Pod", "etcd-n1", owner=node, spec=pod("bad"))]), loaded(tmp_path, BAD))
    assert [(each.workload, each.verdict.identity.name) for each in found] == [(None, "etcd-n1")]
    assert audit.judged == {"shop": 1}


def test_a_circle_of_controllers_ends(tmp_path: Path) -> None:
    one, other = made("ReplicaSet", "one", spec={"replicas": 1}), made("ReplicaSet", "other", spec={"replicas": 1})
    one = made("ReplicaSet", "one", owner=other, spec={"replicas": 1})
    other = made("ReplicaSet", "other", owner=one, spec={"replicas": 1})
    said, _ = reported([one, other, made("Pod", "p", owner=one, spec=pod("bad"))], BAD, folder=tmp_path)
    assert [(of.partition(" ")[0], message) for of, message, _ in said] == [("ReplicaSet", "bad: c0")]


def test_findings_of_one_expression_for_several_params_stay_apart(tmp_path: Path) -> None:
    params = [made("ConfigMap", name, "rules", data={"word": name}) for name in ("one", "two")]
    web = made("Deployment", "web", spec={"template": {"spec": pod("a")}})
    bound = {"paramRef": {"selector": {}, "namespace": "rules", "parameterNotFoundAction": "Deny"}}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    validations = [{"expression": "object.metadata.name != 'web-1-a'", "messageExpression": "string(params.data.word)"}]
    said = policy("said", "true", on="pods", binding=bound, paramKind=kind, validations=validations)
    set_ = made("ReplicaSet", "web-1", owner=web, spec={"replicas": 1})
    running = made("Pod", "web-1-a", owner=set_, spec=pod("a"))
    found, folded = reported([web, set_, *params, running], said, folder=tmp_path)
    assert [message for _, message, _ in found] == ["one", "two"] and folded == 0


def test_a_message_that_names_the_pod_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "named.py").write_text(
        "from gatewright import validate\n\n\n"
        "@validate(resources=['v1/pods'])\n"
        'def named(request):\n    return f\'{request.object["metadata"]["name"]} is bad\'\n'
    )
    (tmp_path / "p" / "binding.yaml").write_text(policy("named", "true").partition("---")[2])
    set_ = made("ReplicaSet", "web", spec={"replicas": 2})
    running = [made("Pod", f"web-{name}", owner=set_, spec=pod("bad")) for name in "ab"]
    said, folded = reported([set_, *running], folder=tmp_path / "p")
    assert [(of, aside) for of, _, aside in said] == [("ReplicaSet web", "found on Pod web-a, Pod web-b")]
    assert folded == 1
