"""One rule of a ClusterPolicy with `mutate` -> the mutations of a MutatingAdmissionPolicy: JSON patches.

patchStrategicMerge is in webhook.convert.kyverno.merging. Source: the documentation of Kyverno, "Mutate Rules".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from webhook.convert import celtext, jsonpatches
from webhook.convert.jsonpatches import Computed, Loop, Step
from webhook.convert.kyverno import conditions, variables
from webhook.convert.kyverno.context import Context
from webhook.convert.kyverno.jmesvalues import Scalar
from webhook.convert.kyverno.merging import Each, Merge, text_of
from webhook.convert.kyverno.validation import elements, listed
from webhook.convert.model import JSONObject, Unsupported, listing, mapping
from webhook.convert.standard import Rule
from webhook.documents import syntax
from webhook.lazypatterns import lazily
from webhook.paths import Path

_EACH: Final = frozenset(
    {
        "list", "preconditions", "patchStrategicMerge", "patchesJson6902", "context", "elementScope", "order",
        "foreach",
    }
)  # fmt: skip
_PLAIN_LIST: Final = lazily(
    r"(?P<root>request\.object|element[0-9]?)\.(?P<path>[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)(?:\[\])?"
)
_ONE_INDEX: Final = lazily(r"\{\{ {0,4}elementIndex(?P<level>[0-9]?) {0,4}\}\}")
_MOST: Final = 100  # operations of a JSON patch
_LEVELS: Final = 3  # of foreach


def mutate(given: JSONObject, rule: Rule, context: Context, at: Path, *, services: bool = False) -> None:
    """Fill the rule with what `mutate` changes. Raises Unsupported or Unfinished, with the place.

    services: whether it is about Services, whose ports have another key.
    """
    if "targets" in given or "mutateExistingOnPolicyUpdate" in given:
        raise Unsupported("mutate.targets: existing objects are changed in the background", (*at, "targets"))
    if unknown := sorted(given.keys() - {"patchStrategicMerge", "patchesJson6902", "foreach"}):
        raise Unsupported(f"mutate.{unknown[0]}", (*at, unknown[0]))
    if "patchStrategicMerge" in given:
        patch = mapping(given["patchStrategicMerge"], "patchStrategicMerge", (*at, "patchStrategicMerge"))
        merge = Merge(context.translator, context.differs, service=services)
        _add(rule, merge.expression(patch, (*at, "patchStrategicMerge")))
    if "patchesJson6902" in given:
        place: Path = (*at, "patchesJson6902")
        operations = _operations(given["patchesJson6902"], place)
        path_of = _paths((), context, place)
        _add(rule, jsonpatches.listed(jsonpatches.written(operations, _writer(context, place), place, path_of)))
    for index, each in enumerate(listing(given.get("foreach"), "foreach", (*at, "foreach"))):
        where: Path = (*at, "foreach", index)
        _Foreach(rule, context, services=services).read(mapping(each, "a foreach", where), where, ())
    if not rule.mutations:
        raise Unsupported("a mutation that changes nothing", at)


def _add(rule: Rule, expression: str) -> None:
    if expression:
        rule.mutations.append({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})


class _Foreach:
    """The entries of a foreach, and those in them."""

    def __init__(self, rule: Rule, context: Context, *, services: bool) -> None:
        self._rule, self._context, self._services = rule, context, services

    def read(self, entry: JSONObject, at: Path, around: tuple[Each, ...]) -> None:
        """One entry. around: those that it stands in, the outer ones first."""
        if unknown := sorted(entry.keys() - _EACH):
            raise Unsupported(f"mutate.foreach.{unknown[0]}", (*at, unknown[0]))
        made = [name for name in ("patchStrategicMerge", "patchesJson6902", "foreach") if name in entry]
        if len(made) != 1:
            raise Unsupported(f"a foreach with {' and '.join(made) or 'nothing to change'}", at)
        if len(around) >= _LEVELS:
            raise Unsupported(f"a foreach of more than {_LEVELS} levels", at)
        operations: list[JSONObject] = []
        if "patchesJson6902" in entry:
            operations = _operations(entry["patchesJson6902"], (*at, "patchesJson6902"))
        descending = _descending(entry, operations, len(around), self._context, at)
        names = dict(self._context.translator.names)
        each = self._each(entry, at, around, descending=descending)
        all_of = (*around, each)
        try:
            self._context.read(entry.get("context"), (*at, "context"))
            each.loop.conditions.append(
                conditions.conditions(entry.get("preconditions"), self._context.translator, (*at, "preconditions"))
            )
            if "foreach" in entry:
                inner = listing(entry["foreach"], "foreach", (*at, "foreach"))
                for index, one in enumerate(inner):
                    where: Path = (*at, "foreach", index)
                    self.read(mapping(one, "a foreach", where), where, all_of)
            elif "patchesJson6902" in entry:
                self._json6902(operations, all_of, (*at, "patchesJson6902"))
            else:
                place: Path = (*at, "patchStrategicMerge")
                patch = mapping(entry["patchStrategicMerge"], "patchStrategicMerge", place)
                merge = Merge(self._context.translator, self._context.differs, service=self._services, each=all_of)
                _add(self._rule, merge.expression(patch, place))
        finally:
            self._context.translator.names = names

    def _each(self, entry: JSONObject, at: Path, around: tuple[Each, ...], *, descending: bool) -> Each:
        """The elements of an entry, with their names in variables."""
        translator, depth = self._context.translator, len(around)
        base = elements(listed(entry, self._context, at), translator)
        number, element = translator.fresh(), translator.fresh()
        index = number
        if not around:
            # A list that is gone through several times has a name.
            name = f"foreach{sum(each.startswith('foreach') for each, _ in self._rule.variables) + 1}"
            self._rule.variables.append((name, base))
            base = f"variables.{name}"
        loop = Loop(base, number, element)
        value = element
        if descending:
            index = f"size({base}) - 1 - {number}"
            value = f"{base}[{index}]"
            index = f"({index})"
        found = {"element": Scalar(value), f"element{depth}": Scalar(value)}
        found |= {f"elementIndex{depth}": Scalar(index, type="int"), "elementIndex": Scalar(index, type="int")}
        translator.names |= found
        return Each(loop, _plain(entry, around), index, frozenset({"element", f"element{depth}"}), value)

    def _json6902(self, operations: list[JSONObject], each: tuple[Each, ...], at: Path) -> None:
        if len(operations) > 1:
            _apart(operations, each, at)
        written = jsonpatches.written(
            operations, _writer(self._context, at), at, _paths(each, self._context, at), tuple(one.loop for one in each)
        )
        _add(self._rule, jsonpatches.listed(written))


def _plain(entry: JSONObject, around: tuple[Each, ...]) -> tuple[Step, ...]:
    """The path in the object of the list that an entry goes through as a whole; () if it is another list."""
    plain = _PLAIN_LIST.fullmatch(str(entry.get("list")).strip())
    if plain is None:
        return ()
    path = tuple(plain["path"].split("."))
    if plain["root"] == "request.object":
        return path
    outer = next((one for one in reversed(around) if plain["root"] in one.elements), None)
    return (*outer.path, Computed(outer.index, index=True), *path) if outer and outer.path else ()


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
        if isinstance(value, dict) and variables.has_variables(value):
            pairs = []
            for key, each in value.items():
                name = write(key) if variables.has_variables(key) else celtext.text(key)
                pairs.append(f"{name}: dyn({write(each)})")
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list) and variables.has_variables(value):
            return f"[{', '.join(f'dyn({write(each)})' for each in value)}]"
        # The variables are set into the text of the patch, so that a number in quotes is a text.
        return text_of(value, context.translator, at) if variables.has_variables(value) else celtext.literal(value)

    return write


def _paths(each: Sequence[Each], context: Context, at: Path) -> Callable[[str], tuple[Step, ...]]:
    """What makes the steps of a path, in which variables stand for what they are."""

    def steps(path: str) -> tuple[Step, ...]:
        return tuple(_step(each_step, each, context, at) for each_step in _split(path[1:]))

    return steps


def _split(path: str) -> list[str]:
    """The steps of a path, which may have variables with slashes of their own."""
    found, depth, start = [], 0, 0
    for offset in range(len(path)):
        depth += path.startswith("{{", offset) - path.startswith("}}", offset)
        if path[offset] == "/" and depth <= 0:
            found.append(path[start:offset])
            start = offset + 1
    return [*found, path[start:]]


def _step(text: str, each: Sequence[Each], context: Context, at: Path) -> Step:
    index = _ONE_INDEX.fullmatch(text)
    if index is not None and each:
        level = int(index["level"]) if index["level"] else len(each) - 1
        if level < len(each):
            return Computed(each[level].index, index=True)
    if variables.has_variables(text):
        if not each:
            raise Unsupported("variables in a path of patchesJson6902, which Kyverno refuses outside of a foreach", at)
        return Computed(text_of(text, context.translator, at))
    return jsonpatches.steps(f"/{text}")[0]


def _descending(entry: JSONObject, operations: list[JSONObject], depth: int, context: Context, at: Path) -> bool:
    order = entry.get("order") or ("Descending" if "patchStrategicMerge" in entry else "Ascending")
    if order not in ("Ascending", "Descending"):
        raise Unsupported(f"the order {str(order)[:40]!r}: expected Ascending or Descending", (*at, "order"))
    removes = any(
        each.get("op") in ("remove", "move")
        and _ends_in_own_index(str(each.get("path" if each["op"] == "remove" else "from")), depth)
        for each in operations
    )
    if removes and order == "Ascending":
        text = "elements are removed from the last one to the first; Kyverno's indexes would shift in ascending order"
        context.differs(at, text)
    return removes or order == "Descending"


def _ends_in_own_index(path: str, depth: int) -> bool:
    index = _ONE_INDEX.fullmatch(path.rpartition("/")[2])
    return index is not None and index["level"] in ("", str(depth))


def _apart(operations: list[JSONObject], each: tuple[Each, ...], at: Path) -> None:
    """Raises Unsupported unless all operations stay within their element: then those of all elements may be made
    one operation after the other."""
    inner = each[-1]
    for one in operations:
        for key in ("path", "from"):
            if key not in one:
                continue
            steps = _split(str(one[key])[1:])
            own = [step for step in steps if _ONE_INDEX.fullmatch(step)]
            prefix = len(inner.path)
            last = _ONE_INDEX.fullmatch(steps[prefix]) if prefix and len(steps) > prefix + 1 else None
            within = (
                last is not None
                and last["level"] in ("", str(len(each) - 1))
                and len(own) == len(each)
                and all(
                    isinstance(wanted, Computed) or wanted == step
                    for wanted, step in zip(inner.path, steps, strict=False)
                )
            )
            if not within:
                text = "a foreach with several operations, of which one changes other things than its element"
                raise Unsupported(f"{text}: {one[key]}", at)
