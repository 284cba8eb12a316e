"""Imports Python policy files, and returns the policies that they declare, or problems.

A file is imported by path, as a module with a unique name, so that files with the same name do not collide. sys.path is
not changed, and no bytecode is written into the policy tree. A policy file can import the modules that policies are
allowed (webhook.policy.python.allowed), but not other files of the tree. What it prints goes to stderr.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path as FilePath
from types import ModuleType

from msgspec.structs import replace

from webhook.digests import sha256
from webhook.documents.reader import Problem
from webhook.policy.python import printing
from webhook.policy.python.allowed import refused
from webhook.policy.python.declaring import Declaration, Declared, Proof, Source, declaring
from webhook.policy.python.decorators import PolicyDefinitionError
from webhook.policy.python.forbidding import Forbidding


def declarations(
    file: str, source: bytes, imports: Collection[str] = (), *, trusted: bool = False
) -> tuple[list[Declaration], list[Problem]]:
    """The policies of a file with this name and content, and its problems. With a problem, there are no policies.

    imports: modules that policies may import beside webhook.policy.python.allowed.DEFAULT. trusted: nothing in the file
    is refused, which is known already (webhook.policy.load.faultless).
    """
    if trusted:
        return declared_in(Source(file, source))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None  # importing it says why
    if tree is not None:
        faults = [Problem(file, line, None, message) for line, message in refused(tree, imports)]
        if faults:
            return [], faults
    return declared_in(Source(file, source))


def declared_in(source: Source) -> tuple[list[Declaration], list[Problem]]:
    """The policies of the text of a file, and its problems."""
    file = source.file
    found = Declared(file)
    token = declaring.set(found)
    try:
        with Forbidding(), printing.to_stderr():
            _import(file, source.text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a policy file may raise anything, also SystemExit
        return [], [*_wrong_decorators(found), _problem(error, file)]
    finally:
        declaring.reset(token)
    if found.wrong:
        return [], _wrong_decorators(found)
    # Functions that an imported library decorates are not policies of this file.
    own = [declaration for declaration in found.policies if declaration.file == file]
    proof = Proof(source.text)
    return [replace(each, proof=proof, source=source) for each in own], []


class _Loader:
    """Runs source that has been read already. Tracebacks show the file's name as the user gave it.

    importlib.abc, which has such loaders, imports importlib.resources and with it tempfile and random.
    """

    def __init__(self, file: str, source: bytes) -> None:
        self._file = file
        self._source = source

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The module is made as any other."""

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, self._file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - a policy

    def get_source(self, fullname: str) -> str:
        """The text, which tracebacks show."""
        return importlib.util.decode_source(self._source)


def _import(file: str, source: bytes) -> None:
    stem = re.sub(r"\W", "_", FilePath(file).stem)
    # Of the name as it was given, not of the real path: that differs for each commit in the worktrees of git-sync, and
    # modules would add up.
    name = f"gatewright_policy_{sha256(bytes(FilePath(file).absolute())).hexdigest()[:12]}_{stem}"
    loader = _Loader(file, source)
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader, origin=file))  # type: ignore[arg-type]
    module.__file__ = file
    module.__dict__["print"] = printing.print_of_policy
    # Dataclasses and pydantic models look up their module by name. Loading a file again replaces its module; if that
    # fails, the previous module stays.
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        if previous is None:
            del sys.modules[name]
        else:
            sys.modules[name] = previous
        raise


def _wrong_decorators(found: Declared) -> list[Problem]:
    return [_problem(error, found.file, line) for line, error in found.wrong]


def _problem(error: BaseException, file: str, line: int | None = None) -> Problem:
    """The problem that an exception of a file is. line: where it was raised, unless its traceback says so."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return Problem(file, error.lineno, error.offset, f"not Python: {error.msg}")
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    line = line or next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
    text = re.sub(r"\s+", " ", str(error)).strip()[:500]
    if isinstance(error, PolicyDefinitionError):
        return Problem(file, line, None, text)
    if isinstance(error, TypeError) and text.startswith(("validate()", "mutate()")):
        decorator = text.partition("(")[0]
        expected = f"expected a form such as @{decorator}(resources=['v1/pods'])"
        return Problem(file, line, None, f"@{decorator}: {text}; {expected}")
    return Problem(file, line, None, f"cannot be imported: {type(error).__name__}{': ' if text else ''}{text}")
