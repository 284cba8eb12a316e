"""The input of the rules: the files of a policy tree, the objects in them, and the policies if they load."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.cel import Program
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import issue_at
from webhook.cel.tree.sourcespans import Spans
from webhook.documents import reader
from webhook.documents.reader import Document, Position, Problem
from webhook.excerpts import Excerpt
from webhook.lint.alarms import Alarm, Edit
from webhook.lint.outcomes import Known, Outcomes
from webhook.paths import ROOT, Path, lookup, render
from webhook.policy.cel.mutating import CELMutator
from webhook.policy.cel.validating import CELValidator
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.load.expressionplaces import place
from webhook.policy.load.treefiles import Tree, TreeFile
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.policy.request import DELETE, OPERATIONS
from webhook.policy.unmatchable import Served
from webhook.policy.written import policykinds
from webhook.schema import Kinds
from webhook.versions import Version

AnyPolicy = Policy[Validator | Mutator]

Key = tuple[str, str]
"""Kind and name of an object."""

_TEST: Final = "PolicyTest"


class Module(Struct, frozen=True):
    """A Python file of the tree: its text, and its syntax tree."""

    file: str
    text: str
    tree: ast.Module


class Subject:
    """A policy tree under lint.

    policies: None if the tree does not load; then `problems` has the reasons. newer: the problems that the tree does
    not have for the newest Kubernetes version. registrations: webhook configurations that are not in the tree. now:
    seconds since the epoch.
    """

    def __init__(
        self,
        tree: Tree,
        policies: PolicySet | None,
        problems: tuple[Problem, ...],
        newer: frozenset[Problem],
        target: Version,
        now: float,
        registrations: tuple[Document, ...] = (),
    ) -> None:
        self.tree = tree
        self.problems = problems
        self.newer = newer
        self.target = target
        self.now = now
        self.documents: tuple[Document, ...] = tuple(_documents(tree.files))
        self.modules: tuple[Module, ...] = tuple(_modules(tree.files))
        self.registrations = registrations
        self._policies = policies
        self._outcomes: dict[tuple[int, Known], Outcomes] = {}
        self._spans: dict[int, Spans] = {}

    @property
    def loaded(self) -> bool:
        """Whether the tree loads. Rules that need its policies run only if it does."""
        return self._policies is not None

    @property
    def policies(self) -> PolicySet:
        """The policies. Only for a tree that loads."""
        if self._policies is None:
            raise ValueError("the tree does not load")
        return self._policies

    @cached_property
    def kinds(self) -> Kinds:
        """The kinds that the Kubernetes version serves, and those that the tree defines."""
        return Kinds.builtin(self.target).with_crds(each.value for each in self.documents)

    @cached_property
    def served(self) -> Served:
        return Served(self.kinds)

    @cached_property
    def _named(self) -> Mapping[Key, Document]:
        return {key_of(document): document for document in self.documents}

    def document(self, of: AnyPolicy | Binding) -> Document | None:
        """The document of a policy or binding; None for a policy in Python."""
        return self._named.get((of.kind, of.name))

    def of_kind(self, *kinds: str) -> Iterator[Document]:
        """The documents of these kinds."""
        return (document for document in self.documents if document.value["kind"] in kinds)

    @cached_property
    def tests(self) -> tuple[Document, ...]:
        """The PolicyTests of the tree."""
        return tuple(each for each in self.of_kind(_TEST) if policykinds.is_own(each.value["apiVersion"]))

    def in_cel(self) -> Iterator[tuple[AnyPolicy, Document]]:
        """The policies in CEL, each with its document."""
        for policy in self.policies.policies:
            document = self.document(policy)
            if policy.language == "cel" and document is not None:
                yield policy, document

    def outcomes(self, policy: AnyPolicy, known: Known) -> Outcomes:
        """The outcomes of the expressions of a policy."""
        key = (id(policy), known)
        if key not in self._outcomes:
            self._outcomes[key] = Outcomes(variables_of(policy), known)
        return self._outcomes[key]

    # Alarms

    def alarm(
        self,
        rule: str,
        document: Document,
        path: Path,
        message: str,
        edits: tuple[Edit, ...] = (),
        remedy: str = "",
        *,
        value: bool = False,
    ) -> Alarm:
        """An alarm at the key or item at `path`. value: whether it is about the value, which the excerpt then shows."""
        position, end = document.position(path), None
        written = document.written(path) if path != ROOT and document.exact(path) else None
        if written is not None and written.start.line == written.end.line:
            if value:
                position, end = written.start, written.end.column
            elif isinstance(path[-1], int):
                end = written.end.column
        return _of(rule, document, position, message, render(path), end=end, edits=edits, remedy=remedy)

    def of_policy(self, rule: str, policy: AnyPolicy, path: Path, message: str) -> Alarm:
        """An alarm at a path of a policy; for a policy in Python at its decorator."""
        document = self.document(policy) if policy.language == "cel" else None
        if document is not None:
            return self.alarm(rule, document, path, message)
        found = Alarm(
            rule=rule, message=message, file=policy.file, line=policy.line, column=1, kind=policy.kind, name=policy.name
        )
        return self._shown(found)

    def in_expression(
        self, rule: str, document: Document, path: Path, program: Program, at: Expr | int, message: str
    ) -> Alarm:
        """An alarm at a node of an expression, or at an offset of its source."""
        start, end = (at, at) if isinstance(at, int) else self._span(program, at)
        issue = issue_at(program.source, start, message)
        found = place(document, path, issue)
        stop = None
        if found.exact and end > start:
            last = document.position_in(path, end - 1)
            if last is not None and last.line == found.position.line:
                stop = last.column + 1
        return _of(rule, document, found.position, message, render(path), end=stop, excerpt=found.excerpt)

    def in_module(self, rule: str, module: Module, node: ast.AST, message: str) -> Alarm:
        """An alarm at a node of a Python file: an expression or a statement."""
        if not isinstance(node, ast.expr | ast.stmt):
            raise TypeError(type(node).__name__)
        line = module.text.split("\n")[node.lineno - 1]
        column = len(line.encode()[: node.col_offset].decode(errors="replace")) + 1
        end = None
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            end = len(line.encode()[: node.end_col_offset].decode(errors="replace")) + 1
        return Alarm(
            rule=rule,
            message=message,
            file=module.file,
            line=node.lineno,
            column=column,
            end=end,
            excerpt=Excerpt(line.rstrip("\r"), column, node.lineno),
        )

    def _span(self, program: Program, node: Expr) -> tuple[int, int]:
        spans = self._spans.get(id(program))
        if spans is None:
            spans = self._spans[id(program)] = Spans(program.source)
        return spans.of(node)

    def _shown(self, alarm: Alarm) -> Alarm:
        """The alarm with an excerpt of its line in a Python file."""
        for module in self.modules:
            if module.file == alarm.file and alarm.line:
                lines = module.text.split("\n")
                if alarm.line <= len(lines):
                    return replace(alarm, excerpt=Excerpt(lines[alarm.line - 1].rstrip("\r"), 1, alarm.line))
        return alarm


def _of(
    rule: str,
    document: Document,
    position: Position,
    message: str,
    path: str,
    *,
    end: int | None = None,
    excerpt: Excerpt | None = None,
    edits: tuple[Edit, ...] = (),
    remedy: str = "",
) -> Alarm:
    kind, name = key_of(document)
    return Alarm(
        rule=rule,
        message=message,
        file=document.stream,
        line=position.line,
        column=position.column,
        end=end,
        path=path,
        kind=kind,
        name=name,
        excerpt=excerpt or document.excerpt(position),
        edits=edits,
        remedy=remedy,
    )


def of_problem(rule: str, problem: Problem) -> Alarm:
    """A problem of loading as an alarm."""
    return Alarm(
        rule=rule,
        message=problem.message,
        file=problem.file,
        line=problem.line,
        column=problem.column,
        excerpt=problem.excerpt,
    )


def replaced(document: Document, path: Path, text: str) -> tuple[Edit, ...]:
    """The edit that replaces the scalar at `path`; none if its position is unknown, or if it spans several lines."""
    written = document.written(path)
    if written is None or written.style in ("|", ">") or written.start.line != written.end.line:
        return ()
    quote = written.style or ("'" if not _BARE.isdisjoint(text) or not text else "")
    return (Edit(document.stream, written.start, written.end, f"{quote}{text}{quote}"),)


_BARE: Final = frozenset("'\"\\:#{}[],&*!|>%@`")
"""Characters that a plain scalar may not have everywhere. A text with one of them is written in quotes."""


def key_of(document: Document) -> Key:
    """Kind and name of an object."""
    name = lookup(document.value, ("metadata", "name"))
    return document.value["kind"], name if isinstance(name, str) else ""


def variables_of(policy: AnyPolicy) -> Mapping[str, Program]:
    """The variables of a policy: `variables.NAME` -> program."""
    evaluator = policy.evaluator
    return evaluator.variables if isinstance(evaluator, CELValidator | CELMutator) else {}


def operations_of(policy: AnyPolicy) -> tuple[str, ...]:
    """The operations that a policy's rules name, in order. A mutating policy never runs on DELETE."""
    named = {operation for rule in policy.match.rules for operation in rule.operations}
    mutates = policy.kind == policykinds.MUTATING
    return tuple(each for each in OPERATIONS if ("*" in named or each in named) and not (mutates and each == DELETE))


def _documents(files: tuple[TreeFile, ...]) -> Iterator[Document]:
    """The objects in the YAML and JSON files. Loading reports the files that cannot be read."""
    for file in files:
        if not file.name.endswith(".py"):
            read, _ = reader.parse(file.content, file.name)
            yield from reader.objects(read)[0]


def _modules(files: tuple[TreeFile, ...]) -> Iterator[Module]:
    for file in files:
        if file.name.endswith(".py"):
            try:
                text = file.content.decode("utf-8")
                yield Module(file.name, text, ast.parse(text))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # loading reports it
