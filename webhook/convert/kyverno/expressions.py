"""JMESPath -> CEL, as far as it has a meaning there.

A projection becomes a `Stream`: a list to go through, a condition and what is taken of each element. It has no list
of its own, so that nested projections become nested macros: CEL has no flatten before Kubernetes 1.35.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct

from webhook.convert import celtext
from webhook.convert.kyverno import images
from webhook.convert.kyverno.jmespath import Node
from webhook.convert.model import Unfinished


class Scalar(Struct, frozen=True):
    """An expression with one value. chain: its optional, if it may be absent; it then is null.

    type: bool, string, int, double, list or dyn. constant: the JSON value, if it is known. quantity: the expression as
    a quantity of Kubernetes, if it is a sum of what may be quantities.
    """

    cel: str
    chain: str = ""
    type: str = "dyn"
    constant: Any = UNSET
    quantity: str = ""


class Lists(Struct, frozen=True):
    """A list of expressions, such as spec.[containers, initContainers]."""

    items: tuple[Scalar, ...]


class Stream(Struct, frozen=True):
    """The elements of a list: `variable` goes through `base`; those that meet the condition give the body."""

    base: str
    variable: str
    body: Scalar | Stream | Lists
    condition: str = "true"


class Request(Struct, frozen=True):
    """The variable `request`. part: "", or `userInfo`, `kind`, `resource`."""

    part: str = ""


class Missing(Struct, frozen=True):
    """A variable that cannot be converted: the reason is given where it is used."""

    reason: str


class Images(Struct, frozen=True):
    """The variable `images` of a rule about Pods. of: the list of containers, "" for the variable itself."""

    of: str = ""


class Image(Struct, frozen=True):
    """One image of `images`. reference: its expression."""

    reference: str


Value = Scalar | Stream | Lists | Request | Images | Image

ELEMENT_IMAGE: Final = "__image_of_element"
"""Stands for images.containers."{{element.name}}", a variable in a variable: the image of the element of a foreach."""
_REQUEST: Final = {
    "operation": Scalar("request.operation", type="string"),
    "namespace": Scalar("request.?namespace.orValue('')", type="string"),
    "name": Scalar("request.?name.orValue('')", type="string"),
    "dryRun": Scalar("request.?dryRun.orValue(false)", type="bool"),
    "subResource": Scalar("request.?subResource.orValue('')", type="string"),
}
_USER: Final = {
    "username": Scalar("request.userInfo.?username.orValue('')", type="string"),
    "uid": Scalar("request.userInfo.?uid.orValue('')", type="string"),
    "groups": Scalar("request.userInfo.?groups.orValue([])", type="list"),
}
_GVK: Final = ("group", "version", "kind", "resource")
_ACCOUNT: Final = "system:serviceaccount:"
ACCOUNTS: Final = {
    name: Scalar(
        f"(request.userInfo.?username.orValue('').startsWith('{_ACCOUNT}') ? "
        f"request.userInfo.username.split(':')[{index}] : '')",
        type="string",
    )
    for name, index in (("serviceAccountNamespace", 2), ("serviceAccountName", 3))
}


class Translator:
    """Translates the expressions of one rule. names: the variables; new, old: expressions for both objects."""

    def __init__(self, names: Mapping[str, Value | Missing], new: str = "object", old: str = "oldObject") -> None:
        self.names: dict[str, Value | Missing] = {"request": Request(), **ACCOUNTS, **names}
        self.new, self.old = new, old
        self.wholes: dict[str, str] = {}
        """The Pod that new or old is about -> the object that makes it, whose kind request.object has."""
        self._count = 0
        self.demanded: list[str] | None = None
        """Where a variable that is missing is an error: that each is there. None where it is not."""

    def demand(self, value: Value) -> None:
        """Note that a value must be there, where that is asked."""
        if self.demanded is None:
            return
        if isinstance(value, Scalar) and value.chain:
            self.demanded.append(f"{value.chain}.hasValue()")
        if isinstance(value, Stream) and value.base.endswith(_OR_NONE):
            self.demanded.append(f"{value.base.removesuffix(_OR_NONE)}.hasValue()")

    def fresh(self) -> str:
        """A name for the variable of a macro."""
        self._count += 1
        return f"e{self._count}"

    def value(self, node: Node, current: Value | None = None) -> Value:
        """The value of a node. Raises Unfinished for what has no meaning in CEL, or becomes too long there."""
        found = self._value(node, current)
        # Some functions name their argument several times: nested, they would grow without bounds.
        if _length(found) > _LONGEST:
            raise Unfinished("JMESPath: an expression whose CEL is too long")
        return found

    def _value(self, node: Node, current: Value | None) -> Value:
        match node.type:
            case "field":
                return self._name(node.value) if current is None else self.field(current, node.value)
            case "current":
                if current is None:
                    raise Unfinished("the JMESPath expression @ outside of a projection")
                return current
            case "literal":
                return _constant(node.value)
            case "sub":
                return self.value(node.children[1], self.value(node.children[0], current))
            case "pipe":
                left = self.value(node.children[0], current)
                return self.value(node.children[1], self.materialized(left) if isinstance(left, Stream) else left)
            case "index":
                return self._index(self.value(node.children[0], current), node.value)
            case "project" | "values" | "filter":
                return self._projection(node, current)
            case "flatten":
                return self._flattened(self.value(node.children[0], current))
            case "or":
                return self._or(*self._alternatives(node, current))
            case "and":
                terms = [self.truthy(self.value(each, current)) for each in node.children]
                return Scalar(celtext.conjunction(terms), type="bool")
            case "not":
                return Scalar(celtext.negation(self.truthy(self.value(node.children[0], current))), type="bool")
            case "compare":
                return self._comparison(node, current)
            case "list":
                return Lists(tuple(self.scalar(self.value(each, current)) for each in node.children))
            case "function":
                return self._function(node, current)
        raise Unfinished(f"JMESPath: {_NAMED.get(node.type, node.type)}")

    def field(self, value: Value, key: str) -> Value:
        """A field of a value."""
        if isinstance(value, Request):
            return self._of_request(value, key)
        if isinstance(value, Images) and not value.of and key in images.CONTAINERS:
            return Images(key)
        if isinstance(value, Image) and key in images.PARTS:
            return Scalar(images.PARTS[key](value.reference), type="string")
        if isinstance(value, Images | Image):
            raise Unfinished(f"the field {key} of images")
        if isinstance(value, Stream):
            return Stream(value.base, value.variable, _inner(self.field(value.body, key)), value.condition)
        if isinstance(value, Lists):
            raise Unfinished(f"JMESPath: the field {key} of a list")
        whole = self.wholes.get(value.cel) if key not in ("metadata", "spec") else None
        chain = celtext.optional(whole or value.chain or value.cel, key)
        return _optional(chain)

    def scalar(self, value: Value) -> Scalar:
        """The value as one expression; a projection as a list."""
        if isinstance(value, Scalar):
            return value
        if isinstance(value, Stream):
            return self.materialized(value)
        if isinstance(value, Lists):
            return Scalar("[" + ", ".join(f"dyn({each.cel})" for each in value.items) + "]", type="list")
        raise Unfinished("JMESPath: the whole of request" if isinstance(value, Request) else "the whole of images")

    def materialized(self, stream: Stream) -> Scalar:
        """The list of a projection's elements. Raises Unfinished for projections in projections."""
        body = stream.body
        if not isinstance(body, Scalar):
            raise Unfinished("JMESPath: the list of a nested projection")
        present = [f"{body.chain}.hasValue()"] if body.chain else []
        condition = celtext.conjunction([stream.condition, *present])
        base = stream.base if condition == "true" else f"{stream.base}.filter({stream.variable}, {condition})"
        cel = base if body.cel == stream.variable else f"{base}.map({stream.variable}, {body.cel})"
        return Scalar(cel, type="list")

    def quantified(self, value: Value, test: Callable[[Scalar], str], *, every: bool) -> str:
        """Whether the test holds for one element of a list, or for all; of a single value for it alone."""
        if isinstance(value, Lists):
            return (celtext.conjunction if every else celtext.disjunction)(test(each) for each in value.items)
        if isinstance(value, Stream):
            inner = self.quantified(value.body, test, every=every)
            held = [value.condition]
            if isinstance(value.body, Scalar) and value.body.chain:
                held.append(f"{value.body.chain}.hasValue()")
            if every:
                return f"{value.base}.all({value.variable}, {celtext.implies(celtext.conjunction(held), inner)})"
            return f"{value.base}.exists({value.variable}, {celtext.conjunction([*held, inner])})"
        scalar = self.scalar(value)
        variable, macro = self.fresh(), "all" if every else "exists"
        each = f"{macro}({variable}, {test(Scalar(variable))})"
        if scalar.type == "list":
            return f"{scalar.cel}.{each}"
        if scalar.type != "dyn" or not scalar.chain:
            return test(scalar)
        single = celtext.enclose(test(scalar))
        return f"(type({scalar.cel}) == list ? {scalar.cel}.{each} : {single})"

    def truthy(self, value: Value) -> str:
        """Whether JMESPath takes a value for true: all but false, null and what is empty."""
        if isinstance(value, Stream):
            return self.quantified(value, lambda _: "true", every=False)
        if isinstance(value, Lists):
            return "true" if value.items else "false"
        scalar = self.scalar(value)
        if scalar.type == "bool":
            return scalar.cel
        if scalar.type == "string":
            return f"{scalar.cel} != ''"
        if scalar.type == "list":
            return f"size({scalar.cel}) > 0"
        if scalar.type in ("int", "double"):
            return "true"
        return f"!({scalar.cel} in [dyn(null), dyn(false), dyn(''), dyn([]), dyn({{}})])"

    def _name(self, name: str) -> Value:
        if name == ELEMENT_IMAGE and isinstance(element := self.names.get("element"), Scalar | Stream | Lists):
            return Image(f"{celtext.optional(self.scalar(element).cel, 'image')}.orValue('')")
        found = self.names.get(name)
        if found is None or isinstance(found, Missing):
            raise Unfinished(found.reason if found else f"the variable {name}")
        return found

    def _of_request(self, value: Request, key: str) -> Value:
        if value.part == "userInfo" and key in _USER:
            return _USER[key]
        if value.part in ("kind", "resource") and key in _GVK:
            return Scalar(f"request.{value.part}.{key}", type="string")
        if value.part:
            raise Unfinished(f"request.{value.part}.{key}")
        if key == "object":
            return Scalar(self.new)
        if key == "oldObject":
            return Scalar(self.old)
        if key in ("userInfo", "kind", "resource"):
            return Request(key)
        if key in _REQUEST:
            return _REQUEST[key]
        raise Unfinished(f"request.{key}")

    def _index(self, value: Value, index: int) -> Value:
        scalar = self.scalar(value)
        if index < 0:
            listed = self.elements(scalar)
            if len(listed) > _REPEATED:
                raise Unfinished("JMESPath: an index from the end of a list with a long expression")
            return _optional(f"{listed}[?size({listed}) - {-index}]")
        chain = f"{scalar.chain or f'dyn({scalar.cel})'}[?{index}]"
        return _optional(chain)

    def _projection(self, node: Node, current: Value | None) -> Value:
        left = self.value(node.children[0], current)
        if isinstance(left, Request):
            raise Unfinished("JMESPath: a projection of request")
        if isinstance(left, Stream):
            if node.type == "project" and node.children[0].type == "flatten":
                return self._of_each(left, node.children[1])
            return Stream(left.base, left.variable, _inner(self._over(left.body, node)), left.condition)
        return self._over(left, node)

    def _of_each(self, left: Value, right: Node) -> Value:
        """What a node gives of each element of a projection."""
        if isinstance(left, Stream):
            return Stream(left.base, left.variable, _inner(self._of_each(left.body, right)), left.condition)
        return self.value(right, left)

    def _over(self, left: Value, node: Node) -> Value:
        """The projection of a node over the elements of a value."""
        if isinstance(left, Stream):
            return Stream(left.base, left.variable, _inner(self._over(left.body, node)), left.condition)
        if isinstance(left, Images) and left.of and node.type == "values":
            variable = self.fresh()
            image = Image(f"{variable}.?image.orValue('')")
            listed = f"{celtext.optional(self.new, 'spec', left.of)}.orValue([])"
            return Stream(listed, variable, _inner(self.value(node.children[1], image)))
        base = self.elements(left)
        variable = self.fresh()
        element: Value = Scalar(f"{base}[{variable}]" if node.type == "values" else variable)
        condition = "true"
        if node.type == "filter":
            condition = self.truthy(self.value(node.children[2], element))
        return Stream(base, variable, _inner(self.value(node.children[1], element)), condition)

    def elements(self, value: Value) -> str:
        """The list, or the map, that is gone through; an empty one if it is absent."""
        if isinstance(value, Lists):
            return "(" + " + ".join(map(as_list, value.items)) + ")"
        scalar = self.scalar(value)
        return f"{scalar.chain}.orValue([])" if scalar.chain else scalar.cel

    def _flattened(self, value: Value) -> Value:
        """Flattened by one level. The elements of a list in an object are taken not to be lists themselves."""
        if isinstance(value, Stream):
            if isinstance(value.body, Stream):
                return Stream(value.base, value.variable, _inner(self._flattened(value.body)), value.condition)
            variable = self.fresh()
            inner = Stream(self.elements(value.body), variable, Scalar(variable))
            return Stream(value.base, value.variable, inner, value.condition)
        if isinstance(value, Lists):
            return Scalar(self.elements(value), type="list")
        return value

    def _or(self, left: Value, right: Value) -> Value:
        if isinstance(left, Scalar) and left.cel == "request.operation":
            return left  # never empty: what follows is for background scans
        if isinstance(left, Scalar) and left.type == "bool" and isinstance(right, Scalar) and right.type == "bool":
            return Scalar(celtext.disjunction([left.cel, right.cel]), type="bool")
        if isinstance(left, Stream):
            if isinstance(right, Scalar) and right.cel in ("[]", "''", "null", "false"):
                # An empty list, as the right side has no elements either; in parentheses, as it need not be there.
                base = f"({left.base})" if left.base.endswith(_OR_NONE) else left.base
                return Stream(base, left.variable, left.body, left.condition)
            return self._stream_or(left, right)
        first, second = self.scalar(left), self.scalar(right)
        if first.type in ("int", "list") and second.cel == "[]":
            return first
        if first.chain and second.cel in ("''", "false", "[]", "{}", "0"):
            # What is empty gives way to something as empty: only absence needs a value.
            return Scalar(f"{first.chain}.orValue({second.cel})")
        kind = first.type if first.type == second.type else "dyn"
        cel = f"({self.truthy(first)} ? {_dynamic(first, kind)} : {_dynamic(second, kind)})"
        return Scalar(cel, type=kind)

    def _alternatives(self, node: Node, current: Value | None) -> tuple[Value, Value]:
        """Both sides of ||. What is missing on the left gives way to the right, which must then be there."""
        demanded, self.demanded = self.demanded, None
        try:
            left, right = (self.value(each, current) for each in node.children)
            if demanded is not None and current is None and isinstance(right, Scalar) and right.chain:
                demanded.append(celtext.disjunction([self.truthy(left), f"{right.chain}.hasValue()"]))
        finally:
            self.demanded = demanded
        return left, right

    def _stream_or(self, left: Stream, right: Value) -> Value:
        list_of, other = self.materialized(left), self.scalar(right)
        return Scalar(f"(size({list_of.cel}) > 0 ? dyn({list_of.cel}) : dyn({other.cel}))")

    def _comparison(self, node: Node, current: Value | None) -> Value:
        left, right = (self.scalar(self.value(each, current)) for each in node.children)
        if node.value in ("==", "!="):
            if "null" in (left.cel, right.cel) and "dyn" not in (left.type, right.type):
                return Scalar("false" if node.value == "==" else "true", type="bool")
            sides = (f"dyn({left.cel})" if left.type not in (right.type, "dyn") else left.cel, right.cel)
            return Scalar(f"{sides[0]} {node.value} {sides[1]}", type="bool")
        unknown = [each.cel for each in (left, right) if each.type == "dyn"]
        terms = [f"(type({each}) == int || type({each}) == double)" for each in unknown]
        return Scalar(celtext.conjunction([*terms, f"{left.cel} {node.value} {right.cel}"]), type="bool")

    def _function(self, node: Node, current: Value | None) -> Value:
        from webhook.convert.kyverno.jmesfunctions import FUNCTIONS  # it knows the values of this module

        function = FUNCTIONS.get(node.value)
        if function is None or any(each.type == "reference" for each in node.children):
            raise Unfinished(f"the JMESPath function {node.value}()")
        arguments = [self.value(each, current) for each in node.children]
        if current is None and node.value != "not_null":
            for each in arguments:
                self.demand(each)
        return function(self, arguments)


