"""What is known of the values of an expression: their types, and whether fields are there, from Kubernetes' own types.

Objects of built-in kinds are decoded into Go's types and written again before a policy sees them, so a label is a text
and a Pod has a spec, whatever was sent. Of other kinds only the metadata is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.apiserver.gotypes import OBJECT_META, GoType, fields_of, struct_of
from webhook.convert.model import JSONObject
from webhook.convert.simplify.terms import Term, bound, is_op, names_bound
from webhook.schema.kinds import Kinds
from webhook.versions import Version

_FORMS: Final[dict[str, tuple[str, ...]]] = {
    "string": ("string",), "bytes": ("string",), "quantity": ("string",), "time": ("string", "null"),
    "microtime": ("string", "null"), "bool": ("bool",), "int32": ("int",), "int64": ("int",),
    "intstr": ("int", "string"), "float64": ("int", "double"), "list": ("list",), "map": ("map",), "struct": ("map",),
}  # fmt: skip
_CEL: Final = {"str": "string", "int": "int", "float": "double", "bool": "bool", "NoneType": "null"}
_STRING: Final = GoType("string", "string")
_ANY: Final = "any"
"""Stands for the struct of a kind that is not built in: it has metadata."""
_CONFIG_MAP: Final = "io.k8s.api.core.v1.ConfigMap"
_NAMESPACE: Final = "io.k8s.api.core.v1.Namespace"
_NONE: Final = GoType("struct", "{}", struct="none")
"""The type of {}, which has no fields."""
_OPAQUE: Final = GoType("raw", "raw")
"""The type of a map of which nothing more is known."""
_REQUEST: Final = {
    "request": {
        "userInfo": (GoType("struct", "userInfo", struct="userInfo"), False), "operation": (_STRING, False),
        **dict.fromkeys(("name", "namespace", "subResource"), (_STRING, True)),
    },
    "userInfo": {
        "username": (_STRING, True), "uid": (_STRING, True), "groups": (GoType("list", "[]string", of=_STRING), True),
    },
}  # fmt: skip
"""The fields of a request -> their types, and whether they may be absent."""
_RESULTS: Final = {
    **dict.fromkeys(
        (
            "matches", "startsWith", "endsWith", "contains", "hasValue", "all", "exists", "exists_one", "isGreaterThan",
            "isLessThan",
        ),
        "bool",
    ),
    **dict.fromkeys(("replace", "lowerAscii", "upperAscii", "trim", "substring", "join", "charAt"), "string"),
    **dict.fromkeys(("size", "indexOf", "lastIndexOf", "compareTo"), "int"),
}  # fmt: skip
_CALLS: Final = {
    "string": "string",
    "size": "int",
    "int": "int",
    "has": "bool",
    "isQuantity": "bool",
    "double": "double",
}
_BOOLEAN: Final = frozenset({"&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "in"})


class Known(Struct, frozen=True):
    """What a value may be. types: names of CEL's types. go: the Go types, any of which it may have. kinds: the kind of
    each, where it is the object itself."""

    types: frozenset[str]
    go: tuple[GoType, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def only(self) -> str:
        """The one type of the value, or ""."""
        return next(iter(self.types)) if len(self.types) == 1 else ""

    @property
    def quantity(self) -> bool:
        return bool(self.go) and all(each.form == "quantity" for each in self.go) and self.only == "string"


def _of(types: Sequence[GoType], *, null: bool = False) -> Known | None:
    forms = [_FORMS.get(each.form) for each in types]
    if not types or any(each is None for each in forms):
        return None
    found = frozenset(one for each in forms if each for one in each)
    return Known(found | {"null"} if null else found, tuple(dict.fromkeys(types)))


def _simple(*types: str) -> Known:
    return Known(frozenset(types))


class Scope(Struct, frozen=True):
    """What the names in an expression are. names: of variables, those of the policy as `variables.x`. kinds:
    the kinds of request.kind, and subresources of request.subResource, where all are known."""

    names: Mapping[str, Known]
    target: Version
    kinds: frozenset[str] = frozenset()
    subresources: frozenset[str] = frozenset()

    def having(self, found: Mapping[str, Known | None]) -> Scope:
        """The scope with other names in it; None: nothing is known of it."""
        names = {key: each for key, each in self.names.items() if key not in found}
        return replace(self, names=names | {key: each for key, each in found.items() if each is not None})

    def of(self, term: Term) -> Known | None:
        """What is known of a term's value; of an optional, of the value in it."""
        if term in (KIND, OPERATION):
            return _simple("string")
        match term.kind:
            case "const":
                return _simple(_CEL[term.name])
            case "name":
                return self.names.get(term.name)
            case "field" | "field?":
                operand = term.args[0]
                if operand.kind == "name" and operand.name == "variables":
                    return self.names.get(f"variables.{term.name}")
                return self._selected(self.of(operand), term.name)
            case "index" | "index?":
                return self._indexed(term)
            case "list":
                return _simple("list")
            case "map":
                return Known(frozenset({"map"}), (_OPAQUE if term.args else _NONE,))
            case "call":
                if term.name == "dyn" and term.args:
                    return self.of(term.args[0])
                return _simple(_CALLS[term.name]) if term.name in _CALLS else None
            case "method":
                return self._method(term)
            case "op":
                return self._operator(term)
        return None

    def _method(self, term: Term) -> Known | None:
        target = term.args[0]
        if term.name == "orValue" and len(term.args) == 2:
            return _either(self.of(target), self.of(term.args[1]))
        if term.name == "filter":
            return self.of(target)
        if term.name == "split":
            return Known(frozenset({"list"}), (GoType("list", "[]string", of=_STRING),))
        if term.name in ("map", "transformList"):
            return _simple("list")
        return _simple(_RESULTS[term.name]) if term.name in _RESULTS else None

    def _operator(self, term: Term) -> Known | None:
        if term.name in _BOOLEAN:
            return _simple("bool")
        if term.name == "?:":
            first, second = (self.within(term.args[0], at == 1).of(term.args[at]) for at in (1, 2))
            return _either(first, second)
        if term.name == "+":
            first, second = map(self.of, term.args)
            found = _either(first, second)
            if found is not None and found.types <= {"list", "null"}:
                return replace(found, types=frozenset({"list"}))
            return _simple(found.only) if found is not None and found.only else None
        return None

    def within(self, condition: Term, holds: bool) -> Scope:
        """The scope where a condition holds, or does not: `object.kind == 'Pod'` says what the object is."""
        if is_op(condition, "&&") and holds:
            scope = self
            for each in condition.args:
                scope = scope.within(each, holds=True)
            return scope
        if is_op(condition, "!="):
            return self.within(Term("op", condition.args, "=="), not holds)
        if not is_op(condition, "=="):
            return self
        left, right = condition.args
        if left == OPERATION and right.kind == "const" and holds:
            absent = "object" if right.value == "DELETE" else "oldObject" if right.value == "CREATE" else ""
            there = [each for each in ("object", "oldObject") if each in self.names and each != absent]
            found = {each: replace(self.names[each], types=self.names[each].types - {"null"}) for each in there}
            return self.having(found) if right.value in ("CREATE", "UPDATE", "DELETE") else self
        about_kind = left.kind == "field" and left.name == "kind"
        name = _name(left.args[0] if about_kind else left)
        known = self.names.get(name)
        if known is None or right.kind != "const":
            return self
        if not about_kind:
            if right.value is not None:
                return self
            rest = frozenset({"null"}) if holds else known.types - {"null"}
            return self.having({name: replace(known, types=rest)})
        kept = [at for at, kind in enumerate(known.kinds) if (kind == right.value) is holds]
        if not kept:
            return self
        narrowed = replace(known, go=tuple(known.go[at] for at in kept), kinds=tuple(known.kinds[at] for at in kept))
        return self.having({name: narrowed})

    def _selected(self, base: Known | None, name: str) -> Known | None:
        """The values of a field, of the types that have it."""
        if base is None or base.types - {"map", "null"}:
            return None
        found: list[GoType] = []
        null = False
        for each in base.go:
            if each.form == "map":
                found.append(each.items)
                continue
            row = _field(each.struct, name, self.target) if each.form == "struct" else None
            if row is None:
                if each.struct == _ANY or each.form != "struct":
                    return None
                continue
            go, left_out = row
            found.append(go)
            null = null or (not left_out and (go.pointer or go.form in ("list", "map", "bytes")))
        return _of(found, null=null)

    def _indexed(self, term: Term) -> Known | None:
        base, index = self.of(term.args[0]), term.args[1]
        if base is None or not base.go:
            return None
        if index.kind == "const" and index.name == "str":
            return self._selected(base, index.value)
        if base.types <= {"list", "null"} and all(each.form == "list" for each in base.go):
            return _of([each.items for each in base.go])
        if base.types <= {"map", "null"} and all(each.form == "map" for each in base.go):
            return _of([each.items for each in base.go])
        return None

    def inside(self, term: Term) -> Scope:
        """The scope of the expressions of a macro: its variables are elements, indexes or keys of what it is about."""
        names = names_bound(term)
        base = self.of(term.args[0])
        element: Known | None = None
        key: Known | None = None
        types = base.types - {"null"} if base is not None else frozenset()  # null is an error
        if base is not None and types == {"list"}:
            key = _simple("int")
            if base.go and all(each.form == "list" for each in base.go):
                element = _of([each.items for each in base.go])
            elif term.args[0].kind == "list" and term.args[0].args:
                of_each = list(map(self.of, term.args[0].args))
                element = of_each[0]
                for each in of_each[1:]:
                    element = _either(element, each)
        elif base is not None and types == {"map"} and base.go and all(each.form == "map" for each in base.go):
            key, element = _simple("string"), _of([each.items for each in base.go])
            if len(names) == 1:
                element = key
        return self.having(dict(zip(names, (key, element) if bound(term) == 2 else (element,), strict=True)))

    def always(self, base: Term, name: str) -> bool:
        """Whether a field is always there: Go writes it, whatever was sent. base: of whose value it is a field."""
        known = self.of(base)
        if known is None or known.only != "map" or not known.go:
            return False
        rows = [_field(each.struct, name, self.target) if each.form == "struct" else None for each in known.go]
        return all(row is not None and not row[1] for row in rows)

    def object(self, term: Term) -> bool:
        """Whether a value is certainly an object or a map, of which fields can be asked for without an error."""
        known = self.of(term)
        return known is not None and known.only == "map"


