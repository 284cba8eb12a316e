"""`gatewright audit --shard`: which shard a process is, and what is refused of a part."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.clusters import policy
from tests.cli.running import gatewright
from webhook.audit.shards import WHOLE, Shard
from webhook.cli.auditshards import said, shard_of
from webhook.cli.readoptions import NotGiven


@pytest.mark.parametrize(
    ("shard", "shards", "index", "found"),
    [
        ("", 0, "3", WHOLE),  # a Pod of an Indexed Job that wants no shard
        ("0/4", 0, "", Shard(0, 4)),
        ("3/4", 0, "1", Shard(3, 4)),
        ("", 4, "2", Shard(2, 4)),
        ("", 1, "", WHOLE),
        ("", 1, "0", WHOLE),
        ("999/1000", 0, "", Shard(999, 1000)),
    ],
)
def test_the_shard_of_the_options(shard: str, shards: int, index: str, found: Shard) -> None:
    assert shard_of(shard, shards, {"JOB_COMPLETION_INDEX": index} if index else {}) == found


@pytest.mark.parametrize(
    ("shard", "shards", "index", "message"),
    [
        *((each, 0, "", "expected I/N") for each in ("4/4", "-1/4", "1", "/", "a/b", "0/0", "1/1001", "0/4/4", "٣/4")),
        ("0/4", 4, "0", "exclude each other"),
        ("", 4, "", "expected 0 to 3 in JOB_COMPLETION_INDEX, got ''"),
        ("", 4, "4", "run it as an Indexed Job with 4 completions"),
        ("", 4, "9" * 5000, "expected 0 to 3"),
        ("", 1, "1", "expected 0 to 0"),
        ("", -1, "0", "--shards: expected a number from 1 to 1000"),
        ("", 1001, "0", "--shards: expected a number from 1 to 1000"),
    ],
)
def test_wrong_shards_are_refused(shard: str, shards: int, index: str, message: str) -> None:
    with pytest.raises(NotGiven, match=message.replace("(", r"\(")):
        shard_of(shard, shards, {"JOB_COMPLETION_INDEX": index} if index else {})


@pytest.mark.parametrize(
    "options",
    [
        ["--gate", "gate.yaml"],
        ["--snapshot", "it.snapshot"],
        ["it.snapshot"],
        ["--baseline", "b", "--write-baseline"],
        ["--log", "audit.log"],
    ],
)
def test_what_is_of_a_whole_is_refused(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(policy("p", "true"))
    done = gatewright("audit", "--shard", "0/2", *options, cwd=tmp_path)
    named = "FILE" if len(options) == 1 else options[-1] if options[0] == "--baseline" else options[0]
    assert done.returncode == 2, done.stderr
    wanted = (
        "expected no --shard" if named == "--log" else f"--shard: leave {named} out, of which a shard is only a part"
    )
    assert wanted in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_note_says_what_was_judged() -> None:
    names = ["team-00", "team-01", "team-02"]  # of the shards 3, 2 and 1
    assert said(Shard(3, 4), names) == "shard 3/4: 1 of 3 namespaces; every other namespace is in another shard"
    assert said(Shard(0, 4), names).startswith("shard 0/4: 0 of 3 namespaces and cluster-scoped objects;")
    assert said(Shard(1, 4), None).startswith("shard 1/4: its namespaces alone;")
