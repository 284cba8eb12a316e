"""Compares the verdicts of Gatekeeper's own command with those of the converted policies.

python -m tests.convert.gatekeeper.asked            every file of the corpus, and the suites of our sources
python -m tests.convert.gatekeeper.asked --record   the files of the corpus, whose answers are written anew

`gator verify` counts the violations of each constraint and object, and `gator expand` makes an object of a template
under the mutators. The actions of constraints are left out: gator is an enforcement point of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.convert import peers
from tests.convert.converted import SOURCES
from tests.convert.gatekeeper.corpora import FAILED, FILES, REFUSED, Answers, Corpus, called, ours, read
from tests.convert.gatekeeper.named import NAMED
from tests.timing import HANGING
from webhook.apiserver import admitted
from webhook.convert.model import JSONObject
from webhook.documents.yamlwriting import dumped, stream
from webhook.versions import NEWEST

_MANY: Final = 99999
"""Violations that no case has: gator then says how many there are, and their messages."""
_COUNTED: Final = re.compile(
    r"unexpected number of violations: got (?P<count>\d+) violations but want exactly 99999: "
    r"got messages \[(?P<messages>.*)\]",
    re.DOTALL,
)
_FAILED: Final = "failed to mutate resultant resource"
_MAKER: Final = "oracle.example"
_ACTIONS: Final = ("enforcementAction", "scopedEnforcementActions")


def gator(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Its exit code, and all that it printed."""
    command = [str(peers.program("gatekeeper")), *arguments]
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=HANGING)
    return run.returncode, run.stdout + run.stderr


def theirs(corpus: Corpus, said: list[str]) -> Answers:
    """What Gatekeeper says of each policy and object. said: is given why it refuses policies."""
    return _violations(corpus, said) | _mutations(corpus, said)


