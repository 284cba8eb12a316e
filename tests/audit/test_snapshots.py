"""Snapshots say what the cluster says, hold no value of a Secret, and are whole or refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.audit.clusters import NOBODY, Server, audited, kubeconfig, loaded, made, policy, reading, told
from tests.cli.running import gatewright
from tests.cluster.apiserver import Exchange, playing
from webhook.audit import snapshots
from webhook.audit.auditing import Asked, Audit, Judged
from webhook.audit.snapshots import Snapshot, SnapshotError, Writing
from webhook.audit.sources import Cluster
from webhook.policy.policyset import PolicySet

SHORT = policy("short", "object.metadata.name.size() < 6", "too long")
LIMITED = policy(
    "limited",
    "object.data.size() < int(params.data.most)",
    "too many",
    on="secrets",
    paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    binding={"paramRef": {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}},
)


def server(**broken: Any) -> Server:
    objects = [
        made("Namespace", "shop"),
        made("ConfigMap", "limits", "rules", data={"most": "2"}),
        made("Secret", "db", data={"user": "YWxpY2U=", "password": "aHVudGVyMg=="}, type="Opaque"),
        *(made("ConfigMap", f"config-{number:04}") for number in range(1203)),
    ]
    return Server(objects, broken)


def taken(of: Server, policies: PolicySet, path: Path) -> list[Judged]:
    """What an audit says that writes a snapshot."""
    with reading(of) as reader, Writing(Cluster(reader, "here"), path) as source:
        found = list(Audit(source, policies, Asked(NOBODY)).verdicts())
        source.finish()
    return found


def judged(path: Path, policies: PolicySet) -> tuple[list[Judged], Audit]:
    audit = Audit(Snapshot(path), policies, Asked(NOBODY))
    return list(audit.verdicts()), audit


def test_a_snapshot_says_what_the_cluster_says(tmp_path: Path) -> None:
    policies, path = loaded(tmp_path / "p", SHORT, LIMITED), tmp_path / "it.snapshot"
    live, _ = audited(server(), policies)
    assert told(taken(server(), policies, path)) == told(live)
    found, audit = judged(path, policies)
    assert told(found) == told(live) and "Secret db: too many" in told(found)
    assert (audit.objects, audit.problems, audit.source.name) == (1205, [], "here")
    assert not list(tmp_path.glob(".*"))


def test_it_holds_no_value_of_a_secret_and_the_audit_sees_all(tmp_path: Path) -> None:
    policies = loaded(tmp_path / "p", policy("seen", "object.data.password != 'aHVudGVyMg=='", "seen", on="secrets"))
    found = taken(server(), policies, tmp_path / "it")
    assert told(found) == ["Secret db: seen"]
    text = gzip.decompress((tmp_path / "it").read_bytes())
    assert b'"Secret"' in text and b'"db"' in text
    assert not any(each in text for each in (b"aHVudGVyMg", b"hunter2", b"YWxpY2U", b"managedFields"))


def test_other_policies_are_told_what_it_does_not_have(tmp_path: Path) -> None:
    taken(server(), loaded(tmp_path / "p", SHORT), tmp_path / "it")
    found, audit = judged(tmp_path / "it", loaded(tmp_path / "q", policy("all", "false", on="secrets,configmaps")))
    assert len(found) == 1204
    (problem,) = audit.problems
    assert problem.message.startswith("secrets cannot be listed: the snapshot does not have it")


def test_what_could_not_be_read_then_is_told_again(tmp_path: Path) -> None:
    def refused(exchange: Exchange) -> bool:
        exchange.refuse(403, "forbidden")
        return True

    policies, path = loaded(tmp_path / "p", SHORT, policy("all", "false", on="secrets")), tmp_path / "it"
    failing = server(**{"/api/v1/secrets": refused, "/apis/batch/v1": refused})
    live, was = audited(failing, policies)
    assert told(taken(failing, policies, path)) == told(live)
    found, audit = judged(path, policies)
    assert told(found) == told(live)
    assert [str(each) for each in audit.problems] == [str(each) for each in was.problems] and len(audit.problems) == 2


def test_a_cluster_that_did_not_answer_leaves_no_file(tmp_path: Path) -> None:
    with reading(server()) as reader:
        pass
    with Writing(Cluster(reader, "here"), tmp_path / "it") as source:
        assert not list(Audit(source, loaded(tmp_path / "p", SHORT), Asked(NOBODY)).verdicts())
        source.finish()
    assert [each.name for each in tmp_path.iterdir()] == ["p"]


def test_an_audit_that_is_ended_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "it").write_text("before")
    policies = loaded(tmp_path / "p", SHORT)

    def ended() -> None:
        with reading(server()) as reader, Writing(Cluster(reader, "here"), tmp_path / "it") as source:
            next(Audit(source, policies, Asked(NOBODY)).verdicts())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended()
    assert (tmp_path / "it").read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["it", "p"]


def test_a_file_that_is_cut_off_or_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "it"
    taken(server(), loaded(tmp_path / "p", SHORT), path)
    whole = path.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    for content, said in (
        (whole[:-100], "cut off"),
        (gzip.compress(b"".join(lines[:-1])), "cut off, or was changed: 1,205 objects"),
        (gzip.compress(b"".join([*lines[:-2], lines[-1]])), "cut off, or was changed"),
        (b"text", "not compressed, so no snapshot that .* `gatewright check` judges manifests"),
        (b"", "no snapshot"),
        (gzip.compress(b'{"snapshot": "other"}\n'), "no snapshot that"),
        (gzip.compress(b"[1]\n"), "no JSON object"),
        (gzip.compress(lines[0].replace(b'"version":1', b'"version":2')), "a snapshot of version 2; expected 1"),
        (gzip.compress(lines[0] + b'{"served": [1]}\n{"end": 0}\n'), "was changed: TypeError"),
        (gzip.compress(lines[0] + b'{"listed": 1, "lookedUp": ["v1"]}\n{"end": 0}\n'), "was changed: TypeError"),
    ):
        path.write_bytes(content)
        with pytest.raises(SnapshotError, match=said):
            Snapshot(path)
    with pytest.raises(SnapshotError, match="cannot be read: No such file"):
        Snapshot(tmp_path / "nowhere")


def test_what_is_unpacked_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it"
    taken(server(), loaded(tmp_path / "p", SHORT), path)
    monkeypatch.setattr(snapshots, "LARGEST", 10_000)
    with pytest.raises(SnapshotError, match="larger than any snapshot may be"):
        Snapshot(path)
    monkeypatch.setattr(snapshots, "LARGEST", 1 << 30)
    monkeypatch.setattr(snapshots, "LONGEST", 1000)
    path.write_bytes(gzip.compress(orjson.dumps({"snapshot": "x" * 1_000_000})))
    with pytest.raises(SnapshotError, match="larger than any snapshot may be"):
        Snapshot(path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with reading(server()) as reader:
        source = Writing(Cluster(reader, "here"), tmp_path / "nowhere" / "it")
        with pytest.raises(SnapshotError, match="cannot be written: No such file"):
            source.__enter__()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("replay", "it.snapshot"),
            "it is a snapshot, which holds objects and no reviews: `gatewright audit FILE` judges",
        ),
        (
            ("impact", "--old", "policies", "--new", "policies", "--recordings", "it.snapshot"),
            "it is a snapshot, which",
        ),
        (
            ("check", "it.snapshot"),
            "A snapshot of a cluster is judged by `gatewright audit FILE` and `impact --snapshot",
        ),
        (("mutate", "it.snapshot"), "A snapshot of a cluster is judged by `gatewright audit FILE`"),
        (("impact", "--old", "policies", "--new", "policies", "it.snapshot"), "A snapshot of a cluster is judged by"),
        (("audit", "recorded.ndjson"), "`gatewright replay` and `impact --recordings` judge them"),
    ],
)
def test_other_readers_say_who_reads_it(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "short.yaml").write_text(policy("short", "object.metadata.name.size() < 6", "too long"))
    with playing(Server([made("ConfigMap", "a")])) as (url, _):
        kubeconfig(tmp_path, url)
        taken = gatewright("audit", "--kubeconfig", "kubeconfig", "--snapshot", "it.snapshot", cwd=tmp_path)
    assert taken.returncode == 0, taken.stderr
    (tmp_path / "recorded.ndjson").write_bytes(gzip.compress(b'{"recording": 1, "gatewright": "1"}\n'))
    done = gatewright(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr, done.stderr
