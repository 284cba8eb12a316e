"""`gatewright exceptions`: a baseline lets exactly what was found pass, and exceptions that are over are named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.audit.clusters import Object, Server, kubeconfig, made, policy
from tests.cli.running import gatewright
from tests.cluster.apiserver import Exchange, playing

IMAGE = "object.spec.containers.all(c, c.image != 'bad')"
TEMPLATE = f"has(object.spec.template) ? {IMAGE.replace('spec.', 'spec.template.spec.')} : {IMAGE}"
TWO = policy("two", "true", on="configmaps", validations=[{"expression": f"!has(object.data.{name})"} for name in "ab"])
PYTHON = """
from gatewright import Violation, validate


@validate(resources=["v1/services"], operations=["CREATE", "UPDATE"])
def named(request, params):
    if request.object["metadata"]["name"].startswith("bad"):
        yield Violation("named badly")
"""
BINDING = policy("named", "true").partition("\n---\n")[2]
TERMS = ("--approved-by", "platform", "--expires", "30d")


def pods(image: str, **labels: str) -> Object:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(name: str, image: str = "bad", **labels: str) -> Object:
    labels = labels or {"app": name}
    spec = {"selector": {"matchLabels": labels}, "template": pods(image, **labels, version="1")}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named(name), "spec": spec}


def named(name: str) -> Object:
    return {**({"name": name} if name else {}), "namespace": "shop"}


def pod(name: str = "", **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**named(name), **metadata}, "spec": pods("bad")["spec"]}


def config(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named(name), "data": data}


def service(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Service", "metadata": named(name), "spec": {"ports": [{"port": 80}]}}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with policies of several kinds."""
    tree = tmp_path / "policies"
    tree.mkdir()
    (tree / "images.yaml").write_text(policy("images", IMAGE, on="pods"))
    (tree / "templates.yaml").write_text(policy("templates", TEMPLATE, on="deployments,pods"))
    (tree / "two.yaml").write_text(TWO)
    (tree / "named.py").write_text(PYTHON)
    (tree / "named.yaml").write_text(BINDING)
    return tmp_path


def checked(folder: Path, *objects: Object) -> tuple[dict[str, Any], str]:
    """What `check` says of objects: the report, and its text."""
    (folder / "m.yaml").write_text(yaml.safe_dump_all(objects))
    done = gatewright("check", "m.yaml", "-o", "json", cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout), done.stdout


def baseline(folder: Path, report: str, *options: str) -> subprocess.CompletedProcess[str]:
    terms = () if "--expires" in options else TERMS
    return gatewright("exceptions", "baseline", "-", *terms, *options, cwd=folder, stdin=report)


def found(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["policy"], each["object"]["name"]) for each in report["findings"]}


def test_a_baseline_lets_what_was_found_pass_and_nothing_else(here: Path) -> None:
    objects = [
        deployment("web"),
        pod("alone"),
        config("one", a="1"),
        service("bad"),
    ]
    before, text = checked(here, *objects)
    assert found(before) == {
        ("images", "web"), ("templates", "web"), ("images", "alone"), ("templates", "alone"), ("two", "one"),
        ("named", "bad"),
    }  # fmt: skip
    done = baseline(here, text, "--write", "policies/baseline.yaml")
    assert done.returncode == 0, done.stderr
    assert "exceptions for 6 findings in policies/baseline.yaml" in done.stderr
    after, _ = checked(here, *objects)
    assert after["findings"] == [] and len(after["excepted"]) == 6
    others = [
        deployment("web2"),
        pod("alone2"),
        pod("alone", namespace="bank"),
        config("one", a="1", b="2"),  # another validation of the same policy
        service("bad2"),
    ]  # fmt: skip
    after, _ = checked(here, *objects[:2], *others, objects[3])
    assert found(after) == {
        ("images", "web2"), ("templates", "web2"), ("images", "alone2"), ("templates", "alone2"),
        ("images", "alone"), ("templates", "alone"), ("two", "one"), ("named", "bad2"),
    }  # fmt: skip


