"""One rule of a ClusterPolicy with `mutate` -> the mutations of a MutatingAdmissionPolicy.

patchStrategicMerge becomes an ApplyConfiguration, whose lists are merged by the same keys; what it sets to null, and
lists that have no key, become JSON patches, as patchesJson6902 does. Source: the documentation of Kyverno, "Mutate
Rules".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.convert import celtext, jsonpatches
from webhook.convert.kyverno import conditions, variables
from webhook.convert.kyverno.context import Context
from webhook.convert.kyverno.expressions import Scalar
from webhook.convert.kyverno.patterns import Patterns, anchor
from webhook.convert.kyverno.validation import elements, listed
from webhook.convert.model import JSONObject, Unsupported, listing, mapping
from webhook.convert.standard import Rule
from webhook.documents import syntax
from webhook.lazypatterns import lazily
from webhook.paths import Path

MAPS: Final = frozenset(
    {"labels", "annotations", "nodeSelector", "matchLabels", "limits", "requests", "data", "stringData", "binaryData"}
)
KEYS: Final = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name",
    "imagePullSecrets": "name", "volumeMounts": "mountPath", "ports": "containerPort", "volumeDevices": "devicePath",
    "hostAliases": "ip", "topologySpreadConstraints": "topologyKey",
}  # fmt: skip
"""Lists that are merged by a key -> the key. A Service's ports have another: those of containers are meant."""
_EACH: Final = frozenset(
    {"list", "preconditions", "patchStrategicMerge", "patchesJson6902", "context", "elementScope", "order"}
)
_INDEX: Final = lazily(r"\{\{ *elementIndex0? *\}\}")
_PLAIN_LIST: Final = lazily(r"request\.object\.(?P<path>[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)(?:\[\])?")
_DEEPEST: Final = 20
_MOST: Final = 100  # operations of a JSON patch


def mutate(given: JSONObject, rule: Rule, context: Context, at: Path) -> None:
    """Fill the rule with what `mutate` changes. Raises Unsupported or Unfinished, with the place."""
    if "targets" in given or "mutateExistingOnPolicyUpdate" in given:
        raise Unsupported("mutate.targets: existing objects are changed in the background", (*at, "targets"))
    if unknown := sorted(given.keys() - {"patchStrategicMerge", "patchesJson6902", "foreach"}):
        raise Unsupported(f"mutate.{unknown[0]}", (*at, unknown[0]))
    if "patchStrategicMerge" in given:
        patch = mapping(given["patchStrategicMerge"], "patchStrategicMerge", (*at, "patchStrategicMerge"))
        _Merge(rule, context).patch(patch, (*at, "patchStrategicMerge"))
    if "patchesJson6902" in given:
        _json6902(given["patchesJson6902"], rule, context, (*at, "patchesJson6902"))
    for index, each in enumerate(listing(given.get("foreach"), "foreach", (*at, "foreach"))):
        entry = mapping(each, "a foreach", (*at, "foreach", index))
        place = (*at, "foreach", index)
        if unknown := sorted(entry.keys() - _EACH):
            raise Unsupported(f"mutate.foreach.{unknown[0]}", (*place, unknown[0]))
        if "patchesJson6902" in entry:
            if "patchStrategicMerge" in entry:
                raise Unsupported("a foreach with patchStrategicMerge and patchesJson6902", place)
            _each_json6902(entry, rule, context, place)
            continue
        context.read(entry.get("context"), (*place, "context"))
        patch = mapping(entry.get("patchStrategicMerge"), "patchStrategicMerge", place)
        _Merge(rule, context, entry, place).patch(patch, (*place, "patchStrategicMerge"))
    if not rule.mutations:
        raise Unsupported("a mutation that changes nothing", at)


