"""Builds the objects that conversion writes: policies, bindings, and unfinished policies in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field

from webhook.convert import celtext
from webhook.convert.model import JSONObject
from webhook.lazypatterns import lazily

API_VERSION: Final = "admissionregistration.k8s.io/v1"
VALIDATING: Final = "ValidatingAdmissionPolicy"
MUTATING: Final = "MutatingAdmissionPolicy"
_NOT_IN_A_NAME = lazily(r"[^a-z0-9-]+")
_LONGEST: Final = 63
_APPLIES: Final = "applies"
NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


class Rule(Struct):
    """The content of a policy, in a form that does not depend on the dialect.

    conditions: named expressions that decide whether it applies. variables: (name, expression). validations: of a
    validating policy. mutations: of a mutating one.
    """

    name: str
    resource_rules: list[JSONObject] = field(default_factory=list)
    excluded: list[JSONObject] = field(default_factory=list)
    namespace_selector: JSONObject | None = None
    object_selector: JSONObject | None = None
    conditions: list[tuple[str, str]] = field(default_factory=list)
    variables: list[tuple[str, str]] = field(default_factory=list)
    validations: list[JSONObject] = field(default_factory=list)
    mutations: list[JSONObject] = field(default_factory=list)
    audit_annotations: list[JSONObject] = field(default_factory=list)
    failure_policy: str = "Fail"
    match_policy: str = ""
    param_kind: JSONObject | None = None
    reinvocation: str = "Never"
    annotations: dict[str, str] = field(default_factory=dict)


def name_of(*parts: str) -> str:
    """A name for a policy, of at most 63 characters of a DNS label."""
    name = _NOT_IN_A_NAME.sub("-", "-".join(filter(None, parts)).lower()).strip("-")
    return name[:_LONGEST].rstrip("-") or "policy"


def suffixed(name: str, suffix: str) -> str:
    """The name with a suffix, both cut to fit."""
    suffix = name_of(suffix)[: _LONGEST // 2].rstrip("-")
    return f"{name[: _LONGEST - 1 - len(suffix)].rstrip('-')}-{suffix}"


def policy(rule: Rule) -> JSONObject:
    """The policy of a rule. Conditions that matchConditions cannot hold become the variable `applies`."""
    mutating = bool(rule.mutations)
    late = [each for _, each in rule.conditions if "variables." in each or "namespaceObject" in each]
    early = [each for each in rule.conditions if each[1] not in late and each[1] != "true"]
    variables = list(rule.variables)
    validations, mutations = rule.validations, rule.mutations
    audited = rule.audit_annotations
    if late:
        applies = _APPLIES
        while any(name == applies for name, _ in variables):
            applies += "_"
        variables.append((applies, celtext.conjunction(map(celtext.embedded, late))))
        applies = f"variables.{applies}"
        validations = [_guarded(each, applies) for each in validations]
        mutations = [_guarded_mutation(each, applies) for each in mutations]
        audited = [_guarded_annotation(each, applies) for each in audited]
    match: JSONObject = {"resourceRules": rule.resource_rules}
    if rule.excluded:
        match["excludeResourceRules"] = rule.excluded
    if rule.namespace_selector:
        match["namespaceSelector"] = rule.namespace_selector
    if rule.object_selector:
        match["objectSelector"] = rule.object_selector
    if rule.match_policy:
        match["matchPolicy"] = rule.match_policy
    spec: JSONObject = {"failurePolicy": rule.failure_policy}
    if rule.param_kind:
        spec["paramKind"] = rule.param_kind
    if mutating:
        spec["reinvocationPolicy"] = rule.reinvocation
    spec["matchConstraints"] = match
    if early:
        spec["matchConditions"] = [{"name": name, "expression": each} for name, each in _numbered(early)]
    if variables:
        spec["variables"] = [{"name": name, "expression": each} for name, each in variables]
    if mutating:
        spec["mutations"] = mutations
    else:
        spec["validations"] = validations
        if audited:
            spec["auditAnnotations"] = audited
    metadata: JSONObject = {"name": rule.name}
    if rule.annotations:
        metadata["annotations"] = rule.annotations
    return {
        "apiVersion": API_VERSION,
        "kind": MUTATING if mutating else VALIDATING,
        "metadata": metadata,
        "spec": {key: value for key, value in spec.items() if value},
    }


def _numbered(conditions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The conditions, with unique names."""
    seen: dict[str, int] = {}
    named = []
    for name, each in conditions:
        seen[name] = seen.get(name, 0) + 1
        named.append((name if seen[name] == 1 else f"{name}-{seen[name]}", each))
    return named


def _guarded(validation: JSONObject, applies: str) -> JSONObject:
    expression = celtext.implies(applies, celtext.embedded(str(validation["expression"])))
    return validation | {"expression": expression}


def _guarded_annotation(annotation: JSONObject, applies: str) -> JSONObject:
    """The audit annotation for requests to which the policy applies; an empty value leaves it out for all others."""
    value = celtext.embedded(str(annotation["valueExpression"]))
    return annotation | {"valueExpression": f"{applies} ? {celtext.enclose(value, '||')} : ''"}


