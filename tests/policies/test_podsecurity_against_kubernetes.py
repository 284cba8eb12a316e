"""Generated Pods and workloads, given to Kubernetes' own Pod Security admission and to the policies pod-security-*:
the same is denied, warned about and recorded, for all labels, levels and versions of a Namespace.

Their side is the program in tests/policies/podsecurity.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from tests import goprograms
from tests.amounts import amount
from tests.policies.generated_pods import MODES, PREFIX, VERSIONS, Pods
from tests.policy.trees import request
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet

SOURCE = Path(__file__).parent / "podsecurity"
SEED, COUNT = 20261129, amount(20000, 2500)
_MODE_OF = {"Deny": "enforce", "Warn": "warn", "Audit": "audit"}

Question = dict[str, Any]


def _questions() -> list[Question]:
    pods, random = Pods(SEED), Random(SEED)
    made: list[Question] = []
    for number in range(COUNT):
        kind = random.choice(("pod", "pod", "pod", "workload", "update"))
        asked: Question = {"Operation": "CREATE", "OldObject": None}
        if kind == "workload":
            asked["Object"], resource = pods.workload()
        else:
            asked["Object"], resource = pods.pod(), "v1/pods"
        if kind == "update":
            asked |= {"Operation": "UPDATE", "OldObject": asked["Object"], "Object": pods.changed(asked["Object"])}
            before, after = (len(asked[key]["spec"].get("ephemeralContainers", [])) for key in ("OldObject", "Object"))
            resource += "/ephemeralcontainers" if before != after else ""
        # Every other Namespace enforces a level in a version of the standard, and each of them comes in turn.
        level, version = ("baseline", "restricted")[number // 2 % 2], VERSIONS[number // 4 % len(VERSIONS)]
        labels = {PREFIX + "enforce": level, PREFIX + "enforce-version": version} if number % 2 else pods.labels()
        asked |= {"Labels": labels, "Resource": resource}
        made.append(asked)
    return made


def _sent(asked: Question) -> dict[str, Any]:
    parts = asked["Resource"].split("/")
    group = [] if parts[0] != "v1" else [""]
    return {**asked, "Resource": [*group, *parts, ""][:4]}


def _ours(asked: Question, library: PolicySet) -> set[str]:
    """The modes in which something is said. A denied Pod's warnings are left out, as Kubernetes does."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": asked["Labels"]}}
    of_request = request(
        asked["Object"],
        asked["Operation"],
        resource=asked["Resource"],
        kind=asked["Object"]["kind"],
        old_object=asked["OldObject"],
        namespace="shop",
    )
    decision = engine.validate(of_request, library, ManifestsView([*library.objects, namespace]))
    findings = [finding for finding in decision.findings if finding.policy.startswith("pod-security-")]
    assert not any(finding.error for finding in findings), [finding.message for finding in findings]
    said = {_MODE_OF[finding.action] for finding in findings}
    return said - {"warn"} if "enforce" in said else said


def test_the_same_is_denied_warned_about_and_recorded(library: PolicySet) -> None:
    questions = _questions()
    answers = goprograms.answers(goprograms.built(SOURCE), (_sent(asked) for asked in questions))
    seen: dict[tuple[str, bool], int] = {}
    for asked, answer in zip(questions, answers, strict=True):
        assert _ours(asked, library) == set(answer), (asked, answer)
        for mode in MODES:
            seen[mode, mode in answer] = seen.get((mode, mode in answer), 0) + 1
    assert min(seen.values()) > COUNT // 50, seen  # both sides of each mode, often
    assert len(seen) == 2 * len(MODES)
