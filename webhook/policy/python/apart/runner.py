"""A runner: imports policies, and runs one on one request at a time, as the server tells it to over a socket.

The kernel limits it: at the deadline a timer's signal ends the process, whatever it does, after it has written where
the policy was (faulthandler, to the output that the server reads). Its memory is limited, and it can write no file.

The server sends `{"load": FILE, "text": …, "seconds": …}`, answered by `{"loaded": true}`, and
`{"run": [KIND, NAME], "request": …, "params": …, "cluster": …, "seconds": …}`, answered by `{"result": …, "said": …}`.
In between the policy's lookups are `{"ask": METHOD, "with": […]}`, answered by `{"answer": …}`, `{"error": …}` or
`{"stop": true}`, if the answer comes later and the policy is to be run again then.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any, Final

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster.view import Answer, NotCached, Unanswered, UnknownKind
from webhook.policy.python import printing
from webhook.policy.python.apart import frames
from webhook.policy.python.declaring import Declaration, Source
from webhook.policy.python.forbidding import forbid
from webhook.policy.python.importing import declared_in
from webhook.policy.python.running import PythonMutator, PythonValidator
from webhook.policy.reviewing import Review
from webhook.policy.written.policykinds import VALIDATING
from webhook.schema import Kinds

SHOW: Final = signal.SIGUSR1
"""Has a runner write to its output where it is."""

_DESCRIPTORS: Final = 64
"""The most open files: importing needs some."""

_PARAMS: Final = 64


def run(server: socket.socket, output: int, memory: int) -> None:
    """Serve the server until it closes its end, in a process that does nothing else.

    output: the descriptor for what C code prints, and for where the policy was at its deadline. memory: the most bytes
    that the process may take beside what it has.
    """
    os.set_blocking(output, False)  # else a policy that fills it would hold up the signal that ends it
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    said = printing.keep()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGALRM, file=2, all_threads=False, chain=True)
    faulthandler.register(SHOW, file=2, all_threads=True)
    _limit(memory)
    forbid()
    Runner(server, said).serve()


def ended_first() -> None:
    """Let the system end this process before the server, if memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit(memory: int) -> None:
    ended_first()
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        pages = int(file.read().split()[0])
    for limit, most in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        resource.setrlimit(limit, (most, most))


class Runner:
    """Serves one server, in this process."""

    def __init__(self, server: socket.socket, said: printing.Said) -> None:
        self._server = server
        self._said = said
        self._declarations: dict[tuple[str, str], Declaration] = {}
        self._params: dict[bytes, Any] = {}

    def serve(self) -> None:
        """Do what the server says until it closes its end, or memory has run out."""
        whole = True
        while whole:
            try:
                order = frames.received(self._server)
            except (EOFError, ConnectionError):
                return
            try:
                answer = self._loaded(order) if "load" in order else self._run(order)
            except MemoryError:  # while reading the request, or writing the result
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                answer = {"memory": True}
                whole = False
            self._server.sendall(frames.framed(answer))

    def _loaded(self, order: dict[str, Any]) -> dict[str, Any]:
        source = Source(order["load"], order["text"].encode("utf-8", "surrogateescape"))
        signal.setitimer(signal.ITIMER_REAL, order["seconds"])
        declared, _ = declared_in(source)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for each in declared:
            self._declarations[each.kind, each.name] = each
        return {"loaded": True, "said": self._said.taken()}

    def _run(self, order: dict[str, Any]) -> dict[str, Any]:
        declaration = self._declarations.get((order["run"][0], order["run"][1]))
        if declaration is None:
            return {"missing": True}
        request = frames.request_from(order["request"])
        cluster = _Cluster(self._server) if order["cluster"] else None
        review = Review(request, cluster, lambda _: None, runs=Here())
        params = self._kept(order["params"])
        validates = declaration.kind == VALIDATING
        result: Any
        signal.setitimer(signal.ITIMER_REAL, order["seconds"])
        try:
            if validates:
                evaluation = PythonValidator(declaration).evaluated_here(review, params)
            else:
                edited = PythonMutator(declaration).edited_here(review, params)
        except Unanswered:
            return {"stopped": True}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        if cluster is not None and cluster.stopped:
            return {"stopped": True}
        result = frames.evaluation_of(evaluation) if validates else frames.edited_of(edited)
        return {"result": result, "said": self._said.taken()}

    def _kept(self, params: Any) -> Any:
        """The same object for the same params: models are cached by the identity of what they were made of."""
        text = frames.framed(params)
        if len(self._params) >= _PARAMS:
            self._params.clear()
        return self._params.setdefault(text, params)


class Here:
    """Runs policies here, in a process that the kernel ends at the deadline."""

    def evaluation(self, validator: PythonValidator, review: Review, params: Any) -> Any:
        return validator.evaluated_here(review, params)

    def edited(self, mutator: PythonMutator, review: Review, params: Any) -> Any:
        return mutator.edited_here(review, params)

    def over(self) -> None:
        """Nothing: the timer is stopped with the evaluation."""


class _Cluster:
    """The server's view of the cluster."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.stopped = False

    @property
    def kinds(self) -> Kinds:
        return Kinds.builtin()

    def namespace(self, name: str) -> Answer:
        return self.get("v1", "Namespace", name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        return Answer(*self._asked("get", api_version, kind, name, namespace))

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        return Answer(*self._asked("list", api_version, kind, namespace))

    def authorize(self, access: Access) -> AccessDecision:
        return AccessDecision(*self._asked("authorize", *access))

    def _asked(self, method: str, *about: Any) -> Any:
        self._server.sendall(frames.framed({"ask": method, "with": about}))
        match frames.received(self._server):
            case {"answer": answer}:
                return answer
            case {"unknown": [api_version, kind]}:
                raise UnknownKind(api_version, kind)
            case {"not cached": text}:
                raise NotCached(text)
            case {"no access": text}:
                raise AccessUnknown(text)
        self.stopped = True
        raise Unanswered("asked again")
