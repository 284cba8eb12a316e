"""Impact is what two whole runs come to, compared: on random pairs of trees, with no code of the saving shared."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from tests.amounts import amount
from tests.impact import randomtrees
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents import reader
from webhook.impact.corpus import Manifests
from webhook.impact.deciding import Counted, impacts
from webhook.impact.differences import Difference
from webhook.impact.sameness import compared
from webhook.impact.trees import Side
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import Located, Verdict, verdicts
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree

PAIRS = amount(1000, 200)
SEED = 12


def _side(folder: Path, texts: dict[str, str]) -> Side:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    tree = read_tree(folder)
    common = {name: name.removeprefix(str(folder)) for each in tree.files if (name := each.name).endswith(".py")}
    return Side(folder.name, load_tree(tree), tree, common=common)


def _whole_run(side: Side, text: str) -> dict[int, Verdict]:
    """The verdicts of one tree, as `check` comes to them, by the line of the object."""
    documents, _ = reader.parse(text, "objects.yaml")
    planned = plan(documents, Options(), side.policies.objects)
    policies = planned.defaulting(side.policies)
    view = ManifestsView([*side.policies.objects, *planned.objects], planned.kinds, assume_namespaces=True)
    return {verdict.document.line: verdict for verdict in verdicts(planned.requests, policies, view)}


def _said(verdict: Verdict) -> dict[tuple[str, str, str], Counter[tuple[str, bool]]]:
    found: dict[tuple[str, str, str], Counter[tuple[str, bool]]] = {}
    for each in verdict.findings:
        key = (each.finding.kind, each.finding.policy, each.finding.action)
        found.setdefault(key, Counter())[_text(each), each.finding.error] += 1
    return found


def _text(located: Located) -> str:
    """The message, without the file and line of a policy that failed: sides are in different folders."""
    return re.sub(r" \(/\S+/(\w+\.py):\d+, in policy\)", r" (\1)", located.message)


def _expected(old: Verdict, new: Verdict) -> Any:
    """What differs: texts by policy and action, mutated objects, whether it is denied."""
    was, now = _said(old), _said(new)
    texts = {
        key: (was.get(key, Counter()), now.get(key, Counter()))
        for key in {*was, *now}
        if was.get(key, Counter()) != now.get(key, Counter())
    }
    before = [(change.template, change.after) for change in old.changes]
    after = [(change.template, change.after) for change in new.changes]
    if not texts and repr(before) == repr(after):
        return None
    denied = [any(each.finding.action == "Deny" for each in verdict.findings) for verdict in (old, new)]
    return texts, repr(before) != repr(after), denied


def _found(difference: Difference) -> Any:
    if difference.was_denied != difference.is_denied:  # what turns an object is among its changes, by which a run fails
        turns = ("newly denied", "error came") if difference.is_denied else ("newly allowed", "error went")
        assert any(each.what in turns for each in difference.differing)
    assert difference.differing or difference.repatched
    texts: dict[Any, Any] = {}
    for each in difference.differing:
        action = next((name for name in ("Warn", "Audit") if name.lower() in each.what.lower()), "Deny")
        assert not each.what.startswith("error came") or any(located.finding.error for located in each.new)
        assert not each.what.startswith("error went") or any(located.finding.error for located in each.old)
        sides = [Counter((_text(located), located.finding.error) for located in side) for side in (each.old, each.new)]
        texts[(*each.policy, action)] = tuple(sides)
    return texts, bool(difference.repatched), [difference.was_denied, difference.is_denied]


def test_impact_is_what_two_whole_runs_come_to(tmp_path: Path) -> None:
    random = Random(SEED)
    seen: Counter[str] = Counter()
    for number in range(PAIRS):
        texts, text = randomtrees.pair(random), randomtrees.manifests(random)
        old, new = (
            _side(tmp_path / f"{number}" / name, each) for name, each in zip(("old", "new"), texts, strict=True)
        )
        was, now = _whole_run(old, text), _whole_run(new, text)
        expected = {line: found for line in now if (found := _expected(was[line], now[line])) is not None}

        documents, _ = reader.parse(text, "objects.yaml")
        for document in documents:
            document.pack()
        comparison, counted = compared(old, new), Counted()
        corpus = Manifests(documents, Options())
        found = {each.document.line: _found(each) for each in impacts(corpus, old, new, comparison, counted)}
        assert found == expected, f"pair {number}: {comparison.policies}"
        assert counted.objects == len(now)
        seen["objects"] += counted.objects
        seen["left out"] += counted.left_out
        seen["reused"] += counted.reused
        seen["differences"] += len(found)
        seen["nothing differs"] += not found
        for part in [each for parts in comparison.policies.values() for each in parts]:
            seen[part] += 1
        seen["apart"] += comparison.apart
        seen["secrets"] += comparison.secrets
        for line, verdict in now.items():
            seen["excepted"] += bool(verdict.excepted)
            seen["errors"] += any(each.finding.error for each in verdict.findings)
            if line in expected:
                seen["patches"] += expected[line][1]
                seen["denied otherwise"] += expected[line][2] == [True, True]
    assert min(seen.values()) >= amount(10, 5), seen  # the pairs are of all kinds
    print(seen)
