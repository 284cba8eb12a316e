"""Mutations as cases: what converted policies make of objects, beside what Kyverno makes of them.

python -m tests.convert.kyverno.mutating        compares, and prints what agrees, differs and is not converted
python -m tests.convert.kyverno.mutating --ask  asks Kyverno's command first, and writes its answers down

A file in mutated/ holds cases: a rule for a kind, and objects in the short form of tests/convert/kyverno/given.py.
Kyverno is given the objects with their defaults, as the API server sends them. Its answers stand in the file of the
same name that ends in .json: "same", an object, or an error; and what it makes of that object, if it changes it.
`differs` says why a case comes out otherwise here; `refused`, that the policy is not converted, and as what.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from tests.convert import peers
from tests.convert.kyverno.given import whole
from tests.timing import HANGING
from webhook.admission.engine import decide
from webhook.admission.record import Record
from webhook.apiserver import admitted
from webhook.apiserver.admitted import ApiServer
from webhook.cluster.manifestsview import ManifestsView
from webhook.convert import converting, sources, writing
from webhook.convert.foreigntests.expected import Expected, case
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest
from webhook.offline.cases.setup import Setups
from webhook.policy.load.loading import load
from webhook.schema.kinds import Kinds
from webhook.versions import NEWEST

JSONObject = dict[str, Any]
FOLDER: Final = Path(__file__).parent / "mutated"
SAME: Final = "same"
ERROR: Final = "error: "
_RULE: Final = ("match", "exclude", "preconditions", "context", "mutate")
_KEYS: Final = ("name", "mountPath", "port", "ip", "containerPort", "topologyKey")


class Case(Struct, frozen=True):
    """A policy and the objects that it is asked about. differs: why it comes out otherwise here. refused: as what it
    is not converted."""

    name: str
    policy: JSONObject
    objects: tuple[JSONObject, ...]
    differs: str = ""
    refused: str = ""


class Compared(Struct, frozen=True):
    """One object of a case. result: agrees, differs or refused. text: how it differs."""

    case: Case
    index: int
    result: str
    text: str = ""


def files() -> list[Path]:
    """The files of cases."""
    return sorted(FOLDER.glob("*.yaml"))


def cases(file: Path) -> list[Case]:
    """The cases of a file."""
    return [
        Case(each["name"], _policy(each), tuple(_objects(each)), each.get("differs", ""), each.get("refused", ""))
        for each in yaml.safe_load(file.read_text())
    ]


def answers(file: Path) -> dict[str, list[list[JSONObject | str]]]:
    """What Kyverno answered: the name of a case -> an answer for each object."""
    found: dict[str, list[list[JSONObject | str]]] = json.loads(file.with_suffix(".json").read_text())
    return found


def _policy(given: JSONObject) -> JSONObject:
    if "spec" in given:
        return _in_cel(given)
    rules = given.get("rules") or [given]
    made = [
        {
            "name": f"r{index}",
            "match": {"any": [{"resources": {"kinds": [given["kind"]]}}]},
            **{key: each[key] for key in _RULE if key in each},
        }
        for index, each in enumerate(rules)
    ]
    metadata = {"name": "p", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}}
    return {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": metadata, "spec": {"rules": made}}


def _in_cel(given: JSONObject) -> JSONObject:
    """A MutatingPolicy about CREATE of the kind."""
    kind = Kinds.builtin(NEWEST).guess("v1", given["kind"])
    known = next((each for each in Kinds.builtin(NEWEST) if each.kind == given["kind"]), kind)
    rule = {
        "apiGroups": [known.group], "apiVersions": [known.version], "operations": ["CREATE"],
        "resources": [known.plural],
    }  # fmt: skip
    none: JSONObject = {"podControllers": {"controllers": []}}
    spec = {"autogen": none, "matchConstraints": {"resourceRules": [rule]}, **given["spec"]}
    return {
        "apiVersion": f"policies.kyverno.io/{given.get('version', 'v1')}", "kind": "MutatingPolicy",
        "metadata": {"name": "p"}, "spec": spec,
    }  # fmt: skip


def _objects(given: JSONObject) -> Iterator[JSONObject]:
    for index, each in enumerate(given["objects"]):
        made = whole(each, given["kind"])
        made["metadata"] = {**made["metadata"], "name": f"x{index}"}
        if made["kind"] != "Namespace":
            made["metadata"] = {"namespace": "default", **made["metadata"]}
        yield read(made)


def read(value: JSONObject) -> JSONObject:
    """The object as the API server has it, with its defaults."""
    return admitted.read(value, NEWEST).object


def asked(program: Path, one: Case) -> list[list[JSONObject | str]]:
    """What Kyverno makes of each object of a case, and what of this, where it changes that again."""
    first = _asked(program, one, one.objects)
    changed = [each for each in first if not isinstance(each, str)]
    again = iter(_asked(program, one, changed) if changed else ())
    found = []
    for each in first:
        second = next(again) if not isinstance(each, str) else SAME
        found.append([each] if second == SAME else [each, second])
    return found


def _asked(program: Path, one: Case, objects: Sequence[JSONObject]) -> list[JSONObject | str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "out"
        out.mkdir()
        (folder / "policy.yaml").write_text(dumped(one.policy))
        (folder / "objects.yaml").write_text("---\n".join(map(dumped, objects)))
        command = [str(program), "apply", "policy.yaml", "-r", "objects.yaml", "-o", "out", "--remove-color"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=HANGING)
        found: list[JSONObject | str] = []
        for each in objects:
            file = out / f"{each['metadata']['name']}-mutated.yaml"
            after = next(iter(yaml.safe_load_all(file.read_text())), None) if file.exists() else None
            said = next((line for line in done.stdout.splitlines() if "error: " in line or line.startswith("1. ")), "")
            found.append((SAME if after == each else after) if after else f"{ERROR}{said.strip()[:200]}")
        return found


def converted(policies: Sequence[JSONObject]) -> list[Outcome]:
    """What becomes of policies."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "source.yaml"
        file.write_text("---\n".join(map(dumped, policies)))
        return converting.convert(sources.read([str(file)]).documents, NEWEST).outcomes


