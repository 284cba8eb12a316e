"""Charts and kustomizations as objects: helm, kustomize or kubectl render them, as they are installed.

What a tool prints is read as a stream that is named as the folder which was rendered. Of Helm's output each document is
of the template that its `# Source:` line names; of kustomize's, of the file that its annotation of the origin names, or
that alone has an object of its identity; else of the chart's or the kustomization's own file.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.document import Document, Problem
from webhook.documents.reader import parsed
from webhook.offline.kustomizedfrom import Taken, root_file

HELM: Final = "helm"
KUSTOMIZE: Final = "kustomize"

MAX_OUTPUT: Final = 256 << 20
"""Bytes that a tool may print, as of any other stream."""

SECONDS: Final = 300.0
"""The time that a tool may take for one chart or kustomization."""

ORIGIN: Final = "config.kubernetes.io/origin"
"""The annotation that kustomize writes with `buildMetadata: [originAnnotations]`. Source: kustomize's documentation."""

_SHOWN: Final = 2_000  # characters of what a tool says when it fails


class Rendering(Struct, frozen=True):
    """What is rendered: the tools (HELM, KUSTOMIZE), and for Helm the files with values and the namespace."""

    tools: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    namespace: str = ""


class Rendered(Struct, frozen=True):
    """The objects of one chart or kustomization."""

    documents: list[Document]
    problems: list[Problem]
    warnings: list[Problem]


def renderers(how: Rendering) -> Mapping[str, Callable[[str], Rendered]]:
    """What renders a folder, by what it is: "chart", "kustomization"."""
    kinds = {HELM: "chart", KUSTOMIZE: "kustomization"}
    return {kinds[tool]: partial(rendered, tool, how=how) for tool in how.tools}


def rendered(tool: str, folder: str, how: Rendering) -> Rendered:
    """The objects that a tool makes of a folder; a tool that is missing or fails is a problem, in its own words."""
    command = _kustomize(folder) if tool is KUSTOMIZE else _helm(folder, how)
    if not command:
        programs = "neither kustomize nor kubectl is" if tool is KUSTOMIZE else "helm is not"
        return Rendered([], [Problem(folder, None, None, f"cannot be rendered: {programs} installed")], [])
    try:
        output = _output(command)
    except _Failed as error:
        return Rendered([], [Problem(folder, None, None, f"cannot be rendered: {error}")], [])
    contents = parsed(output, folder)
    documents = _of_kustomize(contents.documents, folder) if tool is KUSTOMIZE else _of_helm(contents.documents, folder)
    return Rendered(
        documents,
        [each.problem for each in contents.unread],
        contents.warnings,
    )


def _kustomize(folder: str) -> list[str]:
    if program := shutil.which("kustomize"):
        return [program, "build", "--", folder]
    program = shutil.which("kubectl")
    return [program, "kustomize", "--", folder] if program else []


def _helm(folder: str, how: Rendering) -> list[str]:
    program = shutil.which("helm")
    if program is None:
        return []
    namespace = [f"--namespace={how.namespace}"] if how.namespace else []
    values = [f"--values={each}" for each in how.values]
    return [program, "template", *namespace, *values, "--include-crds", "--", _release(folder), folder]


def _release(folder: str) -> str:
    """A name for the release: that of the chart's folder, as far as Helm takes it."""
    name = "".join(each if each.isalnum() and each.isascii() else "-" for each in Path(folder).resolve().name.lower())
    return name.strip("-")[:53].rstrip("-") or "release"


def _of_helm(documents: Sequence[Document], folder: str) -> list[Document]:
    """`# Source: web/templates/a.yaml` begins with the chart's name, which need not be that of its folder."""
    root = root_file(folder)
    return [
        replace(
            each,
            file=root if each.file == each.stream else os.path.join(folder, each.file.partition("/")[2]),  # noqa: PTH118
        )
        for each in documents
    ]


def _of_kustomize(documents: Sequence[Document], folder: str) -> list[Document]:
    root, taken = root_file(folder), None
    made = []
    for each in documents:
        file = _origin(each.value, folder)
        if not file:
            taken = taken or Taken(folder)
            file = taken.source(each.value) or root
        made.append(replace(each, file=file))
    return made


def _origin(value: object, folder: str) -> str:
    """The file that kustomize's annotation of the origin names; "" without one, or of another repository."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    origin = annotations.get(ORIGIN) if isinstance(annotations, dict) else None
    lines = origin.splitlines() if isinstance(origin, str) else []
    paths = [line.removeprefix("path: ") for line in lines if line.startswith("path: ")]
    if not paths or any(line.startswith("repo: ") for line in lines):
        return ""
    return os.path.normpath(os.path.join(folder, paths[0]))  # noqa: PTH118  # as named


class _Failed(Exception):
    pass


def _output(command: Sequence[str]) -> bytes:
    """What a program prints. Raises _Failed with its own words, and for one that prints or takes too much."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603  # a list; paths stand behind `--`
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
        except OSError as error:
            raise _Failed(f"{command[0]}: {error.strerror}") from None
        late = threading.Event()

        def stop() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(SECONDS, stop)
        timer.start()
        try:
            with process:
                output = process.stdout.read(MAX_OUTPUT + 1) if process.stdout is not None else b""
                if len(output) > MAX_OUTPUT:
                    _end(process)
        finally:
            timer.cancel()
            _end(process)
        shown = shlex.join([Path(command[0]).name, *command[1:]])
        if late.is_set():
            raise _Failed(f"{shown} took more than {SECONDS:.0f} s")
        if len(output) > MAX_OUTPUT:
            raise _Failed(f"{shown} printed more than {MAX_OUTPUT >> 20} MiB")
        if process.returncode:
            said.seek(0)
            lines = said.read(_SHOWN).decode(errors="replace").splitlines()
            words = "; ".join(line.strip() for line in lines if line.strip()) or "it says nothing"
            raise _Failed(f"{shown} failed with exit code {process.returncode}: {words}")
        return output


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with what it has started, such as git for a remote base."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