class _Merge:
    """A patchStrategicMerge. each: the foreach that it stands in, if any."""

    def __init__(self, rule: Rule, context: Context, each: JSONObject | None = None, each_at: Path = ()) -> None:
        self._rule, self._context = rule, context
        self._patterns = Patterns(context.translator)
        self._conditions: list[str] = []
        self._patches: list[str] = []
        self._each, self._each_at = each or {}, each_at

    def patch(self, given: JSONObject, at: Path) -> None:
        fields = self._fields(given, "object", "Object", at, ())
        # What kind and name a patch repeats is known already.
        met = celtext.conjunction(self._conditions)
        if fields:
            expression = f"Object{{{fields}}}"
            if met != "true":
                expression = f"{celtext.enclose(met)} ? {expression} : Object{{}}"
            self._rule.mutations.append(
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
            )
        if self._patches:
            expression = " +\n".join(self._patches)
            if met != "true":
                expression = f"{celtext.enclose(met)} ? ({expression}) : []"
            self._rule.mutations.append({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})

    def _fields(self, given: JSONObject, subject: str, kind: str, at: Path, path: tuple[str, ...]) -> str:
        """The fields of an object in an ApplyConfiguration. subject: the expression for the object as it is."""
        if len(path) > _DEEPEST:
            raise Unsupported(f"a patch of more than {_DEEPEST} levels", at)
        written = []
        for named, value in given.items():
            sign, key = anchor(named)
            place = (*at, named)
            if not path and key in ("apiVersion", "kind"):
                continue
            if sign == "(":
                self._conditions.append(self._patterns.condition(value, subject, key, place))
                continue
            if sign not in ("", "+"):
                raise Unsupported(f"the anchor {sign}({key}) in a patch", place)
            if not celtext.is_name(key):
                raise Unsupported(f"a patch of the field {key!r}", place)
            if field := self._field(key, value, subject, kind, place, path, only_if_absent=sign == "+"):
                written.append(field)
        return ", ".join(written)

    def _field(
        self, key: str, value: Any, subject: str, kind: str, at: Path, path: tuple[str, ...], *, only_if_absent: bool
    ) -> str:
        there = celtext.optional(subject, key)
        if value is None:
            self._remove((*path, key), at)
            return ""
        if isinstance(value, dict) and not only_if_absent:
            if key in MAPS or not all(celtext.is_name(anchor(name)[1]) for name in value):
                return f"{key}: {self._map(value, f'{there}.orValue({{}})', at, path, key)}"
            inner = self._fields(value, f"{there}.orValue({{}})", f"{kind}.{key}", at, (*path, key))
            return f"{key}: {kind}.{key}{{{inner}}}" if inner else ""
        if isinstance(value, list):
            return self._list(key, value, subject, kind, at, path, only_if_absent=only_if_absent)
        new = self._new(value, f"{kind}.{key}", key, at)
        if only_if_absent:
            return f"?{key}: {there}.hasValue() ? optional.none() : optional.of({new})"
        return f"{key}: {new}"

    def _map(self, given: JSONObject, subject: str, at: Path, path: tuple[str, ...], key: str) -> str:
        """A map of texts, such as labels."""
        entries = []
        for named, value in given.items():
            sign, name = anchor(named)
            if sign == "(":
                self._conditions.append(self._patterns.condition(value, subject, name, (*at, named)))
            elif value is None:
                self._remove((*path, key, name), (*at, named))
            elif sign == "+":
                new = self._text(value, (*at, named))
                held = f"{celtext.text(name)} in {subject}"
                entries.append(f"?{celtext.text(name)}: {held} ? optional.none() : optional.of({new})")
            elif sign:
                raise Unsupported(f"the anchor {sign}({name}) in a patch", (*at, named))
            else:
                entries.append(f"{celtext.text(name)}: {self._text(value, (*at, named))}")
        return "{" + ", ".join(entries) + "}"

    def _list(
        self,
        key: str,
        value: list[Any],
        subject: str,
        kind: str,
        at: Path,
        path: tuple[str, ...],
        *,
        only_if_absent: bool,
    ) -> str:
        if key not in KEYS or not all(isinstance(each, dict) for each in value):
            if not all(each.isidentifier() for each in path) or "[" in subject or not subject.startswith("object"):
                raise Unsupported(f"a patch of the list {key} within the elements of a list", at)
            pointer = jsonpatches.pointer((*path, key))
            new = celtext.literal(value) if not variables.has_variables(value) else self._text(value, at)
            absent = f"!{celtext.optional('object', *path, key)}.hasValue()"
            made = f"[JSONPatch{{op: 'add', path: {celtext.text(pointer)}, value: {new}}}]"
            self._patches.append(f"({absent} ? {made} : [])" if only_if_absent else made)
            if not only_if_absent:
                self._context.differs(at, f"the list {key} is replaced as a whole")
            return ""
        there = celtext.optional(subject, key)
        over, added = [], []
        for index, item in enumerate(value):
            place = (*at, index)
            name = KEYS[key]
            if any(anchor(each)[0] == "(" for each in item) or (self._each and name in item):
                over.append(self._over_elements(item, there, f"{kind}.{key}", name, place, (*path, key)))
            elif name not in item:
                raise Unsupported(f"an item of {key} without {name}", place)
            else:
                added.append(self._new(item, f"{kind}.{key}", key, place))
        expression = " + ".join([*over, *([f"[{', '.join(added)}]"] if added else [])])
        if not added or only_if_absent:
            held = f"{there}.hasValue()"
            kept = ("optional.none()", f"optional.of({expression})")
            first, second = kept if only_if_absent else kept[::-1]
            return f"?{key}: {held} ? {first} : {second}"
        return f"{key}: {expression}"

    def _over_elements(
        self, item: JSONObject, there: str, kind: str, name: str, at: Path, path: tuple[str, ...]
    ) -> str:
        """The change of those elements of a list that meet the anchors."""
        variable = self._context.translator.fresh()
        kept, names = self._conditions, dict(self._context.translator.names)
        self._conditions = []
        rest = dict(item)
        try:
            if self._each:
                listed = str(self._each.get("list")).strip()
                if listed.removesuffix("[]") != "request.object." + ".".join(path):
                    raise Unsupported(f"a foreach over {listed[:80]} that changes {'.'.join(path)}", self._each_at)
                self._context.translator.names["element"] = Scalar(variable)
                when = conditions.conditions(
                    self._each.get("preconditions"), self._context.translator, (*self._each_at, "preconditions")
                )
                self._conditions.append(when)
                for spelt in (name, f"({name})"):
                    if "".join(str(rest.get(spelt)).split()) == f"{{{{element.{name}}}}}":
                        del rest[spelt]
            rest = {key: value for key, value in rest.items() if key != name}
            fields = self._fields(rest, variable, kind, at, (*path, "*"))
            met = celtext.conjunction(self._conditions)
        finally:
            self._conditions, self._context.translator.names = kept, names
        chosen = f"{there}.orValue([])" + (f".filter({variable}, {met})" if met != "true" else "")
        return f"{chosen}.map({variable}, {kind}{{{', '.join(filter(None, [f'{name}: {variable}.{name}', fields]))}}})"

    def _new(self, value: Any, kind: str, key: str, at: Path) -> str:
        """A value that is added: an object with its type, a scalar, or a text with variables."""
        if isinstance(value, dict) and key not in MAPS:
            fields = [
                f"{name}: {self._new(each, f'{kind}.{name}', name, (*at, name))}"
                for name, each in value.items()
                if celtext.is_name(name) or self._refuse(name, at)
            ]
            return f"{kind}{{{', '.join(fields)}}}"
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            return f"[{', '.join(self._new(each, kind, '', (*at, index)) for index, each in enumerate(value))}]"
        return self._text(value, at)

    def _refuse(self, name: str, at: Path) -> bool:
        raise Unsupported(f"a patch of the field {name!r}", at)

    def _text(self, value: Any, at: Path) -> str:
        if isinstance(value, dict | list) and variables.has_variables(value):
            raise Unsupported("a patch with variables within a list or a map that is added as a whole", at)
        return self._context.translator.scalar(variables.value(value, self._context.translator)).cel

    def _remove(self, path: tuple[str, ...], at: Path) -> None:
        if "*" in path:
            raise Unsupported("a patch that removes a field of the elements of a list", at)
        held = f"{celtext.optional('object', *path)}.hasValue()"
        pointer = celtext.text(jsonpatches.pointer(path))
        self._patches.append(f"({held} ? [JSONPatch{{op: 'remove', path: {pointer}}}] : [])")


