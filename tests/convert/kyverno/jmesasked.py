"""Kyverno asked about JMESPath: `python -m tests.convert.kyverno.jmesasked [--ask] [--generated N] [--seed S]`.

The rules of `jmespath/`, and generated ones, are put to Kyverno's own command and to the policies that they are
converted into. The verdicts are compared, and of messages with variables the texts. Kyverno's answers are kept in
jmespath/answers.json and generated.json; --ask asks for them anew, and --generated about more.

A policy in Python that is to be finished denies everything: it is counted apart, and never looser.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from tests.convert.kyverno import engine, generated, jmesgenerated, jmesquestions, ours
from tests.convert.kyverno.engine import Answer
from tests.convert.kyverno.jmesquestions import FOLDER, Question
from webhook.convert import writing
from webhook.convert.foreigntests.expected import FAILURES, Expected, case
from webhook.convert.model import Outcome, Status
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load
from webhook.versions import NEWEST

KEPT: Final = FOLDER / "answers.json"
GENERATED: Final = FOLDER / "generated.json"
KEPT_OF_GENERATED: Final = 240  # conditions of seed 1, whose answers are kept
KNOWN: Final = {
    "rules the kind of the request": "Kyverno's command has no request.kind",
    "texts-9": "upper and lower case are of ASCII in CEL",
    "texts-11": "upper and lower case are of ASCII in CEL",
    "pods requests as large as limits": "an object has its defaults here, as it has them at admission",
}
"""The rules whose verdicts differ, and why."""
STRICTER: Final = frozenset(
    {
        "lists-4",
        "lists-5",
        "lists-12",
        "lists-37",
        "lists-43",
        "lists-68",
        "lists-80",
        "lists-81",
        "lists-82",
        "lists-83",
        "lists-89",
        "lists-90",
        "lists-91",
        "lists-103",
        "lists-104",
        "lists-115",
        "lists-116",
        "numbers-10",
        "numbers-12",
        "numbers-17",
        "numbers-18",
        "numbers-20",
        "rules a default that is a list",
        "rules foreach with deny",
        "rules a pattern with a variable",
        "rules a sum of quantities",
        "rules a range",
        "texts-41",
        "times-16",
    }
)
"""The written rules about which the converted policy is stricter for an object: a list whose elements are of another
type than is meant, a map where lists of texts are, an empty list without a largest element, a pattern that is a
variable and has wildcards, items() of a list, and functions of what is missing."""
_AT_ONCE: Final = 30  # policies that Kyverno is asked about in one run
_LETTERS: Final = {"p": "pass", "f": "fail", "s": "skip", "e": "error", "w": "warn", "n": "none"}


class Said(Struct):
    """What Kyverno says of a question. digest: of the question. verdicts: a letter for each request. messages: of
    those that fail. refused: why it does not take the policy."""

    digest: str
    verdicts: str = ""
    messages: dict[str, str] = {}
    refused: str = ""

    def of(self, number: int) -> Answer:
        return Answer(_LETTERS[self.verdicts[number]], self.messages.get(str(number), ""))  # type: ignore[arg-type]


class Here(Struct):
    """What became of a question's policy. verdicts: for each request whether it is denied, and with which text."""

    outcome: Outcome
    verdicts: dict[int, tuple[str, str]] = field(default_factory=dict)


class Compared(Struct):
    """What was compared. looser: the converted policy lets through what Kyverno refuses. stricter: the other way.
    messages: both refuse, with another text. errors: ours is an error where Kyverno fails."""

    pairs: int = 0
    looser: list[str] = field(default_factory=list)
    stricter: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    named: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)


def ask(program: Path, questions: Sequence[Question]) -> dict[str, Said]:
    """What Kyverno says."""
    found: dict[str, Said] = {}
    alike: dict[str, list[Question]] = {}
    for each in questions:
        first = each.requests[0]
        alike.setdefault(json.dumps([first.operation, first.user, first.old is not None], sort_keys=True), []).append(
            each
        )
    for group in alike.values():
        for start in range(0, len(group), _AT_ONCE):
            found |= _asked(program, group[start : start + _AT_ONCE])
    return {each.name: found[each.name] for each in questions}


