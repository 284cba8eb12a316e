"""`gatewright serve` in comparison with kopf: the same four rules and the same reviews over TLS, one server at a time.

Gatewright answers a review in one call, for any number of policies. kopf registers one webhook with its own path for
each handler, and the API server calls all those that match the review. So the load on kopf consists of all these calls,
and the cost of a review is the CPU time of all its calls together. The cost of a single call is printed too: it is
about the cost of a review if one handler contained all rules.

Reviews that match no handler (deletions, exec, mutating reviews other than creations) are left out for both. Before the
measurement, both servers answer every review once, including variants that some rule denies or mutates; verdicts and
finalizers must agree. Both log at their default levels, to /dev/null.
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
from bench.figures import keep
from bench.servers import ROUNDS, Call, asked, free_port, measured, recorded, running

WANTED = 4.0
LABEL = {"gatewright.dev/keep-finalizer": "true"}
KEEPS = "gatewright.dev/cleanup"


def main(gatewright: tuple[int, int], certificate: Path, key: Path) -> None:
    """`gatewright`: pid and port of a running server."""
    port = free_port()
    command = [sys.executable, "-m", "bench.kopf_server", str(certificate), str(key), str(port)]
    with running(command, port) as pid:
        number = agreed(gatewright[1], port)
        print(f"serve beside kopf: the same four rules as kopf handlers; {number} reviews, the same verdicts\n")
        for phase in ("validate", "mutate"):
            beside(phase, gatewright, (pid, port))


def agreed(gatewright: int, kopf: int) -> int:
    """The number of reviews on which both servers agree. Exits with an error at the first difference."""
    number = 0
    for phase, name, review in reviews():
        body = json.dumps(review).encode()
        ours = outcome(review, [asked(gatewright, f"/{phase}", body)])
        theirs = outcome(review, [asked(kopf, path, body) for path in kopf_server.calls(review, phase)])
        if ours != theirs:
            raise SystemExit(f"different verdicts on {name} ({phase}): Gatewright {ours}, kopf {theirs}")
        number += 1
    return number


def outcome(review: dict[str, Any], answers: list[bytes]) -> tuple[bool, tuple[str, ...]]:
    """Whether all responses allow the review, and the object's finalizers after their patches.

    Exits with an error if a rule failed instead of giving a verdict.
    """
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
    """(phase, name, review) of each recorded review and its variants."""
    for phase in ("validate", "mutate"):
        for file in recorded(phase):
            review = json.loads(file.read_text())
            yield phase, file.name, review
            for name, changed in variants(review, phase):
                yield phase, f"{file.name}, {name}", changed


def variants(review: dict[str, Any], phase: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, review) of cases that are not recorded: finalizers added, missing, removed, without a domain; too many
    replicas."""
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
    kopf_calls: dict[Path, list[Call]] = {}
    for file in recorded(phase):
        if paths := kopf_server.calls(json.loads(file.read_text()), phase):
            kopf_calls[file] = [(path, file) for path in paths]
    ours = [(f"/{phase}", file) for file in kopf_calls]
    theirs = [call for calls in kopf_calls.values() for call in calls]
    calls_a_review = len(theirs) / len(ours)
    rounds = [(measured(*gatewright, ours), measured(*kopf, theirs)) for _ in range(ROUNDS)]
    for name, index, calls in (("gatewright", 0, 1.0), ("kopf", 1, calls_a_review)):
        median = {key: statistics.median(each[index][key] for each in rounds) for key in rounds[0][0]}
        print(
            f"  /{phase:9} {name:11} {median['micros'] * calls:7.1f} µs of CPU a review, in {calls:.2f} calls of "
            f"{median['micros']:.1f} µs; server {median['busy']:4.0%} busy, client {median['client']:4.0%}"
        )
    each_call = [kopf["micros"] / own["micros"] for own, kopf in rounds]
    call = statistics.median(each_call)
    keep(
        f"kopf, /{phase}, beside a review here",
        call * calls_a_review,
        "x",
        at_least=WANTED,
        rounds=[each * calls_a_review for each in each_call],
    )
    print(f"  kopf: {call * calls_a_review:.1f}x a review (wanted: at least {WANTED:.0f}x), {call:.1f}x a call\n")
