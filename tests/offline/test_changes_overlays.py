"""The requests between two revisions of a generated repository of overlays, which kustomize renders on both sides.

As in test_changes.py, the history is generated together with what each commit means: a base, and overlays that put it
into their namespaces and patch it. What an overlay makes follows from that without kustomize.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from tests.amounts import amount
from tests.git.repositories import imported
from tests.offline.states import Identity, State, expected, manifest, sent
from webhook.offline.rendering import KUSTOMIZE, Rendering

COMMITS: Final = 60
PAIRS: Final = amount(200, 5)
RENDERED: Final = Rendering(frozenset({KUSTOMIZE}))
KINDS: Final = ("ConfigMap", "Service", "Deployment")
CHANGES: Final = (
    *("add", "add", "edit", "delete", "move", "plain", "prefix"),
    *("add overlay", "add overlay", "drop overlay", "rename overlay", "rename overlay", "patch", "patch", "unpatch"),
)

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


class Overlay(Struct, frozen=True):
    """An overlay of one namespace. `patches`: the content of what it patches; `folder`: where it stands now."""

    folder: str
    patches: Mapping[tuple[str, str], int] = {}
    prefix: str = ""


class Repository(Struct, frozen=True):
    """`base`: the file and content of each object, by kind and name. `overlays`: by namespace. `plain`: other files."""

    base: Mapping[tuple[str, str], tuple[str, int]] = field(default_factory=lambda: {("ConfigMap", "kept"): ("a", 0)})
    overlays: Mapping[str, Overlay] = {}
    plain: Mapping[Identity, tuple[str, int]] = {}

    def state(self) -> State:
        """What a cluster has."""
        made: State = dict(self.plain)
        # What no other kustomization uses is rendered by itself.
        for namespace, overlay in (self.overlays or {"default": Overlay("base")}).items():
            for (kind, name), (_, content) in self.base.items():
                identity = kind, namespace, overlay.prefix + name
                made[identity] = overlay.folder, overlay.patches.get((kind, name), content)
        return made

    def files(self, comment: int) -> dict[str, str]:
        files: dict[str, list[str]] = {}
        for (kind, name), (file, content) in self.base.items():
            files.setdefault(f"base/{file}.yaml", []).append(manifest((kind, "", name), content, comment))
        for identity, (file, content) in self.plain.items():
            files.setdefault(f"plain/{file}.yaml", []).append(manifest(identity, content, comment))
        made = {name: "---\n".join(texts) for name, texts in files.items()}
        resources = ", ".join(sorted({f"{file}.yaml" for file, _ in self.base.values()}))
        made["base/kustomization.yaml"] = f"resources: [{resources}]\n"
        for namespace, overlay in self.overlays.items():
            patches = [
                manifest((kind, "", name), content, comment) for (kind, name), content in overlay.patches.items()
            ]
            for number, text in enumerate(patches):
                made[f"overlays/{overlay.folder}/patch-{number}.yaml"] = text
            named = ", ".join(f"{{path: patch-{number}.yaml}}" for number in range(len(patches)))
            made[f"overlays/{overlay.folder}/kustomization.yaml"] = (
                f"namespace: {namespace}\nnamePrefix: '{overlay.prefix}'\nresources: [../../base]\npatches: [{named}]\n"
            )
        return made


def changed(was: Repository, chance: random.Random) -> tuple[str, Repository]:
    """A repository after one change, and which one it is."""
    base, overlays, plain = dict(was.base), dict(was.overlays), dict(was.plain)
    what = chance.choice(CHANGES)
    key = chance.choice(sorted(base))
    namespace = chance.choice(("dev", "test", "prod"))
    overlay = overlays.get(namespace)
    match what:
        case "add":
            base.setdefault(
                (chance.choice(KINDS), f"o{chance.randrange(6)}"), (chance.choice("abc"), chance.randrange(5))
            )
        case "edit":
            base[key] = base[key][0], chance.randrange(5)
        case "move":
            base[key] = chance.choice("abc"), base[key][1]
        case "delete" if key[1] != "kept":
            del base[key]
            for each, held in overlays.items():
                patches = {name: content for name, content in held.patches.items() if name != key}
                overlays[each] = replace(held, patches=patches)
        case "add overlay" if overlay is None:
            overlays[namespace] = Overlay(namespace)
        case "drop overlay" if overlay is not None:
            del overlays[namespace]
        case "rename overlay" if overlay is not None:
            overlays[namespace] = replace(overlay, folder=f"{namespace}-{chance.randrange(3)}")
        case "patch" if overlay is not None and key[0] != "Service":  # whose ports are merged, not replaced
            overlays[namespace] = replace(overlay, patches={**overlay.patches, key: chance.randrange(5, 9)})
        case "unpatch" if overlay is not None:
            overlays[namespace] = replace(overlay, patches=dict(list(overlay.patches.items())[1:]))
        case "prefix" if overlay is not None:
            overlays[namespace] = replace(overlay, prefix=chance.choice(("", "a-")))
        case "plain":
            plain["ConfigMap", "default", f"p{chance.randrange(4)}"] = chance.choice("ab"), chance.randrange(5)
        case _:
            return "", was
    return what, Repository(base, overlays, plain)


def test_what_overlays_make_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    made, history, done = Repository(), list[Repository](), Counter[str]()
    for _ in range(COMMITS):
        for _ in range(chance.randint(1, 4)):
            what, made = changed(made, chance)
            done[what] += 1
        history.append(made)
    assert all(done[what] >= 3 for what in done), done
    folder = tmp_path / "repository"
    hashes = imported(folder, [each.files(number) for number, each in enumerate(history)])
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))  # of kubectl
    seen = Counter[str]()
    for _ in range(PAIRS):
        old, new = chance.sample(range(COMMITS), 2)
        got = sent(hashes[old], hashes[new], ["."], RENDERED)
        assert len(got) == len(set(got)), (old, new)
        assert set(got) == expected(history[old].state(), history[new].state()), (old, new)
        seen.update(operation for operation, *_ in got)
    assert seen.keys() == {"CREATE", "UPDATE", "DELETE"}