def _json6902(given: Any, rule: Rule, context: Context, at: Path) -> None:
    expression = jsonpatches.expression(_operations(given, at), _writer(context, at), at)
    rule.mutations.append({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})


def _operations(given: Any, at: Path) -> list[JSONObject]:
    """The operations of patchesJson6902, a text of YAML. Raises Unsupported."""
    if not isinstance(given, str):
        raise Unsupported("patchesJson6902 that is no text", at)
    try:
        roots = syntax.read_yaml(given)
    except syntax.SyntaxProblem as error:
        raise Unsupported(f"patchesJson6902 that is no YAML: {error}", at) from None
    operations = roots[0].value if len(roots) == 1 else None
    if not isinstance(operations, list) or not operations or len(operations) > _MOST:
        raise Unsupported(f"patchesJson6902 that is no list of 1 to {_MOST} operations", at)
    return [mapping(each, "an operation", at) for each in operations]


def _writer(context: Context, at: Path) -> Callable[[Any], str]:
    """What makes an expression of the value of an operation."""

    def write(value: Any) -> str:
        if isinstance(value, dict | list) and variables.has_variables(value):
            raise Unsupported("patchesJson6902 with variables within a list or a map", at)
        return context.translator.scalar(variables.value(value, context.translator)).cel

    return write


