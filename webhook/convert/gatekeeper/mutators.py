"""Assign, AssignMetadata, ModifySet and AssignImage -> MutatingAdmissionPolicies.

Source: the documentation of Gatekeeper, "Mutation".
"""

from __future__ import annotations

from typing import Any, Final

from webhook.convert import celtext, rules, standard
from webhook.convert.gatekeeper.locations import Step, parse
from webhook.convert.gatekeeper.match import match
from webhook.convert.gatekeeper.patching import Patch, Test, Value
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping, texts
from webhook.convert.rules import Kind
from webhook.convert.standard import Rule
from webhook.lazypatterns import lazily
from webhook.paths import Path
from webhook.schema.kinds import Kinds

KINDS: Final = ("Assign", "AssignMetadata", "ModifySet", "AssignImage")
_OPERATIONS: Final = ("CREATE", "UPDATE")
_MAPS: Final = ("labels", "annotations")
_PARTS: Final = {
    "assignDomain": lazily(r"(?:localhost|[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)(?::[0-9]{1,5})?"),
    "assignPath": lazily(r"[a-z0-9][a-z0-9._-]{0,126}(?:/[a-z0-9][a-z0-9._-]{0,126}){0,16}"),
    "assignTag": lazily(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@[A-Za-z][A-Za-z0-9+._-]{0,31}:[0-9a-fA-F]{32,128}"),
}
"""The parts of an image that are assigned -> the syntax that Gatekeeper accepts."""


def convert(outcome: Outcome, kinds: Kinds) -> None:
    """Fill the outcome of a mutator."""
    try:
        spec = mapping(outcome.document.value.get("spec"), "spec", ("spec",))
        if unknown := sorted(spec.keys() - {"applyTo", "match", "location", "parameters"}):
            raise Unsupported(f"spec.{unknown[0]}", ("spec", unknown[0]))
        rule = Rule(outcome.folder, reinvocation="IfNeeded")
        _applies_to(spec, rule, outcome, kinds)
        match(spec.get("match"), rule, outcome, kinds, _OPERATIONS, ("spec", "match"))
        location = spec.get("location")
        if not isinstance(location, str):
            raise Unsupported("a mutator without a location, so it is incomplete", ("spec",))
        steps = parse(location, ("spec", "location"))
        if any((each.list_value or "").isdigit() for each in steps):
            raise Unsupported("an element selected by a number, which Gatekeeper never finds", ("spec", "location"))
        parameters = mapping(spec.get("parameters"), "parameters", ("spec", "parameters"))
        write = {"AssignMetadata": _metadata, "Assign": _assign, "ModifySet": _modify_set, "AssignImage": _assign_image}
        write[outcome.kind](steps, parameters, rule, outcome)
    except Unsupported as error:
        outcome.refuse(error.path or ("spec",), str(error))
        return
    made = standard.policy(rule)
    outcome.policies.append(made)
    outcome.rules[""] = [rule.name]
    outcome.bindings.append(standard.binding(made, []))


def _applies_to(spec: JSONObject, rule: Rule, outcome: Outcome, kinds: Kinds) -> None:
    if outcome.kind == "AssignMetadata":
        if "applyTo" in spec:
            outcome.differs(("spec", "applyTo"), "AssignMetadata has no applyTo: Gatekeeper does not read it")
        return
    wanted = [
        Kind(group, version, kind)
        for index, each in enumerate(listing(spec.get("applyTo"), "applyTo", ("spec", "applyTo")))
        for entry in [mapping(each, "an item of applyTo", ("spec", "applyTo", index))]
        for group in texts(entry.get("groups"), "groups", ("spec", "applyTo", index))
        for version in texts(entry.get("versions"), "versions", ("spec", "applyTo", index))
        for kind in texts(entry.get("kinds"), "kinds", ("spec", "applyTo", index))
    ]
    if not wanted:
        raise Unsupported("a mutator that applies to no kinds, so it is incomplete", ("spec",))
    if any(celtext.is_wild(each.group + each.version + each.kind) for each in wanted):
        raise Unsupported(
            "applyTo with *, which Gatekeeper compares literally, so it matches nothing", ("spec", "applyTo")
        )
    rule.resource_rules, guessed = rules.resource_rules(wanted, kinds, _OPERATIONS)
    for text in guessed:
        outcome.differs(("spec", "applyTo"), text)
    named = (spec.get("match") or {}).get("kinds")
    if named:
        terms = [
            celtext.conjunction(
                [
                    f"request.kind.group in {celtext.literal(each.get('apiGroups') or ['*'])}"
                    if "*" not in (each.get("apiGroups") or ["*"])
                    else "true",
                    f"request.kind.kind in {celtext.literal(each.get('kinds') or ['*'])}"
                    if "*" not in (each.get("kinds") or ["*"])
                    else "true",
                ]
            )
            for each in named
        ]
        rule.conditions.append(("kinds", celtext.disjunction(terms)))


def _value(parameters: JSONObject, at: Path) -> tuple[Any, str]:
    """The assigned value and its expression: a constant, or the name or namespace of the object."""
    assign = mapping(parameters.get("assign"), "assign", at)
    if "externalData" in assign:
        raise Unsupported("assign.externalData: a provider over HTTP", (*at, "externalData"))
    if "fromMetadata" in assign:
        field = mapping(assign["fromMetadata"], "fromMetadata", at).get("field")
        if field not in ("namespace", "name"):
            raise Unsupported(f"fromMetadata of {str(field)[:40]!r}", (*at, "fromMetadata"))
        return "", "request.?namespace.orValue('')" if field == "namespace" else "object.metadata.?name.orValue('')"
    if assign.get("value") is None:
        raise Unsupported("a mutator without a value, so it is incomplete", at)
    return assign["value"], celtext.literal(assign["value"])


def _metadata(steps: list[Step], parameters: JSONObject, rule: Rule, outcome: Outcome) -> None:
    """Adds a label or annotation if the object lacks it."""
    names = [each.key for each in steps]
    if len(names) != 3 or names[0] != "metadata" or names[1] not in _MAPS or any(each.list_key for each in steps):
        raise Unsupported(
            f"AssignMetadata of {'.'.join(names)}: expected a label or an annotation", ("spec", "location")
        )
    for field in sorted(map(str, parameters.keys() - {"assign"})):
        at: Path = ("spec", "parameters", field)
        outcome.differs(at, f"AssignMetadata has no {field[:60]}: Gatekeeper does not read it")
    constant, value = _value(parameters, ("spec", "parameters", "assign"))
    if not isinstance(constant, str):
        raise Unsupported("AssignMetadata with a value that is not a string", ("spec", "parameters", "assign", "value"))
    _patch(rule, Patch(steps, Value(lambda _: value, value), [Test(3, there=False)]))


def _assign(steps: list[Step], parameters: JSONObject, rule: Rule, outcome: Outcome) -> None:
    constant, value = _value(parameters, ("spec", "parameters", "assign"))
    if unknown := sorted(parameters.keys() - {"assign", "pathTests", "assignIf"}):
        raise Unsupported(f"parameters.{unknown[0]}", ("spec", "parameters", unknown[0]))
    if parameters.get("assignIf"):
        raise Unsupported("parameters.assignIf", ("spec", "parameters", "assignIf"))
    _not_metadata(steps)
    last = steps[-1]
    if last.list_key:
        if last.list_value == "*":
            raise Unsupported("an assignment of all elements of a list, which Gatekeeper refuses", ("spec", "location"))
        if not isinstance(constant, dict) or constant.get(last.list_key) != last.list_value:
            text = f"a value whose {last.list_key} differs from that in the location, which Gatekeeper refuses"
            raise Unsupported(text, ("spec", "parameters", "assign"))
    _patch(rule, Patch(steps, Value(lambda _: value, value), _path_tests(steps, parameters)))


def _not_metadata(steps: list[Step]) -> None:
    if steps[0].key == "metadata":
        raise Unsupported("a location in metadata, which only AssignMetadata may change", ("spec", "location"))


def _path_tests(steps: list[Step], parameters: JSONObject) -> list[Test]:
    found = []
    for index, each in enumerate(
        listing(parameters.get("pathTests"), "pathTests", ("spec", "parameters", "pathTests"))
    ):
        at: Path = ("spec", "parameters", "pathTests", index)
        test = mapping(each, "a test of a path", at)
        path = parse(str(test.get("subPath")), at)
        if [one.text for one in path] != [one.text for one in steps[: len(path)]]:
            raise Unsupported("a subPath that is not a prefix of the location", at)
        condition = test.get("condition")
        if condition not in ("MustExist", "MustNotExist"):
            raise Unsupported(f"the condition {str(condition)[:40]!r}", at)
        found.append(Test(len(path), there=condition == "MustExist"))
    return found


def _modify_set(steps: list[Step], parameters: JSONObject, rule: Rule, outcome: Outcome) -> None:
    """Adds items to a list, or removes them, as in a set."""
    _not_metadata(steps)
    if steps[-1].list_key:
        raise Unsupported("ModifySet of list elements: expected the list itself", ("spec", "location"))
    values = mapping(parameters.get("values"), "values", ("spec", "parameters", "values")).get("fromList")
    if not isinstance(values, list) or not values:
        raise Unsupported("ModifySet without values, so it is incomplete", ("spec", "parameters", "values"))
    operation = parameters.get("operation") or "merge"
    if operation not in ("merge", "prune"):
        raise Unsupported(f"the operation {str(operation)[:40]!r}", ("spec", "parameters", "operation"))
    listed = celtext.literal(values)
    if any(isinstance(each, dict | list) for each in values):
        rule.reinvocation = "Never"  # defaulting changes an item, so that a second run would add it again

    def now(there: str) -> str:
        return f"{there}.orValue([])"

    if operation == "merge":
        value = Value(
            lambda there: f"{now(there)} + {listed}.filter(v, !(v in {now(there)}))",
            listed,
            lambda there: f"!{listed}.all(v, v in {now(there)})",
        )
    else:
        value = Value(
            lambda there: f"{now(there)}.filter(v, !(v in {listed}))",
            needed=lambda there: f"{listed}.exists(v, v in {now(there)})",
        )
        if not all(each.list_key for each in steps[1:-1]):
            text = "where the list is missing, its missing parents are not created"
            outcome.differs(("spec", "parameters", "operation"), text)
    _patch(rule, Patch(steps, value, _path_tests(steps, parameters)))


def _assign_image(steps: list[Step], parameters: JSONObject, rule: Rule, outcome: Outcome) -> None:
    """Assigns the domain, path or tag of an image. As in Gatekeeper, the first part of an image is its domain if it has
    a dot or a colon, or is localhost."""
    _not_metadata(steps)
    parts = {name: parameters.get(name) or None for name in _PARTS}
    if unknown := sorted(parameters.keys() - {*parts, "pathTests"}):
        raise Unsupported(f"parameters.{unknown[0]}", ("spec", "parameters", unknown[0]))
    if not any(parts.values()):
        raise Unsupported("AssignImage that assigns nothing, so it is incomplete", ("spec", "parameters"))
    for name, part in parts.items():
        if part is not None and not (isinstance(part, str) and _PARTS[name].fullmatch(part)):
            text = f"{name} {str(part)[:60]!r}, which is not a valid {name.removeprefix('assign').lower()} of an image"
            raise Unsupported(text, ("spec", "parameters", name))
    if steps[-1].list_key:
        raise Unsupported("AssignImage of a list element: expected the field with its image", ("spec", "location"))
    first, slash, _ = (parts["assignPath"] or "").partition("/")
    if slash and not parts["assignDomain"] and (set(".:") & set(first) or first == "localhost"):
        text = "assignPath begins with a part that may be a domain; Gatekeeper then requires assignDomain too"
        raise Unsupported(text, ("spec", "parameters", "assignPath"))
    domain = "(m.matches('^(localhost|[^/]*[.:][^/]*)/') ? m.split('/')[0] : '')"
    tag = "(m.matches('[:@][^/]*$') ? m.substring(m.size() - m.find('[:@][^/]*$').size()) : '')"
    path = f"m.substring(({domain} == '' ? 0 : {domain}.size() + 1), m.size() - {tag}.size())"
    own = (f"({domain} == '' ? '' : {domain} + '/')", path, tag)
    given = (f"{parts['assignDomain']}/" if parts["assignDomain"] else "", parts["assignPath"], parts["assignTag"])
    written = " + ".join(celtext.text(one) if one else other for one, other in zip(given, own, strict=True))
    new = celtext.text("".join(filter(None, given)))
    value = Value(lambda there: f"[string({there}.orValue(''))].map(m, {written})[0]", new)
    _patch(rule, Patch(steps, value, _path_tests(steps, parameters)))


def _patch(rule: Rule, patch: Patch) -> None:
    rule.mutations.append({"patchType": "JSONPatch", "jsonPatch": {"expression": patch.expression}})
