"""Kyverno's PolicyException -> a condition under which the rules that it names do not apply.

A PolicyException of ours needs an approver and a date, and knows no wildcards; a condition is exact, and any API server
evaluates it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.cel import CompileError, types
from webhook.convert import celtext, compiled, standard
from webhook.convert.kyverno import celkinds, match, podcontrols
from webhook.convert.kyverno.conditions import conditions as conditions_of
from webhook.convert.kyverno.context import NEWER, OLDER
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.podcontrols import Exclusion
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping, texts
from webhook.paths import Path
from webhook.policy.cel.declared import base_environment

_IN_CEL: Final = frozenset({*celkinds.CONVERTED, *celkinds.NOT_CONVERTED})


class Exempted(Struct, frozen=True):
    """What an exception takes out of the rules of a policy. rules: with wildcards; none are all. condition: in CEL.

    kinds: of the policy that is meant. namespace: its namespace, if it is in one. controls: of Pod Security, if the
    exception leaves out these alone.
    """

    policy: str
    rules: tuple[str, ...]
    condition: str
    name: str
    kinds: frozenset[str]
    namespace: str
    controls: tuple[Exclusion, ...] = ()

    def about(self, outcome: Outcome) -> bool:
        """Whether it names this policy: equal names of policies of other kinds and namespaces are others."""
        if outcome.name != self.policy or outcome.kind not in self.kinds:
            return False
        return not celkinds.is_namespaced(outcome.kind) or celkinds.namespace(outcome) == self.namespace


def exempted(outcome: Outcome) -> list[Exempted]:
    """What a PolicyException of either API group takes out. Notes in the outcome what cannot be converted."""
    value = outcome.document.value
    try:
        spec = mapping(value.get("spec"), "spec", ("spec",))
        found = _in_cel(spec, outcome) if value["apiVersion"].startswith("policies.") else _matched(spec, outcome)
    except Unsupported as error:
        outcome.refuse(error.path or ("spec",), f"{error}; the policy applies without the exception")
        return []
    outcome.absorbed = True
    return found


def _matched(spec: dict[str, object], outcome: Outcome) -> list[Exempted]:
    if unknown := sorted(spec.keys() - {"background", "match", "exceptions", "podSecurity", "conditions"}):
        raise Unsupported(f"{unknown[0]} of an exception", ("spec", unknown[0]))
    condition = match.condition_of(spec.get("match"), ("spec", "match"))
    condition = celtext.conjunction([condition, _met(spec.get("conditions"), ("spec", "conditions"))])
    place: Path = ("spec", "podSecurity")
    listed = listing(spec.get("podSecurity"), "podSecurity", place)
    controls = tuple(podcontrols.exclusions(listed, place, outcome.differs))
    if listed and not controls:
        raise Unsupported("none of what podSecurity excludes is excluded here", place)
    found = []
    for index, each in enumerate(listing(spec.get("exceptions"), "exceptions", ("spec", "exceptions"))):
        at = ("spec", "exceptions", index)
        entry = mapping(each, "an exception", at)
        namespace, _, name = str(entry.get("policyName", "")).rpartition("/")
        rules = tuple(texts(entry.get("ruleNames"), "ruleNames", at))
        kinds = frozenset({"Policy" if namespace else "ClusterPolicy"})
        found.append(Exempted(name, rules, condition, standard.name_of(outcome.name), kinds, namespace, controls))
    if not found:
        raise Unsupported("an exception that names no policy", ("spec",))
    return found


def _met(given: object, at: Path) -> str:
    """Whether the conditions of an exception are met. One about a variable that is missing is not."""
    translator = Translator({}, NEWER, OLDER)
    translator.demanded = []
    met = conditions_of(given, translator, at)
    return celtext.conjunction([*translator.demanded, met])


def _in_cel(spec: dict[str, object], outcome: Outcome) -> list[Exempted]:
    if unknown := sorted(spec.keys() - {"policyRefs", "matchConditions", "reportResult"}):
        raise Unsupported(f"{unknown[0]} of an exception", ("spec", unknown[0]))
    given = listing(spec.get("matchConditions"), "matchConditions", ("spec", "matchConditions"))
    terms = []
    for index, each in enumerate(given):
        at = ("spec", "matchConditions", index)
        terms.append(_compiled(str(mapping(each, "a condition", at).get("expression")), at))
    condition = celtext.conjunction(terms)
    references = listing(spec.get("policyRefs"), "policyRefs", ("spec", "policyRefs"))
    named = [mapping(each, "a reference", ("spec", "policyRefs", index)) for index, each in enumerate(references)]
    if not named:
        raise Unsupported("an exception that names no policy", ("spec",))
    namespace = celkinds.namespace(outcome)
    return [
        Exempted(
            str(each.get("name")), (), condition, standard.name_of(outcome.name),
            frozenset({str(each["kind"])}) if each.get("kind") else _IN_CEL, namespace,
        )
        for each in named
    ]  # fmt: skip


def _compiled(expression: str, at: Path) -> str:
    """The expression as it can stand within another. What Kubernetes has not is named here: the policy stays whole."""
    if "variables." not in expression:
        try:
            base_environment(with_params=False).compile(expression, (types.BOOL,))
        except CompileError as error:
            raise Unsupported(f"a condition of an exception: {compiled.said(error.issues[0].message)}", at) from error
    return celtext.embedded(expression)


def conditions(exceptions: list[Exempted], policy: Outcome) -> list[tuple[str, str]]:
    """The conditions that the exceptions of a whole policy add to it."""
    return [
        (f"not-{each.name}", celtext.negation(celtext.enclose(each.condition)))
        for each in exceptions
        if each.about(policy) and not each.rules
    ]


def from_rule(exceptions: Iterable[Exempted], rule: str, controllers: Collection[str]) -> Iterator[Exempted]:
    """What exceptions take out of a rule. controllers: the kinds that Kyverno derives rules for from it, with names of
    their own, so that an exception is about the Pods, about their controllers, or about both, as it names them."""
    for each in exceptions:
        if not each.rules or (not controllers and _names(each, rule)):
            yield each
        elif controllers:
            derived = [
                ("", ["Pod"]),
                ("autogen-", sorted({*controllers} - {"CronJob"})),
                ("autogen-cronjob-", ["CronJob"]),
            ]
            kinds = [kind for prefix, them in derived if _names(each, f"{prefix}{rule}") for kind in them]
            if kinds:
                about = f"request.kind.kind in {celtext.literal(kinds)}"
                is_all = {*kinds} >= {"Pod", *controllers}
                yield each if is_all else replace(each, condition=celtext.conjunction([about, each.condition]))


def _names(exception: Exempted, rule: str) -> bool:
    return any(fnmatchcase(rule, each) for each in exception.rules)


def absent_rules(exception: Exempted, policy: JSONObject) -> list[str]:
    """Which of the rules that an exception names the policy does not have. A rule for Pods has others, made of it."""
    spec = policy.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    if not isinstance(rules, list):
        return []  # a policy without rules
    there = [str(each.get("name")) for each in rules if isinstance(each, dict)]
    there += [f"{prefix}{each}" for each in there for prefix in ("autogen-", "autogen-cronjob-")]
    return [each for each in exception.rules if not any(fnmatchcase(name, each) for name in there)]
