"""`gatewright audit --configmap`: what the ConfigMap holds, how large it becomes, and what cannot be written.

tests/e2e/test_auditconfigmap.py has a real kube-apiserver.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import subprocess
from collections import ChainMap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from tests.audit.clusters import Server, kubeconfig, made, policy
from tests.cli.report.reports import finding, report
from tests.cli.running import gatewright
from tests.cluster.apiserver import Exchange, playing
from webhook.audit.shards import Shard
from webhook.cli import auditconfigmap
from webhook.cli.auditconfigmap import TooLarge, packed, run_of
from webhook.cli.auditpage import condensed
from webhook.cli.report.model import Namespace, Report, Rule
from webhook.offline.requests import Identity

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
PATH = "/api/v1/namespaces/gatewright-system/configmaps/gatewright-audit"
PLACE = ("--configmap", "gatewright-system/gatewright-audit")


class ConfigMap:
    """The one ConfigMap of the cluster: None until it is written, and what answers in its place. Each field manager has
    the keys that it has applied last."""

    def __init__(self) -> None:
        self.value: dict[str, Any] | None = None
        self.applied: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, Callable[[Exchange], None]] = {}

    def answer(self, exchange: Exchange) -> None:
        if exchange.method in self.refused:
            self.refused[exchange.method](exchange)
        elif exchange.method == "PATCH":
            assert exchange.query["force"] == "true"
            assert exchange.body is not None
            self.applied[exchange.query["fieldManager"]] = exchange.body
            value = dict(exchange.body)
            for kept in ("data", "binaryData"):
                value[kept] = {key: text for each in self.applied.values() for key, text in each.get(kept, {}).items()}
            named = [each["metadata"].get("annotations", {}) for each in self.applied.values()]
            value["metadata"] = {
                **value["metadata"],
                **({"annotations": both} if (both := dict(ChainMap(*named))) else {}),
            }
            self.value = value
            exchange.json(value)
        elif self.value is None:
            exchange.refuse(404, 'configmaps "gatewright-audit" not found')
        else:
            exchange.json(self.value)

    def report(self) -> Any:
        assert self.value is not None
        return json.loads(gzip.decompress(base64.b64decode(self.value["binaryData"]["audit.json.gz"])))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[tuple[Path, ConfigMap]]:
    """A folder with a policy and a kubeconfig of a cluster where one of two ConfigMaps is wrong."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "short.yaml").write_text(policy("short", "object.metadata.name.size() < 6", "too long"))
    cluster, there = Server([made("ConfigMap", "a"), made("ConfigMap", "too-long")]), ConfigMap()

    def answer(exchange: Exchange) -> None:
        if exchange.path == PATH:
            there.answer(exchange)
        elif "clusterroles" in exchange.path:
            exchange.json({"metadata": {"uid": "of-the-role"}})
        else:
            cluster(exchange)

    with playing(answer) as (url, _):
        kubeconfig(tmp_path, url)
        yield tmp_path, there


def run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = ("--kubeconfig", "kubeconfig", "--qps", "0", "--fail-on", "never", *PLACE)
    return gatewright("audit", *given, *options, cwd=folder, env={**os.environ, **variables})


def test_it_holds_the_report_and_the_last_audits(here: tuple[Path, ConfigMap]) -> None:
    folder, there = here
    done = run(folder, "--scores", "--explain", "-o", "json=out.json", "-o", "text")
    assert done.returncode == 0, done.stderr
    assert "note: ConfigMap gatewright-system/gatewright-audit: written, 1 KiB" in done.stderr
    written, printed = there.report(), json.loads((folder / "out.json").read_text())
    jsonschema.validate(written, SCHEMA)
    for each in (written, printed):
        each.pop("notes")
        for found in each["findings"]:
            assert found["why"] and found["fingerprint"] is not None
            found.pop("fingerprint")
    assert written == printed and len(written["history"]) == 1
    assert there.value is not None
    assert there.value["metadata"] == {
        "namespace": "gatewright-system",
        "name": "gatewright-audit",
        "labels": {"app.kubernetes.io/managed-by": "gatewright"},
        "ownerReferences": [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "name": "gatewright-reports",
                "uid": "of-the-role",
            }
        ],
    }
    run(folder)
    assert there.report()["history"][0]["at"] == printed["at"]
    assert len(there.value["data"]["history.jsonl"].splitlines()) == 2
    file = folder / "mounted.json.gz"
    file.write_bytes(base64.b64decode(there.value["binaryData"]["audit.json.gz"]))
    brief, _, whole = condensed(str(file))
    assert (brief["found"], whole["left"], len(whole["history"])) == (1, 0, 2)


def test_a_history_that_cannot_be_read_begins_anew(here: tuple[Path, ConfigMap]) -> None:
    folder, there = here
    there.value = {"data": {"history.jsonl": "{}"}}
    done = run(folder)
    assert done.returncode == 0
    assert (
        "note: the history begins anew: ConfigMap gatewright-system/gatewright-audit, history.jsonl:1:" in done.stderr
    )
    assert len(there.report()["history"]) == 1