@cache
def _field(struct: str, name: str, target: Version) -> tuple[GoType, bool] | None:
    """The type of a field, and whether its zero value is left out."""
    if struct == _ANY:
        if name == "metadata":
            return GoType("struct", "v1.ObjectMeta", struct=OBJECT_META), False
        return (_STRING, False) if name in ("apiVersion", "kind") else None
    if name in ("apiVersion", "kind") and struct != OBJECT_META:
        found = next((each for each in fields_of(struct, target) if each.name == name), None)
        return (_STRING, False) if found is None else (found.type, found.left_out)
    if struct in _REQUEST:
        return _REQUEST[struct].get(name)
    found = next((each for each in fields_of(struct, target) if each.name == name), None)
    return None if found is None else (found.type, found.left_out)


def _either(first: Known | None, second: Known | None) -> Known | None:
    if first is None or second is None:
        return None
    kinds = first.kinds if first.go == second.go and first.kinds == second.kinds else ()
    go = first.go if kinds else tuple(dict.fromkeys((*first.go, *second.go)))
    return Known(first.types | second.types, go, kinds)


OPERATION: Final = Term("field", (Term("name", (), "request"),), "operation")
KIND: Final = Term("field", (Term("field", (Term("name", (), "request"),), "kind"),), "kind")
SUBRESOURCE: Final = Term("field", (Term("name", (), "request"),), "subResource")


