"""Replaying gives the recorded verdicts, all of them; values of Secrets are in no file; a changed tree is seen."""

from __future__ import annotations

import base64
import gzip
import json
import random
from pathlib import Path
from typing import Any

from tests.amounts import amount
from tests.recordings.making import REVIEWS, ROOT, read, record, review, tree, validating
from webhook.policy.load.loading import load
from webhook.recordings.replaying import Replay, Replayed

VALUES = [f"value-{number}-of-a-secret" for number in range(20)]


def test_replaying_gives_the_recorded_verdicts(tmp_path: Path) -> None:
    policies = load(ROOT / "policies")
    calls = [
        (f"/{phase}", file.read_bytes())
        for phase in ("validate", "mutate")
        for file in sorted(REVIEWS.glob(f"*-{phase}-*.json"))
    ]
    record(tmp_path / "rec", policies, calls)
    reviews, problems = read(tmp_path / "rec")
    assert (len(reviews), problems) == (len(calls), [])
    compared = [Replay(policies).compared(each) for each in reviews]
    assert [each for each in compared if each.new != each.old] == []
    assert {each.old.word for each in compared} == {"allow", "deny"}


def test_no_value_of_a_secret_is_in_a_file_and_the_verdicts_are_the_same(tmp_path: Path) -> None:
    policies = tree(
        tmp_path / "tree",
        says=validating("says", "object == null", "'it is ' + string(object.?data.orValue({}))"),
        counts=validating("counts", "object == null || object.data.all(k, size(object.data[k]) > 5)", action="Warn"),
    )
    calls = []
    for value in VALUES:
        encoded = base64.b64encode(value.encode()).decode()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"key": encoded}}
        calls.append(("/validate", review(secret, "secrets", "Secret")))
        calls.append(("/validate", review(None, "secrets", "Secret", "DELETE", old=secret)))
        calls.append(("/validate", review({"kind": "List", "metadata": {}, "data": {}, "items": [secret]})))
    record(tmp_path / "rec", policies, calls)
    text = b"".join(gzip.decompress(file.read_bytes()) for file in (tmp_path / "rec").iterdir()).decode()
    for value in VALUES:
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text
    reviews, problems = read(tmp_path / "rec")
    assert (len(reviews), problems) == (len(calls), [])
    assert all(each.redacted for each in reviews)
    assert not any(Replay(policies).compared(each).differs for each in reviews)


def test_a_changed_tree_is_seen_and_what_is_not_recorded_is_said(tmp_path: Path) -> None:
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    record(tmp_path / "rec", tree(tmp_path / "old", one=validating("one", "true")), [("/validate", review(value))])
    ((found,), _) = read(tmp_path / "rec")
    changed = Replay(tree(tmp_path / "new", one=validating("one", "false", "'now'"))).compared(found)
    assert changed.differs
    assert [each.message for each in changed.come] == ["now"]
    asks = validating("one", "authorizer.group('').resource('pods').check('get').allowed()")
    unknown = Replay(tree(tmp_path / "asks", one=asks)).compared(found)
    assert not unknown.differs
    assert "an access check: user 'ann', verb 'get'" in unknown.unknown
    assert json.dumps(found.response)


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    1e300,
    "",
    "\x1b[2J\u202e",
    "x" * 300,
    [],
    {},
    [None],
    {"a": None},
    ["a"] * 50,
)
"""What nobody expects where it stands."""


def spoiled(value: Any, chosen: random.Random, depth: int = 0) -> Any:
    """A copy of a JSON value in which one place is another."""
    if not value or not isinstance(value, dict | list) or depth > 7 or chosen.random() < 0.2:
        return chosen.choice(ODD)
    key: Any = chosen.choice(list(value)) if isinstance(value, dict) else chosen.randrange(len(value))
    copy: Any = value.copy()
    if isinstance(value, dict) and chosen.random() < 0.1:
        del copy[key]
    else:
        copy[key] = spoiled(value[key], chosen, depth + 1)
    return copy


def test_whatever_is_in_a_recording_is_decided_or_named(tmp_path: Path) -> None:
    policies = load(ROOT / "policies")
    calls = [("/validate", file.read_bytes()) for file in sorted(REVIEWS.glob("*-validate-*.json"))]
    record(tmp_path / "rec", policies, calls)
    (file,) = (tmp_path / "rec").iterdir()
    first, *lines = map(json.loads, gzip.decompress(file.read_bytes()).splitlines())
    file.unlink()
    defined = [each for each in lines if "object" in each]
    reviews = [each for each in lines if "request" in each]
    assert any(each["lookups"] for each in reviews if "lookups" in each) and defined
    for seed in range(amount(2000, 60)):
        chosen = random.Random(seed)
        hostile = [
            {**each, "value": spoiled(each["value"], chosen)} if chosen.random() < 0.1 else each for each in defined
        ]
        for each in chosen.sample(reviews, 3):
            part = chosen.choice(["request", "lookups", "response", "findings"])
            hostile.append(
                {**each, part: spoiled(each.get(part), chosen)} if chosen.random() < 0.8 else spoiled(each, chosen)
            )
        file = tmp_path / "rec" / f"reviews-{seed}-1.ndjson"
        file.write_text("".join(f"{json.dumps(each)}\n" for each in [first, *hostile]))
    found, problems = read(tmp_path / "rec")
    replayed = Replayed(Replay(policies))
    for one in found:
        replayed.add(one)
    assert replayed.count > 20 and replayed.undecided
    assert problems and all("no recorded review: " in each.message for each in problems)
