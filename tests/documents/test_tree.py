import os
from pathlib import Path

from webhook.documents.files import MAX_DEPTH, TOO_DEEP, Unreadable, named
from webhook.documents.ignoring import Ignoring
from webhook.documents.tree import Tree


def found(tree: Tree) -> list[str]:
    return [os.path.relpath(each.file, tree.root) for each in tree.files(set())]


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_what_kubectl_reads_is_found_hidden_files_too(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", "_off.yml", ".web.json", ".github/x.yaml", "a/Kustomization", "a/c.YAML", "a/d.txt")
    assert found(Tree(str(tmp_path))) == [".github/x.yaml", ".web.json", "_off.yml", "a/Kustomization", "b.yaml"]


def test_the_folder_of_git_is_not_walked(tmp_path: Path) -> None:
    write(tmp_path, ".git/refs/heads/x.yaml", "sub/.git/y.yaml", ".gitea/z.yaml")
    assert found(Tree(str(tmp_path))) == [".gitea/z.yaml"]


def test_templates_of_a_chart_know_it_and_charts_in_charts_are_not_named(tmp_path: Path) -> None:
    write(tmp_path, "c/Chart.yaml", "c/templates/sub/a.yaml", "c/crds/b.yaml", "c/charts/d/Chart.yaml")
    write(tmp_path, "c/charts/d/templates/e.yaml", "templates/f.yaml")
    tree = Tree(str(tmp_path))
    charts = {os.path.relpath(each.file, tmp_path): each.chart for each in tree.files(set())}
    assert tree.charts == [str(tmp_path / "c")]
    within = sorted(file for file, chart in charts.items() if chart)
    assert within == ["c/charts/d/templates/e.yaml", "c/templates/sub/a.yaml"]


def test_links_are_followed_once_and_broken_ones_named(tmp_path: Path) -> None:
    write(tmp_path, "a/x.yaml")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "a" / "loop").symlink_to("..")
    (tmp_path / "y.yaml").symlink_to("a/x.yaml")
    (tmp_path / "z.yaml").symlink_to("nowhere")
    entries = list(Tree(str(tmp_path)).files(set()))
    assert [os.path.relpath(each.file, tmp_path) for each in entries] == ["a/x.yaml", "z.yaml"]
    assert entries[1].entry == Unreadable("cannot be read: a link to 'nowhere', which does not exist")


def test_a_file_has_a_name_that_is_no_link_if_it_has_one(tmp_path: Path) -> None:
    """Whatever the names sort to; what only links lead to comes last."""
    write(tmp_path, "sub/a.yaml", "z/b.yaml", ".hidden/c.yaml")
    (tmp_path / "a.yaml").symlink_to("sub/a.yaml")
    (tmp_path / "b").symlink_to("z")
    (tmp_path / "sub" / "Chart.yaml").symlink_to("../z/b.yaml")
    (tmp_path.parent / f"{tmp_path.name}-beside").mkdir()
    (tmp_path.parent / f"{tmp_path.name}-beside" / "d.yaml").write_text("")
    (tmp_path / "beside").symlink_to(f"../{tmp_path.name}-beside")
    tree = Tree(str(tmp_path))
    assert found(tree) == [".hidden/c.yaml", "sub/a.yaml", "z/b.yaml", "beside/d.yaml"]
    assert tree.charts == [str(tmp_path / "sub")]


def test_what_is_excluded_is_named_and_not_entered(tmp_path: Path) -> None:
    write(tmp_path, "v/a.yaml", "v/b.yaml", "c.yaml", "d.yaml")
    tree = Tree(str(tmp_path), [(tmp_path, Ignoring(["v/", "/c.yaml"], "--exclude"))])
    assert found(tree) == ["d.yaml"]
    assert tree.excluded.by == {"--exclude": [str(tmp_path / "c.yaml"), f"{tmp_path}/v/"]}


def test_names_below_the_current_folder_are_as_short_as_can_be(tmp_path: Path) -> None:
    write(tmp_path, "a/x.yaml")
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        assert [each.file for each in Tree(".").files(set())] == ["a/x.yaml"]
    finally:
        os.chdir(here)


def test_links_out_of_the_repository_are_unreadable(tmp_path: Path) -> None:
    outside, repository = tmp_path / "outside", tmp_path / "repository"
    for folder in (outside, repository / "deploy", repository / "common"):
        folder.mkdir(parents=True)
        (folder / "a.yaml").write_text("a: 1\n")
    (repository / "deploy" / "common").symlink_to("../common")
    (repository / "deploy" / "file.yaml").symlink_to("../../outside/a.yaml")
    (repository / "deploy" / "folder").symlink_to(outside)

    def unreadable() -> dict[str, bool]:
        found = Tree(str(repository / "deploy")).files(set())
        return {os.path.relpath(each.file, repository / "deploy"): isinstance(each.entry, Unreadable) for each in found}

    assert unreadable() == {"a.yaml": False, "common/a.yaml": False, "file.yaml": False}  # the folder holds it again
    (repository / ".git").mkdir()
    assert unreadable() == {"a.yaml": False, "common/a.yaml": False, "file.yaml": True, "folder": True}


def test_folders_in_each_other_are_bounded(tmp_path: Path) -> None:
    deepest = Path(tmp_path, *("d" for _ in range(MAX_DEPTH)))
    write(tmp_path, "a.yaml")
    write(deepest, "b.yaml")
    assert len(found(Tree(str(tmp_path)))) == 2
    write(deepest, "d/c.yaml", "d/d/e.yaml")
    assert [each.entry for each in Tree(str(tmp_path)).files(set()) if isinstance(each.entry, Unreadable)] == [TOO_DEEP]
    assert [path for _, path in named(str(tmp_path), set()) if isinstance(path, Unreadable)] == [TOO_DEEP]
