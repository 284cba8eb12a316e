"""`gatewright audit` of a real kube-apiserver: it says what `check` and admission say of the same objects.

GATEWRIGHT_AUDIT_OBJECTS=20000 is the whole size; a tenth of it is audited first, for the memory.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cli.clusterreports.definitions import definitions
from tests.cli.running import gatewright
from tests.e2e.apiserver import Client
from tests.e2e.controlplane import ADMIN, DEVELOPER, ControlPlane, manifests
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from tests.timing import HANGING
from webhook.cli.clusterreports.dialects import OPENREPORTS

Object = dict[str, Any]

OBJECTS = int(os.environ.get("GATEWRIGHT_AUDIT_OBJECTS", "2000"))
FEW = OBJECTS // 10
NAMESPACES = max(10, OBJECTS // 100)
POLICIES = 40
GROWS = 1.3  # times the memory, for ten times the objects
ACTIVE = 60.0  # seconds within which the API server has all policies in force

KINDS = ("configmaps", "secrets", "pods", "deployments.apps", "serviceaccounts")
PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
}


def made(number: int) -> Object:
    """One of the objects. Most are in order; which are not, and in what, follows from their number."""
    kind = tuple(PATHS)[number % len(PATHS)]
    within = f"team-{number % NAMESPACES:03}"
    labels = {"app": f"app-{number % 7}"} | ({"owner": "somebody"} if number % 11 else {})
    image = f"registry.example.com/app:{number % 5}" if number % 13 else "app"
    pod = {"containers": [{"name": "app", "image": image}], "hostNetwork": number % 97 == 0}
    by_kind: dict[str, Object] = {
        "ConfigMap": {"data": {f"key-{each}": "x" * (number % 50) for each in range(number % 9)}},
        # No six characters of it are in the name: an audit redacts those in messages, the API server does not.
        "Secret": {"stringData": {"password": f"hunter.{number:x}"}},
        "Pod": {"spec": pod},
        "Deployment": {
            "spec": {
                "replicas": number % 17,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            }
        },
        "ServiceAccount": {"automountServiceAccountToken": number % 23 == 0},
    }
    version = "apps/v1" if kind == "Deployment" else "v1"
    metadata = {"name": f"{kind.lower()}-{number:05}", "namespace": within, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **by_kind[kind]}


EXPRESSIONS = (
    (["configmaps"], "object.?data.orValue({}).size() < 8", "object.metadata.name + ' has many keys'"),
    (
        ["configmaps", "secrets", "serviceaccounts"],
        "'owner' in object.metadata.labels",
        "'nobody owns ' + request.name",
    ),
    (["secrets"], "!object.metadata.name.endsWith('7')", "'a Secret that ends in 7: ' + object.metadata.name"),
    (["pods"], "object.spec.containers.all(c, c.image.contains(':'))", "'no tag: ' + object.spec.containers[0].image"),
    (["pods"], "!object.spec.?hostNetwork.orValue(false)", "'host network'"),
    (["deployments"], "object.spec.replicas < 15", "string(object.spec.replicas) + ' replicas'"),
    (["deployments"], "object.spec.template.metadata.labels == object.metadata.labels", "'labels differ'"),
    (["serviceaccounts"], "!object.?automountServiceAccountToken.orValue(true)", "'token of ' + request.namespace"),
)


def policies() -> list[Object]:
    """POLICIES policies with a binding each; some select by labels of Namespaces, some have params."""
    found: list[Object] = []
    for number in range(POLICIES):
        resources, expression, message = EXPRESSIONS[number % len(EXPRESSIONS)]
        turn = number // len(EXPRESSIONS)
        name = f"policy-{number:02}"
        rule = {"apiGroups": ["", "apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": resources}
        ours = {"name": "ours", "expression": "request.namespace.startsWith('team-')"}
        constraints: Object = {"resourceRules": [rule]}
        spec: Object = {"matchConstraints": constraints, "matchConditions": [ours]}
        bound: Object = {"policyName": name, "validationActions": ["Warn"]}
        if turn == 1:
            constraints["namespaceSelector"] = {"matchLabels": {"strict": "yes"}}
        if turn == 2:
            constraints["objectSelector"] = {
                "matchExpressions": [{"key": "app", "operator": "In", "values": ["app-1"]}]
            }
        if turn == 3:
            spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
            expression = f"params.data.enforced != 'yes' || ({expression})"
            bound["paramRef"] = {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}
        if turn == 4:
            expression = f"namespaceObject.metadata.labels.strict == 'no' || ({expression})"
        spec["validations"] = [{"expression": expression, "messageExpression": message}]
        group = "admissionregistration.k8s.io/v1"
        found += [
            {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
            {
                "apiVersion": group,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": bound,
            },
        ]
    return found


def sent(cluster: ControlPlane, values: Sequence[Object], query: str = "") -> list[Any]:
    """The replies to the creation of objects, in their order."""
    local, clients = threading.local(), list[Client]()

    def create(value: Object) -> Any:
        if not hasattr(local, "client"):
            local.client = cluster.client_of(cluster.tokens[ADMIN.name])
            clients.append(local.client)
        return local.client.post(PATHS[value["kind"]].format(value["metadata"]["namespace"]) + query, value)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(create, values))
    for client in clients:
        client.close()
    return replies


class Done(NamedTuple):
    """A run of the command in a process of its own. `memory`: its most, in bytes."""

    code: int
    report: Any
    memory: int
    seconds: float


MEASURED = """\
import atexit, pathlib, re, sys
from webhook.cli.main import main

