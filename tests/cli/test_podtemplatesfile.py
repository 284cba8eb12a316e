from pathlib import Path

import pytest

from webhook.cli.podtemplatesfile import read


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_of_the_current_folder_is_read_if_it_is_there(folder: Path) -> None:
    assert read(None)[1] == []
    (folder / "gatewright.yaml").write_text(
        "podTemplates:\n  pipelines.shop.example: ['spec.steps[*].template', spec.last]\n"
        "  rollouts.argoproj.io: spec.pod\n"
    )
    custom, problems = read(None)
    assert problems == []
    found = custom.of("pipelines", "shop.example")
    assert found is not None
    assert (found.places, found.controller) == (("spec.steps[*].template", "spec.last"), None)
    rollout = custom.of("rollouts", "argoproj.io")
    assert rollout is not None
    assert (rollout.places, rollout.controller) == (("spec.pod",), ("kube-system", "replicaset-controller"))
    assert custom.of("clonesets", "apps.kruise.io") is not None
    assert custom.of("pods", "") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "1:1: expected a mapping with podTemplates"),
        ("podTemplate: {}\n", "1:1: unknown setting 'podTemplate'; there is podTemplates"),
        ("podTemplates: [a]\n", "1:1: podTemplates: expected a mapping of PLURAL.GROUP to a path of fields"),
        ("podTemplates:\n  Rollout.argoproj.io: spec\n", "2:3: 'Rollout.argoproj.io': expected PLURAL.GROUP"),
        ("podTemplates:\n  rollouts: spec\n", "2:3: 'rollouts': expected PLURAL.GROUP"),
        ("podTemplates:\n  a.b: spec..x\n", "2:3: a.b: expected a path of fields"),
        ("podTemplates:\n  a.b: [5]\n", "2:3: a.b: expected a path of fields"),
        ("podTemplates: {}\npodTemplates: {}\n", "2:1: duplicate key 'podTemplates'"),
        ("podTemplates: {}\n---\na: 1\n", "1:1: expected one document"),
        ("a: [\n", "2:1: not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, problem: str, folder: Path) -> None:
    (folder / "s.yaml").write_text(text)
    _, problems = read(Path("s.yaml"))
    assert len(problems) == 1
    assert str(problems[0]).startswith(f"s.yaml:{problem}")


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    assert [str(each) for each in read(Path("x.yaml"))[1]] == ["x.yaml: cannot be read: No such file or directory"]
