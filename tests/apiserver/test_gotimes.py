from __future__ import annotations

import random

from tests.amounts import amount
from tests.apiserver import oracle
from tests.apiserver.generated import BAD_TIMES, TIMES
from webhook.apiserver import gotimes

FULL = "2024-02-28T13:04:05.123456Z"


def texts() -> list[str]:
    """Times, and times with one or two characters replaced, added or taken away."""
    pick = random.Random("times")
    made = []
    for _ in range(amount(10_000, 1_000)):
        text = list(pick.choice((*TIMES, *TIMES, *BAD_TIMES, FULL)))
        for _ in range(pick.choice((0, 1, 1, 2))):
            at = pick.randrange(len(text) + 1)
            text[at : at + pick.choice((0, 1))] = pick.choice(
                ("0", "9", "3", "", "-", ":", "T", ".", "Z", " ", "+", "é")
            )
        made.append("".join(text))
    for year in ("0000", "0001", "9999", "1900", "2000"):
        for zone in ("Z", "+14:00", "-23:59", "+24:00"):
            made += [
                f"{year}-01-01T00:30:00{zone}",
                f"{year}-12-31T23:30:00{zone}",
                f"{year}-02-29T12:00:00.000000{zone}",
            ]
    return [*TIMES, *BAD_TIMES, FULL, *made]


def test_times_are_read_and_written_as_in_go() -> None:
    asked = texts()
    leases = [
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"deletionTimestamp": text}}
        for text in asked
    ]
    micro = [{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"renewTime": text}} for text in asked]
    for read, objects, place in (
        (gotimes.time, leases, ("metadata", "deletionTimestamp")),
        (gotimes.micro_time, micro, ("spec", "renewTime")),
    ):
        differ = []
        for text, answer in zip(asked, oracle.ask(objects, "decode"), strict=True):
            right = answer.get("error") or answer["object"][place[0]][place[1]]
            try:
                ours = read(text)
            except ValueError as error:
                ours = str(error)
            if ours != right:
                differ.append((text, right, ours))
        assert not differ, f"{len(differ)} of {len(asked)}: {differ[:10]}"
