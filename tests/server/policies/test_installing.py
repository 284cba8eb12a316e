"""A tree is put in force whole or not at all, and what stands against it is said. In one process, without a port."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.server.direct import Direct
from tests.server.trees import policy
from tests.timing import HANGING
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import Tree, read_tree
from webhook.server.policies import installing
from webhook.server.policies.installing import Installer, NotInstalled
from webhook.versions import NEWEST


def tree(folder: Path, text: str) -> Tree:
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree" / "a.yaml").write_text(text)
    return read_tree(folder / "tree")


def installer(direct: Direct, seconds: float = 60) -> Installer:
    return Installer(direct.state, direct.metrics, NEWEST, seconds)


def test_a_tree_is_in_force_once_it_is_committed(tmp_path: Path) -> None:
    direct = Direct(tmp_path)
    installs = installer(direct)
    candidate = asyncio.run(installs.prepare(tree(tmp_path, policy("one"))))
    assert not direct.state.in_force.policies.validating
    installs.abandon(candidate)
    assert not direct.state.in_force.policies.validating
    installed = asyncio.run(installs.install(tree(tmp_path, policy("two"))))
    assert direct.state.in_force.policies is installed
    assert [each.name for each in installed.validating]


def test_a_tree_with_errors_is_not_installed_before_it_changes(tmp_path: Path) -> None:
    direct = Direct(tmp_path)
    with pytest.raises(NotInstalled, match=r"a\.yaml") as refused:
        asyncio.run(installer(direct).install(tree(tmp_path, "kind: [")))
    assert refused.value.lasting
    assert refused.value.problems
    assert not direct.state.in_force.policies.validating


def test_while_one_tree_is_loaded_another_is_refused_for_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct = Direct(tmp_path)
    goes_on = threading.Event()

    def slow(*given: object) -> object:
        assert goes_on.wait(HANGING)
        return load_tree(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(installing, "load_tree", slow)
    one = tree(tmp_path, policy("one"))
    installs = installer(direct, seconds=0.05)

    async def twice() -> None:
        with pytest.raises(NotInstalled, match=r"did not end within 0\.05 s") as late:
            await installs.install(one)
        assert not late.value.lasting
        with pytest.raises(NotInstalled, match="an earlier revision of the tree is still being loaded"):
            await installs.install(one)
        goes_on.set()
        while (loading := installs._loading) is None or not loading.done():
            await asyncio.sleep(0.01)

    asyncio.run(twice())
    asyncio.run(installer(direct).install(one))
    assert direct.state.in_force.policies.validating
