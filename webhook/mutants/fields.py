"""The fields that a policy selects: those that could replace another, and those that objects always have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from itertools import product
from typing import Any, Final

from webhook.apiserver.gotypes import fields_of
from webhook.cel.program import Program
from webhook.cel.tree.ast import Call, Const, Expr, Select, nodes
from webhook.cel.tree.sourcespans import Spans
from webhook.mutants.expressions import name_at
from webhook.paths import Path
from webhook.policy.cel.schemashapes import Known, Shaped, shape_of_params
from webhook.policy.cel.typechecking import Checker, kinds_of
from webhook.policy.matching import Match
from webhook.policy.policyset import Policy
from webhook.schema import Kinds, Resource, Schema, Schemas
from webhook.versions import NEWEST, Version


class Fields:
    """The fields that the expressions of a policy select, each by the path of the expression and the offset of its
    name there."""

    def __init__(
        self,
        policy: Policy[Any],
        variables: Mapping[str, Program],
        kinds: Kinds,
        schemas: Schemas,
        version: Version = NEWEST,
    ) -> None:
        programs = list(policy.evaluator.programs())
        self._siblings: dict[_Place, str] = {}
        written: dict[_Place, bool] = {}
        params = shape_of_params(policy.param_kind, schemas)
        resources, complete = _kinds_of(policy.match, kinds)
        for resource in resources:
            schema = schemas.of(resource.group, resource.version, resource.kind)
            if schema is None:
                complete = False
                continue
            known = Known(schema, resource.kind)
            roots: dict[str, Shaped] = {"object": known, "oldObject": known, "params": params}
            checker = _Selections(roots, programs, variables)
            checker.undefined()
            for place, (of, name) in checker.selections.items():
                sibling = _sibling(of, name)
                if sibling is not None:
                    self._siblings.setdefault(place, sibling)
                written[place] = written.get(place, True) and _is_always_written(of, name, version)
        for path, at, sibling in _of_the_same_value(programs):
            self._siblings.setdefault((path, at), sibling)
        self._written = {place for place, always in written.items() if always and complete}

    def sibling(self, path: Path, offset: int) -> str | None:
        """Another field that could stand in place of a field; None if there is none."""
        return self._siblings.get((path, offset))

    def always(self, path: Path, offset: int) -> bool:
        """Whether every value that a field is selected of has it, in objects of all kinds that the policy matches: the
        API server writes it even if it is empty."""
        return (path, offset) in self._written


_Place = tuple[Path, int]

_SAME_KIND: Final = frozenset({"", "status", "ephemeralcontainers", "resize", "finalize", "approval"})
"""Subresources whose requests have the object itself."""


def _kinds_of(match: Match, kinds: Kinds) -> tuple[list[Resource], bool]:
    """The kinds of the objects that a policy is asked about, and whether these are all."""
    found = {(each.group, each.version, each.kind): each for each in kinds_of(match, kinds)}
    complete = True
    for rule in match.rules:
        for group, version, (name, subresource) in product(rule.groups, rule.versions, rule.resources):
            if subresource == "scale":
                found["autoscaling", "v1", "Scale"] = _SCALE
                continue
            known = kinds.for_resource(group, version, name)
            complete = (
                complete
                and subresource in _SAME_KIND
                and known is not None
                and (known.group, known.version, known.kind) in found
            )
    return list(found.values()), complete


_SCALE: Final = Resource("autoscaling", "v1", "Scale", "scale", namespaced=True)


def _is_always_written(schema: Schema, name: str, version: Version) -> bool:
    if not schema.definition:
        return False
    return any(field.name == name and not field.left_out for field in fields_of(schema.definition, version))


class _Selections(Checker):
    """Follows the schemas through the expressions, and keeps which field is selected of which."""

    def __init__(
        self, roots: Mapping[str, Shaped], programs: list[tuple[Path, Program]], variables: Mapping[str, Program]
    ):
        super().__init__(roots, programs, variables)
        self._spans: dict[str, Spans] = {}
        self.selections: dict[tuple[Path, int], tuple[Schema, str]] = {}

    def selected(self, shape: Shaped, operand: Expr, name: str, at: int, *, certain: bool) -> Shaped:
        """See Checker."""
        if isinstance(shape, Known):
            path, source = self._current
            if source not in self._spans:
                self._spans[source] = Spans(source)
            place = path, name_at(self._spans[source], source, at)
            self.selections.setdefault(place, (shape.schema, name))
        return super().selected(shape, operand, name, at, certain=certain)


def _sibling(schema: Schema, name: str) -> str | None:
    field = schema.fields.get(name)
    if field is None:
        return None
    alike = [
        other
        for other, found in schema.fields.items()
        if other != name and (found.type, found.format) == (field.type, field.format)
    ]
    same = [other for other in alike if schema.fields[other].definition == field.definition]
    return _nearest(name, same or alike)


def _of_the_same_value(programs: Iterable[tuple[Path, Program]]) -> Iterable[tuple[Path, int, str]]:
    """For params, whose fields have no schema as a rule: another field of the same value that the policy reads."""
    found: dict[str, list[tuple[Path, int, str]]] = {}
    for path, program in programs:
        spans = Spans(program.source)
        for node in nodes(program.tree):
            name = _name(node)
            if name is not None and program.source[node.offset : node.offset + 1] in (".", "?", "("):
                operand = node.operand if isinstance(node, Select) else node.args[0]  # type: ignore[union-attr]
                start, end = spans.of(operand)
                of = program.source[start:end].replace("?", "")
                found.setdefault(of, []).append((path, name_at(spans, program.source, node.offset), name))
    for of, selections in found.items():
        names = {name for _, _, name in selections}
        for path, at, name in selections if of.partition(".")[0] == "params" else ():
            sibling = _nearest(name, sorted(names - {name}))
            if sibling is not None:
                yield path, at, sibling


def _name(node: Expr) -> str | None:
    if isinstance(node, Select):
        return node.field
    if isinstance(node, Call) and node.function == "_?._" and isinstance(node.args[1], Const):
        return str(node.args[1].value)
    return None


def _nearest(name: str, others: Iterable[str]) -> str | None:
    """The name that is most like it; None if there are no others."""
    return max(sorted(others), key=lambda other: SequenceMatcher(None, name, other).ratio(), default=None)