_LISTS: Final = frozenset(
    {
        "containers", "initContainers", "ephemeralContainers", "volumes", "volumeMounts", "env", "envFrom", "ports",
        "rules", "tls", "paths", "subjects", "tolerations", "imagePullSecrets", "hostAliases", "finalizers",
        "ownerReferences", "externalIPs", "accessModes", "webhooks", "verbs", "resources", "apiGroups", "groups", "add",
        "drop", "args", "command", "topologySpreadConstraints",
    }
)  # fmt: skip
"""Fields that are lists wherever Kubernetes has them."""
_OR_NONE: Final = ".orValue([])"
_LONGEST: Final = 10_000
"""Characters of the expression of one variable."""
_REPEATED: Final = 120  # characters of an expression that may stand there twice
_NAMED: Final = {"hash": "a hash of several values", "slice": "a slice", "reference": "an expression reference"}


def as_list(value: Scalar) -> str:
    """The list that a value is; a list of it alone if it is none, and an empty one if it is absent."""
    if value.type == "list" or value.chain.rpartition(".")[2].removeprefix("?") in _LISTS:
        return f"{value.chain}.orValue([])" if value.chain else value.cel
    if value.type != "dyn":
        return f"[{value.cel}]"
    return f"({value.cel} == null ? [] : type({value.cel}) == list ? {value.cel} : [{value.cel}])"


def _optional(chain: str) -> Scalar:
    """The value of an optional, or null. After an optional index the checker takes a bare null for the type of both."""
    nothing = "dyn(null)" if chain.endswith("]") else "null"
    return Scalar(f"{chain}.orValue({nothing})", chain)


def _constant(value: Any) -> Scalar:
    kinds: dict[type, str] = {bool: "bool", str: "string", int: "int", float: "double", list: "list"}
    return Scalar(celtext.literal(value), type=kinds.get(type(value), "dyn"))


def _dynamic(value: Scalar, wanted: str) -> str:
    return value.cel if value.type == wanted and wanted != "dyn" else f"dyn({value.cel})"


def _inner(value: Value) -> Scalar | Stream | Lists:
    if isinstance(value, Request | Images | Image):
        raise Unfinished(f"JMESPath: {'request' if isinstance(value, Request) else 'images'} within a projection")
    return value


def _length(value: Value) -> int:
    """The characters of the expressions of a value."""
    match value:
        case Scalar():
            return len(value.cel) + len(value.chain)
        case Stream():
            return len(value.base) + len(value.condition) + _length(value.body)
        case Lists():
            return sum(map(_length, value.items))
    return 0
