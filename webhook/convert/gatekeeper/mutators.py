"""Assign, AssignMetadata, ModifySet and AssignImage -> MutatingAdmissionPolicies.

Source: the documentation of Gatekeeper, "Mutation".
"""

from __future__ import annotations

from typing import Final

from webhook.convert import celtext, jsonpatches, rules, standard
from webhook.convert.gatekeeper.locations import Step, parse
from webhook.convert.gatekeeper.match import match
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping, texts
from webhook.convert.rules import Kind
from webhook.convert.standard import Rule
from webhook.paths import Path
from webhook.schema.kinds import Kinds

KINDS: Final = ("Assign", "AssignMetadata", "ModifySet", "AssignImage")
_OPERATIONS: Final = ("CREATE", "UPDATE")
_MAPS: Final = ("labels", "annotations")


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
            raise Unsupported("a mutator without a location: half a policy", ("spec",))
        steps = parse(location, ("spec", "location"))
        parameters = mapping(spec.get("parameters"), "parameters", ("spec", "parameters"))
        write = {"AssignMetadata": _metadata, "Assign": _assign, "ModifySet": _modify_set, "AssignImage": _assign_image}
        write[outcome.kind](steps, parameters, rule)
        if any(each.list_value not in (None, "*") for each in steps):
            outcome.differs(("spec", "location"), "an element that the list lacks is not added to it")
    except Unsupported as error:
        outcome.refuse(error.path or ("spec",), str(error))
        return
    made = standard.policy(rule)
    outcome.policies.append(made)
    outcome.rules[""] = [rule.name]
    outcome.bindings.append(standard.binding(made, []))


def _applies_to(spec: JSONObject, rule: Rule, outcome: Outcome, kinds: Kinds) -> None:
    wanted = [
        Kind(group, version, kind)
        for index, each in enumerate(listing(spec.get("applyTo"), "applyTo", ("spec", "applyTo")))
        for entry in [mapping(each, "an item of applyTo", ("spec", "applyTo", index))]
        for group in texts(entry.get("groups"), "groups", ("spec", "applyTo", index))
        for version in texts(entry.get("versions"), "versions", ("spec", "applyTo", index))
        for kind in texts(entry.get("kinds"), "kinds", ("spec", "applyTo", index))
    ]
    if not wanted:
        if outcome.kind != "AssignMetadata":
            raise Unsupported("a mutator that applies to no kinds: half a policy", ("spec",))
        return
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


def _value(parameters: JSONObject, at: Path) -> str:
    """The value that is assigned: a constant, or the name or namespace of the object."""
    assign = mapping(parameters.get("assign"), "assign", at)
    if "externalData" in assign:
        raise Unsupported("assign.externalData: a provider over HTTP", (*at, "externalData"))
    if "fromMetadata" in assign:
        field = mapping(assign["fromMetadata"], "fromMetadata", at).get("field")
        if field not in ("namespace", "name"):
            raise Unsupported(f"fromMetadata of {str(field)[:40]!r}", (*at, "fromMetadata"))
        return "request.?namespace.orValue('')" if field == "namespace" else "object.metadata.?name.orValue('')"
    if "value" not in assign:
        raise Unsupported("a mutator without a value: half a policy", at)
    return celtext.literal(assign["value"])


def _metadata(steps: list[Step], parameters: JSONObject, rule: Rule) -> None:
    """A label or annotation, only if it is not there."""
    names = [each.key for each in steps]
    if len(names) != 3 or names[0] != "metadata" or names[1] not in _MAPS:
        raise Unsupported(
            f"AssignMetadata of {'.'.join(names)}: expected a label or an annotation", ("spec", "location")
        )
    if parameters.get("pathTests"):
        raise Unsupported("pathTests of AssignMetadata", ("spec", "parameters", "pathTests"))
    value = _value(parameters, ("spec", "parameters", "assign"))
    key, there = celtext.text(names[2]), f"object.metadata.?{names[1]}.orValue({{}})"
    entry = f"{{?{key}: {key} in {there} ? optional.none() : optional.of({value})}}"
    _apply(rule, f"Object{{metadata: Object.metadata{{{names[1]}: {entry}}}}}")


