"""What a converted policy makes of requests, many at once, for a comparison with Kyverno."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from webhook.convert import converting, sources, writing
from webhook.convert.foreigntests.expected import FAILURES, Expected, case
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load
from webhook.versions import NEWEST

Policy = dict[str, Any]


class Asked(Struct):
    """One request. old: for UPDATE and DELETE. labels: of its Namespace. values: Kyverno's variables that are not in a
    request, such as `cm.data.x`. params: what these are here."""

    object: dict[str, Any]
    operation: str = "CREATE"
    old: dict[str, Any] | None = None
    user: dict[str, Any] = {}
    labels: dict[str, str] = {}
    values: dict[str, Any] = {}
    params: dict[str, Any] | None = None


class Converted(Struct):
    """What became of a policy. failed: for each rule that is converted, whether each request is refused, or why that
    cannot be said."""

    outcome: Outcome
    failed: dict[str, list[bool | str]]


def converted(policies: Sequence[Policy], others: Sequence[dict[str, Any]] = ()) -> list[Outcome]:
    """The outcomes of policies. others: definitions of kinds."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "source.yaml"
        file.write_text("---\n".join(map(dumped, [*others, *policies])))
        return converting.convert(sources.read([str(file)]).documents, NEWEST).outcomes


def staged(outcomes: Iterable[Outcome], folder: Path) -> list[Outcome]:
    """Write what was made into a folder, without the tests that came along. Returns the outcomes with policies."""
    made = [each for each in outcomes if each.policies]
    writing.stage(made, folder)
    for file in folder.rglob("tests.yaml"):
        file.unlink()
    return made


def asked(outcome: Outcome, requests: Sequence[Asked], others: Sequence[dict[str, Any]] = ()) -> Converted:
    """What the policies of an outcome make of requests."""
    found = Converted(outcome, {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing.stage([outcome], folder)
        if others:
            (folder / "definitions.yaml").write_text("---\n".join(map(dumped, others)))
        place = folder / outcome.folder
        if not place.exists():
            return found
        (place / "tests.yaml").unlink(missing_ok=True)
        policies = load(str(folder), NEWEST)
        for rule, made in outcome.rules.items():
            for policy in made:
                verdicts = _verdicts(folder, place / "tests.yaml", policy, outcome, requests, policies)
                earlier = found.failed.get(rule)
                found.failed[rule] = (
                    verdicts if earlier is None else [a or b for a, b in zip(earlier, verdicts, strict=True)]
                )
    return found


def _verdicts(
    folder: Path, tests: Path, policy: str, outcome: Outcome, requests: Sequence[Asked], policies: Any
) -> list[bool | str]:
    cases = []
    for index, each in enumerate(requests):
        one = Expected(outcome, [policy], str(index), outcome.document, 1, "pass", each.object)
        one.operation, one.user, one.params = each.operation, each.user, each.params
        one.namespace_labels, one.old = each.labels, each.old
        if each.operation == "DELETE":
            one.old, one.object = each.old or each.object, None
        cases.append(case(one, "allow"))
    tests.write_text(dumped(writing.policy_test(policy, cases)), encoding="utf-8")
    planned, problems = policytest.plan([str(folder)], policies)
    tests.unlink()
    found: list[bool | str] = [problems[0].message if problems else "not run"] * len(requests)
    for result in runs.run(planned, policies):
        found[int(result.planned.case.name)] = result.verdict in FAILURES
    return found