def _asked(program: Path, questions: Sequence[Question]) -> dict[str, Said]:
    """One run. Each policy is asked about its own objects alone, which have its number in their names."""
    policies, requests, places = [], [], []
    for number, each in enumerate(questions):
        (rule,) = each.policy["spec"]["rules"]
        (block,) = rule["match"]["any"]
        match = {"any": [{"resources": {**block["resources"], "names": [f"q{number}-*"]}}]}
        spec = {**each.policy["spec"], "rules": [{**rule, "match": match}]}
        policies.append({**each.policy, "metadata": {"name": f"q{number}"}, "spec": spec})
        for place, request in enumerate(each.requests):
            requests.append(_named(request, f"q{number}-{place}"))
            places.append((number, place))
    answers = engine.answers(program, policies, requests)
    found = {each.name: Said(each.digest) for each in questions}
    for index, (number, place) in enumerate(places):
        each = questions[number]
        said = found[each.name]
        said.refused = answers.refused.get(f"q{number}", "")
        answer = answers.of(f"q{number}", "r", index)
        said.verdicts += answer.verdict[0]
        if answer.verdict == "fail" and answer.message:
            said.messages[str(place)] = answer.message.replace(f"q{number}-{place}", _name(each.requests[place]))
    return found


def _name(request: ours.Asked) -> str:
    return str(request.object["metadata"]["name"])


def _named(request: ours.Asked, name: str) -> ours.Asked:
    def of(value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "metadata": {**value["metadata"], "name": name}}

    old = of(request.old) if request.old else None
    return ours.Asked(of(request.object), request.operation, old, request.user)


