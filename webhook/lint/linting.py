"""Runs the rules over a policy tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.documents.reader import Document, Problem
from webhook.lint.alarms import SEVERITIES, Alarm
from webhook.lint.rules.loading import unrepeated
from webhook.lint.silences import applied
from webhook.lint.subject import Subject
from webhook.lint.table import ON_ALL, ON_LOADED, RULES
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Tree
from webhook.policy.policyset import PolicySet
from webhook.versions import NEWEST, Version


class Linted(Struct, frozen=True):
    """The alarms of a tree, in the order of files and lines. `silenced`: the alarms that comments silence.

    `loads`: whether the tree loads; if not, most rules were not run.
    """

    alarms: tuple[Alarm, ...]
    silenced: tuple[Alarm, ...]
    loads: bool
    policies: int
    files: int


def lint(tree: Tree, target: Version = NEWEST, *, now: float, registrations: Iterable[Document] = ()) -> Linted:
    """Lint a tree. now: seconds since the epoch. registrations: webhook configurations that are not in the tree."""
    policies, problems = loaded(tree, target)
    newer: frozenset[Problem] = frozenset()
    if problems and target != NEWEST:
        _, unavoidable = loaded(tree, NEWEST)
        newer = frozenset(problems) - frozenset(unavoidable)
    subject = Subject(tree, policies, problems, newer, target, now, tuple(registrations))
    kept, silenced = applied(dict.fromkeys(_alarms(subject)), subject, RULES)
    return Linted(
        tuple(sorted(unrepeated(kept), key=_order)),
        tuple(sorted(silenced, key=_order)),
        subject.loaded,
        len(policies.names) if policies else 0,
        len(tree.files),
    )


def loaded(tree: Tree, target: Version) -> tuple[PolicySet | None, tuple[Problem, ...]]:
    """The policies of a tree, or all of its problems."""
    try:
        return load_tree(tree, target, with_tests=True), ()
    except PolicyTreeError as error:
        return None, tuple(error.problems)


def _alarms(subject: Subject) -> Iterator[Alarm]:
    for module in (*ON_ALL, *(ON_LOADED if subject.loaded else ())):
        yield from module.check(subject)


def _order(alarm: Alarm) -> tuple[str, int, int, int, str, str]:
    severity = SEVERITIES.index(RULES[alarm.rule].severity)
    return alarm.file, alarm.line or 0, alarm.column or 0, severity, alarm.rule, alarm.message