def mutated(outcome: Outcome, objects: Sequence[JSONObject]) -> list[JSONObject | str]:
    """What the policies of an outcome make of each object that is created, one policy after the other; or why it is
    refused."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing.stage([outcome], folder)
        tests = folder / outcome.folder / "tests.yaml"
        tests.unlink(missing_ok=True)
        policies = load(str(folder), NEWEST)
        found: list[JSONObject | str] = [read(each) for each in objects]
        for policy in outcome.made:
            for index, each in enumerate(found):
                if not isinstance(each, str):
                    found[index] = _mutated(each, policy, outcome, policies, folder, tests)
        return found


def _mutated(
    value: JSONObject, policy: str, outcome: Outcome, policies: Any, folder: Path, tests: Path
) -> JSONObject | str:
    one = Expected(outcome, [policy], "case", outcome.document, 1, "pass", value)
    tests.write_text(dumped(writing.policy_test(policy, [case(one, "allow")])), encoding="utf-8")
    planned, problems = policytest.plan([str(folder)], policies)
    tests.unlink()
    if problems:
        return problems[0].message
    setup = Setups(policies).of(planned[0])
    decision = decide(planned[0].request, setup.policies, setup.view, recording="failures", observer=Record())
    if not decision.allowed:
        return decision.message
    after = decision.mutation.object if decision.mutation else None
    return value if after is None else after


def compared(one: Case, theirs: Sequence[Sequence[JSONObject | str]]) -> list[Compared]:
    """What becomes of a case here, beside Kyverno's answers."""
    (outcome,) = converted([one.policy])
    if outcome.refused or not outcome.policies:
        text = outcome.refused[0].message
        return [Compared(one, index, "refused", text) for index in range(len(one.objects))]
    ours = mutated(outcome, one.objects)
    again = iter(mutated(outcome, [each for each in ours if not isinstance(each, str)]))
    found = []
    for index, (each, answer) in enumerate(zip(ours, theirs, strict=True)):
        given = one.objects[index]
        second = next(again) if not isinstance(each, str) else each
        text = _difference(each, given if answer[0] == SAME else answer[0])
        if not text and not isinstance(answer[0], str):
            text = _difference(second, answer[-1])
            text = f"made a second time: {text}" if text else ""
        found.append(Compared(one, index, "differs" if text else "agrees", text))
    return found


