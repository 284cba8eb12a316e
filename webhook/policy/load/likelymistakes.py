"""Warnings about a tree that loads: rules that match nothing, folded comments, unknown fields, patches that fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from webhook.cel.check.literals import panicking
from webhook.cel.tree.errors import issue_at
from webhook.documents.reader import Document, Problem
from webhook.paths import lookup, render
from webhook.policy import unmatchable
from webhook.policy.cel import typechecking
from webhook.policy.deferred import Deferred
from webhook.policy.load.expressionplaces import folded_comment
from webhook.policy.load.problems import FOLDED, in_expression, problem, subject, warning
from webhook.policy.policyset import Binding, Policy
from webhook.policy.request import JSONObject
from webhook.policy.written.policykinds import MUTATING
from webhook.schema import Kinds, Schemas
from webhook.versions import Version

PANICS: Final = (
    "the API server (1.37) panics over an optional element whose type is dyn, and does not create the policy: instead "
    "of [?x] write x.hasValue() ? [x.value()] : []"
)
Key = tuple[str, str]
"""Kind and name of a policy."""


def warnings(
    policies: Mapping[Key, Policy[Any]],
    documents: Mapping[Key, Document],
    bindings: Iterable[tuple[Binding, Document]],
    objects: Sequence[JSONObject],
    version: Version,
) -> Iterator[Problem]:
    """The warnings. documents: of the policies in CEL. objects: the others of the tree, as definitions of kinds are."""
    kinds, schemas = Kinds.builtin(version).with_crds(objects), Schemas.builtin().with_crds(objects)
    defined = {lookup(each, ("spec", "group")) for each in objects if each["kind"] == "CustomResourceDefinition"}
    yield from _unmatched(policies, documents, bindings, kinds)
    for key, document in documents.items():
        policy = policies[key]
        # Of what is known to be faultless there are no warnings either, unless the tree defines its kinds.
        if isinstance(policy.held, Deferred) and not _is_about(policy, defined):
            continue
        evaluator = policy.evaluator
        if policy.language == "cel":
            for path, program in evaluator.programs():
                for node in panicking(program.tree):
                    issue = issue_at(program.source, node.offset, PANICS)
                    yield replace(in_expression(document, path, issue), rule="GW213")
                if folded := folded_comment(document, path):
                    found_at = problem(document, path, FOLDED)
                    excerpt = document.excerpt(folded)
                    yield replace(found_at, line=folded.line, column=folded.column, excerpt=excerpt, rule="GW210")
            found = typechecking.warnings(
                policy.match, policy.param_kind, evaluator.programs(), evaluator.variables, kinds, schemas
            )
            if policy.kind == MUTATING:
                from webhook.policy.cel import mutationchecking  # where there is such a policy

                found += mutationchecking.warnings(policy.match, evaluator.configurations(), kinds, schemas)
            for path, issue in found:
                yield replace(in_expression(document, path, issue), rule="GW201")


def _is_about(policy: Policy[Any], groups: set[Any]) -> bool:
    """Whether a policy may be about kinds of these groups."""
    named = {group for rule in policy.match.rules for group in rule.groups}
    if policy.param_kind is not None:
        named.add(policy.param_kind.api_version.rpartition("/")[0])
    return bool(groups) and ("*" in named or not groups.isdisjoint(named))


def _unmatched(
    policies: Mapping[Key, Policy[Any]],
    documents: Mapping[Key, Document],
    bindings: Iterable[tuple[Binding, Document]],
    kinds: Kinds,
) -> Iterator[Problem]:
    """Rules that match nothing, and selectors without effect, of policies and bindings."""
    served = unmatchable.Served(kinds)
    for key, policy in policies.items():
        document = documents.get(key)
        for rule, path, message in unmatchable.findings(policy.match, served):
            if document is None:
                where = f"{policy.kind} '{policy.name}': {message}"
                yield Problem(policy.file, policy.line, None, where, rule=rule)
            else:
                yield warning(document, path, f"{subject(document)}: {render(path)}: {message}", rule)
    for binding, document in bindings:
        bound = policies.get((binding.kind.removesuffix("Binding"), binding.policy))
        if binding.match is None or bound is None:
            continue
        for rule, path, message in unmatchable.findings(
            binding.match, served, unmatchable.RESOURCES, bound.match.rules
        ):
            yield warning(document, path, f"{subject(document)}: {render(path)}: {message}", rule)
