"""JMESPath -> CEL, as far as it has a meaning there.

A projection becomes a `Stream`: a list to go through, a condition and what is taken of each element. It has no list
of its own, so that nested projections become nested macros: CEL has no flatten before Kubernetes 1.35.

What is an error for Kyverno is one here, and so denies: an evaluation error, or, where a text can say so, a condition
that is demanded (`Translator.demanded`). Which is which was asked of Kyverno (tests/convert/kyverno/jmesasked.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from msgspec.structs import replace

from webhook.convert import celtext
from webhook.convert.kyverno import images, jmeslogic
from webhook.convert.kyverno.jmesfields import OR_NONE, as_list, chain_of, optional, part_of_image, selected
from webhook.convert.kyverno.jmespath import Node, flattens, has_functions
from webhook.convert.kyverno.jmesvalues import (
    Hash,
    Image,
    Images,
    Lists,
    Missing,
    Request,
    Scalar,
    Stream,
    Value,
    constant,
    inner,
    length,
    lenient,
)
from webhook.convert.model import Unfinished

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
        self.typed = False
        """Whether the kinds are Kubernetes' own, whose fields have the types that an expression expects."""
        self._count = 0
        self.within = 0
        """In how many projections, of whose elements nothing can be demanded outside."""
        self.around: list[str] | None = None
        """What is demanded around a || on whose sides nothing is."""
        self.demanded: list[str] | None = None
        """Where a variable that is missing is an error: that each is there. None where it is not."""

    def demand(self, value: Value) -> None:
        """Note that a value must not be missing, where that is asked."""
        if isinstance(value, Scalar) and value.there:
            self.ask(value.there)

    def _demand_always(self, value: Value) -> None:
        """Note that a value must not be missing, on a side of || too: a variable in a variable, or of the context."""
        wanted = self.around if self.demanded is None else self.demanded
        if isinstance(value, Scalar) and value.there and wanted is not None and value.there not in wanted:
            wanted.append(value.there)

    def ask(self, condition: str) -> None:
        """Note a condition without which the rule is an error, where that can be asked."""
        if self.demanded is not None and not self.within:
            self.demanded.append(condition)

    def require(self, value: Scalar, *types: str) -> Scalar:
        """The value, where its evaluation is an error unless it has one of the types, which are CEL's."""
        if self.typed or value.type in types or (value.type != "dyn" and "dyn" not in types):
            return value
        test = celtext.disjunction([f"type({value.cel}) == {each}" for each in types])
        if self.demanded is not None and not self.within:
            self.demanded.append(test)
            return value
        return Scalar(f"({test} ? {value.cel} : {ERROR})", type="dyn")

    def not_null(self, value: Value) -> Value:
        """An argument of a function that takes no null: that it is there is demanded, or else is an error."""
        if isinstance(value, Scalar) and value.chain:
            self.ask(f"{value.chain}.hasValue()")
        chain = value.base if isinstance(value, Scalar) else value.chain if isinstance(value, Stream) else ""
        if not chain:
            return value
        if self.demanded is None or self.within:
            return self.certain(value)
        self.ask(self.is_list(chain))
        return value

    def certain(self, value: Value) -> Value:
        """A projection whose evaluation is an error where its list is missing."""
        chain = value.base if isinstance(value, Scalar) else value.chain if isinstance(value, Stream) else ""
        if not chain:
            return value
        base = f"{chain}.value()" if self.typed else f"[{chain}.orValue(null)].filter(l, type(l) == list)[0]"
        if isinstance(value, Scalar):
            return replace(value, cel=base + value.cel.removeprefix(chain + OR_NONE), base="")
        if isinstance(value, Stream):
            return replace(value, base=base + value.base.removeprefix(chain + OR_NONE), chain="")
        return value

    def is_list(self, chain: str) -> str:
        """Whether an optional is a list."""
        return f"{chain}.hasValue()" if self.typed else f"type({chain}.orValue(null)) == list"

    def argument(self, value: Value) -> Scalar:
        """An argument of a function that takes no null, as one expression."""
        return self.scalar(self.not_null(value))

    def or_null(self, value: Value) -> Scalar:
        """The value as one expression; null where the list of a projection is missing."""
        scalar = self.scalar(value)
        if not scalar.base:
            return scalar
        return Scalar(f"({self.is_list(scalar.base)} ? dyn({scalar.cel}) : dyn(null))")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """While an expression about the elements of a list is translated: nothing of them can be demanded outside."""
        self.within += 1
        try:
            yield
        finally:
            self.within -= 1

    def fresh(self) -> str:
        """A name for the variable of a macro."""
        self._count += 1
        return f"e{self._count}"

    def value(self, node: Node, current: Value | None = None) -> Value:
        """The value of a node. Raises Unfinished for what has no meaning in CEL, or becomes too long there."""
        found = self._value(node, current)
        # Some functions name their argument several times: nested, they would grow without bounds.
        if length(found) > _LONGEST:
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
                return constant(node.value)
            case "sub":
                left = self.value(node.children[0], current)
                if node.children[1].type in ("list", "hash"):
                    self.demand(left)
                return self.value(node.children[1], left)
            case "pipe":
                return self._piped(node, current)
            case "dynamic":
                return self._looked_up(current, node.children[0])
            case "text":
                return self._text(node)
            case "given":
                given = self.value(node.children[0])
                self._demand_always(given)
                return given
            case "index":
                return self._index(self.value(node.children[0], current), node.value)
            case "project" | "values" | "filter":
                return self._projection(node, current)
            case "flatten":
                return self._flattened(self.value(node.children[0], current))
            case "or":
                return jmeslogic.either(self, node, current)
            case "and":
                return jmeslogic.both(self, node, current)
            case "not":
                return Scalar(celtext.negation(self.truthy(self.value(node.children[0], current))), type="bool")
            case "compare":
                return jmeslogic.comparison(self, node, current)
            case "list":
                return Lists(tuple(self.scalar(self.value(each, current)) for each in node.children))
            case "hash":
                fields = (lenient(inner(self.value(each, current))) for each in node.children)
                return Hash(dict(zip(node.value, fields, strict=True)))
            case "function":
                from webhook.convert.kyverno.jmesfunctions import called  # it knows this module

                return called(self, node, current)
        raise Unfinished(f"JMESPath: {_NAMED.get(node.type, node.type)}")

    def field(self, value: Value, key: str) -> Value:
        """A field of a value."""
        if isinstance(value, Request):
            return self._of_request(value, key)
        if isinstance(value, Images) and not value.of and key in images.CONTAINERS:
            return Images(key)
        if isinstance(value, Image) and key in images.PARTS:
            return part_of_image(value.reference, key)
        if isinstance(value, Images | Image):
            raise Unfinished(f"the field {key} of images")
        if isinstance(value, Stream):
            return replace(value, body=inner(self.field(value.body, key)))
        if isinstance(value, Hash):
            return value.fields.get(key) or Scalar("null")
        if isinstance(value, Lists):
            raise Unfinished(f"JMESPath: the field {key} of a list")
        if value.type in ("list", "string", "int", "double", "bool", "maybe") or value.cel == "null":
            return Scalar("null")  # of what is no map
        whole = self.wholes.get(value.cel) if key not in ("metadata", "spec") else None
        return selected(value, celtext.optional(whole or value.chain or value.cel, key))

    def _looked_up(self, current: Value | None, name: Node) -> Value:
        """A field whose name is a variable."""
        if not isinstance(current, Scalar):
            raise Unfinished("a variable in a variable, as the name of a field of what is no map")
        key = self.scalar(self.value(name))
        self._demand_always(key)
        return selected(current, f"{current.chain or f'dyn({current.cel})'}[?{key.cel}]")

    def _text(self, node: Node) -> Scalar:
        """A text in quotes with variables in it."""
        return Scalar(
            celtext.enclose(" + ".join(self.as_text(self.value(each)) for each in node.children)), type="string"
        )

    def as_text(self, value: Value, *, demands: bool = True, shown: bool = False) -> str:
        """A value as the text that a variable is in a text. A list is in JSON, as far as its items have no quotes.

        shown: whether it is in a message, which is no error where the value is a map.
        """
        scalar = self.scalar(value)
        if scalar.cel == ERROR:
            raise Unfinished("JMESPath: a time that is computed, as a text")
        if demands:
            self._demand_always(scalar)
        if scalar.type == "string":
            return scalar.cel
        if scalar.type in ("int", "double", "bool"):
            return f"string({scalar.cel})"
        held, listed = celtext.scalar("v"), f"'[' + v.map(t, {_AS_JSON}).join(',') + ']'"
        if scalar.type == "list":
            return f"[dyn({scalar.cel})].map(v, {listed})[0]"
        other = "'{}'" if shown else ERROR
        chosen = f"{held} ? string(v) : type(v) == list ? {listed} : v == null ? 'null' : {other}"
        return f"[dyn({scalar.cel})].map(v, {chosen})[0]"

    def _piped(self, node: Node, current: Value | None) -> Value:
        left, right = self.value(node.children[0], current), node.children[1]
        if isinstance(left, Stream) and not flattens(right):
            left = self.materialized(left)
        if isinstance(left, Scalar):
            left = replace(left, there="")  # what is missing is null behind a pipe
        return self.value(right, left)

    def scalar(self, value: Value) -> Scalar:
        """The value as one expression; a projection as a list."""
        if isinstance(value, Scalar):
            if value.cel == ERROR and not value.moment:
                raise Unfinished(
                    "JMESPath: a quantity or a duration that is computed, as anything but the key of a condition"
                )
            return value
        if isinstance(value, Stream):
            return self.materialized(value)
        if isinstance(value, Lists):
            return Scalar("[" + ", ".join(f"dyn({each.cel})" for each in value.items) + "]", type="list")
        if isinstance(value, Hash):
            raise Unfinished("JMESPath: a hash of several values as a whole")
        raise Unfinished("JMESPath: the whole of request" if isinstance(value, Request) else "the whole of images")

    def materialized(self, stream: Stream) -> Scalar:
        """The list of a projection's elements. Raises Unfinished for projections in projections."""
        body = stream.body
        if isinstance(body, Hash):
            raise Unfinished("JMESPath: a list of hashes of several values")
        if not isinstance(body, Scalar):
            raise Unfinished("JMESPath: the list of a nested projection")
        present = [f"{body.chain}.hasValue()"] if body.chain else []
        condition = celtext.conjunction([stream.condition, *present])
        base = stream.base if condition == "true" else f"{stream.base}.filter({stream.variable}, {condition})"
        cel = base if body.cel == stream.variable else f"{base}.map({stream.variable}, {body.cel})"
        return Scalar(cel, type="list", base=stream.chain)

    def quantified(self, value: Value, test: Callable[[Scalar], str], *, every: bool) -> str:
        """Whether the test holds for one element of a list, or for all; of a single value for it alone."""
        if isinstance(value, Hash):
            raise Unfinished("JMESPath: a condition about a hash of several values")
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
        if scalar.type != "dyn" or celtext.is_name(scalar.cel):
            return test(scalar)
        if not scalar.chain:
            one = celtext.enclose(test(Scalar("k")))
            return (
                f"[{scalar.cel}].exists(k, type(k) == list ? k.{macro}({variable}, {test(Scalar(variable))}) : {one})"
            )
        single = celtext.enclose(test(scalar))
        return f"(type({scalar.cel}) == list ? {scalar.cel}.{each} : {single})"

    def truthy(self, value: Value) -> str:
        """Whether JMESPath takes a value for true: all but false, null and what is empty."""
        if isinstance(value, Stream):
            return self.quantified(value, lambda _: "true", every=False)
        if isinstance(value, Lists | Hash):
            return "true"
        scalar = self.scalar(value)
        if scalar.truth:
            return scalar.truth
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
        if found is None and name == "null":
            return Scalar("null")  # a variable that nobody has is null, as those who write it mean
        if found is None or isinstance(found, Missing):
            raise Unfinished(found.reason if found else f"the variable {name}")
        if isinstance(found, Scalar) and found.always:
            self._demand_always(found)
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
            return replace(optional(f"{listed}[?size({listed}) - {-index}]"), there=scalar.there, indexed=True)
        chain = f"{scalar.chain or f'dyn({scalar.cel})'}[?{index}]"
        return replace(optional(chain), there=scalar.there, indexed=True)

    def _projection(self, node: Node, current: Value | None) -> Value:
        if node.type == "project" and node.children[0].type == "slice":
            return self._sliced(node, current)
        left = self.value(node.children[0], current)
        if isinstance(left, Request):
            raise Unfinished("JMESPath: a projection of request")
        if isinstance(left, Stream) and node.type == "project":
            return self._of_each(left, node.children[1])
        if isinstance(left, Stream):  # in parentheses: it is about the whole list
            listed = self.materialized(left)
            found = self._over(listed, node)
            return replace(found, chain=listed.base) if isinstance(found, Stream) else found
        return self._over(left, node)

    def _sliced(self, node: Node, current: Value | None) -> Value:
        """A slice whose ends are known, as the list of its items that are there."""
        start, end, step = (*node.children[0].value, None)[:3]
        start, step = start or 0, step or 1
        if end is None or start < 0 or step < 1 or not 0 <= end <= _MOST_SLICED:
            raise Unfinished("JMESPath: a slice without an end, or that counts from the end")
        scalar = self.scalar(self.value(node.children[0].children[0], current))
        base = f"{scalar.chain}" if scalar.chain else f"dyn({scalar.cel})"
        # Not [?x, ?y]: the API server (1.37) panics at the creation of a policy with a list of optional elements alone.
        index, found = self.fresh(), self.fresh()
        listed = f"{list(range(start, end, step))}.map({index}, {base}[?{index}])"
        listed = f"{listed}.filter({found}, {found}.hasValue()).map({found}, {found}.value())"
        variable = self.fresh()
        with self.inside():
            return Stream(listed, variable, inner(self.value(node.children[1], Scalar(variable))))

    def _of_each(self, left: Value, right: Node) -> Value:
        """What a node gives of each element of a projection."""
        if isinstance(left, Stream):
            return replace(left, body=inner(self._of_each(left.body, right)))
        with self.inside():
            return self.value(right, left)

    def _over(self, left: Value, node: Node) -> Value:
        """The projection of a node over the elements of a value."""
        if isinstance(left, Stream):
            return replace(left, body=inner(self._over(left.body, node)))
        if isinstance(left, Images) and left.of and node.type == "values":
            variable = self.fresh()
            image = Image(f"{variable}.?image.orValue('')")
            listed = f"{celtext.optional(self.new, 'spec', left.of)}.orValue([])"
            return Stream(listed, variable, inner(self.value(node.children[1], image)), chain=chain_of(listed))
        base = self.elements(left)
        chain = chain_of(base)
        variable = self.fresh()
        element: Value = Scalar(f"{base}[{variable}]" if node.type == "values" else variable)
        condition = "true"
        with self.inside():
            if node.type == "filter":
                condition = self.truthy(self.value(node.children[2], element))
                if has_functions(node.children[2]):
                    # An error of a condition is one of the whole, whatever is false or true beside it.
                    base, condition = f"{base}.filter({variable}, {condition})", "true"
            return Stream(base, variable, inner(self.value(node.children[1], element)), condition, chain=chain)

    def elements(self, value: Value) -> str:
        """The list, or the map, that is gone through; an empty one if it is absent."""
        if isinstance(value, Lists):
            return "(" + " + ".join(map(as_list, value.items)) + ")"
        scalar = self.scalar(value)
        return f"{scalar.chain}.orValue([])" if scalar.chain else scalar.cel

    def _flattened(self, value: Value) -> Value:
        """Flattened by one level: what a list of lists is of."""
        if isinstance(value, Stream):
            if isinstance(value.body, Stream):
                if not value.flat:
                    return replace(value, flat=True)
                return replace(value, body=inner(self._flattened(value.body)))
            variable = self.fresh()
            base = self.elements(value.body) if isinstance(value.body, Lists) else as_list(self.scalar(value.body))
            return replace(value, body=Stream(base, variable, Scalar(variable)), flat=True)
        if isinstance(value, Lists):
            return Scalar(self.elements(value), type="list")
        if isinstance(value, Scalar) and value.chain and not self.typed:
            variable = self.fresh()
            # Lists in lists of an object are refused: there is no flatten for them.
            none_in_it = f"{value.chain}.orValue([]).exists({variable}, type({variable}) == list)"
            if self.demanded is not None and not self.within:
                self.ask(f"!{none_in_it}")
        return value


ERROR: Final = "optional.none().value()"
_AS_JSON: Final = "type(t) == string ? '\"' + t + '\"' : type(t) == map || type(t) == list ? '{}' : string(t)"
_MOST_SLICED: Final = 10  # items of a slice
_LONGEST: Final = 10_000
"""Characters of the expression of one variable."""
_REPEATED: Final = 120  # characters of an expression that may stand there twice
_NAMED: Final = {"slice": "a slice", "reference": "an expression reference"}
