"""`gatewright audit` on a cluster that is served from memory: its formats, exit codes, and what bad input comes to.

tests/e2e/test_audit.py has a real kube-apiserver.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.audit.clusters import Object, Server, kubeconfig, made, policy
from tests.cli.running import gatewright
from tests.cluster.apiserver import Exchange, playing
from webhook.cli.report.writing import FORMATS

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
SHORT = policy("short", "object.metadata.name.size() < 6", "too long")
BAD = policy("images", "object.spec.containers.all(c, c.image != 'bad')", "bad image", on="pods")


def objects() -> list[Object]:
    web = made("Deployment", "web")
    set_ = made("ReplicaSet", "web-1", owner=web, spec={"replicas": 2})
    spec = {"containers": [{"name": "c", "image": "bad"}]}
    return [
        made("Namespace", "shop", metadata={"name": "shop", "labels": {"team": "cart"}}),
        web,
        set_,
        *(made("Pod", f"web-1-{name}", owner=set_, spec=spec) for name in "ab"),
        *(made("ConfigMap", name) for name in ("short", "rather-long", "<b>long</b>")),
    ]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[tuple[Path, Server]]:
    """A folder with policies and a kubeconfig, and the cluster to which it leads."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "short.yaml").write_text(SHORT)
    (tmp_path / "policies" / "images.yaml").write_text(BAD)
    server = Server(objects())
    with playing(server) as (url, _):
        kubeconfig(tmp_path, url)
        yield tmp_path, server


