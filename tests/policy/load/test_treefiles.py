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
from webhook.policy.load.loading import PolicyTreeError, load


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