def test_the_pods_that_a_controller_makes_later_are_excepted(here: Path) -> None:
    _, text = checked(here, deployment("web"))
    assert baseline(here, text, "--write", "policies/baseline.yaml").returncode == 0

    def made_of(app: str) -> Object:
        labels = {"app": app, "version": "2", "pod-template-hash": "7c9d"}
        return pod(generateName=f"{app}-7c9d-", labels=labels)

    def review(value: Object) -> Object:
        request = {
            "uid": "1", "operation": "CREATE", "userInfo": {"username": "rs"}, "namespace": "shop", "object": value,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
        }  # fmt: skip
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

    after, _ = checked(here, review(made_of("web")))
    assert after["findings"] == [] and len(after["excepted"]) == 2
    after, _ = checked(here, review(made_of("api")))
    assert {each["policy"] for each in after["findings"]} == {"images", "templates"}


def test_what_cannot_have_an_exception_is_named(here: Path) -> None:
    nameless = pod(generateName="job-")
    job_spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "bad"}]}}}
    cron: Object = {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": named("nightly"),
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": job_spec}},
    }  # fmt: skip
    (here / "policies" / "broken.yaml").write_text(policy("broken", "object.data.missing == 'x'"))
    _, text = checked(here, nameless, cron, config("one", b="1"))
    done = baseline(here, text)
    assert done.returncode == 1
    said = [each.removeprefix("note: no exception for ") for each in done.stderr.splitlines()]
    assert sorted(said[:-1]) == [
        "ConfigMap shop/one (broken): the policy could not be evaluated; correct it, or add what it lacks",
        "CronJob shop/nightly (images): its Pods have no labels by which an exception could name them",
        "CronJob shop/nightly (templates): its Pods have no labels by which an exception could name them",
        "Pod shop/job-xxxxx (images): the API server makes up the object's name",
        "Pod shop/job-xxxxx (templates): the API server makes up the object's name",
    ]
    assert [each["spec"]["policies"][0]["name"] for each in yaml.safe_load_all(done.stdout)] == ["two"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"namespace": ""}, "the report does not say in which namespace the Pod is"),
        ({"name": "*"}, "an exception cannot name it: names[0]: expected a whole name, without wildcards"),
        ({"name": ""}, "an exception cannot name it: names[0]: expected a whole name"),
        (
            {"namespace": "shop\n---\nkind: PolicyException"},
            "an exception cannot name it: namespaces[0]: expected the name",
        ),
        ({"validation": 7}, "the policy has no validation 7"),
        ({"validation": -1}, "the policy has no validation -1"),
    ],
)
def test_a_report_that_somebody_made_up_leads_to_no_wider_exception_and_no_broken_tree(
    here: Path, changes: dict[str, Any], said: str
) -> None:
    report, _ = checked(here, pod("alone"))
    (finding, *_) = report["findings"]
    of = {**finding["object"], **changes}
    finding.update(object=of, validation=of.pop("validation", finding["validation"]))
    done = baseline(here, json.dumps({**report, "findings": [finding]}), "--write", "made.yaml")
    assert (done.returncode, (here / "made.yaml").exists()) == (1, False)
    assert said in done.stderr


def test_policies_and_levels_may_be_chosen(here: Path) -> None:
    (here / "policies" / "two.yaml").write_text(TWO.replace('"Deny"', '"Warn"'))
    _, text = checked(here, deployment("web"), config("one", a="1"))
    for option, names in (
        (["--only", "warn"], {"two"}),
        (["--policy", "images"], {"images"}),
        (["--policy", "images", "--only", "warn"], set[str]()),
    ):
        done = baseline(here, text, *option)
        assert {each["spec"]["policies"][0]["name"] for each in yaml.safe_load_all(done.stdout) if each} == names


@pytest.fixture
def snapshot(here: Path) -> Iterator[Path]:
    """A folder with policies, and the snapshot of a cluster in which a Deployment and a bare Pod violate them."""
    spec = pods("bad")["spec"]
    web = made("Deployment", "web", spec=deployment("web")["spec"])
    set_ = made("ReplicaSet", "web-1", owner=web, spec={"replicas": 2})
    labels = {"labels": {"app": "web", "pod-template-hash": "1"}}
    members = [made("Pod", f"web-1-{each}", owner=set_, spec=spec) for each in "ab"]
    for each in members:
        each["metadata"] |= labels
    server = Server([made("Namespace", "shop"), web, set_, *members, made("Pod", "alone", spec=spec)])
    with playing(server) as (url, _):
        kubeconfig(here, url)
        done = gatewright(
            "audit", "--kubeconfig", "kubeconfig", "--context", "it", "--snapshot", "it.snapshot", cwd=here
        )
        assert done.returncode == 1, done.stderr
    yield here


