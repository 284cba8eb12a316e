"""The mutants of a policy in CEL, and how they are loaded: the changed object alone, in place of the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from webhook.documents.document import Document
from webhook.mutants import expressions, filetexts, rules
from webhook.mutants.fields import Fields
from webhook.mutants.mutant import Edit, Mutant, Named
from webhook.mutants.rules import Change
from webhook.paths import Path, lookup, render
from webhook.policy.cel.compilation import Compiled
from webhook.policy.cel.mutating import CELMutator
from webhook.policy.cel.validating import CELValidator
from webhook.policy.load.made import mutating_policy, validating_policy
from webhook.policy.policyset import Policy
from webhook.policy.written import model, refusals
from webhook.policy.written.policykinds import MUTATING, VALIDATING
from webhook.schema import Kinds, Schemas
from webhook.versions import Version

KINDS: Final = (VALIDATING, MUTATING)


def mutants(
    policy: Policy[Any], document: Document, file: str, kinds: Kinds, schemas: Schemas, version: Version
) -> Iterator[Mutant]:
    """The mutants of a policy that `document` defines, in the order of its expressions, then of its rules.

    file: the text of the document's file. What no test can notice is not changed: audit annotations, and texts that
    messages consist of.
    """
    evaluator = policy.evaluator
    if not isinstance(evaluator, CELValidator | CELMutator):
        return
    fields = Fields(policy, evaluator.variables, kinds, schemas, version)
    always = all(rule.operations <= {"CREATE", "UPDATE"} for rule in policy.match.rules)
    named = Named.of(policy.kind, policy.name)
    compiled: Compiled = {}  # most expressions of a mutant are those of the policy
    load = partial(_loaded, policy, document, version, compiled)
    for path, program in evaluator.programs():
        if path[1] == "auditAnnotations":
            continue
        known = expressions.Known(partial(fields.sibling, path), partial(fields.always, path) if always else _never)
        message = path[-1] == "messageExpression"
        for edit in expressions.edits(program.source, program.tree, known, message=message):
            yield _of_expression(policy, document, file, path, program.source, edit, named, load)
    for change in rules.changes(document.value):
        place = render(change.path[:-1] if isinstance(change.path[-1], int) else change.path)
        yield Mutant(
            named.id(place, change.change, change.before, change.after),
            ((policy.kind, policy.name),),
            change.change,
            change.before,
            change.after,
            partial(load, change),
            partial(filetexts.of_change, document, file, change),
        )


def _never(_offset: int) -> bool:
    return False


Load = Callable[[Change], tuple[Policy[Any], ...] | None]


def _of_expression(
    policy: Policy[Any], document: Document, file: str, path: Path, source: str, edit: Edit, named: Named, load: Load
) -> Mutant:
    before = source[edit.start : edit.end]
    change = Change(path, edit.applied(source), edit.change, before, edit.text)
    return Mutant(
        named.id(_place(document, path), edit.change, _around(source, edit), edit.text),
        ((policy.kind, policy.name),),
        edit.change,
        before,
        edit.text,
        partial(load, change),
        partial(filetexts.of_expression, document, file, path, source, edit),
    )


def _around(source: str, edit: Edit) -> str:
    """The text that an edit changes, with the words beside it: the same word may stand in many places."""
    before, after = source[: edit.start].split()[-_WORDS:], source[edit.end :].split()[:_WORDS]
    return " ".join((*before, "[", source[edit.start : edit.end], "]", *after))


_WORDS: Final = 3


def _place(document: Document, path: Path) -> str:
    """The place of an expression by the name of what it belongs to, if that has one: it stays when others are added."""
    name = lookup(document.value, (*path[:3], "name")) if len(path) > 3 else None
    return f"{path[1]}.{name}" if isinstance(name, str) else render(path)


def _loaded(
    policy: Policy[Any], document: Document, version: Version, compiled: Compiled, change: Change
) -> tuple[Policy[Any], ...] | None:
    """The policy with a change; None if the loader refuses it."""
    value = change.applied(document.value)
    made: Policy[Any]
    if policy.kind == VALIDATING:
        validating, faults = model.decode(model.ValidatingAdmissionPolicy, value)
        if faults or any(True for _ in refusals.of_policy(validating)):
            return None
        made, issues = validating_policy(validating, version, policy.file, policy.line, compiled)
    else:
        mutating, faults = model.decode(model.MutatingAdmissionPolicy, value)
        if faults or any(True for _ in refusals.of_mutating_policy(mutating)):
            return None
        made, issues = mutating_policy(mutating, version, policy.file, policy.line, compiled)
    if issues:
        return None
    evaluator = made.evaluator
    if isinstance(evaluator, CELMutator):
        known = policy.evaluator
        evaluator = evaluator.with_schemas(known.schemas).with_custom_kinds(known.custom)
    return (replace(made, held=evaluator, bindings=policy.bindings, exceptions=policy.exceptions),)
