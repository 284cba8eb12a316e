"""Smaller expressions decide as those that were generated: the same verdicts and messages, whatever is sent."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.amounts import amount
from tests.convert.converted import SOURCES
from tests.convert.kyverno import corpus, ours
from webhook.convert import converting, sources, writing
from webhook.convert.foreigntests.expected import Expected, case
from webhook.convert.model import Outcome
from webhook.documents import syntax
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load
from webhook.versions import NEWEST

Said = tuple[str, tuple[str, ...]]
SEED = 20261130
KINDS = {
    "pods": ("v1", "Pod"), "deployments": ("apps/v1", "Deployment"), "cronjobs": ("batch/v1", "CronJob"),
    "configmaps": ("v1", "ConfigMap"), "services": ("v1", "Service"), "ingresses": ("networking.k8s.io/v1", "Ingress"),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim"), "roles": ("rbac.authorization.k8s.io/v1", "Role"),
    "clusterroles": ("rbac.authorization.k8s.io/v1", "ClusterRole"), "namespaces": ("v1", "Namespace"),
    "secrets": ("v1", "Secret"),
}  # fmt: skip


def found(value: Any) -> Iterator[Any]:
    """All objects of these kinds in a document, and in what tests are given."""
    if isinstance(value, dict):
        if (value.get("apiVersion"), value.get("kind")) in KINDS.values() and isinstance(value.get("metadata"), dict):
            yield value
        else:
            for each in value.values():
                yield from found(each)
    elif isinstance(value, list):
        for each in value:
            yield from found(each)


def objects() -> dict[str, list[dict[str, Any]]]:
    """The objects that are written for tests of conversion, by kind."""
    made: dict[str, dict[str, Any]] = {}
    for file in sorted(SOURCES.rglob("*.yaml")):
        for root in syntax.read_yaml(file.read_text()):
            for each in found(root.value):
                made[json.dumps(each, sort_keys=True, default=str)] = each
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for each in made.values():
        by_kind.setdefault(each["kind"], []).append(each)
    for given in corpus.given():
        for request in given.requests:
            by_kind.setdefault(request.object["kind"], []).append(request.object)
    return by_kind


def changed(value: dict[str, Any], texts: list[str], chance: random.Random) -> dict[str, Any]:
    """The object with up to three of its parts taken away, replaced, or there twice."""
    made = copy.deepcopy(value)
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        places: list[tuple[Any, Any]] = []

        def walk(inner: Any, places: list[tuple[Any, Any]] = places) -> None:
            pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
            for key, each in pairs:
                if key not in ("apiVersion", "kind", "metadata"):
                    places.append((inner, key))
                walk(each)

        walk(made)
        if not places:
            break
        holder, key = chance.choice(places)
        each = holder[key]
        if chance.random() < 0.35:
            del holder[key]
        elif isinstance(each, list) and each:
            holder[key] = [*each, chance.choice(each)] if chance.random() < 0.5 else []
        elif isinstance(each, bool):
            holder[key] = not each
        elif isinstance(each, int):
            holder[key] = chance.choice([0, 1, 5, 80, 1000, 2000])
        elif isinstance(each, str):
            holder[key] = chance.choice(texts)
        elif isinstance(each, dict) and chance.random() < 0.3:
            holder[key] = {}
    return made


def words(policy: Any) -> list[str]:
    """The texts of a foreign policy, which objects may have too."""
    if isinstance(policy, str):
        return [policy, policy.strip("*!?<>= "), policy.replace("*", "x").replace("?", "y")]
    pairs = policy.values() if isinstance(policy, dict) else policy if isinstance(policy, list) else ()
    return [each for pair in pairs for each in words(pair)] + (
        [str(each) for each in policy] if isinstance(policy, dict) else []
    )


def shown(message: str) -> str:
    """A message, without expressions and the words of errors, which may be others."""
    return message if "failed expression:" not in message and "resulted in error" not in message else ""


def verdicts(
    outcomes: list[Outcome], asked: dict[str, list[Any]], folder: Path
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Policy and number of the object -> the verdict and the messages."""
    folder.mkdir()
    made = ours.staged(outcomes, folder)
    policies = load(str(folder), NEWEST)
    for outcome in made:
        tests = []
        for policy in outcome.policies:
            name = policy["metadata"]["name"]
            cases = []
            for at, value in enumerate(asked.get(name, ())):
                one = Expected(outcome, [name], f"{name}/{at}", outcome.document, 1, "pass", value)
                cases.append(case(one, "allow"))
            if cases:
                tests.append(writing.policy_test(name, cases))
        if tests:
            (folder / outcome.folder / "tests.yaml").write_text("---\n".join(map(dumped, tests)), encoding="utf-8")
    planned, _ = policytest.plan([str(folder)], policies)  # problems: objects that the API server does not take
    return {
        each.planned.case.name: (each.verdict, tuple(shown(one.message) for one in each.findings))
        for each in runs.run(planned, policies)
    }


FOLDERS = sorted(
    str(each.relative_to(SOURCES)) for part in SOURCES.iterdir() for each in part.iterdir() if each.is_dir()
)


def converted(folder: str, *, smaller: bool) -> list[Outcome]:
    documents = sources.read([str(SOURCES / folder)]).documents
    return converting.convert(documents, NEWEST, smaller=smaller).outcomes


def test_each_policy_decides_as_before(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    at_hand = objects()
    compared = shorter = 0
    seen: set[str] = set()
    for number, folder in enumerate(FOLDERS):
        before, after = converted(folder, smaller=False), converted(folder, smaller=True)
        asked: dict[str, list[Any]] = {}
        for old, new in zip(before, after, strict=True):
            for first, second in zip(old.policies, new.policies, strict=True):
                shorter += first != second
                if first == second or "validations" not in first["spec"]:
                    continue
                texts = words(old.document.value)
                rules = first["spec"]["matchConstraints"]["resourceRules"]
                resources = KINDS.keys() & {name for rule in rules for name in rule["resources"]}
                chosen = [each for name in sorted(resources) for each in at_hand.get(KINDS[name][1], [])]
                if chosen:
                    asked[first["metadata"]["name"]] = [
                        changed(chance.choice(chosen), texts, chance) for _ in range(amount(400, 25))
                    ]
        if not asked:
            continue
        one = verdicts(before, asked, tmp_path / f"{number}-before")
        other = verdicts(after, asked, tmp_path / f"{number}-after")
        for name, said in one.items():
            policy, _, at = name.rpartition("/")
            assert other[name] == said, (policy, json.dumps(asked[policy][int(at)]))
            compared += 1
            seen.add(said[0])
    assert compared > 1000
    assert shorter > 100
    assert {"allow", "deny"} <= seen