def test_the_history_of_a_file_stands_for_that_of_the_configmap(here: tuple[Path, ConfigMap]) -> None:
    folder, there = here
    run(folder)
    run(folder, "--history", "audits.jsonl")
    assert len(there.report()["history"]) == 1


@pytest.mark.parametrize(
    ("method", "status", "said"),
    [
        ("PATCH", 403, "403: configmaps is forbidden"),
        ("GET", 403, "403: configmaps is forbidden"),
        ("PATCH", 404, "404: configmaps is forbidden"),
    ],
)
def test_what_must_not_be_written_fails_the_run(
    here: tuple[Path, ConfigMap], method: str, status: int, said: str
) -> None:
    folder, there = here
    there.refused[method] = lambda exchange: exchange.refuse(status, "configmaps is forbidden")
    done = run(folder, "-o", "json")
    assert done.returncode == 2
    (problem,) = json.loads(done.stdout)["errors"]
    assert problem["message"] == f"--configmap: ConfigMap gatewright-system/gatewright-audit cannot be written: {said}"
    assert there.value is None and len(json.loads(done.stdout)["findings"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--configmap", "gatewright-audit"], "--configmap: expected NAMESPACE/NAME, got 'gatewright-audit'"),
        (["--configmap", "a/../b"], "--configmap: expected NAMESPACE/NAME, got 'a/../b'"),
        (["--configmap", "a.b/c"], "--configmap: expected NAMESPACE/NAME, got 'a.b/c'"),
        ([*PLACE, "--context", "a", "--context", "b"], "--configmap: is of one cluster"),
        ([*PLACE, "a.snapshot"], "a snapshot is judged without a cluster; leave --kubeconfig, --configmap out"),
        ([*PLACE, "--shard", "0/17"], "--configmap: of at most 16 shards, got 17"),
        ([*PLACE, "--log", "audit.log"], "--log: expected no --kubeconfig, --configmap"),
    ],
)
def test_wrong_options_are_refused(here: tuple[Path, ConfigMap], options: list[str], said: str) -> None:
    done = gatewright("audit", "--kubeconfig", "kubeconfig", *options, cwd=here[0])
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def keys(there: ConfigMap) -> list[str]:
    assert there.value is not None
    return sorted(there.value["binaryData"])


def mounted(there: ConfigMap, folder: Path) -> Path:
    """The folder at which a kubelet mounts it."""
    folder.mkdir()
    assert there.value is not None
    for name, text in there.value["binaryData"].items():
        (folder / name).write_bytes(base64.b64decode(text))
    for name, text in there.value["data"].items():
        (folder / name).write_text(text)
    return folder


def audits(there: ConfigMap) -> list[Any]:
    assert there.value is not None
    return [json.loads(line) for line in there.value["data"].get("history.jsonl", "").splitlines()]


def test_shards_write_parts_that_are_one_report(here: tuple[Path, ConfigMap], tmp_path: Path) -> None:
    folder, there = here
    whole = run(folder, "--scores", "-o", "json")
    assert whole.returncode == 0 and keys(there) == ["audit.json.gz"] and len(audits(there)) == 1
    _, of_one, one = condensed(str(mounted(there, tmp_path / "one")))
    at = audits(there)[0]["at"]
    there.applied["gatewright-audit"]["data"]["history.jsonl"] = there.applied["gatewright-audit"]["data"][
        "history.jsonl"
    ].replace(at, "2026-01-01T00:00:00Z")  # so that the parts are newer, in whatever second they are written
    for index in (2, 0, 1):
        assert run(folder, "--scores", "--shard", f"{index}/3").returncode == 0
        assert len(audits(there)) == (2 if index == 1 else 1)  # once all are there
    run(folder, "--scores", "--shard", "0/3")
    assert len(audits(there)) == 2  # the other parts are in it already
    assert keys(there) == [f"audit-{index}-of-3.json.gz" for index in range(3)]
    brief, of_parts, parts = condensed(str(mounted(there, tmp_path / "parts")))
    assert audits(there)[1]["at"] >= brief["at"]
    assert {**audits(there)[1], "at": ""} == {**json.loads(whole.stdout)["history"][0], "at": ""}
    same = ("findings", "scores", "complete", "left", "problems", "found", "score", "rules")
    assert {key: parts[key] for key in same} == {key: one[key] for key in same}
    timeless = [[each for each in of if each.name != "timestamp_seconds"] for of in (of_parts, of_one)]
    assert timeless[0] == timeless[1] and len(timeless[0]) == 5
    assert len(parts["history"]) == 2