def _violations(corpus: Corpus, said: list[str]) -> Answers:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "namespaces.yaml").write_text(stream(corpus.namespaces))
        for index, value in enumerate(corpus.objects.values()):
            (folder / f"o{index}.yaml").write_text(dumped(_sent(value)))
        kinds = {}
        for index, value in enumerate(corpus.templates):
            (folder / f"t{index}.yaml").write_text(dumped(value))
            kinds[value["spec"]["crd"]["spec"]["names"]["kind"]] = f"t{index}.yaml"
        inventory = {"inventory": ["namespaces.yaml"]} if corpus.namespaces else {}
        cases = {
            name: {"name": f"o{index}", "object": f"o{index}.yaml", "assertions": [{"violations": _MANY}]} | inventory
            for index, name in enumerate(corpus.objects)
        }
        asked = {f"c{index}": value for index, value in enumerate(corpus.constraints) if value["kind"] in kinds}
        tests = []
        for test, value in asked.items():
            spec = {key: each for key, each in value.get("spec", {}).items() if key not in _ACTIONS}
            (folder / f"{test}.yaml").write_text(dumped(value | {"spec": spec}))
            own = [cases[name] for name in corpus.tried(value)]
            tests.append({"name": test, "template": kinds[value["kind"]], "constraint": f"{test}.yaml", "cases": own})
        if not tests:
            return {}
        suite = {"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "metadata": {"name": "s"}}
        (folder / "suite.yaml").write_text(dumped(suite | {"tests": tests}))
        _, printed = gator("verify", "suite.yaml", "-v", cwd=folder)
    names = list(corpus.objects)
    found: Answers = {}
    for test, text, results in _results(printed):
        policy = called(asked[test])
        if not results:
            said.append(f"{policy}: {text.split(maxsplit=4)[-1].partition('FAIL')[0].strip()}")
            found[policy] = REFUSED
            continue
        counted = {names[int(case[1:])]: _counted(each) for case, each in results.items()}
        found[policy] = {name: each for name, each in counted.items() if each is not None}
    assert len(found) == len(asked), printed
    return found


def _sent(value: JSONObject) -> JSONObject:
    """An AdmissionReview with what the API server fills in."""
    if value["kind"] != "AdmissionReview":
        return value
    request = value["request"]
    own = request.get("object") or request["oldObject"]
    group, _, version = own["apiVersion"].rpartition("/")
    kind = {"group": group, "version": version, "kind": own["kind"]}
    metadata = own["metadata"]
    known = {"name": metadata["name"], "namespace": metadata.get("namespace", ""), "kind": kind}
    if own["kind"] == "Namespace":
        known["namespace"] = metadata["name"]
    return value | {"request": known | {"userInfo": {}} | request}


def _results(printed: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The tests that were run: their names, what is said of a test, and what is said of each of its cases."""
    for block in re.split(r"^=== RUN   ", printed, flags=re.MULTILINE)[1:]:
        test, _, rest = block.partition("\n")
        first, *cases = re.split(r"^    === RUN   ", rest, flags=re.MULTILINE)
        results = {}
        for each in cases:
            case, _, text = each.partition("\n")
            results[case] = re.split(r"^--- ", text, flags=re.MULTILINE)[0]
        yield test, first, results


def _counted(said: str) -> list[Any] | None:
    """The number of violations and their messages, or what gator says instead; None if there are none."""
    found = _COUNTED.search(said)
    if found is None:
        return [-1, " ".join(said.split("\n", 1)[-1].split())]
    count = int(found["count"])
    return [count, found["messages"]] if count else None


def _mutations(corpus: Corpus, said: list[str]) -> Answers:
    """What each mutator makes of the objects: the documents that `gator expand` makes with it, beside those without."""
    if not corpus.mutators:
        return {}
    plain = _expanded(corpus, [])
    assert isinstance(plain, dict), plain
    assert plain.keys() == corpus.tried(corpus.mutators[0]).keys(), (
        "objects of mutators have the names that gator makes: NAME-kind"
    )
    found: Answers = {}
    for mutator in corpus.mutators:
        made = _expanded(corpus, [_with_defaults(mutator)])
        if isinstance(made, str) and _FAILED in made:
            apart = {name: _expanded(corpus, [_with_defaults(mutator)], name) for name in plain}
            every = {name: each if isinstance(each, str) else each[name] for name, each in apart.items()}
        elif isinstance(made, dict):
            every = dict(made)
        else:
            said.append(f"{called(mutator)}: {made.strip()}")
            found[called(mutator)] = REFUSED
            continue
        changed = {name: _normal(value) for name, value in every.items()}
        found[called(mutator)] = {name: each for name, each in changed.items() if each != _normal(plain[name])}
    return found


def _with_defaults(mutator: JSONObject) -> JSONObject:
    """A mutator as the API server has it."""
    if mutator["kind"] != "ModifySet":
        return mutator
    spec = mutator["spec"]
    return mutator | {"spec": spec | {"parameters": {"operation": "merge"} | spec.get("parameters", {})}}


def _normal(value: JSONObject | str) -> Any:
    """An object as the API server holds it; FAILED for one that the mutator cannot change."""
    return FAILED if isinstance(value, str) else admitted.read(value, NEWEST).object


def _expanded(corpus: Corpus, mutators: Sequence[JSONObject], only: str = "") -> dict[str, JSONObject] | str:
    """The objects as gator makes them of templates, or why it does not. only: the name of the one that is made."""
    documents: list[JSONObject] = [*mutators, *corpus.namespaces]
    made = set()
    for name, value in corpus.tried(corpus.mutators[0]).items():
        if only not in ("", name):
            continue
        group, _, version = value["apiVersion"].rpartition("/")
        kind = value["kind"]
        if (group, kind) not in made:
            made.add((group, kind))
            documents.append({
                "apiVersion": "expansion.gatekeeper.sh/v1alpha1", "kind": "ExpansionTemplate",
                "metadata": {"name": f"expand-{kind.lower()}"},
                "spec": {
                    "applyTo": [{"groups": [_MAKER], "versions": ["v1"], "kinds": [f"Maker{kind}"]}],
                    "templateSource": "spec.template",
                    "generatedGVK": {"group": group, "version": version, "kind": kind},
                },
            })  # fmt: skip
        metadata = value["metadata"]
        own = {"name": metadata["name"].removesuffix(f"-{kind.lower()}")}
        if metadata.get("namespace"):
            own["namespace"] = metadata["namespace"]
        documents.append(
            {"apiVersion": f"{_MAKER}/v1", "kind": f"Maker{kind}", "metadata": own, "spec": {"template": value}}
        )
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "all.yaml").write_text(stream(documents))
        code, printed = gator("expand", "-n", "all.yaml", cwd=Path(name))
    if code:
        return printed
    found = {}
    for value in yaml.safe_load_all(printed):
        if not value["apiVersion"].startswith(_MAKER):
            value["metadata"].pop("ownerReferences", None)
            found[called(value)] = value
    return found


def suites() -> Iterator[tuple[Path, str]]:
    """The suites of our sources, and what `gator verify` says of the tests that fail there. Those without a template
    are about Gatekeeper's library, which is not here."""
    for suite in sorted((SOURCES / "gatekeeper").rglob("suite*.yaml")):
        value = yaml.load(suite.read_text(), yaml.BaseLoader)
        value["tests"] = [each for each in value["tests"] if "template" in each]
        if not value["tests"]:
            continue
        for case in (one for each in value["tests"] for one in each["cases"]):
            case["assertions"] = [
                each | {"violations": int(each["violations"]) if each["violations"].isdigit() else each["violations"]}
                for each in case["assertions"]
            ]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "suite"
            shutil.copytree(suite.parent, folder)
            (folder / suite.name).write_text(dumped(value))
            code, printed = gator("verify", suite.name, "-v", cwd=folder)
        yield suite, printed if code else ""


def differences(left: Answers, right: Answers) -> Iterator[str]:
    """Where two answers differ. left: Gatekeeper's. right: ours."""
    for policy in left:
        one, other = left[policy], right.get(policy, REFUSED)
        if REFUSED in (one, other):
            if one != other:
                yield f"{policy}: Gatekeeper {_short(one)}, ours {_short(other)}"
            continue
        for name in sorted(one.keys() | other.keys()):
            yield from (f"{policy}: {name}: {each}" for each in _differing(one.get(name), other.get(name)))


def _differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """The places where two answers differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}")
    elif one != other:
        yield f"{path} Gatekeeper {_brief(one)}, ours {_brief(other)}".strip()


def _brief(answer: Any) -> str:
    return "changes it" if isinstance(answer, dict) and "apiVersion" in answer else str(answer)


def _short(answer: Any) -> str:
    return "refuses it" if answer == REFUSED else "takes it"


def _written(answers: Answers) -> str:
    """Answers as a file has them, a line each."""
    lines = []
    for policy, answer in answers.items():
        refused = answer == REFUSED
        lines.append(f"{policy}: {REFUSED if refused else '{}' if not answer else ''}".rstrip())
        if not refused:
            lines += [
                f"  {name}: {json.dumps(said, sort_keys=True, ensure_ascii=False)}" for name, said in answer.items()
            ]
    return "".join(f"{each}\n" for each in lines)


def main(arguments: list[str]) -> None:
    """Ask, and print each difference; exit with 1 if there is one that is not named."""
    record = "--record" in arguments
    wanted = [each for each in arguments if each != "--record"]
    unnamed = 0
    for file in FILES:
        if wanted and file.stem not in wanted:
            continue
        corpus, said = read(file), list[str]()
        answers = theirs(corpus, said)
        if record:
            corpus.answers.parent.mkdir(exist_ok=True)
            corpus.answers.write_text(_written(answers))
        found, outcomes = ours(corpus)
        print(f"{file.stem}: {len(answers)} policies, {sum(len(corpus.tried(each)) for each in corpus.asked)} answers")
        for each in differences(answers, found):
            known = any(each.startswith(f"{policy}: ") for policy in NAMED.get(corpus.name, {}))
            unnamed += not known
            print(f"  {'named: ' if known else ''}{each}")
        for each in said:
            print(f"    gator: {each}")
        for outcome in outcomes:
            for note in (*outcome.refused, *outcome.differences):
                print(f"    ours: {outcome.kind} {outcome.name}: {note.message}")
    if not record and not wanted:
        for suite, failure in suites():
            print(f"{suite.parent.name}/{suite.name}: {failure or 'as gator says'}")
            unnamed += bool(failure)
    sys.exit(1 if unnamed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
