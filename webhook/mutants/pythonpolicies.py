"""The mutants of the policies of a Python file, and how they are loaded: the changed file, imported in memory.

The file on disk is neither written nor read again. While the cases of a mutant run, its module stands in place of the
file's own.
"""

from __future__ import annotations

import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec.structs import replace

from webhook.mutants import filetexts, pythonsource
from webhook.mutants.mutant import Edit, Mutant, Named
from webhook.policy.load.made import python_policy
from webhook.policy.load.treefiles import TreeFile
from webhook.policy.policyset import Policy
from webhook.policy.python.importing import declarations
from webhook.policy.python.running import PythonMutator
from webhook.versions import Version

_MODULES = "gatewright_policy_"


def mutants(
    policies: Sequence[Policy[Any]], file: TreeFile, imports: Sequence[str], version: Version
) -> Iterator[Mutant]:
    """The mutants of the policies that a file declares, in the order of its text.

    A change within a decorated function is noticed by the tests of this policy; any other by those of all policies.
    """
    text = importlib.util.decode_source(file.content)
    by_line = {policy.line: policy for policy in policies}
    names = tuple(sorted({policy.name for policy in policies}))
    named = Named.of("python", *names)
    for place in pythonsource.edits(text):
        edit = place.edit
        of = [by_line[place.line]] if place.line in by_line else policies
        before = text[edit.start : edit.end]
        yield Mutant(
            named.id(place.scope, edit.change, _around(text, edit), edit.text),
            tuple((policy.kind, policy.name) for policy in of),
            edit.change,
            before,
            edit.text,
            partial(_loaded, of, file, text, edit, imports, version),
            partial(filetexts.of_text, file.name, text, edit),
        )


def _around(text: str, edit: Edit) -> str:
    """The text that an edit changes, with the rest of its line: many edits of a file change the same word."""
    first = text.rfind("\n", 0, edit.start) + 1
    last = text.find("\n", edit.end)
    return " ".join((text[first : edit.start], text[edit.start : edit.end], text[edit.end : last])).strip()


def _loaded(
    policies: Sequence[Policy[Any]], file: TreeFile, text: str, edit: Edit, imports: Sequence[str], version: Version
) -> tuple[Policy[Any], ...] | None:
    """The policies of the changed file; None if it is refused, or does not declare them any more."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(file.content).readline)
    try:
        content = edit.applied(text).encode(encoding)
    except UnicodeEncodeError:
        return None
    declared, problems = declarations(file.name, content, imports)
    if problems:
        return None
    made: dict[tuple[str, str], Policy[Any]] = {
        (each.kind, each.name): python_policy(each, version) for each in declared
    }
    if any((policy.kind, policy.name) not in made for policy in policies):
        return None
    return tuple(_bound(made[policy.kind, policy.name], policy) for policy in policies)


def _bound(made: Policy[Any], policy: Policy[Any]) -> Policy[Any]:
    evaluator = made.evaluator
    if isinstance(evaluator, PythonMutator) and isinstance(policy.evaluator, PythonMutator):
        evaluator = evaluator.with_custom_kinds(policy.evaluator.custom)
    return replace(made, held=evaluator, bindings=policy.bindings, exceptions=policy.exceptions)


@contextmanager
def modules_kept() -> Iterator[None]:
    """Within this, importing a policy file replaces its module for a while only."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith(_MODULES)}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith(_MODULES)]:
            del sys.modules[name]
        sys.modules.update(kept)
