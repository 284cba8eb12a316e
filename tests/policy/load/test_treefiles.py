"""The files of a policy tree: links, pipes and what else a folder may hold."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from threading import Thread

import pytest

from tests.policy.trees import BINDING, POLICY, loaded_files, wrong
from webhook.policy.load import treefiles
from webhook.policy.load.loading import PolicyTreeError, load, load_tree
from webhook.policy.load.treefiles import Packed, read_tree, stamp


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING).policies) == 1


def test_a_mounted_config_map_is_a_tree(tmp_path: Path) -> None:
    # Kubernetes mounts a ConfigMap as links into a folder that is swapped at once.
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "policy.yaml").write_text(dedent(POLICY))
    code = "from gatewright import validate\n@validate(resources=['v1/pods'])\ndef q(request): ..."
    (tmp_path / "..2026" / "policy.py").write_text(code)
    (tmp_path / "..data").symlink_to("..2026")
    for name in ("policy.yaml", "policy.py"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    assert [each.name for each in load(tmp_path).policies] == ["p", "q"]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.fixture
def in_time() -> Iterator[None]:
    """Opening a pipe that nobody writes to waits for ever: here it fails after some seconds."""

    def late(_signal: int, _frame: object) -> None:  # no OSError, which the loader would report
        pytest.fail("still waiting for a file")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("in_time")
class TestWhatIsNoRegularFile:
    @pytest.mark.parametrize("name", ["p.yaml", "p.json", "p.py"])
    @pytest.mark.parametrize(
        ("made", "called"), [(_pipe, "a named pipe"), (_socket, "a socket"), (_device, "a device")]
    )
    def test_is_refused_in_a_tree(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[Path], None], called: str, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)  # the path of a socket is at most 107 bytes long
        made(Path(name))
        [found] = wrong(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING)
        assert str(found) == (
            f"{tmp_path / name}: {called}, not a regular file; remove it, or give it a name that begins with _"
        )

    def test_is_left_out_under_other_names(self, tmp_path: Path) -> None:
        for name in ("_p.yaml", ".p.py", "control"):
            os.mkfifo(tmp_path / name)
        assert len(loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING).policies) == 1

    def test_is_no_python_policy_wherever_it_is_named(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "p.py")
        with pytest.raises(PolicyTreeError, match="cannot be read: it is not a regular file"):
            load(tmp_path / "p.py")

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (POLICY.replace('"false"', "nope"), "undeclared reference to 'nope'"),
            (f"{POLICY}   x: [\n", "p.yaml:11:"),
        ],
    )
    def test_is_read_once_where_it_is_the_tree(self, tmp_path: Path, content: str, expected: str) -> None:
        # As `check --policies <(kustomize build policies)` gives it; a second reading would wait for ever.
        os.mkfifo(tmp_path / "p.yaml")
        writing = Thread(target=(tmp_path / "p.yaml").write_text, args=(dedent(content),), daemon=True)
        writing.start()
        with pytest.raises(PolicyTreeError, match=expected):
            load(tmp_path / "p.yaml")
        writing.join()


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    listing = os.scandir

    def denied(path: str) -> object:  # root may list any folder
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", denied)
    [found] = wrong(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING)
    assert str(found) == f"{closed}: cannot be read: Permission denied"


def _written(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_the_revision_is_that_of_names_and_content(tmp_path: Path) -> None:
    first = read_tree(_written(tmp_path / "first", a_yaml="one", b_yaml="two"))
    assert first.revision == read_tree(_written(tmp_path / "second", a_yaml="one", b_yaml="two")).revision
    others = [
        _written(tmp_path / "content", a_yaml="one", b_yaml="two "),
        _written(tmp_path / "name", a_yaml="one", c_yaml="two"),
        _written(tmp_path / "cut", a_yaml="onet", b_yaml="wo"),
        _written(tmp_path / "fewer", a_yaml="one"),
    ]
    revisions = {read_tree(folder).revision for folder in others}
    assert len(revisions) == len(others)
    assert first.revision not in revisions
    parts = (_written(tmp_path / "left", a_yaml="one"), _written(tmp_path / "right", b_yaml="two"))
    assert read_tree(*parts).revision not in {first.revision, *revisions}


def test_what_is_loaded_is_what_was_read(tmp_path: Path) -> None:
    tree = read_tree(_written(tmp_path / "tree", policy_yaml=dedent(POLICY)))
    (tmp_path / "tree" / "policy.yaml").write_text("kind: [")
    assert [policy.name for policy in load_tree(tree).policies] == ["p"]


def test_a_tree_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treefiles, "MAX_BYTES", 1 << 20)
    folder = _written(tmp_path / "tree", a_yaml="#" * (1 << 19), b_yaml="#" * (1 << 19))
    assert read_tree(folder).problems == ()
    _written(folder, c_yaml="#")
    assert [each.message for each in read_tree(folder).problems] == ["larger than 1 MiB"]


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "a.yaml").write_text("more"),
        lambda tree: _written(tree, b_yaml=""),
        lambda tree: (tree / "a.yaml").unlink(),
        lambda tree: (tree / "a.yaml").rename(tree / "b.yaml"),
        lambda tree: (tree / "sub" / "c.py").write_text("# more"),
        lambda tree: (_written(tree, other="one"), (tree / "other").rename(tree / "a.yaml")),
        lambda tree: (tree.rename(tree.parent / "old"), _written(tree, a_yaml="one")),
        lambda tree: os.utime(tree / "a.yaml", ns=(0, 0)),
    ],
)
def test_a_change_has_another_stamp(tmp_path: Path, change: Callable[[Path], object]) -> None:
    tree = _written(tmp_path / "tree", a_yaml="one")
    _written(tree / "sub", c_py="")
    before = stamp([str(tree)])
    assert stamp([str(tree)]) == before
    _written(tree, **{".hidden": "", "notes.txt": ""})  # no policies
    assert stamp([str(tree)]) == before
    change(tree)
    assert stamp([str(tree)]) != before


def test_a_worktree_that_takes_the_place_of_another_has_another_stamp(tmp_path: Path) -> None:
    for commit in ("1", "2"):
        _written(tmp_path / commit, a_yaml="one")
    link = tmp_path / "link"
    link.symlink_to("1")
    before = stamp([str(link)])
    link.unlink()
    link.symlink_to("2")
    assert stamp([str(link)]) != before
    link.unlink()
    assert stamp([str(link)]) not in ((), before)  # and no error
    link.symlink_to("link")
    assert stamp([str(link)]) not in ((), before)


@pytest.mark.parametrize("name", ["out.yaml", "out.py", "folder"])
def test_a_link_out_of_the_tree_is_refused(tmp_path: Path, name: str) -> None:
    outside = _written(tmp_path / "outside", a_yaml="")
    tree = _written(tmp_path / "tree", a_yaml="")
    (tree / name).symlink_to(outside if name == "folder" else outside / "a.yaml")
    (tree / "inside.yaml").symlink_to("a.yaml")
    (problem,) = read_tree(tree).problems
    assert (problem.file, problem.message) == (str(tree / name), "cannot be read: it is a link out of the policy tree")


def test_nothing_is_listed_behind_a_link_out_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        _written(tmp_path / "outside" / str(number), a_yaml="") if number else _written(tmp_path / "outside")
    tree = _written(tmp_path / "tree", a_yaml="")
    (tree / "folder").symlink_to(tmp_path / "outside")
    (tree / "_ours").symlink_to(tmp_path / "outside")
    _written(tree / "sub", b_yaml="")
    (tree / "inside").symlink_to("sub")
    listed = list[Path]()
    listing = os.scandir

    def counted(path: Path) -> object:
        listed.append(Path(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", counted)
    stamp([str(tree)])
    assert listed == [tree, tree / "inside"]  # which is sub, too
    assert [each.name for each in read_tree(tree).files] == [str(tree / "a.yaml"), str(tree / "inside" / "b.yaml")]


@pytest.mark.parametrize(
    ("bound", "at_most", "said"),
    [("MAX_ENTRIES", 5, "more than 5 files and folders"), ("MAX_DEPTH", 3, "more than 3 folders in each other")],
)
def test_what_is_listed_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, at_most: int, said: str
) -> None:
    monkeypatch.setattr(treefiles, bound, at_most)
    tree = _written(tmp_path / "tree", a_yaml="", notes_txt="")
    deep = tree / "1" / "2" / "3"
    deep.mkdir(parents=True)
    assert read_tree(tree).problems == ()
    _written(deep / "4", b_yaml="")
    (problem,) = read_tree(tree).problems
    assert (problem.file, problem.message) == (str(tree), f"{said}; expected a policy tree")
    assert stamp([str(tree)]) == stamp([str(tree)])


def test_folders_in_each_other_without_end_are_refused(tmp_path: Path) -> None:
    tree = _written(tmp_path / "tree", a_yaml="")
    Path(tree, *("d" for _ in range(200))).mkdir(parents=True)
    assert [each.message for each in read_tree(tree).problems] == [
        "more than 64 folders in each other; expected a policy tree"
    ]


def test_a_tree_that_is_not_on_disk(tmp_path: Path) -> None:
    """Its files have names of their own, and alone it gives the revision."""
    packed = Packed("oci://x/y@sha256:0", (("a.yaml", dedent(POLICY).encode()),), "sha256:00")
    tree = read_tree("oci://x/y:z", packed={"oci://x/y:z": packed})
    assert (tree.revision, tree.problems, tree.packed) == ("sha256:00", (), (("oci://x/y:z", packed),))
    assert [policy.file for policy in load_tree(tree).policies] == ["oci://x/y@sha256:0/a.yaml"]
    folder = _written(tmp_path / "tree", b_yaml="1")
    both = [read_tree("oci://x/y:z", folder, packed={"oci://x/y:z": each}) for each in (packed, packed)]
    other = Packed(packed.shown, (("a.yaml", b"other"),), packed.revision)
    changed = read_tree("oci://x/y:z", folder, packed={"oci://x/y:z": other})
    assert both[0].revision == both[1].revision != changed.revision
    assert len(both[0].revision) == 16 and [file.name for file in both[0].files][1] == str(folder / "b.yaml")