def test_no_audit_in_the_history_is_made_of_the_parts_of_two(here: tuple[Path, ConfigMap]) -> None:
    """A shard fails in one night: the next entry of the history is of the next night, whichever shard ends first."""
    folder, there = here

    def night(job: str, *indices: int) -> list[int]:
        found = []
        for index in indices:
            done = run(folder, "--shards", "3", JOB_COMPLETION_INDEX=str(index), HOSTNAME=f"{job}-{index}")
            assert done.returncode == 0, done.stderr
            found.append(len(audits(there)))
        return found

    def older() -> None:
        """The last audit in the history was yesterday, however fast these are."""
        data = there.applied["gatewright-audit"]["data"]
        data["history.jsonl"] = data["history.jsonl"].replace(audits(there)[-1]["at"], "2026-01-01T00:00:00Z")

    assert night("audit-1", 0, 1, 2) == [0, 0, 1]
    older()
    assert night("audit-2", 0, 1) == [1, 1]  # the Pod of the last shard fails
    assert night("audit-3", 2, 0, 1) == [1, 1, 2]
    older()
    assert night("audit-4", 1) + night("elsewhere", 0, 2) == [2, 2, 2]


@pytest.mark.parametrize(
    ("hostname", "index", "run"),
    [
        ("gatewright-audit-29412345-1", "1", "gatewright-audit-29412345"),
        ("gatewright-audit-29412345-1", None, ""),
        ("gatewright-audit-29412345-2", "1", ""),
        ("node-1.example.com", "1", ""),
        ("1", "1", ""),
    ],
)
def test_the_job_of_a_shard_is_in_the_name_of_its_host(hostname: str, index: str | None, run: str) -> None:
    given = {"HOSTNAME": hostname, **({"JOB_COMPLETION_INDEX": index} if index is not None else {})}
    assert run_of(Shard(1, 3), given) == run


def test_another_number_of_shards_leaves_no_part_of_the_earlier_one(here: tuple[Path, ConfigMap]) -> None:
    folder, there = here
    for index in range(4):
        run(folder, "--shard", f"{index}/4")
    run(folder, "--shard", "1/2")
    assert keys(there) == ["audit-0-of-4.json.gz", "audit-1-of-2.json.gz"]  # that of another shard is its own
    run(folder, "--shard", "0/2")
    assert keys(there) == ["audit-0-of-2.json.gz", "audit-1-of-2.json.gz"]
    before = audits(there)
    run(folder)
    assert keys(there) == ["audit.json.gz"]
    assert audits(there)[:-1] == before


def many(number: int, letters: int = 0) -> Report:
    """A report of so many findings, most of them warnings. letters: of chance, which nothing compresses, in each."""
    chance = random.Random(7)
    found = [
        finding(
            level="deny" if each % 10 == 0 else "warn",
            message=f"{each}: {chance.randbytes(letters // 2).hex()}",
            object=Identity("apps/v1", "Deployment", f"team-{each % 40}", f"web-{each}"),
        )
        for each in range(number)
    ]
    names = [Namespace("c", f"team-{each}", {"env": "dev"}) for each in range(40)]
    rules = {"pinned-images": Rule("pinned-images", "ValidatingAdmissionPolicy", severity="high")}
    return replace(report("audit", findings=found, rules=rules, at="2026-11-29T20:00:04Z"), namespaces=names)


def shown(content: bytes, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    file = folder / "audit.json.gz"
    file.write_bytes(content)
    brief, _, whole = condensed(str(file))
    return brief, whole


def test_ten_thousand_findings_fit_in(tmp_path: Path) -> None:
    content, left = packed(many(10_000))
    assert (left, len(content) < 768 << 10) == (0, True)
    assert content == packed(many(10_000))[0]
    _, whole = shown(content, tmp_path)
    assert (len(whole["findings"]), whole["left"]) == (10_000, 0)


def test_of_more_the_gravest_are_in_it_and_the_sums_are_those_of_all(tmp_path: Path) -> None:
    content, left = packed(many(4000, letters=2000))
    assert len(content) <= 768 << 10 and 2000 <= left < 4000
    written = json.loads(gzip.decompress(content))
    jsonschema.validate(written, SCHEMA)
    assert (written["summary"]["deny"], written["summary"]["warn"]) == (400, 3600)
    assert (written["summary"]["hidden"], len(written["findings"])) == (left, 4000 - left)
    assert sum(each["level"] == "deny" for each in written["findings"]) == 400 < 4000 - left
    brief, whole = shown(content, tmp_path)
    assert (brief["found"], whole["left"], whole["summary"]["warn"]) == (4000, left, 3600)


def test_what_unpacks_to_much_is_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditconfigmap, "MOST_TEXT", 1 << 20)
    content, left = packed(many(4000))
    assert left and len(gzip.decompress(content)) <= 1 << 20


def test_what_is_too_large_without_any_finding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditconfigmap, "MOST_TEXT", 100)
    with pytest.raises(TooLarge, match="too large even without findings"):
        packed(many(2))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed(many(3))[0][:-9], "it is a gzip file that was cut off"),
        (b"\x1f\x8bnothing", "it is no gzip file"),
        (gzip.compress(b" " * (65 << 20)), "it unpacks to more than 64 MiB"),
        (gzip.compress(b"{}"), "it is not what `gatewright audit -o json` writes"),
    ],
    ids=["cut off", "no gzip", "too large", "other JSON"],  # the bytes have the time in them
)
def test_what_the_page_does_not_take(content: bytes, said: str, tmp_path: Path) -> None:
    from webhook.cli.auditsaved import ReportError

    with pytest.raises(ReportError, match=said):
        shown(content, tmp_path)