def _guarded_mutation(mutation: JSONObject, applies: str) -> JSONObject:
    kind, key = ("ApplyConfiguration", "applyConfiguration")
    if mutation["patchType"] == "JSONPatch":
        kind, key = "JSONPatch", "jsonPatch"
    nothing = "Object{}" if kind == "ApplyConfiguration" else "[]"
    inner = celtext.enclose(celtext.embedded(str(mutation[key]["expression"])), "||")
    return mutation | {key: {"expression": f"{applies} ? {inner} : {nothing}"}}


def binding(
    policy_object: JSONObject,
    actions: Sequence[str],
    *,
    suffix: str = "",
    match: JSONObject | None = None,
    param: JSONObject | None = None,
) -> JSONObject:
    """A binding of a policy. actions: of a validating one."""
    name = policy_object["metadata"]["name"]
    spec: JSONObject = {"policyName": name}
    if policy_object["kind"] == VALIDATING:
        spec["validationActions"] = list(actions)
    if param:
        spec["paramRef"] = param
    if match:
        spec["matchResources"] = match
    return {
        "apiVersion": API_VERSION,
        "kind": f"{policy_object['kind']}Binding",
        "metadata": {"name": suffixed(name, suffix) if suffix else name_of(name)},
        "spec": spec,
    }


def distinct(bindings: Sequence[JSONObject]) -> None:
    """Number the bindings whose names became the same when they were cut to fit."""
    seen: set[str] = set()
    for each in bindings:
        name = written = each["metadata"]["name"]
        number = 1
        while name in seen:
            number += 1
            name = suffixed(written, str(number))
        each["metadata"]["name"] = name
        seen.add(name)


def in_namespaces(names: Sequence[str], *, without: bool = False) -> JSONObject:
    """The matchResources of a binding for namespaces, or for all others."""
    expression = {"key": NAMESPACE_NAME, "operator": "NotIn" if without else "In", "values": list(names)}
    return {"namespaceSelector": {"matchExpressions": [expression]}}


_HEAD: Final = '''"""Policies that `gatewright convert` could not finish: each denies until someone does so."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright import Request, Violation, validate
'''
_BODY: Final = '''

@validate(name={name!r}, resources={resources!r}, operations={operations!r}, failure_policy={failure!r})
def {function}(request: Request) -> Iterator[Violation]:
    """To be finished: {source}.

    {feature}
    """
    yield Violation({message!r})
'''


class Unwritten(Struct, frozen=True):
    """An unfinished policy in Python. source: the foreign policy and its rule. feature: the feature that is missing."""

    name: str
    resource_rules: list[JSONObject]
    source: str
    feature: str
    failure_policy: str = "Fail"


def python(policies: Sequence[Unwritten]) -> str:
    """The text of policy.py: for each policy a function that denies, with a message that says what is missing."""
    text = _HEAD
    for each in policies:
        operations = list(dict.fromkeys(name for rule in each.resource_rules for name in rule["operations"]))
        message = f"the policy {each.name} is not finished: {each.feature} has no equivalent in CEL ({each.source})"
        text += _BODY.format(
            name=each.name,
            resources=_resources(each.resource_rules),
            operations=operations,
            failure=each.failure_policy,
            function=_function(each.name),
            source=_docstring(each.source),
            feature=_docstring(each.feature),
            message=message,
        )
    return text


def _resources(rules: Sequence[JSONObject]) -> list[str]:
    """The resources of rules as the decorators name them."""
    named: list[str] = []
    for rule in rules:
        group, version = rule["apiGroups"][0], rule["apiVersions"][0]
        for resource in rule["resources"]:
            if group == "*":
                named.append(resource if resource == "*" or resource.startswith("*/") else "*")
            elif group == "":
                named.append(f"{'v1' if version == '*' else version}/{resource}")
            else:
                named.append(f"{group}/{version}/{resource}")
    return list(dict.fromkeys(named))


def _function(name: str) -> str:
    return "policy_" + name.replace("-", "_")


def _docstring(text: str) -> str:
    """A text that is safe in a docstring: printable, and without quotes that would end it."""
    kept = "".join(each if each.isprintable() else " " for each in text)
    return kept.replace("\\", "/").replace('"', "'")[:400]


def described(value: Any) -> dict[str, str]:
    """The annotations that a converted policy keeps: the descriptions of Kubernetes' and Kyverno's annotations."""
    annotations = value if isinstance(value, dict) else {}
    names = {
        "policies.kyverno.io/title": "gatewright.dev/title",
        "policies.kyverno.io/description": "kubernetes.io/description",
        "policies.kyverno.io/severity": "gatewright.dev/severity",
        "description": "kubernetes.io/description",
        "kubernetes.io/description": "kubernetes.io/description",
        "metadata.gatekeeper.sh/title": "gatewright.dev/title",
    }
    return {
        ours: annotations[theirs].strip() for theirs, ours in names.items() if isinstance(annotations.get(theirs), str)
    }
