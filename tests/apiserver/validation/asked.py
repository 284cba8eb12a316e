"""Kubernetes' own strategies asked of the same objects: `python -m tests.apiserver.validation.asked`.

They are asked in each version that `--kubernetes-version` may name (see ../strategies/main.go; tests.apiserver.minors
builds the program) about the committed objects (those of `refused`, and the manifests of tests/dryrun) and about
generated ones: created, updated, and updates of what may be wrong. It prints each object that is refused here and
accepted there, and each committed one of which other fields are refused; then a table.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import yaml
from msgspec import Struct, field

from tests import goprograms
from tests.apiserver import minors
from tests.apiserver.validation.cases import FOLDER, Object, cases, sound
from tests.dryrun import corpus as dryrun
from webhook.apiserver.validation import kinds
from webhook.schema import Kinds, spans
from webhook.versions import NEWEST, Version, shown

SEED: Final = 20261128
Pair = tuple[Object, Object | None]
"""An object, and the one that it replaces, if any."""

# What the API server shows of these differs: the whole template or list in Go's form, or a comparison after the text;
# an empty map or list that was sent, where the object that policies see has none.
CUT = ("spec.template: Invalid value: ", "spec.volumeClaimTemplates: Invalid value: ")
EMPTY = ("Invalid value: {}: ", "Invalid value: []: ", "Unsupported value: {}: ")

TEXTS = (
    *("", "a", "A", "a b", "x" * 64, "x" * 254, "-a", "a.b", "a/b", "a/b/c", "10%", "110%", "http", "80", "0", "-1"),
    *("1Gi", "-1Gi", "100m", "Always", "Never", "TCP", "None", "v1", "ü", "a_b", "..", "/", "/x", "*.a.b", "*", "In"),
    *("Exists", "kubernetes.io/x", "NoExecute", "Delete", "RollingUpdate", "ClusterIP", "metadata.name"),
)
NUMBERS = (0, 1, -1, 2, 80, 65535, 65536, 100_000, 600)


def ask(pairs: list[Pair], version: Version = NEWEST) -> list[dict[str, Any]]:
    """For each pair: `object`, as it is prepared, and `refused`; or `error`; or `unknown`, its strategy."""
    questions = [
        {"text": json.dumps(_met(new, old)), "old": json.dumps(_met(old, old)) if old is not None else ""}
        for new, old in pairs
    ]
    return goprograms.answers(minors.strategies(version), questions, "validate")


def _met(value: Object, old: Object | None) -> Object:
    """An object that is there has a version."""
    if old is None:
        return value
    return {**value, "metadata": {**value["metadata"], "resourceVersion": "1", "uid": "u"}}


def alike(text: str) -> str:
    """A text without what is shown in other ways."""
    for start in CUT:
        if text.startswith(start):
            return start + text.rpartition(": ")[2]
    for empty in EMPTY:
        text = text.replace(empty, empty[: empty.index("{" if "{" in empty else "[")] + "null: ")
    return text.partition("\n")[0]


class Mutations:
    """Random changes of objects: values of other fields of the name, none, or ones that are seldom right."""

    def __init__(self, seed: int, objects: list[Object]) -> None:
        self.random = random.Random(seed)
        self._known: dict[str, list[Any]] = {}
        for value in objects:
            for place, key in self._places(value):
                if isinstance(key, str):
                    self._known.setdefault(key, []).append(place[key])

    def of(self, value: Object) -> Object:
        """A changed copy."""
        made = copy.deepcopy(value)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self._change(made)
        made["metadata"] = {**(made.get("metadata") or {}), "name": value["metadata"]["name"]}
        if "namespace" in value["metadata"]:
            made["metadata"]["namespace"] = value["metadata"]["namespace"]
        return {**made, "apiVersion": value["apiVersion"], "kind": value["kind"]}

    def _places(self, value: Any) -> list[tuple[Any, Any]]:
        if not isinstance(value, dict | list):
            return []
        keys = list(value) if isinstance(value, dict) else range(len(value))
        found: list[tuple[Any, Any]] = []
        for key in keys:
            found += [(value, key), *self._places(value[key])]
        return found

    def _change(self, value: Object) -> None:
        pick = self.random.choice
        place, key = pick(self._places(value))
        old, how = place[key], self.random.random()
        if how < 0.25:
            del place[key]
        elif how < 0.4 and isinstance(old, list) and old:
            old.append(copy.deepcopy(pick(old)))
        elif how < 0.5 and isinstance(old, dict):
            name = pick(list(self._known))
            old[name] = copy.deepcopy(pick(self._known[name]))
        elif how < 0.65 and isinstance(key, str):
            place[key] = copy.deepcopy(pick(self._known.get(key, [old])))
        elif isinstance(old, bool):
            place[key] = not old
        elif isinstance(old, int):
            place[key] = pick(NUMBERS)
        elif isinstance(old, str):
            place[key] = pick(TEXTS)
        else:
            place[key] = type(old)()


def objects() -> list[Object]:
    """Objects to change: the sound ones, and the refused ones."""
    refused = [case.manifest for module in _modules() for case in cases(module)]
    return [*sound().values(), *sound().values(), *refused]


def _modules() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.yaml") if file.stem != "sound")


def created(seed: int, count: int) -> list[Pair]:
    """New objects."""
    values = objects()
    mutations = Mutations(seed, values)
    return [(mutations.of(mutations.random.choice(values)), None) for _ in range(count)]


def updated(seed: int, count: int) -> list[Pair]:
    """Updates of sound objects."""
    values = list(sound().values())
    mutations = Mutations(seed, objects())
    olds = [mutations.random.choice(values) for _ in range(count)]
    return [(mutations.of(old), old) for old in olds]


def touched(seed: int, count: int) -> list[Pair]:
    """Updates of objects that may be wrong: faults that stay, or are changed. The server tolerates few of them."""
    values = objects()
    mutations = Mutations(seed, values)
    pairs: list[Pair] = []
    for index in range(count):
        chosen = mutations.random.choice(values)
        old = mutations.of(chosen) if index % 2 else chosen
        new = mutations.of(old) if index % 3 else copy.deepcopy(old)
        new["metadata"] = {**(new.get("metadata") or {}), "annotations": {"touched": "x"}}
        pairs.append((new, old))
    return pairs


Sort = Callable[[int, int], list[Pair]]
"""Makes objects, or updates, of a seed and a count."""
SORTS: Final[tuple[Sort, ...]] = (created, updated, touched)


def committed() -> Iterator[tuple[str, Pair]]:
    """The committed objects, with their names."""
    for module in _modules():
        for case in cases(module):
            yield f"{module}: {case.name}", (case.manifest, case.old)
    for kind, manifest in sound().items():
        yield f"sound: {kind}", (manifest, None)
    for file in dryrun.files():
        for each in file.manifests:
            value = each.value
            if isinstance(value, dict) and isinstance(value.get("metadata"), dict) and not _addressed(value):
                yield f"{file.name}: {each.name}", (value, None)


def _addressed(value: Object) -> bool:
    """Whether it is a Service with an address: those the registry lists before its strategy is asked."""
    spec = value.get("spec")
    return value.get("kind") == "Service" and isinstance(spec, dict) and "clusterIP" in spec


class Judged(Struct):
    """How many objects Kubernetes accepts and refuses, and how many of these are refused here, and with the same texts.

    wrong: what is refused here, with the texts, and accepted there. unlike: committed objects of which other fields are
    refused: its name, the fields refused only here, and only there.
    """

    accepted: int = 0
    refused: int = 0
    found: int = 0
    equal: int = 0
    wrong: list[tuple[Pair, list[str]]] = field(default_factory=list)
    unlike: list[tuple[str, list[str], list[str]]] = field(default_factory=list)


def judge(pairs: list[Pair], version: Version = NEWEST, names: list[str] | None = None) -> Judged:
    """Compares the refusals of a version. What it cannot decode, or has no strategy for here, is left out."""
    made = Judged()
    prepared = iter(ask([(old, None) for _, old in pairs if old is not None], version))
    lasts = [None if old is None else next(prepared).get("object") for _, old in pairs]
    asked = [(new, last or old) for (new, old), last in zip(pairs, lasts, strict=True)]
    for place, ((new, old), answer) in enumerate(zip(pairs, ask(asked, version), strict=True)):
        before = lasts[place]
        if "object" not in answer or (old is not None and before is None):
            continue
        resource = Kinds.builtin(version).for_kind(new["apiVersion"], new["kind"])
        if resource is None:
            continue
        last = None if before is None else _met(before, before)
        found = kinds.refusals(answer["object"], namespaced=resource.namespaced, old=last, target=version)
        mine, theirs = {alike(error.text) for error in found}, set(map(alike, answer["refused"]))
        if mine and not theirs:
            made.wrong.append(((new, old), sorted(mine)))
        made.accepted += not theirs
        made.refused += bool(theirs)
        made.found += bool(theirs and mine)
        made.equal += bool(theirs) and mine == theirs
        if names is not None and (fields := _fields(mine)) != (others := _fields(theirs)):
            made.unlike.append((names[place], sorted(fields - others), sorted(others - fields)))
    return made


_INDEX = re.compile(r"\[\d++\]")


def _fields(texts: set[str]) -> set[str]:
    return {_INDEX.sub("", text.partition(": ")[0]) for text in texts}


def main(arguments: list[str]) -> int:
    """Prints the differences and the table; 1 if anything is refused here that a version accepts."""
    parser = argparse.ArgumentParser(prog="python -m tests.apiserver.validation.asked", description=__doc__)
    parser.add_argument("--version", action="append", help="such as 1.30; all by default")
    parser.add_argument("--seed", action="append", type=int, help="of the generated objects; may be repeated")
    parser.add_argument("--objects", type=int, default=1000, help="how many are generated of each of three sorts")
    given = parser.parse_args(arguments)
    rows: list[str] = []
    wrong = 0
    for version in spans.VERSIONS:
        if given.version and shown(version) not in given.version:
            continue
        named = list(committed())
        parts = {"committed": [judge([pair for _, pair in named], version, [name for name, _ in named])]}
        for sort in SORTS:
            seeds = given.seed or [SEED]
            parts[sort.__name__] = [judge(sort(seed, given.objects), version) for seed in seeds]
        for name, judged in parts.items():
            for each in judged:
                _print(f"{shown(version)} {name}", each)
                wrong += len(each.wrong)
            rows.append(_row(shown(version), name, judged))
    print("| version | objects | accepted | refused | found here | same texts | refused only here |")
    print("|---|---|---|---|---|---|---|", *rows, sep="\n")
    return int(wrong > 0)


def _print(what: str, judged: Judged) -> None:
    for pair, texts in judged.wrong:
        print(f"{what}: refused only here: {texts}\n{yaml.safe_dump(list(pair))}")
    for name, ours, theirs in judged.unlike:
        print(f"{what}: {name}: only here {ours}, only there {theirs}")


def _row(version: str, name: str, parts: list[Judged]) -> str:
    sums = [sum(getattr(each, column) for each in parts) for column in ("accepted", "refused", "found", "equal")]
    return "| " + " | ".join(map(str, (version, name, *sums, sum(len(each.wrong) for each in parts)))) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