def test_a_baseline_of_an_audit(snapshot: Path) -> None:
    text = gatewright("audit", "it.snapshot", "-o", "json", cwd=snapshot).stdout
    assert found(json.loads(text)) == {
        ("images", "alone"), ("images", "web"), ("templates", "alone"), ("templates", "web"),
    }  # fmt: skip
    done = baseline(snapshot, text, "--write", "policies/baseline.yaml")
    assert done.returncode == 0, done.stderr
    done = gatewright("audit", "it.snapshot", "-o", "json", cwd=snapshot)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["findings"] == [] and len(report["excepted"]) == 4
    done = gatewright("exceptions", "list", "--fail-on", "unused", "-", cwd=snapshot, stdin=done.stdout)
    assert done.returncode == 0, done.stdout
    after, _ = checked(snapshot, deployment("web2"))
    assert found(after) == {("images", "web2"), ("templates", "web2")}


def exception(name: str, expires: str, of: str = "one", policy: str = "two") -> str:
    value = {
        "apiVersion": "gatewright.dev/v1",
        "kind": "PolicyException",
        "metadata": {"name": name, "annotations": {"gatewright.dev/owner": "cart"}},
        "spec": {
            "policies": [{"name": policy}],
            "objects": {"namespaces": ["shop"], "names": [of]},
            "reason": "why",
            "approvedBy": "platform",
            "expires": expires,
        },
    }
    return yaml.safe_dump(value)


def day(offset: int) -> str:
    return (datetime.now(UTC) + timedelta(days=offset)).date().isoformat()


@pytest.fixture
def old(here: Path) -> Path:
    """A tree with an exception that has expired, one that is about to, one that is used, and one that is not."""
    texts = [
        exception("a-expired", day(-3)),
        exception("b-expiring", day(5), "other"),
        exception("c-used", day(300)),
        exception("d-unused", day(301), "nothing"),
    ]
    (here / "policies" / "exceptions.yaml").write_text("---\n".join(texts))
    return here


def test_what_is_over_or_about_to_be_is_listed(old: Path) -> None:
    done = gatewright("exceptions", "list", cwd=old)
    assert done.returncode == 0, done.stderr
    head, *rows, last = done.stdout.splitlines()
    assert head.split()[:4] == ["STATE", "EXPIRES", "USES", "EXCEPTION"]
    assert [row.split()[:6] for row in rows] == [
        ["expired", day(-3), "-", "a-expired", "two", "cart"],
        ["expiring", day(5), "-", "b-expiring", "two", "cart"],
    ]
    assert last == "4 exceptions: 1 expired, 1 expiring"
    assert "policies/exceptions.yaml:1" in rows[0]
    done = gatewright("exceptions", "list", "--within", "3", "--all", cwd=old)
    assert done.stdout.splitlines()[-1] == "4 exceptions: 1 expired"
    assert [each.split()[0] for each in done.stdout.splitlines()[1:-1]] == ["expired", "in", "in", "in"]


def test_reports_say_what_is_unused(old: Path) -> None:
    _, text = checked(old, config("one", a="1"))
    done = gatewright("exceptions", "list", "-", "-o", "json", cwd=old, stdin=text)
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert {each["name"]: (each["states"], each["uses"]) for each in report["exceptions"]} == {
        "a-expired": (["expired"], 0),
        "b-expiring": (["expiring", "unused"], 0),
        "d-unused": (["unused"], 0),
    }
    assert report["summary"] == {"exceptions": 4, "expired": 1, "expiring": 1, "unused": 2, "unknown": 0}
    assert {each["days"] for each in report["exceptions"]} == {-2, 6, 302}