def _name(term: Term) -> str:
    """The name of a variable; "" for other terms."""
    if term.kind == "name":
        return term.name
    if term.kind == "field" and term.args[0] == Term("name", (), "variables"):
        return f"variables.{term.name}"
    return ""


def scope_of(spec: JSONObject, kinds: Kinds, target: Version) -> Scope:
    """What is known of the request, its objects and params. spec: of the policy."""
    names: dict[str, Known | None] = {"request": _struct("request"), "namespaceObject": _struct(_NAMESPACE, "null")}
    if spec.get("paramKind") == {"apiVersion": "v1", "kind": "ConfigMap"}:
        names["params"] = _struct(_CONFIG_MAP)
    return _objects(spec["matchConstraints"], kinds, target).having(names)


def _struct(name: str, *types: str) -> Known:
    return Known(frozenset({"map", *types}), (GoType("struct", name, struct=name),))


def _objects(match: JSONObject, kinds: Kinds, target: Version) -> Scope:
    structs: dict[str, GoType] = {}
    named: set[str] = set()
    subresources: set[str] = set()
    certain = True
    operations: set[str] = set()
    for rule in match.get("resourceRules") or []:
        operations |= set(rule["operations"])
        for group in rule["apiGroups"]:
            for each in rule["resources"]:
                plural, _, sub = each.partition("/")
                subresources.add(sub)
                found = [one for one in kinds if (one.group, one.plural) == (group, plural)]
                versions = [one for one in found if "*" in rule["apiVersions"] or one.version in rule["apiVersions"]]
                if "*" in (group, plural, sub) or sub not in ("", "status", "ephemeralcontainers") or not versions:
                    certain = False
                    if sub not in ("", "status", "ephemeralcontainers"):
                        return Scope({}, target)
                    structs[""] = GoType("struct", _ANY, struct=_ANY)
                    continue
                for one in versions:
                    named.add(one.kind)
                    struct = struct_of(one.api_version, one.kind, target) or _ANY
                    structs[f"{one.kind} {one.api_version}"] = GoType("struct", struct, struct=struct)
    if not structs:
        return Scope({}, target)
    of_kinds = tuple(each.partition(" ")[0] for each in structs)
    whole = Known(frozenset({"map"}), tuple(structs.values()), of_kinds)
    nullable = replace(whole, types=frozenset({"map", "null"}))
    new = nullable if operations & {"DELETE", "*"} else whole
    old = nullable if operations & {"CREATE", "*", "CONNECT"} else whole
    names: dict[str, Known] = {"object": new, "oldObject": old}
    if operations & {"CONNECT", "*"}:
        names = {}
    return Scope(
        names, target, frozenset(named) if certain else frozenset(), frozenset(subresources if certain else ())
    )


def variable(scope: Scope, name: str, term: Term) -> Scope:
    """The scope with a variable of the policy that is defined by an expression."""
    return scope.having({f"variables.{name}": scope.of(term)})
