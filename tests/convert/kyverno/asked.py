"""Kyverno asked about what `gatewright convert` makes of its rules: `python -m tests.convert.kyverno.asked [--seed N]`.

Three answers are compared: what a document of `documented/` says, what Kyverno's own command says, and what the
converted policy says. Generated patterns and scalars have the latter two. A difference that a conversion names, or in
which the converted policy is stricter for a reason in `STRICTER`, is counted and not shown.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.convert.kyverno import corpus, engine, generated, generatedpods, ours
from tests.convert.kyverno.corpus import Given
from tests.convert.kyverno.engine import Answer, Answers
from tests.convert.kyverno.generated import Batch
from tests.convert.kyverno.ours import Policy

STRICTER: Final = {
    "a number and wildcards with digits": frozenset({"*5*", "5*", "!5*", "?????", "!?????", "*E*", "*.*", "-"}),
    "ranges of durations": frozenset({"1s-1m"}),
}
"""Where the converted policy is stricter for every rule, and the scalars of `generated.SCALARS` that show it."""
_AT_ONCE: Final = 40  # documents that Kyverno is asked about in one run


class Compared(Struct):
    """What was compared. looser: the converted policy lets through what Kyverno refuses. stricter: the other way.
    wrong: a document says something else than Kyverno. refused: policies that Kyverno does not take."""

    pairs: int = 0
    looser: list[str] = []
    stricter: list[str] = []
    wrong: list[str] = []
    refused: list[str] = []
    named: int = 0
    whole: int = 0
    policies: int = 0

    def add(self, other: Compared) -> None:
        self.pairs, self.named = self.pairs + other.pairs, self.named + other.named
        self.whole, self.policies = self.whole + other.whole, self.policies + other.policies
        self.looser += other.looser
        self.stricter += other.stricter
        self.wrong += other.wrong
        self.refused += other.refused


def of_batch(program: Path, batch: Batch) -> Compared:
    """Compare what Kyverno and the converted policy say of generated rules."""
    rules = batch.policy["spec"]["rules"]
    alone = [_alone(batch.policy, rule) for rule in rules]
    answers = engine.answers(program, alone, batch.requests)
    (outcome,) = ours.converted([batch.policy], [generated.WIDGETS])
    here = ours.asked(outcome, batch.requests, [generated.WIDGETS])
    found = Compared(policies=len(rules))
    named = " ".join(each.message for each in (*outcome.differences, *outcome.refused, *outcome.unfinished))
    for rule, policy in zip(rules, alone, strict=True):
        name = policy["metadata"]["name"]
        if name in answers.refused:
            found.refused.append(f"{json.dumps(rule['validate'])}: {answers.refused[name]}")
            continue
        if rule["name"] not in here.failed:
            continue
        found.whole += f"rule {rule['name']}:" not in named
        text = json.dumps({key: rule[key] for key in rule if key in ("preconditions", "context", "validate")})
        for number, request in enumerate(batch.requests):
            found.pairs += 1
            verdict, denied = answers.of(name, rule["name"], number), here.failed[rule["name"]][number]
            _note(found, verdict, denied, f"{text} | {json.dumps(request.object['spec'])}", _reason(rule, request))
    return found


def _note(found: Compared, said: Answer, denied: bool | str, about: str, reason: str) -> None:
    if said.verdict in ("fail", "error"):
        if denied is not True:
            found.looser.append(f"{about} | Kyverno: {said.verdict} {said.message[:160]}; here: {denied or 'allowed'}")
    elif denied:
        if reason:
            found.named += 1
        else:
            found.stricter.append(
                f"{about} | Kyverno: {said.verdict}; here: {denied if isinstance(denied, str) else 'denied'}"
            )


def _reason(rule: dict[str, Any], request: ours.Asked) -> str:
    """Why a generated rule may be stricter here."""
    if "podSecurity" in rule["validate"]:
        return generatedpods.stricter(rule["validate"]["podSecurity"].get("exclude") or [], request.object)
    if "deny" in rule["validate"]:
        return "conditions with values of another type than their operator expects"
    value = ((rule["validate"].get("pattern") or {}).get("spec") or {}).get("v")
    return next((why for why, texts in STRICTER.items() if isinstance(value, str) and value in texts), "")


def _alone(policy: Policy, rule: dict[str, Any]) -> Policy:
    """A policy with one of the rules: Kyverno does not take a policy of which one rule is wrong."""
    name = f"{policy['metadata']['name']}-{rule['name']}"
    return {**policy, "metadata": {"name": name}, "spec": {**policy["spec"], "rules": [rule]}}


def of_documents(program: Path, documents: Sequence[Given]) -> Compared:
    """Compare what the documents say, Kyverno and the converted policies."""
    found = Compared()
    here = {each.name: _here(each) for each in documents}
    for each in documents:
        outcome = here[each.name].outcome
        found.policies += 1
        found.whole += outcome.status == "whole"
    for asked in _runs(documents):
        policies = {each.name: each.policy for each, _ in asked}
        answers = engine.answers(program, list(policies.values()), [each.requests[number] for each, number in asked])
        for place, (each, number) in enumerate(asked):
            _of_document(found, each, number, here[each.name], answers, place)
    return found


def _here(given: Given) -> ours.Converted:
    (outcome,) = ours.converted([given.policy])
    return ours.asked(outcome, given.requests)


def _of_document(
    found: Compared, given: Given, number: int, here: ours.Converted, answers: Answers, place: int
) -> None:
    name = given.policy["metadata"]["name"]
    about = f"{given.name} | {json.dumps(given.requests[number].object)}"
    if name in answers.refused:
        if number == 0:
            found.refused.append(f"{given.name}: {answers.refused[name]}")
        return
    found.pairs += 1
    said = answers.of(name, "r", place)
    if (said.verdict in ("fail", "error")) is not given.wanted[number]:
        found.wrong.append(f"{about} | Kyverno: {said.verdict} {said.message[:160]}")
    if "r" in here.failed and "policy.py" not in str(here.outcome.unfinished):
        differs = "differences" if here.outcome.differences else ""
        _note(found, said, here.failed["r"][number], about, differs)


def _runs(documents: Iterable[Given]) -> Iterator[list[tuple[Given, int]]]:
    """The requests that one run of Kyverno is about: no two objects of a kind have one name, and few policies."""
    pending = [(each, number) for each in documents for number in range(len(each.requests))]
    while pending:
        taken: set[tuple[Any, ...]] = set()
        names: set[str] = set()
        now, later = [], []
        for each, number in pending:
            value = each.requests[number].object
            metadata = value.get("metadata") or {}
            if each.unnamed and metadata.get("name") == "x":
                metadata["name"] = f"x-{each.policy['metadata']['name']}-{number}"
            key = (value["kind"], metadata.get("namespace"), metadata.get("name"))
            if key in taken or (each.name not in names and len(names) >= _AT_ONCE):
                later.append((each, number))
            else:
                taken.add(key)
                names.add(each.name)
                now.append((each, number))
        yield now
        pending = later


def everything(program: Path, seed: int, patterns: int) -> Iterator[tuple[str, Compared]]:
    """All parts, by their names. patterns: how many of them are generated."""
    yield "documents", of_documents(program, list(corpus.given()))
    parts = (
        ("scalars", generated.scalars()),
        ("patterns", generated.patterns(seed, patterns, 40)),
        ("conditions", generated.conditions(seed, patterns)),
        ("levels of podSecurity", generatedpods.levels()),
        ("exclusions of podSecurity", generatedpods.excludes()),
    )
    for name, batches in parts:
        found = Compared()
        for each in batches:
            found.add(of_batch(program, each))
        yield name, found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.convert.kyverno.asked", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the generated patterns")
    parser.add_argument("--patterns", type=int, default=100, help="how many are generated, each with 40 objects")
    parser.add_argument("--most", type=int, default=20, help="how many differences of a part are shown")
    given = parser.parse_args(arguments)
    program = engine.program()
    if program is None:
        print(engine.HOW, file=sys.stderr)
        return 2
    total, shown = Compared(), 0
    for name, found in everything(program, given.seed, given.patterns):
        print(f"{name}: {found.pairs} pairs of a rule and an object, {found.named} stricter as it is named")
        for what in ("looser", "stricter", "wrong", "refused"):
            texts = getattr(found, what)
            shown += len(texts) if what != "refused" else 0
            if texts:
                print(f"  {what}: {len(texts)}")
            for text, times in collections.Counter(texts).most_common(given.most):
                print(f"    {text}" + (f" ({times} times)" if times > 1 else ""))
        total.add(found)
    print(f"{total.pairs} pairs; {shown} differences; {total.whole} of {total.policies} rules are converted whole")
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
