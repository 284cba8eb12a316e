"""What a policy may not do while it runs."""

from __future__ import annotations

import _thread
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import binding, request, tree, verdict
from webhook.policy.python import forbidding
from webhook.policy.python.forbidding import Forbidden, Forbidding, refusal


def test_files_network_and_processes_are_refused_in_the_block_only(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with Forbidding():
        for act in (
            lambda: file.write_text("x"),
            lambda: Path("/etc/passwd").read_text(),
            lambda: Path(os.__file__).write_text("x"),
            lambda: list(Path("/").iterdir()),
            lambda: socket.create_connection(("127.0.0.1", 1)),
            lambda: subprocess.run(["true"], check=False),
            lambda: os.system("true"),
            file.unlink,
        ):
            with pytest.raises(Forbidden, match=r"^a policy may (not read or write files|have no network, proc)"):
                act()
    file.write_text("x")
    assert not os.system("true")


@pytest.mark.parametrize(
    ("event", "arguments", "file", "allowed"),
    [
        ("open", ("/lib/zone/Rome", "r", os.O_RDONLY), "p.py", True),
        ("open", ("/lib/zone/Rome", "w", os.O_WRONLY | os.O_CREAT), "p.py", False),
        ("open", ("/lib/zone/Rome", "r+", os.O_RDWR), "p.py", False),
        ("open", ("/lib/../etc/passwd", "r", os.O_RDONLY), "p.py", False),
        ("open", ("/library", "r", os.O_RDONLY), "p.py", False),
        ("open", ("relative", "r", os.O_RDONLY), "p.py", False),
        ("open", (7, "r", os.O_RDONLY), "p.py", False),  # a descriptor
        ("open", ("/etc/passwd", "r", os.O_RDONLY), "<frozen importlib._bootstrap_external>", True),
        ("os.listdir", ("/lib/zone",), "p.py", True),
        ("os.listdir", ("/etc",), "p.py", False),
        ("os.scandir", (None,), "p.py", False),
        ("os.listdir", (), "p.py", False),
        ("os.system", (b"true",), "p.py", False),
        ("socket.connect", (), "<frozen importlib._bootstrap>", False),
    ],
)
def test_only_files_of_libraries_may_be_read(event: str, arguments: tuple[Any, ...], file: str, allowed: bool) -> None:
    said = refusal(event, arguments, file, ("/lib/",))
    assert (said is None) is allowed
    assert said is None or said.endswith(f" ({event})")


def test_a_whole_process_can_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the hook, which could not be taken back; with it: tests/server/python/test_isolation.py."""
    for module, name in forbidding._STARTS:
        if hasattr(module, name):
            monkeypatch.setattr(module, name, getattr(module, name))  # set back at the end
    installed: list[bool] = []
    monkeypatch.setattr(forbidding, "_install", lambda *, whole: installed.append(whole))
    forbidding.forbid()
    assert installed == [True]
    with pytest.raises(Forbidden, match="threads"):
        _thread.start_new_thread(print, ())
    with pytest.raises(Forbidden, match="threads"):
        threading.Thread(target=print).start()


def test_importing_and_time_zones_work() -> None:
    code = """
import sys
from webhook.policy.python.forbidding import Forbidding
with Forbidding():
    import colorsys, calendar, zoneinfo
    zoneinfo.ZoneInfo("Europe/Berlin") if zoneinfo.TZPATH else None
    zoneinfo.available_timezones
    __import__("datetime").datetime.strptime("2020", "%Y")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Forbidden" not in done.stderr, done.stderr


def test_other_threads_are_not_affected(tmp_path: Path) -> None:
    inside, over = threading.Event(), threading.Event()

    def policy() -> None:
        with Forbidding():
            inside.set()
            over.wait()

    thread = threading.Thread(target=policy)
    thread.start()
    inside.wait()
    (tmp_path / "x").write_text("x")
    over.set()
    thread.join()


def test_it_is_an_evaluation_error_of_the_policy(tmp_path: Path) -> None:
    policies = tree(
        tmp_path,
        """
        @validate(resources=["v1/pods"])
        def p(request):
            import logging
            logging.FileHandler("/tmp/a-policy-was-here")
        """,
        binding("p"),
    )
    decision = verdict(policies, request())
    assert not decision.allowed
    assert "Forbidden: a policy may not read or write files (open)" in decision.message
    assert not Path("/tmp/a-policy-was-here").exists()
