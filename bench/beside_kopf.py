"""`gatewright serve` beside kopf: the same four rules, the same reviews, over TLS, one server at a time.

Gatewright answers a review in one call, whatever the number of policies. kopf has a webhook for each handler, with a
path of its own, and the API server calls every one that the review concerns. So kopf is measured as an operator lives
it: the load is all those calls, and the cost of a review is the sum of the CPU of the calls it causes. The cost of one
call is shown too: about what a review would cost if all rules were written as one handler.

Reviews that concern no handler (deletions, exec, mutating reviews of anything but creations) are left out on both
sides. First both are asked every review once, and some made from them which the other rules deny or change: verdicts
and finalizers must be the same. Both write their logs, at their default levels, to nowhere.
"""

from __future__ import annotations

import base64
import copy
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch

from bench import kopf_server
from bench.servers import ROUNDS, Call, asked, free_port, measured, recorded, running

WANTED = 4.0
LABEL = {"gatewright.dev/keep-finalizer": "true"}
KEEPS = "gatewright.dev/cleanup"


def main(gatewright: tuple[int, int], certificate: Path, key: Path) -> None:
    """`gatewright`: pid and port of one that runs."""
    port = free_port()
    command = [sys.executable, "-m", "bench.kopf_server", str(certificate), str(key), str(port)]
    with running(command, port) as pid:
        number = agreed(gatewright[1], port)
        print(f"serve beside kopf: the same four rules as kopf handlers; {number} reviews, the same verdicts\n")
        for phase in ("validate", "mutate"):
            beside(phase, gatewright, (pid, port))


def agreed(gatewright: int, kopf: int) -> int:
    """How many reviews both were asked; ends the program if they differ on one."""
    number = 0
    for phase, name, review in reviews():
        body = json.dumps(review).encode()
        ours = outcome(review, [asked(gatewright, f"/{phase}", body)])
        theirs = outcome(review, [asked(kopf, path, body) for path in kopf_server.calls(review, phase)])
        if ours != theirs:
            raise SystemExit(f"kopf disagrees on {name} ({phase}): Gatewright {ours}, kopf {theirs}")
        number += 1
    return number


def outcome(review: dict[str, Any], answers: list[bytes]) -> tuple[bool, tuple[str, ...]]:
    """Whether every answer allows it, and the finalizers the object then has. A rule that broke ends the program."""
    allowed, obj = True, copy.deepcopy(review["request"].get("object"))
    for answer in answers:
        response = json.loads(answer)["response"]
        allowed = allowed and response["allowed"]
        if not response["allowed"] and response["status"]["code"] >= 500:
            raise SystemExit(f"not a verdict: {response['status']['message']}")
        if response.get("patch"):
            obj = jsonpatch.apply_patch(obj, json.loads(base64.b64decode(response["patch"])))
    return allowed, tuple(((obj or {}).get("metadata") or {}).get("finalizers") or ())


def reviews() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Phase, name and review: those recorded, then those made from them."""
    for phase in ("validate", "mutate"):
        for file in recorded(phase):
            review = json.loads(file.read_text())
            yield phase, file.name, review
            for name, changed in made(review, phase):
                yield phase, f"{file.name}, {name}", changed


def made(review: dict[str, Any], phase: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the recorded ones do not show: finalizers put on, missing, taken off, of no domain; too many replicas."""
    request = review["request"]
    if request["operation"] not in ("CREATE", "UPDATE"):
        return
    changed = copy.deepcopy(review)
    obj, old = changed["request"]["object"], changed["request"].get("oldObject")
    obj["metadata"]["labels"] = {**obj["metadata"].get("labels", {}), **LABEL}
    yield "labelled", copy.deepcopy(changed)
    if old:
        old["metadata"] = {**old["metadata"], "labels": obj["metadata"]["labels"], "finalizers": [KEEPS]}
        yield "taken off", copy.deepcopy(changed)
    obj["metadata"]["finalizers"] = [KEEPS]
    yield "kept", copy.deepcopy(changed)
    obj["metadata"]["finalizers"] = [KEEPS, "cleanup"]
    yield "without a domain", changed
    if phase == "validate" and "replicas" in (request["object"].get("spec") or {}):
        scaled = copy.deepcopy(review)
        scaled["request"]["object"]["spec"]["replicas"] = 50
        yield "fifty replicas", scaled


def beside(phase: str, gatewright: tuple[int, int], kopf: tuple[int, int]) -> None:
    concerned: dict[Path, list[Call]] = {}
    for file in recorded(phase):
        if paths := kopf_server.calls(json.loads(file.read_text()), phase):
            concerned[file] = [(path, file) for path in paths]
    ours = [(f"/{phase}", file) for file in concerned]
    theirs = [call for calls in concerned.values() for call in calls]
    calls_a_review = len(theirs) / len(ours)
    rounds = [(measured(*gatewright, ours), measured(*kopf, theirs)) for _ in range(ROUNDS)]
    for name, index, calls in (("gatewright", 0, 1.0), ("kopf", 1, calls_a_review)):
        median = {key: statistics.median(each[index][key] for each in rounds) for key in rounds[0][0]}
        print(
            f"  /{phase:9} {name:11} {median['micros'] * calls:7.1f} µs of CPU a review, in {calls:.2f} calls of "
            f"{median['micros']:.1f} µs; server {median['busy']:4.0%} busy, client {median['client']:4.0%}"
        )
    call = statistics.median(kopf["micros"] / own["micros"] for own, kopf in rounds)
    print(f"  kopf: {call * calls_a_review:.1f}x a review (wanted: at least {WANTED:.0f}x), {call:.1f}x a call\n")
