"""Runs the command `gatewright` in a process of its own, without the half second that importing it takes.

A process that has imported the command is started once, and forks for each run. What a run does to its memory, its
folder, its environment and its streams is gone with it. Like the command itself, that process has one thread.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT = 120  # seconds, of a run
_IMPORTED = (
    "pydantic", "typer.rich_utils", "typer._adapters", "webhook.cli.check", "webhook.cli.explain",
    "webhook.cli.manifests", "webhook.cli.test", "webhook.cli.progress", "webhook.cli.report.checkjson",
    "webhook.cli.report.checktext", "webhook.cli.report.explainjson", "webhook.cli.report.explaintext",
    "webhook.cli.report.testtext", "webhook.policy.load.loading", "webhook.policy.load.translate",
    "webhook.policy.python.models", "webhook.policy.python.running", "webhook.registration.configurations",
)  # fmt: skip

_MANIFEST = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"


class _Forking:
    """The process that forks. One for each process of tests, from the first run on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._folder: TemporaryDirectory[str] | None = None

    def run(
        self, arguments: tuple[str, ...], cwd: Path, stdin: str, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._folder is not None
        files = [Path(self._folder.name) / name for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(stdin, encoding="utf-8")
        order = {"arguments": arguments, "cwd": str(cwd), "env": env, "files": list(map(str, files))}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        stdout, stderr = (file.read_bytes().decode() for file in files[1:])
        return subprocess.CompletedProcess(["gatewright", *arguments], code, stdout, stderr)

    def _start(self) -> None:
        self._folder = TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.running"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def _end(self) -> None:
        assert self._process is not None
        assert self._folder is not None
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
        self._folder.cleanup()


_forking = _Forking()


def gatewright(
    *arguments: str | Path, cwd: Path, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A run of the command. `env`: its whole environment, else that of the tests."""
    return _forking.run(tuple(map(str, arguments)), cwd, stdin, dict(os.environ) if env is None else env)


def _serve() -> None:
    """Fork for each order on stdin, and write its exit code, or the negative number of its signal, to stdout."""
    for name in _IMPORTED:
        import_module(name)
    _warm()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _be(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _warm() -> None:
    """Run the command once, so that each run has what it keeps: tables of functions, schemas, compiled patterns."""
    from webhook.cli.main import main

    child = os.dup(1)
    with open(os.devnull, "w") as nowhere, TemporaryDirectory() as folder:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        manifest = Path(folder) / "manifest.yaml"
        manifest.write_text(_MANIFEST)
        sys.argv = ["gatewright", "check", "--policies", str(ROOT / "policies"), str(manifest)]
        try:
            main()
        except SystemExit:
            sys.stdout.flush()
        os.dup2(child, 1)
    os.close(child)
    gc.enable()


def _be(order: dict[str, Any]) -> None:
    """Become the command of an order: its folder, its environment, its streams."""
    from webhook.cli.main import main

    code: Any = 1
    try:
        for number, file in enumerate(order["files"]):
            descriptor = os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        sys.argv = ["gatewright", *order["arguments"]]
        sys.path[0] = order["cwd"]
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w", closefd=False),
            encoding="utf-8",
            errors="backslashreplace",
            write_through=True,
        )
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _serve()
