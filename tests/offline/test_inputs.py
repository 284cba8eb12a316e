"""The requests of a run, seen from what was there before: nothing, other files, or a revision."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.git.repositories import Made
from webhook.documents.ignoring import Ignoring
from webhook.git.repository import GitError
from webhook.offline.inputs import Asked, Inputs, asked
from webhook.offline.rendering import KUSTOMIZE, Rendering
from webhook.offline.requests import Options
from webhook.policy.policyset import PolicySet

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata: {{a: {}}}\n"
NO_POLICIES = PolicySet([])
EACH_WAY = (Inputs(["deploy"]), Inputs(["deploy"], old="deploy"), Inputs(["deploy"], since="HEAD"))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    made = Made(tmp_path / "repository")
    monkeypatch.chdir(made.folder)
    made.commit({"deploy/a.yaml": CONFIG.format("a", 1), "deploy/b.yaml": CONFIG.format("b", 1)})
    (made.folder / "deploy/b.yaml").unlink()
    (made.folder / "deploy/a.yaml").write_text(CONFIG.format("a", 2))
    (made.folder / "deploy/c.yaml").write_text(CONFIG.format("c", 1) + "data: {}\n")
    return made


def sent(found: Asked) -> list[tuple[str, str]]:
    return [(each.request.operation, each.request.name) for each in found.requests]


def of(inputs: Inputs, stdin: bytes = b"") -> Asked:
    return asked(inputs, Options(), NO_POLICIES, io.BytesIO(stdin))


def test_what_was_before(made: Made) -> None:
    (made.folder / "was.yaml").write_text(CONFIG.format("a", 1) + "---\n" + CONFIG.format("z", 1))
    created = of(Inputs(["deploy"]))
    old = of(Inputs(["deploy"], old="was.yaml"))
    since = of(Inputs(["deploy"], since="HEAD"))
    assert sent(created) == [("CREATE", "a"), ("CREATE", "c")]
    assert sent(old) == [("UPDATE", "a"), ("CREATE", "c"), ("DELETE", "z")]
    assert sent(since) == [("UPDATE", "a"), ("CREATE", "c"), ("DELETE", "b")]
    for found in (created, old, since):
        assert found.problems == []
        assert [each.file for each in found.warnings] == ["deploy/c.yaml"]  # a key that stands there twice
        assert [each["metadata"]["name"] for each in found.planned.objects] == ["a", "c"]
    assert created.notes == []
    assert old.notes == ["against was.yaml: 1 created, 1 updated, 1 deleted"]
    assert since.notes[0].endswith(" and the work tree: 1 created, 1 updated, 1 deleted, 0 unchanged")


def test_stdin_is_either_side(made: Made) -> None:
    text = (CONFIG.format("a", 1) + "---\n" + CONFIG.format("z", 1)).encode()
    assert sent(of(Inputs(["-"]), text)) == [("CREATE", "a"), ("CREATE", "z")]
    assert sent(of(Inputs(["deploy/a.yaml"], old="-"), text)) == [("UPDATE", "a"), ("DELETE", "z")]


def test_exclusions_and_rendering_are_of_every_side(made: Made, tmp_path: Path) -> None:
    tool = Rendering(frozenset({KUSTOMIZE}))
    (made.folder / "deploy/kustomization.yaml").write_text("resources: [missing.yaml]\n")
    for inputs in EACH_WAY:
        assert "kustomization" in " ".join(of(inputs).notes)
        assert any("cannot be rendered" in each.message for each in of(replace(inputs, rendering=tool)).problems)
        assert sent(of(replace(inputs, exclude=Ignoring(["*.yaml"], "--exclude")))) == []


def test_strict_is_about_the_manifests_as_they_are_now(made: Made) -> None:
    (made.folder / "deploy/values.yaml").write_text("a: 1\n")
    for inputs in EACH_WAY:
        (problem,) = of(replace(inputs, strict=True)).problems
        assert problem.file == "deploy/values.yaml"


def test_nothing_at_all(made: Made) -> None:
    (made.folder / "empty.yaml").write_text("# nothing\n")
    made.commit({"gone.yaml": CONFIG.format("a", 1)})
    for paths, named in (
        (["empty.yaml"], "empty.yaml"),
        (["-"], "<stdin>"),
        (["empty.yaml", "-"], "empty.yaml and 1 more"),
    ):
        found = of(Inputs(paths))
        assert found.empty
        assert found.nothing(paths, "explain").file == named
        assert found.nothing(paths, "explain").message == "no objects in it to explain"
    (made.folder / "gone.yaml").unlink()
    assert not of(Inputs(["gone.yaml"], since="HEAD")).empty  # something is deleted


def test_what_cannot_be_used(made: Made) -> None:
    with pytest.raises(GitError, match="names no commit"):
        of(Inputs(["deploy"], since="nope"))