@pytest.mark.parametrize(
    ("states", "code"), [("expired", 1), ("expiring,unused", 1), ("unused", 1), ("", 0), (" expired , unused ", 1)]
)
def test_what_fails_the_list(old: Path, states: str, code: int) -> None:
    _, text = checked(old, config("one", a="1"))
    done = gatewright("exceptions", "list", "-", "--fail-on", states, cwd=old, stdin=text)
    assert done.returncode == code, done.stderr
    (old / "policies" / "exceptions.yaml").write_text(exception("c-used", day(300)))
    done = gatewright("exceptions", "list", "-", "--fail-on", states, cwd=old, stdin=text)
    assert done.returncode == 0 and done.stdout == "1 exception, all in order\n"


def states(folder: Path, *reports: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By exception, its states and why its use is unknown."""
    files = [f"{number}.json" for number in range(len(reports))]
    for file, report in zip(files, reports, strict=True):
        (folder / file).write_text(json.dumps(report))
    done = gatewright(
        "exceptions", "list", *files, "--all", "--within", "0", "--fail-on", "unused", "-o", "json", cwd=folder
    )
    found = json.loads(done.stdout)["exceptions"]
    assert done.returncode == any("unused" in each["states"] for each in found), done.stderr
    assert all((each["uses"] is None) == (each["whyUnknown"] is not None) for each in found)
    return {each["name"]: (" ".join(each["states"]), each["whyUnknown"] or "") for each in found}


def test_an_exception_is_unused_only_if_every_report_could_have_shown_its_use(old: Path) -> None:
    (old / "policies" / "exceptions.yaml").write_text(
        "---\n".join([exception("used", day(300)), exception("not-used", day(300), "nothing")])
    )
    whole, _ = checked(old, config("one", a="1"))
    used = {"used": ("", "")}
    assert states(old, whole) == {**used, "not-used": ("unused", "")}
    assert states(old, whole, {**whole, "summary": {"events": 3}}) == {**used, "not-used": ("unused", "")}

    problem = {"file": "it", "line": None, "column": None, "message": "configmaps cannot be listed: 403"}
    without = [each for each in whole["rules"] if each["id"] != "two"]
    part = {**whole, "command": "audit", "summary": {"shards": 2}}
    for report, why in (
        ({**whole, "errors": [problem]}, "the run could not read everything: configmaps cannot be listed: 403"),
        ({**whole, "rules": without}, "made without the policy two"),
        ({**whole, "exceptionsUsed": {"used": 1}}, "made without this exception, or by an earlier version"),
        (part, "does not tell of the namespaces of other shards"),
    ):
        assert states(old, report) == {**used, "not-used": ("unknown", f"0.json: {why}")}
        assert states(old, whole, report) == {**used, "not-used": ("unknown", f"1.json: {why}")}
    assert states(old, part, {**part, "notes": []}) == {**used, "not-used": ("unused", "")}
    log = {**whole, "command": "audit", "summary": {"events": 3}, "rules": [], "exceptionsUsed": {}}
    assert {each for each, _ in states(old, log).values()} == {"unknown"}


def test_the_text_says_why_a_use_is_unknown(old: Path) -> None:
    report, _ = checked(old, config("one", a="1"))
    report["rules"] = []
    done = gatewright("exceptions", "list", "-", "--fail-on", "unused", cwd=old, stdin=json.dumps(report))
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines() if "policies/exceptions.yaml" in line]
    assert [row[0] for row in rows] == ["expired", "expiring", "unknown"]
    assert [row[-6] for row in rows] == ["?"] * 3
    assert "unknown whether 2 exceptions are used: stdin: made without the policy two\n" in done.stdout
    assert done.stdout.endswith("4 exceptions: 1 expired, 1 expiring, 2 unknown\n")
    done = gatewright("exceptions", "list", "-", "--fail-on", "unknown", cwd=old, stdin=json.dumps(report))
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("spec", "policy_is", "why"),
    [
        ({"operations": ["DELETE"]}, "", "an audit makes no requests of DELETE"),
        ({"users": ["alice"]}, "", "it is for requests of users"),
        ({}, "never", "an audit does not evaluate the policy two"),
        ({}, "DELETE", "an audit does not evaluate the policy two"),
    ],
)
def test_what_an_audit_never_asks_is_not_called_unused(
    here: Path, spec: dict[str, Any], policy_is: str, why: str
) -> None:
    documents = list(yaml.safe_load_all(TWO))
    if policy_is == "never":
        documents[0]["metadata"]["annotations"] = {"gatewright.dev/audit": "never"}
    elif policy_is:
        documents[0]["spec"]["matchConstraints"]["resourceRules"][0]["operations"] = ["DELETE"]
    (here / "policies" / "two.yaml").write_text(yaml.safe_dump_all(documents))
    value = yaml.safe_load(exception("e", day(300)))
    value["spec"] |= spec
    (here / "policies" / "e.yaml").write_text(yaml.safe_dump(value))
    report, _ = checked(here, config("other"))
    assert why in states(here, {**report, "command": "audit"})["e"][1]


def test_an_audit_that_may_not_read_a_kind_calls_nothing_unused(old: Path) -> None:
    def forbidden(exchange: Exchange) -> bool:
        exchange.refuse(403, "forbidden")
        return True

    for refused, expected in ((False, "unused"), (True, "unknown")):
        objects = [made("Namespace", "shop"), made("ConfigMap", "one", data={"c": "1"})]
        server = Server(objects, {"/api/v1/configmaps": forbidden} if refused else {})
        with playing(server) as (url, _):
            kubeconfig(old, url)
            done = gatewright("audit", "--kubeconfig", "kubeconfig", "--context", "it", "-o", "json", cwd=old)
        assert done.returncode == (2 if refused else 0), done.stderr
        assert states(old, json.loads(done.stdout))["d-unused"][0] == expected


@pytest.mark.parametrize(
    ("options", "stdin", "said"),
    [
        (["baseline", "-", *TERMS], "", "stdin: expected what `gatewright check -o json`"),
        (["baseline", "-", *TERMS], '{"command": "lint"}', "Object missing required field `findings`"),
        (["baseline", "nowhere.json", *TERMS], "", "nowhere.json: cannot be read: No such file"),
        (["baseline", "-", "--expires", "30d", "--approved-by", " "], "", "--approved-by: expected who approves"),
        (["baseline", "-", "--expires", "soon", "--approved-by", "x"], "", "days from now such as 90d, got 'soon'"),
        (["baseline", "-", "--expires", "2020-01-01", "--approved-by", "x"], "", "2020-01-01 is over"),
        (["baseline", "-", "--expires", "9999d", "--approved-by", "x"], "", "which is as good as never"),
        (["baseline", "-", *TERMS, "--policy", "no"], "", "--policy: the policy tree has no policy 'no'"),
        (["baseline", "-", *TERMS, "--write", "policies"], "", "--write: policies already exists"),
        (["baseline", "-", *TERMS, "--policies", "nowhere"], "", "nowhere"),
        (["list", "--fail-on", "old"], "", "--fail-on: expected expired, expiring, unused, unknown, got 'old'"),
        (["list", "--fail-on", "unused"], "", "--fail-on unused: reports say what is used"),
        (["list", "--fail-on", "unknown"], "", "--fail-on unknown: reports say what is used"),
        (["list", "m.json", "./m.json"], "", "./m.json: given twice"),
        (["baseline", "m.json", "m.json", *TERMS], "", "m.json: given twice"),
        (["list", "--within", "-1"], "", "--within: expected a number of days"),
    ],
)
def test_wrong_options_and_reports_are_refused(here: Path, options: list[str], stdin: str, said: str) -> None:
    done = gatewright("exceptions", *options, cwd=here, stdin=stdin)
    assert done.returncode == 2 and said in done.stderr and not done.stdout, done.stderr


def test_a_report_of_half_the_cluster_or_of_logs_is_no_baseline(here: Path) -> None:
    report, _ = checked(here, deployment("web"))
    problem = {"file": "it", "line": None, "column": None, "message": "pods cannot be listed"}
    done = baseline(here, json.dumps({**report, "errors": [problem]}))
    assert done.returncode == 2 and "so it is no baseline: pods cannot be listed" in done.stderr
    done = baseline(here, json.dumps({**report, "summary": {"events": 3}}))
    assert done.returncode == 2 and "is a report on requests in audit logs" in done.stderr
    assert not done.stdout
