"""The rules of `x-kubernetes-validations`: their compilation, and their evaluation on an object
(k8s.io/apiextensions-apiserver, pkg/apiserver/schema/cel).

A rule is CEL on `self`, the value of its schema, and on `oldSelf` in updates. Compiled rules are immutable and shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from webhook.apiserver import fielderrors
from webhook.apiserver.customresources.correlation import Correlated, OldItems, ratcheted
from webhook.apiserver.customresources.fieldpaths import FieldPathError, parsed
from webhook.apiserver.customresources.ruletypes import Declared, declared, escaped, structs
from webhook.apiserver.customresources.rulevalues import Unreadable, converted, unreadable
from webhook.apiserver.customresources.structural import Rule, Schema
from webhook.apiserver.fielderrors import OMITTED, FieldError, Key, invalid, named
from webhook.apiserver.gotext import quote
from webhook.cel import Environment
from webhook.cel.cost.compiling import Compiling
from webhook.cel.program import COUNTED, PLAIN, Form, Program
from webhook.cel.tree import types
from webhook.cel.tree.ast import Call, Expr, children, variables_in
from webhook.cel.tree.errors import CompileError, CostError, EvaluationError, LimitError
from webhook.cel.tree.types import Type
from webhook.cel.value.values import NONE, Optional
from webhook.paths import Path
from webhook.versions import NEWEST, Version

BUDGET: Final = 10_000_000
"""Cost units for all rules on one object."""

MAX_MESSAGE: Final = 5 * 1024
"""Bytes of the result of a messageExpression."""

SELF: Final = "self"
OLD_SELF: Final = "oldSelf"

_SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"
_MESSAGE_SPENT = (
    "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
)


class Compiled(Struct, frozen=True):
    """A rule. program: None for an empty one, or one that does not compile, whose error is `error`.

    message_error: of the messageExpression. path: the steps of the fieldPath.
    """

    rule: Rule
    program: Program | None = None
    error: str = ""
    message: Program | None = None
    message_error: str = ""
    uses_old: bool = False
    compares: bool = False
    path: Path = ()
    normalized: str = ""


class Node(Struct):
    """A schema that has rules, or whose parts have."""

    schema: Schema
    root: bool
    rules: tuple[Compiled, ...] = ()
    properties: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    values: Node | None = None


def compiled(schema: Schema, version: Version = NEWEST, *, root: bool = True) -> Node | None:
    """The rules of a schema and all its parts; None if there are none. root: the schema is of resources."""
    if not _has_rules(schema):
        return None
    return _node(schema, declared(schema, root=root), version, Compiling(), root=root)


def compile_rules(
    schema: Schema, known: Declared | None, version: Version, compiling: Compiling | None = None
) -> tuple[Compiled, ...]:
    """The rules of one schema. known: the type of its values. compiling: the limits of all rules of a definition."""
    compiling = compiling or Compiling()
    if not schema.rules or known is None:
        return ()
    within = structs(known)
    plain = Environment({SELF: known.type, OLD_SELF: known.type}, structs=within, version=version)
    optional = Environment(
        {SELF: known.type, OLD_SELF: Type("optional_type", (known.type,))}, structs=within, version=version
    )
    return tuple(
        _compiled(rule, schema, optional if rule.optional_old_self else plain, compiling) for rule in schema.rules
    )


def _has_rules(schema: Schema | None) -> bool:
    if schema is None:
        return False
    parts = (schema.items, schema.values, *schema.properties.values())
    return bool(schema.rules) or any(map(_has_rules, parts))


def _node(schema: Schema, known: Declared | None, version: Version, compiling: Compiling, *, root: bool) -> Node | None:
    if not _has_rules(schema):
        return None
    node = Node(schema, root, compile_rules(schema, known, version, compiling))
    element = known.element if known is not None else None
    if schema.items is not None:
        node.items = _node(schema.items, element, version, compiling, root=schema.items.embedded)
    if schema.values is not None:
        node.values = _node(schema.values, element, version, compiling, root=schema.values.embedded)
    for name, property_schema in schema.properties.items():
        if not _has_rules(property_schema):
            continue
        written = escaped(name)
        if written is None:
            type_ = declared(property_schema, root=property_schema.embedded)
        else:
            type_ = (known.fields or {}).get(written) if known is not None else None
        if type_ is None:
            continue  # what has no type is not validated
        below = _node(property_schema, type_, version, compiling, root=property_schema.embedded)
        if below is not None:
            node.properties[name] = below
    return node if node.rules or node.items or node.values or node.properties else None


def _compiled(rule: Rule, schema: Schema, environment: Environment, compiling: Compiling) -> Compiled:
    if not rule.rule.strip():
        return Compiled(rule)
    try:
        program = environment.compile(rule.rule, (), compiling)
    except CompileError as error:
        uses_old = (
            error.checked is not None and error.checked.type == types.BOOL and OLD_SELF in error.checked.variables
        )
        return Compiled(rule, error=_failed(error, _NO_BOOL, types.BOOL), uses_old=uses_old)
    if program.type != types.BOOL:
        return Compiled(rule, error=_NO_BOOL)
    uses_old = OLD_SELF in variables_in(program.tree)
    made = Compiled(rule, program, uses_old=uses_old, compares=program.followed(lambda: _compares(program.tree)))
    if rule.message_expression:
        try:
            message = environment.compile(rule.message_expression, (), compiling)
        except CompileError as error:
            text = _failed(error, "must evaluate to a string", types.STRING).removeprefix("program ")
            return replace(made, message_error=f"messageExpression {text}")
        if message.type != types.STRING:
            return replace(made, message_error="messageExpression must evaluate to a string")
        made = replace(
            made, message=message, compares=made.compares or message.followed(lambda: _compares(message.tree))
        )
    if rule.field_path:
        try:
            path, _ = parsed(rule.field_path, schema)
        except FieldPathError:
            return made
        made = replace(made, path=path, normalized=named(path))
    return made


_NO_BOOL: Final = "cel expression must evaluate to a bool"


def _failed(error: CompileError, otherwise: str, wanted: Type) -> str:
    """Why an expression does not compile. otherwise: the text for one of another type than is wanted."""
    if error.checked is None:
        return f"compilation failed: {'; '.join(map(str, error.issues))}"
    if error.checked.type != wanted:
        return otherwise
    first = error.issues[0]
    return f"{first.message} (at {first.line}:{first.column})"


_COMPARING = frozenset({"_==_", "_!=_", "_+_", "@in"})


def _compares(node: Expr) -> bool:
    """Whether an expression compares or adds values that may be lists, or hold some."""
    if isinstance(node, Call) and node.function in _COMPARING and any(_may_hold_lists(arg.type) for arg in node.args):
        return True
    return any(map(_compares, children(node)))


def _may_hold_lists(declared: Type) -> bool:
    return declared.name in ("list", "map", "optional_type") or "selfType." in declared.name


# ------------------------------------------------------------------------------------------------------- evaluation


class _Spent(Exception):
    """The budget is spent: nothing further is evaluated."""


def validate(node: Node, value: Any, correlated: Correlated | None = None) -> list[FieldError]:
    """The refusals of the rules. correlated: of an update."""
    for form in (PLAIN, COUNTED):
        run = _Run(form)
        try:
            run.visit(node, value, None if correlated is None else correlated.old, (), _Ratcheting(correlated))
        except _Spent:
            if form is PLAIN:
                continue  # it counts upper bounds
        return run.errors
    return []


class _Ratcheting(Struct, frozen=True):
    """The old value beside the current one, else the nearest above that has one."""

    current: Correlated | None
    above: Correlated | None = None

    def unchanged(self) -> bool:
        return ratcheted(self.above if self.current is None else self.current)

    def key(self, name: str) -> _Ratcheting:
        if self.current is None:
            return self
        if self.above is None and name in ("apiVersion", "kind"):
            return _Ratcheting(None)
        return _Ratcheting(self.current.key(name), self.current)

    def index(self, place: int) -> _Ratcheting:
        return self if self.current is None else _Ratcheting(self.current.index(place), self.current)


class _Run:
    def __init__(self, form: Form) -> None:
        self.form = form
        self.errors: list[FieldError] = []
        self.left = BUDGET

    def visit(self, node: Node, value: Any, old: Any, path: Path, ratcheting: _Ratcheting) -> None:
        if value is None:
            return
        if node.rules:
            self.rules(node, value, old, path, ratcheting)
        if isinstance(value, list):
            if node.items is not None:
                old_items = OldItems(node.schema, old)
                for place, item in enumerate(value):
                    self.visit(node.items, item, old_items.get(item), (*path, place), ratcheting.index(place))
        elif isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            if node.values is not None:
                for key, item in value.items():
                    self.visit(node.values, item, before.get(key), (*path, Key(key)), ratcheting.key(key))
            for key, below in node.properties.items():
                if key in value:
                    self.visit(below, value[key], before.get(key), (*path, key), ratcheting.key(key))

    def rules(self, node: Node, value: Any, old: Any, path: Path, ratcheting: _Ratcheting) -> None:
        kind = node.schema.type
        if self.left <= 0:
            self.errors.append(invalid(path, kind, _SPENT))
            raise _Spent
        seen: dict[tuple[bool, bool], Any] = {}

        def as_seen(of_old: bool, compared: bool) -> Any:
            if (of_old, compared) not in seen:
                source = old if of_old else value
                seen[of_old, compared] = converted(source, node.schema, root=node.root, compared=compared)
            return seen[of_old, compared]

        for rule in node.rules:
            if rule.error:
                self.errors.append(invalid(path, kind, f"rule compile error: {rule.error}"))
                continue
            if rule.program is None or (rule.uses_old and old is None and not rule.rule.optional_old_self):
                continue
            bindings = {SELF: as_seen(of_old=False, compared=rule.compares)}
            if rule.uses_old or rule.message is not None:
                before = None if old is None else as_seen(of_old=True, compared=rule.compares)
                if rule.rule.optional_old_self:
                    bindings[OLD_SELF] = NONE if old is None else Optional(before)
                elif old is not None:
                    bindings[OLD_SELF] = before
            self.evaluate(rule, rule.program, bindings, value, kind, path, ratcheting)

    def evaluate(
        self,
        rule: Compiled,
        program: Program,
        bindings: dict[str, Any],
        value: Any,
        kind: str,
        path: Path,
        ratcheting: _Ratcheting,
    ) -> None:
        activation = self.form.activation(bindings)
        failed: EvaluationError | None = None
        passed: Any = None
        try:
            passed = self.form.evaluate(program, activation)
        except (EvaluationError, CostError, LimitError) as error:
            failed = error
        if type(bindings[SELF]) is Unreadable or (failed is not None and str(failed).startswith("no such overload")):
            wrong = next((text for text in map(unreadable, bindings.values()) if text), "")
            failed = EvaluationError(wrong) if wrong else failed
        cost = activation.cost + (program.fixed_cost if self.form is PLAIN else 0)
        if cost > self.left:
            self.errors.append(invalid(path, kind, _SPENT))
            raise _Spent
        self.left -= cost
        if failed is not None:
            self.errors.append(invalid(path, kind, _error_text(str(failed), rule.rule)))
            if isinstance(failed, CostError | LimitError):
                raise _Spent
            return
        if passed is True:
            return
        self.refuse(rule, bindings, value, path, ratcheting, kind)

    def refuse(
        self,
        rule: Compiled,
        bindings: dict[str, Any],
        value: Any,
        path: Path,
        ratcheting: _Ratcheting,
        kind: str,
    ) -> None:
        detail = ""
        tolerated = not rule.uses_old and ratcheting.unchanged()
        here, name = path, None
        if rule.normalized:
            here = (*path, *rule.path)
            name = f"{named(path)}.{rule.normalized}" if path else rule.normalized
        if rule.message is not None:
            try:
                detail = self.message(rule.message, rule.rule, bindings)
            except _MessageSpent as spent:
                if not tolerated:
                    self.errors.append(_renamed(invalid(here, kind, str(spent)), name))
                raise _Spent from None
        detail = detail or rule.rule.message.strip() or f"failed rule: {rule.rule.rule.strip()}"
        shown = OMITTED if kind in ("object", "array") else value
        match rule.rule.reason:
            case "FieldValueForbidden":
                error = fielderrors.forbidden(here, detail)
            case "FieldValueRequired":
                error = fielderrors.required(here, detail)
            case "FieldValueDuplicate":
                error = fielderrors.duplicate(here, shown)
            case _:
                error = invalid(here, shown, detail)
        if not tolerated:
            self.errors.append(_renamed(error, name))

    def message(self, program: Program, rule: Rule, bindings: dict[str, Any]) -> str:
        """The text of a messageExpression; "" if it does not give one. Raises _MessageSpent."""
        activation = self.form.activation(bindings)
        text: Any = ""
        over = False
        try:
            text = self.form.evaluate(program, activation)
        except (CostError, LimitError):
            over = True
        except (EvaluationError, KeyError):
            pass
        cost = activation.cost + (program.fixed_cost if self.form is PLAIN else 0)
        if cost > self.left:
            raise _MessageSpent(_MESSAGE_SPENT)
        if over:
            words = "no further validation rules will be run due to call cost exceeds limit for messageExpression"
            raise _MessageSpent(f"{words}: {quote(rule.message_expression)}")
        self.left -= cost
        text = text.strip() if isinstance(text, str) else ""
        return "" if "\n" in text or len(text.encode()) > MAX_MESSAGE else text


class _MessageSpent(Exception):
    """A messageExpression has spent its budget."""


def _renamed(error: FieldError, name: str | None) -> FieldError:
    return error if name is None else replace(error, field=name)


def _error_text(error: str, rule: Rule) -> str:
    shown = rule.message.strip() or rule.rule.strip()
    if error.startswith("no such overload"):
        words = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{error}': {words}: {shown}"
    if error.startswith("operation cancelled: actual cost limit exceeded"):
        return f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
    return f"{error} evaluating rule: {shown}"


def all_rules(node: Node | None) -> Iterator[Compiled]:
    """All rules of a schema and its parts."""
    if node is None:
        return
    yield from node.rules
    for below in (node.items, node.values, *node.properties.values()):
        yield from all_rules(below)