def run(folder: Path, *options: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return gatewright("audit", "--kubeconfig", "kubeconfig", "--qps", "0", *options, cwd=folder, env=env)


def test_what_is_found_is_told_of_workloads(here: tuple[Path, Server]) -> None:
    done = run(here[0])
    assert done.returncode == 1, done.stderr
    assert (
        "\n".join(
            [
                "the cluster",
                "  the cluster: deny short",
                "      ConfigMap shop/<b>long</b>: metadata.name",
                "      too long",
                "  the cluster: deny short",
                "      ConfigMap shop/rather-long: metadata.name",
                "      too long",
                "  the cluster: deny images",
                "      Deployment shop/web: spec.containers[0].image",
                "      bad image",
                "      found on Pod web-1-a, Pod web-1-b",
                "",
                "3 denied (5 objects, 2 kinds, 2 policies)",
            ]
        )
        in done.stdout
    )
    assert "note: 1 finding on objects of controllers reported once, with their workloads" in done.stderr
    assert "note: judged as created by nobody in particular" in done.stderr


def test_each_finding_says_its_cluster_and_who_is_taken_to_create_the_object(here: tuple[Path, Server]) -> None:
    done = run(here[0], "--as", "alice", "--as-group", "dev", "--context", "it", "-o", "json")
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    assert report["command"] == "audit"
    assert {each["cluster"] for each in report["findings"]} == {"it"}
    user = {"name": "alice", "groups": ["dev", "system:authenticated"]}
    assert [each["user"] for each in report["findings"]] == [user] * 3
    assert {(each["file"], each["line"]) for each in report["findings"]} == {("it", None)}
    assert report["findings"][2]["asides"] == [
        "found on Pod web-1-a, Pod web-1-b",
    ]
    assert (
        "judged as created by alice (dev, system:authenticated); findings of other requests say so" in report["notes"]
    )
    assert report["summary"]["objects"] == 5 and report["summary"]["deny"] == 3


def test_a_finding_of_another_request_than_most_says_so_in_every_format(here: tuple[Path, Server]) -> None:
    folder, server = here
    short = policy("updated", "object.metadata.name.size() < 6", "longer", on="configmaps", operations=["UPDATE"])
    (folder / "policies" / "short.yaml").write_text(short)
    (folder / "policies" / "images.yaml").write_text(
        policy("images", "has(object.spec.template) || object.spec.containers.all(c, c.image != 'nginx')",
               on="deployments,pods")
    )  # fmt: skip
    containers = {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    template = {"metadata": {"labels": {"app": "api"}}, **containers}
    server.objects.append(
        made("Deployment", "api", spec={"selector": {"matchLabels": {"app": "api"}}, "template": template})
    )
    for options, update in (
        ((), "judged as an update that changes nothing"),
        (("--as", "alice"), "judged as an update by alice (system:authenticated) that changes nothing"),
    ):
        for form in FORMATS:
            done = run(folder, "-o", form, "--context", "it", *options)
            assert done.stdout.count(update) >= 2, (form, done.stdout)
            assert ("judged as a Pod created by system:" in done.stdout) == bool(options), form
        lines = run(folder, "--concise", *options).stdout
        assert lines.count(update) == 2
    findings = json.loads(run(folder, "--as", "alice", "-o", "json").stdout)["findings"]
    assert {(each["policy"], each["operation"], each["user"]["name"]) for each in findings if not each["error"]} == {
        ("updated", "UPDATE", "alice"),
        ("images", "CREATE", "system:serviceaccount:kube-system:replicaset-controller"),
    }


def test_one_line_a_finding_begins_with_what_is_said(here: tuple[Path, Server]) -> None:
    done = run(here[0], "--concise", "--context", "it")
    title, *found = done.stdout.split("\n\n")[0].splitlines()
    assert title == "it" and len(found) == 3
    assert all(each.startswith(("  deny short: ConfigMap", "  deny images: Deployment")) for each in found), found


def test_what_is_found_under_audit_is_not_called_for_a_log(here: tuple[Path, Server]) -> None:
    (here[0] / "policies" / "short.yaml").write_text(SHORT.replace('"Deny"', '"Audit"'))
    done = run(here[0])
    assert "1 denied, 2 under Audit (" in done.stdout


def test_findings_are_explained_without_lines_of_a_file(here: tuple[Path, Server]) -> None:
    folder, _ = here
    done = run(folder, "--explain")
    assert done.returncode == 1, done.stderr
    _, _, image = done.stdout.partition("Deployment shop/web: spec.containers[0].image\n")
    below = image.splitlines()
    assert below[:3] == [
        "      bad image",
        "      found on Pod web-1-a, Pod web-1-b",
        "      why: spec.validations[0].expression",
    ]
    assert "c.image = 'bad'" in image.replace('"', "'") and "line" not in image.partition("denied")[0]
    report = json.loads(run(folder, "--explain", "-o", "json").stdout)
    jsonschema.validate(report, SCHEMA)
    assert report["findings"][2]["why"] == [each.removeprefix("      ") for each in below[2:-2]]
    page = run(folder, "--explain", "-o", "html").stdout
    assert '"why":["why: spec.validations[0].expression"' in page
    plain = run(folder).stdout
    assert "why:" not in plain and '"why"' not in run(folder, "-o", "json").stdout


def test_what_an_explanation_shows_of_a_secret_is_its_type(here: tuple[Path, Server]) -> None:
    folder, server = here
    (folder / "policies" / "secrets.yaml").write_text(
        policy("tokens", "object.data.all(key, object.data[key].size() < 4)", "too long a token", on="secrets")
    )
    server.objects.append(made("Secret", "token", data={"token": "aHVudGVyMjI="}))
    for output in ("text", "json", "html"):
        done = run(folder, "--explain", "-o", output)
        assert "too long a token" in done.stdout and "spec.validations[0].expression" in done.stdout
        assert "aHVudGVyMjI" not in done.stdout and "hunter22" not in done.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_of_every_finding(here: tuple[Path, Server], name: str) -> None:
    done = run(here[0], "-o", name)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("rather-long") >= 1 and "bad image" in done.stdout
    assert "<b>long" not in done.stdout or name not in ("html", "junit", "checkstyle")


def test_the_page_shows_what_was_judged_by(here: tuple[Path, Server]) -> None:
    folder = here[0]
    unbound = policy("idle", "true", "never").partition("---")[0]
    (folder / "policies" / "idle.yaml").write_text(unbound)
    (folder / "policies" / "fails.yaml").write_text(policy("fails", "object.data.none == ''", "none"))
    for name, expires, objects in (
        ("long", "2999-12-31", "names: [rather-long]"),
        ("unused", "2999-12-31", "names: [other]"),
        ("over", "2020-01-31", "names: [rather-long]"),
    ):
        (folder / "policies" / f"exception-{name}.yaml").write_text(f"""\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {{name: {name}}}
spec:
  policies: [{{name: short}}]
  objects: {{{objects}}}
  reason: a reason
  approvedBy: security
  expires: {expires}
""")
    assert run(folder, "-o", "html=page.html", "-o", "json=audit.json").returncode == 1
    text = (folder / "page.html").read_text()
    shown = json.loads(text.partition('id="report">')[2].partition("</script>")[0])["report"]["standing"]
    assert "standing" not in json.loads((folder / "audit.json").read_text())
    told = {
        each["name"]: [(bound["actions"], list(bound["counted"].values())) for bound in each["bindings"]]
        for each in shown["policies"]
    }
    assert told == {
        "fails": [(["Deny"], [0, 0, 0, 3])],
        "idle": [],
        "images": [(["Deny"], [1, 0, 0, 0])],
        "short": [(["Deny"], [1, 0, 0, 0])],
    }
    of = [(each["name"], each["inForce"], each["used"], each["expires"]) for each in shown["exceptions"]]
    assert of == [("long", True, 1, "2999-12-31"), ("over", False, 0, "2020-01-31"), ("unused", True, 0, "2999-12-31")]
    assert len(shown["revisions"]) == 1 and not shown["notShown"]


def test_the_page_knows_the_use_of_an_exception_where_the_list_of_exceptions_does(here: tuple[Path, Server]) -> None:
    folder, server = here
    (folder / "policies" / "exceptions.yaml").write_text(
        "---\n".join(
            f"""\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {{name: {name}}}
spec:
  policies: [{{name: {of}}}]
  objects: {{names: [{objects}]}}
  {more}
  reason: a reason
  approvedBy: security
  expires: "2999-12-31"
"""
            for name, of, objects, more in (
                ("used", "short", "rather-long", ""),
                ("not-used", "short", "other", ""),
                ("of-pods", "images", "other", ""),
                ("of-users", "short", "other", "users: [alice]"),
                ("of-deletions", "short", "other", "operations: [DELETE]"),
            )
        )
    )

    def states(*options: str) -> dict[str, str]:
        """By exception why its use is unknown, as the page says it, and as `exceptions list` does of the same run."""
        done = gatewright("audit", *options, "-o", "html=page.html", "-o", "json=audit.json", cwd=folder)
        assert (folder / "page.html").is_file(), done.stderr
        text = (folder / "page.html").read_text()
        page = json.loads(text.partition('id="report">')[2].partition("</script>")[0])["report"]["standing"]
        listed = gatewright("exceptions", "list", "audit.json", "--all", "-o", "json", cwd=folder)
        of_list = {
            each["name"]: (each["whyUnknown"] or "").replace("audit.json", "this audit", 1)
            for each in json.loads(listed.stdout)["exceptions"]
        }
        assert {each["name"]: each["unknown"] for each in page["exceptions"]} == of_list
        (folder / "page.html").unlink()
        return of_list

    live = ("--kubeconfig", "kubeconfig", "--qps", "0")
    whole = states(*live, "--snapshot", "whole.snapshot")
    assert [name for name, why in whole.items() if why] == ["of-deletions", "of-users"]
    assert states("whole.snapshot") == whole
    part = states(*live, "--shard", "0/2")
    assert all("other shards" in part[name] for name in ("not-used", "of-pods"))

    def forbidden(exchange: Exchange) -> bool:
        exchange.refuse(403, "pods is forbidden")
        return True

    server.broken["/api/v1/pods"] = forbidden
    incomplete = states(*live, "--snapshot", "part.snapshot")
    assert "could not read everything: pods cannot be listed" in incomplete["not-used"] and not incomplete["used"]
    assert "could not read everything" in states("part.snapshot")["not-used"]


def test_objects_of_a_mebibyte_are_judged(here: tuple[Path, Server]) -> None:
    """As large as etcd takes them."""
    folder, server = here
    (folder / "policies" / "large.yaml").write_text(policy("large", "object.?data.x.orValue('').size() < 9", "large"))
    server.objects.extend(made("ConfigMap", f"large-{number}", data={"x": "x" * (1 << 20)}) for number in range(12))
    report = json.loads(run(folder, "-o", "json", "--snapshot", "all.snapshot").stdout)
    assert not report["errors"]
    assert sum(each["policy"] == "large" for each in report["findings"]) == 12
    again = json.loads(gatewright("audit", "all.snapshot", "-o", "json", cwd=folder).stdout)
    assert sum(each["policy"] == "large" for each in again["findings"]) == 12


def test_what_is_known_fails_nothing(here: tuple[Path, Server]) -> None:
    folder, server = here
    done = run(folder, "--baseline", "known.json", "--write-baseline")
    assert done.returncode == 0, done.stderr
    server.objects.append(made("ConfigMap", "also-long"))
    done = run(folder, "--baseline", "known.json", "-o", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [each["object"]["name"] for each in report["findings"]] == ["also-long"]
    assert len(report["known"]) == 3


@pytest.mark.parametrize(("options", "code"), [(["--fail-on", "never"], 0), (["--only", "warn"], 1)])
def test_what_fails_the_run(here: tuple[Path, Server], options: list[str], code: int) -> None:
    assert run(here[0], *options).returncode == code


def test_owners_are_those_of_namespaces(here: tuple[Path, Server]) -> None:
    report = json.loads(run(here[0], "--owner-label", "team", "-o", "json").stdout)
    assert {each["owner"] for each in report["findings"]} == {"cart"}


def test_a_kind_that_cannot_be_listed_fails_the_run(here: tuple[Path, Server]) -> None:
    def refused(exchange: Exchange) -> bool:
        exchange.refuse(403, "pods is forbidden")
        return True

    here[1].broken["/api/v1/pods"] = refused
    done = run(here[0], "-o", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 2
    assert [each["message"] for each in report["errors"]] == ["pods cannot be listed: 403: pods is forbidden"]
    assert len(report["findings"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--qps", "-1"], "--qps: expected a number of 0 or more, got -1"),
        (["--qps", "nan"], "--qps: expected a number of 0 or more, got nan"),
        (["--context", "it", "--context", "it"], "--context it: given twice"),
        (["--context", "elsewhere"], "no cluster to audit: kubeconfig kubeconfig"),
        (["--as-group", "dev"], "--as-group needs --as"),
        (["--rbac"], "--rbac writes roles and judges nothing; leave --kubeconfig, --qps out"),
        (["--native", "--rbac", "--scores", "-o", "json"], "and judges nothing; leave --scores, --output out"),
        (["--native", "--rbac", "--context", "it", "--context", "b"], "--rbac: writes the roles for one cluster"),
        (["--kubernetes-version", "9"], "--kubernetes-version"),
    ],
)
def test_wrong_options_are_refused(here: tuple[Path, Server], options: list[str], said: str) -> None:
    done = run(here[0], *options)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert here[1].asked == []


def test_policies_that_do_not_load_are_problems(here: tuple[Path, Server]) -> None:
    (here[0] / "policies" / "short.yaml").write_text(SHORT.replace("size()", "siz()"))
    done = run(here[0])
    assert done.returncode == 2 and "policies/short.yaml" in done.stderr and not done.stdout
    assert here[1].asked == []


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "short.yaml").write_text(SHORT)
    with playing(Server([])) as (url, _):
        kubeconfig(tmp_path, url)
    done = run(tmp_path)
    assert done.returncode == 2 and "cannot be reached: Failed to establish a new" in done.stderr


def test_a_value_of_a_secret_is_nowhere(here: tuple[Path, Server]) -> None:
    folder, server = here
    (folder / "policies" / "leak.yaml").write_text(
        policy(
            "leak",
            "false",
            on="secrets",
            validations=[{"expression": "false", "messageExpression": "object.data.password"}],
        ).replace('"object.data.password"', '"string(object.data.password)"')
    )
    server.objects.append(made("Secret", "db", data={"password": "aHVudGVyMg=="}))
    for name in FORMATS:
        done = run(folder, "-o", name)
        assert "aHVudGVyMg" not in done.stdout + done.stderr and "hunter2" not in done.stdout + done.stderr


def test_several_clusters_are_one_report(here: tuple[Path, Server]) -> None:
    folder, server = here
    other = Server([made("ConfigMap", "rather-long"), made("Namespace", "shop")])

    def refused(exchange: Exchange) -> bool:
        exchange.refuse(403, "forbidden")
        return True

    other.broken["/api/v1/pods"] = refused
    with playing(server) as (one, _), playing(other) as (two, _):
        kubeconfig(folder, one, staging=two)
        done = run(folder, "--context", "staging", "--context", "it", "-o", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 2
    named = [(each["cluster"], each["object"]["name"]) for each in report["findings"]]
    assert named == [("staging", "rather-long"), ("it", "<b>long</b>"), ("it", "rather-long"), ("it", "web")]
    assert [each["file"] for each in report["errors"]] == ["staging"]
    assert report["summary"]["clusters"] == 2 and report["summary"]["objects"] == 6
    assert len({each["fingerprint"] for each in report["findings"]}) == 4


def test_a_cluster_of_several_that_is_away_is_named(here: tuple[Path, Server]) -> None:
    folder, server = here
    with playing(Server([])) as (gone, _):
        pass
    with playing(server) as (one, _):
        kubeconfig(folder, one, gone=gone)
        done = run(folder, "--context", "gone", "--context", "it", "--concise")
    assert done.returncode == 2 and "gone: the cluster at" in done.stderr
    assert "deny short: ConfigMap shop/rather-long" in done.stdout


def test_roles_are_written_without_a_cluster(here: tuple[Path, Server]) -> None:
    folder, server = here
    done = gatewright("audit", "--rbac", cwd=folder)
    assert done.returncode == 0 and not done.stderr
    assert server.asked == []
    role = next(yaml.safe_load_all(done.stdout))
    assert role["metadata"] == {"name": "gatewright-audit"}
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["configmaps", "pods", "replicasets"], "verbs": ["list"]},
        {"apiGroups": ["batch"], "resources": ["configmaps", "jobs", "pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
    ]


def test_a_snapshot_is_judged_without_the_cluster(here: tuple[Path, Server]) -> None:
    folder, server = here
    live = json.loads(run(folder, "--snapshot", "it.snapshot", "--context", "it", "-o", "json").stdout)
    asked = len(server.asked)
    done = gatewright("audit", "it.snapshot", "-o", "json", cwd=folder)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and len(server.asked) == asked
    assert report["findings"] == live["findings"] and len(report["findings"]) == 3
    assert report["summary"] == live["summary"]


def test_impact_judges_a_snapshot(here: tuple[Path, Server]) -> None:
    folder, _ = here
    run(folder, "--snapshot", "it.snapshot", "--context", "it")
    (folder / "other").mkdir()
    (folder / "other" / "short.yaml").write_text(SHORT.replace("< 6", "< 12"))
    options = ("--old", "policies/short.yaml", "--new", "other", "--snapshot", "it.snapshot", "-o", "json")
    done = gatewright("impact", *options, cwd=folder)
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    found = {(each["change"], each["object"]["name"], each["file"]) for each in report["findings"]}
    assert found == {("newly allowed", "<b>long</b>", "it"), ("newly allowed", "rather-long", "it")}
    done = gatewright("impact", *options[:4], "--snapshot", "policies/short.yaml", cwd=folder)
    assert done.returncode == 2 and "--snapshot: policies/short.yaml: not compressed, so no snapshot" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["it.snapshot"], "it.snapshot: cannot be read: No such file"),
        (["it.snapshot", "./it.snapshot"], "error: it.snapshot: given twice"),
        (["--log", "a.log", "--log", "a.log"], "a.log: given twice"),
        (["policies/short.yaml", "--context", "it"], "a snapshot is judged without a cluster; leave --context out"),
        (["policies/short.yaml", "--qps", "5", "--snapshot", "it"], "leave --qps, --snapshot out"),
        (["--snapshot", "nowhere/it", "--kubeconfig", "kubeconfig"], "nowhere/it: cannot be written"),
        (["--snapshot", "it", "--context", "it", "--context", "b"], "a snapshot is of one cluster"),
    ],
)
def test_wrong_snapshots_are_refused(here: tuple[Path, Server], options: list[str], said: str) -> None:
    done = gatewright("audit", *options, cwd=here[0])
    assert done.returncode == 2 and said in done.stderr, done.stderr


NATIVE = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")


def with_native(server: Server, *policies: str) -> None:
    """Let the cluster have policies of its own."""
    group = "admissionregistration.k8s.io/v1"
    kind = "ValidatingAdmissionPolicy"
    names = dict(zip(NATIVE, (kind, f"{kind}Binding"), strict=True))
    server.kinds = {**server.kinds, **{plural: (group, each, False) for plural, each in names.items()}}
    server.objects += [json.loads(each) for text in policies for each in text.split("\n---\n")]


def test_native_policies_are_judged_alone_or_beside_a_tree(here: tuple[Path, Server]) -> None:
    folder, server = here
    with_native(server, policy("native", "!object.metadata.name.startsWith('r')", "begins with r"), SHORT)
    alone = json.loads(run(folder, "--native", "-o", "json").stdout)
    assert {each["policy"] for each in alone["findings"]} == {"native", "short"}
    assert alone["rules"][1]["file"] == "the cluster/ValidatingAdmissionPolicy/native.json"
    done = run(folder, "--native", "--policies", "policies", "-o", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert {each["policy"] for each in report["findings"]} == {"images", "native", "short"}
    assert "the cluster has policies of the same names, for which those of --policies stand: short" in report["notes"]
    assert report["summary"]["policies"] == 3


def test_native_policies_without_a_binding_are_judged_on_demand(here: tuple[Path, Server]) -> None:
    folder, server = here
    with_native(server, policy("native", "false", "no").partition("\n---\n")[0])
    done = run(folder, "--native")
    assert done.returncode == 0 and "not judged unless --assume-bound says how: native" in done.stderr
    report = json.loads(run(folder, "--native", "--assume-bound", "warn", "-o", "json").stdout)
    assert {(each["policy"], each["binding"], each["level"]) for each in report["findings"]} == {
        ("native", "native-assumed", "warn")
    }
    done = run(folder, "--assume-bound", "warn")
    assert done.returncode == 2 and "--assume-bound needs --native" in done.stderr


def test_the_roles_of_native_policies_are_those_that_the_cluster_has(here: tuple[Path, Server]) -> None:
    folder, server = here
    with_native(server, policy("native", "true", on="secrets"))
    done = run(folder, "--native", "--rbac")
    assert done.returncode == 0, done.stderr
    granted = {name for rule in next(yaml.safe_load_all(done.stdout))["rules"] for name in rule["resources"]}
    assert granted >= {"secrets", "namespaces", *NATIVE} and "configmaps" not in granted


def test_a_snapshot_has_the_native_policies(here: tuple[Path, Server]) -> None:
    folder, server = here
    with_native(server, policy("native", "false", "no"))
    live = json.loads(run(folder, "--native", "--snapshot", "it.snapshot", "--context", "it", "-o", "json").stdout)
    report = json.loads(gatewright("audit", "it.snapshot", "--native", "-o", "json", cwd=folder).stdout)
    assert report["findings"] == live["findings"] and len(report["findings"]) == 3
