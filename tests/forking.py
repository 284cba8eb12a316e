"""Starts the command `gatewright` without the half second or more that Python and its imports take.

A process that has imported what a subcommand needs forks for each run. What a run does to its memory, its folder, its
environment and its streams is gone with it. The process that forks has one thread, and imports for `serve` only when a
server is wanted first.

A run differs from one of the installed command in how it began: no interpreter was started, modules that it would have
imported are there, and so are tables, schemas and patterns that a run of the shipped policies made. Tests of what is
imported, of memory, of variables that Python itself reads, and of streams that are closed start Python.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, NoReturn

ROOT: Final = Path(__file__).parents[1]
_MOST: Final = 1 << 20  # bytes of an order
_PID, _CODE = struct.Struct("=q"), struct.Struct("=q")
_FOR_ALL: Final = (
    "pydantic", "typer.rich_utils", "typer._adapters", "webhook.cli.check", "webhook.cli.explain",
    "webhook.cli.manifests", "webhook.cli.test", "webhook.cli.progress", "webhook.cli.report.jsonformat",
    "webhook.cli.report.text", "webhook.cli.report.checked", "webhook.cli.report.writing", "webhook.cli.reporting",
    "webhook.cli.report.explainjson", "webhook.cli.report.explaintext",
    "webhook.cli.report.tested", "webhook.policy.load.loading", "webhook.policy.load.translate",
    "webhook.policy.python.models", "webhook.policy.python.running", "webhook.registration.configurations",
)  # fmt: skip
_FOR_SERVE: Final = ("webhook.cli.serve", "webhook.server.life.process")
_MANIFEST: Final = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"


class Process:
    """A run of the command: the part of subprocess.Popen that tests use, of a process that is not our child."""

    def __init__(self, status: int, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._status = status  # the pid, and at its end the exit code, or the negative number of its signal
        (self.pid,) = _PID.unpack(self._read(_PID.size))

    def poll(self) -> int | None:
        """The exit code, None as long as it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired("gatewright", timeout or 0)
            (self.returncode,) = _CODE.unpack(self._read(_CODE.size))
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and its exit code is on the way
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self, size: int) -> bytes:
        found = os.read(self._status, size)
        if len(found) != size:
            raise RuntimeError("the process that forks has ended: see what it wrote to stderr")
        return found


class _Forking:
    """The process that forks. One for each process of tests, from the first run on."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def order(self, order: dict[str, Any], descriptors: Sequence[int]) -> None:
        if self._control is None:
            self._control = self._start()
        socket.send_fds(self._control, [json.dumps(order).encode()], descriptors)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.forking", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        atexit.register(self._end)
        return ours

    def _end(self) -> None:
        assert self._control is not None
        assert self._process is not None
        self._control.close()
        self._process.wait()


_forking = _Forking()


def start(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str],
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Process:
    """A run of the command. It reads and writes these descriptors: nothing, and two pipes, if they are not given."""
    with contextlib.ExitStack() as stack:

        def pipe() -> tuple[int, int]:
            reading, writing = os.pipe()
            stack.callback(os.close, writing)
            return reading, writing

        status, report = pipe()
        streams: list[IO[bytes] | None] = []
        given = []
        for descriptor in (stdout, stderr):
            reading, writing = pipe() if descriptor is None else (None, descriptor)
            streams.append(None if reading is None else os.fdopen(reading, "rb"))
            given.append(writing)
        if stdin is None:
            stdin = os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, stdin)
        order = {"arguments": arguments, "cwd": str(cwd or Path.cwd()), "env": dict(env)}
        _forking.order(order, [stdin, *given, report])
    return Process(status, *streams)


class _Serving:
    """In the process that forks: its children, by the descriptors that say when one has ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._imported: set[str] = set()

    def serve(self) -> Callable[[], None]:
        """Fork for each order, until there are no more. Returns in each child, with what it has to do."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._ended(key)
                    continue
                text, descriptors, _, _ = socket.recv_fds(self._control, _MOST, 4)
                if not text:
                    self._end()
                order = json.loads(text)
                self._prepare(order["arguments"])
                child = os.fork()
                if child == 0:
                    return lambda: _be(order, descriptors)
                report = descriptors[-1]
                os.write(report, _PID.pack(child))
                for descriptor in descriptors[:-1]:
                    os.close(descriptor)
                self._selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, report))

    def _ended(self, key: selectors.SelectorKey) -> None:
        child, report = key.data
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            os.write(report, _CODE.pack(os.waitstatus_to_exitcode(status)))
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        os.close(report)

    def _end(self) -> NoReturn:
        for key in self._selector.get_map().values():
            if key.data is not None:
                os.kill(key.data[0], signal.SIGKILL)
        sys.exit()

    def _prepare(self, arguments: list[str]) -> None:
        kind = "serve" if arguments[:1] == ["serve"] else "check"
        if kind in self._imported:
            return
        if not self._imported:
            for name in _FOR_ALL:
                import_module(name)
            _warm()
        if kind == "serve":
            for name in _FOR_SERVE:
                import_module(name)
        self._imported |= {"check", kind}
        gc.collect()
        gc.freeze()


def _warm() -> None:
    """Run the command once, so that each run has what it keeps: tables of functions, schemas, compiled patterns."""
    from webhook.cli.main import main

    with TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.yaml"
        manifest.write_text(_MANIFEST)
        sys.argv = ["gatewright", "check", "--policies", str(ROOT / "policies"), str(manifest)]
        try:
            main()
        except SystemExit:
            sys.stdout.flush()
    gc.enable()


def _be(order: dict[str, Any], descriptors: list[int]) -> None:
    """Become the command of an order: its folder, its environment, its streams."""
    for number, descriptor in enumerate(descriptors[:-1]):
        os.dup2(descriptor, number)
    os.closerange(3, max(os.sysconf("SC_OPEN_MAX"), 4096))
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.argv = ["gatewright", *order["arguments"]]
    sys.path[0] = order["cwd"]
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # type: ignore[misc]  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", closefd=False
    )
    sys.stderr.reconfigure(line_buffering=True)
    from webhook.cli.main import main

    if order["arguments"][:1] == ["serve"]:
        main()  # and the end of the interpreter, with its threads
    _end_at_once(main)


def _end_at_once(main: Callable[[], None]) -> NoReturn:
    """The end without what the interpreter does then, which takes longer than many a run."""
    code: Any = 1
    try:
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
    _Serving(socket.socket(fileno=int(sys.argv[1]))).serve()()
