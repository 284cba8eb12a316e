"""What Kubernetes' own strategies refuse of the same objects: see ../strategies/main.go."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.apiserver.validation.cases import FOLDER, Object, cases, sound
from webhook.apiserver.validation import kinds
from webhook.schema import Kinds

SOURCE = Path(__file__).parents[1] / "strategies"
SEED = 20261128

# What the API server shows of these differs: the whole template or list in Go's form, or a comparison after the text;
# an empty map or list that was sent, where the object that policies see has none.
CUT = ("spec.template: Invalid value: ", "spec.volumeClaimTemplates: Invalid value: ")
EMPTY = ("Invalid value: {}: ", "Invalid value: []: ", "Unsupported value: {}: ")


def ask(pairs: list[tuple[Object, Object | None]]) -> list[dict[str, Any]]:
    """For each object and the one that it replaces: `object`, as it is prepared, and `refused`; or `error`."""
    questions = [
        {"text": json.dumps(_met(new, old)), "old": json.dumps(_met(old, old)) if old is not None else ""}
        for new, old in pairs
    ]
    return goprograms.answers(goprograms.built(SOURCE), questions, "validate")


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


@pytest.mark.parametrize("module", sorted(file.stem for file in FOLDER.glob("*.yaml") if file.stem != "sound"))
def test_cases(module: str) -> None:
    known = cases(module)
    for case, answer in zip(known, ask([(case.manifest, case.old) for case in known]), strict=True):
        refused = list(map(alike, answer["refused"]))
        if case.manifest["kind"] == "Job" and case.old is not None:  # the strategy sets its selector on creation
            refused = [text for text in refused if "elector" not in text]
        assert sorted(map(alike, case.refused)) == sorted(refused), case.name


def test_sound() -> None:
    for answer in ask([(manifest, None) for manifest in sound().values()]):
        assert answer["refused"] == []


TEXTS = (
    *("", "a", "A", "a b", "x" * 64, "x" * 254, "-a", "a.b", "a/b", "a/b/c", "10%", "110%", "http", "80", "0", "-1"),
    *("1Gi", "-1Gi", "100m", "Always", "Never", "TCP", "None", "v1", "ü", "a_b", "..", "/", "/x", "*.a.b", "*", "In"),
    *("Exists", "kubernetes.io/x", "NoExecute", "Delete", "RollingUpdate", "ClusterIP", "metadata.name"),
)
NUMBERS = (0, 1, -1, 2, 80, 65535, 65536, 100_000, 600)


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
    modules = [file.stem for file in FOLDER.glob("*.yaml") if file.stem != "sound"]
    refused = [case.manifest for module in sorted(modules) for case in cases(module)]
    return [*sound().values(), *sound().values(), *refused]


def judge(pairs: list[tuple[Object, Object | None]]) -> tuple[int, int, int]:
    """The numbers of accepted and refused objects, and of those that are refused with the same texts."""
    accepted = refused = equal = 0
    olds = ask([(old, None) for _, old in pairs if old is not None])
    prepared = iter(olds)
    for (new, old), answer in zip(pairs, ask(pairs), strict=True):
        before = next(prepared) if old is not None else None
        if "error" in answer or (before is not None and "error" in before):
            continue  # it cannot be decoded
        resource = Kinds.builtin().for_kind(new["apiVersion"], new["kind"])
        assert resource is not None
        last = None
        if before is not None and old is not None:
            last = {**before["object"], "metadata": {**before["object"]["metadata"], **old["metadata"]}}
        found = kinds.refusals(answer["object"], namespaced=resource.namespaced, old=last)
        mine, theirs = {alike(error.text) for error in found}, set(map(alike, answer["refused"]))
        assert theirs or not mine, (new, mine)
        accepted += not theirs
        refused += bool(theirs)
        equal += bool(theirs) and mine == theirs
    return accepted, refused, equal


def test_created() -> None:
    values = objects()
    mutations = Mutations(SEED, values)
    pairs: list[tuple[Object, Object | None]] = [
        (mutations.of(mutations.random.choice(values)), None) for _ in range(3000)
    ]
    accepted, refused, equal = judge(pairs)
    assert accepted > 200
    assert equal > 0.6 * refused


def test_updated() -> None:
    values = list(sound().values())
    mutations = Mutations(SEED, objects())
    pairs: list[tuple[Object, Object | None]] = []
    for _ in range(2000):
        old = mutations.random.choice(values)
        pairs.append((mutations.of(old), old))
    accepted, refused, equal = judge(pairs)
    assert accepted > 200
    assert equal > 0.5 * refused


def test_updates_of_what_was_refused() -> None:
    """Faults that stay, or are changed: the server tolerates few of them."""
    values = objects()
    mutations = Mutations(SEED, values)
    pairs: list[tuple[Object, Object | None]] = []
    for index in range(3000):
        chosen = mutations.random.choice(values)
        old = mutations.of(chosen) if index % 2 else chosen
        new = mutations.of(old) if index % 3 else copy.deepcopy(old)
        new["metadata"] = {**(new.get("metadata") or {}), "annotations": {"touched": "x"}}
        pairs.append((new, old))
    accepted, refused, equal = judge(pairs)
    assert accepted > 200
    assert equal > 0.75 * refused
