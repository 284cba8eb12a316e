"""ClusterPolicy and Policy of kyverno.io -> a policy for each rule, and their bindings."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from webhook.convert import celtext, rules, standard
from webhook.convert.kyverno import celautogen, exempting, match, operations, podsecurity
from webhook.convert.kyverno.celautogen import Part
from webhook.convert.kyverno.context import CONFIG_MAP, NEWER, OLDER, PODS, Context, pod_of
from webhook.convert.kyverno.exempting import Exempted
from webhook.convert.kyverno.jmesvalues import Images
from webhook.convert.kyverno.mutation import mutate
from webhook.convert.kyverno.validation import met, validate
from webhook.convert.model import JSONObject, Outcome, Unfinished, Unsupported, listing, mapping, texts
from webhook.convert.standard import Rule, Unwritten
from webhook.paths import Path
from webhook.schema.kinds import Kinds

_REFUSED: Final = {
    "verifyImages": "image verification (verifyImages)",
    "generate": "generate: objects are made in the background",
    "imageExtractors": "imageExtractors",
}
_AUTOGEN: Final = "pod-policies.kyverno.io/autogen-controllers"
_ACTIONS: Final = {"audit": ["Audit"], "enforce": ["Deny"]}
_MOST: Final = 100  # rules of a policy
_SPEC: Final = frozenset(
    {
        "rules", "validationFailureAction", "validationFailureActionOverrides", "failurePolicy", "background",
        "admission", "emitWarning", "webhookConfiguration", "webhookTimeoutSeconds", "schemaValidation", "applyRules",
        "useServerSideApply", "generateExisting", "generateExistingOnPolicyUpdate", "mutateExistingOnPolicyUpdate",
    }
)  # fmt: skip
_RULE: Final = frozenset(
    {
        "name", "match", "exclude", "preconditions", "celPreconditions", "context", "validate", "mutate",
        "skipBackgroundRequests", "reportProperties", *_REFUSED,
    }
)  # fmt: skip


def convert(outcome: Outcome, kinds: Kinds, exceptions: list[Exempted]) -> None:
    """Fill the outcome of a ClusterPolicy or Policy."""
    _Policy(outcome, kinds, exceptions).convert()


class _Policy:
    def __init__(self, outcome: Outcome, kinds: Kinds, exceptions: list[Exempted]) -> None:
        self._outcome, self._kinds = outcome, kinds
        self._exceptions = [each for each in exceptions if each.about(outcome)]
        self._unwritten: list[Unwritten] = []
        value: JSONObject = outcome.document.value
        self._value = value
        self._namespace = (
            str(value.get("metadata", {}).get("namespace") or "default") if value["kind"] == "Policy" else ""
        )

    def convert(self) -> None:
        try:
            spec = mapping(self._value.get("spec"), "spec", ("spec",))
            given = listing(spec.get("rules"), "rules", ("spec", "rules"))
            if not given:
                raise Unsupported("a policy without rules, so it is incomplete", ("spec",))
            if len(given) > _MOST:
                raise Unsupported(f"more than {_MOST} rules", ("spec", "rules"))
            if unknown := sorted(spec.keys() - _SPEC):
                raise Unsupported(f"spec.{unknown[0]}", ("spec", unknown[0]))
            if spec.get("applyRules") == "One" and len(given) > 1:
                self._outcome.differs(("spec", "applyRules"), "all rules that match apply, not only the first")
            if spec.get("admission") is False:
                raise Unsupported("admission: false, a policy for background scans alone", ("spec", "admission"))
        except Unsupported as error:
            self._outcome.refuse(error.path, str(error))
            return
        names = [str(each.get("name")) for each in given if isinstance(each, dict)]
        for index, each in enumerate(given):
            at: Path = ("spec", "rules", index)
            if not isinstance(each, dict) or not isinstance(each.get("name"), str):
                self._outcome.refuse(at, "a rule without a name: half a rule")
                continue
            if names.count(each["name"]) > 1:
                self._outcome.refuse(at, f"two rules with the name {each['name']!r}")
                continue
            parts = match.apart(each.get("match"), each.get("exclude")) if "validate" in each else None
            if parts is None or not _controllers(self._value):
                self._rule(each, spec, at, alone=len(given) == 1)
                continue
            self._rule({**each, "match": parts[0]}, spec, at, alone=len(given) == 1)
            self._rule({**each, "match": parts[1]}, spec, at, alone=len(given) == 1, suffix="other-kinds")
        standard.distinct(self._outcome.bindings)
        if self._unwritten:
            self._outcome.python = standard.python(self._unwritten)

    def _rule(
        self, given: JSONObject, spec: JSONObject, at: Path, *, alone: bool, suffix: str = "", part: Part | None = None
    ) -> None:
        """Convert a rule. part: of those that a rule in CEL about Pods is divided into."""
        name = standard.name_of(self._outcome.folder, "" if alone else given["name"])
        name = standard.suffixed(name, suffix) if suffix else name
        if name in self._outcome.made:
            name = standard.suffixed(standard.name_of(self._outcome.folder, given["name"]), f"{at[-1]}-{suffix}")
        rule = Rule(name, annotations=standard.described(self._value.get("metadata", {}).get("annotations")))
        rule.failure_policy = _failure_policy(spec)
        try:
            if unknown := sorted(map(str, given.keys() - _RULE)):
                raise Unsupported(unknown[0], (*at, unknown[0]))
            for refused, text in _REFUSED.items():
                if refused in given:
                    raise Unsupported(text, (*at, refused))
            kinds = [each for each in ("validate", "mutate") if each in given]
            if len(kinds) != 1:
                raise Unsupported("a rule with neither validate nor mutate", at)
            controllers = () if "mutate" in given else _controllers(self._value)
            asked = operations.asked(given, spec)
            matched = match.matched(given.get("match"), given.get("exclude"), at, asked.operations, controllers)
            _actions(_stated_action(given, spec), spec)
        except Unsupported as error:
            self._outcome.refuse(error.path or at, f"rule {given['name']}: {error}")
            return
        if matched.controllers and part is None and "cel" in (given.get("validate") or {}):
            for each in celautogen.parts(matched.controllers):
                self._rule(given, spec, at, alone=alone, suffix=each.suffix, part=each)
            return
        for place, text in matched.differences:
            self._outcome.differs(place, f"rule {given['name']} {text}")
        if asked.unsaid and not _states_operations(given.get("match")):
            self._outcome.differs((*at, "match"), f"rule {given['name']}: {operations.UNSAID}")
        made, guessed = rules.resource_rules(matched.kinds, self._kinds, matched.operations)
        for text in guessed:
            self._outcome.differs((*at, "match"), text)
        rule.resource_rules, rule.namespace_selector = made, matched.native
        if part is None:
            context = self._context(rule, matched, at, mutating="mutate" in given)
        else:
            matched.controllers = list(part.kinds)
            context = self._divided(rule, matched, part)
        if all((each.kind, each.sub) == ("Pod", "") for each in matched.kinds):
            context.translator.names["images"] = Images()
        context.typed = context.translator.typed = rules.are_builtin(rule.resource_rules)
        context.ignores = rule.failure_policy == "Ignore"
        copies: dict[int, Rule] = {}
        try:
            self._fill(rule, given, spec, context, matched, at)
            copies = _overridden(rule, given, spec, at)
        except Unfinished as error:
            if "mutate" in given:
                self._outcome.refuse(error.path or at, f"rule {given['name']}: {error}")
                return
            self._unfinished(rule, given, str(error), error.path or at)
        except Unsupported as error:
            self._outcome.refuse(error.path or at, f"rule {given['name']}: {error}")
            return
        else:
            self._outcome.policies += [standard.policy(each) for each in (rule, *copies.values())]
        self._outcome.rules.setdefault(given["name"], []).append(name)
        self._bind(given, spec, name, context, "mutate" in given, at, copies)

    def _context(self, rule: Rule, matched: match.Matched, at: Path, *, mutating: bool) -> Context:
        """The context of a rule. Rules for Pods are for the controllers that make them too, as Kyverno derives them."""
        deletes = "DELETE" in matched.operations
        if mutating and _controllers(self._value) and matched.of_pods:
            text = "Pods are changed as they are created, and not the templates of their controllers too"
            self._outcome.differs((*at, "mutate"), text)
        if not matched.controllers:
            return Context(self._outcome, deletes=deletes)
        for kind in matched.controllers:
            group, resource = rules.POD_MAKERS[kind]
            rule.resource_rules.append(rules.rule(group, "v1", resource, matched.operations))
        rule.resource_rules = rules.merged(rule.resource_rules)
        if deletes:
            rule.variables += [("judged", PODS["judged"]), ("pod", pod_of("variables.judged"))]
        else:
            rule.variables.append(("pod", PODS["pod"]))
        return Context(self._outcome, root="variables.pod", old="variables.oldPod", deletes=deletes)

    def _divided(self, rule: Rule, matched: match.Matched, part: Part) -> Context:
        """The context of a part of a rule in CEL, and what it is about."""
        if part.place:
            rule.resource_rules = part.resource_rules(matched.operations)
        deletes = "DELETE" in matched.operations
        root = part.root(NEWER if deletes else "object")
        old = f"(oldObject == null ? dyn({{}}) : {part.root('oldObject')})"
        context = Context(self._outcome, root=root, old=old, deletes=deletes)
        context.part = part
        if part.place:
            context.translator.wholes = {root: NEWER if deletes else "object", old: OLDER}
        return context

    def _fill(
        self, rule: Rule, given: JSONObject, spec: JSONObject, context: Context, matched: match.Matched, at: Path
    ) -> None:
        context.read(given.get("context"), (*at, "context"))
        for index, each in enumerate(_cel_conditions(given, spec, at)):
            condition = mapping(each, "a condition", (*at, "celPreconditions", index))
            written = str(condition.get("expression"))
            written = context.part.rewritten(written) if context.part else written
            rule.conditions.append((str(condition.get("name")), written))
        if self._namespace:
            rule.conditions.append(("namespace", f"{match.NAMESPACE} == {celtext.text(self._namespace)}"))
        rule.conditions.append(("matched", matched.condition))
        validated = mapping(given.get("validate"), "validate", (*at, "validate"))
        if "podSecurity" in validated:
            podsecurity.about_pods(matched.kinds, (*at, "match"))
        exempted = list(exempting.from_rule(self._exceptions, given["name"], matched.controllers))
        for exception in exempted:
            if not exception.controls:
                rule.conditions.append(
                    (f"not-{exception.name}", celtext.negation(celtext.enclose(exception.condition)))
                )
            elif "podSecurity" not in validated:
                text = f"the exception {exception.name} is about controls of podSecurity, and takes out none of"
                self._outcome.differs(at, f"{text} the rule {given['name']}")
        there, when = met(given.get("preconditions"), context, (*at, "preconditions"))
        if there != "true":
            # A variable that is missing is an error of the rule, and so it is one of the condition.
            when = f"{celtext.enclose(there)} ? {celtext.enclose(when)} : optional.none().value()"
        rule.conditions.append(("preconditions", when))
        if "validate" in given:
            where: Path = (*at, "validate")
            validate(validated, rule, context, where, [each for each in exempted if each.controls])
            if "assert" in validated and context.root != "object":
                self._without_pods(rule, context, where)
        else:
            services = any(each.kind == "Service" for each in matched.kinds)
            place: Path = (*at, "mutate")
            mutate(mapping(given["mutate"], "mutate", place), rule, context, place, services=services)
        if any("variables.oldPod" in each for each in _expressions(rule)):
            rule.variables.append(("oldPod", PODS["oldPod"]))
        if context.param_ref and not rule.param_kind:
            rule.param_kind = CONFIG_MAP

    def _without_pods(self, rule: Rule, context: Context, at: Path) -> None:
        """Trees are about the object as it is: only Pods are judged."""
        rule.variables = [each for each in rule.variables if each[0] not in PODS]
        rule.resource_rules = [each for each in rule.resource_rules if "pods" in each["resources"]]
        for each in rule.resource_rules:
            each["resources"] = [name for name in each["resources"] if name.partition("/")[0] == "pods"]
        context.root = "object"
        text = "Pods are judged, and not their controllers too: `gatewright check` judges the Pods of each workload"
        self._outcome.differs(at, text)

    def _unfinished(self, rule: Rule, given: JSONObject, feature: str, at: Path) -> None:
        place = self._outcome.note(at, "").line
        source = f"{self._outcome.kind} {self._outcome.name}, rule {given['name']}, line {place}"
        self._unwritten.append(Unwritten(rule.name, rule.resource_rules, source, feature, rule.failure_policy))
        text = f"rule {given['name']}: {feature}; policy.py denies what it matches until it is finished"
        self._outcome.unfinished.append(self._outcome.note(at, text))

    def _bind(
        self,
        given: JSONObject,
        spec: JSONObject,
        name: str,
        context: Context,
        mutating: bool,
        at: Path,
        copies: dict[int, Rule],
    ) -> None:
        """The bindings of a rule. copies: the rule for the namespaces of some overrides, by the index of these."""
        made = {"kind": standard.MUTATING if mutating else standard.VALIDATING, "metadata": {"name": name}}
        param = context.param_ref or None
        bind = self._outcome.bindings
        if mutating:
            bind.append(standard.binding(made, [], param=param))
            return
        validated = given["validate"]
        stated = _stated_action(given, spec)
        actions = _actions(stated, spec)
        others: list[str] = []
        for index, named in enumerate(_overrides(validated, spec)):
            if index in copies:
                copy = {"kind": standard.VALIDATING, "metadata": {"name": copies[index].name}}
                bind.append(standard.binding(copy, _actions(named.get("action"), spec), param=param))
                self._outcome.rules[given["name"]].append(copies[index].name)
                continue
            namespaces = texts(named.get("namespaces"), "namespaces", at)
            selector = named.get("namespaceSelector")
            own = _actions(named.get("action"), spec)
            where = _place_of_override(validated, at, index)
            if selector:
                match_there = {"namespaceSelector": mapping(selector, "namespaceSelector", where)}
                suffix = f"override-{index + 1}"
                bind.append(standard.binding(made, own, suffix=suffix, match=match_there, param=param))
            elif not namespaces:
                text = f"rule {given['name']}: an override of the action for no namespaces has no effect"
                self._outcome.differs(where, text)
            plain = [one for one in namespaces if one not in others]
            if plain:
                others += plain
                scope = standard.in_namespaces(plain)
                bind.append(
                    standard.binding(
                        made,
                        _actions(named.get("action"), spec),
                        suffix=f"override-{index + 1}",
                        match=scope,
                        param=param,
                    )
                )
        rest = standard.in_namespaces(others, without=True) if others else None
        bind.append(standard.binding(made, actions, match=rest, param=param))


def _states_operations(match: Any) -> bool:
    """Whether a block of `match` has operations."""
    if isinstance(match, dict):
        return "operations" in match or any(map(_states_operations, match.values()))
    return isinstance(match, list) and any(map(_states_operations, match))


def _overrides(validated: JSONObject, spec: JSONObject) -> list[JSONObject]:
    """The overrides of the action, which those of a rule replace."""
    given = validated.get("failureActionOverrides") or spec.get("validationFailureActionOverrides")
    return [each if isinstance(each, dict) else {} for each in given] if isinstance(given, list) else []


def _overridden(rule: Rule, given: JSONObject, spec: JSONObject, at: Path) -> dict[int, Rule]:
    """The rule for the namespaces of each override, where bindings cannot say which these are: they have wildcards, or
    are chosen by labels beside names, or by another override before. The rule is then about the others.

    The first override that matches counts, by all that it says (asked of Kyverno's command).
    """
    validated = mapping(given.get("validate"), "validate", at)
    named = _overrides(validated, spec)
    by_labels = [each for each in named if each.get("namespaceSelector")]
    wild = [each for each in named if any(map(celtext.is_wild, texts(each.get("namespaces"), "namespaces", at)))]
    if not wild and (not by_labels or (len(named) == 1 and _only_denies(named[0], given, spec))):
        return {}
    copies: dict[int, Rule] = {}
    before: list[str] = []
    left_out: list[tuple[str, str]] = []
    for index, each in enumerate(named):
        namespaces = texts(each.get("namespaces"), "namespaces", at)
        place = _place_of_override(validated, at, index)
        selector = mapping(each.get("namespaceSelector"), "namespaceSelector", place)
        if not namespaces and not selector:
            continue
        own = [celtext.like_any(match.NAMESPACE, namespaces)] if namespaces else []
        if selector:
            own.append(rules.selector(selector, match.NAMESPACE_LABELS, wild=True))
        within = celtext.conjunction(own)
        earlier = [celtext.negation(celtext.enclose(one)) for one in before]
        name = standard.suffixed(rule.name, f"override-{index + 1}")
        conditions = [*rule.conditions, ("overridden", celtext.conjunction([within, *earlier]))]
        copies[index] = replace(rule, name=name, conditions=conditions)
        left_out.append((f"not-overridden-{index + 1}", celtext.negation(celtext.enclose(within))))
        before.append(within)
    rule.conditions += left_out
    return copies


def _only_denies(override: JSONObject, given: JSONObject, spec: JSONObject) -> bool:
    """Whether an override is of a selector alone, and enforces: where both bindings match, the denial counts."""
    enforces = _actions(override.get("action"), spec) == ["Deny"]
    return not override.get("namespaces") and enforces and _actions(_stated_action(given, spec), spec) != ["Deny"]


def _place_of_override(validated: JSONObject, at: Path, index: int) -> Path:
    """Where an override stands: in the rule, or in the spec of the policy."""
    if validated.get("failureActionOverrides"):
        return (*at, "validate", "failureActionOverrides", index)
    return ("spec", "validationFailureActionOverrides", index)


def _expressions(rule: Rule) -> list[str]:
    """The expressions of a rule that may use its variables."""
    written = [*rule.validations, *(each.get("applyConfiguration") or each["jsonPatch"] for each in rule.mutations)]
    return [each for _, each in rule.conditions] + [
        str(each[key]) for each in written for key in ("expression", "messageExpression") if key in each
    ]


def _stated_action(given: JSONObject, spec: JSONObject) -> Any:
    validated = given.get("validate")
    own = validated.get("failureAction") if isinstance(validated, dict) else None
    return own or spec.get("validationFailureAction") or "Audit"


def _actions(stated: Any, spec: JSONObject) -> list[str]:
    if str(stated).lower() not in _ACTIONS:
        raise Unsupported(f"the failure action {str(stated)[:40]!r}: expected Enforce or Audit")
    actions = list(_ACTIONS[str(stated).lower()])
    if spec.get("emitWarning") is True and actions == ["Audit"]:
        actions.insert(0, "Warn")
    return actions


def _failure_policy(spec: JSONObject) -> str:
    hook = spec.get("webhookConfiguration")
    stated = spec.get("failurePolicy") or (hook.get("failurePolicy") if isinstance(hook, dict) else None)
    return "Ignore" if stated == "Ignore" else "Fail"


def _cel_conditions(given: JSONObject, spec: JSONObject, at: Path) -> list[Any]:
    hook = mapping(spec.get("webhookConfiguration"), "webhookConfiguration", ("spec", "webhookConfiguration"))
    shared = listing(hook.get("matchConditions"), "matchConditions", ("spec", "webhookConfiguration"))
    return [*listing(given.get("celPreconditions"), "celPreconditions", at), *shared]


def _controllers(value: JSONObject) -> list[str]:
    """The kinds that autogen makes rules for."""
    annotations = value.get("metadata", {}).get("annotations")
    stated = annotations.get(_AUTOGEN) if isinstance(annotations, dict) else None
    if not isinstance(stated, str):
        return list(rules.POD_MAKERS)
    if stated == "all":  # as versions before 1.13 took it; later ones refuse it
        return list(rules.POD_MAKERS)
    # Kyverno takes a name with a space before it for no kind.
    return [each for each in stated.split(",") if each in rules.POD_MAKERS]
