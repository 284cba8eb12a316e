"""Policies in CEL, exceptions and settings beside Kyverno's verdicts.

python -m tests.convert.kyverno.judging        compares, and prints what agrees, differs and is not converted
python -m tests.convert.kyverno.judging --ask  asks Kyverno's command first, and writes its verdicts down

judged/ holds the policies, their exceptions and the objects: every policy is asked about every object. verdicts.json
has what Kyverno says, `policy/rule kind/name` -> pass, fail, skip or error; what it says nothing of does not match.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from tests.convert import peers
from tests.convert.kyverno import mutating
from tests.convert.kyverno.ours import staged
from tests.timing import HANGING
from webhook.convert import converting, sources, writing
from webhook.convert.foreigntests.expected import FAILURES, Expected, case
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load
from webhook.versions import NEWEST

JSONObject = dict[str, Any]
FOLDER: Final = Path(__file__).parent / "judged"
FILES: Final = ("policies.yaml", "exceptions.yaml", "objects.yaml")
VERDICTS: Final = FOLDER / "verdicts.json"
KNOWN: Final = {
    "missing-ignored": "an error with failurePolicy Ignore is reported as such by Kyverno, and lets the request pass",
    "old-object": "Kyverno's command has no oldObject for what is created",
}
"""The policies whose verdicts differ, and why."""
_STRONGER: Final = ("skip", "pass", "error", "fail")
"""Verdicts of the policies that a rule becomes, the last of which counts."""


class Judged(Struct, frozen=True):
    """One verdict of both. theirs: none where Kyverno says nothing."""

    key: str
    policy: str
    theirs: str
    ours: str

    @property
    def agrees(self) -> bool:
        if self.ours in ("pass", "skip"):
            # A condition of a policy is one here, or a part of its expression.
            return self.theirs == self.ours or {self.theirs, self.ours} <= {"skip", "none", "pass"}
        return self.theirs == self.ours


def objects() -> list[JSONObject]:
    """The objects that are asked about, with their defaults, as the API server sends them."""
    return [mutating.read(each) for each in yaml.safe_load_all((FOLDER / "objects.yaml").read_text())]


def asked(program: Path) -> dict[str, str]:
    """What Kyverno says of every policy and object."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "objects.yaml"
        file.write_text("---\n".join(map(dumped, objects())))
        command = [
            str(program), "apply", "policies.yaml", "-r", str(file), "-e", "exceptions.yaml", "--policy-report",
            "--output-format", "json",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=HANGING)
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        for each in json.loads(line)["results"] if line.startswith('{"kind"') else ():
            (resource,) = each["resources"]
            namespace, _, policy = each["policy"].rpartition("/")
            if namespace and resource.get("namespace") != namespace:
                continue  # in a cluster a policy of a namespace is not asked about others
            rule = each.get("rule", "") if each["source"] == "kyverno" else ""
            rule = rule.removeprefix("autogen-").removeprefix("cronjob-")
            found[f"{policy}/{rule} {resource['kind']}/{resource['name']}"] = each["result"]
    return dict(sorted(found.items()))


def answers() -> dict[str, str]:
    """What Kyverno said."""
    found: dict[str, str] = json.loads(VERDICTS.read_text())
    return found


def converted() -> list[Outcome]:
    """What becomes of the policies, with their exceptions."""
    read = sources.read([str(FOLDER / name) for name in FILES[:2]])
    return converting.convert(read.documents, NEWEST).outcomes


def judged(outcomes: Iterable[Outcome], theirs: dict[str, str]) -> Iterator[Judged]:
    """The verdicts of converted policies beside Kyverno's."""
    given = objects()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = staged(outcomes, folder)
        policies = load(str(folder), NEWEST)
        tests = folder / "tests.yaml"
        for outcome in made:
            for rule, names in outcome.rules.items():
                found: dict[str, str] = {}
                for policy in names:
                    cases = [
                        case(Expected(outcome, [policy], str(index), outcome.document, 1, "pass", each), "allow")
                        for index, each in enumerate(given)
                    ]
                    tests.write_text(dumped(writing.policy_test(policy, cases)), encoding="utf-8")
                    planned, problems = policytest.plan([str(tests)], policies)
                    assert problems == []
                    for result in runs.run(planned, policies):
                        value = given[int(result.planned.case.name)]
                        key = f"{outcome.name}/{rule} {value['kind']}/{value['metadata']['name']}"
                        found[key] = max(found.get(key, "skip"), _said(result.verdict), key=_STRONGER.index)
                for key, said in found.items():
                    yield Judged(key, outcome.name, theirs.get(key, "none"), said)


def _said(verdict: str) -> str:
    if verdict == "error" or verdict not in FAILURES:
        return {"error": "error", "allow": "pass"}.get(verdict, "skip")
    return "fail"


def main(arguments: Iterable[str]) -> None:
    """Ask, if that is wanted, and compare."""
    if "--ask" in arguments:
        program = Path(os.environ.get("GATEWRIGHT_TEST_KYVERNO") or peers.place("kyverno"))
        VERDICTS.write_text(json.dumps(asked(program), indent=0) + "\n")
    counts: Counter[str] = Counter()
    outcomes = converted()
    for each in outcomes:
        for note in each.refused:
            counts["policies not converted"] += 1
            print(f"{each.kind} {each.name}: not converted: {note.message}")
    for one in judged(outcomes, answers()):
        known = KNOWN.get(one.policy)
        counts["agrees" if one.agrees else "differs, as is said" if known else "differs"] += 1
        if not one.agrees:
            print(f"{one.key}: Kyverno says {one.theirs}, here {one.ours}{f': {known}' if known else ''}")
    print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    main(sys.argv[1:])