def _assign(steps: list[Step], parameters: JSONObject, rule: Rule) -> None:
    value = _value(parameters, ("spec", "parameters", "assign"))
    if unknown := sorted(parameters.keys() - {"assign", "pathTests", "assignIf"}):
        raise Unsupported(f"parameters.{unknown[0]}", ("spec", "parameters", unknown[0]))
    if parameters.get("assignIf"):
        raise Unsupported("parameters.assignIf", ("spec", "parameters", "assignIf"))
    tests = _path_tests(steps, parameters)
    lists = [index for index, each in enumerate(steps) if each.list_key]
    if (
        not lists
        and steps[-1].key not in _MAPS
        and isinstance((parameters["assign"] or {}).get("value", ""), dict | list)
    ):
        path = [each.key for each in steps]
        operation = {"op": "add", "path": jsonpatches.pointer(path), "value": None}
        expression = jsonpatches.expression([operation], lambda _: value, ("spec", "location"))
        met = celtext.conjunction(tests.get(len(steps), []) + tests.get(0, []))
        rule.mutations.append(
            {
                "patchType": "JSONPatch",
                "jsonPatch": {"expression": expression if met == "true" else f"{met} ? {expression} : []"},
            }
        )
        return
    met = celtext.conjunction(tests.pop(0, []))
    written = _nested(steps, 0, "object", "Object", value, tests)
    _apply(rule, f"Object{{{written}}}", met)


def _path_tests(steps: list[Step], parameters: JSONObject) -> dict[int, list[str]]:
    """The tests of paths: the number of the step whose list they are about (0: none) -> conditions."""
    found: dict[int, list[str]] = {}
    for index, each in enumerate(
        listing(parameters.get("pathTests"), "pathTests", ("spec", "parameters", "pathTests"))
    ):
        at: Path = ("spec", "parameters", "pathTests", index)
        test = mapping(each, "a test of a path", at)
        path = parse(str(test.get("subPath")), at)
        if [one.text for one in path] != [one.text for one in steps[: len(path)]]:
            raise Unsupported("a subPath that is no beginning of the location", at)
        lists = [number for number, one in enumerate(path) if one.list_key]
        start = lists[-1] + 1 if lists else 0
        root = f"c{start}" if start else "object"
        chain = celtext.optional(root, *[one.key for one in path[start:]])
        if chain == root:
            continue
        condition = test.get("condition")
        if condition not in ("MustExist", "MustNotExist"):
            raise Unsupported(f"the condition {str(condition)[:40]!r}", at)
        found.setdefault(start, []).append(f"{'' if condition == 'MustExist' else '!'}{chain}.hasValue()")
    return found


def _nested(steps: list[Step], index: int, subject: str, kind: str, value: str, tests: dict[int, list[str]]) -> str:
    """The field of a step with all below it, in an ApplyConfiguration."""
    step, rest = steps[index], steps[index + 1 :]
    last = not rest
    if index and steps[index - 1].key in _MAPS and not steps[index - 1].list_key:
        return f"{celtext.text(step.key)}: {value}"
    if not celtext.is_name(step.key):
        raise Unsupported(f"the field {step.key!r} in a location", ("spec", "location"))
    there = celtext.optional(subject, step.key)
    if not step.list_key:
        if last:
            return f"{step.key}: {value}"
        inner = _nested(steps, index + 1, f"{there}.orValue({{}})", f"{kind}.{step.key}", value, tests)
        return f"{step.key}: {{{inner}}}" if step.key in _MAPS else f"{step.key}: {kind}.{step.key}{{{inner}}}"
    if last:
        raise Unsupported("an assignment of a whole element of a list", ("spec", "location"))
    variable, key = f"c{index + 1}", step.list_key
    conditions = list(tests.get(index + 1, []))
    if step.list_value is not None and step.list_value != "*":
        conditions.insert(0, f"{variable}.{key} == {celtext.text(step.list_value)}")
    chosen = f"{there}.orValue([])" + (f".filter({variable}, {celtext.conjunction(conditions)})" if conditions else "")
    inner = _nested(steps, index + 1, variable, f"{kind}.{step.key}", value, tests)
    mapped = f"{chosen}.map({variable}, {kind}.{step.key}{{{key}: {variable}.{key}, {inner}}})"
    return f"?{step.key}: {there}.hasValue() ? optional.of({mapped}) : optional.none()"


