"""A strategic merge patch of Kyverno -> the operations of a JSON patch.

Not an ApplyConfiguration: that refuses lists and maps which are one value to Kubernetes, such as args, nodeSelector and
the reference in a secret's name, and has nothing to remove a field with. Source: the documentation of Kyverno, "Mutate
Rules"; that of Kubernetes, "Update API Objects in Place Using kubectl patch".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.convert import celtext, jsonpatches
from webhook.convert.jsonpatches import Computed, Loop, Operation, Step
from webhook.convert.kyverno import variables
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.patterns import Patterns, anchor
from webhook.convert.model import JSONObject, Unsupported
from webhook.lazypatterns import lazily
from webhook.paths import Path

TEXTS: Final = frozenset(
    {"labels", "annotations", "nodeSelector", "matchLabels", "data", "stringData", "binaryData", "limits", "requests"}
)
"""Maps whose values are texts."""
_KEYS: Final = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name",
    "imagePullSecrets": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey", "ports": "containerPort", "webhooks": "name", "secrets": "name",
    "ownerReferences": "uid", "schedulingGates": "name", "resourceClaims": "name",
}  # fmt: skip
"""Lists that are merged by a key -> the key."""
_MERGED: Final = frozenset({"finalizers"})
"""Lists of texts that are merged."""
_DEEPEST: Final = 20
_DIRECTIVE: Final = "$patch"
_PATH: Final = lazily(r"[A-Za-z0-9_]+(?:\.\??[A-Za-z0-9_]+|\[\??(?:'[^'\\]*'|[0-9]+)\])*")


class Each(Struct, frozen=True):
    """The foreach that a patch stands in. path: of its list in the object, if that is gone through as a whole.
    index, value: of the element, in CEL. elements: its names in variables."""

    loop: Loop
    path: tuple[Step, ...]
    index: str
    elements: frozenset[str]
    value: str


class _Place(Struct, frozen=True):
    """Where a part of a patch belongs. subject: the expression of the value there, and chain its optional one; steps:
    its path; conditions: to which anchors add; loops: the elements that it is in."""

    subject: str
    steps: tuple[Step, ...]
    conditions: list[str]
    loops: tuple[Loop, ...] = ()


class Merge:
    """One patch. kind: of the object. each: the foreaches that it stands in, the outer ones first. differs: notes a
    difference."""

    def __init__(
        self, translator: Translator, differs: Callable[[Path, str], None], *, service: bool, each: Sequence[Each] = ()
    ) -> None:
        self._translator, self._differs = translator, differs
        self._patterns = Patterns(translator)
        self._service = service
        self._each = tuple(each)
        self._conditions: list[str] = []
        self._changes: list[Operation] = []
        self._removed: list[Operation] = []
        self._added: list[tuple[int, Operation]] = []
        self._made: set[tuple[Step, ...]] = {("metadata",), ("spec",)}

    def expression(self, given: JSONObject, at: Path) -> str:
        """The list of operations; "" if there are none. Raises Unsupported or Unfinished, with the place."""
        place = _Place("object", (), self._conditions, tuple(each.loop for each in self._each))
        self._map(given, place, at)
        # What is added to a list moves its elements: those of inner lists are added first.
        added = [each for _, each in sorted(self._added, key=lambda pair: -pair[0])]
        operations = [*self._changes, *self._removed, *added]
        if not operations:
            return ""
        met = celtext.conjunction(self._conditions)
        listed = jsonpatches.listed(operations)
        return listed if met == "true" else f"{celtext.enclose(met, '||')} ? {celtext.enclose(listed, '||')} : []"

    def _map(self, given: JSONObject, place: _Place, at: Path) -> None:
        if len(place.steps) > _DEEPEST:
            raise Unsupported(f"a patch of more than {_DEEPEST} levels", at)
        plain = [anchor(named)[1] for named in given]
        for named, value in given.items():
            if isinstance(value, dict) and plain.count(anchor(named)[1]) > 1:
                raise Unsupported(f"a patch that names {anchor(named)[1]!r} twice", (*at, named))
        # All conditions count for what stands before them too.
        for named, value in given.items():
            sign, key = anchor(named)
            if sign in ("(", "<") and not variables.has_variables(named):
                self._condition(sign, key, value, place, (*at, named))
        for named, value in given.items():
            sign, key = anchor(named)
            at_field = (*at, named)
            if sign in ("(", "<") or (not place.steps and key in ("apiVersion", "kind")):
                continue
            if sign not in ("", "+"):
                raise Unsupported(f"the anchor {sign}({key}) in a patch", at_field)
            if key.startswith("$"):
                raise Unsupported(f"the directive {key} in a patch", at_field)
            self._field(key, value, place, at_field, only_if_absent=sign == "+")

    def _condition(self, sign: str, key: str, value: Any, place: _Place, at: Path) -> None:
        if sign == "<" and len(place.loops) > len(self._each):
            # A global anchor in an element: the rule applies if one of the elements meets it.
            *_, loop = place.loops
            met = self._patterns.condition(value, loop.element, key, at)
            self._conditions.append(f"{loop.base}.exists({loop.element}, {met})")
            return
        where = self._conditions if sign == "<" else place.conditions
        where.append(self._met(value, place.subject, key, at))

    def _met(self, value: Any, subject: str, key: str, at: Path) -> str:
        return self._patterns.condition(value, subject, key, at)

    def _field(self, key: str, value: Any, place: _Place, at: Path, *, only_if_absent: bool) -> None:
        step, chain = self._step(key, place, at)
        way = (*place.steps, step)
        if value is None:
            self._change("remove", way, None, place, f"{chain}.hasValue()")
            return
        if only_if_absent:
            if len(place.loops) > len(self._each):
                self._differs(
                    at, "each element is asked whether it has the field; Kyverno asks the first, for all of them"
                )
            self._parents(place)
            self._change("add", way, self._new(value, key, at), place, f"!{chain}.hasValue()")
        elif isinstance(value, dict):
            conditions = place.conditions
            inner = _Place(f"{chain}.orValue({{}})", way, conditions, place.loops)
            if _sets(value):
                self._parents(inner)
            self._map(value, inner, at)
        elif isinstance(value, list):
            self._list(key, value, chain, way, place, at)
        else:
            self._parents(place)
            self._change("add", way, self._new(value, key, at, within=place.steps), place)

    def _step(self, key: str, place: _Place, at: Path) -> tuple[Step, str]:
        """A step for a key, and the optional value there."""
        if not variables.has_variables(key):
            return key, celtext.optional(place.subject, key)
        text = text_of(key, self._translator, at)
        return Computed(f"jsonpatch.escapeKey({text})"), f"{place.subject}[?{text}]"

    def _change(
        self, op: str, way: tuple[Step, ...], value: str | None, place: _Place, condition: str = "true"
    ) -> None:
        self._changes.append(jsonpatches.operation(op, way, value, condition=condition, loops=place.loops))

    def _parents(self, place: _Place) -> None:
        """Make the map of a place where it is missing. Those around it are made already."""
        if not place.steps or isinstance(place.steps[-1], Computed) or place.steps in self._made:
            return
        self._made.add(place.steps)
        chain = place.subject.removesuffix(".orValue({})")
        self._changes.append(
            jsonpatches.operation("add", place.steps, "{}", condition=f"!{chain}.hasValue()", loops=place.loops)
        )

    def _list(self, key: str, value: list[Any], chain: str, way: tuple[Step, ...], place: _Place, at: Path) -> None:
        if key in _MERGED and all(isinstance(each, str) for each in value):
            self._parents(place)
            new, held = self._new(value, key, at), f"{chain}.orValue([])"
            self._change("add", way, f"{new} + {held}.filter(f, !(f in {new}))", place)
            return
        name = "port" if key == "ports" and self._service else _KEYS.get(key)
        if name is None or not all(isinstance(each, dict) for each in value):
            if any(anchor(named)[0] for each in value if isinstance(each, dict) for named in each):
                raise Unsupported(f"anchors in the list {key}, which is replaced as a whole", at)
            self._parents(place)
            self._change("add", way, self._new(value, key, at), place)
            return
        if sum(any(anchor(named)[0] == "(" for named in each) for each in value) > 1:
            text = f"Kyverno takes other elements of {key} away, where a patch has several with conditions"
            self._differs(at, text)
        added = []
        for index, item in enumerate(value):
            where = (*at, index)
            if item.get(_DIRECTIVE) == "delete":
                self._delete(item, name, key, chain, way, place, where)
            elif any(anchor(named)[0] == "(" for named in item) or name not in item:
                self._over(item, name, key, chain, way, place, where)
            else:
                self._named(item, name, key, chain, way, place, where)
                if self._of_element(item, name, way) is None:
                    added.append((item, where))
        if added:
            # Also where an anchor of another item decides about the elements: what is new is added.
            self._changes.append(
                jsonpatches.operation("add", way, "[]", condition=f"!{chain}.hasValue()", loops=place.loops)
            )
        for item, where in reversed(added):
            wanted = self._new(item[name], name, (*where, name))
            condition = f"!{chain}.orValue([]).exists(n, n.?{name}.orValue(dyn(null)) == {wanted})"
            loops = place.loops
            if loops and not any(isinstance(each, Computed) for each in way) and not variables.has_variables(item):
                # It is the same for all elements of the foreach, and is added once.
                condition, loops = celtext.conjunction([_any_of(loops), condition]), ()
            new = self._new(item, key, where)
            operation = jsonpatches.operation("add", (*way, "0"), new, condition=condition, loops=loops)
            self._added.append((len(way), operation))

    def _over(
        self, item: JSONObject, name: str, key: str, chain: str, way: tuple[Step, ...], place: _Place, at: Path
    ) -> None:
        """The change of those elements of a list that meet the anchors. A name beside them says nothing, as in
        Kyverno."""
        signs = {anchor(named)[0] for named in item}
        if signs == {"<"}:
            _, inner = self._within(chain, way, place)
            for named, value in item.items():
                self._condition("<", anchor(named)[1], value, inner, (*at, named))
            return
        if "(" not in signs:
            raise Unsupported(f"an item of {key} without {name}", at)
        if name != "name" and not any(anchor(named) == ("(", name) for named in item):
            text = f"Kyverno knows the elements of {key} by {name}, and loses those that other anchors name"
            self._differs(at, text)
        if (each := self._of_element(item, name, way)) is not None:
            rest = {named: value for named, value in item.items() if anchor(named)[1] != name}
            self._map(rest, _of_each(each, way, place), at)
            return
        _, inner = self._within(chain, way, place)
        self._map({named: value for named, value in item.items() if named != name}, inner, at)

    def _named(
        self, item: JSONObject, name: str, key: str, chain: str, way: tuple[Step, ...], place: _Place, at: Path
    ) -> None:
        """The change of the element with a key, if it is there."""
        rest = {named: value for named, value in item.items() if named != name}
        if (each := self._of_element(item, name, way)) is not None:
            inner = _of_each(each, way, place)
        else:
            loop, inner = self._within(chain, way, place)
            loop.conditions.append(f"{loop.element}.?{name}.orValue(dyn(null)) == {self._new(item[name], name, at)}")
        self._map(rest, inner, at)

    def _within(self, chain: str, way: tuple[Step, ...], place: _Place) -> tuple[Loop, _Place]:
        number, element = self._translator.fresh(), self._translator.fresh()
        loop = Loop(f"{chain}.orValue([])", number, element)
        loops = (*place.loops, loop)
        return loop, _Place(element, (*way, Computed(number, index=True)), loop.conditions, loops)

    def _delete(
        self, item: JSONObject, name: str, key: str, chain: str, way: tuple[Step, ...], place: _Place, at: Path
    ) -> None:
        if item.keys() != {name, _DIRECTIVE}:
            raise Unsupported(f"an item of {key} to be deleted that has more than {name}", at)
        held = f"{chain}.orValue([])"
        number, element = self._translator.fresh(), self._translator.fresh()
        met = f"{element}.?{name}.orValue(dyn(null)) == {self._new(item[name], name, at)}"
        loops = (*place.loops, Loop(held, number, element, [met]))
        earlier = [each for each in self._removed if each.loops[:-1] == place.loops and each.loops[-1].base == held]
        if earlier:
            raise Unsupported(f"several items of {key} to be deleted", at)
        self._removed.append(jsonpatches.operation("remove", (*way, Computed(number, index=True)), loops=loops))

    def _of_element(self, item: JSONObject, name: str, way: tuple[Step, ...]) -> Each | None:
        """The foreach whose element an item is: its list is that of the patch, and the key is that of the element."""
        for each in self._each:
            spelt = "".join(str(item.get(name, item.get(f"({name})"))).split())
            if way == each.path and spelt in {f"{{{{{one}.{name}}}}}" for one in each.elements}:
                return each
        return None

    def _new(self, value: Any, key: str, at: Path, within: tuple[Step, ...] = ()) -> str:
        """The expression of a value that is set."""
        if isinstance(value, dict):
            if not any(anchor(named)[0] for named in value) and not variables.has_variables(value):
                return celtext.literal(value)
            pairs = []
            for named, each in value.items():
                sign, name = anchor(named)
                if sign not in ("", "+"):
                    raise Unsupported(f"the anchor {sign}({name}) in what is added as a whole", (*at, named))
                written = self._new(each, name, (*at, named), (key,))
                left = text_of(name, self._translator, at) if variables.has_variables(name) else celtext.text(name)
                pairs.append(f"{left}: dyn({written})")
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list) and (variables.has_variables(value) or _anchored(value)):
            return f"[{', '.join(f'dyn({self._new(each, key, (*at, index))})' for index, each in enumerate(value))}]"
        if not variables.has_variables(value):
            return celtext.literal(value)
        if within and within[-1] in TEXTS:
            return text_of(value, self._translator, at)
        return strict(value, self._translator, at)


def _of_each(each: Each, way: tuple[Step, ...], place: _Place) -> _Place:
    """The element of a foreach as the place of a patch. Its anchors decide about it alone."""
    own = Loop(each.loop.base, each.loop.number, each.loop.element, list(each.loop.conditions))
    loops = tuple(own if one is each.loop else one for one in place.loops)
    return _Place(each.value, (*way, Computed(each.index, index=True)), own.conditions, loops)


def _any_of(loops: Sequence[Loop]) -> str:
    """Whether there is an element for which something is made."""
    text = "true"
    for each in reversed(loops):
        met = celtext.conjunction([*each.conditions, text])
        text = f"{each.base}.exists({each.number}, {each.element}, {met})"
    return text


def strict(value: Any, translator: Translator, at: Path) -> str:
    """The expression of a value with variables. One that is missing is an error, as it is to Kyverno."""
    outer, translator.demanded = translator.demanded, []
    try:
        found = translator.scalar(variables.value(value, translator))
        demanded = list(dict.fromkeys(translator.demanded))
    except Unsupported as error:
        error.path = error.path or at
        raise
    finally:
        translator.demanded = outer
    if demanded == [f"{found.chain}.hasValue()"]:
        return selected(found.chain)
    if demanded:
        missing = celtext.enclose(celtext.conjunction(demanded), "||")
        return f"({missing} ? dyn({found.cel}) : dyn(optional.none().value()))"
    return found.cel


def text_of(value: str, translator: Translator, at: Path) -> str:
    """The expression of a text with variables: a text, whatever these are."""
    written = strict(value, translator, at)
    return written if len(variables.parts(value)) > 1 and "?" not in written else f"string({written})"


def selected(chain: str) -> str:
    """The value of an optional, or an error that says what is missing."""
    return chain.replace(".?", ".").replace("[?", "[") if _PATH.fullmatch(chain) else f"{chain}.value()"


def _sets(value: JSONObject) -> bool:
    """Whether a part of a patch sets anything, and does not only ask or remove."""
    for named, each in value.items():
        if anchor(named)[0] in ("(", "<") or each is None:
            continue
        if not isinstance(each, dict) or anchor(named)[0] == "+" or _sets(each):
            return True
    return False


def _anchored(value: Any) -> bool:
    if isinstance(value, dict):
        return any(anchor(named)[0] or _anchored(each) for named, each in value.items())
    return isinstance(value, list) and any(map(_anchored, value))