def _each_json6902(entry: JSONObject, rule: Rule, context: Context, at: Path) -> None:
    """A foreach with patchesJson6902: the operations of each element, in the order of the list or against it."""
    place: Path = (*at, "patchesJson6902")
    operations = [_indexed(each) for each in _operations(entry["patchesJson6902"], place)]
    descending = _descending(entry, operations, context, at)
    if len(operations) > 1:
        _apart(entry, operations, place)
    translator = context.translator
    name = f"foreach{sum(each.startswith('foreach') for each, _ in rule.variables) + 1}"
    all_of = f"variables.{name}"
    number, element = translator.fresh(), translator.fresh()
    index = f"size({all_of}) - 1 - {number}" if descending else number
    outer = dict(translator.names)
    rule.variables.append((name, elements(listed(entry, context, at), translator)))
    translator.names |= {
        "element": Scalar(f"{all_of}[{index}]" if descending else element),
        "elementIndex": Scalar(f"({index})" if descending else index, type="int"),
    }
    try:
        context.read(entry.get("context"), (*at, "context"))
        when = conditions.conditions(entry.get("preconditions"), translator, (*at, "preconditions"))
        written = jsonpatches.written(operations, _writer(context, place), place, index)
    finally:
        translator.names = outer
    terms = [
        f"{all_of}.transformList({number}, {element}, {celtext.conjunction([when, each.condition])}, {each.cel})"
        for each in written
    ]
    rule.mutations.append({"patchType": "JSONPatch", "jsonPatch": {"expression": " +\n".join(terms)}})


def _indexed(operation: JSONObject) -> JSONObject:
    """The operation, with the index in its paths spelt in one way."""
    return operation | {
        key: _INDEX.sub(jsonpatches.INDEX, operation[key])
        for key in ("path", "from")
        if isinstance(operation.get(key), str)
    }


def _descending(entry: JSONObject, operations: list[JSONObject], context: Context, at: Path) -> bool:
    order = entry.get("order") or "Ascending"
    if order not in ("Ascending", "Descending"):
        raise Unsupported(f"the order {str(order)[:40]!r}: expected Ascending or Descending", (*at, "order"))
    removes = any(
        each.get("op") in ("remove", "move")
        and str(each.get("path" if each["op"] == "remove" else "from")).endswith(jsonpatches.INDEX)
        for each in operations
    )
    if removes and order == "Ascending":
        text = "elements are removed from the last one to the first; Kyverno's indexes would shift in ascending order"
        context.differs(at, text)
    return removes or order == "Descending"


def _apart(entry: JSONObject, operations: list[JSONObject], at: Path) -> None:
    """Raises Unsupported unless all operations stay within their element: then those of all elements may be made
    one operation after the other."""
    plain = _PLAIN_LIST.fullmatch(str(entry.get("list")).strip())
    prefix = (*plain["path"].split("."), jsonpatches.INDEX) if plain else ()
    for each in operations:
        for key in ("path", "from"):
            steps = jsonpatches.steps(str(each[key])) if key in each else None
            if steps and (not prefix or steps[: len(prefix)] != prefix or len(steps) == len(prefix)):
                text = "a foreach with several operations, of which one changes other things than its element"
                raise Unsupported(f"{text}: {each[key]}", at)