def _modify_set(steps: list[Step], parameters: JSONObject, rule: Rule) -> None:
    """Items of a list of scalars are added or taken away, by a JSON patch that replaces the list."""
    if any(each.list_key for each in steps):
        raise Unsupported("ModifySet within the elements of a list", ("spec", "location"))
    values = mapping(parameters.get("values"), "values", ("spec", "parameters", "values")).get("fromList")
    if not isinstance(values, list) or not values or not all(isinstance(each, str | int) for each in values):
        raise Unsupported("ModifySet of values that are no texts", ("spec", "parameters", "values"))
    operation = parameters.get("operation") or "merge"
    path = [each.key for each in steps]
    chain = celtext.optional("object", *path)
    now, listed = f"{chain}.orValue([])", celtext.literal(values)
    tests = _path_tests(steps, parameters)
    pointer = celtext.text(jsonpatches.pointer(path))
    if operation == "merge":
        new = f"{now} + {listed}.filter(v, !(v in {now}))"
        patch = jsonpatches.expression(
            [{"op": "add", "path": jsonpatches.pointer(path)}], lambda _: new, ("spec", "location")
        )
        needed = f"!{listed}.all(v, v in {now})"
    elif operation == "prune":
        patch = f"[JSONPatch{{op: 'replace', path: {pointer}, value: {now}.filter(v, !(v in {listed}))}}]"
        needed = f"{listed}.exists(v, v in {now})"
    else:
        raise Unsupported(f"the operation {str(operation)[:40]!r}", ("spec", "parameters", "operation"))
    met = celtext.conjunction([needed, *(each for tested in tests.values() for each in tested)])
    rule.mutations.append(
        {"patchType": "JSONPatch", "jsonPatch": {"expression": f"{met} ? {celtext.enclose(patch)} : []"}}
    )


def _assign_image(steps: list[Step], parameters: JSONObject, rule: Rule) -> None:
    """The domain, the path or the tag of an image, taken apart as Gatekeeper does: the first part is a domain if it has
    a dot or a colon, or is localhost."""
    parts = {name: parameters.get(name) for name in ("assignDomain", "assignPath", "assignTag")}
    if unknown := sorted(parameters.keys() - {*parts, "pathTests"}):
        raise Unsupported(f"parameters.{unknown[0]}", ("spec", "parameters", unknown[0]))
    if not any(parts.values()) or not all(each is None or isinstance(each, str) for each in parts.values()):
        raise Unsupported("AssignImage that assigns nothing: half a policy", ("spec", "parameters"))
    if steps[-1].key != "image" or not any(each.list_key for each in steps):
        raise Unsupported("AssignImage of something other than the image of containers", ("spec", "location"))
    image = f"c{max(index for index, each in enumerate(steps) if each.list_key) + 1}.image"
    domain = f"({image}.matches('^(localhost|[^/]*[.:][^/]*)/') ? {image}.split('/')[0] : '')"
    tag = (
        f"({image}.matches('[:@][^/]*$') ? {image}.substring({image}.size() - {image}.find('[:@][^/]*$').size()) : '')"
    )
    path = f"{image}.substring(({domain} == '' ? 0 : {domain}.size() + 1), {image}.size() - {tag}.size())"
    written = []
    written.append(
        celtext.text(f"{parts['assignDomain']}/")
        if parts["assignDomain"]
        else f"({domain} == '' ? '' : {domain} + '/')"
    )
    written.append(celtext.text(parts["assignPath"]) if parts["assignPath"] else path)
    written.append(celtext.text(parts["assignTag"]) if parts["assignTag"] else tag)
    tests = _path_tests(steps, parameters)
    met = celtext.conjunction(tests.pop(0, []))
    _apply(rule, f"Object{{{_nested(steps, 0, 'object', 'Object', ' + '.join(written), tests)}}}", met)


def _apply(rule: Rule, expression: str, met: str = "true") -> None:
    if met != "true":
        expression = f"{celtext.enclose(met)} ? {expression} : Object{{}}"
    rule.mutations.append({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