def _difference(ours: JSONObject | str, theirs: JSONObject | str) -> str:
    """Where the objects differ; "" if they are the same. What the API server refuses is not there either way."""
    if isinstance(theirs, str) or _is_refused(theirs):
        return (
            ""
            if isinstance(ours, str) or _is_refused(ours)
            else "Kyverno's command fails, or the API server refuses what it makes"
        )
    if isinstance(ours, str):
        return ours
    return _first(ordered(read(theirs)), ordered(ours), "")


def _is_refused(value: JSONObject) -> bool:
    """Whether the API server refuses an object."""
    kind = Kinds.builtin(NEWEST).for_kind(value.get("apiVersion", ""), value.get("kind", ""))
    if kind is None:
        return True
    read_value = admitted.read(value, NEWEST)
    if read_value.problems:
        return True
    server = ApiServer([], lambda: ManifestsView([]), NEWEST)
    return any("resourceVersion" not in each.message for each in server.refused(read_value.object, kind))


def ordered(value: Any) -> Any:
    """A value whose lists with a key are in the order of the key: Kyverno moves what it changes to the front."""
    if isinstance(value, dict):
        return {key: ordered(each) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    items = [ordered(each) for each in value]
    key = next((key for key in _KEYS if items and all(isinstance(each, dict) and key in each for each in items)), None)
    return sorted(items, key=lambda each: str(each[key])) if key else items


def _first(theirs: Any, ours: Any, at: str) -> str:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            if key not in ours or key not in theirs:
                whose, held = ("Kyverno", theirs) if key in theirs else ("the converted policy", ours)
                return f"{at}/{key}: only {whose} has {json.dumps(held[key])[:150]}"
            if text := _first(theirs[key], ours[key], f"{at}/{key}"):
                return text
        return ""
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return next(
            filter(None, (_first(a, b, f"{at}/{i}") for i, (a, b) in enumerate(zip(theirs, ours, strict=True)))), ""
        )
    same = theirs == ours and type(theirs) is type(ours)
    return (
        "" if same else f"{at}: Kyverno has {json.dumps(theirs)[:150]}, the converted policy {json.dumps(ours)[:150]}"
    )


def main(arguments: Iterable[str]) -> None:
    """Ask, if that is wanted, and compare."""
    counts: Counter[str] = Counter()
    for file in files():
        written = cases(file)
        if "--ask" in arguments:
            program = Path(os.environ.get("GATEWRIGHT_TEST_KYVERNO") or peers.place("kyverno"))
            found = {each.name: asked(program, each) for each in written}
            lines = ",\n".join(
                f"{json.dumps(name)}: {json.dumps(each, sort_keys=True)}" for name, each in found.items()
            )
            file.with_suffix(".json").write_text(f"{{\n{lines}\n}}\n")
        theirs = answers(file)
        for one in written:
            for each in compared(one, theirs[one.name]):
                known = one.differs if each.result == "differs" else one.refused if each.result == "refused" else ""
                counts[f"{each.result}, as is said" if known else each.result] += 1
                if each.result != "agrees":
                    print(f"{file.stem}: {one.name} [{each.index}]: {each.result}: {known or each.text}")
    print(f"{sum(counts.values())} objects: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    main(sys.argv[1:])