def most():
    found = re.search(r"VmHWM:\\s+([0-9]+) kB", pathlib.Path("/proc/self/status").read_text())
    pathlib.Path(name).write_text(found[1])

name = sys.argv[-1]
atexit.register(most)
sys.argv = ["gatewright", *sys.argv[1:-1]]
main()
"""
"""Runs the command, and writes the most memory that it had to the file that the last argument names. What the system
tells of a child that has ended includes the memory of its parent, as it was when it was forked."""


def audit(folder: Path, *options: str) -> Done:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as memory:
        began = time.monotonic()
        arguments = ["audit", "--kubeconfig", "kubeconfig", "-o", "json", *options, memory.name]
        code = subprocess.call([sys.executable, "-c", MEASURED, *arguments], cwd=folder, stdout=out, stderr=err)
        out.seek(0)
        err.seek(0)
        written = out.read()
        assert written, err.read().decode()
        return Done(code, json.loads(written), int(memory.read()) << 10, time.monotonic() - began)


def said(report: Any) -> set[tuple[str, ...]]:
    """What a report says of which objects: apart from Pods of templates, which no admission of a Deployment sees."""
    return {
        (
            *(each["object"][name] for name in ("kind", "namespace", "name")),
            each["policy"],
            each["level"],
            each["message"],
        )
        for each in report["findings"]
    }


@pytest.fixture(scope="module")
def folder(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the policies and a kubeconfig of the cluster, in which a tenth of the objects is."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "policies").mkdir()
    (folder / "policies" / "policies.yaml").write_text(manifests(*policies()))
    (folder / "kubeconfig").write_bytes(cluster.kubeconfig("auditor", cluster.tokens[ADMIN.name]).read_bytes())
    teams = [namespace(f"team-{each:03}", strict="yes" if each % 3 else "no") for each in range(NAMESPACES)]
    cluster.apply(namespace("rules"), *teams)
    limits: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "limits", "namespace": "rules"}}
    cluster.apply({**limits, "data": {"enforced": "yes"}})
    assert all(reply.ok for reply in sent(cluster, [made(number) for number in range(FEW)]))
    return folder


@pytest.fixture(scope="module")
def few(folder: Path) -> Done:
    return audit(folder, "--qps", "0")


@pytest.fixture(scope="module")
def all_of_them(cluster: ControlPlane, folder: Path, few: Done) -> Iterator[Done]:
    """The audit once all objects are there."""
    assert few.report["summary"]["warn"]
    assert all(reply.ok for reply in sent(cluster, [made(number) for number in range(FEW, OBJECTS)]))
    yield audit(folder, "--qps", "0")


def test_an_audit_says_what_check_says_of_the_same_objects(
    cluster: ControlPlane, folder: Path, all_of_them: Done, capsys: pytest.CaptureFixture[str]
) -> None:
    dumped = cluster.kubectl("get", f"{','.join(KINDS)},namespaces", "-A", "-o", "json").stdout
    (folder / "dump.json").write_text(dumped)
    began = time.monotonic()
    done = gatewright("check", "dump.json", "-o", "json", cwd=folder)
    checked = time.monotonic() - began
    assert done.returncode == all_of_them.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert not report["errors"] and not all_of_them.report["errors"]
    assert len(said(report)) > OBJECTS // 10
    assert said(all_of_them.report) == said(report)
    assert len(all_of_them.report["findings"]) == len(report["findings"])
    with capsys.disabled():
        notes = [each for each in all_of_them.report["notes"] if "requests" in each]
        print(
            f"\n{OBJECTS:,} objects, {POLICIES} policies: audit {all_of_them.seconds:.1f} s, check {checked:.1f} s, "
            f"{len(report['findings']):,} findings; {'; '.join(notes)}"
        )


def test_memory_does_not_grow_with_the_cluster(
    few: Done, all_of_them: Done, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nmemory: {few.memory >> 20} MiB for {FEW:,} objects, {all_of_them.memory >> 20} MiB for {OBJECTS:,}")
    assert all_of_them.memory < GROWS * few.memory


def versions(cluster: ControlPlane) -> dict[tuple[str, str], str]:
    """The resourceVersion of each report."""
    plurals = f"{OPENREPORTS.plural}.openreports.io,{OPENREPORTS.cluster_plural}.openreports.io"
    items = json.loads(cluster.kubectl("get", plurals, "-A", "-o", "json").stdout)["items"]
    of = [each["metadata"] for each in items]
    return {(each.get("namespace", ""), each["name"]): each["resourceVersion"] for each in of}


def test_reports_are_few_and_only_those_of_changed_objects_are_written(
    cluster: ControlPlane, folder: Path, all_of_them: Done
) -> None:
    cluster.apply(*copy.deepcopy(definitions(OPENREPORTS)))
    assert wait_for(lambda: cluster.client().get(f"/apis/{OPENREPORTS.api_version}/reports").ok, seconds=ACTIVE)

    def written() -> tuple[int, ...]:
        done = audit(folder, "--qps", "0", "--write-reports", "openreports")
        assert not done.report["errors"], done.report["errors"]
        (note,) = (each for each in done.report["notes"] if "written" in each)
        return tuple(map(int, re.findall(r" ([0-9]+) ", f" {note.partition(': ')[2]}".replace(",", ""))))

    found = {each["object"]["namespace"] for each in all_of_them.report["findings"]}
    assert len(found) > NAMESPACES // 2
    first = written()
    there = versions(cluster)
    assert (first[1:], len(there)) == ((0, 0), first[0])
    assert {within for within, _ in there} == found and len(there) <= 2 * len(found)
    assert written() == (0, len(there), 0)
    assert versions(cluster) == there
    owned = [each for each in range(OBJECTS) if each % 11 and each % len(PATHS) in (0, 1, 4)]
    changed = {made(each)["metadata"]["namespace"]: made(each) for each in reversed(owned)}
    ten = sorted(changed.items())[:10]
    assert len(ten) == 10

    def label(text: str) -> None:
        for within, each in ten:
            cluster.kubectl("label", each["kind"].lower(), each["metadata"]["name"], text, "--namespace", within)

    label("owner-")
    try:
        assert written() == (10, len(there) - 10, 0)
        after = versions(cluster)
        assert {key for key in after if after[key] != there.get(key)} == {
            (within, "gatewright-audit") for within, _ in ten
        }
    finally:
        label("owner=somebody")


WARNING = re.compile(r"Validation failed for ValidatingAdmissionPolicy '(.*?)' with binding '.*?': (.*)", re.DOTALL)


def test_an_audit_says_what_admission_says_of_the_same_objects(
    cluster: ControlPlane, folder: Path, all_of_them: Done
) -> None:
    cluster.apply(*policies())
    wanted = {(each[1], each[3]) for each in said(all_of_them.report)}
    assert wanted
    until = time.monotonic() + ACTIVE
    probe = {**made(0), "metadata": {"name": "probe", "namespace": "team-001", "labels": {}}}
    probe["data"] = {str(each): "" for each in range(9)}
    of_probe = {f"policy-{number:02}" for number in (0, 1, 8, 9, 24, 25, 32, 33)}
    while not of_probe <= {
        match[1] for each in sent(cluster, [probe], "?dryRun=All")[0].warnings if (match := WARNING.match(each))
    }:
        assert time.monotonic() < until, "the API server does not have the policies in force"
        time.sleep(0.2)
    stored = [
        item for kind in KINDS for item in json.loads(cluster.kubectl("get", kind, "-A", "-o", "json").stdout)["items"]
    ]
    ours = [item for item in stored if item["metadata"]["namespace"].startswith("team-")]
    assert len(ours) == OBJECTS
    for item in ours:
        for name in ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"):
            item["metadata"].pop(name, None)
    found: set[tuple[str, ...]] = set()
    for item, reply in zip(ours, sent(cluster, ours, "?dryRun=All"), strict=True):
        assert reply.status == 409, reply.body  # it already exists, which the API server finds after admission
        for text in reply.warnings:
            match = WARNING.match(text)
            assert match is not None, text
            metadata = item["metadata"]
            found.add((item["kind"], metadata["namespace"], metadata["name"], match[1], "warn", match[2]))
    of_objects = {
        (
            *(each["object"][name] for name in ("kind", "namespace", "name")),
            each["policy"],
            each["level"],
            each["message"],
        )
        for each in all_of_them.report["findings"]
        if each["object"]["kind"] != "Deployment" or each["policy"] in of_deployments()
    }
    assert of_objects == found


def of_deployments() -> set[str]:
    """The policies on Deployments. What those on Pods say of a Deployment is of the Pods of its template."""
    return {
        each["metadata"]["name"]
        for each in policies()
        if each["spec"].get("matchConstraints", {}).get("resourceRules", [{}])[0].get("resources") == ["deployments"]
    }


def test_the_policies_of_the_cluster_itself_say_the_same(
    cluster: ControlPlane, folder: Path, all_of_them: Done
) -> None:
    cluster.apply(*policies())
    done = gatewright("audit", "--kubeconfig", "kubeconfig", "--native", "-o", "json", cwd=folder)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and not report["errors"], report["errors"]
    assert said(report) == said(all_of_them.report)
    assert {each["file"].split("/")[1] for each in report["rules"] if each["file"]} == {"ValidatingAdmissionPolicy"}


def test_a_kind_without_the_right_to_list_it_is_named_and_the_rest_is_judged(
    cluster: ControlPlane, folder: Path, all_of_them: Done
) -> None:
    group = "rbac.authorization.k8s.io"
    rule = {
        "apiGroups": ["", "apps"],
        "resources": ["configmaps", "pods", "namespaces", "deployments"],
        "verbs": ["list"],
    }
    subject = {"apiGroup": group, "kind": "User", "name": DEVELOPER.name}
    cluster.apply(
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "some"}, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "some"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "some"},
            "subjects": [subject],
        },
    )
    token = cluster.tokens[DEVELOPER.name]
    (folder / "less").write_bytes(cluster.kubeconfig("less", token).read_bytes())
    until = time.monotonic() + ACTIVE
    while True:
        done = audit(folder, "--kubeconfig", "less", "--qps", "0")
        refused = {each["message"].partition(" ")[0] for each in done.report["errors"]}
        if "configmaps" not in refused or time.monotonic() > until:
            break
    assert done.code == 2
    assert refused == {"secrets", "serviceaccounts", "replicasets.apps", "jobs.batch"}
    left = {each for each in said(all_of_them.report) if each[0] not in ("Secret", "ServiceAccount")}
    assert said(done.report) == left


def test_the_roles_that_it_writes_are_enough_and_no_more(
    cluster: ControlPlane, folder: Path, all_of_them: Done
) -> None:
    cluster.apply(namespace("gatewright-system"))
    account = {"name": "gatewright-audit", "namespace": "gatewright-system"}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    written = gatewright("audit", "--rbac", cwd=folder)
    assert written.returncode == 0, written.stderr
    cluster.kubectl("apply", "--filename", "-", stdin=written.stdout)
    token = cluster.kubectl("create", "token", account["name"], "--namespace", account["namespace"]).stdout.strip()
    (folder / "own").write_bytes(cluster.kubeconfig("own", token).read_bytes())
    until = time.monotonic() + ACTIVE
    while True:  # the authorizer hears of roles a little later
        done = audit(folder, "--kubeconfig", "own", "--qps", "0", "--context", "it")
        if not done.report["errors"] or time.monotonic() > until:
            break
    assert done.code == 0 and not done.report["errors"], done.report["errors"]
    assert said(done.report) == said(all_of_them.report)
    user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    asked = set()
    for line in (cluster.folder / "audit.log").read_text().splitlines():
        event = json.loads(line)
        if event["user"]["username"] == user:
            of = event["objectRef"]
            name = re.search(r"fieldSelector=metadata.name%3D([^&]*)", event["requestURI"])
            within = of.get("namespace", "")
            asked.add((event["verb"], of.get("apiGroup", ""), of["resource"], within, name[1] if name else ""))
    granted = {
        (verb, group, plural, role["metadata"].get("namespace", ""), name)
        for role in yaml.safe_load_all(written.stdout)
        for rule in role.get("rules", ())
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    served = {("", "configmaps"), ("", "secrets"), ("", "serviceaccounts"), ("", "pods"), ("", "namespaces")}
    served |= {("apps", "deployments"), ("apps", "replicasets"), ("batch", "jobs")}
    whole = {each for each in asked if not each[3]}  # params are of a kind that is listed anyway
    assert {each[:3] for each in asked} == {each[:3] for each in whole}
    assert whole == {each for each in granted if each[1:3] in served}
    assert {each[1] for each in granted} == {"", "apps", "batch"}


def test_a_server_that_is_killed_and_started_again_is_audited_all_the_same(
    cluster: ControlPlane, folder: Path, all_of_them: Done
) -> None:
    """It ends right, or says that it did not."""
    found: list[Done] = []
    running = threading.Thread(target=lambda: found.append(audit(folder, "--qps", "3")))
    log = cluster.folder / "audit.log"
    before = log.read_text().count("limit=")
    running.start()
    until = time.monotonic() + ACTIVE
    while log.read_text().count("limit=") < before + 3:  # in the middle of its lists
        assert time.monotonic() < until and running.is_alive()
        time.sleep(0.02)
    cluster.stop_server()
    assert running.is_alive()
    # The server listens long before it answers: a request that comes late enough waits, and finds nothing amiss.
    time.sleep(2)
    cluster.start_server()
    running.join(timeout=HANGING)
    (done,) = found
    if done.code == 0:
        assert said(done.report) == said(all_of_them.report)
        assert any("repeated" in each for each in done.report["notes"])
    else:
        assert done.code == 2 and any("cannot be listed" in each["message"] for each in done.report["errors"])