def here(questions: Sequence[Question]) -> dict[str, Here]:
    """What the converted policies say: all of them in one tree."""
    outcomes = ours.converted([each.policy for each in questions], [generated.WIDGETS])
    outcomes = [each for each in outcomes if each.kind == "ClusterPolicy"]
    found = {each.name: Here(outcome) for each, outcome in zip(questions, outcomes, strict=True)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours.staged(outcomes, folder)
        (folder / "definitions.yaml").write_text(dumped(generated.WIDGETS))
        policies = load(str(folder), NEWEST)
        for number, (question, outcome) in enumerate(zip(questions, outcomes, strict=True)):
            for policy in outcome.made if outcome.policies else ():
                cases = [
                    _case(request, outcome, policy, f"{number}/{at}") for at, request in enumerate(question.requests)
                ]
                tests = folder / outcome.folder / "tests.yaml"
                tests.write_text(dumped(writing.policy_test(policy, cases)), encoding="utf-8")
        planned, problems = policytest.plan([str(folder)], policies)
        if problems:
            raise AssertionError(problems[:3])
        for result in runs.run(planned, policies):
            place, _, at = result.planned.case.name.partition("/")
            text = result.findings[0].message if result.findings else ""
            found[questions[int(place)].name].verdicts[int(at)] = (result.verdict, text)
    return found


def _case(request: ours.Asked, outcome: Outcome, policy: str, name: str) -> Any:
    one = Expected(outcome, [policy], name, outcome.document, 1, "pass", request.object)
    one.operation, one.user, one.old = request.operation, request.user, request.old
    return case(one, "allow")


def compared(questions: Sequence[Question], answers: dict[str, Said]) -> Compared:
    """Compare both."""
    found = Compared()
    said_here = here(questions)
    for each in questions:
        said, own = answers[each.name], said_here[each.name]
        if said.digest != each.digest:
            raise AssertionError(f"Kyverno was not asked about {each.name} as it is now: run with --ask")
        if each.name in KNOWN:
            continue
        if said.refused:
            found.refused.append(f"{each.name}: {said.refused}")
            continue
        found.statuses[own.outcome.status] += 1
        notes = [*own.outcome.unfinished, *own.outcome.refused]
        if notes:
            found.unfinished.append(f"{each.name}: {'; '.join(note.message for note in notes)[:200]} | {_short(each)}")
            continue
        for number, request in enumerate(each.requests):
            _pair(found, each, own, said.of(number), number, request)
    return found


def _short(each: Question) -> str:
    return json.dumps(
        {key: value for key, value in each.rule.items() if key not in ("name", "match")}, ensure_ascii=False
    )


def _pair(found: Compared, each: Question, own: Here, answer: Answer, number: int, request: ours.Asked) -> None:
    verdict, text = own.verdicts[number]
    found.pairs += 1
    about = f"{each.name}: {_short(each)} | {json.dumps(request.object['spec'], ensure_ascii=False)}"
    denied = verdict in FAILURES
    if answer.verdict in ("fail", "error"):
        if not denied:
            found.looser.append(f"{about} | Kyverno: {answer.verdict} {answer.message}")
        elif answer.verdict == "fail" and not _same(answer.message, text) and "{{" in str(each.rule["validate"]):
            found.messages.append(f"{about} | Kyverno: {answer.message} | here: {verdict} {text}")
    elif denied and number in each.odd:
        found.named += 1
    elif denied:
        found.stricter.append(f"{about} | Kyverno: {answer.verdict} | here: {verdict} {text}")


def _same(theirs: str, ours_: str) -> bool:
    """Whether a message has the same variables, as far as Kyverno has any: what is missing leaves all of it empty."""
    bare = theirs.removeprefix("validation failure: ").removeprefix("validation error: ")
    return not theirs or bare.endswith("rule r failed") or " ".join(bare.split()) == " ".join(ours_.split())


def kept(file: Path = KEPT) -> dict[str, Said]:
    """The answers that are kept."""
    return {name: Said(**said) for name, said in json.loads(file.read_text()).items()}


def keep(file: Path, answers: dict[str, Said], *, messages: bool) -> None:
    """Keep answers, one a line."""
    lines = []
    for name, said in answers.items():
        values = {key: value for key in said.__struct_fields__ if (value := getattr(said, key))}
        if not messages:
            values.pop("messages", None)
        lines.append(f"{json.dumps(name)}: {json.dumps(values, ensure_ascii=False)}")
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def generated_questions() -> list[Question]:
    """The generated conditions whose answers are kept."""
    return list(jmesgenerated.questions(1, KEPT_OF_GENERATED))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.convert.kyverno.jmesasked", description=__doc__)
    parser.add_argument("--ask", action="store_true", help="ask Kyverno's command, and keep its answers")
    parser.add_argument("--generated", type=int, default=0, help="ask about so many generated conditions more")
    parser.add_argument("--seed", type=int, default=2, help="of the conditions that are asked about more")
    parser.add_argument("--most", type=int, default=20, help="how many differences of a part are shown")
    given = parser.parse_args(arguments)
    program = engine.program()
    if program is None and (given.ask or given.generated):
        print(engine.HOW, file=sys.stderr)
        return 2
    written, made = list(jmesquestions.questions()), generated_questions()
    if given.ask and program:
        keep(KEPT, ask(program, written), messages=True)
        keep(GENERATED, ask(program, made), messages=False)
    shown = report("written", compared(written, kept()), given.most)
    shown += report("generated", compared(made, kept(GENERATED)), given.most)
    if given.generated and program:
        more = list(jmesgenerated.questions(given.seed, given.generated))
        shown += report("generated and asked now", compared(more, ask(program, more)), given.most)
    return 1 if shown else 0


def report(name: str, found: Compared, most: int) -> int:
    """Print what was compared. Returns how many pairs are looser, which none may be."""
    print(f"{name}: {found.pairs} pairs of a rule and an object, {found.named} stricter as it is named")
    print("  converted: " + ", ".join(f"{count} {status}" for status, count in found.statuses.most_common()))
    for what in ("looser", "stricter", "messages", "refused", "unfinished"):
        texts = getattr(found, what)
        if texts:
            print(f"  {what}: {len(texts)}, of {len({each.partition(':')[0] for each in texts})} rules")
        for text in texts[:most]:
            print(f"    {text}")
    return len(found.looser)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
